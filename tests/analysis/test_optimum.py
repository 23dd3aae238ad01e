"""Gains, gaps and the optimal difficulty on made-up runs whose answers are known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lhas_utils.analysis import optimum
from lhas_utils.worlds import DepthWorld


@pytest.fixture(autouse=True)
def span(monkeypatch):
    """Training data of a level are of that level, so that the made-up rows need no other."""
    monkeypatch.setattr(DepthWorld, "span", lambda self, d: (d,))


def fake_rows(seeds=(0, 1), levels=(3, 5), sizes=(8, 64)):
    """Runs whose tuned NLL is train 0.1, 0.5 + (level - d)^2 / 10 on the slices, base NLL 2, exact 0.2 -> 0.6."""
    out = []
    for seed in seeds:
        for d in levels:
            for n in sizes:
                spec = dict(
                    skill="sort",
                    base="weak",
                    seed=seed,
                    d=d,
                    n=n,
                    loss="sft",
                    lr=1e-3,
                    match="steps",
                    trim="none",
                    run=len(out),
                )
                run = dict(examples=n, updates=3, tokens_seen=10, tokens_distinct=5, distance2=2.0)
                part = [("base", str(v), 0.2, 2.0) for v in levels] + [("base", "train", 0.2, 2.0)]
                part += [("tuned", str(v), 0.6, 0.5 + (v - d) ** 2 / 10) for v in levels] + [
                    ("tuned", "train", 1.0, 0.1)
                ]
                out.append(
                    pd.DataFrame(part, columns=["who", "slice", "exact", "nll"]).assign(
                        accuracy=lambda t: t["exact"], **spec, **run
                    )
                )
    return pd.concat(out, ignore_index=True)


def test_gaps_by_hand_and_their_sum():
    runs = optimum.per_run(fake_rows())
    first = runs[(runs["d"] == 3) & (runs["n"] == 8)].iloc[0]
    assert first["gain_exact"] == pytest.approx(0.4) and first["before"] == pytest.approx(0.2)
    assert first["target_nll"] == pytest.approx((0.5 + 0.9) / 2) and first["gain_nll"] == pytest.approx(2 - 0.7)
    assert first["generalization_nll"] == pytest.approx(0.4) and first["extrapolation_nll"] == pytest.approx(0.2)
    assert first["generalization_exact"] == pytest.approx(0.4) and first["extrapolation_exact"] == pytest.approx(0)
    for m in ("exact", "nll"):
        parts = runs[[f"{name}_{m}" for name in ("train", "generalization", "extrapolation")]].sum(axis=1)
        assert np.allclose(parts, runs[f"target_{m}"])


def test_a_mixed_sample_is_held_out_on_all_levels():
    runs = optimum.per_run(fake_rows(seeds=(0,)).assign(d=0))
    assert (runs["heldout_nll"] == runs["target_nll"]).all() and (runs["extrapolation_nll"] == 0).all()


def test_runs_come_back_in_their_order_whatever_that_of_the_rows():
    rows = fake_rows()
    mixed = optimum.per_run(rows.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(mixed, optimum.per_run(rows))


def test_a_step_size_is_needed_only_where_there_are_several():
    runs = optimum.per_run(fake_rows())
    both = pd.concat([runs, runs.assign(lr=2e-4, gain_exact=0.0)])
    assert (optimum.grid(both, lr=2e-4)[0] == 0).all() and (optimum.grid(both, lr=1e-3)[0] > 0).all()


def test_grid_axes_and_missing_cells():
    runs = optimum.per_run(fake_rows())
    values, seeds, sizes, levels = optimum.grid(runs)
    assert values.shape == (2, 2, 2) and (seeds, sizes, levels) == ([0, 1], [8, 64], [3, 5])
    with pytest.raises(ValueError, match="expected every seed x n x d; got 7"):
        optimum.grid(runs.iloc[1:])
    with pytest.raises(ValueError, match="got 0 runs"):
        optimum.grid(runs, skill="cumsum")


def test_by_slice():
    s = optimum.by_slice(fake_rows(seeds=(0,)))
    row = s[(s["d"] == 3) & (s["n"] == 8) & (s["level"] == 5)].iloc[0]
    assert row["exact"] == pytest.approx(0.4) and row["nll"] == pytest.approx(2 - 0.9)


@given(st.floats(2.6, 7.4), st.floats(0.01, 5), st.floats(-3, 3))
@settings(max_examples=50, deadline=None)
def test_the_vertex_of_a_parabola_is_found_on_any_levels_around_it(top, curvature, height):
    for levels in (range(2, 9), (2, 3, 5, 6, 8)):
        curve = height - curvature * (np.array(levels) - top) ** 2
        assert optimum.vertex(levels, curve) == pytest.approx(top) or optimum.at_edge(curve)
        assert abs(optimum.best_cell(levels, curve) - top) <= 1


@given(st.lists(st.integers(-5, 5), min_size=3, max_size=7))
@settings(max_examples=100, deadline=None)
def test_the_estimators_agree_up_to_half_the_way_to_a_neighbour(curve):
    levels = list(range(len(curve)))
    best, top = optimum.best_cell(levels, curve), optimum.vertex(levels, curve)
    assert curve[int(best)] == max(curve) and abs(best - top) <= 0.5
    assert optimum.at_edge(curve) == (best in (0, len(curve) - 1))
    assert not optimum.at_edge(curve) or best == top


def test_best_cell_and_edges_by_hand():
    assert optimum.best_cell([3, 5, 8], [1, 2, 4]) == 8 and optimum.best_cell([3, 5, 8], [4, 4, 1]) == 3
    assert optimum.at_edge([[1, 2, 0], [3, 2, 0], [0, 1, 2]]).tolist() == [False, True, True]
    curves = [[[0, 4, 3, 0], [0, 0, 0, 1]]]  # slopes 4 and -1 around level 3: the parabola's top is at 3.3
    assert optimum.optima([2, 3, 4, 5], curves).tolist() == [[3, 5]]
    assert optimum.optima([2, 3, 4, 5], curves, "vertex").tolist() == [[pytest.approx(3.3), 5]]


def test_the_ridge_counts_what_lies_at_an_edge():
    runs = optimum.per_run(fake_rows(seeds=(0, 1, 2, 3), levels=(3, 4, 5, 6, 7), sizes=(8, 64)))
    top = np.where(runs["n"] == 8, 4, np.where(runs["seed"] == 0, 7, 6))
    r = optimum.ridge(runs.assign(gain_exact=-((runs["d"] - top) ** 2)))
    assert r["n"].tolist() == [8, 8, 64, 64] and r["estimator"].tolist() == ["best cell", "vertex"] * 2
    assert r["d_star"].tolist() == [4, 4, 6.25, 6.25] and r["at_edge"].tolist() == [0, 0, 1, 1]
    assert (r["n_seeds"] == 4).all() and r["low"].iloc[0] == r["high"].iloc[0] == 4
    assert r["low"].iloc[2] < 6.25 < r["high"].iloc[2]


def test_the_best_cell_is_chosen_on_the_others():
    values = np.array([[0.0, 1.0, 0.5], [0.0, 3.0, 0.5], [9.0, 0.0, 0.0]])
    # seed 2 sees the best level of seeds 0 and 1 (level 1); seeds 0 and 1 are misled to level 0
    assert optimum.held_out_best(values).tolist() == [0.0, 0.0, 0.0]
    assert optimum.held_out_best(values[:1]).tolist() == [1.0]
    assert optimum.held_out_best([[[0, 1], [2, 0]], [[5, 0], [3, 4]]]).tolist() == [0, 3]  # over both axes
    assert optimum.held_out_optimum(values).tolist() == [[0.0, -0.5], [0.0, -0.5], [-9.0, 0.0]]
    assert optimum.held_out_optimum(values[:1]).tolist() == [[1.0, 0.5]]


def test_measures():
    m = optimum.measures(fake_rows(seeds=(0,)))
    assert m[["level", "tokens"]].values.tolist() == [[3, 4], [5, 6]]
    assert np.allclose(m["failure"], 0.8) and np.allclose(m["nll"], 2)
