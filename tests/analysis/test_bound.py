"""Prop. 4.1 by hand and by its limits."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lhas_utils.analysis import bound
from lhas_utils.studies import CLIP, SIGMAS


def test_distances_between_level_distributions():
    test = {d: 1 / 7 for d in range(2, 9)}
    assert bound.total_variation(test, {5: 1.0}) == pytest.approx(6 / 7)
    assert bound.total_variation(test, test) == 0
    assert bound.kl_levels({5: 1.0}, test) == pytest.approx(np.log(7)) and bound.kl_levels(test, {5: 1.0}) == np.inf


def test_bound_terms_by_hand():
    t = bound.bound_terms(risk=0.5, distance2=0.02, sigma=0.1, n=1, tv=0.5, delta=np.exp(-3), c=2.0)
    assert t["kl"] == pytest.approx(1.0)
    assert t["complexity"] == pytest.approx(2 * np.sqrt(1 + 3 + 0 + 8))
    assert t["bound"] == pytest.approx(0.5 + 2 * np.sqrt(12) + 1.0)


@given(st.floats(0, 4), st.floats(0, 100), st.integers(4, 10**6))
@settings(max_examples=50, deadline=None)
def test_bound_falls_with_n_and_rises_with_distance(risk, distance2, n):
    at = dict(sigma=0.01, tv=0.5, delta=0.05)
    here = bound.bound_terms(risk, distance2, n=n, **at)["bound"]
    assert bound.bound_terms(risk, distance2, n=2 * n, **at)["bound"] < here
    assert bound.bound_terms(risk, distance2 + 1, n=n, **at)["bound"] > here >= risk


def test_bounds_keep_the_best_sigma():
    run = dict(run=0, skill="sort", base="weak", seed=0, d=3, n=64, examples=64, distance2=2.0, who="posterior")
    cells = [(s, 0.01 if s < 0.02 else 1.0, part) for s in SIGMAS for part in ("3", "5", "train")]
    rows = pd.DataFrame([run | {"sigma": s, "nll": nll, "slice": part} for s, nll, part in cells])
    b = bound.bounds(rows).iloc[0]
    assert b["sigma"] == max(SIGMAS)  # here the smaller KL outweighs the higher risk
    assert b["shift"] == pytest.approx(CLIP / 2) and b["observed"] == 1.0  # trained on 2 and 3, tested on 3 and 5
    assert b["at_edge"]


@pytest.mark.parametrize("best, edge", [(0, True), (2, False), (-1, True)])
def test_a_sigma_at_the_edge_of_its_grid_is_flagged(best, edge):
    run = dict(run=0, skill="sort", base="weak", seed=0, d=3, n=64, examples=64, distance2=0.0, who="posterior")
    cells = [(s, 0.1 if s == SIGMAS[best] else 2.0, part) for s in SIGMAS for part in ("3", "train")]
    rows = pd.DataFrame([run | {"sigma": s, "nll": nll, "slice": part} for s, nll, part in cells])
    b = bound.bounds(rows).iloc[0]
    assert (b["sigma"], b["at_edge"]) == (SIGMAS[best], edge)
