"""The scorecard that arXiv:2605.30537 recommends (section 9): what a choice does now, and what it leaves behind."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .metrics import higher_is_better, matrix, mixtures, own_scores
from .summary import summary

LEVELS = {  # level -> quantities, means over seeds
    "1: now": ("current", "now", "selected_tokens", "stability"),
    "2: later": ("future_auc", "forgetting", "worst_task", "ood", "concentration"),
}


def first_gain(rows: pd.DataFrame, metric: str = "exact") -> pd.Series:
    """Return Perf(M_1, V_1) - Perf(M_0, V_1) by run: the gain now of the one stage that all runs start alike.

    Args:
        rows: tidy rows of stage runs.
        metric: `exact`, `accuracy`, or `nll`, which enters with its sign turned.
    """
    out = {}
    for run, one in higher_is_better(rows).groupby("run", sort=True):
        R = matrix(one, "id", metric)
        P = own_scores(R.to_numpy(), mixtures(one)[R.columns].to_numpy())
        out[run] = P[1, 0] - P[0, 0]
    return pd.Series(out, name="now")


def carded(rows: pd.DataFrame, metric: str = "exact") -> pd.DataFrame:
    """Return `summary` with the column `now`, the gain of the first stage."""
    return summary(rows, metric).join(first_gain(rows, metric), on="run")


def scorecard(runs: pd.DataFrame, seconds: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Return the two-level scorecard, a row a selector.

    Level 1: `current`; `now`, the gain of the first stage, where every selector starts from the same model;
    `selected_tokens`, a mean over stages; `seconds` of a call, where they are given; `stability`, the standard
    deviation of `current` over seeds, no number for one seed. Level 2: `future_auc`, `forgetting`, `worst_task`, `ood`
    and update `concentration`.

    Args:
        runs: `carded`, one row a run.
        seconds: selector -> seconds of one call, signals included.

    Returns:
        DataFrame with columns (level, quantity), means over seeds.
    """
    by = runs.groupby("selector", sort=False)
    out = {}
    for level, names in LEVELS.items():
        for name in names:
            out[level, name] = by["current"].std() if name == "stability" else by[name].mean()
            if name == "selected_tokens" and seconds is not None:
                out[level, "seconds"] = pd.Series(seconds).reindex(out[level, name].index)
    return pd.DataFrame(out).rename_axis("selector")


def overlap(picks: pd.DataFrame, mine: str, rival: str) -> pd.DataFrame:
    """Return where two selectors' picks agree, a row a stage and task, means over seeds.

    Args:
        picks: columns selector, seed, stage, index, task.
        mine, rival: selectors.

    Returns:
        DataFrame stage, task, mine and rival (shares of their picks of the stage), common (share of the stage's picks
        that both made).
    """
    tables = []
    for (seed, stage), part in picks[picks["selector"].isin([mine, rival])].groupby(["seed", "stage"], sort=True):
        own = {name: part[part["selector"] == name] for name in (mine, rival)}
        common = len(np.intersect1d(*(t["index"] for t in own.values()))) / len(own[mine])
        share = pd.DataFrame(
            {n: own[s]["task"].value_counts(normalize=True) for n, s in (("mine", mine), ("rival", rival))}
        )
        tables.append(share.fillna(0.0).rename_axis("task").reset_index().assign(seed=seed, stage=stage, common=common))
    table = pd.concat(tables, ignore_index=True)
    seeds = table["seed"].nunique()
    shares = table.groupby(["stage", "task"])[["mine", "rival"]].sum() / seeds  # a task that one seed lacks counts as 0
    common = table.groupby(["stage", "seed"])["common"].first().groupby("stage").mean()
    return shares.join(common, on="stage").reset_index()
