"""The conformance kit speaks plainly, and an explanation has the terms of each pick."""

import random
import time

import numpy as np
import pytest
import torch

import lhas_utils as lu
from lhas_utils.reader import check_selector, conformance, context, explain, rules

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def ctx():
    return context("smoke")


def good(ctx, budget, *, rng):
    return lu.top_k(ctx.loss + 0.1 * rng.random(len(ctx)), budget)


def no_rng(ctx, budget):
    return lu.top_k(ctx.loss, budget)


def nothing(ctx, budget, *, rng):
    lu.top_k(ctx.loss, budget)


def mask(ctx, budget, *, rng):
    return ctx.loss > np.median(ctx.loss)


def scores(ctx, budget, *, rng):
    return ctx.loss


def too_few(ctx, budget, *, rng):
    return lu.top_k(ctx.loss, budget)[:-1]


def floats(ctx, budget, *, rng):
    return lu.top_k(ctx.loss, budget).astype(float)


def out_of_range(ctx, budget, *, rng):
    return lu.top_k(ctx.loss, budget) + 40


def twice(ctx, budget, *, rng):
    return np.arange(budget) // 2


def raises(ctx, budget, *, rng):
    return ctx.los


def a_dict(ctx, budget, *, rng):
    return {"indices": lu.top_k(ctx.loss, budget), "scores": ctx.loss}


def a_set(ctx, budget, *, rng):
    return set(lu.top_k(ctx.loss, budget).tolist())


def a_pair(ctx, budget, *, rng):
    return lu.top_k(ctx.loss, budget), ctx.loss


FIRST = [
    (no_rng, "an unexpected keyword argument 'rng'; write `def no_rng(ctx, budget, *, rng):`"),
    (a_dict, "it returned a dict with the keys 'indices', 'scores'; return the indices alone"),
    (a_set, "it returned a set, which has no order; `np.array(sorted(picks))`"),
    (a_pair, "it returned 2 things in a tuple, as `indices, scores`; return the indices alone"),
    (nothing, "it returned None: is there a `return`?"),
    (mask, "np.flatnonzero(mask)"),
    (scores, "it returned 48 values, one for each example"),
    (too_few, "12 indices were asked for, it returned an array of shape (11,)"),
    (floats, "numbers of type float64; indices are integers"),
    (out_of_range, "the pool has 0 to 47"),
    (twice, "picks repeat another one"),
    (raises, "it raised AttributeError"),
]


@pytest.mark.parametrize("select, words", FIRST, ids=lambda x: getattr(x, "__name__", ""))
def test_a_broken_result_is_explained_and_nothing_else_is_tried(select, words, capsys):
    assert check_selector(select) is False
    said = capsys.readouterr().out
    assert words in said and said.count("broken") == 1 and "not tried" in said


def not_all(ctx, budget, *, rng):
    return lu.top_k(ctx.loss, min(budget, 40))


def global_random(ctx, budget, *, rng):
    return lu.top_k(np.random.rand(len(ctx)), budget)


def torch_random(ctx, budget, *, rng):
    return torch.randperm(len(ctx))[:budget]


def trains(ctx, budget, *, rng):
    with torch.no_grad():
        next(ctx.model.parameters()).add_(1e-3)
    return rng.permutation(len(ctx))[:budget]


def overwrites(ctx, budget, *, rng):
    ctx.loss[:3] = 0
    return lu.top_k(ctx.loss, budget)


def divides(ctx, budget, *, rng):
    return lu.top_k((ctx.loss - ctx.loss.mean()) / ctx.loss.std(), budget)


def hides(ctx, budget, *, rng):
    try:
        return lu.top_k(ctx.loss, budget)
    except ValueError:
        return np.arange(budget)


def remembers():
    calls = []

    def select(ctx, budget, *, rng):
        calls.append(1)
        return np.roll(np.arange(len(ctx)), len(calls))[:budget]

    return select


def keeps_scores_by_size():
    kept = {}

    def select(ctx, budget, *, rng):
        kept.setdefault(len(ctx), ctx.loss.copy())
        return lu.top_k(kept[len(ctx)], budget)

    return select


def seeds_inside(ctx, budget, *, rng):
    np.random.seed(0)
    return lu.top_k(np.random.rand(len(ctx)), budget)


def shuffles(ctx, budget, *, rng):
    order = list(range(len(ctx)))
    random.shuffle(order)
    return order[:budget]


def roots(ctx, budget, *, rng):
    return np.argsort(-np.sqrt(lu.standardise(ctx.loss)))[:budget]


def reads_clean(ctx, budget, *, rng):
    return np.argsort(~np.array(ctx.pool["clean"]), kind="stable")[:budget]


def reads_if_there(ctx, budget, *, rng):
    known = "duplicate" in ctx.pool.column_names
    return lu.top_k(np.array(ctx.pool["duplicate"], float) if known else ctx.loss, budget)


def hard(ctx, budget, *, rng):
    return lu.top_k(ctx.difficulty, budget)


def fine_tunes(ctx, budget, *, rng):
    ctx.model.train()
    return lu.top_k(ctx.loss, budget)


LATER = [
    (keeps_scores_by_size(), "two pools of one size"),
    (seeds_inside, "no global randomness"),
    (shuffles, "no global randomness"),
    (roots, "makes no NaN"),
    (reads_clean, "knows no ground truth"),
    (reads_if_there, "knows no ground truth"),
    (hard, "knows no ground truth"),
    (fine_tunes, "model untouched"),
    (not_all, "picks the whole pool"),
    (global_random, "no global randomness"),
    (torch_random, "no global randomness"),
    (trains, "model untouched"),
    (overwrites, "signals untouched"),
    (divides, "survives equal scores"),
    (hides, "does not hide a NaN"),
    (remembers(), "same seed, same picks"),
]


@pytest.mark.parametrize("select, rule", LATER, ids=lambda x: getattr(x, "__name__", ""))
def test_each_rule_is_named_with_advice(select, rule, capsys):
    assert check_selector(select) is False
    lines = capsys.readouterr().out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(f"broken  {rule}"))
    assert lines[at + 1].startswith(" " * 8) and lines[at + 2].startswith(" " * 8)


TRUTH = {"oracle": ("clean", "duplicate"), "easy": "difficulty", "difficulty_band": ["difficulty"]}


@pytest.mark.parametrize("name", ["good", *lu.SELECTORS])
def test_correct_selectors_pass(name, capsys):
    assert check_selector(good if name == "good" else lu.SELECTORS[name], truth=TRUTH.get(name, ()))
    assert capsys.readouterr().out.endswith("passed: your selector keeps the contract\n")


def test_ground_truth_is_declared_by_its_name(capsys):
    assert check_selector(hard, truth="difficulty")
    assert check_selector(reads_clean, truth="kind") is False
    said = capsys.readouterr().out
    assert "its picks hang on `clean`" in said and "truth=['kind', 'clean']" in said
    with pytest.raises(ValueError, match="truth: expected one of clean, kind, duplicate, difficulty; got 'quality'"):
        check_selector(hard, truth=["quality"])


def test_what_is_random_or_remembers_is_not_told_as_something_else(capsys):
    for select in (global_random, remembers()):
        check_selector(select)
        said = capsys.readouterr().out
        assert "broken  same seed, same picks" in said and "ok      knows no ground truth" in said
        assert ("ok      two pools of one size" in said) == (select is global_random)


def test_the_generator_that_moved_is_named(capsys):
    check_selector(torch_random)
    check_selector(shuffles)
    said = capsys.readouterr().out
    assert "global random state of torch\n" in said and "global random state of random\n" in said


def test_a_slow_call_is_told_with_the_cost_of_a_race(capsys, monkeypatch):
    monkeypatch.setattr(conformance, "seconds_of", lambda select, ctx: 30.0)
    assert check_selector(good)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == (
        "slow    a call takes 30 s on 48 examples; a race makes 10 calls on 750 examples each: 5 minutes and more"
    )
    assert conformance.cost(0.9, 48) == ""
    assert conformance.cost(2.0, 48).endswith(": 20 seconds and more")
    assert conformance.cost(120.0, 48).endswith(": 20 minutes and more")
    stages, _, pool = conformance.RACE
    assert stages == len(lu.WorldSpec().build(100).stages) and pool == lu.WorldSpec().pool_size


def test_seconds_of_a_call(ctx):
    assert conformance.seconds_of(lambda ctx, n, *, rng: time.sleep(0.05), ctx) >= 0.05


def test_the_check_leaves_global_randomness_as_it_was():
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    for select in (seeds_inside, shuffles, torch_random, lambda ctx, budget, *, rng: shuffles(ctx, 1 / 0, rng=rng)):
        list(rules.findings(select, context("smoke"), "smoke", ()))
    assert states == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_one_sentence_refuses():
    assert conformance.refusal(good) is None
    said = conformance.refusal(trains)
    assert said.startswith("trains: model untouched: the model's weights changed. A selector looks at the model")
    assert "\n" not in conformance.refusal(misspelt)


def misspelt(ctx, budget, *, rng):
    return lu.top_k(ctx.losses, budget)


def test_an_error_inside_is_shown_with_its_line_and_what_there_is(capsys):
    assert check_selector(misspelt) is False
    said = capsys.readouterr().out
    assert "no attribute 'losses'" in said and "in the line `return lu.top_k(ctx.losses, budget)`" in said
    assert "ctx.align_current" in said and "ctx.embedding" in said and "Return exactly" not in said


def test_what_is_no_function_is_refused():
    with pytest.raises(ValueError, match="expected a function"):
        check_selector("random")


def test_explain_gives_the_terms_of_each_pick(ctx):
    table = explain(lu.SELECTORS["lhas"], ctx, 12)
    terms = table[["utility", "coverage", "proxy_gain", "penalty"]]
    assert (
        len(table) == 12 and np.allclose(terms.sum(axis=1), table["score"]) and table["score"].is_monotonic_decreasing
    )
    plain = explain(lu.SELECTORS["loss"], context("smoke"), 12)
    assert list(plain.columns[-1:]) == ["loss"] or "loss" in plain
