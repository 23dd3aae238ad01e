"""A sketch without numbers: five stages, a selector at each, and what is measured now and later."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from .style import PAGE, point

STAGES = ("general", "math", "code", "reasoning", "safety")
TASKS = ("loss", "lhas", "diversity", "quality", "gradient")  # five colours of the table, one a stage


def concept(at: int = 1) -> Figure:
    """Return the protocol as a picture: pool, selector, training, the next model, and the scores of stage `at`.

    Args:
        at: the stage that is looked at, 1 .. 3, so that one comes before and one after.

    Raises:
        ValueError: for a stage without one before and one after.
    """
    if at not in range(1, len(STAGES) - 1):
        raise ValueError(f"concept: expected a stage from 1 to {len(STAGES) - 2}; got {at!r}")
    fig, ax = plt.subplots(figsize=(PAGE, 3.0))
    ax.set(xlim=(-0.8, 4.8), ylim=(-1.35, 2.15))
    ax.axis("off")
    arrow = {"arrowstyle": "->", "color": "0.3", "lw": 1.2, "shrinkA": 0, "shrinkB": 0}
    for t in range(len(STAGES) + 1):
        ax.text(
            t - 0.5,
            0,
            f"$M_{t}$",
            ha="center",
            va="center",
            fontsize=10,
            bbox={"boxstyle": "circle", "fc": "w", "ec": "0.3"},
        )
    for t, (name, task) in enumerate(zip(STAGES, TASKS)):
        ax.annotate("", (t + 0.28, 0), (t - 0.28, 0), arrowprops=arrow)
        ax.add_patch(FancyBboxPatch((t - 0.32, 0.95), 0.64, 0.66, boxstyle="round,pad=0.03", fc="0.96", ec="0.6"))
        ax.text(t, 1.8, name, ha="center", fontsize=9, weight="bold" if t == at else "normal")
        for i in range(20):
            picked = i % 4 == t % 4  # a quarter of the pool
            x, y = t - 0.24 + 0.12 * (i % 5), 1.07 + 0.14 * (i // 5)
            colour = point(task)["color"] if picked else "0.8"
            ax.plot(x, y, "o", ms=4, color=colour, mec="none")
        ax.annotate("", (t, 0.08), (t, 0.88), arrowprops=arrow)
    ax.text(at + 0.06, 0.5, "a selector\npicks 25 %", fontsize=8, va="center")
    forgotten = f"before: what $M_{at + 1}$ has forgotten\nof the stage before"
    for x, end, y, words, ha in (  # foot and tip of an arrow, then the words and their height
        (at + 0.42, (at + 0.29, -0.44), -0.67, forgotten, "right"),
        (at + 0.5, (at + 0.5, -0.91), -1.05, "now: the stage just trained", "center"),
        (at + 1.5, (at + 1.5, -0.48), -0.62, "later: how fast the next is learnt", "left"),
    ):
        ax.annotate("", end, (x, -0.24), arrowprops=arrow)
        shift = {"right": 0.06, "center": 0.0, "left": -0.3}[ha]
        ax.text(end[0] + shift, y, words, ha=ha, va="center", fontsize=8)
    return fig
