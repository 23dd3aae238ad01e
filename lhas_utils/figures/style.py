"""How every figure looks: a colour, marker and label per selector, one rule for signs, one error bar, one forest plot.

Colours go back to Okabe and Ito; a marker says the same a second time for who does not see them.
"""

from collections.abc import Callable
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle


class Style(NamedTuple):
    """How one selector is drawn and called."""

    colour: str
    marker: str | tuple[int, int, int] | MarkerStyle
    label: str


STYLES = {
    "random": Style("#000000", "o", "Random"),
    "balanced": Style("#44AA99", MarkerStyle("o", "left"), "Balanced random"),
    "rs2": Style("#999933", MarkerStyle("o", "bottom"), "RS2"),
    "length": Style("#661100", (3, 1, 0), "Length"),
    "start": Style("#8C8C8C", "x", "No training"),
    "loss": Style("#E69F00", "s", "Loss"),
    "gradient": Style("#D55E00", "D", "Gradient (norm)"),
    "alignment": Style("#CC79A7", "^", "Gradient (alignment)"),
    "less": Style("#882255", "p", "LESS-style"),
    "datamodel": Style("#00405C", "*", "Datamodel-style"),
    "diversity": Style("#56B4E9", "v", "Diversity"),
    "facility_location": Style("#117733", (4, 1, 0), "Facility location"),
    "quality": Style("#9C8A00", "P", "Quality"),
    "el2n": Style("#7B3F00", MarkerStyle("s", "none"), "EL2N"),
    "utility_diversity": Style("#0072B2", "X", "Utility-div."),
    "lhas": Style("#009E73", "h", "LHAS"),
    "easy": Style("#4B0055", MarkerStyle("o", "none"), "Easiest first"),
    "difficulty_band": Style("#5E3C99", "d", "Difficulty band"),
    "shuffled": Style("#B0B0B0", ">", "Shuffled"),
    "oracle": Style("#7F7F7F", "<", "Oracle"),
    # what is drawn beside selectors
    "effect now": Style("0.3", "o", "true effect now"),
    "batch": Style("0.65", ".", "Mini-batch of 16"),
}
COLOURS = {name: s.colour for name, s in STYLES.items()}
MARKERS = {name: s.marker for name, s in STYLES.items()}
LABELS = {name: s.label for name, s in STYLES.items()}
UNITS = {"exact": "exact match", "accuracy": "token accuracy", "nll": "nats a token"}  # metric -> what it counts in
NAMES = {
    "current": "Current",
    "start": "Score before the stage",
    "now": "Gain now",
    "next_auc": "Next stage, AUC",
    "next_gain": "Next stage, AUC minus start",
    "later": "Later (AUC - forgetting + OOD)",
    "immediate_utility": "Immediate utility $U_{imm}$",
    "future_auc": "Future adaptation AUC",
    "future_auc_minus_start": "Future AUC minus start",
    "forgetting": "Forgetting (lower is better)",
    "ood": "OOD",
    "worst_task": "Worst task",
    "final_average": "Final average",
    "long_horizon": "Long-horizon utility $U_{long}$",
    "concentration": "Update concentration C(S)",
    "entropy": "Capability entropy (nats)",
    "forward_transfer": "Forward transfer",
}
LOWER = frozenset(  # quantities of which less is better
    "forgetting forgetting_nll current_nll future_auc_nll ood_nll capability_imbalance gini adaptation_tokens".split()
)
COLUMN, PAGE = 3.5, 7.0  # inches: the widths a figure is made for; text is 8 pt and more at that width
SIGN = {1: "#2166AC", -1: "#B2182B", 0: "0.6"}  # better than what is compared with, worse, not told apart
SIGNED = "RdBu"  # the same in maps: red below zero, blue above


def side(row: pd.Series, quantity: str) -> int:
    """Return 1 where a difference's interval lies on the better side of 0, -1 on the worse, 0 where it holds 0.

    One seed has no interval and tells nothing.

    Args:
        row: low and high, and n_seeds where it is known. quantity: its name; of some, less is better (`LOWER`).
    """
    if row.get("n_seeds", 2) < 2:
        return 0
    sign = int(row["low"] > 0) - int(row["high"] < 0)
    return -sign if quantity in LOWER else sign


def style() -> None:
    """Set the look of every figure: readable at column width, vector text, no chart junk."""
    look = {
        "font.size": 9,
        "axes.labelsize": 9,
        "axes.titlesize": 9,
        "legend.fontsize": 8,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "pdf.fonttype": 42,
        "ps.fonttype": 42,
        "figure.dpi": 80,
        "savefig.dpi": 200,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.constrained_layout.use": True,
        "image.cmap": "cividis",
        "legend.frameon": False,
    }
    sns.set_theme(context="paper", style="ticks", font="DejaVu Sans", rc=look)


def fit(inches: float) -> float:
    """Return the width of a figure whose panels want so many inches: a column's if that is enough, else a page's."""
    return COLUMN if inches <= COLUMN else PAGE


def style_of(name: str) -> Style:
    """Return the colour, marker and label of a selector.

    Raises:
        ValueError: the selector has none; the message says where to add them.
    """
    if name not in STYLES:
        known = ", ".join(STYLES)
        raise ValueError(
            f"selector {name!r}: expected a row of STYLES in lhas_utils/figures/style.py ({known}); add one"
        )
    return STYLES[name]


def interval(ax: Axes, x, y, **look) -> None:
    """Draw points with the intervals they have; a whisker is never shorter than nothing.

    Args:
        x, y: positions, or a row or table with `mean`, `low` and `high`.
        look: arguments of `Axes.errorbar`, such as color, marker and label.
    """
    arguments: dict = {"ls": "none", "ms": 5, "lw": 1, "capsize": 2} | look
    label = arguments.pop("label", None)
    for axis, values in (("x", x), ("y", y)):
        if isinstance(values, (pd.Series, pd.DataFrame)) and "mean" in values:
            whiskers = [values["mean"] - values["low"], values["high"] - values["mean"]]
            arguments[f"{axis}err"] = np.maximum(np.reshape(whiskers, (2, -1)), 0)
            values = values["mean"]
        arguments[axis] = values
    drawn = ax.errorbar(**arguments)
    drawn.lines[0].set_label(label)  # a legend shows the marker, which whiskers would hide


def point(name: str) -> dict[str, object]:
    """Return a selector's colour, marker and label as arguments of `interval` and of matplotlib's functions."""
    colour, marker, label = style_of(name)
    return {"color": colour, "marker": marker, "label": label}


def forest(
    table: pd.DataFrame,
    panels: dict[str, str],
    *,
    column: str = "metric",
    by: str = "selector",
    rows=None,
    width=1.75,
    look: Callable[[pd.Series], dict] = lambda row: point(row["selector"]),
) -> Figure:
    """Return a figure of means with intervals, a panel for each metric and a row for each selector or label.

    Args:
        table: columns `by`, selector (whose style a row has), `column`, mean, low, high.
        panels: value of `column` -> label of the panel's x axis.
        by: column that names a row: `selector`, shown by its label, or one that holds labels.
        rows: order of the rows; that of the table by default.
        width: that a panel wants, in inches.
        look: of a row, arguments of `interval`.
    """
    rows = list(dict.fromkeys(table[by])) if rows is None else list(rows)
    size = fit(width * len(panels)), 0.26 * len(rows) + 0.9
    fig, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for ax, (value, label) in zip(axes[0], panels.items()):
        for _, row in table[(table[column] == value) & table[by].isin(rows)].iterrows():
            interval(ax, row, rows.index(row[by]), **look(row))
        ax.set_xlabel(label)
        ax.locator_params(axis="x", nbins=4)  # labels that do not touch
    axes[0, 0].set_yticks(range(len(rows)), [style_of(r).label if by == "selector" else r for r in rows])
    axes[0, 0].set_ylim(len(rows) - 0.5, -0.5)
    return fig


def by_side(row: pd.Series) -> dict[str, object]:
    """Return the look of a difference: its selector's marker in the colour of its `side`."""
    return point(row["selector"]) | {"color": SIGN[side(row, row["metric"])]}


def legend_below(fig: Figure, ncols: int = 4, **look) -> None:
    """Put one legend of all panels that have none of their own below them."""
    drawn = (zip(*ax.get_legend_handles_labels()) for ax in fig.axes if ax.get_legend() is None)
    named = {label: handle for pairs in drawn for handle, label in pairs}
    fig.legend(named.values(), named.keys(), loc="outside lower center", ncols=ncols, **look)


def subplots(*args, **kwargs):
    """Return `plt.subplots` at the width of one column."""
    return plt.subplots(*args, **({"figsize": (COLUMN, 2.6)} | kwargs))


def show() -> None:
    """Show the current figures and close them."""
    plt.show()
    plt.close("all")
