"""Selectors by name."""

import pytest

from lhas_utils.selection import PAPER, SELECTORS, get, selector


def test_an_unknown_selector_lists_the_known_ones():
    with pytest.raises(ValueError, match="selector: expected one of random, balanced, length, .*; got 'gradiant'"):
        get("gradiant")


def test_the_papers_seven_are_registered():
    assert set(PAPER) <= set(SELECTORS) and len(PAPER) == 7
    assert all(SELECTORS[name].__doc__ for name in SELECTORS)


def test_a_name_that_is_taken_is_refused():
    def loss(ctx, budget, *, rng):
        return range(budget)

    before = dict(SELECTORS)
    with pytest.raises(ValueError, match="selector: expected a new name; got 'loss', which is taken"):
        selector(loss)
    assert before == SELECTORS


def test_parameters_are_bound_and_unknown_ones_refused():
    assert get("lhas") is SELECTORS["lhas"]
    assert get("lhas", alpha=2.0).keywords == {"alpha": 2.0}
    with pytest.raises(ValueError, match="parameter of selector 'lhas': expected one of .*; got 'lambda'"):
        get("lhas", **{"lambda": 1.0})
    with pytest.raises(ValueError, match=r"parameter of selector 'random': expected one of \(none\); got 'alpha'"):
        get("random", alpha=1.0)
