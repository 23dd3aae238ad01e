"""What a selector picks, held against a rival's picks."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from .style import fit


def picks(shares: pd.DataFrame, mine: str, rival: str) -> Figure:
    """Return a figure with a panel a stage and a point a task: its share of a rival's picks and of one's own.

    On the dotted line both take the same share; the title says how many picks they have in common. The task that each
    of the two picks most is named.

    Args:
        shares: of `analysis.scorecard.overlap`: columns stage, task, mine, rival, common.
        mine, rival: names for the axes.
    """
    stages = list(shares.groupby("stage", sort=True))
    fig, axes = plt.subplots(
        1, len(stages), figsize=(fit(2 * len(stages)), 2.6), squeeze=False, sharex=True, sharey=True
    )
    end = 1.08 * shares[["mine", "rival"]].to_numpy().max()
    for ax, (stage, part) in zip(axes[0], stages):
        ax.plot([0, end], [0, end], ":", color="0.6", lw=0.8, zorder=0)
        ax.plot(part["rival"], part["mine"], "o", ms=4, color="#0072B2")
        favourites = pd.concat([part.nlargest(1, "mine"), part.nlargest(1, "rival")]).drop_duplicates("task")
        for _, row in favourites.iterrows():
            at = row["rival"], row["mine"]
            ha, shift = ("right", -4) if at[0] > end / 2 else ("left", 4)
            words = row["task"].replace(" ", "\n")
            label = ax.annotate(words, at, xytext=(shift, 3), textcoords="offset points", ha=ha, fontsize=8)
            label.set_in_layout(False)  # a long name does not push the panels apart
        ax.set_title(f"stage {stage}:\n{part['common'].iloc[0]:.0%} in common", fontsize=8)
    fig.supxlabel(f"share of {rival}'s picks", fontsize=9)
    axes[0, 0].set(ylabel=f"share of {mine}'s picks", xlim=(0, end), ylim=(0, end))
    return fig
