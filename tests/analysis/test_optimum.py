"""Gains, gaps and the optimal difficulty on made-up runs whose answers are known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lhas_utils.analysis import optimum


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
    assert first["gain"] == pytest.approx(0.4)
    assert first["target"] == pytest.approx((0.5 + 0.9) / 2)
    assert first["generalization"] == pytest.approx(0.4) and first["extrapolation"] == pytest.approx(0.2)
    assert first["gain_nll"] == pytest.approx(2 - 0.7) and first["before"] == pytest.approx(0.2)
    assert np.allclose(runs["train"] + runs["generalization"] + runs["extrapolation"], runs["target"])


def test_a_mixed_sample_is_held_out_on_all_levels():
    rows = fake_rows(seeds=(0,))
    runs = optimum.per_run(rows.assign(d=0))
    assert (runs["heldout"] == runs["target"]).all() and (runs["extrapolation"] == 0).all()


def test_runs_come_back_in_their_order_whatever_that_of_the_rows():
    rows = fake_rows()
    mixed = optimum.per_run(rows.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(mixed, optimum.per_run(rows))


def test_a_step_size_is_needed_only_where_there_are_several():
    runs = optimum.per_run(fake_rows())
    both = pd.concat([runs, runs.assign(lr=2e-4, gain=0.0)])
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


@given(st.floats(2.0, 8.0), st.floats(0.01, 5), st.floats(-3, 3))
@settings(max_examples=50, deadline=None)
def test_peak_finds_the_vertex(vertex, curvature, height):
    levels = np.arange(2, 9)
    assert abs(optimum.peak(levels, height - curvature * (levels - vertex) ** 2) - vertex) < 0.02


def test_peak_at_the_ends():
    assert optimum.peak([3, 5, 8], [1, 2, 4]) == 8 and optimum.peak([3, 5, 8], [4, 2, 1]) == 3
    assert optimum.peak([3, 5], [0, 1]) == 5


def test_ridge_moves_where_it_was_made_to():
    levels, sizes, rows = (3, 4, 5, 6, 7), (8, 64), []
    runs = optimum.per_run(fake_rows(seeds=(0, 1, 2), levels=levels, sizes=sizes))
    for n, top in zip(sizes, (4, 6)):
        rows.append(runs[runs["n"] == n].assign(gain=lambda t, top=top: -((t["d"] - top) ** 2) + 0.01 * t["seed"]))
    r = optimum.ridge(pd.concat(rows))
    assert (
        np.allclose(r["d_star"], [4, 6], atol=0.02) and np.allclose(r["low"], r["d_star"]) and list(r["n"]) == [8, 64]
    )


def test_held_out_optimum_chooses_on_the_others():
    values = np.array([[0.0, 1.0, 0.5], [0.0, 3.0, 0.5], [9.0, 0.0, 0.0]])
    # seed 2 sees the best level of seeds 0 and 1 (level 1); seeds 0 and 1 are misled to level 0
    assert optimum.held_out_optimum(values).tolist() == [[0.0, -0.5], [0.0, -0.5], [-9.0, 0.0]]
    assert optimum.held_out_optimum(values[:1]).tolist() == [[1.0, 0.5]]


def test_surface_recovers_a_moving_parabola():
    levels, sizes = np.arange(2, 9), [32, 128, 512, 2048]
    gain = np.array([[-((d - (2 + 0.4 * np.log2(n))) ** 2) for d in levels] for n in sizes])
    # d^2 terms cancel the squared top, which is not linear in log n: remove it, the argmax stays
    gain += np.array([[(2 + 0.4 * np.log2(n)) ** 2] for n in sizes])
    coefficients = optimum.fit_surface(levels, sizes, gain)
    assert np.allclose(optimum.design(np.full(1, 3.0), np.full(1, 32)) @ coefficients, gain[0, 1])
    t = optimum.leave_one_n_out(levels, sizes, gain)
    assert np.allclose(t["surface"], t["measured"], atol=0.03)
    assert (abs(t["constant"] - t["measured"]) > 0.2).any()


def test_measures():
    m = optimum.measures(fake_rows(seeds=(0,)))
    assert m[["level", "tokens"]].values.tolist() == [[3, 4], [5, 6]]
    assert np.allclose(m["failure"], 0.8) and np.allclose(m["nll"], 2)
