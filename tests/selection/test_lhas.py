"""Utility-diversity and LHAS on random signals: terms that add up, knobs that do what they say."""

import numpy as np
import pytest

from lhas_utils.selection import clusters, standardise, top_eigenvector, top_k
from tests.selection.stub import Stub, pick, points


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
    labels, past = clusters(ctx)
    share = np.array([(past == c).mean() for c in labels])
    nearest = np.array([min(np.linalg.norm(x - h) for h in ctx.history.embedding) for x in ctx.embedding])
    return {
        "utility": standardise(uds_by_hand(ctx, ctx.history.projection, alpha)),
        "coverage": lam * standardise(nearest),
        "proxy_gain": eta * standardise(ctx.cosine_proxy),
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
    assert list(ctx.terms) == ["index", "utility", "coverage", "proxy_gain", "penalty"]
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
    picks = pick(
        "lhas", ctx, 8, utility=utility, coverage_weight=0.0, proxy_weight=0.0, penalty_weight=0.0, micro_batch=40
    )
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
    picks = pick(
        "lhas",
        ctx,
        10,
        utility="none",
        coverage_weight=0.0,
        proxy_weight=0.0,
        penalty_weight=1.0,
        penalty="eigenvector",
        micro_batch=20,
    )
    assert picks.tolist() == list(range(10, 20))


def test_lhas_cluster_penalty_avoids_the_crowded_cluster():
    ctx = points(*[[0, 0]] * 10, *[[9, 9]] * 10)
    ctx.embedding = ctx.embedding + np.random.default_rng(0).normal(0, 0.01, size=(20, 2))
    ctx.history.embedding = ctx.embedding[:10] + 0.001
    ctx.history.projection, ctx.history.sketch = ctx.projection[:10], ctx.sketch[:10]
    picks = pick(
        "lhas", ctx, 10, utility="none", coverage_weight=0.0, proxy_weight=0.0, penalty_weight=1.0, micro_batch=20
    )
    labels, past = clusters(ctx)
    share = np.array([(past == c).mean() for c in labels])
    assert share[picks].max() <= np.delete(share, picks).min()
    assert (picks >= 10).all()


def test_top_eigenvector_is_that_of_the_second_moment():
    g = np.random.default_rng(0).normal(size=(9, 5)) + [3, 0, 0, 0, 0]
    v = top_eigenvector(g)
    assert abs(v @ np.linalg.eigh(g.T @ g)[1][:, -1]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "params, message",
    [
        (
            {"utility": "nuclear"},
            "utility: expected one of utility_diversity, within_length, loss, gradient, none; got 'nuclear'",
        ),
        ({"penalty": "entropy"}, "penalty: expected one of clusters, eigenvector; got 'entropy'"),
        ({"proxy": "next"}, "proxy: expected one of proxy, current; got 'next'"),
        ({"history": "none"}, "history: expected one of online, previous; got 'none'"),
    ],
)
def test_an_unknown_choice_lists_the_known_ones(params, message):
    with pytest.raises(ValueError, match=message):
        pick("lhas", Stub(10), 2, **params)


@pytest.mark.parametrize("name", ["utility_diversity", "lhas"])
def test_a_micro_batch_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match="micro_batch"):
        pick(name, Stub(10), 2, micro_batch=0)
