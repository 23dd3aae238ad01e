"""What a selector sees: lazy signals, the history, coverage, and errors in words."""

import numpy as np
import pytest
import torch
from datasets import Dataset

from lhas_utils.core import ModelSpec
from lhas_utils.learning import copy_of, create, encode, word_level
from lhas_utils.selection import History, SelectionContext, coverage, squared_distances
from lhas_utils.worlds import WorldSpec, skill_world
from lhas_utils.worlds.symbols import DIALECT


@pytest.fixture(scope="module")
def parts():
    tokenizer = word_level(DIALECT)
    world = skill_world(WorldSpec(pool_size=12, test_size=2), seed=0, validation_size=6)
    model = create(ModelSpec(hidden=16, layers=1, heads=2), tokenizer, seed=0)
    stage = world.stages[1]
    sets = (encode(data, tokenizer) for data in (stage.pool, stage.validation, world.proxy))
    return model, copy_of(model), stage.pool, *sets


@pytest.fixture
def ctx(parts):
    return SelectionContext(*parts, History(), 1)


def with_pool(parts, pool):
    return SelectionContext(parts[0], parts[1], pool, *parts[3:], History(), 1)


def test_squared_distances_by_hand():
    a, b = np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 0.0], [0.0, 4.0], [3.0, 4.0]])
    assert squared_distances(a, b) == pytest.approx(np.array([[0, 16, 25], [25, 9, 0]]))


def test_squared_distances_are_never_negative():
    a = np.random.default_rng(0).normal(size=(20, 3)) * 1e-3 + 1e3  # cancellation would give small negatives
    assert (squared_distances(a, a) >= 0).all()


def test_coverage_is_the_distance_to_the_nearest_in_the_history():
    candidates, history = np.array([[0.0], [5.0], [9.0]]), np.array([[1.0], [6.0]])
    assert coverage(candidates, history) == pytest.approx([1, 1, 3])


@pytest.mark.parametrize("history", [None, np.zeros((0, 1))])
def test_coverage_of_an_empty_history_is_one(history):
    assert coverage(np.array([[0.0], [5.0]]), history) == pytest.approx([1, 1])


def test_signals_have_one_row_per_example(ctx):
    n = len(ctx)
    forward, backward = ("loss", "el2n", "nuclear_norm"), ("grad_norm", "align_current", "align_proxy", "cosine_proxy")
    for name in (*forward, *backward, "quality", "difficulty", "coverage"):
        values = getattr(ctx, name)
        assert values.shape == (n,) and np.isfinite(values).all(), name
    assert ctx.embedding.shape == (n, 16)
    assert ctx.projection.shape == ctx.sketch.shape == (n, 1024)
    assert (abs(ctx.cosine_proxy) <= 1 + 1e-6).all()


def test_signals_are_computed_when_first_asked_for(ctx):
    names = ("embedding", "sketch", "projection")
    assert not any(ctx.computed(n) for n in names)
    assert ctx.quality.shape == (12,)
    assert not any(ctx.computed(n) for n in names)
    assert ctx.loss.shape == (12,)
    assert [ctx.computed(n) for n in names] == [False, False, True]
    assert len(ctx.grad_norm) == len(ctx.embedding) == 12
    assert [ctx.computed(n) for n in names] == [True, False, True]
    assert len(ctx.sketch) == 12 and ctx.computed("sketch")
    assert ctx.loss is ctx.loss and ctx.embedding is ctx.embedding


def test_signals_can_be_computed_ahead_of_their_use(ctx):
    ctx.compute("projection", "sketch")
    assert ctx.computed("projection") and ctx.computed("sketch") and not ctx.computed("embedding")


def test_what_a_selector_may_look_at_is_public(parts, ctx):
    model, frozen, pool, encoded, validation, proxy = parts
    assert ctx.model is model and ctx.frozen is frozen and ctx.pool is pool and ctx.encoded is encoded
    assert ctx.validation is validation and ctx.proxy is proxy
    assert (ctx.stage, len(ctx.history), ctx.terms) == (1, 0, {})


def test_alignment_is_with_the_mean_gradient_of_the_named_set(parts):
    """Validation and proxy in each other's place: the two alignments change places too."""
    model, frozen, pool, encoded, validation, proxy = parts
    one = SelectionContext(model, frozen, pool, encoded, validation, proxy, History(), 0)
    other = SelectionContext(model, frozen, pool, encoded, proxy, validation, History(), 0)
    np.testing.assert_allclose(one.align_current, other.align_proxy, rtol=1e-5, atol=1e-7)
    assert not np.allclose(one.align_current, one.align_proxy)


def test_embedding_is_that_of_the_frozen_model(parts):
    model, frozen, *rest = parts
    trained = copy_of(model)
    with torch.no_grad():
        for p in trained.parameters():
            p.mul_(2)
    a, b = (SelectionContext(m, frozen, *rest, History(), 0) for m in (model, trained))
    assert (a.embedding == b.embedding).all()
    assert not np.allclose(a.loss, b.loss)


def test_history_grows_with_what_was_selected(parts):
    history = History()
    assert len(history) == 0
    first = SelectionContext(*parts, history, 0)
    assert first.coverage == pytest.approx(np.ones(12))
    history.append(first, np.array([2, 5]))
    assert len(history) == 2 and history.sketch is None and history.projection is None
    second = SelectionContext(*parts, history, 1)
    assert len(second.sketch) == len(second.loss) == 12
    history.append(second, np.array([7]))
    assert history.embedding == pytest.approx(first.embedding[[2, 5, 7]])
    assert history.sketch.shape == history.projection.shape == (1, 1024)
    third = SelectionContext(*parts, history, 2)
    assert third.coverage[[2, 5, 7]] == pytest.approx(np.zeros(3), abs=2e-3)  # in single precision
    assert (np.delete(third.coverage, [2, 5, 7]) > 1e-3).any()


def test_explain_keeps_the_terms_of_each_pick(ctx):
    ctx.explain([3, 1], utility=np.array([0.5, 0.2]))
    ctx.explain([7], utility=np.array([0.1]))
    assert ctx.terms == {"index": [3, 1, 7], "utility": [0.5, 0.2, 0.1]}


def test_an_empty_pool_is_refused(parts):
    with pytest.raises(ValueError, match="pool of stage 1: expected at least one example; got an empty pool"):
        with_pool(parts, parts[2].select([]))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
@pytest.mark.parametrize("name", ["quality", "difficulty"])
def test_a_score_that_is_no_number_is_refused_and_the_example_named(parts, name, value):
    scores = list(parts[2][name])
    scores[4] = value
    ctx = with_pool(parts, parts[2].remove_columns(name).add_column(name, scores))
    said = f"signal '{name}' at stage 1: expected finite numbers; got 1 that are not, the first for example 4"
    with pytest.raises(ValueError, match=said):
        getattr(ctx, name)


@pytest.mark.parametrize("name", ["quality", "difficulty"])
def test_a_missing_column_is_named_with_those_there_are(parts, name):
    ctx = with_pool(parts, parts[2].remove_columns(name))
    with pytest.raises(ValueError, match=f"pool of stage 1: expected a column '{name}'; got skill, task"):
        getattr(ctx, name)


@pytest.mark.parametrize("name", ["loss", "grad_norm", "nuclear_norm"])
def test_a_model_that_diverged_is_reported_as_a_signal_not_as_picks(parts, name):
    broken = copy_of(parts[0])
    with torch.no_grad():
        broken.model.norm.weight.fill_(float("nan"))
    ctx = SelectionContext(broken, *parts[1:], History(), 1)
    with pytest.raises(ValueError, match="expected finite numbers; got 12 that are not, the first for example 0"):
        getattr(ctx, name)


def test_quality_may_come_from_any_dataset(parts):
    pool = Dataset.from_dict({"prompt": ["a"] * 12, "response": ["b"] * 12, "quality": list(range(12))})
    assert with_pool(parts, pool).quality.tolist() == list(range(12))
