"""From scores to picks: ties, scores that are no numbers, and every kind of bad pick refused in words."""

import numpy as np
import pytest
import torch

from lhas_utils.selection import checked, standardise, top_k
from tests.selection.stub import Stub


def test_standardise_refuses_what_is_not_finite():
    with pytest.raises(ValueError, match="standardise: expected finite numbers; got nan at 1"):
        standardise([1.0, np.nan, 2.0])


def test_top_k_keeps_pool_order_among_ties():
    assert top_k([0.1, 0.9, 0.9], 2).tolist() == [1, 2]
    assert top_k([1.0] * 6, 4).tolist() == [0, 1, 2, 3]


def test_top_k_refuses_scores_that_are_no_numbers():
    with pytest.raises(ValueError, match="score: expected numbers; got NaN for example 1"):
        top_k([0.1, np.nan], 1)


def test_standardise():
    assert standardise([1, 2, 3]) == pytest.approx([-np.sqrt(1.5), 0, np.sqrt(1.5)])
    assert standardise([0.1 + 0.2, 0.3]) == pytest.approx([0, 0])  # equal but for rounding


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


def test_a_selector_that_is_an_object_is_named_by_its_class():
    class Mine:
        def __call__(self, ctx, budget, *, rng):
            return []

    with pytest.raises(ValueError, match="Mine: expected 3 indices"):
        checked(Mine(), Stub(10), 3, np.random.default_rng(0))
