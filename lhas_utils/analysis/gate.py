"""The gate: does Random's training teach its own stages anything, before selectors are compared on them?

Where it does not, a ranking of selectors may be one of the harm they do.
"""

import numpy as np
import pandas as pd

from .metrics import matrix, mixtures, own_scores
from .statistics import interval

RISE = 0.15  # of exact match, at every stage
SEEDS = 0.9  # share of the seeds in which it must rise so far


def rises(rows: pd.DataFrame, metric: str = "exact") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return Random's score on each stage's own mixture before any stage and right after it, a row a run.

    Args:
        rows: tidy rows of stage runs; those of the selector `random` are looked at.
        metric: `exact`, `accuracy` or `nll`.

    Returns:
        (Perf(M_0, V_t), Perf(M_t, V_t)), columns the stages' names; and `final`, the mean over capabilities of M_0's
        and of M_T's score.

    Raises:
        ValueError: rows without a run of Random.
    """
    before, after = {}, {}
    for run, own in rows[rows["selector"] == "random"].groupby("run", sort=True):
        R = matrix(own, "id", metric)
        P = own_scores(R.to_numpy(), mixtures(own)[R.columns].to_numpy())
        before[run] = dict(zip(R.columns, P[0])) | {"final": R.iloc[0].mean()}
        after[run] = dict(zip(R.columns, np.diag(P[1:]))) | {"final": R.iloc[-1].mean()}
    if not before:
        raise ValueError(f"gate: expected rows of the selector 'random'; got {', '.join(rows['selector'].unique())}")
    return pd.DataFrame.from_dict(before, orient="index"), pd.DataFrame.from_dict(after, orient="index")


def gate(rows: pd.DataFrame, metric: str = "exact", rise: float = RISE) -> pd.DataFrame:
    """Return how far Random's score on its own stage rises over the base model's, stage by stage, and in the end.

    gain_t = Perf(M_t, V_t) - Perf(M_0, V_t); `final` is the mean over capabilities of M_T's score minus M_0's.

    Args:
        rows: tidy rows of stage runs; those of the selector `random` are looked at.
        metric: `exact`, `accuracy`, or `nll`, whose fall counts as a rise.
        rise: smallest gain of a stage, in the metric's unit.

    Returns:
        DataFrame indexed by stage name and `final`: base, after, gain, low, high (95 % interval over seeds), seeds,
        share (of the seeds with a gain of at least `rise`; not for `final`), passes. A stage passes with a mean gain
        of at least `rise` and a share of at least 0.9; the final average with an interval above 0.

    Raises:
        ValueError: rows without a run of Random.
    """
    before, after = rises(rows, metric)
    gains, out = (before - after if metric == "nll" else after - before), {}
    for name in gains:
        gain, low, high = interval(gains[name])
        share = np.nan if name == "final" else float((gains[name] >= rise).mean())
        passes = low > 0 if name == "final" else gain >= rise and share >= SEEDS
        numbers = {"base": before[name].mean(), "after": after[name].mean(), "gain": gain, "low": low, "high": high}
        out[name] = numbers | {"seeds": len(gains), "share": share, "passes": bool(passes)}
    return pd.DataFrame.from_dict(out, orient="index").rename_axis("stage")


def gate_line(table: pd.DataFrame, metric: str = "exact match", digits: int = 2) -> str:
    """Return a gate in words, fit to stand above a comparison of selectors; how many seeds pass a stage that fails.

    Args:
        table: of `gate`. metric: what its gains are gains in. digits: of a gain.
    """
    gains = ", ".join(f"{name} {gain:+.{digits}f}" for name, gain in table["gain"].items())
    failing = table.loc[~table["passes"], ["share", "seeds"]].itertuples()
    failed = ", ".join(
        name if np.isnan(share) else f"{name} (passed by {share * n:.0f} of {n} seeds)" for name, share, n in failing
    )
    harm = "there selectors may differ in the harm they do more than in what they teach"
    verdict = f"FAILS at {failed}; {harm}" if failed else "passes"
    return f"Gate {verdict}. Gain of Random over the base model in {metric}, stage by stage: {gains}."
