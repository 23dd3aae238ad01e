"""Figure of the real model: how often a cheap world decides between two selectors as it does."""

import pandas as pd
from matplotlib.figure import Figure

from .style import forest

QUANTITIES = {"now": "now: share of pairs", "later": "later: share of pairs"}


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
