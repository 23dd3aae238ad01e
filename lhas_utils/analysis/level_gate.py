"""The gate of the difficulty study: is there a gain to be had, before anybody asks at which difficulty it is highest?

Where fine-tuning harms at every level, the best difficulty is the one that harms least.
"""

from itertools import product

import numpy as np
import pandas as pd

from .optimum import by_slice, grid, held_out_best, per_run
from .statistics import interval

RISE = 0.15  # of exact match at the trained level
SOLVED = 0.8  # exact match of the base from which on a level leaves too little room for that rise


def own_rise(rows: pd.DataFrame, skill: str, base: str) -> np.ndarray:
    """Return the rise of exact match at the trained level, largest n, for the level where it rises least, shape (S,).

    Levels that the base solves already (`SOLVED`) do not count; where it solves all, the rise is 0.
    """
    s = by_slice(rows).query(
        "skill == @skill and base == @base and loss == 'sft' and match == 'steps' and trim == 'none'"
    )
    own = s[(s["d"] == s["level"]) & (s["n"] == s["n"].max())].pivot(index="seed", columns="d", values="exact")
    before = rows[(rows["who"] == "base") & (rows["skill"] == skill) & (rows["base"] == base)]
    before = before.groupby("slice")["exact"].mean()
    room = [d for d in own if before[str(d)] < SOLVED]
    return own[own[room].mean().idxmin()].to_numpy() if room else np.zeros(len(own))


def best_gain(rows: pd.DataFrame, skill: str, base: str) -> np.ndarray:
    """Return the gain (exact match, mean over levels) of the best cell, chosen on the other seeds, shape (S,)."""
    values, *_ = grid(per_run(rows), skill=skill, base=base)
    return held_out_best(values)


def difficulty_gate(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, for each skill and base, whether fine-tuning teaches what it trains on and gains over all levels.

    Args:
        rows: tidy rows of a main grid (SFT, equal steps); which cell is best at which n does not enter.

    Returns:
        DataFrame skill, base, `rise` (`own_rise`, mean over seeds), `gain`, `low`, `high` (`best_gain`, 95 % interval),
        seeds, passes: a rise of at least `RISE` and an interval of the gain above 0.

    Raises:
        ValueError: rows without a run.
    """
    if not len(rows):
        raise ValueError("difficulty_gate: expected rows of the difficulty study; got none")
    out = []
    for skill, base in product(dict.fromkeys(rows["skill"]), dict.fromkeys(rows["base"])):
        rise, gains = own_rise(rows, skill, base), best_gain(rows, skill, base)
        gain, low, high = interval(gains)
        passes = bool(rise.mean() >= RISE and low > 0)
        out.append((skill, base, rise.mean(), gain, low, high, len(gains), passes))
    return pd.DataFrame(out, columns=["skill", "base", "rise", "gain", "low", "high", "seeds", "passes"])
