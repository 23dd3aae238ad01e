"""From scores to picks, and the check that picks are picks."""

from collections.abc import Callable

import numpy as np
import torch

NEAR = 2**14  # examples that a farthest-first traversal looks at between two looks at all of them


def top_k(score, k: int) -> np.ndarray:
    """Return the indices of the k highest scores, highest first; ties keep pool order.

    >>> top_k([0.1, 0.9, 0.9], 2)
    array([1, 2])
    """
    score = np.asarray(score, float)
    if np.isnan(score).any():
        raise ValueError(f"score: expected numbers; got NaN for example {np.flatnonzero(np.isnan(score))[0]}")
    return np.argsort(-score, kind="stable")[:k]


def farthest_first(phi: np.ndarray, first: int, k: int) -> np.ndarray:
    """Return k indices into phi (n, d): j_1 = `first`, then j_{m+1} = argmax_i min_{j in S_m} ||phi_i - phi_j||.

    Distances to S_m only fall, so an old one bounds today's from above. Picks are made among the `NEAR` examples with
    the largest bounds as long as none outside can be farther; then all learn of these picks by matrix products. Exact
    but for ties that rounding makes. n k d operations, n d memory.
    """
    n, square, chosen = len(phi), (phi**2).sum(1), [first]
    nearest = square - 2 * (phi @ phi[first]) + square[first]
    nearest[first] = -np.inf
    while len(chosen) < k:
        among, bound, known = slice(None), -np.inf, len(chosen)
        if n > NEAR:
            among = np.argpartition(nearest, n - NEAR)[n - NEAR :]
            bound = np.delete(nearest, among).max()
        x, own, apart = phi[among], square[among], nearest[among]
        names = np.arange(n)[among]
        while len(chosen) < k and apart[j := int(apart.argmax())] >= bound:
            chosen.append(int(names[j]))
            np.minimum(apart, own - 2 * (x @ x[j]) + own[j], out=apart)
            apart[j] = -np.inf
        if n > NEAR:
            _draw_near(nearest, phi, square, np.array(chosen[known:]))
    return np.array(chosen)


def _draw_near(nearest: np.ndarray, phi: np.ndarray, square: np.ndarray, new: np.ndarray) -> None:
    """Lower the squared distances of all examples to the picks where a new pick is nearer, `NEAR` by 1024 at a time."""
    for start in range(0, len(phi), NEAR):
        rows = slice(start, start + NEAR)
        for some in np.array_split(new, -(-len(new) // 1024)):
            apart = square[rows, None] - 2 * (phi[rows] @ phi[some].T) + square[some]
            np.minimum(nearest[rows], apart.min(1), out=nearest[rows])
    nearest[new] = -np.inf


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
