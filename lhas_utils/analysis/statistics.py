"""Statistics of paired runs: the unit is the seed, every comparison is within seeds."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations_with_replacement
from math import comb, factorial, prod

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from ..core import choose

RESAMPLES = 9999


@lru_cache(maxsize=64)
def resamples(n: int, seed: int = 0, exact: bool = True) -> tuple[np.ndarray, np.ndarray | None]:
    """Return resamples of n seeds, the core of every bootstrap here.

    Args:
        n: seeds.
        seed: of the draws; unused where the resamples are enumerated.
        exact: enumerate them where there are at most `RESAMPLES` different ones, which is up to 8 seeds.

    Returns:
        (indices (B, n), of how many of the n^n ordered resamples each is one (B,)); None in place of these numbers
        where `RESAMPLES` resamples are drawn, which all count the same.
    """
    if not exact or comb(2 * n - 1, n) > RESAMPLES:
        return np.random.default_rng(seed).integers(n, size=(RESAMPLES, n)), None
    picks = np.array(list(combinations_with_replacement(range(n), n)))
    repeats = ([factorial(c) for c in np.bincount(p).tolist()] for p in picks)
    return picks, np.array([factorial(n) // prod(r) for r in repeats])


def interval(x: ArrayLike, level: float = 0.95, seed: int = 0) -> tuple[float, float, float]:
    """Return (mean, low, high): percentile bootstrap of the mean over seeds, drawn whatever their number.

    Args:
        x: one value per seed, shape (n,). With n = 1, or all values equal, low = high = mean.
        level: coverage of the interval.
    """
    x = np.asarray(x, float)
    mean = float(x.mean())
    if len(x) < 2 or np.ptp(x) == 0:
        return mean, mean, mean
    picks, _ = resamples(len(x), seed, exact=False)
    low, high = np.quantile(x[picks].mean(1), [(1 - level) / 2, (1 + level) / 2])
    return mean, float(low), float(high)


def effect(values: ArrayLike, name: str, **more: object) -> dict:
    """Return a named effect of a check: `interval` of one value per seed as effect, low, high, n_seeds, and `more`."""
    mean, low, high = interval(values)
    return {"effect": mean, "low": low, "high": high, "n_seeds": len(values), "name": name} | more


def exact(value: float, name: str) -> dict:
    """Return a named effect of a check that has no seeds: a number without an interval."""
    return {"effect": float(value), "low": float(value), "high": float(value), "n_seeds": 0, "name": name}


def bootstrap(values: ArrayLike, statistic: Callable[[np.ndarray], float], seed: int = 0, **more: object) -> dict:
    """Return effect, low, high, n_seeds of a statistic of the seed mean; percentile bootstrap over seeds.

    Up to 8 seeds the interval is exact (`resamples`).

    Args:
        values: (S, ...), first axis the seeds; S = 1 gives low = high = effect.
        statistic: function of the mean over seeds, shape (...), to a number.

    >>> bootstrap([0.0, 1.0], lambda mean: mean)
    {'effect': 0.5, 'low': 0.0, 'high': 1.0, 'n_seeds': 2}
    """
    values = np.asarray(values, float)
    picks, weights = resamples(len(values), seed)
    drawn = [statistic(values[p].mean(0)) for p in picks]
    low, high = np.quantile(drawn, [0.025, 0.975], weights=weights, method="inverted_cdf")
    found = {"effect": float(statistic(values.mean(0))), "low": float(low), "high": float(high)}
    return found | {"n_seeds": len(values)} | more


def over_seeds(runs: pd.DataFrame, columns: list[str], statistic: Callable[..., float], **more: object) -> dict:
    """Return a statistic of the selectors' mean metrics with its paired `bootstrap` over seeds.

    Args:
        runs: one row per run.
        columns: metrics; `statistic` receives one array (K selectors,) for each.
        statistic: function of those arrays.
    """
    wide = runs.pivot(index="seed", columns="selector", values=columns).dropna()
    return bootstrap(np.stack([wide[c] for c in columns], 1), lambda means: statistic(*means), **more)


def sign_flip(differences: ArrayLike, alternative: str = "two-sided", seed: int = 0) -> float:
    """Return the p-value of the sign-flip permutation test that paired differences are centred at 0.

    Exact (all 2^n sign patterns) up to n = 13, Monte Carlo beyond. The smallest two-sided p is 2 / 2^n, so n >= 6
    is needed for p < 0.05.

    >>> sign_flip([1.0, 1.0, 1.0])
    0.25
    """
    d = np.asarray(differences, float)
    if len(d) < 2:  # one sign pattern and its mirror
        return 1.0
    how = {"permutation_type": "samples", "n_resamples": RESAMPLES, "rng": np.random.default_rng(seed)}
    return float(stats.permutation_test((d,), np.mean, alternative=alternative, **how).pvalue)


def holm(pvalues: ArrayLike) -> np.ndarray:
    """Return Holm-adjusted p-values of a family of m tests, shape (m,).

    Sorted upwards, p_(i) becomes max over j <= i of (m - j + 1) p_(j), at most 1.

    >>> holm([0.25, 0.125]).tolist()
    [0.25, 0.25]
    """
    p = np.asarray(pvalues, float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return adjusted


def paired(table: pd.DataFrame, metric: str, against: str = "random", by: str = "selector") -> pd.DataFrame:
    """Compare every level of `by` with `against` on one metric, paired by seed.

    Args:
        table: one row per run with columns `seed`, `by` and `metric`.

    Returns:
        DataFrame indexed by level: mean difference, low, high, p (two-sided), p_holm, n.

    Raises:
        ValueError: where no run has the level `against`.
    """
    wide = table.pivot(index="seed", columns=by, values=metric)
    choose("against", against, wide.columns)
    rows = {}
    for name in wide.columns.drop(against):
        d = (wide[name] - wide[against]).dropna().to_numpy()
        mean, low, high = interval(d)
        rows[name] = {"difference": mean, "low": low, "high": high, "p": sign_flip(d), "n": len(d)}
    out = pd.DataFrame(rows).T
    out["p_holm"] = holm(out["p"]) if len(out) else []
    return out


def differences(
    runs: pd.DataFrame, against: pd.DataFrame, metrics: Sequence[str] = ("immediate_utility", "long_horizon")
) -> pd.DataFrame:
    """Return `runs` with each metric minus that of `against` at the same seed; seeds without it are dropped.

    Args:
        runs: one row per run, of any conditions.
        against: one row per run, at most one a seed.
    """
    base = against.set_index("seed")[list(metrics)]
    kept = runs[runs["seed"].isin(base.index)].copy()
    kept[list(metrics)] -= base.loc[kept["seed"]].to_numpy()
    return kept


def reversal(table: pd.DataFrame, now: str, later: str, seed: int = 0, by: str = "selector") -> pd.DataFrame:
    """Return, for each ordered pair (a, b), the probability that a beats b now and loses later.

    That of the paired resamples of the seeds in which mean now_a > now_b and mean later_a < later_b.
    """
    wide = table.pivot(index="seed", columns=by, values=[now, later]).dropna()
    names = list(wide[now].columns)
    picks, weights = resamples(len(wide), seed)
    first, last = (wide[metric].to_numpy()[picks].mean(1) for metric in (now, later))
    reversed_ = (first[:, :, None] > first[:, None]) & (last[:, :, None] < last[:, None])
    return pd.DataFrame(np.average(reversed_, axis=0, weights=weights), index=names, columns=names)


def gap_null(k: int, draws: int = 100_000, seed: int = 0) -> np.ndarray:
    """Return the myopia gap (eq. 3) of `draws` random rankings of k selectors, shape (draws,).

    For k = 7 its mean is 8/21 = 0.381: chance alone gives a large gap.
    """
    rng = np.random.default_rng(seed)
    ranks = rng.permuted(np.tile(np.arange(k), (draws, 1)), axis=1)
    return abs(ranks - np.arange(k)).mean(1) / (k - 1)


def kendall(a: ArrayLike, b: ArrayLike) -> float:
    """Return Kendall's tau_b of two score vectors (K,), in [-1, 1]: over pairs of entries, with x and y the signs of
    their differences, sum x y / sqrt(sum x^2 sum y^2). NaN for a vector without any order.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    i, j = np.triu_indices(len(a), 1)
    x, y = np.sign(a[i] - a[j]), np.sign(b[i] - b[j])
    norm = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / norm) if norm else np.nan


def iqm(x: ArrayLike) -> float:
    """Return the interquartile mean, the 25 % trimmed mean (arXiv:2108.13264)."""
    return float(stats.trim_mean(np.asarray(x, float), 0.25))


def table(runs: pd.DataFrame, metrics: Sequence[str], by: str = "selector") -> pd.DataFrame:
    """Return tidy intervals: columns `by`, metric, mean, low, high, n_seeds."""
    rows = []
    for name, group in runs.groupby(by, sort=False):
        for metric in metrics:
            values = group[metric].dropna()
            rows.append((name, metric, *(interval(values) if len(values) else (np.nan,) * 3), group["seed"].nunique()))
    return pd.DataFrame(rows, columns=[by, "metric", "mean", "low", "high", "n_seeds"])


def readable(intervals: pd.DataFrame, by: str = "selector", digits: int = 3) -> pd.DataFrame:
    """Return a table level x metric of `mean [low, high]` texts."""
    ends = intervals[["mean", "low", "high"]].to_numpy()
    text = intervals.assign(cell=[f"{m:.{digits}f} [{lo:.{digits}f}, {hi:.{digits}f}]" for m, lo, hi in ends])
    levels, metrics = list(dict.fromkeys(intervals[by])), list(dict.fromkeys(intervals["metric"]))
    return text.pivot(index=by, columns="metric", values="cell").loc[levels, metrics].rename_axis(columns=None)
