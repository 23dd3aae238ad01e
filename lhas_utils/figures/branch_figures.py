"""Figures of what Random learns and of the common start: now against later, and what a low start does to eq. 1."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..analysis import statistics
from .labels import name_points
from .style import LOWER, NAMES, PAGE, SIGN, UNITS, interval, point, side, style_of


def learning(scores: pd.DataFrame, metric: str = "exact") -> Figure:
    """Return small multiples: each capability's score after stages 0..T, mean with its 95 % interval over seeds.

    A grey band marks the capability's own stage, thin lines are seeds.

    Args:
        scores: columns seed, stage, capability, value, capabilities in the order of their stages.
        metric: of the values; it names the axis.
    """
    names = list(dict.fromkeys(scores["capability"]))
    fig, axes = plt.subplots(1, len(names), figsize=(PAGE, 2.2), sharey=True, squeeze=False)
    for t, (ax, name) in enumerate(zip(axes[0], names)):
        wide = scores[scores["capability"] == name].pivot(index="stage", columns="seed", values="value")
        mean, low, high = np.transpose([statistics.interval(v) for v in wide.to_numpy()])
        ax.axvspan(t, t + 1, color="0.9", lw=0)
        ax.plot(wide.index, wide, color="0.6", lw=0.5)
        interval(
            ax, wide.index, pd.DataFrame({"mean": mean, "low": low, "high": high}), color="k", marker="o", ms=3, ls="-"
        )
        ax.set_title(name, fontsize=9)
        ax.set_xticks(wide.index)
    axes[0, 0].set(ylabel=UNITS[metric])
    fig.supxlabel("stages trained", fontsize=9)
    return fig


def zero_lines(ax: Axes, x: str, y: str) -> None:
    """Give a plane of two differences from Random its zero lines and labels."""
    ax.axhline(0, color="0.7", lw=0.8, zorder=0)
    ax.axvline(0, color="0.7", lw=0.8, zorder=0)
    ax.set(xlabel=f"{x}, minus Random", ylabel=f"{y}, minus Random")


def plane(ax: Axes, x: pd.DataFrame, y: pd.DataFrame, quantity: str) -> None:
    """Draw one difference of each selector against another, its name beside the point.

    Args:
        x, y: one row a selector, which is the index: mean, low, high.
        quantity: that of y, in whose `side` a point is coloured.
    """
    places = {}
    for name in y.index:
        across, up = x.loc[name], y.loc[name]
        interval(ax, across, up, **point(name) | {"color": SIGN[side(up, quantity)], "lw": 0.7})
        places[style_of(name).label] = (across["mean"], up["mean"])
    ax.margins(0.12)
    if quantity in LOWER:
        ax.invert_yaxis()
    name_points(ax, places)


def now_later(intervals: pd.DataFrame, metric: str = "exact") -> Figure:
    """Return the common start, now against later: (a) the next stage's AUC, (b) forgetting, whose axis points down.

    All minus Random, so that right is better now and up is better later: below on the right is what wins now and
    loses later. Colour is the side of what is later: blue better than Random, red worse, grey not told apart.

    Args:
        intervals: columns selector, metric, mean, low, high, with now, next_auc and forgetting minus Random.
        metric: of the values; it names the unit.
    """
    fig, axes = plt.subplots(1, 2, figsize=(PAGE, 3.6))
    titles = {"next_auc": "(a) now against the next stage", "forgetting": "(b) now against earlier stages"}
    by = {quantity: rows.set_index("selector") for quantity, rows in intervals.groupby("metric")}
    for ax, (later, title) in zip(axes, titles.items()):
        zero_lines(ax, NAMES["now"], NAMES[later])
        plane(ax, by["now"], by[later], later)
        ax.set_title(f"{title}, {UNITS[metric]}", loc="left")
    return fig


def low_start(levels: pd.DataFrame, differences: pd.DataFrame, metric: str = "exact") -> Figure:
    """Return what eq. 1 is made of: (a) from the start of a stage to its end, (b) utility against start, minus Random.

    In (a) an arrow is U_imm = current - start, so a low start makes it long. In (b) U_imm - Random's is
    (current - Random's) - (start - Random's): on the dashed line y = -x a selector ends where Random does, and all it
    has over Random is its lower start. Colours and markers are those of (a), which has the names.

    Args:
        levels: columns selector, metric, mean, with start, current and immediate_utility.
        differences: columns selector, metric, mean, low, high, with start and immediate_utility minus Random.
        metric: of the values; it names the unit.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 3.4))
    wide = levels.pivot(index="selector", columns="metric", values="mean").sort_values("immediate_utility")
    for i, (name, row) in enumerate(wide.iterrows()):
        look = point(name)
        left.annotate(
            "", (row["current"], i), (row["start"], i), arrowprops={"arrowstyle": "->", "color": look["color"]}
        )
        left.plot(row["start"], i, ms=5, ls="none", mfc="none", **look)
        left.plot(row["current"], i, ms=5, ls="none", **look)
    left.set_yticks(range(len(wide)), [style_of(name).label for name in wide.index])
    left.set(xlabel=f"own stage, {UNITS[metric]}: before (open), after")
    left.set_title("(a) what eq. 1 subtracts", loc="left")
    for name, rows in differences.groupby("selector", sort=False):
        rows = rows.set_index("metric")
        interval(right, rows.loc["start"], rows.loc["immediate_utility"], **point(name) | {"lw": 0.7})
    zero_lines(right, NAMES["start"], NAMES["immediate_utility"])
    right.margins(0.12)
    right.axline((0, 0), slope=-1, color="0.5", lw=0.8, ls="--", zorder=0)
    clear = {"fc": "w", "ec": "none", "pad": 1}  # of the lines behind
    for x, y, words, ha in ((0.98, 0.98, "ends above Random", "right"), (0.02, 0.02, "ends below Random", "left")):
        va = "top" if y > 0.5 else "bottom"
        right.text(x, y, words, transform=right.transAxes, ha=ha, va=va, fontsize=8, color="0.4", bbox=clear)
    right.set_title("(b) utility against start", loc="left")
    return fig
