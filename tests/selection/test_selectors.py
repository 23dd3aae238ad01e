"""The selector contract for every registered selector, and each formula on small cases."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lhas_utils.core import ModelSpec
from lhas_utils.learning import copy_of, create, encode, weights, word_level
from lhas_utils.selection import SELECTORS, History, SelectionContext, picks, selectors, top_k
from lhas_utils.worlds import WorldSpec, skill_world
from lhas_utils.worlds.symbols import DIALECT
from tests.selection.stub import Stub, pick, points

ALL = sorted(SELECTORS)
SEEDED = ("random", "utility_diversity", "lhas", "shuffled", "oracle")  # the seed decides even without ties
UNSEEDED = ("loss", "gradient", "alignment", "less", "datamodel", "diversity", "quality", "facility_location", "el2n")


def globals_state():
    return np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


# ---- the contract ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=12)
@given(
    n=st.integers(1, 40),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**31),
    ties=st.booleans(),
    past=st.sampled_from([0, 1, 30]),
)
def test_contract(name, n, share, seed, ties, past):
    budget = min(n, 1 + int(share * n))
    before = globals_state()
    picks = pick(name, Stub(n, seed, ties, past), budget, seed)
    assert picks.shape == (budget,) and np.issubdtype(picks.dtype, np.integer)
    assert len(set(picks.tolist())) == budget
    assert 0 <= picks.min() and picks.max() < n
    assert (np.diff(picks) > 0).all()
    assert (pick(name, Stub(n, seed, ties, past), budget, seed) == picks).all()
    assert globals_state() == before


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_budget_one_and_all(name, ties):
    assert len(pick(name, Stub(23, ties=ties), 1)) == 1
    assert pick(name, Stub(23, ties=ties), 23).tolist() == list(range(23))


@pytest.mark.parametrize("name", SEEDED)
def test_another_seed_gives_other_picks(name):
    # a stream of several micro-batches where the selector has them, ample good examples for the oracle
    ctx = [Stub(200, past=20) for _ in range(4)]
    assert len({tuple(pick(name, c, 20, seed)) for seed, c in enumerate(ctx)}) == 4


@pytest.mark.parametrize("name", UNSEEDED)
def test_the_seed_does_not_matter_where_nothing_is_random(name):
    assert len({tuple(pick(name, Stub(60), 15, seed)) for seed in range(3)}) == 1


@pytest.mark.parametrize("name", UNSEEDED)
def test_the_order_of_the_pool_does_not_matter(name):
    ctx, moved, n = Stub(30), Stub(30), 30
    order = np.random.default_rng(9).permutation(n)
    for signal, values in vars(ctx).items():
        if isinstance(values, np.ndarray):
            setattr(moved, signal, values[order])
    assert set(order[pick(name, moved, 8)]) == set(pick(name, ctx, 8))


@pytest.fixture(scope="module")
def real():
    tokenizer = word_level(DIALECT)
    world = skill_world(WorldSpec(pool_size=30, test_size=2), seed=0, validation_size=8)
    model = create(ModelSpec(hidden=16, layers=1, heads=2), tokenizer, seed=0)
    frozen = copy_of(model)
    pools = [encode(s.pool, tokenizer) for s in world.stages]
    validations = [encode(s.validation, tokenizer) for s in world.stages]
    proxy = encode(world.proxy, tokenizer)

    def contexts():
        history = History()
        for t in (0, 1):
            yield SelectionContext(model, frozen, world.stages[t].pool, pools[t], validations[t], proxy, history, t)

    return model, contexts


@pytest.mark.parametrize("name", ALL)
def test_contract_in_a_real_world(name, real):
    model, contexts = real
    before, state = weights(model), globals_state()
    runs = []
    for _ in range(2):
        chosen = []
        for ctx in contexts():
            chosen.append(pick(name, ctx, 8, seed=5))
            ctx.history.append(ctx, chosen[-1])
        runs.append([c.tolist() for c in chosen])
    assert runs[0] == runs[1]
    assert all(len(set(c)) == 8 and 0 <= min(c) and max(c) < 30 for c in runs[0])
    assert torch.equal(weights(model), before)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert globals_state() == state


# ---- the formulas ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, signal, sign",
    [
        ("loss", "loss", 1),
        ("gradient", "grad_norm", 1),
        ("alignment", "align_current", 1),
        ("quality", "quality", 1),
        ("el2n", "el2n", 1),
        ("easy", "difficulty", -1),
    ],
)
def test_a_ranking_takes_the_extreme_scores(name, signal, sign):
    ctx = Stub(50)
    score = sign * getattr(ctx, signal)
    assert set(pick(name, ctx, 10)) == set(sorted(range(50), key=lambda i: -score[i])[:10])


def test_less_ignores_the_length_of_a_gradient():
    ctx = Stub(40)
    before = pick("less", ctx, 8)
    scale = np.random.default_rng(1).uniform(0.1, 10, 40)
    ctx.align_current, ctx.grad_norm = ctx.align_current * scale, ctx.grad_norm * scale
    assert pick("less", ctx, 8).tolist() == before.tolist()
    assert pick("alignment", ctx, 8).tolist() != before.tolist()


def test_datamodel_is_ridge_regression_on_the_gradients():
    rng = np.random.default_rng(0)
    n, d = 30, 8
    G, target = rng.normal(size=(n, d)), rng.normal(size=d)
    ctx = Stub(n)
    ctx.grad_norm = np.linalg.norm(G, axis=1)
    ctx.sketch, ctx.align_current = G / ctx.grad_norm[:, None], G @ target
    r = 0.1 * np.trace(G @ G.T) / n
    primal = G @ np.linalg.solve(G.T @ G + r * np.eye(d), target)  # the form TRAK prints
    assert set(pick("datamodel", ctx, 7)) == set(top_k(primal, 7))


def test_datamodel_shares_the_credit_of_twins():
    ctx = Stub(3)
    ctx.grad_norm, ctx.align_current = np.ones(3), np.array([1.0, 1.0, 0.9])
    ctx.sketch = np.array([[1.0, 0], [1.0, 0], [0, 1.0]])
    assert pick("datamodel", ctx, 1).tolist() == [2]
    assert pick("alignment", ctx, 1).tolist() == [0]


def test_difficulty_band_takes_the_nearest_to_its_centre():
    ctx = Stub(5)
    ctx.difficulty = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    assert pick("difficulty_band", ctx, 3).tolist() == [1, 2, 3]
    assert pick("difficulty_band", ctx, 2, centre=0.85).tolist() == [3, 4]


def test_ties_in_difficulty_are_broken_at_random():
    ctx = Stub(30, ties=True)
    assert len({tuple(pick("easy", ctx, 5, seed)) for seed in range(5)}) == 5


def test_random_is_uniform():
    ctx = Stub(10)
    counts = np.bincount(np.concatenate([pick("random", ctx, 3, seed) for seed in range(300)]), minlength=10)
    assert counts.sum() == 900
    assert abs(counts - 90).max() < 4 * np.sqrt(900 * 0.1 * 0.9)


def test_diversity_is_farthest_first_from_the_centre():
    # centroid 5.3 -> start at 5; then 10.5 (5.5 away), 0 (5 away), 1 (1 away), 10 (0.5 away)
    ctx = points(0, 1, 5, 10, 10.5)
    assert selectors.diversity(ctx, 3, rng=None).tolist() == [2, 4, 0]
    assert selectors.diversity(ctx, 5, rng=None).tolist() == [2, 4, 0, 1, 3]


@pytest.mark.parametrize("near", [1, 3, 40, 200])
@pytest.mark.parametrize("seed", range(3))
def test_the_farthest_are_found_among_few_as_among_all(monkeypatch, near, seed):
    rng = np.random.default_rng(seed)
    phi = rng.normal(size=(200, 5)) * rng.gamma(1, size=(200, 1))
    phi[150:] = phi[:50]  # the same example twice
    first, away = int(rng.integers(200)), np.linalg.norm(phi[:, None] - phi[None], axis=-1)
    exact = [first]
    while len(exact) < 120:
        exact.append(int(away[:, exact].min(1).argmax()))
    monkeypatch.setattr(picks, "NEAR", near)
    found = picks.farthest_first(phi, first, 120)
    assert (found % 150).tolist() == [i % 150 for i in exact] and len(set(found)) == 120
    assert len(set(picks.farthest_first(phi, first, 200))) == 200
    assert picks.farthest_first(phi, first, 1).tolist() == [first]


def test_diversity_is_within_twice_the_best_covering_radius():
    ctx = Stub(12)
    apart = np.linalg.norm(ctx.embedding[:, None] - ctx.embedding[None], axis=-1)
    for k in (2, 3):
        best = min(apart[:, list(s)].min(1).max() for s in combinations(range(12), k))
        assert apart[:, pick("diversity", ctx, k)].min(1).max() <= 2 * best + 1e-12


def facility(ctx, chosen):
    phi = ctx.embedding / np.linalg.norm(ctx.embedding, axis=1, keepdims=True)
    return ((1 + phi @ phi.T) / 2)[:, list(chosen)].max(1).sum()


def test_facility_location_takes_the_largest_gain_at_every_step():
    ctx = Stub(10, seed=3)
    ctx.embedding = ctx.embedding - 0.5
    chosen = []
    for got in selectors.facility_location(ctx, 6, rng=None):
        values = {i: facility(ctx, [*chosen, i]) for i in range(10) if i not in chosen}
        assert values[got] == pytest.approx(max(values.values()), abs=1e-5)
        chosen.append(got)


def test_facility_location_reaches_its_guarantee():
    for seed in range(5):
        ctx = Stub(9, seed)
        best = max(facility(ctx, s) for s in combinations(range(9), 3))
        assert facility(ctx, pick("facility_location", ctx, 3)) >= (1 - 1 / np.e) * best


def test_shuffled_deals_the_scores_to_other_examples():
    ctx = Stub(200)
    share = np.mean([np.isin(pick("shuffled", ctx, 50, seed), pick("gradient", ctx, 50)).mean() for seed in range(20)])
    assert share == pytest.approx(0.25, abs=0.06)  # as a random choice would


def test_oracle_takes_good_examples_first_and_spreads_over_tasks():
    ctx = Stub(90)
    pool = ctx.pool.to_pandas()
    good = (pool["clean"] & ~pool["duplicate"]).to_numpy()
    picks = pick("oracle", ctx, 30)
    assert good[picks].all()
    assert pool["task"].iloc[picks].value_counts().tolist() == [10, 10, 10]
    everything_good = pick("oracle", ctx, int(good.sum()))
    assert good[everything_good].all()


# ---- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, signal", [("quality", "quality"), ("loss", "loss"), ("gradient", "grad_norm"), ("easy", "difficulty")]
)
def test_a_score_that_is_no_number_never_ranks(name, signal):
    ctx = Stub(10)
    getattr(ctx, signal)[3] = np.nan
    with pytest.raises(ValueError, match="score: expected numbers; got NaN for example 3"):
        pick(name, ctx, 2)


def test_a_centre_out_of_range_is_refused_with_the_range():
    with pytest.raises(ValueError, match=r"centre: expected a number in \[0, 1\]; got 2"):
        pick("difficulty_band", Stub(10), 2, centre=2)
