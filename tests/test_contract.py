"""What a student meets: the conformance kit speaks plainly, the race runs, the exercises hold."""

import threading
from functools import partial

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch

import lhas_utils as lu
from lhas_utils import contract, exercises, live, paths, race, sweep

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def ctx():
    return contract.context("smoke")


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
    assert contract.check_selector(select) is False
    said = capsys.readouterr().out
    assert words in said and said.count("broken") == 1 and "not tried" in said


def not_all(ctx, budget, *, rng):
    return lu.top_k(ctx.loss, min(budget, 40))


def global_random(ctx, budget, *, rng):
    return lu.top_k(np.random.rand(len(ctx)), budget)  # noqa: NPY002


def torch_random(ctx, budget, *, rng):
    return torch.randperm(len(ctx))[:budget]


def trains(ctx, budget, *, rng):
    with torch.no_grad():
        next(ctx._model.parameters()).add_(1e-3)
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
    assert contract.check_selector(select) is False
    lines = capsys.readouterr().out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(f"broken  {rule}"))
    assert lines[at + 1].startswith(" " * 8) and lines[at + 2].startswith(" " * 8)


@pytest.mark.parametrize("name", ["good", *lu.SELECTORS])
def test_correct_selectors_pass(name, capsys):
    assert contract.check_selector(good if name == "good" else lu.SELECTORS[name])
    assert capsys.readouterr().out.endswith("passed: your selector keeps the contract\n")


def test_the_check_leaves_global_randomness_as_it_was():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    contract.check_selector(global_random)
    contract.check_selector(good)
    assert len(before) == len(np.random.get_state()[1])  # noqa: NPY002


def misspelt(ctx, budget, *, rng):
    return lu.top_k(ctx.losses, budget)


def test_an_error_inside_is_shown_with_its_line_and_what_there_is(capsys):
    assert contract.check_selector(misspelt) is False
    said = capsys.readouterr().out
    assert "no attribute 'losses'" in said and "in the line `return lu.top_k(ctx.losses, budget)`" in said
    assert "ctx.align_current" in said and "ctx.embedding" in said and "Return exactly" not in said


def test_what_is_no_function_is_refused():
    with pytest.raises(ValueError, match="expected a function"):
        contract.check_selector("random")


# ---- the race ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_compare_shows_yours_beside_known_ones_and_caches_it():
    table = race.compare(good, against=["random"], profile="smoke")
    assert list(table.index) == ["random", "good"] and np.isfinite(table.to_numpy()).all()
    specs = [s for s in lu.experiments.table1("smoke") if s.selector == "random"]
    mine = [lu.experiments.replace(s, selector="good") for s in specs]
    assert sweep.missing(mine, race.source(good)) == []
    pd.testing.assert_frame_equal(table, race.compare(good, against=["random"], profile="smoke"))


def test_compare_refuses_before_any_run():
    with pytest.raises(ValueError, match="repeat another one"):
        race.compare(twice, profile="smoke")
    with pytest.raises(ValueError, match="expected a function select.*got 'lhas'; a known name belongs in `against`"):
        race.compare("lhas", profile="smoke")
    with pytest.raises(ValueError, match="against: expected one of random.*got 'gradeint'"):
        race.compare(good, against="gradeint", profile="smoke")
    with pytest.raises(ValueError, match="against: expected one of random"):
        race.compare(good, against=["gradeint"], profile="smoke")
    with pytest.raises(ValueError, match="seeds: expected some of"):
        race.compare(good, profile="smoke", seeds=(0, 77))


def make(weight, helper=None):
    def select(ctx, budget, *, rng):
        return lu.top_k(weight * (helper(ctx) if helper else ctx.loss), budget)

    return select


def test_a_changed_value_or_helper_starts_new_runs():
    assert race.source(make(1.0)) == race.source(make(1.0)) != race.source(make(2.0))
    assert race.source(make(1.0, no_rng)) != race.source(make(1.0, nothing))
    assert race.source(partial(good, x=1)) != race.source(partial(good, x=2))
    frames = [pd.DataFrame({"x": np.arange(500) + (np.arange(500) == k)}) for k in (250, 251)]  # the same when printed
    assert str(frames[0]) == str(frames[1]) and race.source(make(frames[0])) != race.source(make(frames[1]))
    assert race.source(make(print)) == race.source(make(print))
    assert race.source(make(threading.Lock())) != race.source(make(1.0))  # cannot be pickled


class Weighted:
    def __init__(self, weight):
        self.weight = weight

    def __call__(self, ctx, budget, *, rng):
        return self.pick(ctx, budget, rng=rng)

    def pick(self, ctx, budget, *, rng):
        return lu.top_k(self.weight * ctx.loss, budget)


def test_an_object_is_known_by_its_class_and_its_state():
    assert race.source(Weighted(1)) == race.source(Weighted(1)) != race.source(Weighted(2))
    assert race.source(Weighted(1).pick) == race.source(Weighted(1).pick) != race.source(Weighted(2).pick)


def test_functions_that_share_a_line_are_told_apart():
    first, second = (lambda ctx, n, *, rng: lu.top_k(ctx.loss, n)), (lambda ctx, n, *, rng: lu.top_k(ctx.coverage, n))
    assert race.source(first) != race.source(second)
    low, high = (lambda ctx, n, *, rng: lu.top_k(ctx.loss * 2, n)), (lambda ctx, n, *, rng: lu.top_k(ctx.loss * 3, n))
    assert race.source(low) != race.source(high)


def test_explain_gives_the_terms_of_each_pick(ctx):
    table = contract.explain(lu.SELECTORS["lhas"], ctx, 12)
    terms = table[["utility", "coverage", "proxy", "penalty"]]
    assert (
        len(table) == 12 and np.allclose(terms.sum(axis=1), table["score"]) and table["score"].is_monotonic_decreasing
    )
    plain = contract.explain(lu.SELECTORS["loss"], contract.context("smoke"), 12)
    assert list(plain.columns[-1:]) == ["loss"] or "loss" in plain


# ---- exercises -----------------------------------------------------------------------------------

NUMBERS = range(1, len(exercises.EXERCISES) + 1)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_solution_passes_and_keeps_the_contract(number, capsys):
    solution = exercises.get(number).solution
    exercises.check(number, solution)
    assert capsys.readouterr().out == f"exercise {number}: passed\n"
    assert contract.check_selector(solution)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_stub_runs_and_is_not_attempted(number, capsys):
    exec(exercises.stub(number), {"lu": lu})
    assert capsys.readouterr().out.startswith(f"exercise {number}: not attempted yet")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_wrong_attempt_is_told_what_to_look_at(number, capsys):
    wrong = {1: "loss", 2: "nuclear_norm", 3: "alignment", 4: "alignment", 5: "loss"}[number]
    attempt = lu.SELECTORS.get(wrong) or (lambda ctx, budget, *, rng: lu.top_k(ctx.nuclear_norm, budget))
    exercises.check(number, attempt)
    said = capsys.readouterr().out
    if number != 4:  # in a pool of 48 the best-aligned twelve may hold no twins
        assert "passed" not in said and "not attempted" not in said and len(said) > 40
    exercises.check(number, mask)
    assert "np.flatnonzero(mask)" in capsys.readouterr().out


def test_an_unknown_exercise_is_refused():
    with pytest.raises(ValueError, match="exercise: expected 1 to 5; got 9"):
        exercises.get(9)


def test_the_notebook_shows_what_the_module_generates():
    cells = [c.source for c in nbformat.read(paths.NOTEBOOKS / "08_your_selector.ipynb", as_version=4).cells]
    at = cells.index(exercises.task(1))
    generated = [text(n) for n in NUMBERS for text in (exercises.task, exercises.stub, exercises.notes)]
    assert cells[at : at + len(generated)] == generated


# ---- with and without a person -------------------------------------------------------------------


def test_nobody_is_live_here_and_sliders_draw_once():
    seen = []
    live.sliders(lambda **values: seen.append(values), a=(0, 1, 0.5), b=(0, 2, 1.0))
    assert seen == [{"a": 0.5, "b": 1.0}] and not live.is_live() and not live.headless()


class Kernel:
    _allow_stdin = True


def test_a_front_end_gets_widgets(monkeypatch):
    monkeypatch.setattr(live, "_kernel", Kernel)
    assert live.is_live() and not live.headless()
    monkeypatch.setattr(Kernel, "_allow_stdin", False)
    assert live.headless() and not live.is_live()
