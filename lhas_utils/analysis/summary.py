"""From tidy rows to one row per run."""

from functools import cache

import numpy as np
import pandas as pd

from ..core import choose
from ..runs import experiment
from ..studies import FRESH, START
from .common_start import branched
from .metrics import adaptation_tokens, summarise

SCORES = ("exact", "nll", "accuracy")  # what every test set is scored by, exact match first
MEASURED = ("split", "stage", "capability", "step", "metric", "value")


def summary(rows: pd.DataFrame, metric: str = "exact") -> pd.DataFrame:
    """Return one row per run of the stage protocol: the spec's columns and every metric of `metrics.summarise`.

    Args:
        rows: tidy rows of `experiment` or `published`, any world with stages.
        metric: `exact`, `nll` (sign turned) or `accuracy`.

    Raises:
        ValueError: for rows without a column that every run has, or a metric that is none of `SCORES`.
    """
    choose("metric", metric, SCORES)
    if lacking := {*MEASURED, "run", "seed"} - set(rows):
        what = f"rows: expected the columns {', '.join(sorted(lacking))}; got {', '.join(rows)}"
        raise ValueError(f"{what}; `make all PROFILE=full` publishes the rows again")
    spec = rows.drop(columns=[*MEASURED]).drop_duplicates("run").set_index("run", drop=False)
    needed = rows["metric"].isin([metric, "weight", "tokens"]) | (rows["split"] == "diagnostic")
    part = rows.loc[needed, [*MEASURED, "run"]]
    out = [spec.loc[run].to_dict() | summarise(one, metric) for run, one in part.groupby("run", sort=True)]
    return pd.DataFrame(out).merge(adaptation_tokens(rows, metric), on="run")


COMMON_START = ("branch", "text_branch", "llm_branch")  # experiments with a common start, in three worlds
_rows = cache(experiment)


def arms(runs: pd.DataFrame) -> pd.DataFrame:
    """Return runs of the experiment `baselines` under the names of their arms.

    Those of no steps are `start`, those that draw a new random subset every epoch `rs2`, as in the common start.

    Args:
        runs: one row per run: columns selector, steps, reselect.
    """
    fresh = np.where(runs["reselect"] > 1, FRESH, runs["selector"])
    return runs.assign(selector=np.where(runs["steps"] == 0, START, fresh))


@cache
def _kept(name: str, profile: str, metric: str) -> pd.DataFrame:
    rows = _rows(name, profile)
    if rows.empty:
        return rows
    if name in COMMON_START:
        return branched(rows, metric)
    return arms(summary(rows, metric)) if name == "baselines" else summary(rows, metric)


def runs(name: str, profile: str, metric: str = "exact") -> pd.DataFrame:
    """Return `summary` of an experiment, `branched` of one with a common start; empty where a profile leaves it out.

    Args:
        name: an experiment with stages, such as `table1`.
        profile: `smoke`, `fast`, `full`, or `published` for the rows in `figures/data`.
        metric: `exact`, `nll` (sign turned) or `accuracy`.
    """
    return _kept(name, profile, metric).copy()
