"""How often a 95 % interval of a mean over few seeds holds the true mean: methods by kind of data by seeds.

Of the methods that give an interval from any two different values, the t interval is the nearest to 95 %, and
`statistics.interval` is that one. The studentised bootstrap is nearer still where data are skewed, and has no finite
interval below four seeds; a claim's effects are mostly paired differences, whose skew cancels.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from ..core import choose

RESAMPLES = 499
SEEDS = (5, 8, 12)
_TAILS = [0.025, 0.975]
DISTRIBUTIONS: dict[str, tuple[Callable[[np.random.Generator, tuple], np.ndarray], float]] = {
    "normal": (lambda rng, shape: rng.normal(size=shape), 0.0),
    "skewed": (lambda rng, shape: rng.exponential(size=shape), 1.0),
    "heavy": (lambda rng, shape: rng.standard_t(3, size=shape), 0.0),
    "ceiling": (lambda rng, shape: rng.binomial(20, 0.95, size=shape) / 20, 0.95),  # 20 items, nearly all right
}  # name -> (draw, its mean)


def _resampled(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    draws, n = x.shape
    return x[np.arange(draws)[:, None, None], rng.integers(n, size=(draws, RESAMPLES, n))]


def _error(x: np.ndarray) -> np.ndarray:
    return x.std(-1, ddof=1) / np.sqrt(x.shape[-1])


def percentile(x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (low, high), each (draws,): the 2.5 and 97.5 % quantiles of the means of resamples of x (draws, n)."""
    return tuple(np.quantile(_resampled(x, rng).mean(-1), _TAILS, axis=-1))


def studentised(x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (low, high): mean minus error times the quantiles of (mean* - mean) / error* over resamples.

    A resample without spread counts as infinitely far out, on its side.
    """
    again, mean = _resampled(x, rng), x.mean(-1)
    away, error = again.mean(-1) - mean[:, None], _error(again)
    far = np.select([away > 1e-12, away < -1e-12], [np.inf, -np.inf])
    t = np.where(error > 1e-12, away / np.maximum(error, 1e-12), far)
    low, high = np.quantile(t, _TAILS, axis=-1, method="inverted_cdf")
    spread = np.maximum(_error(x), 1e-300)
    return mean - spread * high, mean - spread * low


def student(x: np.ndarray, rng: np.random.Generator | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return (low, high): mean -+ t_{n-1} error, which `statistics.interval` uses; nothing is drawn."""
    half = stats.t.ppf(_TAILS[1], x.shape[-1] - 1) * _error(x)
    return x.mean(-1) - half, x.mean(-1) + half


METHODS = {"t": student, "percentile bootstrap": percentile, "studentised bootstrap": studentised}


def coverage(method: str, distribution: str, n: int, draws: int = 2000, *, rng: np.random.Generator) -> float:
    """Return the share of `draws` samples of n seeds whose interval holds the distribution's mean.

    Args:
        method: one of `METHODS`. distribution: one of `DISTRIBUTIONS`.
        n: seeds, at least 2.
        rng: of the samples and the resamples.

    Raises:
        ValueError: for an unknown name.
    """
    interval = METHODS[choose("method", method, METHODS)]
    draw, mean = DISTRIBUTIONS[choose("distribution", distribution, DISTRIBUTIONS)]
    held = 0
    for size in np.diff(np.linspace(0, draws, -(-draws // 200) + 1).astype(int)):  # 200 samples at a time
        low, high = interval(draw(rng, (size, n)), rng)
        held += ((low <= mean + 1e-12) & (mean - 1e-12 <= high)).sum()
    return held / draws


def finite(method: str, n: int, *, rng: np.random.Generator) -> bool:
    """Return whether a method's interval of n different values is finite, tried on 200 normal samples.

    >>> finite("t", 2, rng=np.random.default_rng(0)), finite("studentised bootstrap", 2, rng=np.random.default_rng(0))
    (True, False)
    """
    ends = METHODS[choose("method", method, METHODS)](rng.normal(size=(200, n)), rng)
    return bool(np.isfinite(ends).all())


def table(draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Return the coverage of every method: one row a method and number of seeds, one column a distribution."""
    rows = {
        (method, n): {d: coverage(method, d, n, draws, rng=np.random.default_rng(seed)) for d in DISTRIBUTIONS}
        for method in METHODS
        for n in SEEDS
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["method", "seeds"])
