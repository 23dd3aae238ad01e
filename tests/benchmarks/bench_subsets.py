"""Greedy subsets against the libraries that are made for them, at an equal value of the objective."""

from types import SimpleNamespace

import numpy as np
import pytest

from lhas_utils.selection import SELECTORS
from lhas_utils.selection.context import squared_distances
from tests.benchmarks.record import against

SIZES = (1_000, 5_000, 10_000)


def points(n: int, d: int = 32) -> np.ndarray:
    """Return n unit vectors in 50 clusters, shape (n, d)."""
    rng = np.random.default_rng(0)
    phi = rng.normal(size=(50, d))[rng.integers(50, size=n)] + 0.5 * rng.normal(size=(n, d))
    return (phi / np.linalg.norm(phi, axis=1, keepdims=True)).astype(np.float32)


def picker(name: str, phi: np.ndarray, k: int):
    """Return the selector as a call without arguments."""

    class Pool(SimpleNamespace):
        def __len__(self):
            return len(phi)

    return lambda: SELECTORS[name](Pool(embedding=phi), k, rng=np.random.default_rng(0))


def coverage(similarity: np.ndarray, picks) -> float:
    """Return f(S) = sum_i max_{j in S} s_ij."""
    return float(similarity[:, np.asarray(picks, int)].max(1).sum(dtype=float))


def apricot(similarity, k):
    peer = pytest.importorskip("apricot", reason="peer not installed: pip install '.[bench]'")
    return peer.FacilityLocationSelection(k, metric="precomputed", optimizer="lazy").fit(similarity).ranking


def submodlib(similarity, k):
    peer = pytest.importorskip("submodlib", reason="peer not installed: pip install '.[bench]'")
    n = len(similarity)
    f = peer.FacilityLocationFunction(n=n, mode="dense", sijs=similarity, separate_rep=False)
    return [i for i, _ in f.maximize(budget=k, optimizer="LazyGreedy", show_progress=False)]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("peer", [apricot, submodlib])
def bench_facility_location(peer, n):
    """Both sides build the similarities, which at large n is most of the work."""
    phi, k = points(n), n // 10
    repeats = 5 if n < 10_000 else 3

    def theirs():
        return peer((1 + phi @ phi.T) / 2, k)

    found = against(
        "facility location", peer.__name__, f"n = {n}", theirs, picker("facility_location", phi, k), repeats
    )
    similarity = (1 + phi @ phi.T) / 2
    np.testing.assert_allclose(*(coverage(similarity, picks) for picks in found), rtol=1e-4)


@pytest.mark.parametrize("n", SIZES)
def bench_k_center(n):
    """submodlib has the same greedy as `DisparityMin`; ours takes distances as it needs them."""
    submodlib = pytest.importorskip("submodlib", reason="peer not installed: pip install '.[bench]'")
    phi, k = points(n), n // 50

    def theirs():
        distance = np.sqrt(squared_distances(phi, phi))
        f = submodlib.DisparityMinFunction(n=n, mode="dense", sijs=distance)
        return [i for i, _ in f.maximize(budget=k, optimizer="NaiveGreedy", show_progress=False)]

    found = against("k-center", "submodlib", f"n = {n}", theirs, picker("diversity", phi, k), 3)
    radii = [float(np.sqrt(squared_distances(phi, phi[np.asarray(picks, int)]).min(1).max())) for picks in found]
    assert radii[1] < 1.1 * radii[0]
