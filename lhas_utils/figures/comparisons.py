"""Figures that compare selectors: intervals in, figure out. Nothing is computed here but positions and bands."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..analysis import statistics
from .style import NAMES, PAGE, STYLES, UNITS, by_side, fit, forest, interval, legend_below, point, style_of


def scatter(ax: Axes, intervals: pd.DataFrame, x: str, y: str) -> Axes:
    """Draw one point per selector with the intervals of both metrics; return the axes.

    Args:
        intervals: columns selector, metric, mean, low, high; rows of both metrics for each selector.
        x, y: the metrics.
    """
    wide = intervals.set_index(["selector", "metric"])
    for name in dict.fromkeys(intervals["selector"]):
        interval(ax, wide.loc[(name, x)], wide.loc[(name, y)], **point(name))
    ax.set(xlabel=NAMES.get(x, x), ylabel=NAMES.get(y, y))
    return ax


def curves(ax: Axes, probe: pd.DataFrame, metric: str = "exact") -> Axes:
    """Draw the adaptation curve of each selector: mean over seeds with its 95 % interval as a band; return the axes.

    Args:
        probe: columns selector, seed, step, value (one value per seed and step, a mean over stages).
        metric: of the values; it names the axis.
    """
    for name, group in probe.groupby("selector", sort=False):
        steps = group.groupby("step")["value"]
        mean, low, high = np.transpose([statistics.interval(values) for _, values in steps])
        ax.plot(list(steps.groups), mean, ms=4, lw=1.1, **point(name))
        ax.fill_between(list(steps.groups), low, high, color=style_of(name).colour, alpha=0.12, lw=0)
    ax.set(xlabel="updates on the next stage", ylabel=f"next stage, {UNITS[metric]}")
    return ax


def gap(ax: Axes, null: np.ndarray, observed: dict[str, float], k: int) -> Axes:
    """Draw the permutation null of the myopia gap and observed values as labelled lines; return the axes.

    Args:
        null: gaps of random rankings, shape (draws,).
        observed: label -> gap, three at most.
        k: how many selectors the random rankings rank.
    """
    values, counts = np.unique(np.round(null, 6), return_counts=True)
    share = counts / counts.sum()
    ax.bar(values, share, width=0.8 * np.diff(values).min(), color="0.8", label=f"random rankings of {k}")
    for (label, value), dash in zip(observed.items(), ("-", "--", ":")):
        ax.plot([value, value], [0, 1.08 * share.max()], color="k", ls=dash, lw=1.2, label=f"{label}: {value:.3f}")
    ax.set(xlabel="myopia gap (eq. 3)", ylabel="probability", ylim=(0, 1.6 * share.max()))  # the legend stands above
    ax.legend(loc="upper left")
    return ax


def rank_reversal(
    intervals: pd.DataFrame, probe: pd.DataFrame, null: np.ndarray, observed: dict[str, float], metric: str = "exact"
) -> Figure:
    """Return Fig. 2: (a) now against later, (b) adaptation curves, (c) OOD against forgetting, (d) gap.

    Args:
        intervals: as for `scatter`, with immediate_utility, future_auc, forgetting and ood.
        probe, metric: as for `curves`.
        null, observed: as for `gap`; the random rankings are of as many selectors as `intervals` has.
    """
    fig, axes = plt.subplots(2, 2, figsize=(PAGE, 5.8))
    scatter(axes[0, 0], intervals, "immediate_utility", "future_auc")
    curves(axes[0, 1], probe, metric)
    scatter(axes[1, 0], intervals, "forgetting", "ood")
    gap(axes[1, 1], null, observed, intervals["selector"].nunique())
    _titled(
        fig, "now, by eq. 1, against later", "the next stage is learnt", "OOD against forgetting", "the gap and chance"
    )
    legend_below(fig)
    return fig


def concentration(intervals: pd.DataFrame) -> Figure:
    """Return Fig. 4(b), update concentration against forgetting, raw and normalised, and Fig. 3(b), entropy against it.

    Args:
        intervals: as for `scatter`, with concentration, concentration_normalised, entropy and forgetting.
    """
    fig, axes = plt.subplots(1, 3, figsize=(PAGE, 2.9))
    scatter(axes[0], intervals, "concentration", "forgetting")
    scatter(axes[1], intervals, "concentration_normalised", "forgetting")
    scatter(axes[2], intervals, "entropy", "concentration")
    axes[1].set(xlabel="C(S), gradients normalised", ylabel="")
    axes[1].sharey(axes[0])
    _titled(fig, "raw", "normalised", "against entropy")
    legend_below(fig)
    return fig


def diagnostics(intervals: pd.DataFrame) -> Figure:
    """Return a figure of Table 2: one panel per diagnostic, one row per selector.

    Args:
        intervals: columns selector, metric, mean, low, high, with entropy, difficulty, quality and concentration.
    """
    panels = {
        "entropy": "entropy (nats)",
        "difficulty": "mean difficulty",
        "quality": "mean judged quality",
        "concentration": "concentration C(S)",
    }
    return forest(intervals, panels)


def differences(intervals: pd.DataFrame, metrics: list[str], against: str = "Random") -> Figure:
    """Return a figure of paired differences with intervals: one panel per metric, one row per label, a line at zero.

    Blue is better than what was subtracted, red worse, grey not told apart (`style.side`).

    Args:
        intervals: columns label, selector (whose style the row has), metric, mean, low, high.
        metrics: one panel each.
        against: what was subtracted.
    """
    panels = {m: f"{NAMES.get(m, m)},\nminus {against}" for m in metrics}
    fig = forest(intervals, panels, by="label", width=3.5, look=by_side)
    for ax in fig.axes:
        ax.axvline(0, color="0.6", lw=0.8, zorder=0)
    return fig


def true_effect(intervals: pd.DataFrame) -> Figure:
    """Return a figure of each selector's rank correlation with the measured effects.

    Dotted is the square root of their reliability, about what the true effects themselves would reach.

    Args:
        intervals: columns selector, target (now, last, final), mean, low, high; selector also holds
            `reliability` and, of the later effects, `effect now`.
    """
    titles = {"now": "effect now", "last": "effect on the last stage", "final": "effect on all at the end"}
    part = intervals[intervals["selector"] != "reliability"]
    now = part[part["target"] == "now"].sort_values("mean", ascending=False)["selector"]
    panels = dict.fromkeys(titles, "Spearman's rho")
    fig = forest(part, panels, column="target", rows=[*now, "effect now"], width=2.4)
    reliability = intervals[intervals["selector"] == "reliability"].set_index("target")["mean"]
    for ax, (target, title) in zip(fig.axes, titles.items()):
        ax.axvline(0, color="0.6", lw=0.8, zorder=0)
        ax.axvline(np.sqrt(reliability[target]), color="0.6", lw=0.8, ls=":", zorder=0)
        ax.set_title(title, fontsize=8)
    return fig


def real_text(intervals: pd.DataFrame) -> Figure:
    """Return a figure of Table 1 in response NLL, one panel a metric: further left is better; dotted: the first row.

    Args:
        intervals: columns selector, metric, mean, low, high, with the metrics' names ending in `_nll`.
    """
    titles = {
        "current_nll": "(a) stage just trained",
        "future_auc_nll": "(b) next stage (AUC)",
        "forgetting_nll": "(c) forgetting (rise)",
        "ood_nll": "(d) long prompts",
    }
    fig = forest(intervals, dict.fromkeys(titles, "nats a token"))
    first = intervals[intervals["selector"] == intervals["selector"].iloc[0]].set_index("metric")["mean"]
    for ax, (metric, title) in zip(fig.axes, titles.items()):
        ax.axvline(first[metric], color="0.7", lw=0.8, ls=":", zorder=0)
        ax.set_title(title, loc="left", fontsize=8)
        ax.locator_params(axis="x", nbins=3)
        ax.margins(x=0.12)
    return fig


def conditions(intervals: pd.DataFrame, x: str, metrics: list[str], order: list[str] | None = None) -> Figure:
    """Return a figure with one panel per metric: a condition on the x axis, a point with its interval per selector.

    Args:
        intervals: columns selector, `x` (texts), metric, mean, low, high.
        order: order of the conditions; that of the table by default.
    """
    fig, axes = plt.subplots(1, len(metrics), figsize=(fit(3.5 * len(metrics)), 2.9), squeeze=False)
    order = list(dict.fromkeys(intervals[x])) if order is None else order
    looks = {name: point(name) for name in dict.fromkeys(intervals["selector"])}
    names = [name for name in STYLES if name in looks]
    for ax, metric in zip(axes[0], metrics):
        apart = min(0.1, 0.7 / len(names))
        for k, name in enumerate(names):
            part = intervals[(intervals["selector"] == name) & (intervals["metric"] == metric)].set_index(x)
            part = part.loc[[o for o in order if o in part.index]]
            at = np.array([order.index(o) for o in part.index]) + apart * (k - (len(names) - 1) / 2)
            interval(ax, at, part, **looks[name])
        for edge in range(1, len(order)):
            ax.axvline(edge - 0.5, color="0.9", lw=0.8, zorder=0)
        ax.set_xticks(range(len(order)), order, rotation=15 if max(map(len, order)) > 8 else 0)
        ax.set(xlabel=x, ylabel=NAMES.get(metric, metric))
    legend_below(fig)
    return fig


def race(runs: pd.DataFrame, name: str) -> Figure:
    """Return a figure of a selector of somebody's own, hatched, beside known ones: bars for means, a dot per seed.

    Args:
        runs: one row per run: columns selector, current, future_auc, forgetting.
        name: the selector that has no style of its own.
    """
    fig, axes = plt.subplots(1, 3, figsize=(PAGE, 2.6))
    names = list(dict.fromkeys(runs["selector"]))
    hatched = {"color": "white", "edgecolor": "k", "hatch": "///", "lw": 1.2}
    for ax, metric in zip(axes, ("current", "future_auc", "forgetting")):
        for i, selector in enumerate(names):
            values = runs.loc[runs["selector"] == selector, metric]
            look = hatched if selector == name else {"color": style_of(selector).colour}
            ax.bar(i, values.mean(), **look)
            ax.plot([i] * len(values), values, "o", ms=3.5, color="k", mfc="white", mew=0.8)
        labels = [n if n == name else style_of(n).label for n in names]
        ax.set_xticks(range(len(names)), labels, rotation=40, ha="right", rotation_mode="anchor")
        ax.set_title(NAMES[metric].replace(" (", "\n("), fontsize=9)
        ax.axhline(0, color="k", lw=0.6)
    return fig


def ratios(bench: pd.DataFrame) -> Figure:
    """Return a figure of how many times as long others take for the same, with the range of repeats, on a log axis.

    Args:
        bench: columns benchmark, peer, size, ratio (theirs over ours), low, high; right of the line we are faster.
            A comparison and a peer at several sizes `n = ...` goes from the smallest down to the largest.
    """
    count = bench["size"].str.extract(r"n = (\d+)")[0].astype(float)  # as a number: 5000 before 10000
    rows = bench.assign(count=count).sort_values(["benchmark", "peer", "count"], kind="stable").iloc[::-1]
    fig, ax = plt.subplots(figsize=(PAGE, 0.8 + 0.24 * len(rows)))
    interval(ax, rows.assign(mean=rows["ratio"]), range(len(rows)), color="k", marker="o", ms=3)
    ax.axvline(1, color="0.6", lw=0.8)
    ax.set(xscale="log", xlabel="their seconds / ours", yticks=range(len(rows)))
    ax.set_yticklabels(rows["benchmark"] + ": " + rows["peer"] + ", " + rows["size"])
    return fig


def _titled(fig: Figure, *titles: str) -> None:
    for ax, letter, title in zip(fig.axes, "abcd", titles):
        ax.set_title(f"({letter}) {title}", loc="left")
