"""Figures of the real model: what a cheap world says of a selector beside it, and how often it decides as it does."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from .branch_figures import plane, zero_lines
from .style import NAMES, PAGE, UNITS, forest

QUANTITIES = {"now": "now: share of pairs", "later": "later: share of pairs"}


def worlds(cheap: pd.DataFrame, real: pd.DataFrame, cheap_name: str, real_name: str, metric: str = "exact") -> Figure:
    """Return each selector's difference from Random on the real model against that in a cheap world, now and later.

    The cheap world has the sign of the real one in the quadrants below on the left and above on the right. Colour is
    the side on the real model: blue better than Random, red worse, grey not told apart.

    Args:
        cheap, real: columns selector, metric (`now`, `later`), mean, low, high; every selector of `real` is in both.
        cheap_name, real_name: of the two worlds, for the axes.
        metric: of the values; it names the unit.
    """
    fig, axes = plt.subplots(1, len(QUANTITIES), figsize=(PAGE, 3.6))
    for ax, quantity in zip(axes, QUANTITIES):
        ax.set_title(f"{NAMES[quantity]}, {UNITS[metric]}", loc="left")
        zero_lines(ax, cheap_name, real_name)
        x, y = (t[t["metric"] == quantity].set_index("selector") for t in (cheap, real))
        plane(ax, x, y, quantity)
    return fig


def decisions(table: pd.DataFrame) -> Figure:
    """Return decision accuracy, a panel for now and for later, a row for each world; chance is the dashed line.

    Args:
        table: columns world, metric (`now`, `later`), mean, low, high: `analysis.decision_accuracy` over seeds.
    """
    fig = forest(table, QUANTITIES, by="world", width=3.2, look=lambda row: {"color": "k", "marker": "o"})
    for ax in fig.axes:
        ax.axvline(0.5, color="0.6", lw=0.8, ls="--", zorder=0)
        ax.set_xlim(0, 1.02)
    return fig
