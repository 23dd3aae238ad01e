"""Statistics of paired runs: the unit is the seed, every comparison is within seeds."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import combinations_with_replacement, permutations
from math import comb, factorial, prod

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from ..core import choose

RESAMPLES = 9999


@lru_cache(maxsize=64)
def resamples(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray | None]:
    """Return resamples of n seeds, the core of every bootstrap here.

    Args:
        n: seeds. Up to 8 all different resamples are enumerated, beyond `RESAMPLES` are drawn with `seed`.

    Returns:
        (indices (B, n), of how many of the n^n ordered resamples each is one (B,)); None in place of these numbers
        where `RESAMPLES` resamples are drawn, which all count the same.
    """
    if comb(2 * n - 1, n) > RESAMPLES:
        return np.random.default_rng(seed).integers(n, size=(RESAMPLES, n)), None
    picks = np.array(list(combinations_with_replacement(range(n), n)))
    repeats = ([factorial(c) for c in np.bincount(p).tolist()] for p in picks)
    return picks, np.array([factorial(n) // prod(r) for r in repeats])


def interval(x: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """Return (mean, low, high): the t interval of the mean over seeds, mean -+ t_{n-1} s / sqrt(n).

    `coverage.table` says how often such intervals hold the true mean.

    Args:
        x: one value per seed, shape (n,). With n = 1, or all values equal, low = high = mean.
        level: coverage of the interval.

    >>> [round(v, 3) for v in interval([0.0, 1.0, 2.0])]  # t_2 = 4.303, s = 1
    [1.0, -1.484, 3.484]
    """
    x = np.asarray(x, float)
    mean = float(x.mean())
    if len(x) < 2 or np.ptp(x) == 0:
        return mean, mean, mean
    half = float(stats.t.ppf((1 + level) / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return mean, mean - half, mean + half


def effect(values: ArrayLike, name: str, **more: object) -> dict:
    """Return a named effect from one value per seed: effect, low, high (`interval`), n_seeds, p (`sign_flip`), `more`.

    A value that is not a number is a seed without the quantity, and does not count.

    Raises:
        ValueError: where no seed has a number.
    """
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    if not len(values):
        raise ValueError(f"effect {name!r}: expected one number per seed; got none")
    found = dict(zip(("effect", "low", "high"), interval(values)))
    return found | {"n_seeds": len(values), "p": sign_flip(values), "name": name} | more


@lru_cache(maxsize=8)
def pairings(k: int) -> np.ndarray:
    """Return orders of k things (P, k), the first as they are: all k! up to 8 things, beyond them `RESAMPLES` drawn."""
    if k <= 8:
        return np.array(list(permutations(range(k))))
    return np.vstack([np.arange(k), np.random.default_rng(0).permuted(np.tile(np.arange(k), (RESAMPLES, 1)), axis=1)])


def by_chance(a: ArrayLike, b: ArrayLike, relation: Callable[..., np.ndarray]) -> float:
    """Return the two-sided p of a relation between two scores of K selectors, against chance.

    The selectors' names are dealt anew on one side, alike in all seeds (`pairings`), and the mean relation over seeds
    is held against those that come of it.

    Args:
        a, b: scores (S, K), or (1, K) of what is the same in all seeds.
        relation: function of two arrays (..., K) to numbers (...).

    >>> round(by_chance([[1, 2, 3]], [[1, 2, 3]], kendall), 3)  # 1 order of 6 agrees wholly
    0.333
    """
    a, b = np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float))
    orders = pairings(a.shape[1])
    means = sum(relation(one[orders], other) for one, other in zip(a, b)) / len(a)
    beyond = [(sign * (means - means[0]) >= -1e-9).mean() for sign in (1, -1)]
    return min(1.0, 2 * float(min(beyond)))


def related(a: ArrayLike, b: ArrayLike, relation: Callable[..., np.ndarray], name: str) -> dict:
    """Return the `effect` of a relation between two scores of K selectors, one value per seed.

    Selectors are a sample as seeds are: two fixed rankings of a few selectors have some relation, seed after seed, be
    they related or not. So p is the larger of `sign_flip` over the seeds and `chance`, `by_chance` over the selectors.

    Args:
        a, b, relation: as in `by_chance`.
    """
    found, chance = effect(relation(np.asarray(a, float), np.asarray(b, float)), name), by_chance(a, b, relation)
    return found | {"p": max(found["p"], chance), "chance": chance}


def equivalence(e: Mapping[str, float], smallest: float) -> float:
    """Return the p-value of two one-sided t tests that an effect lies inside -+`smallest`: the larger of the two.

    p < 0.05 where the 90 % t interval lies inside -+`smallest`. Without spread p is 0 or 1.

    Args:
        e: `effect`, `high` and `n_seeds` of a t interval of 95 %, n_seeds >= 2.
        smallest: smallest effect of interest, in the effect's unit.

    >>> round(equivalence({"effect": 0.0, "high": 4.303, "n_seeds": 3}, 2.92), 3)  # t_2 = 2.92 at 5 %, error 1
    0.05
    """
    room, free = smallest - abs(e["effect"]), e["n_seeds"] - 1
    error = (e["high"] - e["effect"]) / stats.t.ppf(0.975, free)
    if error == 0:
        return float(room <= 0)
    return float(stats.t.sf(room / error, free))


def somewhere(values: ArrayLike, name: str) -> dict:
    """Return the named effect of the best of C cells, with what the seeds know of the largest true mean among them.

    t_c = mean_c / error_c, error_c = s_c / sqrt(S). The signs of whole seeds are flipped, all cells together, so that
    what cells share stays in (single-step max-T of Westfall and Young 1993; cautious where a cell is surely worse).
    With q the 95 % quantile over flips of max_c |t_c|, mean_c -+ q error_c hold all C true means at once, so the
    largest lies in [max_c(mean_c - q error_c), max_c(mean_c + q error_c)]. Choosing the best cell needs nothing more.

    Args:
        values: differences (S, C), C cells of S seeds, S <= 13.

    Returns:
        effect (the mean of the cell that gives `low`), low, high, n_seeds, p, name. p of an effect above 0 is twice the
        share of flips in which max_c t_c comes to the observed one; of another it is the largest of the cells' own
        `sign_flip`, since all of them have to lie below 0. A single seed has no interval and p = 1.

    Raises:
        ValueError: for more seeds than can be enumerated.
    """
    d = np.asarray(values, float)
    n = len(d)
    if n > 13:
        raise ValueError(f"somewhere: expected at most 13 seeds, whose flips are enumerated; got {n}")
    mean = d.mean(0)
    if n < 2:
        return dict.fromkeys(("effect", "low", "high"), float(mean.max())) | {"n_seeds": n, "p": 1.0, "name": name}
    flips = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)  # (2^n, S), the first as observed
    means = flips @ d / n
    errors = np.sqrt(np.clip((d**2).mean(0) - means**2, 0, None) / (n - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.nan_to_num(means / errors, nan=0.0, posinf=np.inf, neginf=-np.inf)
    q = np.quantile(abs(t).max(1), 0.95, method="higher")
    half = np.where(errors[0] > 0, q * errors[0], 0.0)
    best = np.lexsort((t[0], np.round(mean - half, 12)))[-1]  # of equal low ends the surest
    found = {"effect": float(mean[best]), "low": float((mean - half)[best]), "high": float((mean + half).max())}
    above = min(1.0, 2 * (t.max(1) >= t[0].max() * (1 - 1e-9)).mean())
    p = above if mean[best] > 0 else max(sign_flip(one) for one in d.T)
    return found | {"n_seeds": n, "p": float(p), "name": name}


def exact(value: float, name: str) -> dict:
    """Return a named effect of a check that has no seeds: a number without an interval."""
    return {"effect": float(value), "low": float(value), "high": float(value), "n_seeds": 0, "name": name}


def bootstrap(values: ArrayLike, statistic: Callable[[np.ndarray], float], seed: int = 0, **more: object) -> dict:
    """Return effect, low, high, n_seeds of a statistic of the seed mean; percentile bootstrap over seeds.

    Args:
        values: (S, ...), first axis the seeds; S = 1 gives low = high = effect. Up to 8 seeds all `resamples` count.
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


def sign_flip(differences: ArrayLike, alternative: str = "two-sided", seed: int = 0) -> float:
    """Return the p-value of the sign-flip permutation test that paired differences are centred at 0.

    Exact (all 2^n sign patterns) up to n = 13, Monte Carlo beyond. The smallest two-sided p is 2 / 2^n.

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
    ranks = np.random.default_rng(seed).permuted(np.tile(np.arange(k), (draws, 1)), axis=1)
    return abs(ranks - np.arange(k)).mean(1) / (k - 1)


def pair_signs(scores: ArrayLike) -> np.ndarray:
    """Return the sign of the difference of every pair of entries of score vectors (..., K), (..., K (K - 1) / 2)."""
    scores = np.asarray(scores, float)
    i, j = np.triu_indices(scores.shape[-1], 1)
    return np.sign(scores[..., i] - scores[..., j])


def kendall(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """Return Kendall's tau_b of score vectors (..., K), in [-1, 1]: with x and y the `pair_signs` of both,
    sum x y / sqrt(sum x^2 sum y^2). NaN for a vector without any order.
    """
    x, y = pair_signs(a), pair_signs(b)
    with np.errstate(invalid="ignore"):
        return (x * y).sum(-1) / np.sqrt((x**2).sum(-1) * (y**2).sum(-1))


def table(runs: pd.DataFrame, metrics: Sequence[str], by: str = "selector") -> pd.DataFrame:
    """Return tidy intervals: columns `by`, metric, mean, low, high, n_seeds."""
    rows = []
    for name, group in runs.groupby(by, sort=False):
        for metric in metrics:
            values = group[metric].dropna()
            rows.append((name, metric, *(interval(values) if len(values) else (np.nan,) * 3), group["seed"].nunique()))
    return pd.DataFrame(rows, columns=[by, "metric", "mean", "low", "high", "n_seeds"])


def readable(intervals: pd.DataFrame, by: str = "selector", digits: int = 3) -> pd.DataFrame:
    """Return a table level x metric of `mean [low, high]` texts; the mean alone where one seed is behind it."""
    seeds = intervals["n_seeds"] if "n_seeds" in intervals else np.full(len(intervals), np.inf)
    ends = zip(intervals["mean"], intervals["low"], intervals["high"], seeds)
    whole = (f"{m:.{digits}f}" + f" [{lo:.{digits}f}, {hi:.{digits}f}]" * int(n > 1) for m, lo, hi, n in ends)
    text = intervals.assign(cell=list(whole))
    levels, metrics = list(dict.fromkeys(intervals[by])), list(dict.fromkeys(intervals["metric"]))
    return text.pivot(index=by, columns="metric", values="cell").loc[levels, metrics].rename_axis(columns=None)
