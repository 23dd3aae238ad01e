"""The conformance kit speaks plainly, and an explanation has the terms of each pick."""

import numpy as np
import pytest
import torch

import lhas_utils as lu
from lhas_utils.reader import check_selector, context, explain

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


FIRST = [
    (no_rng, "argument 'rng'"),
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


LATER = [
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


@pytest.mark.parametrize("name", ["good", *lu.SELECTORS])
def test_correct_selectors_pass(name, capsys):
    assert check_selector(good if name == "good" else lu.SELECTORS[name])
    assert capsys.readouterr().out.endswith("passed: your selector keeps the contract\n")


def test_the_check_leaves_global_randomness_as_it_was():
    before = np.random.get_state()[1].copy()
    check_selector(global_random)
    check_selector(good)
    assert len(before) == len(np.random.get_state()[1])


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
