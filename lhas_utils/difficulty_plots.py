"""Figures of the second study: numbers in, figure out."""

from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

BASES = {"weak": ("#0072B2", "o"), "strong": ("#D55E00", "s")}
SIZES = ("#56B4E9", "#0072B2", "#009E73", "#000000")  # smallest to largest n
MARKS = "osD^"
TERMS = {
    "risk": ("training risk", "#56B4E9", ""),
    "complexity": ("KL term", "#0072B2", "//"),
    "shift": ("C TV", "#E69F00", ".."),
}


def heatmaps(cells: pd.DataFrame, ridges: pd.DataFrame):
    """Draw gain over d and n, a row per skill and a panel per base, with the ridge d*(n) and its interval (Fig. 5 analogue).

    Args:
        cells: skill, base, n, d, gain (means over seeds).
        ridges: skill, base, n, d_star, low, high.
    """
    skills, bases = (list(dict.fromkeys(cells[c])) for c in ("skill", "base"))
    size = 3.6 * len(bases), 2.5 * len(skills) + 0.3
    fig, axes = plt.subplots(len(skills), len(bases), figsize=size, sharey="row", squeeze=False)
    top = cells["gain"].abs().max()
    for (row, skill), (column, base) in product(enumerate(skills), enumerate(bases)):
        ax = axes[row, column]
        part, r = (t[(t["skill"] == skill) & (t["base"] == base)] for t in (cells, ridges))
        table = part.pivot(index="n", columns="d", values="gain")
        image = ax.imshow(table, origin="lower", aspect="auto", cmap="PuOr", vmin=-top, vmax=top)
        for (i, j), v in np.ndenumerate(table.to_numpy()):
            ax.text(j, i, f"{v:+.2f}", ha="center", va="bottom", fontsize=8, color="w" if abs(v) > 0.6 * top else "k")
        mid, low, high = (np.interp(r[c], table.columns, range(table.shape[1])) for c in ("d_star", "low", "high"))
        bars, at = np.maximum([mid - low, high - mid], 0), np.arange(len(r)) - 0.25
        ax.errorbar(mid, at, xerr=bars, color="k", ls="none", marker="o", mfc="w", ms=5, elinewidth=1, capsize=2)
        ax.set(title=f"{skill}, {base} base", xlabel="level d trained on")
        ax.set_xticks(range(table.shape[1]), table.columns)
        ax.set_yticks(range(table.shape[0]), table.index)
        if column == 0:
            ax.set_ylabel("training examples n")
    fig.colorbar(image, ax=axes, label="gain in exact match", shrink=0.8 / len(skills))
    return fig


def slices(gains: pd.DataFrame):
    """Draw the gain per test level, one panel per n, one line per trained level (Fig. 6 analogue).

    Args:
        gains: n, d, level, exact (means over seeds).
    """
    sizes, trained = sorted(gains["n"].unique()), sorted(gains["d"].unique())
    fig, axes = plt.subplots(1, len(sizes), figsize=(3.4 * len(sizes), 2.8), sharey=True, squeeze=False)
    for ax, n in zip(axes[0], sizes):
        for d, colour, mark in zip(trained, SIZES, MARKS):
            part = gains[(gains["n"] == n) & (gains["d"] == d)]
            ax.plot(part["level"], part["exact"], color=colour, marker=mark, ms=4, lw=1.1, label=f"trained on d = {d}")
        ax.axhline(0, color="0.6", lw=0.8)
        ax.set(title=f"n = {n}", xlabel="level tested")
    axes[0, 0].set_ylabel("gain in exact match")
    axes[0, -1].legend(frameon=False)
    return fig


def _by_size(ax, table: pd.DataFrame, metric: str):
    for n, colour, mark in zip(sorted(table["n"].unique()), SIZES, MARKS):
        part = table[(table["n"] == n) & (table["metric"] == metric)]
        bars = np.maximum([part["mean"] - part["low"], part["high"] - part["mean"]], 0)
        look = {"color": colour, "marker": mark, "ms": 4, "lw": 1.1, "capsize": 2}
        ax.errorbar(part["d"], part["mean"], yerr=bars, label=f"n = {n}", **look)
    ax.set(xlabel="level d trained on")


def gaps(table: pd.DataFrame):
    """Draw training NLL, generalization gap, extrapolation gap and their sum, the target NLL, against d.

    Args:
        table: n, d, metric, mean, low, high.
    """
    panels = {
        "train": "train",
        "generalization": "generalization gap",
        "extrapolation": "extrapolation gap",
        "target": "sum = target",
    }
    fig, axes = plt.subplots(1, 4, figsize=(9.6, 2.7))
    for ax, (metric, title) in zip(axes, panels.items()):
        _by_size(ax, table, metric)
        ax.set_title(title)
    axes[0].set_ylabel("nats per token")
    axes[0].legend(frameon=False)
    return fig


def lines(table: pd.DataFrame, x: str, ylabel: str, panel: str = "n"):
    """Draw mean and interval of one metric against x, a line per `arm`, a panel per value of `panel`.

    Args:
        table: columns x, panel, arm, mean, low, high.
    """
    values = list(dict.fromkeys(table[panel]))
    fig, axes = plt.subplots(1, len(values), figsize=(3.2 * len(values), 2.7), sharey=True, squeeze=False)
    for ax, value in zip(axes[0], values):
        for (arm, part), colour, mark in zip(table[table[panel] == value].groupby("arm", sort=False), SIZES, MARKS):
            bars = np.maximum([part["mean"] - part["low"], part["high"] - part["mean"]], 0)
            ax.errorbar(part[x], part["mean"], yerr=bars, color=colour, marker=mark, ms=4, lw=1.1, capsize=2, label=arm)
        ax.axhline(0, color="0.6", lw=0.8)
        ax.set(title=f"{panel} = {value}", xlabel={"d": "level d trained on", "op": "operations trained on"}.get(x, x))
    axes[0, 0].set_ylabel(ylabel)
    axes[0, -1].legend(frameon=False)
    return fig


def bound(terms: pd.DataFrame, clip: float):
    """Draw the three terms of Prop. 4.1 stacked over d, one panel per n, with the observed risk and C.

    Args:
        terms: n, d, risk, complexity, shift, observed (means over seeds).
    """
    sizes = sorted(terms["n"].unique())
    fig, axes = plt.subplots(1, len(sizes), figsize=(2.9 * len(sizes), 2.8), sharey=True, squeeze=False)
    for ax, n in zip(axes[0], sizes):
        part, bottom = terms[terms["n"] == n].sort_values("d"), 0
        for name, (label, colour, hatch) in TERMS.items():
            ax.bar(part["d"], part[name], bottom=bottom, color=colour, hatch=hatch, label=label, width=0.7)
            bottom = bottom + part[name].to_numpy()
        ax.plot(part["d"], part["observed"], "k^", ms=5, label="observed on D_test")
        ax.axhline(clip, color="k", ls="--", lw=1, label="C: vacuous above")
        ax.set(title=f"n = {n}", xlabel="level d trained on", yscale="symlog")
    axes[0, 0].set_ylabel("nats per token")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return fig


def optimum(predictions: pd.DataFrame):
    """Draw the measured d*(n) beside its leave-one-n-out predictions.

    Args:
        predictions: n, measured, surface, constant.
    """
    fig, ax = plt.subplots(figsize=(4, 2.8))
    for (name, colour), mark in zip({"measured": "k", "surface": "#0072B2", "constant": "#E69F00"}.items(), MARKS):
        ax.plot(predictions["n"], predictions[name], color=colour, marker=mark, ms=5, lw=1.1, label=name)
    ax.set(xscale="log", xlabel="training examples n", ylabel="optimal level d*")
    ax.legend(frameon=False)
    return fig


def measures(table: pd.DataFrame):
    """Draw the base's NLL and failure rate against the knob: a colour per skill, a line style per base.

    Args:
        table: skill, base, level, nll, failure (means over seeds).
    """
    fig, axes = plt.subplots(1, 2, figsize=(6.8, 2.8))
    groups = list(table.groupby(["skill", "base"], sort=False))
    skills = list(dict.fromkeys(table["skill"]))
    for ax, (metric, label) in zip(axes, {"nll": "base NLL, nats per token", "failure": "base failure rate"}.items()):
        for (skill, base), part in groups:
            k = skills.index(skill)
            style = {"color": SIZES[k + 1], "marker": MARKS[k], "ls": "-" if base == "weak" else "--"}
            ax.plot(part["level"], part[metric], ms=4, lw=1.1, label=f"{skill}, {base}", **style)
        ax.set(xlabel="level d", ylabel=label)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    return fig
