"""Prop. 4.1 of arXiv:2605.12906: a PAC-Bayes bound on the risk under the target distribution, evaluated."""

from math import log, sqrt

import numpy as np
import pandas as pd

from ..studies import CLIP
from ..worlds import LEVEL_WORLDS

DELTA = 0.05


def gaussian_kl(distance2: float, sigma: float) -> float:
    """Return KL(N(w, s^2 I) || N(w_0, s^2 I)) = ||w - w_0||^2 / (2 s^2) in nats."""
    return distance2 / (2 * sigma**2)


def total_variation(p: dict, q: dict) -> float:
    """Return TV = 1/2 sum_k |p_k - q_k| of two level distributions, in [0, 1].

    The levels have disjoint supports and the generator is the same within a level, so the TV of the
    example distributions is that of the levels.

    >>> total_variation({1: 0.5, 2: 0.5}, {2: 1.0})
    0.5
    """
    return 0.5 * sum(abs(p.get(k, 0.0) - q.get(k, 0.0)) for k in {*p, *q})


def kl_levels(p: dict, q: dict) -> float:
    """Return KL(p || q) of two level distributions; infinite where q misses a level that p has."""
    return sum(v * log(v / q[k]) if q.get(k) else np.inf for k, v in p.items() if v)


def bound_terms(
    risk: float, distance2: float, sigma: float, n: int, tv: float, delta: float, c: float = CLIP
) -> dict[str, float]:
    """Return the terms of Prop. 4.1 and their sum: risk, kl, complexity, shift, bound.

    E[R_test] <= E[Rhat_S] + C sqrt((KL + ln(1/delta) + 5/2 ln n + 8) / (2n - 1)) + C TV(D_test, D_train).

    Args:
        risk: E_posterior of the clipped empirical risk, in [0, c], nats.
        distance2: ||w - w_0||^2. sigma: standard deviation of prior and posterior. c: the largest loss, nats.
    """
    kl = gaussian_kl(distance2, sigma)
    complexity = c * sqrt((kl + log(1 / delta) + 2.5 * log(n) + 8) / (2 * n - 1))
    return {"risk": risk, "kl": kl, "complexity": complexity, "shift": c * tv, "bound": risk + complexity + c * tv}


def bounds(rows: pd.DataFrame, delta: float = DELTA) -> pd.DataFrame:
    """Evaluate Prop. 4.1 on every run that sampled its posterior; the sigma with the lowest bound is kept.

    delta is split over the sigmas (union bound), so the best of them still holds with probability
    1 - delta. The empirical risk is taken on the first 256 examples of S.

    Returns:
        DataFrame skill, base, seed, d, n, sigma, the columns of `bound_terms`, `observed`, the posterior's
        clipped risk on D_test, and `at_edge`: the kept sigma is the lowest or the highest tried, so another
        one may do better.
    """
    out = []
    for _, run in rows[rows["who"] == "posterior"].groupby("run", sort=True):
        first, candidates, sigmas = run.iloc[0], [], run["sigma"].nunique()
        levels = [s for s in run["slice"].unique() if s != "train"]
        span = LEVEL_WORLDS[first["skill"]].span(first["d"])
        tv = total_variation({s: 1 / len(levels) for s in levels}, {str(v): 1 / len(span) for v in span})
        for sigma, part in run.groupby("sigma"):
            nll = part.set_index("slice")["nll"]
            terms = bound_terms(nll["train"], first["distance2"], sigma, first["examples"], tv, delta / sigmas)
            candidates.append({"sigma": sigma, **terms, "observed": nll.drop("train").mean()})
        best = min(candidates, key=lambda c: c["bound"])
        best["at_edge"] = best["sigma"] in (run["sigma"].min(), run["sigma"].max())
        out.append(first[["skill", "base", "seed", "d", "n"]].to_dict() | best)
    return pd.DataFrame(out)
