"""Figures of the second study: numbers in, figure out."""

from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ..analysis import with_a_peak
from .maps import SIGNED, cells
from .style import COLUMN, PAGE, fit, interval, legend_below

SERIES = (("#56B4E9", "o"), ("#0072B2", "s"), ("#009E73", "D"), ("#000000", "^"))  # smallest to largest, light to dark
RIDGE = {"best cell": (0.16, "o"), "vertex": (0.33, "D")}  # estimator -> how far below its row, marker
TICKS = (0.3, 1, 3, 10, 30)  # nats, on a log axis
AXES = {"d": "level d trained on", "op": "operations trained on", "n": "training examples n"}


def heatmaps(gains: pd.DataFrame, ridges: pd.DataFrame) -> Figure:
    """Return a figure of gain over d and n, a row per skill, a panel per base (as Fig. 5).

    A pair without runs has no panel. Losses are red. A box marks the best cell of each n; points with intervals are the
    ridge d*(n) by both estimators, hollow where most seeds have their optimum at an edge of the levels (censored).
    Neither is drawn at an n whose cells are all equal.

    Args:
        gains: columns skill, base, n, d, gain (means over seeds).
        ridges: columns skill, base, n, estimator, d_star, low, high, at_edge, n_seeds.
    """
    skills, bases = (list(dict.fromkeys(gains[c])) for c in ("skill", "base"))
    size = fit(3.5 * len(bases)), 2.5 * len(skills) + 0.6
    fig, axes = plt.subplots(len(skills), len(bases), figsize=size, sharey="row", squeeze=False)
    top, ridges = max(gains["gain"].abs().max(), 0.01), with_a_peak(ridges, gains)
    for ax, (skill, base) in zip(axes.flat, product(skills, bases)):
        part, ridge = (t[(t["skill"] == skill) & (t["base"] == base)] for t in (gains, ridges))
        if part.empty:
            ax.axis("off")
            continue
        table = part.pivot(index="n", columns="d", values="gain")
        text = table.map("{:+.2f}".format, na_action="ignore")
        image = cells(ax, table, text, va="bottom", origin="lower", cmap=SIGNED, vmin=-top, vmax=top)
        for row in np.flatnonzero(table.max(axis=1) > table.min(axis=1)):
            best = table.iloc[row].argmax()
            ax.add_patch(Rectangle((best - 0.47, row - 0.46), 0.94, 0.92, fill=False, ec="k", lw=1.6))
        for _, place in ridge.iterrows():
            lower, marker = RIDGE[place["estimator"]]
            ends = place[["d_star", "low", "high"]].set_axis(["mean", "low", "high"]).astype(float)
            ends[:] = np.interp(ends, table.columns, range(table.shape[1]))
            hollow = 2 * place["at_edge"] > place["n_seeds"]
            look = {"color": "k", "marker": marker, "mfc": "w" if hollow else "k", "mec": "k" if hollow else "w"}
            interval(ax, ends, table.index.get_loc(place["n"]) - lower, **look)
        flat = "" if part["gain"].abs().any() else "\nno gain anywhere"
        ax.set(title=f"{skill}, {base} base{flat}", xlabel=AXES["d"])
        if base == bases[0]:
            ax.set_ylabel(AXES["n"])
    looks = [{"marker": m, "mfc": "k", "label": f"$d^*$, {name}"} for name, (_, m) in RIDGE.items()]
    looks += [{"marker": "o", "mfc": "w", "label": "most seeds at an edge"}]
    handles = [Line2D([], [], color="k", ls="none", ms=5, **look) for look in looks]
    box = Rectangle((0, 0), 1, 1, fill=False, ec="k", lw=1.6, label="best cell of the means")
    fig.legend(handles=[*handles, box], loc="outside lower center", ncols=4 if len(bases) > 1 else 2)
    fig.colorbar(image, ax=axes, label="gain over the base (loss below 0)", shrink=0.8 / len(skills))
    return fig


def slices(gains: pd.DataFrame) -> Figure:
    """Return a figure of the gain per test level, one panel per n, one line per trained level (as Fig. 6).

    Args:
        gains: columns n, d, level, exact (means over seeds).
    """
    sizes, trained = sorted(gains["n"].unique()), sorted(gains["d"].unique())
    fig, axes = plt.subplots(1, len(sizes), figsize=(fit(3.4 * len(sizes)), 2.8), sharey=True, squeeze=False)
    for ax, n in zip(axes[0], sizes):
        for d, (colour, marker) in zip(trained, SERIES):
            part = gains[(gains["n"] == n) & (gains["d"] == d)]
            look = {"color": colour, "marker": marker, "ms": 4, "lw": 1.1}
            ax.plot(part["level"], part["exact"], label=f"trained on d = {d}", **look)
        ax.axhline(0, color="0.6", lw=0.8)
        ax.set(title=f"n = {n}", xlabel="level tested")
    axes[0, 0].set_ylabel("gain in exact match")
    axes[0, -1].legend()
    return fig


def gaps(table: pd.DataFrame) -> Figure:
    """Return a figure of training risk, both gaps and their sum, the target risk, against d: a row per part and risk.

    A risk without metrics has no row; a single part is not named.

    Args:
        table: columns part, n, d, metric, mean, low, high. A metric is one of train, generalization, extrapolation,
            target, then _nll (nats) or _exact (failure rate).
    """
    panels = {
        "train": "train",
        "generalization": "generalization gap",
        "extrapolation": "extrapolation gap",
        "target": "sum = target",
    }
    risks = {"nll": "nats per token", "exact": "failure rate"}
    parts = list(dict.fromkeys(table["part"]))
    shown = [risk for risk in risks if table["metric"].str.endswith(f"_{risk}").any()]
    arms = [f"n = {n}" for n in sorted(table["n"].unique())]
    table = table.assign(arm="n = " + table["n"].astype(str))
    rows = list(product(parts, shown))
    size, alike = (PAGE, 1.8 * len(rows) + 0.9), "col" if len(shown) == 1 else "none"
    fig, axes = plt.subplots(len(rows), 4, figsize=size, squeeze=False, sharex=True, sharey=alike)
    for row, (part, risk) in zip(axes, rows):
        for ax, name in zip(row, panels):
            _series(ax, table[(table["part"] == part) & (table["metric"] == f"{name}_{risk}")], "d", arms)
        row[0].set_ylabel(risks[risk] if len(parts) == 1 else f"{part}\n{risks[risk]}")
    for ax, last, title in zip(axes[0], axes[-1], panels.values()):
        ax.set_title(title)
        last.set_xlabel(AXES["d"])
    legend_below(fig)
    return fig


def lines(table: pd.DataFrame, x: str, ylabel: str, panel: str = "n") -> Figure:
    """Return a figure of one metric with intervals against x, a line per `arm`, a panel per value of `panel`.

    Args:
        table: columns `x`, `panel`, arm (four values at most), mean, low, high.
    """
    values = list(dict.fromkeys(table[panel]))
    fig, axes = plt.subplots(1, len(values), figsize=(fit(3.2 * len(values)), 2.7), sharey=True, squeeze=False)
    for ax, value in zip(axes[0], values):
        _series(ax, table[table[panel] == value], x, list(dict.fromkeys(table["arm"])))
        ax.axhline(0, color="0.6", lw=0.8)
        ax.set(title=f"{panel} = {value}", xlabel=AXES.get(x, x))
    axes[0, 0].set_ylabel(ylabel)
    legend_below(fig, ncols=4 if len(values) > 1 else 2)
    return fig


def _series(ax, table: pd.DataFrame, x: str, arms: list[str]) -> None:
    """Draw a line for each of `arms` that the table has; its look is its place among them, in every panel."""
    for arm, (colour, marker) in zip(arms, SERIES):
        if len(part := table[table["arm"] == arm]):
            interval(ax, part[x], part, ls="-", lw=1.1, ms=4, color=colour, marker=marker, label=arm)


def bound(terms: pd.DataFrame, clip: float) -> Figure:
    """Return a figure of Prop. 4.1's terms and of their sum over d, one panel per n, with the observed risk and C.

    Args:
        terms: columns n, d, risk, complexity, shift, observed (means over seeds).
        clip: C, the highest loss counted (nats).
    """
    looks = {
        "risk": {"label": "training risk", "color": "#56B4E9", "marker": "o"},
        "complexity": {"label": "KL term", "color": "#0072B2", "marker": "s"},
        "shift": {"label": "C TV", "color": "#E69F00", "marker": "D"},
        "sum": {"label": "sum, the bound", "color": "k", "marker": "_", "ms": 12},
        "observed": {"label": "observed on D_test", "color": "k", "marker": "^"},
    }
    terms = terms.assign(sum=terms[["risk", "complexity", "shift"]].sum(axis=1))
    sizes, apart = sorted(terms["n"].unique()), 0.02 * np.ptp(terms["d"])  # markers that do not hide one another
    fig, axes = plt.subplots(1, len(sizes), figsize=(fit(2.9 * len(sizes)), 2.8), sharey=True, squeeze=False)
    for ax, n in zip(axes[0], sizes):
        part = terms[terms["n"] == n]
        for place, (name, look) in enumerate(looks.items()):
            ax.plot(part["d"] + apart * (place - 2), part[name], **{"ls": "none", "ms": 5} | look)
        ax.axhline(clip, color="k", ls="--", lw=1, label="C: vacuous above")
        ax.set(title=f"n = {n}", xlabel=AXES["d"], yscale="log")
    axes[0, 0].set_yticks(TICKS, map("{:g}".format, TICKS), minor=False)
    axes[0, 0].minorticks_off()
    axes[0, 0].set_ylabel("nats per token")
    legend_below(fig, ncols=3 if len(sizes) > 1 else 2)
    return fig


def optimum(predictions: pd.DataFrame) -> Figure:
    """Return a figure of the measured d*(n) beside its leave-one-n-out predictions.

    Args:
        predictions: columns n, measured, line, constant, nearest (means over seeds).
    """
    fig, ax = plt.subplots(figsize=(COLUMN, 2.8))
    looks = {
        "measured": ("measured", "k", "o"),
        "line": ("line in log n", "#0072B2", "s"),
        "constant": ("mean of the other n", "#E69F00", "D"),
        "nearest": ("nearest n", "#009E73", "^"),
    }
    for name, (label, colour, marker) in looks.items():
        ax.plot(predictions["n"], predictions[name], color=colour, marker=marker, ms=5, lw=1.1, label=label)
    ax.set(xscale="log", xlabel=AXES["n"], ylabel="optimal level d*")
    ax.legend()
    return fig


def measures(table: pd.DataFrame) -> Figure:
    """Return a figure of the base's NLL and failure rate against the knob: a colour per skill, dashed the strong base.

    Args:
        table: columns skill, base, level, nll, failure (means over seeds).
    """
    fig, axes = plt.subplots(1, 2, figsize=(PAGE, 2.8))
    skills = list(dict.fromkeys(table["skill"]))
    for ax, (metric, label) in zip(axes, {"nll": "base NLL, nats per token", "failure": "base failure rate"}.items()):
        for (skill, base), part in table.groupby(["skill", "base"], sort=False):
            colour, marker = SERIES[1:][skills.index(skill)][0], SERIES[skills.index(skill)][1]
            look = {"color": colour, "marker": marker, "ls": "-" if base == "weak" else "--", "ms": 4, "lw": 1.1}
            ax.plot(part["level"], part[metric], label=f"{skill}, {base}", **look)
        ax.set(xlabel="level d", ylabel=label)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
    return fig
