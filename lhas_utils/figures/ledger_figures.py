"""The ledger in one picture."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from ..claims import TALLIES, VERDICTS
from .style import PAGE, SIGN

COLUMNS = 16  # claims in a row
LOOKS = {  # verdict -> colour of its cell, and of the id in it
    "REPRODUCED": (SIGN[1], "w"),
    "PARTLY": ("#92C5DE", "k"),
    "EQUIVALENT": ("#F4E3B2", "k"),
    "CONTRADICTED": (SIGN[-1], "w"),
    "INCONCLUSIVE": ("0.8", "k"),
    "NOT TESTABLE": ("w", "0.5"),
}


def ledger(table: pd.DataFrame) -> Figure:
    """Return every claim as a cell with its id: a block a tally, colour the verdict, hatched what is fragile.

    Blue says what the claim says, red the opposite.

    Args:
        table: indexed by claim, with tally, verdict and stands_on (`claims.ledger.table`).
    """
    blocks = {name: table[table["tally"] == name] for name in TALLIES}
    blocks = {name: part for name, part in blocks.items() if len(part)}
    heights = [-(-len(part) // COLUMNS) for part in blocks.values()]
    fig, axes = plt.subplots(
        len(blocks),
        1,
        figsize=(PAGE, 0.3 * sum(heights) + 0.45 * len(blocks) + 0.5),
        squeeze=False,
        gridspec_kw={"height_ratios": heights},
    )
    for ax, (name, part), height in zip(axes[:, 0], blocks.items(), heights):
        order = np.argsort([VERDICTS.index(v) for v in part["verdict"]], kind="stable")
        for i, (claim, row) in enumerate(part.iloc[order].iterrows()):
            x, y = i % COLUMNS, i // COLUMNS
            colour, ink = LOOKS[row["verdict"]]
            hatch = "////" if "fragile" in row["stands_on"] else None
            ax.add_patch(Rectangle((x, y), 0.94, 0.9, fc=colour, ec="0.7", lw=0.6, hatch=hatch))
            box = {"fc": colour, "ec": "none", "pad": 0.6} if hatch else None
            ax.text(x + 0.47, y + 0.47, claim, ha="center", va="center", fontsize=8, color=ink, bbox=box)
        ax.set(xlim=(0, COLUMNS), ylim=(height, 0))
        ax.set_title(f"{TALLIES[name]}: {len(part)} claims", loc="left")
        ax.axis("off")
    used = [v for v in VERDICTS if v in set(table["verdict"])]
    keys = [Patch(fc=LOOKS[v][0], ec="0.7", label=v.lower()) for v in used]
    keys.append(Patch(fc="0.8", ec="0.5", hatch="////", label="fragile"))
    fig.legend(handles=keys, loc="outside lower center", ncols=4)
    return fig
