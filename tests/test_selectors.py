"""The selector contract for every registered selector, and each formula on small cases."""

from itertools import combinations

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from lhas_utils import selectors
from lhas_utils.config import ModelSpec, WorldSpec
from lhas_utils.context import History, SelectionContext, coverage
from lhas_utils.models import copy_of, create, encode, symbol_tokenizer, weights
from lhas_utils.selectors import SELECTORS, checked, standardise, top_k
from lhas_utils.worlds import skill_world

ALL = sorted(SELECTORS)
SEEDED = ("random", "utility_diversity", "lhas", "shuffled", "oracle")  # the seed decides even without ties
UNSEEDED = ("loss", "gradient", "alignment", "less", "datamodel", "diversity", "quality", "facility_location", "el2n")


class Stub:
    """A context with random signals: what the docstring of `SelectionContext` promises, nothing more."""

    explain = SelectionContext.explain

    def __init__(self, n: int, seed: int = 0, ties: bool = False, past: int = 0):
        rng = np.random.default_rng(seed)

        def draw(*shape):
            return np.full(shape, 0.5) if ties else rng.random(shape)

        for name in ("loss", "el2n", "nuclear_norm", "grad_norm", "align_current", "align_proxy", "cosine_proxy", "quality", "difficulty"):
            setattr(self, name, draw(n))
        self.embedding, self.projection, self.sketch = draw(n, 4), draw(n, 6), draw(n, 6)
        self.history, self.stage, self.terms = History(), 0, {}
        if past:
            self.history.embedding, self.history.projection, self.history.sketch = draw(past, 4), draw(past, 6), draw(past, 6)
        self.coverage = coverage(self.embedding, self.history.embedding)
        self.pool = Dataset.from_dict(
            {
                "skill": ["s"] * n,
                "task": [f"task {i % 3}" for i in range(n)],
                "prompt": [f"p{i}" for i in range(n)],
                "response": ["r"] * n,
                "kind": ["own"] * n,
                "clean": (rng.random(n) < 0.8).tolist(),
                "duplicate": (rng.random(n) < 0.2).tolist(),
                "quality": self.quality,
                "difficulty": self.difficulty,
            }
        )

    def __len__(self):
        return len(self.pool)


def pick(name, ctx, budget, seed=0, **params):
    return checked(selectors.get(name, **params), ctx, budget, np.random.default_rng(seed))


def globals_state():
    return np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


# ---- the contract ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=12)
@given(n=st.integers(1, 40), share=st.floats(0, 1), seed=st.integers(0, 2**31), ties=st.booleans(), past=st.sampled_from([0, 1, 30]))
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
    tokenizer = symbol_tokenizer()
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


# ---- the formulas ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, signal, sign",
    [("loss", "loss", 1), ("gradient", "grad_norm", 1), ("alignment", "align_current", 1), ("quality", "quality", 1), ("el2n", "el2n", 1), ("easy", "difficulty", -1)],
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


def test_standardise_refuses_what_is_not_finite():
    with pytest.raises(ValueError, match="standardise: expected finite numbers; got nan at 1"):
        standardise([1.0, np.nan, 2.0])


def test_difficulty_band_takes_the_nearest_to_its_centre():
    ctx = Stub(5)
    ctx.difficulty = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    assert pick("difficulty_band", ctx, 3).tolist() == [1, 2, 3]
    assert pick("difficulty_band", ctx, 2, centre=0.85).tolist() == [3, 4]


def test_ties_in_difficulty_are_broken_at_random():
    ctx = Stub(30, ties=True)
    assert len({tuple(pick("easy", ctx, 5, seed)) for seed in range(5)}) == 5


def test_top_k_keeps_pool_order_among_ties():
    assert top_k([0.1, 0.9, 0.9], 2).tolist() == [1, 2]
    assert top_k([1.0] * 6, 4).tolist() == [0, 1, 2, 3]


def test_top_k_refuses_scores_that_are_no_numbers():
    with pytest.raises(ValueError, match="score: expected numbers; got NaN for example 1"):
        top_k([0.1, np.nan], 1)


def test_standardise():
    assert standardise([1, 2, 3]) == pytest.approx([-np.sqrt(1.5), 0, np.sqrt(1.5)])
    assert standardise([0.1 + 0.2, 0.3]) == pytest.approx([0, 0])  # equal but for rounding


def test_random_is_uniform():
    ctx = Stub(10)
    counts = np.bincount(np.concatenate([pick("random", ctx, 3, seed) for seed in range(300)]), minlength=10)
    assert counts.sum() == 900
    assert abs(counts - 90).max() < 4 * np.sqrt(900 * 0.1 * 0.9)


def points(*x):
    ctx = Stub(len(x))
    ctx.embedding = np.array(x, float).reshape(len(x), -1)
    return ctx


def test_diversity_is_farthest_first_from_the_centre():
    # centroid 5.3 -> start at 5; then 10.5 (5.5 away), 0 (5 away), 1 (1 away), 10 (0.5 away)
    ctx = points(0, 1, 5, 10, 10.5)
    assert selectors.diversity(ctx, 3, rng=None).tolist() == [2, 4, 0]
    assert selectors.diversity(ctx, 5, rng=None).tolist() == [2, 4, 0, 1, 3]


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


def uds_by_hand(ctx, memory, alpha):
    apart = np.array([[np.sqrt(((a - m) ** 2).sum()) for m in memory] for a in ctx.projection])
    return standardise(ctx.nuclear_norm) + alpha * standardise(apart.mean(1))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 3.0])
def test_utility_diversity_of_one_micro_batch_by_hand(alpha):
    ctx = Stub(20, past=7)
    score = uds_by_hand(ctx, ctx.history.projection, alpha)
    assert set(pick("utility_diversity", ctx, 6, alpha=alpha, micro_batch=20)) == set(top_k(score, 6))


def test_utility_diversity_with_an_empty_memory_is_the_nuclear_norm():
    ctx = Stub(20)
    assert set(pick("utility_diversity", ctx, 6, alpha=100.0, micro_batch=20)) == set(top_k(ctx.nuclear_norm, 6))


def test_utility_diversity_remembers_only_the_latest():
    ctx = Stub(20, past=50)
    latest = uds_by_hand(ctx, ctx.history.projection[-5:], 5.0)
    everything = uds_by_hand(ctx, ctx.history.projection, 5.0)
    assert set(top_k(latest, 6)) != set(top_k(everything, 6))
    assert set(pick("utility_diversity", ctx, 6, alpha=5.0, micro_batch=20, memory_size=5)) == set(top_k(latest, 6))


def test_utility_diversity_takes_its_share_of_each_micro_batch():
    ctx = Stub(100)
    ctx.nuclear_norm = np.arange(100.0)
    picks = pick("utility_diversity", ctx, 20, alpha=0.0, micro_batch=10)
    assert len(picks) == 20
    assert picks.min() < 80  # a top share of the whole pool would be 80..99


def test_utility_diversity_leaves_the_history_alone():
    ctx = Stub(40, past=10)
    before = ctx.history.projection.copy()
    pick("utility_diversity", ctx, 10)
    pick("lhas", ctx, 10)
    assert (ctx.history.projection == before).all() and len(ctx.history) == 10


def lhas_by_hand(ctx, lam, eta, rho, alpha=1.0):
    labels, past = selectors.clusters(ctx)
    share = np.array([(past == c).mean() for c in labels])
    nearest = np.array([min(np.linalg.norm(x - h) for h in ctx.history.embedding) for x in ctx.embedding])
    return {
        "utility": standardise(uds_by_hand(ctx, ctx.history.projection, alpha)),
        "coverage": lam * standardise(nearest),
        "proxy": eta * standardise(ctx.cosine_proxy),
        "penalty": -rho * standardise(share),
    }


@pytest.mark.parametrize("lam, eta, rho", [(1, 1, 1), (0.3, 2, 0.5), (5, 0, 0), (0, 5, 0), (0, 0, 5)])
def test_lhas_terms_add_up_to_the_score_that_ranks(lam, eta, rho):
    ctx = Stub(40, past=12)
    picks = pick("lhas", ctx, 9, coverage_weight=lam, proxy_weight=eta, penalty_weight=rho, micro_batch=40)
    terms = lhas_by_hand(Stub(40, past=12), lam, eta, rho)
    score = sum(terms.values())
    assert score[picks].min() >= np.delete(score, picks).max() - 1e-9
    explained = ctx.terms
    assert sorted(explained["index"]) == picks.tolist()
    for name, values in terms.items():
        assert explained[name] == pytest.approx(values[explained["index"]]), name
    total = np.sum([explained[name] for name in terms], axis=0)
    assert (np.diff(total) <= 1e-9).all()  # picked in the order of the sum


def test_lhas_explains_every_pick_once():
    ctx = Stub(150, past=5)
    picks = pick("lhas", ctx, 37, micro_batch=16)
    assert sorted(ctx.terms["index"]) == picks.tolist()
    assert list(ctx.terms) == ["index", "utility", "coverage", "proxy", "penalty"]
    assert all(len(v) == 37 and np.isfinite(v).all() for v in ctx.terms.values())


@pytest.mark.parametrize("past, memory_size", [(0, 1024), (10, 1024), (60, 8)])
def test_lhas_without_its_three_terms_is_utility_diversity(past, memory_size):
    off = {"coverage_weight": 0.0, "proxy_weight": 0.0, "penalty_weight": 0.0}
    ctx = Stub(120, past=past)
    base = pick("utility_diversity", ctx, 30, micro_batch=16, alpha=2.0, memory_size=memory_size)
    assert pick("lhas", ctx, 30, micro_batch=16, alpha=2.0, memory_size=memory_size, **off).tolist() == base.tolist()


@pytest.mark.parametrize("utility, signal", [("loss", "loss"), ("gradient", "grad_norm")])
def test_lhas_base_utility_can_be_swapped(utility, signal):
    ctx = Stub(40, past=5)
    picks = pick("lhas", ctx, 8, utility=utility, coverage_weight=0.0, proxy_weight=0.0, penalty_weight=0.0, micro_batch=40)
    assert set(picks) == set(top_k(getattr(ctx, signal), 8))


@pytest.mark.parametrize("proxy, signal", [("proxy", "cosine_proxy"), ("current", "align_current")])
def test_lhas_proxy_can_be_the_wrong_one(proxy, signal):
    ctx = Stub(40, past=5)
    picks = pick("lhas", ctx, 8, utility="none", coverage_weight=0.0, penalty_weight=0.0, proxy=proxy, micro_batch=40)
    assert set(picks) == set(top_k(getattr(ctx, signal), 8))


def test_lhas_eigenvector_penalty_avoids_the_direction_already_taken():
    ctx = Stub(20, past=6)
    ctx.history.sketch = np.tile([1.0, 0, 0, 0, 0, 0], (6, 1))
    ctx.sketch = np.vstack([np.tile([1.0, 0, 0, 0, 0, 0], (10, 1)), np.tile([0, 1.0, 0, 0, 0, 0], (10, 1))])
    picks = pick("lhas", ctx, 10, utility="none", coverage_weight=0.0, proxy_weight=0.0, penalty="eigenvector", micro_batch=20)
    assert picks.tolist() == list(range(10, 20))


def test_lhas_cluster_penalty_avoids_the_crowded_cluster():
    ctx = points(*[[0, 0]] * 10, *[[9, 9]] * 10)
    ctx.embedding = ctx.embedding + np.random.default_rng(0).normal(0, 0.01, size=(20, 2))
    ctx.history.embedding = ctx.embedding[:10] + 0.001
    ctx.history.projection, ctx.history.sketch = ctx.projection[:10], ctx.sketch[:10]
    picks = pick("lhas", ctx, 10, utility="none", coverage_weight=0.0, proxy_weight=0.0, micro_batch=20)
    labels, past = selectors.clusters(ctx)
    share = np.array([(past == c).mean() for c in labels])
    assert share[picks].max() <= np.delete(share, picks).min()
    assert (picks >= 10).all()


def test_top_eigenvector_is_that_of_the_second_moment():
    g = np.random.default_rng(0).normal(size=(9, 5)) + [3, 0, 0, 0, 0]
    v = selectors.top_eigenvector(g)
    assert abs(v @ np.linalg.eigh(g.T @ g)[1][:, -1]) == pytest.approx(1.0)


# ---- bad input ------------------------------------------------------------------------------------


def first(ctx, budget, *, rng):
    return np.arange(budget)


@pytest.mark.parametrize("budget", [0, -1, 11, 2.0, 2.5, True, "3", None, np.float64(3)])
def test_a_bad_budget_is_refused_and_the_pool_size_named(budget):
    with pytest.raises(ValueError, match=r"budget: expected an integer in \[1, 10\] \(the pool has 10 examples\); got"):
        checked(first, Stub(10), budget, np.random.default_rng(0))


def test_a_numpy_integer_is_a_good_budget():
    assert checked(first, Stub(10), np.int64(3), np.random.default_rng(0)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "picks, message",
    [
        ([0, 1, 1], "mine: expected no index twice; got 1 repeated"),
        ([2, 2, 2], "mine: expected no index twice; got 2 repeated"),
        ([0, 1, 10], r"mine: expected indices in \[0, 10\); got 0 to 10"),
        ([-1, 0, 1], r"mine: expected indices in \[0, 10\); got -1 to 1"),
        ([0, 1], r"mine: expected 3 indices in an array of shape \(3,\); got shape \(2,\)"),
        ([0, 1, 2, 3], "expected 3 indices"),
        ([], "expected 3 indices"),
        ([[0, 1, 2]], "expected 3 indices"),
        (None, "expected 3 indices"),
        ([0.0, 1.0, 2.0], "mine: expected integer indices; got dtype float64"),
        ([True, False, True], "mine: expected integer indices; got dtype bool"),
        (["0", "1", "2"], "mine: expected integer indices; got dtype"),
    ],
)
def test_bad_picks_are_refused_in_words(picks, message):
    def mine(ctx, budget, *, rng):
        return picks

    with pytest.raises(ValueError, match=message):
        checked(mine, Stub(10), 3, np.random.default_rng(0))


@pytest.mark.parametrize("picks", [[4, 0, 2], (4, 0, 2), np.array([4, 0, 2], np.uint8), torch.tensor([4, 0, 2])])
def test_good_picks_of_any_kind_come_back_sorted(picks):
    assert checked(lambda ctx, budget, *, rng: picks, Stub(10), 3, np.random.default_rng(0)).tolist() == [0, 2, 4]


@pytest.mark.parametrize("name, signal", [("quality", "quality"), ("loss", "loss"), ("gradient", "grad_norm"), ("easy", "difficulty")])
def test_a_score_that_is_no_number_never_ranks(name, signal):
    ctx = Stub(10)
    getattr(ctx, signal)[3] = np.nan
    with pytest.raises(ValueError, match="score: expected numbers; got NaN for example 3"):
        pick(name, ctx, 2)


def test_an_unknown_selector_lists_the_known_ones():
    with pytest.raises(ValueError, match="selector: expected one of random, loss, gradient, .*; got 'gradiant'"):
        selectors.get("gradiant")


@pytest.mark.parametrize(
    "params, message",
    [
        ({"utility": "nuclear"}, "utility: expected one of utility_diversity, loss, gradient, none; got 'nuclear'"),
        ({"penalty": "entropy"}, "penalty: expected one of clusters, eigenvector; got 'entropy'"),
        ({"proxy": "next"}, "proxy: expected one of proxy, current; got 'next'"),
    ],
)
def test_an_unknown_choice_lists_the_known_ones(params, message):
    with pytest.raises(ValueError, match=message):
        pick("lhas", Stub(10), 2, **params)


def test_a_centre_out_of_range_is_refused_with_the_range():
    with pytest.raises(ValueError, match=r"centre: expected a number in \[0, 1\]; got 2"):
        pick("difficulty_band", Stub(10), 2, centre=2)


@pytest.mark.parametrize("name", ["utility_diversity", "lhas"])
def test_a_micro_batch_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match="micro_batch"):
        pick(name, Stub(10), 2, micro_batch=0)


def test_the_papers_seven_are_registered():
    assert set(selectors.PAPER) <= set(SELECTORS) and len(selectors.PAPER) == 7
    assert all(SELECTORS[name].__doc__ for name in ALL)
