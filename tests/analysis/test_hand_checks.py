"""From tidy rows to numbers, worked by hand: uneven grids, mixed stages, shuffled rows, pairing by seed."""

from itertools import product
from math import comb, log, sqrt

import numpy as np
import pandas as pd
import pytest

from lhas_utils.analysis import agreement, bound, metrics, optimum, statistics, tables
from lhas_utils.analysis.summary import summary
from lhas_utils.claims.effects import Effect, contrast
from lhas_utils.claims.judge import Part, combine, judge, weakest
from lhas_utils.worlds import DepthWorld

NAMES = ("zeta", "alpha", "mid")  # in stage order, which is not the alphabet's
R = [[0.20, 0.10, 0.30], [0.50, 0.15, 0.35], [0.60, 0.70, 0.40], [0.80, 0.65, 0.75]]
W = [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.25, 0.25, 0.5]]
# so that Perf(M_s, V_t) is, rows s = 0..3:
#   .15  .2   .225
#   .325 .25  .3375
#   .65  .55  .525
#   .725 .70  .7375
STEPS, TOKENS = (0, 5, 10, 20, 30), (0, 7, 40, 55, 200)  # uneven, and tokens not in step with steps
CURVES = {1: (0.25, 0.35, 0.45, 0.55, 0.85), 2: (0.5, 0.5, 0.7, 0.6, 0.6)}
COLUMNS = ["split", "stage", "capability", "step", "metric", "value"]


def rows_of(curves=CURVES, tokens=TOKENS, run=0, seed=0, turn=lambda v: v, metric="accuracy") -> pd.DataFrame:
    """Return the rows of one run; `turn` is applied to every score."""
    out = [("mixture", t + 1, n, 0, "weight", w) for t, ws in enumerate(W) for n, w in zip(NAMES, ws)]
    out += [("id", t, n, 0, metric, turn(v)) for t, vs in enumerate(R) for n, v in zip(NAMES, vs)]
    out += [
        ("ood", t, n, 0, metric, turn(v))
        for t, vs in ((0, (0.9, 0.9, 0.9)), (3, (0.5, 0.3, 0.1)))
        for n, v in zip(NAMES, vs)
    ]
    for t, values in curves.items():
        for step, seen, v in zip(STEPS, tokens, values):
            out += [("probe", t, NAMES[t], step, metric, turn(v)), ("probe", t, NAMES[t], step, "tokens", seen)]
    out += [("diagnostic", t, NAMES[t - 1], 0, "entropy", e) for t, e in ((1, 1.0), (2, 2.0), (3, 6.0))]
    return pd.DataFrame(out, columns=COLUMNS).assign(run=run, seed=seed, selector=f"s{run}")


EXPECTED = {
    "current": (0.325 + 0.55 + 0.7375) / 3,
    "start": (0.15 + 0.25 + 0.525) / 3,
    "immediate_utility": (0.325 - 0.15 + 0.55 - 0.25 + 0.7375 - 0.525) / 3,
    "future_auc": (15.5 / 30 + 18 / 30) / 2,  # trapezoids: 1.5 + 2 + 5 + 7 and 2.5 + 3 + 6.5 + 6
    "future_auc_minus_start": (15.5 / 30 - 0.25 + 18 / 30 - 0.5) / 2,
    "forgetting": ((0.65 - 0.725) + (0.55 - 0.70)) / 2,  # the best since the stage, before the last
    "bwt": ((0.725 - 0.325) + (0.70 - 0.55)) / 2,
    "first_minus_last": -((0.725 - 0.325) + (0.70 - 0.55)) / 2,
    "ood": 0.3,  # at the end
    "worst_task": 0.65,
    "final_average": 2.2 / 3,
    "capability_imbalance": sqrt(((0.8 - 2.2 / 3) ** 2 + (0.65 - 2.2 / 3) ** 2 + (0.75 - 2.2 / 3) ** 2) / 3),
    "gini": 2 * (0.15 + 0.05 + 0.10) / (2 * 9 * 2.2 / 3),
    "forward_transfer": ((0.25 - 0.2) + (0.525 - 0.225)) / 2,  # before the stage, against the base
    "long_horizon": 2.1625 / 3 + 33.5 / 60 + 0.1125 + 0.3,
    "entropy": 3.0,
}


# ---- one run -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
def test_every_number_of_a_run_by_hand_whatever_the_order_of_its_rows(shuffle):
    rows = rows_of()
    got = metrics.summarise(rows.sample(frac=1, random_state=1) if shuffle else rows)
    assert got == pytest.approx(EXPECTED)


def test_with_the_nll_the_level_is_its_negative_and_a_rise_is_forgetting():
    got = metrics.summarise(rows_of(turn=lambda v: 2 - v, metric="nll"), "nll")
    alike = (
        "immediate_utility",
        "future_auc_minus_start",
        "forgetting",
        "bwt",
        "capability_imbalance",
        "forward_transfer",
    )
    assert {k: got[k] for k in alike} == pytest.approx({k: EXPECTED[k] for k in alike})
    for level in ("current", "future_auc", "ood", "worst_task", "final_average"):
        assert got[level] == pytest.approx(EXPECTED[level] - 2)


def test_forgetting_of_a_capability_that_fell_from_its_peak():
    a = [
        [0.9, 0.9, 0.9],
        [0.4, 0.95, 0.1],
        [0.8, 0.5, 0.1],
        [0.6, 0.3, 0.7],
    ]  # what was before its stage does not count
    assert metrics.forgetting(a) == pytest.approx(((0.8 - 0.6) + (0.5 - 0.3)) / 2)
    assert metrics.forgetting(a, "first_minus_last") == pytest.approx(((0.4 - 0.6) + (0.5 - 0.3)) / 2)
    a[3][0] = 0.9
    assert metrics.forgetting(a) == pytest.approx(((0.8 - 0.9) + (0.5 - 0.3)) / 2)
    assert metrics.forgetting(a, "clipped") == pytest.approx((0.5 - 0.3) / 2)


def test_forward_transfer_is_the_score_just_before_a_stage_minus_the_bases():
    a = [[0.9, 0.1, 0.3], [0.9, 0.4, 0.9], [0.9, 0.9, 0.35], [0.9, 0.9, 0.9]]
    assert metrics.forward_transfer(a) == pytest.approx((0.3 + 0.05) / 2)


@pytest.mark.parametrize("alpha, beta, gamma", [(2.0, 0.0, 0.0), (0.0, 3.0, 0.0), (0.0, 0.0, 4.0)])
def test_the_terms_of_the_long_horizon_utility(alpha, beta, gamma):
    got = metrics.long_horizon_utility(R, W, [0.2, 0.4], 0.7, alpha, beta, gamma)
    assert got == pytest.approx(2.1625 / 3 + alpha * 0.3 + beta * 0.1125 + gamma * 0.7)


def test_the_myopia_gap_shares_the_ranks_of_ties():
    # ranks now 1, 2.5, 2.5, 4; later 4, 2, 3, 1
    assert metrics.myopia_gap([9, 5, 5, 1], [1, 3, 2, 4]) == pytest.approx((3 + 0.5 + 0.5 + 3) / 4 / 3)


# ---- several runs: adaptation tokens -----------------------------------------------------------------

OTHER = {1: (0.1, 0.2, 0.35, 0.3, 0.3), 2: (0.4, 0.6, 0.5, 0.9, 0.9)}
THIRD = {1: (0.0, 0.2, 0.5, 0.4, 0.9), 2: (0.0, 0.1, 0.3, 0.4, 0.9)}


def three_runs() -> pd.DataFrame:
    parts = [rows_of(run=7), rows_of(OTHER, (0, 9, 30, 60, 90), 2), rows_of(THIRD, (0, 10, 20, 50, 60), 5, seed=1)]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("shuffle", [False, True])
def test_adaptation_tokens_are_interpolated_between_measurements_of_tokens(shuffle):
    rows = three_runs()
    got = metrics.adaptation_tokens(rows.sample(frac=1, random_state=2) if shuffle else rows).set_index("run")
    # seed 0: the mean half-way is .40 and .60; run 7 is half-way from 7 to 40 tokens in both stages;
    # run 2 never arrives and counts with its 90, then stands at .60 after 9
    assert got["adaptation_tokens"].to_dict() == pytest.approx({7: 23.5, 2: (90 + 9) / 2, 5: 20.0})
    assert got["censored"].to_dict() == {7: 0.0, 2: 0.5, 5: 0.0}


def test_a_summary_has_a_row_a_run_with_its_own_numbers():
    rows = three_runs()
    got = summary(rows.sample(frac=1, random_state=3), "accuracy").set_index("run")
    for run, one in rows.groupby("run"):
        numbers = metrics.summarise(one)
        assert got.loc[run, list(numbers)].astype(float).to_dict() == pytest.approx(numbers)
    assert got["adaptation_tokens"].to_dict() == pytest.approx({7: 23.5, 2: 49.5, 5: 20.0})
    nll = summary(rows_of(turn=lambda v: 2 - v, metric="nll"), "nll").iloc[0]
    assert nll["current"] == pytest.approx(EXPECTED["current"] - 2) and nll["adaptation_tokens"] == 40
    assert got["seed"].to_dict() == {7: 0, 2: 0, 5: 1} and got["selector"].to_dict() == {7: "s7", 2: "s2", 5: "s5"}


# ---- pairing by seed ---------------------------------------------------------------------------------

SEED_EFFECT = np.array([0.0, 5.0, -3.0, 8.0, 1.0, -7.0])  # far larger than any difference between selectors


def table(shuffle=True, gap=0.5) -> pd.DataFrame:
    """Return runs of three selectors on six seeds: `a` is above `random` by `gap` at every seed, `b` below by 1."""
    levels = {"random": 0.0, "a": gap, "b": -1.0}
    rows = [(n, s, base + v, -(base + v)) for n, v in levels.items() for s, base in enumerate(SEED_EFFECT)]
    out = pd.DataFrame(rows, columns=["selector", "seed", "m", "k"])
    return out.sample(frac=1, random_state=4) if shuffle else out


def test_paired_differences_are_within_seeds_whatever_the_order_of_the_rows():
    got = statistics.paired(table(), "m")
    for name, gap in (("a", 0.5), ("b", -1.0)):
        assert got.loc[name, ["difference", "low", "high"]].tolist() == pytest.approx([gap] * 3)
        assert got.loc[name, "n"] == 6 and got.loc[name, "p"] == pytest.approx(2 / 2**6)
        assert got.loc[name, "p_holm"] == pytest.approx(2 * 2 / 2**6)


def test_differences_take_off_the_same_seed_and_drop_seeds_without_a_partner():
    runs = table()
    base = runs[(runs["selector"] == "random") & (runs["seed"] != 3)].sample(frac=1, random_state=5)
    got = statistics.differences(runs[runs["selector"] != "random"], base, ["m", "k"])
    assert sorted(got["seed"].unique()) == [0, 1, 2, 4, 5]
    assert got.loc[got["selector"] == "a", "m"].to_numpy() == pytest.approx(np.full(5, 0.5))
    assert got.loc[got["selector"] == "b", "k"].to_numpy() == pytest.approx(np.full(5, 1.0))
    assert runs["m"].equals(table()["m"])  # what was given is left alone


def test_texts_of_differences_are_within_seeds_too():
    got = tables.against_random(table(), ["m", "k"], digits=1)
    assert got.loc["a"].tolist() == ["+0.5 [+0.5, +0.5]", "-0.5 [-0.5, -0.5]"]
    assert got.loc["b"].tolist() == ["-1.0 [-1.0, -1.0]", "+1.0 [+1.0, +1.0]"]
    means = statistics.table(table(), ["m"]).assign(budget="25 %")
    assert tables.minus_random(means, "budget", "m", "a") == "25 % +0.50"


def test_a_contrast_is_within_seeds_whatever_the_order_of_the_rows():
    spec = {"quantity": "m", "a": "a", "b": "random", "direction": "greater"}
    found = contrast(table(), spec, 0.1)
    assert (found.effect, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
    assert found.n_seeds == 6 and found.p == pytest.approx(2 / 2**6) and found.smallest == 0.1
    partial = table()[
        lambda t: ~((t["selector"] == "a") & (t["seed"] == 0)) & ~((t["selector"] == "random") & (t["seed"] == 1))
    ]
    assert contrast(partial, spec, 0.1).n_seeds == 4
    assert contrast(partial, spec, 0.1).effect == pytest.approx(0.5)


def test_a_contrast_has_a_direction_a_margin_and_a_second_pair():
    less = {"quantity": "m", "a": "b", "b": "random", "direction": "less"}
    assert contrast(table(), less, 0.1).effect == pytest.approx(1.0)
    assert contrast(table(), less | {"direction": "greater"}, 0.1).effect == pytest.approx(-1.0)
    assert contrast(table(), less | {"direction": "greater"}, 0.1, margin=1.5).effect == pytest.approx(0.5)
    second = {"minus": {"a": {"selector": "a"}, "b": "random"}}
    assert contrast(table(), less | {"direction": "greater"} | second, 0.1).effect == pytest.approx(-1.5)
    assert contrast(table(), less, 0.7).smallest == 0.7
    assert contrast(table()[lambda t: t["selector"] != "b"], less, 0.1) is None


def test_a_reversal_is_counted_over_the_resamples_of_seeds_by_hand():
    """Seed 0: a beats b now and loses later; seed 1: neither. Of both seeds' resamples 1/4, 1/2, 1/4 weigh."""
    rows = [("a", 0, 1.0, 0.0), ("b", 0, 0.0, 1.0), ("a", 1, 0.0, 3.0), ("b", 1, 0.5, 2.5)]
    runs = pd.DataFrame(rows, columns=["selector", "seed", "now", "later"]).sample(frac=1, random_state=6)
    got = statistics.reversal(runs, "now", "later")
    # means of two: (0,0) 1 and -1; (0,1) .25 and -.25; (1,1) -.5 and .5
    assert got.loc["a", "b"] == pytest.approx(0.75) and got.loc["b", "a"] == pytest.approx(0.25)
    assert got.loc["a", "a"] == 0


# ---- intervals ---------------------------------------------------------------------------------------


def test_the_bootstrap_interval_is_that_of_all_resamples():
    x = np.array([0.0, 1.0, 3.0, 9.0])
    every = np.sort([x[list(p)].mean() for p in product(range(4), repeat=4)])
    low, high = (every[int(np.ceil(q * 256)) - 1] for q in (0.025, 0.975))
    got = statistics.bootstrap(x, lambda mean: mean)
    assert (got["effect"], got["low"], got["high"]) == pytest.approx((3.25, low, high))
    assert low > 0 and high < 9  # four times the same seed is rarer than that
    picks, weights = statistics.resamples(3)
    assert len(picks) == comb(5, 3)
    assert sorted(weights / weights.sum()) == pytest.approx([1 / 27] * 3 + [3 / 27] * 6 + [6 / 27])


def test_small_statistics_by_hand():
    assert statistics.sign_flip([1.0, 2.0, 3.0, -0.5]) == pytest.approx(4 / 16)  # all signs, all but the smallest
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.kendall([1, 2, 3], [1, 3, 2]) == pytest.approx(1 / 3)
    assert statistics.gap_null(7).mean() == pytest.approx(8 / 21, abs=0.002)
    assert statistics.gap_null(2, 10_000).mean() == pytest.approx(0.5, abs=0.02)
    small = statistics.table(table(), ["m"]).set_index("selector")
    assert small.loc["a", "mean"] == pytest.approx(SEED_EFFECT.mean() + 0.5) and (small["n_seeds"] == 6).all()


# ---- verdicts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "effect, low, high, smallest, p, verdict",
    [
        (0.3, 0.1, 0.5, 0.2, 0.01, "REPRODUCED"),
        (0.2, 0.1, 0.3, 0.2, 0.01, "REPRODUCED"),  # exactly the smallest of interest
        (0.3, 0.1, 0.5, 0.2, 0.05, "INCONCLUSIVE"),  # p must be below
        (0.3, 0.0, 0.6, 0.2, 0.01, "INCONCLUSIVE"),  # the interval must be above 0
        (0.19, 0.1, 0.28, 0.2, 0.01, "INCONCLUSIVE"),  # too small, and perhaps not
        (0.1, 0.05, 0.15, 0.2, 0.01, "EQUIVALENT"),  # surely too small, whatever its sign
        (-0.1, -0.15, -0.05, 0.2, 0.01, "EQUIVALENT"),
        (-0.3, -0.5, -0.1, 0.2, 0.01, "CONTRADICTED"),
        (-0.3, -0.5, -0.1, 0.2, 0.05, "INCONCLUSIVE"),
        (-0.05, -0.2, 0.1, 0.05, 0.01, "INCONCLUSIVE"),  # the interval must be below 0
        (-0.1, -0.15, -0.05, 0.0, 0.01, "CONTRADICTED"),  # nothing is equivalent to nothing
        (0.0, 0.0, 0.0, 0.0, 1.0, "INCONCLUSIVE"),
        (0.1, -0.1, 0.3, 0.0, 0.5, "INCONCLUSIVE"),
    ],
)
def test_the_verdict_of_an_effect(effect, low, high, smallest, p, verdict):
    assert judge(Effect("e", effect, low, high, 9, smallest), p) == verdict


def test_the_verdict_of_several_effects():
    r, c, e, i = "REPRODUCED", "CONTRADICTED", "EQUIVALENT", "INCONCLUSIVE"
    each = {(): "NOT TESTABLE", (r, r): r, (c, c): c, (r, c): "PARTLY", (r, i): "PARTLY", (c, i): c, (e, i): i}
    whole = {(r, r): r, (r, c): c, (r, e): e, (r, i): i, (c, e): c, (e, i): e, (e, e): e}
    assert {parts: combine(list(parts), "each") for parts in each} == each
    assert {parts: combine(list(parts), "all") for parts in whole} == whole
    lows = [("one", 0.5, r), ("two", -0.5, c), ("three", -0.7, c), ("four", -0.9, i)]
    found = [Part(Effect(n, 0, low, 1, 9), 0.5, 0.5, v) for n, low, v in lows]
    assert weakest(found, c).effect.name == "three" and weakest(found, i).effect.name == "four"
    assert weakest(found, "PARTLY").effect.name == "three"  # the worst
    assert weakest(found[:2], "PARTLY").effect.name == "two"


# ---- the difficulty study ----------------------------------------------------------------------------

SPEC = {
    "skill": "sort",
    "base": "weak",
    "seed": 0,
    "d": 3,
    "n": 8,
    "loss": "sft",
    "lr": 0.1,
    "match": "steps",
    "trim": "none",
}
USED = {"examples": 8, "updates": 2, "tokens_seen": 9, "tokens_distinct": 9, "distance2": 0.5}


def difficulty_rows(**spec) -> pd.DataFrame:
    """Return the rows of one run of three levels, of which level 3 spans two: (exact, accuracy, nll)."""
    scores = {
        "base": {"2": (0.5, 0.6, 1.0), "3": (0.2, 0.5, 2.0), "4": (0.0, 0.3, 4.0), "train": (0.3, 0.5, 2.5)},
        "tuned": {"2": (0.4, 0.7, 1.2), "3": (0.8, 0.9, 0.5), "4": (0.3, 0.5, 3.0), "train": (0.9, 0.9, 0.2)},
    }
    rows = [(w, s, *v) for w, slices in scores.items() for s, v in slices.items()]
    return pd.DataFrame(rows, columns=["who", "slice", "exact", "accuracy", "nll"]).assign(run=0, **SPEC | USED | spec)


@pytest.fixture
def span(monkeypatch):
    monkeypatch.setattr(DepthWorld, "span", lambda self, d: (d - 1, d))


def test_gains_and_gaps_of_a_run_by_hand(span):
    (got,) = optimum.per_run(difficulty_rows().sample(frac=1, random_state=7)).to_dict("records")
    expected = {"before": 0.7 / 3}
    risks = {"exact": (0.1, 0.4, 1.5 / 3, 2.3 / 3), "nll": (0.2, 0.85, 4.7 / 3, 7 / 3)}  # of 2 and 3, see `span`
    for metric, (train, heldout, target, before) in risks.items():
        found = {"train": train, "heldout": heldout, "target": target, "gain": before - target}
        found |= {"generalization": heldout - train, "extrapolation": target - heldout}
        expected |= {f"{name}_{metric}": value for name, value in found.items()}
    assert {k: got[k] for k in expected} == pytest.approx(expected)
    assert {k: got[k] for k in SPEC | USED} == SPEC | USED


def test_a_mixed_sample_has_the_target_held_out():
    (got,) = optimum.per_run(difficulty_rows(d=0)).to_dict("records")
    assert got["heldout_nll"] == got["target_nll"] == pytest.approx(4.7 / 3) and got["extrapolation_nll"] == 0


def test_gains_by_slice_and_the_measures_of_a_level():
    got = optimum.by_slice(difficulty_rows().sample(frac=1, random_state=8)).set_index("level")
    assert got["exact"].to_dict() == pytest.approx({2: -0.1, 3: 0.6, 4: 0.3})
    assert got["nll"].to_dict() == pytest.approx({2: -0.2, 3: 1.5, 4: 1.0})
    m = optimum.measures(difficulty_rows()).set_index("level")
    assert m["failure"].to_dict() == pytest.approx({2: 0.5, 3: 0.8, 4: 1.0})
    assert m["nll"].to_dict() == {2: 1.0, 3: 2.0, 4: 4.0} and m["tokens"].to_dict() == {2: 3, 3: 4, 4: 5}


def test_the_optimum_is_chosen_on_the_other_seeds():
    gain = [[0.0, 5.0, 1.0], [0.0, 1.0, 2.0], [0.0, 1.0, 3.0]]
    # the others' best level: of seed 0 the last (5), of seed 1 the middle (6), of seed 2 the middle (6)
    assert optimum.held_out_optimum(gain).tolist() == [[1.0, 0.0], [1.0, -1.0], [1.0, -2.0]]


def test_the_vertex_is_that_of_the_best_cell_and_its_neighbours():
    assert optimum.vertex([2, 3, 5, 8], [-((d - 4) ** 2) for d in (2, 3, 5, 8)]) == 4.0
    assert optimum.vertex([2, 3, 5, 8], [0.0, 1.0, 0.0, -50.0]) == 3.5  # -(d - 2)(d - 5) / 2
    assert optimum.vertex([2, 3, 5], [(d - 9) * 1.0 for d in (2, 3, 5)]) == 5.0
    assert optimum.vertex([2, 8], [1.0, 0.0]) == 2.0
    assert optimum.vertex([2, 3, 4], [1.0, 1.0, 1.0]) == 2.0 and optimum.vertex([1, 2, 3, 4], [0, 1, 1, 0]) == 2.5


def test_a_grid_has_seeds_sizes_and_levels_in_order_whatever_the_order_of_the_rows():
    cells = [(s, n, d, 100 * s + n + d / 10) for s in (0, 1) for n in (8, 16) for d in (3, 5, 8)]
    runs = pd.DataFrame(cells, columns=["seed", "n", "d", "gain_exact"]).assign(
        skill="sort", base="weak", loss="sft", match="steps"
    )
    runs = runs.assign(trim="none", lr=0.1)
    mixed = runs.assign(d=0, gain_exact=-1.0).drop_duplicates(["seed", "n"])
    other = runs.assign(trim="easiest", gain_exact=-1.0)
    values, *axes = optimum.grid(pd.concat([other, mixed, runs]).sample(frac=1, random_state=9))
    assert axes == [[0, 1], [8, 16], [3, 5, 8]]
    assert values[1, 0].tolist() == pytest.approx([108.3, 108.5, 108.8]) and values[0, 1, 2] == pytest.approx(16.8)


def test_the_line_finds_a_planted_optimum_that_moves_with_the_size():
    levels, sizes = [2, 3, 4, 5, 6, 7, 8], [32, 128, 512]
    gain = np.array([[-((d - (1 + 0.5 * np.log2(n))) ** 2) for d in levels] for n in sizes])
    table = optimum.leave_one_n_out(levels, sizes, gain)
    assert table["measured"].tolist() == pytest.approx([3.5, 4.5, 5.5])
    assert table["line"].tolist() == pytest.approx([3.5, 4.5, 5.5])
    assert table["constant"].tolist() == pytest.approx([5.0, 4.5, 4.0])
    assert table["nearest"].tolist() == pytest.approx([4.5, 4.5, 4.5])  # in the middle the mean of both neighbours
    steep = optimum.leave_one_n_out(levels, [1, 2, 4], [[0, 1, 0, 0, 0, 0, 0], [0] * 5 + [1, 0], [0] * 5 + [1, 0]])
    assert steep["line"].tolist() == pytest.approx([7.0, 5.0, 8.0])  # 11 is beyond the levels
    uneven = optimum.leave_one_n_out(levels, [1, 2, 8], [[0, 1, 0, 0, 0, 0, 0], [0] * 5 + [1, 0], [0] * 4 + [1, 0, 0]])
    assert uneven["nearest"].tolist() == [7.0, 3.0, 7.0]


def test_the_terms_of_the_bound_by_hand():
    got = bound.bound_terms(risk=0.5, distance2=0.08, sigma=0.1, n=50, tv=0.25, delta=0.05, c=2.0)
    assert got["kl"] == pytest.approx(4.0)
    complexity = 2 * sqrt((4 + log(20) + 2.5 * log(50) + 8) / 99)
    assert got["complexity"] == pytest.approx(complexity) and got["shift"] == 0.5
    assert got["bound"] == pytest.approx(0.5 + complexity + 0.5)
    assert bound.total_variation({"a": 0.5, "b": 0.5}, {"b": 0.75, "c": 0.25}) == pytest.approx(0.5)
    assert bound.kl_levels({"a": 0.5, "b": 0.5}, {"a": 0.25, "b": 0.75}) == pytest.approx(
        0.5 * log(2) + 0.5 * log(2 / 3)
    )
    assert bound.kl_levels({"a": 1.0}, {"b": 1.0}) == np.inf


def test_bounds_keep_the_best_sigma_and_split_delta_over_them():
    risks = {0.1: {"2": 1.0, "3": 2.0, "4": 3.0, "train": 0.4}, 1.0: {"2": 3.0, "3": 3.0, "4": 3.0, "train": 0.5}}
    rows = [("posterior", sigma, s, v) for sigma, part in risks.items() for s, v in part.items()]
    rows = pd.DataFrame(rows, columns=["who", "sigma", "slice", "nll"]).assign(
        run=0, **SPEC, **USED | {"distance2": 8.0}
    )
    (got,) = bound.bounds(rows).to_dict("records")
    terms = bound.bound_terms(0.5, 8.0, 1.0, 8, 1 / 3, 0.025)  # tested on 2, 3, 4, trained on 2, 3
    assert got["at_edge"]  # of two sigmas, both are an end
    assert got["sigma"] == 1.0 and {k: got[k] for k in terms} == pytest.approx(terms)
    assert got["observed"] == 3.0  # over the levels, without the training sample


# ---- agreement ---------------------------------------------------------------------------------------


def test_r_squared_is_against_the_identity_line():
    assert agreement.r_squared([1, 2, 3], [1, 2, 3]) == 1
    assert agreement.r_squared([1, 2, 3], [2, 3, 4]) == pytest.approx(1 - 3 / 2)
    assert agreement.r_squared([1, 2, 3], [2, 2, 2]) == 0


def test_the_fit_of_the_taylor_terms_by_hand():
    rows = pd.DataFrame(
        {"first": [-1.0, -2.0, -3.0, -4.0], "next": [-1.0, -3.0, -2.0, -4.0], "second": [-1.0, -3.0, -2.0, -4.0]}
    )
    rows = rows.assign(now=[0.0, 10.5, 10.0, 30.0], seed=0, arm="sgd", eta=0.1, length=2.0)
    (got,) = agreement.fit_quality(rows).to_dict("records")
    assert got["first"] == pytest.approx(1 - 2 / 5) and got["second"] == 1 and got["length"] == 2
    assert got["spearman"] == pytest.approx(0.8)
    assert got["pairs"] == 0  # the one pair of equal gain now is ordered the other way round


def test_correlations_by_hand():
    rows = pd.DataFrame({"order_good": [0, 1, 2, 3], "order_bad": [3, 2, 1, 0], "seed": 0})
    for target, effect in (("now", [1.0, 2, 3, 4]), ("last", [1.0, 3, 2, 4]), ("final", [4.0, 3, 2, 1])):
        rows[target], rows[f"{target}_odd"], rows[f"{target}_even"] = effect, [1, 2, 3, 4], [1, 2, 4, 3]
    rho = agreement.correlations(rows.sample(frac=1, random_state=1)).set_index(["selector", "target"])["rho"]
    assert rho["good", "now"] == pytest.approx(1) and rho["bad", "now"] == pytest.approx(-1)
    assert rho["good", "last"] == pytest.approx(0.8) and rho["bad", "final"] == pytest.approx(1)
    assert rho["reliability", "now"] == pytest.approx(2 * 0.8 / 1.8)  # Spearman-Brown
    assert rho["effect now", "final"] == pytest.approx(-1)


def test_concentration_goes_with_spread_among_selections_of_one_size():
    kinds = ["batch"] * 3 + ["random", "loss", "lhas"]
    rows = pd.DataFrame(
        {"kind": kinds, "C": [1, 2, 3, 1, 2, 3], "spread": [1, 2, 3, 30, 20, 10], "spread_gaussian": 1.0}
    )
    rows["spread_gaussian"] = [3, 2, 1, 1, 2, 3]
    both = pd.concat([rows.assign(arm="adamw"), rows.assign(arm="sgd", C=0.0)]).assign(seed=0)
    got = agreement.concentration_against_spread(both).set_index("size")
    assert got["rho"].to_dict() == pytest.approx({"batch": 1, "budget": -1})
    assert got["rho_gaussian"].to_dict() == pytest.approx({"batch": -1, "budget": -1})
