"""LHAS and its parts against a slow reading of eq. 5, one example at a time, and against numbers worked by hand."""

from math import dist, floor, sqrt
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.cluster.vq import kmeans2

from lhas_utils.selection import History, lhas, signals, utility_diversity
from lhas_utils.selection.lhas import clusters, micro_batches, uds, within


class Signals:
    """A context of given signals and a given past."""

    def __init__(self, past: History | None = None, **signals):
        self.history, self.explained = past or History(), []
        vars(self).update({name: np.asarray(v, float) for name, v in signals.items()})

        self.encoded = SimpleNamespace(tokens=lambda: torch.arange(len(self)) % 3)

    def __len__(self):
        return len(self.embedding)

    def explain(self, indices, **terms):
        self.explained += [
            (int(i), *row)
            for i, *row in zip(indices, *(terms[k] for k in ("utility", "coverage", "proxy_gain", "penalty")))
        ]


def drawn(n: int, past: int = 0, seed: int = 0) -> Signals:
    """Return a context of random signals whose points lie in groups."""
    rng = np.random.default_rng(seed)
    history = History()
    if past:
        history.embedding, history.sketch = groups(rng, past), rng.normal(size=(past, 6))
        history.projection = rng.normal(size=(past, 4))
    one = {name: rng.normal(size=n) for name in ("loss", "grad_norm", "nuclear_norm", "cosine_proxy", "align_current")}
    many = {"embedding": groups(rng, n), "projection": rng.normal(size=(n, 4)), "sketch": rng.normal(size=(n, 6))}
    return Signals(history, **one, **many)


def groups(rng, n: int) -> np.ndarray:
    return 4.0 * np.eye(5, 3)[rng.integers(5, size=n)] + rng.normal(size=(n, 3))


# ---- the slow reading --------------------------------------------------------------------------------


def z(values: list[float]) -> list[float]:
    """Standardise a list within its micro-batch; a constant list is all zeros."""
    mean = sum(values) / len(values)
    sd = sqrt(sum((v - mean) ** 2 for v in values) / len(values))
    return [(v - mean) / sd if sd > 1e-9 else 0.0 for v in values]


def parts(n: int, budget: int, size: int, rng) -> list[tuple[list[int], int]]:
    """Return the micro-batches and how many examples each keeps."""
    order, count = rng.permutation(n).tolist(), max(1, min(budget, n // size))
    out, start, kept = [], 0, 0
    for k in range(count):
        length = n // count + (k < n % count)
        start += length
        quota = floor(start * budget / n + 1e-9) - kept
        kept += quota
        out.append((order[start - length : start], quota))
    return out


def slow_lhas(
    ctx,
    budget,
    rng,
    lam=3.0,
    eta=3.0,
    rho=0.0,
    utility="utility_diversity",
    penalty="clusters",
    proxy="proxy",
    history="online",
    alpha=1.0,
    micro_batch=64,
    memory_size=1024,
):
    """Return the picks in order and the terms of their scores, by loops over eq. 5."""
    past = {
        k: [] if (v := getattr(ctx.history, k)) is None else v.tolist() for k in ("embedding", "sketch", "projection")
    }
    points = np.array(ctx.embedding.tolist() + past["embedding"])
    _, label = kmeans2(points, min(8, len({tuple(p) for p in points.tolist()})), minit="++", rng=0)
    selected = label[len(ctx) :].tolist()  # clusters of everything selected so far
    picks, terms = [], []
    norm = list(ctx.nuclear_norm)
    if utility == "within_length":
        length = ctx.encoded.tokens().tolist()
        for size in set(length):
            equal = [i for i in range(len(ctx)) if length[i] == size]
            for i, value in zip(equal, z([ctx.nuclear_norm[i] for i in equal])):
                norm[i] = value

    def u(i, batch):
        if utility == "loss":
            return ctx.loss[i]
        if utility == "gradient":
            return ctx.grad_norm[i]
        if utility == "none":
            return 0.0
        window = past["projection"][-memory_size:]
        far = [sum(dist(ctx.projection[j], m) for m in window) / len(window) if window else 0.0 for j in batch]
        k = batch.index(i)
        return z([norm[j] for j in batch])[k] + alpha * z(far)[k]

    def c(i):
        return min((dist(ctx.embedding[i], h) for h in past["embedding"]), default=1.0)

    def p(i):
        return ctx.cosine_proxy[i] if proxy == "proxy" else ctx.align_current[i]

    def a(i):
        if penalty == "clusters":
            return selected.count(label[i]) / max(len(selected), 1)
        if not past["sketch"]:
            return 0.0
        G = np.array(past["sketch"])
        top = np.linalg.eigh(G.T @ G)[1][:, -1]
        return float(ctx.sketch[i] @ top) ** 2

    for batch, quota in parts(len(ctx), budget, micro_batch, rng):
        columns = (
            z([u(i, batch) for i in batch]),
            [lam * v for v in z([c(i) for i in batch])],
            [eta * v for v in z([p(i) for i in batch])],
            [-rho * v for v in z([a(i) for i in batch])],
        )
        score = [sum(row) for row in zip(*columns)]
        best = sorted(range(len(batch)), key=lambda k: -score[k])[:quota]
        for k in best:
            i = batch[k]
            picks.append(i)
            terms.append((i, *(column[k] for column in columns)))
        for k in best if history == "online" else []:
            i = batch[k]
            selected.append(label[i])
            for name in past:
                past[name].append(getattr(ctx, name)[i].tolist())
    return picks, terms


VARIANTS = [
    {},
    {"memory_size": 3, "rho": 1.0},
    {"memory_size": 12, "micro_batch": 5},
    {"penalty": "eigenvector", "rho": 3.0},
    {"rho": 5.0, "lam": 0.5},
    {"utility": "loss"},
    {"utility": "gradient"},
    {"utility": "within_length"},
    {"history": "previous"},
    {"history": "previous", "penalty": "eigenvector", "rho": 3.0},
    {"utility": "none", "proxy": "current"},
    {"alpha": 3.0, "lam": 0.0, "eta": 0.0, "rho": 0.0, "memory_size": 4},
]
NAMES = {"lam": "coverage_weight", "eta": "proxy_weight", "rho": "penalty_weight"}


@pytest.mark.parametrize("past", [0, 9])
@pytest.mark.parametrize("knobs", VARIANTS, ids=str)
@pytest.mark.parametrize("n, budget", [(40, 13), (37, 9)])
def test_lhas_is_eq_5_with_a_growing_history(n, budget, knobs, past):
    knobs = {"micro_batch": 8} | knobs
    ctx = drawn(n, past, seed=n + past)
    picks, terms = slow_lhas(ctx, budget, np.random.default_rng(1), **knobs)
    got = lhas(ctx, budget, rng=np.random.default_rng(1), **{NAMES.get(k, k): v for k, v in knobs.items()})
    assert got.tolist() == picks and len(set(picks)) == budget
    assert [i for i, *_ in ctx.explained] == picks
    np.testing.assert_allclose(ctx.explained, terms, rtol=1e-8, atol=1e-8)


def test_the_variants_do_not_pick_alike():
    """So that a reading of eq. 5 with a part left out could not pass above."""
    chosen = []
    for knobs in VARIANTS:
        picks, _ = slow_lhas(drawn(40, 9, seed=49), 13, np.random.default_rng(1), **{"micro_batch": 8} | knobs)
        chosen.append(tuple(sorted(picks)))
    assert len(set(chosen)) == len(VARIANTS)


@pytest.mark.parametrize("past, memory_size", [(0, 1024), (9, 1024), (9, 3), (0, 2)])
def test_utility_diversity_is_lhas_with_its_utility_alone(past, memory_size):
    ctx = drawn(40, past, seed=5)
    alone = {"lam": 0.0, "eta": 0.0, "rho": 0.0, "alpha": 2.0, "micro_batch": 8, "memory_size": memory_size}
    picks, _ = slow_lhas(ctx, 13, np.random.default_rng(2), **alone)
    rng = np.random.default_rng(2)
    got = utility_diversity(ctx, 13, rng=rng, alpha=2.0, micro_batch=8, memory_size=memory_size)
    assert got.tolist() == picks


def test_the_default_weights_are_those_of_the_development_seeds():
    default = lhas.__kwdefaults__
    assert (default["coverage_weight"], default["proxy_weight"], default["penalty_weight"]) == (3.0, 3.0, 0.0)
    assert (default["alpha"], default["micro_batch"], default["memory_size"]) == (1.0, 64, 1024)


# ---- by hand -----------------------------------------------------------------------------------------


def test_four_examples_by_hand():
    """One micro-batch, history at 0 and two of its three members at x = 10: every term is known."""
    past = History()
    past.embedding = np.array([[0.0], [10.0], [10.0]])
    past.projection = past.sketch = np.zeros((3, 1))
    flat = {"projection": np.zeros((4, 1)), "sketch": np.zeros((4, 1))}
    ctx = Signals(
        past,
        embedding=[[0.0], [1.0], [10.0], [13.0]],
        loss=[1, 1, 3, 3],
        nuclear_norm=np.zeros(4),
        cosine_proxy=[0, 1, 0, 1],
        **flat,
    )
    labels, _ = clusters(ctx, 2)
    picks = lhas(
        ctx,
        4,
        rng=np.random.default_rng(0),
        utility="loss",
        penalty="eigenvector",
        coverage_weight=2.0,
        proxy_weight=10.0,
        penalty_weight=1.0,
    )
    coverage = np.array([0, 1, 0, 3])  # mean 1, sd sqrt(1.5)
    expected = np.array([-1, -1, 1, 1]) + 2 * (coverage - 1) / sqrt(1.5) + 10 * np.array([-1, 1, -1, 1])
    assert picks.tolist() == np.argsort(-expected).tolist() == [3, 1, 2, 0]
    found = {i: u + c + p + a for i, u, c, p, a in ctx.explained}
    assert [found[i] for i in range(4)] == pytest.approx(expected)


def test_the_penalty_counts_the_selected_of_earlier_stages_and_of_this_one():
    """Three groups of examples, far apart; two of four remembered lie in group 0, one in each other group."""
    past = History()
    past.embedding = np.array([[0.0], [0.0], [100.0], [200.0]])
    past.projection = past.sketch = np.zeros((4, 1))
    where = np.repeat([0.0, 100.0, 200.0], 2)
    zero = np.zeros((6, 1))
    ctx = Signals(
        past,
        embedding=where[:, None],
        loss=np.arange(6),
        nuclear_norm=np.zeros(6),
        cosine_proxy=np.zeros(6),
        projection=zero,
        sketch=zero,
    )
    one = {"coverage_weight": 0.0, "proxy_weight": 0.0, "penalty_weight": 1.0, "utility": "none"}
    lhas(ctx, 6, rng=np.random.default_rng(0), micro_batch=6, **one)
    share = np.array([2, 2, 1, 1, 1, 1]) / 4
    expected = -(share - share.mean()) / share.std()
    assert {i: a for i, *_, a in ctx.explained} == pytest.approx(dict(enumerate(expected)))
    ctx.explained.clear()
    rng = np.random.default_rng(0)
    lhas(ctx, 2, rng=rng, micro_batch=3, **one)
    (first, *_), (second, *_, term) = ctx.explained
    batch = np.random.default_rng(0).permutation(6)[3:]
    counts = np.array([2, 1, 1]) + (np.arange(3) == where[first] / 100)
    share = counts[(where[batch] / 100).astype(int)] / 5
    assert term == pytest.approx(-(share[list(batch).index(second)] - share.mean()) / share.std())


def test_micro_batches_share_the_budget_by_hand():
    def quotas(n, budget, size):
        out = list(micro_batches(n, budget, size, np.random.default_rng(0)))
        assert sorted(np.concatenate([b for b, _ in out])) == [*range(n)]
        return [(len(b), k) for b, k in out]

    assert quotas(10, 3, 4) == [(5, 1), (5, 2)]  # floor(1.5), 3
    assert quotas(10, 5, 3) == [(4, 2), (3, 1), (3, 2)]  # floor(2), floor(3.5), 5
    assert quotas(7, 2, 100) == [(7, 2)]
    assert quotas(9, 2, 1) == [(5, 1), (4, 1)]  # no more micro-batches than picks


def test_the_utility_by_hand():
    """Norms 0 and 2. From 0 and 6 the members at 1 and 10 are 5.5 and 4.5 away on average, the nearest 1 and 4."""
    norms, where = np.array([0.0, 2.0]), np.array([[0.0], [6.0]])
    assert uds(norms, where, np.array([[1.0], [10.0]]), 5.0) == pytest.approx([-1 + 5, 1 - 5])
    assert uds(norms, where, np.array([[0.0]]), 0.5) == pytest.approx([-1.5, 1.5])
    assert uds(norms, where, np.zeros((0, 1)), 5.0) == pytest.approx([-1, 1])


def test_within_a_group_by_hand():
    """Groups 1, 3 and 10, 30, 50 keep their order only; a group of one, or of equal values, is 0."""
    values, groups = np.array([1.0, 10, 3, 30, 50, 7, 2, 2]), np.array([2, 5, 2, 5, 5, 1, 9, 9])
    sd = sqrt(800 / 3)
    assert within(values, groups) == pytest.approx([-1, -20 / sd, 1, 0, 20 / sd, 0, 0, 0])


def test_the_previous_history_does_not_know_of_the_stage():
    """With penalty alone and no past nothing tells examples apart, so each micro-batch gives its first."""
    ctx = drawn(20)
    one = {"coverage_weight": 1.0, "proxy_weight": 0.0, "penalty_weight": 1.0, "utility": "none", "micro_batch": 5}
    lhas(ctx, 4, rng=np.random.default_rng(0), history="previous", **one)
    assert all(term == 0 for _, *terms in ctx.explained for term in terms)
    ctx.explained.clear()
    lhas(ctx, 4, rng=np.random.default_rng(0), **one)
    assert any(c != 0 for _, _, c, _, _ in ctx.explained) and any(a != 0 for *_, a in ctx.explained)


# ---- sketches ----------------------------------------------------------------------------------------

P = 20_000


@pytest.fixture
def given(monkeypatch):
    """A function that makes G (n, P) the gradients of the pool, in two batches, and returns (model, pool)."""

    def of(G: torch.Tensor) -> tuple[torch.nn.Module, torch.Tensor]:
        parts = [(rows, G[rows]) for rows in torch.arange(len(G)).flip(0).split(len(G) // 2)]
        monkeypatch.setattr(signals, "gradients", lambda *_: iter(parts))
        return torch.nn.Linear(P, 1, bias=False), G

    return of


@pytest.fixture
def sketch(given):
    """A function from gradients (n, P) to their sketches."""
    return lambda G: signals.sketches(*given(G))


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_inner_products_of_sketches_are_cosines_without_bias(sketch):
    G = normal(40, P) + 0.7 * normal(P, seed=1)
    unit = G / G.norm(dim=1, keepdim=True)
    i, j = np.triu_indices(40, 1)
    S, exact = sketch(G), (unit @ unit.T).numpy()[i, j]
    error = (S @ S.T)[i, j] - exact
    assert 0.2 < exact.mean() < 0.5
    assert abs(error).max() < 5 / np.sqrt(signals.SKETCH) and error.std() < 2 / np.sqrt(signals.SKETCH)
    assert abs(error.mean()) < 0.02


def test_coordinates_that_share_a_bucket_carry_signs(sketch):
    """Two positive gradients on different coordinates are orthogonal; without signs their sketches would add up."""
    G = torch.zeros(2, P)
    G[0, ::2] = G[1, 1::2] = 1.0
    S = sketch(G)
    assert abs(S[0] @ S[1]) < 0.15  # (P / 2) / SKETCH = 9.8 without signs
    assert np.linalg.norm(S, axis=1) == pytest.approx([1, 1], abs=0.1)


def test_a_sketch_notices_a_sign_and_not_a_size(sketch):
    g, half = normal(P), torch.ones(P)
    half[: P // 2] = -1
    S = sketch(torch.stack([g, -g, 7 * g, half * g]))
    assert S[1] == pytest.approx(-S[0]) and S[2] == pytest.approx(S[0], abs=1e-5)
    assert S[0] @ S[0] == pytest.approx(1, abs=0.1) and abs(S[0] @ S[3]) < 0.15
