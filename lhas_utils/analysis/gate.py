"""The gate: does Random's training teach its own stages anything, before selectors are compared on them?

Where it does not, a ranking of selectors may be one of the harm they do.
"""

import numpy as np
import pandas as pd

from .metrics import matrix, mixtures, own_scores
from .statistics import interval

RISE = 0.15  # of exact match, at every stage
SEEDS = 0.9  # share of the seeds in which it must rise so far


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
    sign, found = -1 if metric == "nll" else 1, {}
    for _, run in rows[rows["selector"] == "random"].groupby("run", sort=True):
        R = matrix(run, "id", metric)
        P = own_scores(R.to_numpy(), mixtures(run)[R.columns].to_numpy())
        for t, name in enumerate(R.columns):
            found.setdefault(name, []).append((P[0, t], P[t + 1, t]))
        found.setdefault("final", []).append((R.iloc[0].mean(), R.iloc[-1].mean()))
    if not found:
        raise ValueError(f"gate: expected rows of the selector 'random'; got {', '.join(rows['selector'].unique())}")
    out = {}
    for name, pairs in found.items():
        (base, after), gains = np.mean(pairs, 0), sign * np.diff(pairs)[:, 0]
        gain, low, high = interval(gains)
        share = np.nan if name == "final" else float(np.mean(gains >= rise))
        passes = low > 0 if name == "final" else gain >= rise and share >= SEEDS
        numbers = {"base": base, "after": after, "gain": gain, "low": low, "high": high}
        out[name] = numbers | {"seeds": len(gains), "share": share, "passes": bool(passes)}
    return pd.DataFrame.from_dict(out, orient="index").rename_axis("stage")


def gate_line(table: pd.DataFrame, metric: str = "exact match") -> str:
    """Return a gate in words, fit to stand above a comparison of selectors.

    Args:
        table: of `gate`. metric: what its gains are gains in.
    """
    gains = ", ".join(f"{name} {gain:+.2f}" for name, gain in table["gain"].items())
    failed = ", ".join(table.index[~table["passes"]])
    harm = "there selectors may differ in the harm they do more than in what they teach"
    verdict = f"FAILS at {failed}; {harm}" if failed else "passes"
    return f"Gate {verdict}. Gain of Random over the base model in {metric}, stage by stage: {gains}."
