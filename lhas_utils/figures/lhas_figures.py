"""The picture of the map: where LHAS pays, costs, is equivalent or open, against baselines and without each term."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..analysis.lhas_map import KNOBS, OPPONENTS, smallest
from .maps import SIGNED, cells
from .style import NAMES, PAGE

MARKS = {"pays": "\N{BLACK UP-POINTING TRIANGLE}", "costs": "\N{BLACK DOWN-POINTING TRIANGLE}", "equivalent": "="}
TITLES = {"random": "Random", "balanced": "Balanced random", "diversity": "Diversity"}
_ORDERS = ((["duplicates", "imbalance"], "row"), (["noise", "budget"], "column"))


def _row(duplicates: float, imbalance: float) -> str:
    return f"{duplicates:.0%} duplicates,\n{f'one task {imbalance:.0%}' if imbalance else 'even tasks'}"


def _column(noise: float, budget: float) -> str:
    return f"{noise:.0%}\n{budget:.0%}"


def lhas_map(words: pd.DataFrame, quantity: str = "long_horizon", metric: str = "exact") -> Figure:
    """Return the map of LHAS minus each other arm: a panel an arm, a cell a world and budget.

    Colour and number are the mean difference. A triangle upwards: LHAS is significantly better there, downwards:
    worse; an equals sign: equivalent; no mark: open.

    Args:
        words: of `analysis.lhas_map.cell_words`.
        quantity: which of its quantities. metric: score in which that was measured.

    Raises:
        ValueError: where the table has no row of LHAS minus an arm in this quantity.
    """
    part = words[(words["metric"] == quantity) & (words["a"] == "lhas")].astype(dict.fromkeys(KNOBS, float))
    arms = [arm for arm in OPPONENTS if (part["b"] == arm).any()]
    if not arms:
        raise ValueError(f"lhas_map: expected rows of lhas minus an arm in {quantity!r}; got none")
    part = part.assign(
        row=[_row(*v) for v in part[["duplicates", "imbalance"]].to_numpy()],
        column=[_column(*v) for v in part[["noise", "budget"]].to_numpy()],
        text=[f"{m:+.2f}\n{MARKS.get(w, '')}".replace("0.", ".") for m, w in zip(part["mean"], part["word"])],
    ).sort_values([*KNOBS])
    rows, columns = (list(dict.fromkeys(part.sort_values(by)[name])) for by, name in _ORDERS)
    top, wide = max(part["mean"].abs().max(), 1e-9), min(3, len(arms))
    fig, axes = plt.subplots(
        -(-len(arms) // 3),
        wide,
        figsize=(PAGE, 0.7 + 2.3 * -(-len(arms) // 3)),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for ax, arm in zip(axes.flat, arms):
        one = part[part["b"] == arm]
        numbers, text = (one.pivot(index="row", columns="column", values=v) for v in ("mean", "text"))
        numbers, text = (table.reindex(index=rows, columns=columns) for table in (numbers, text))
        image = cells(ax, numbers, text, cmap=SIGNED, vmin=-top, vmax=top)
        counts = [f"{MARKS[word]} {(one['word'] == word).sum()}" for word in MARKS]
        ax.set_title(f"{TITLES.get(arm, f'LHAS {arm}')}\n{'   '.join(counts)}   of {len(one)}")
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
    for ax in axes.flat[len(arms) :]:
        ax.set_visible(False)
    fig.colorbar(image, ax=axes, label=f"{NAMES[quantity]},\nLHAS minus the other", shrink=0.7)
    key = "columns: label noise (above) and budget (below); rows: near-duplicates in the pool and share of one task\n"
    key += f"{MARKS['pays']} pays, {MARKS['costs']} costs: p < .05, Holm over the panel's cells      "
    key += f"= equivalent: 90 % interval within \N{PLUS-MINUS SIGN}{smallest(quantity, metric):g}      no mark: open"
    fig.supxlabel(key, fontsize=8)
    return fig
