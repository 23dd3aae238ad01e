"""Figures of what lies around Table 1: the regime map, and scores against true effects."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from .plots import COLOURS, LABELS, MARKERS, NAMES


def regimes(intervals: pd.DataFrame):
    """Draw the regime map: alignment minus Random now (above) and later (below), with intervals in the cells.

    Args:
        intervals: columns alignment, precursors, noise, budget, metric, mean, low, high.
    """
    values = intervals.astype({k: float for k in ("alignment", "precursors", "noise", "budget")})
    shift = values[(values["noise"] == 0.1) & (values["budget"] == 0.25)]
    strain = values[(values["alignment"] == 0.0) & (values["precursors"] == 0.2)]
    fig, axes = plt.subplots(2, 2, figsize=(7.2, 5.2))
    for row, metric in zip(axes, ("immediate_utility", "long_horizon")):
        top = values.loc[values["metric"] == metric, "mean"].abs().max()
        for ax, (cells, y, x) in zip(row, ((shift, "precursors", "alignment"), (strain, "noise", "budget"))):
            wide = cells[cells["metric"] == metric].pivot(index=y, columns=x, values=["mean", "low", "high"])
            image = ax.imshow(wide["mean"], origin="lower", aspect="auto", cmap="PuOr_r", vmin=-top, vmax=top)
            for (i, j), v in np.ndenumerate(wide["mean"].to_numpy()):
                text = f"{v:+.2f}\n[{wide['low'].iloc[i, j]:.2f}, {wide['high'].iloc[i, j]:.2f}]"
                ax.text(j, i, text, ha="center", va="center", fontsize=8, color="w" if abs(v) > 0.6 * top else "k")
            ax.set_xticks(range(wide["mean"].shape[1]), wide["mean"].columns)
            ax.set_yticks(range(len(wide)), wide.index)
            ax.set(xlabel={"alignment": "stage alignment", "budget": "budget (share of the pool)"}[x], ylabel={"precursors": "share of precursors", "noise": "label noise"}[y])
        fig.colorbar(image, ax=row, label=f"{NAMES[metric]},\nminus Random")
    return fig


TARGETS = {"now": "effect now", "last": "effect on the last stage", "final": "effect on all at the end"}


def true_effect(intervals: pd.DataFrame):
    """Draw the rank correlation of each selector's order with the measured effects, one panel per effect.

    Args:
        intervals: columns selector, target, mean, low, high.
    """
    now = intervals[intervals["target"] == "now"].sort_values("mean", ascending=False)["selector"]
    names = [*(n for n in now if n != "reliability"), "effect now"]
    fig, axes = plt.subplots(1, 3, figsize=(7.2, 3.4), sharey=True)
    for ax, (target, title) in zip(axes, TARGETS.items()):
        part = intervals[intervals["target"] == target].set_index("selector")
        for y, name in enumerate(names):
            if name in part.index:
                row = part.loc[name]
                ax.errorbar(row["mean"], y, xerr=[[row["mean"] - row["low"]], [row["high"] - row["mean"]]], fmt=MARKERS.get(name, "o"), color=COLOURS.get(name, "0.3"), capsize=2)
        ax.axvline(0, color="0.6", lw=0.8)
        ax.axvline(part.loc["reliability", "mean"], color="0.6", lw=0.8, ls=":")
        ax.set_title(title, fontsize=8)
        ax.set_xlabel("Spearman's rho")
    axes[0].set_yticks(range(len(names)), [LABELS.get(n, n) for n in names])
    axes[0].invert_yaxis()
    return fig
