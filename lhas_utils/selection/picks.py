"""From scores to picks, and the check that picks are picks."""

from collections.abc import Callable

import numpy as np
import torch


def top_k(score, k: int) -> np.ndarray:
    """Return the indices of the k highest scores, highest first; ties keep pool order.

    >>> top_k([0.1, 0.9, 0.9], 2)
    array([1, 2])
    """
    score = np.asarray(score, float)
    if np.isnan(score).any():
        raise ValueError(f"score: expected numbers; got NaN for example {np.flatnonzero(np.isnan(score))[0]}")
    return np.argsort(-score, kind="stable")[:k]


def standardise(x) -> np.ndarray:
    """Return (x - mean) / sd, or zeros where all values are equal; a value that is not finite is an error."""
    x = np.asarray(x, float)
    if not np.isfinite(x).all():
        raise ValueError(
            f"standardise: expected finite numbers; got {x[~np.isfinite(x)][0]} at {np.flatnonzero(~np.isfinite(x))[0]}"
        )
    sd = x.std()
    return (x - x.mean()) / sd if sd > 1e-12 * max(1.0, abs(x).max()) else np.zeros_like(x)


def name_of(select: Callable) -> str:
    """Return the name of a selector: a function's, a partial's function's, or an object's class."""
    return getattr(select, "__name__", getattr(getattr(select, "func", None), "__name__", type(select).__name__))


def as_indices(picks) -> np.ndarray:
    """Return what a selector returned, tensor or sequence, as an array."""
    return picks.numpy() if isinstance(picks, torch.Tensor) else np.asarray(picks)


def checked(select: Callable, ctx, budget: int, rng: np.random.Generator) -> np.ndarray:
    """Call a selector and return its sorted picks; raise a `ValueError` in words if they are not valid.

    Expected: `budget` distinct integers in [0, n), with 1 <= budget <= n.
    """
    n = len(ctx)
    name = name_of(select)
    if isinstance(budget, bool) or not isinstance(budget, (int, np.integer)) or not 1 <= budget <= n:
        raise ValueError(f"budget: expected an integer in [1, {n}] (the pool has {n} examples); got {budget!r}")
    picks = as_indices(select(ctx, budget, rng=rng))
    if picks.shape != (budget,):
        raise ValueError(f"{name}: expected {budget} indices in an array of shape ({budget},); got shape {picks.shape}")
    if not np.issubdtype(picks.dtype, np.integer):
        raise ValueError(f"{name}: expected integer indices; got dtype {picks.dtype}")
    if picks.min() < 0 or picks.max() >= n:
        raise ValueError(f"{name}: expected indices in [0, {n}); got {picks.min()} to {picks.max()}")
    if len(np.unique(picks)) < budget:
        raise ValueError(f"{name}: expected no index twice; got {budget - len(np.unique(picks))} repeated")
    return np.sort(picks)
