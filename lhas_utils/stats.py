"""Statistics of paired runs: the unit is the seed, every comparison is within seeds."""

from itertools import combinations_with_replacement
from math import comb

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

RESAMPLES = 9999


def interval(x, level: float = 0.95, seed: int = 0) -> tuple[float, float, float]:
    """Return (mean, low, high): percentile bootstrap of the mean over seeds.

    Args:
        x: one value per seed, shape (n,). With n = 1, or all values equal, low = high = mean.
        level: coverage of the interval.
    """
    x = np.asarray(x, float)
    mean = float(x.mean())
    if len(x) < 2 or np.ptp(x) == 0:
        return mean, mean, mean
    ci = stats.bootstrap((x,), np.mean, confidence_level=level, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(seed)).confidence_interval
    return mean, float(ci.low), float(ci.high)


def effect(values, name: str, **more) -> dict:
    """Return a named effect of a check: `interval` of one value per seed as effect, low, high, n_seeds; `more` is added."""
    mean, low, high = interval(values)
    return {"effect": mean, "low": low, "high": high, "n_seeds": len(values), "name": name} | more


def exact(value: float, name: str) -> dict:
    """Return a named effect of a check that has no seeds: a number without an interval."""
    return {"effect": float(value), "low": float(value), "high": float(value), "n_seeds": 0, "name": name}


def bootstrap(values, statistic, seed: int = 0, **more) -> dict:
    """Return effect, low, high, n_seeds of a statistic of the seed mean; percentile bootstrap over seeds.

    Up to 8 seeds every resample is enumerated with its probability, so the interval is exact and `seed` unused;
    beyond, `RESAMPLES` are drawn.

    Args:
        values: (S, ...), first axis the seeds; S = 1 gives low = high = effect.
        statistic: function of the mean over seeds, shape (...), to a number.

    >>> bootstrap([0.0, 1.0], lambda mean: mean)
    {'effect': 0.5, 'low': 0.0, 'high': 1.0, 'n_seeds': 2}
    """
    values = np.asarray(values, float)
    n = len(values)
    if comb(2 * n - 1, n) <= RESAMPLES:
        picks = np.array(list(combinations_with_replacement(range(n), n)))
        weights = stats.multinomial.pmf([np.bincount(p, minlength=n) for p in picks], n, np.full(n, 1 / n))
    else:
        picks, weights = np.random.default_rng(seed).integers(n, size=(RESAMPLES, n)), None
    drawn = [statistic(values[p].mean(0)) for p in picks]
    low, high = np.quantile(drawn, [0.025, 0.975], weights=weights, method="inverted_cdf")
    return {"effect": float(statistic(values.mean(0))), "low": float(low), "high": float(high), "n_seeds": n} | more


def sign_flip(differences, alternative: str = "two-sided", seed: int = 0) -> float:
    """Return the p-value of the sign-flip permutation test that paired differences are centred at 0.

    Exact (all 2^n sign patterns) up to n = 13, Monte Carlo beyond. The smallest two-sided p is 2 / 2^n, so n >= 6 is needed
    for p < 0.05.

    >>> sign_flip([1.0, 1.0, 1.0])
    0.25
    """
    d = np.asarray(differences, float)
    if len(d) < 2:  # one sign pattern and its mirror
        return 1.0
    test = stats.permutation_test((d,), np.mean, permutation_type="samples", alternative=alternative, n_resamples=RESAMPLES, rng=np.random.default_rng(seed))
    return float(test.pvalue)


def holm(pvalues) -> np.ndarray:
    """Return Holm-adjusted p-values of a family of tests."""
    return multipletests(np.asarray(pvalues, float), method="holm")[1]


def paired(table: pd.DataFrame, metric: str, against: str = "random", by: str = "selector") -> pd.DataFrame:
    """Compare every level of `by` with `against` on one metric, paired by seed.

    Args:
        table: one row per run with columns `seed`, `by` and `metric`.

    Returns:
        DataFrame indexed by level: mean difference, low, high, p (two-sided), p_holm, n.
    """
    wide = table.pivot(index="seed", columns=by, values=metric)
    if against not in wide:
        raise ValueError(f"against: expected one of {', '.join(map(str, wide.columns))}; got {against!r}")
    rows = {}
    for name in wide.columns.drop(against):
        d = (wide[name] - wide[against]).dropna().to_numpy()
        mean, low, high = interval(d)
        rows[name] = {"difference": mean, "low": low, "high": high, "p": sign_flip(d), "n": len(d)}
    out = pd.DataFrame(rows).T
    out["p_holm"] = holm(out["p"]) if len(out) else []
    return out


def reversal(table: pd.DataFrame, now: str, later: str, seed: int = 0, by: str = "selector") -> pd.DataFrame:
    """Return, for each ordered pair (a, b), the probability that a beats b now and loses later.

    P is the share of paired bootstrap resamples of the seeds in which mean now_a > now_b and
    mean later_a < later_b.
    """
    wide = table.pivot(index="seed", columns=by, values=[now, later]).dropna()
    names = list(wide[now].columns)
    rows = np.random.default_rng(seed).integers(len(wide), size=(RESAMPLES, len(wide)))
    first = wide[now].to_numpy()[rows].mean(1)
    last = wide[later].to_numpy()[rows].mean(1)
    P = ((first[:, :, None] > first[:, None]) & (last[:, :, None] < last[:, None])).mean(0)
    return pd.DataFrame(P, index=names, columns=names)


def gap_null(k: int, draws: int = 100_000, seed: int = 0) -> np.ndarray:
    """Return the myopia gap (eq. 3) of `draws` random rankings of k selectors.

    For k = 7 its mean is 8/21 = 0.381: chance alone gives a large gap.
    """
    rng = np.random.default_rng(seed)
    ranks = rng.permuted(np.tile(np.arange(k), (draws, 1)), axis=1)
    return abs(ranks - np.arange(k)).mean(1) / (k - 1)


def kendall(a, b) -> float:
    """Return Kendall's tau_b between two score vectors."""
    return float(stats.kendalltau(a, b).statistic)


def iqm(x) -> float:
    """Return the interquartile mean, the 25 % trimmed mean (arXiv:2108.13264)."""
    return float(stats.trim_mean(np.asarray(x, float), 0.25))


def table(runs: pd.DataFrame, metrics: list[str], by: str = "selector") -> pd.DataFrame:
    """Return tidy intervals: columns `by`, metric, mean, low, high, n_seeds."""
    rows = []
    for name, group in runs.groupby(by, sort=False):
        for metric in metrics:
            mean, low, high = interval(group[metric].dropna()) if group[metric].notna().any() else (np.nan,) * 3
            rows.append((name, metric, mean, low, high, group["seed"].nunique()))
    return pd.DataFrame(rows, columns=[by, "metric", "mean", "low", "high", "n_seeds"])


def readable(intervals: pd.DataFrame, by: str = "selector", digits: int = 3) -> pd.DataFrame:
    """Return a table level x metric of `mean [low, high]` texts."""
    text = intervals.assign(cell=[f"{m:.{digits}f} [{lo:.{digits}f}, {hi:.{digits}f}]" for m, lo, hi in intervals[["mean", "low", "high"]].to_numpy()])
    levels, metrics = list(dict.fromkeys(intervals[by])), list(dict.fromkeys(intervals["metric"]))
    return text.pivot(index=by, columns="metric", values="cell").loc[levels, metrics].rename_axis(columns=None)
