"""The race runs, is cached by the code of the selector, and refuses before any run."""

import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

import lhas_utils as lu
from lhas_utils.core import code
from lhas_utils.reader import compare
from lhas_utils.runs import missing, table1

pytestmark = pytest.mark.filterwarnings("ignore")


def good(ctx, budget, *, rng):
    return lu.top_k(ctx.loss + 0.1 * rng.random(len(ctx)), budget)


def no_rng(ctx, budget):
    return lu.top_k(ctx.loss, budget)


def nothing(ctx, budget, *, rng):
    lu.top_k(ctx.loss, budget)


def twice(ctx, budget, *, rng):
    return np.arange(budget) // 2


@pytest.mark.slow
def test_compare_shows_yours_beside_known_ones_and_caches_it():
    table = compare(good, against=["random"], profile="smoke")
    assert list(table.index) == ["random", "good"] and np.isfinite(table.to_numpy()).all()
    mine = [replace(s, selector="good") for s in table1("smoke") if s.selector == "random"]
    assert missing(mine, good) == []
    pd.testing.assert_frame_equal(table, compare(good, against=["random"], profile="smoke"))


def test_compare_refuses_before_any_run():
    with pytest.raises(ValueError, match="repeat another one"):
        compare(twice, profile="smoke")
    with pytest.raises(ValueError, match="expected a function select.*got 'lhas'; a known name belongs in `against`"):
        compare("lhas", profile="smoke")
    with pytest.raises(ValueError, match="against: expected one of random.*got 'gradeint'"):
        compare(good, against="gradeint", profile="smoke")
    with pytest.raises(ValueError, match="against: expected one of random"):
        compare(good, against=["gradeint"], profile="smoke")
    with pytest.raises(ValueError, match="seeds: expected some of"):
        compare(good, profile="smoke", seeds=(0, 77))


def make(weight, helper=None):
    def select(ctx, budget, *, rng):
        return lu.top_k(weight * (helper(ctx) if helper else ctx.loss), budget)

    return select


def test_a_changed_value_or_helper_starts_new_runs():
    assert code(make(1.0)) == code(make(1.0)) != code(make(2.0))
    assert code(make(1.0, no_rng)) != code(make(1.0, nothing))
    assert code(partial(good, x=1)) != code(partial(good, x=2))
    frames = [pd.DataFrame({"x": np.arange(500) + (np.arange(500) == k)}) for k in (250, 251)]  # the same when printed
    assert str(frames[0]) == str(frames[1]) and code(make(frames[0])) != code(make(frames[1]))
    assert code(make(print)) == code(make(print))
    assert code(make(threading.Lock())) != code(make(1.0))  # cannot be pickled


class Weighted:
    def __init__(self, weight):
        self.weight = weight

    def __call__(self, ctx, budget, *, rng):
        return self.pick(ctx, budget, rng=rng)

    def pick(self, ctx, budget, *, rng):
        return lu.top_k(self.weight * ctx.loss, budget)


def test_an_object_is_known_by_its_class_and_its_state():
    assert code(Weighted(1)) == code(Weighted(1)) != code(Weighted(2))
    assert code(Weighted(1).pick) == code(Weighted(1).pick) != code(Weighted(2).pick)


def test_functions_that_share_a_line_are_told_apart():
    first, second = (lambda ctx, n, *, rng: lu.top_k(ctx.loss, n)), (lambda ctx, n, *, rng: lu.top_k(ctx.coverage, n))
    assert code(first) != code(second)
    low, high = (lambda ctx, n, *, rng: lu.top_k(ctx.loss * 2, n)), (lambda ctx, n, *, rng: lu.top_k(ctx.loss * 3, n))
    assert code(low) != code(high)
