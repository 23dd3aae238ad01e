import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lhas_utils import claims, depth, depth_world, difficulty, difficulty_claims, gaps


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
                    lr=gaps.LR,
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
    runs = gaps.per_run(fake_rows())
    first = runs[(runs["d"] == 3) & (runs["n"] == 8)].iloc[0]
    assert first["gain"] == pytest.approx(0.4)
    assert first["target"] == pytest.approx((0.5 + 0.9) / 2)
    assert first["generalization"] == pytest.approx(0.4) and first["extrapolation"] == pytest.approx(0.2)
    assert first["gain_nll"] == pytest.approx(2 - 0.7)
    assert np.allclose(runs["train"] + runs["generalization"] + runs["extrapolation"], runs["target"])


def test_grid_axes_and_missing_cells():
    runs = gaps.per_run(fake_rows())
    values, seeds, sizes, levels = gaps.grid(runs)
    assert values.shape == (2, 2, 2) and (seeds, sizes, levels) == ([0, 1], [8, 64], [3, 5])
    with pytest.raises(ValueError, match="expected every seed x n x d; got 7"):
        gaps.grid(runs.iloc[1:])
    with pytest.raises(ValueError, match="got 0 runs"):
        gaps.grid(runs, skill="cumsum")


def test_by_slice():
    s = gaps.by_slice(fake_rows(seeds=(0,)))
    row = s[(s["d"] == 3) & (s["n"] == 8) & (s["level"] == 5)].iloc[0]
    assert row["exact"] == pytest.approx(0.4) and row["nll"] == pytest.approx(2 - 0.9)


@given(st.floats(2.0, 8.0), st.floats(0.01, 5), st.floats(-3, 3))
@settings(max_examples=50, deadline=None)
def test_peak_finds_the_vertex(vertex, curvature, height):
    levels = np.arange(2, 9)
    assert abs(gaps.peak(levels, height - curvature * (levels - vertex) ** 2) - vertex) < 0.02


def test_peak_at_the_ends():
    assert gaps.peak([3, 5, 8], [1, 2, 4]) == 8 and gaps.peak([3, 5, 8], [4, 2, 1]) == 3
    assert gaps.peak([3, 5], [0, 1]) == 5


def test_ridge_moves_where_it_was_made_to():
    levels, sizes, rows = (3, 4, 5, 6, 7), (8, 64), []
    runs = gaps.per_run(fake_rows(seeds=(0, 1, 2), levels=levels, sizes=sizes))
    for n, top in zip(sizes, (4, 6)):
        rows.append(runs[runs["n"] == n].assign(gain=lambda t, top=top: -((t["d"] - top) ** 2) + 0.01 * t["seed"]))
    r = gaps.ridge(pd.concat(rows))
    assert (
        np.allclose(r["d_star"], [4, 6], atol=0.02) and np.allclose(r["low"], r["d_star"]) and list(r["n"]) == [8, 64]
    )


def test_held_out_optimum_chooses_on_the_others():
    values = np.array([[0.0, 1.0, 0.5], [0.0, 3.0, 0.5], [9.0, 0.0, 0.0]])
    # seed 2 sees the best level of seeds 0 and 1 (level 1); seeds 0 and 1 are misled to level 0
    assert gaps.held_out_optimum(values).tolist() == [[0.0, -0.5], [0.0, -0.5], [-9.0, 0.0]]
    assert gaps.held_out_optimum(values[:1]).tolist() == [[1.0, 0.5]]


def test_surface_recovers_a_moving_parabola():
    levels, sizes = np.arange(2, 9), [32, 128, 512, 2048]
    gain = np.array([[-((d - (2 + 0.4 * np.log2(n))) ** 2) for d in levels] for n in sizes])
    # d^2 terms cancel the squared top, which is not linear in log n: remove it, the argmax stays
    gain += np.array([[(2 + 0.4 * np.log2(n)) ** 2] for n in sizes])
    coefficients = gaps.fit_surface(levels, sizes, gain)
    assert np.allclose(gaps.design(np.full(1, 3.0), np.full(1, 32)) @ coefficients, gain[0, 1])
    t = gaps.leave_one_n_out(levels, sizes, gain)
    assert np.allclose(t["surface"], t["measured"], atol=0.03)
    assert (abs(t["constant"] - t["measured"]) > 0.2).any()


def test_distances_between_level_distributions():
    test = {d: 1 / 7 for d in range(2, 9)}
    assert gaps.total_variation(test, {5: 1.0}) == pytest.approx(6 / 7)
    assert gaps.total_variation(test, test) == 0
    assert gaps.kl_levels({5: 1.0}, test) == pytest.approx(np.log(7)) and gaps.kl_levels(test, {5: 1.0}) == np.inf


def test_bound_terms_by_hand():
    t = gaps.bound_terms(risk=0.5, distance2=0.02, sigma=0.1, n=1, tv=0.5, delta=np.exp(-3), c=2.0)
    assert t["kl"] == pytest.approx(1.0)
    assert t["complexity"] == pytest.approx(2 * np.sqrt(1 + 3 + 0 + 8))
    assert t["bound"] == pytest.approx(0.5 + 2 * np.sqrt(12) + 1.0)


@given(st.floats(0, 4), st.floats(0, 100), st.integers(4, 10**6))
@settings(max_examples=50, deadline=None)
def test_bound_falls_with_n_and_rises_with_distance(risk, distance2, n):
    at = dict(sigma=0.01, tv=0.5, delta=0.05)
    here = gaps.bound_terms(risk, distance2, n=n, **at)["bound"]
    assert gaps.bound_terms(risk, distance2, n=2 * n, **at)["bound"] < here
    assert gaps.bound_terms(risk, distance2 + 1, n=n, **at)["bound"] > here >= risk


def test_bounds_keep_the_best_sigma():
    run = dict(run=0, skill="sort", base="weak", seed=0, d=3, n=64, examples=64, distance2=2.0, who="posterior")
    cells = [(s, 0.01 if s < 0.02 else 1.0, part) for s in depth.SIGMAS for part in ("3", "5", "train")]
    rows = pd.DataFrame([run | {"sigma": s, "nll": nll, "slice": part} for s, nll, part in cells])
    b = gaps.bounds(rows).iloc[0]
    assert b["sigma"] == max(depth.SIGMAS)  # here the smaller KL outweighs the higher risk
    assert b["shift"] == pytest.approx(depth.CLIP / 2) and b["observed"] == 1.0


def test_measures():
    m = gaps.measures(fake_rows(seeds=(0,)))
    assert m[["level", "tokens"]].values.tolist() == [[3, 4], [5, 6]]
    assert np.allclose(m["failure"], 0.8) and np.allclose(m["nll"], 2)


@pytest.mark.parametrize("profile", ["smoke", "fast", "full"])
def test_plans_hold_what_the_checks_need(profile):
    specs = difficulty.difficulty(profile)
    assert len(set(specs)) == len(specs)
    assert all(s.seed < 1000 for s in specs)
    assert {s.loss for s in specs} == {"sft", "dft"} and {s.trim for s in specs} == {"none", "easiest", "hardest"}
    seeds, skills, *_ = difficulty.PLANS[profile]
    assert len({s.seed for s in specs}) == seeds
    assert all(set(levels) <= set(depth_world.SKILLS[skill].levels) for skill, (levels, _) in skills.items())


def test_every_check_runs_on_made_up_runs(monkeypatch):
    """All checks of the ledger give complete effects on a full set of synthetic runs of `smoke`."""
    rng, tables = np.random.default_rng(0), []
    for i, spec in enumerate(s for s in difficulty.difficulty("smoke") if s.seed == 0):
        for seed in (0, 1, 2):
            parts = [*map(str, depth_world.SKILLS[spec.skill].levels), "train"]
            run = pd.DataFrame(
                [(w, p, *rng.random(2)) for w in ("base", "tuned") for p in parts],
                columns=["who", "slice", "exact", "nll"],
            )
            if spec.draws:
                post = [("posterior", p, np.nan, rng.random(), s) for s in depth.SIGMAS for p in parts]
                run = pd.concat([run, pd.DataFrame(post, columns=["who", "slice", "exact", "nll", "sigma"])])
            fields = {k: getattr(spec, k) for k in gaps._SPEC} | {"seed": seed, "run": 3 * i + seed}
            tables.append(
                run.assign(
                    accuracy=run["exact"],
                    **fields,
                    examples=spec.n,
                    updates=3,
                    tokens_seen=9,
                    tokens_distinct=9,
                    distance2=1.0,
                )
            )
    rows = pd.concat(tables, ignore_index=True)
    monkeypatch.setattr(difficulty, "rows", lambda profile: rows)
    monkeypatch.setattr(difficulty, "runs", lambda profile: gaps.per_run(rows))
    mine = [c for c, entry in claims.contract().items() if entry.get("experiment") == "difficulty"]
    names = {claims.get(c)["check"].split(".")[1] for c in mine}
    for name in names:
        found = getattr(difficulty_claims, name)("smoke")
        for effect in found if isinstance(found, list) else [found]:
            assert effect["low"] <= effect["effect"] <= effect["high"] and effect["n_seeds"] == 3, name
