"""Whom a few seeds tell apart from Random."""

import pandas as pd

from .. import analysis, figures

PAIRED = ("current", "now", "future_auc", "forgetting", "ood")


def known_of(runs: pd.DataFrame) -> list[str]:
    """Return those of `PAIRED` that the runs have a number for: of one stage nothing comes later."""
    return [name for name in PAIRED if runs[name].notna().any()]


def apart(runs: pd.DataFrame) -> str:
    """Say in words which selectors the paired differences of `PAIRED` tell apart from Random.

    Args:
        runs: one row a run, Random's among them.
    """
    others = [name for name in dict.fromkeys(runs["selector"]) if name != "random"]
    names = known_of(runs)
    seeds, base, said, same = runs["seed"].nunique(), runs[runs["selector"] == "random"], [], []
    for name in others:
        paired = analysis.differences(runs[runs["selector"] == name], base, names)
        table = analysis.statistics.table(paired, names)
        sides = {row["metric"]: figures.side(row, row["metric"]) for _, row in table.iterrows()}
        words = [f"{metric} {'better' if sign > 0 else 'worse'}" for metric, sign in sides.items() if sign]
        (said if words else same).append(f"{name}: {', '.join(words)}" if words else name)
    if not said:
        return f"Nobody is told apart from Random on {seeds} seed(s); more seeds, or data that teach more, would."
    end = f". Not told apart: {', '.join(same)}" if same else ""
    return f"Told apart from Random on {seeds} seed(s), not corrected for looking often: {'; '.join(said)}{end}."
