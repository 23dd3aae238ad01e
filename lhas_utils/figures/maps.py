"""Figures that are maps: a matrix of numbers, and the regime map of the first study."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from .style import NAMES, PAGE, SIGNED, fit, side


def cells(ax: Axes, table: pd.DataFrame, text: pd.DataFrame, *, va: str = "center", **look) -> AxesImage:
    """Draw a matrix as coloured cells with a text in each, dark on light and light on dark.

    Args:
        table: numbers; index and columns label the axes.
        text: what the cells say, of the shape of `table`; a hole stays empty.
        look: arguments of `Axes.imshow`: cmap, vmin, vmax, origin.

    Returns:
        The image, for a colour bar.
    """
    image = ax.imshow(table, aspect="auto", **look)
    red, green, blue, _ = np.moveaxis(image.to_rgba(table.to_numpy(float)), -1, 0)
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.45
    for (i, j), cell in np.ndenumerate(text.fillna("").to_numpy()):
        ax.text(j, i, cell, ha="center", va=va, fontsize=8, color="k" if light[i, j] else "w")
    ax.set_xticks(range(table.shape[1]), table.columns)
    ax.set_yticks(range(table.shape[0]), table.index)
    return image


def heatmap(table: pd.DataFrame, label: str, centre: float | None = None, fmt: str = ".2f") -> Figure:
    """Return a figure of a labelled matrix; the names of its index and columns label the axes.

    Args:
        label: of the colour bar.
        centre: switches to a diverging map around that value.
        fmt: format of the numbers in the cells.
    """
    fig, ax = plt.subplots(figsize=(fit(0.75 * table.shape[1] + 2), 0.42 * table.shape[0] + 1.2))
    look = {}
    if centre is not None:
        reach = np.nanmax(abs(table.to_numpy(float) - centre))
        look = {"cmap": SIGNED, "vmin": centre - reach, "vmax": centre + reach}
    image = cells(ax, table, table.map(f"{{:{fmt}}}".format, na_action="ignore"), **look)
    ax.set(xlabel=table.columns.name or "", ylabel=table.index.name or "")
    ax.tick_params(axis="x", rotation=35)
    plt.setp(ax.get_xticklabels(), ha="right", rotation_mode="anchor")
    fig.colorbar(image, ax=ax, label=label)
    return fig


def regimes(intervals: pd.DataFrame, metrics: Sequence[str] = ("current", "long_horizon")) -> Figure:
    """Return the regime map: alignment minus Random now (above) and later (below), with intervals in the cells.

    Blue is better than Random, red worse; a cell whose interval holds 0 has no colour (`style.side`).

    Args:
        intervals: columns alignment, precursors, noise, budget (numbers or their texts), metric, mean, low, high.
        metrics: what is above and what is below.
    """
    knobs = {
        "alignment": "stage alignment",
        "precursors": "share of precursors",
        "noise": "label noise",
        "budget": "budget (share of the pool)",
    }
    values = intervals.astype(dict.fromkeys(knobs, float))
    shift = values[(values["noise"] == 0.1) & (values["budget"] == 0.25)]
    strain = values[(values["alignment"] == 0.0) & (values["precursors"] == 0.2)]
    fig, axes = plt.subplots(2, 2, figsize=(PAGE, 5.2))
    for row, metric in zip(axes, metrics):
        top = values.loc[values["metric"] == metric, "mean"].abs().max()
        for ax, (part, y, x) in zip(row, ((shift, "precursors", "alignment"), (strain, "noise", "budget"))):
            part = part[part["metric"] == metric]
            sides = [abs(side(cell, metric)) for _, cell in part.iterrows()]
            text = [f"{m:+.2f}\n[{low:.2f}, {high:.2f}]" for m, low, high in part[["mean", "low", "high"]].to_numpy()]
            part = part.assign(text=text, shown=part["mean"] * sides)
            table, text = (part.pivot(index=y, columns=x, values=c) for c in ("shown", "text"))
            image = cells(ax, table, text, origin="lower", cmap=SIGNED, vmin=-top, vmax=top)
            ax.set(xlabel=knobs[x], ylabel=knobs[y])
        fig.colorbar(image, ax=row, label=f"{NAMES[metric]},\nminus Random")
    return fig
