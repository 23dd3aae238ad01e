"""What the long-horizon utility is made of, and how it hangs on the order of the stages."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .maps import cells
from .style import LABELS, NAMES, PAGE, SIGN, SIGNED, STYLES, fit, interval, legend_below, side, style_of

TERMS = {  # column -> label and look of a bar; their sum is U_long (eq. 2 with means and weights of 1)
    "final": ("own tasks at the end", {"color": "#0072B2"}),
    "future_auc": ("next stage, AUC", {"color": "#56B4E9", "hatch": "//"}),
    "kept": ("minus forgetting", {"color": "#E69F00", "hatch": ".."}),
    "ood": ("OOD", {"color": "#009E73", "hatch": "xx"}),
}


def utility_terms(table: pd.DataFrame) -> Figure:
    """Return the four terms of U_long minus Random's, stacked to both sides of 0, and their sum with its interval.

    Args:
        table: columns selector, metric (the keys of `TERMS`, and long_horizon), mean, low, high, minus Random.
    """
    wide = table.pivot(index="selector", columns="metric", values="mean").sort_values("long_horizon")
    fig, ax = plt.subplots(figsize=(PAGE, 0.34 * len(wide) + 1.3))
    rows, ends = np.arange(len(wide)), {1: np.zeros(len(wide)), -1: np.zeros(len(wide))}
    for term, (label, look) in TERMS.items():
        values = wide[term].to_numpy()
        left = np.where(values > 0, ends[1], ends[-1])
        ax.barh(rows, values, left=left, height=0.62, label=label, edgecolor="w", lw=0.5, **look)
        for sign in ends:
            ends[sign] += np.where(np.sign(values) == sign, values, 0)
    total = table[table["metric"] == "long_horizon"].set_index("selector").loc[wide.index]
    interval(ax, total, rows, color="k", marker="o", ms=4, label="sum, $U_{long}$")
    ax.axvline(0, color="k", lw=0.8)
    ax.set_yticks(rows, [style_of(name).label for name in wide.index])
    ax.set(xlabel="minus Random")
    ax.set_title("Long-horizon utility, term by term", loc="left")
    legend_below(fig, ncols=5)
    return fig


def order_map(table: pd.DataFrame, quantity: str = "long_horizon") -> Figure:
    """Return a heat map of selectors over orders of the stages, minus Random; a box marks the best of each order.

    A cell has colour where its interval lies on one side of 0; one without runs is empty.

    Args:
        table: columns selector, order, metric, mean, low, high, minus Random at the same order.
        quantity: the metric that is drawn.
    """
    part = table[(table["metric"] == quantity) & (table["selector"] != "random")]
    part = part.assign(told=[row["mean"] * bool(side(row, quantity)) for _, row in part.iterrows()])
    names = [name for name in STYLES if name in set(part["selector"])]
    grid = {c: part.pivot(index="order", columns="selector", values=c)[names] for c in ("mean", "told")}
    grid = {c: g.loc[list(dict.fromkeys(part["order"]))] for c, g in grid.items()}
    fig, ax = plt.subplots(figsize=(fit(0.85 * len(names) + 1.6), 0.5 * len(grid["mean"]) + 1.7))
    top = part["mean"].abs().max() or 1.0
    text = grid["mean"].map("{:+.2f}".format, na_action="ignore")
    image = cells(ax, grid["told"].rename(columns=LABELS), text, cmap=SIGNED, vmin=-top, vmax=top)
    for i, (_, row) in enumerate(grid["mean"].iterrows()):
        best = row.argmax()
        ax.add_patch(Rectangle((best - 0.47, i - 0.46), 0.94, 0.92, fill=False, ec=SIGN[1], lw=1.8))
    ax.set_xticks(range(len(names)), [LABELS[n] for n in names], rotation=30, ha="right", rotation_mode="anchor")
    ax.set_title(f"{NAMES[quantity]}, minus Random", loc="left")
    fig.colorbar(image, ax=ax, shrink=0.8)
    return fig
