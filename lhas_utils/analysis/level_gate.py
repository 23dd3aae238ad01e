"""The gate of the difficulty study: is there a gain to be had, before anybody asks at which difficulty it is highest?

Where fine-tuning harms at every level, the best difficulty is the one that harms least. Where the hardest level is
learnt from few examples as well as any other, the levels end too early and every optimum is censored at their edge.
"""

import numpy as np
import pandas as pd

from .optimum import by_slice, grid, held_out_best, per_run
from .statistics import interval

RISE = 0.15  # of exact match at the trained level
SOLVED = 0.8  # exact match of the base from which on a level leaves too little room for that rise
CELL = ["skill", "base", "base_steps", "steps", "n", "d"]
BEHIND = 0.05  # of gain: by so much another level is clearly better than the hardest


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
    for skill, base in rows[["skill", "base"]].drop_duplicates().itertuples(index=False):
        rise, gains = own_rise(rows, skill, base), best_gain(rows, skill, base)
        gain, low, high = interval(gains)
        passes = bool(rise.mean() >= RISE and low > 0)
        out.append((skill, base, rise.mean(), gain, low, high, len(gains), passes))
    return pd.DataFrame(out, columns=["skill", "base", "rise", "gain", "low", "high", "seeds", "passes"])


def learnt(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what each cell learns, a mean over seeds: the rise at the trained level and the gain over all levels.

    Args:
        rows: tidy rows of `difficulty` or `develop_difficulty`; their runs of SFT at equal steps count.

    Returns:
        DataFrame skill, base, base_steps, steps, n, d, `rise` and `gain` (of exact match), seeds.

    Raises:
        ValueError: rows without a run.
    """
    if not len(rows):
        raise ValueError("learnt: expected rows of the difficulty study; got none")
    plain = (rows["loss"] == "sft") & (rows["match"] == "steps") & (rows["d"] > 0)
    plain &= (rows["slice"] != "train") & (rows["who"] != "posterior")
    exact = rows[plain].pivot(index=["run", "seed", *CELL, "slice"], columns="who", values="exact")
    rise = (exact["tuned"] - exact["base"]).rename("gain").reset_index()
    rise["rise"] = rise["gain"].where(rise["slice"] == rise["d"].astype(str))
    runs = rise.groupby(["run", "seed", *CELL], sort=False)[["rise", "gain"]].mean().reset_index()
    of_cell = runs.groupby(CELL)
    return of_cell[["rise", "gain"]].mean().assign(seeds=of_cell["seed"].nunique()).reset_index()


def level_reach(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, for each skill, base and recipe, whether the levels reach what is not learnt at the smallest n.

    Args:
        rows: as for `learnt`.

    Returns:
        DataFrame skill, base, base_steps, steps, n (the smallest), `hardest` (the level), its `rise`, `behind` (gain of
        the best other level minus its gain; 0 with one level), reaches: rise below `RISE`, or behind at least `BEHIND`.
    """
    out = []
    for recipe, part in learnt(rows).groupby(CELL[:4], sort=False):
        few = part[part["n"] == part["n"].min()].sort_values("d")
        *others, hardest = few["gain"]
        last = few.iloc[-1]
        behind = max(others, default=hardest) - hardest
        reaches = bool(last["rise"] < RISE or behind >= BEHIND)
        out.append((*recipe, last["n"], last["d"], last["rise"], behind, reaches))
    return pd.DataFrame(out, columns=[*CELL[:4], "n", "hardest", "rise", "behind", "reaches"])
