"""Every metric against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from lhas_utils.analysis import metrics

# Rows: base model, then after stages 1 to 3. Columns: capabilities in stage order.
R = np.array([[0.20, 0.10, 0.30], [0.50, 0.15, 0.35], [0.60, 0.70, 0.40], [0.80, 0.65, 0.75]])
PURE = np.eye(3)
MIXED = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.25, 0.25, 0.5]])


def test_own_scores_is_the_mixture_of_capability_scores():
    P = metrics.own_scores(R, MIXED)
    assert P.shape == (4, 3)
    assert P[2] == pytest.approx([0.65, 0.55, 0.525])
    assert metrics.own_scores(R, PURE) == pytest.approx(R)


def test_current_is_the_mean_over_stages_just_trained():
    assert metrics.current(R, PURE) == pytest.approx((0.50 + 0.70 + 0.75) / 3)
    assert metrics.current(R, MIXED) == pytest.approx((0.325 + 0.55 + 0.7375) / 3)


def test_immediate_utility_is_the_gain_of_each_stage():
    assert metrics.immediate_utility(R, PURE) == pytest.approx([0.30, 0.55, 0.35])
    assert metrics.immediate_utility(R, MIXED) == pytest.approx([0.325 - 0.15, 0.55 - 0.25, 0.7375 - 0.525])


@pytest.mark.parametrize(
    "steps, values, area",
    [
        ([0, 10, 20], [0.0, 1.0, 1.0], 0.75),
        ([0, 5, 30], [0.2, 0.4, 0.8], (0.3 * 5 + 0.6 * 25) / 30),
        ([0, 7], [0.3, 0.3], 0.3),
    ],
)
def test_auc_is_the_trapezoid_area_over_the_length(steps, values, area):
    assert metrics.auc(np.array(steps), np.array(values)) == pytest.approx(area)


def test_auc_does_not_depend_on_the_unit_of_the_steps():
    steps, values = np.array([0, 5, 10, 30]), np.array([0.1, 0.5, 0.4, 0.9])
    assert metrics.auc(steps * 137, values) == pytest.approx(metrics.auc(steps, values))


@pytest.mark.parametrize(
    "threshold, tokens, censored",
    [
        (0.50, 150.0, False),  # half way between 100 and 200 tokens
        (0.40, 100.0, False),  # exactly at a measurement
        (0.10, 0.0, False),  # reached before any training
        (0.61, 400.0, True),  # never reached: censored at the last measurement, not dropped
    ],
)
def test_tokens_to_threshold(threshold, tokens, censored):
    assert metrics.tokens_to_threshold([0, 100, 200, 400], [0.2, 0.4, 0.6, 0.5], threshold) == (
        pytest.approx(tokens),
        censored,
    )


def test_tokens_to_threshold_takes_the_first_crossing():
    assert metrics.tokens_to_threshold([0, 10, 20, 30], [0.0, 0.6, 0.2, 0.9], 0.5) == (pytest.approx(25 / 3), False)


@pytest.mark.parametrize(
    "definition, value", [("bwt", 0.125), ("chaudhry", -0.075), ("clipped", 0.025), ("first_minus_last", -0.125)]
)
def test_forgetting_four_definitions_of_three_numbers(definition, value):
    a = np.zeros((4, 3))
    a[1, 0], a[2, :2], a[3] = 0.50, (0.60, 0.70), (0.80, 0.65, 0.75)
    assert metrics.forgetting(a, definition) == pytest.approx(value)


def test_forgetting_default_is_chaudhry():
    assert metrics.forgetting(R) == metrics.forgetting(R, "chaudhry") == pytest.approx(-0.075)


def test_forgetting_does_not_count_scores_before_a_capability_was_trained():
    zero_shot = R.copy()
    zero_shot[0, 0] = zero_shot[1, 1] = zero_shot[0, 1] = 0.99
    assert metrics.forgetting(zero_shot) == pytest.approx(metrics.forgetting(R))


def test_forgetting_takes_the_best_earlier_score_not_the_first():
    a = [[0, 0, 0], [0.4, 0, 0], [0.9, 0.5, 0], [0.6, 0.3, 0.8]]
    assert metrics.forgetting(a) == pytest.approx(((0.9 - 0.6) + (0.5 - 0.3)) / 2)
    assert metrics.forgetting(a, "first_minus_last") == pytest.approx(((0.4 - 0.6) + (0.5 - 0.3)) / 2)


def test_forgetting_of_mixtures_uses_each_stage_own_score():
    P = metrics.own_scores(R, MIXED)  # rows 1..3: (.325, .25, .3375), (.65, .55, .525), (.725, .70, .7375)
    assert metrics.forgetting(P) == pytest.approx(((0.65 - 0.725) + (0.55 - 0.70)) / 2)
    assert metrics.forgetting(P, "bwt") == pytest.approx(((0.725 - 0.325) + (0.70 - 0.55)) / 2)


def test_forgetting_of_one_stage_is_zero():
    assert metrics.forgetting([[0.1], [0.9]]) == 0.0


def test_one_stage_forgets_nothing_and_nothing_comes_later():
    rows = pd.DataFrame(
        [("mixture", 1, "a", 0, "weight", 1.0), ("ood", 0, "a", 0, "exact", 0.2), ("ood", 1, "a", 0, "exact", 0.3)]
        + [("id", t, "a", 0, "exact", v) for t, v in ((0, 0.1), (1, 0.9))],
        columns=["split", "stage", "capability", "step", "metric", "value"],
    )
    got = metrics.summarise(rows, "exact")
    assert got["current"] == 0.9 and got["forgetting"] == 0.0 == got["forward_transfer"] and got["ood"] == 0.3
    assert np.isnan(got["future_auc"]) and np.isnan(got["long_horizon"])
    alone = metrics.adaptation_tokens(rows.assign(run=0, seed=0), "exact")
    assert alone["run"].tolist() == [0] and alone["adaptation_tokens"].isna().all()


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (4, 2), (4,), (4, 3, 1)])
def test_a_score_matrix_is_one_row_longer_than_there_are_stages(shape):
    bad = np.zeros(shape)
    for call in (metrics.own_scores, metrics.current, metrics.start, metrics.immediate_utility):
        with pytest.raises(ValueError, match=r"score matrix R: expected \(T\+1\) x J for W of shape \(3, 3\)") as error:
            call(bad, PURE)
        assert str(error.value).endswith(f"got shape {shape}")
    if shape != (4, 3):
        for call in (metrics.forgetting, metrics.forward_transfer):
            with pytest.raises(ValueError, match=r"score matrix R: expected \(T\+1\) x T, a column a stage"):
                call(bad)


def test_forgetting_unknown_definition_lists_the_known_ones():
    with pytest.raises(
        ValueError, match="definition: expected chaudhry, bwt, first_minus_last or clipped; got 'mammoth'"
    ):
        metrics.forgetting(R, "mammoth")


def test_forward_transfer_is_measured_against_the_base_model():
    # capability 2 before its stage: .15 - .10; capability 3: .40 - .30
    assert metrics.forward_transfer(R) == pytest.approx((0.05 + 0.10) / 2)


def test_imbalance_is_the_population_standard_deviation():
    assert metrics.imbalance([0.2, 0.4, 0.6]) == pytest.approx(np.sqrt(0.08 / 3))
    assert metrics.imbalance([0.4, 0.4]) == 0.0


@pytest.mark.parametrize("scores, value", [([1, 1, 1, 1], 0.0), ([1, 0, 0, 0], 0.75), ([1, 3], 0.25), ([0, 0], 0.0)])
def test_gini(scores, value):
    assert metrics.gini(scores) == pytest.approx(value)


@pytest.mark.parametrize(
    "labels, value",
    [
        (list("aabb"), np.log(2)),
        (list("aaaa"), 0.0),
        (list("abcdefgh"), np.log(8)),
        (list("aaab"), -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))),
    ],
)
def test_entropy_is_in_nats(labels, value):
    assert metrics.entropy(labels) == pytest.approx(value)


def test_concentration_equals_the_top_eigenvalue_share_of_the_p_by_p_second_moment():
    g = np.random.default_rng(0).normal(size=(5, 12)) * np.arange(1, 6)[:, None]
    second_moment = g.T @ g / len(g)
    direct = np.linalg.eigvalsh(second_moment)[-1] / np.trace(second_moment)
    assert metrics.concentration(g @ g.T) == pytest.approx(direct, rel=1e-9)
    unit = g / np.linalg.norm(g, axis=1, keepdims=True)
    assert metrics.concentration(g @ g.T, normalise=True) == pytest.approx(
        np.linalg.eigvalsh(unit.T @ unit)[-1] / 5, rel=1e-9
    )


def test_concentration_limits():
    one_direction = np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert metrics.concentration(one_direction) == pytest.approx(1.0)
    assert metrics.concentration(np.diag([9.0, 1.0])) == pytest.approx(0.9)
    assert metrics.concentration(np.diag([9.0, 1.0]), normalise=True) == pytest.approx(0.5)


def test_concentration_raw_value_depends_on_norms_and_the_normalised_one_does_not():
    g = np.random.default_rng(1).normal(size=(4, 9))
    loud = g * np.array([[100.0], [1], [1], [1]])
    assert metrics.concentration(loud @ loud.T) > 0.99 > metrics.concentration(g @ g.T)
    assert metrics.concentration(loud @ loud.T, normalise=True) == pytest.approx(
        metrics.concentration(g @ g.T, normalise=True)
    )


@pytest.mark.parametrize(
    "updates, value",
    [
        ([[1.0, 0.0], [2.0, 0.0]], 0.0),
        ([[1.0, 0.0], [0.0, 3.0]], 1.0),
        ([[1.0, 0.0], [-1.0, 0.0]], 2.0),
        ([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], 1 - np.sqrt(0.5)),  # against the sum of the earlier two
    ],
)
def test_drift(updates, value):
    assert metrics.drift([torch.tensor(u) for u in updates]) == pytest.approx(value)


def test_drift_of_the_first_stage_is_not_a_number():
    assert np.isnan(metrics.drift([torch.ones(3)]))


# Current of Table 1 and the long-horizon scores of Table 3 at 25 %, as printed in arXiv:2605.30537;
# order: Random, Loss, Gradient, Diversity, Quality, Utility-div., LHAS.
PRINTED_NOW = [58.2, 61.9, 62.4, 59.5, 61.1, 62.0, 61.4]
PRINTED_LONG = {
    10: [0.54, 0.47, 0.45, 0.57, 0.49, 0.58, 0.62],
    25: [0.59, 0.51, 0.50, 0.62, 0.54, 0.64, 0.69],
    50: [0.63, 0.56, 0.55, 0.65, 0.58, 0.67, 0.71],
}


@pytest.mark.parametrize("budget", PRINTED_LONG)
def test_myopia_gap_of_the_printed_tables(budget):
    assert metrics.myopia_gap(PRINTED_NOW, PRINTED_LONG[budget]) == pytest.approx(18 / 7 / 6)


@pytest.mark.parametrize(
    "now, long, gap",
    [([1, 2, 3], [10, 20, 30], 0.0), ([1, 2, 3], [3, 2, 1], 4 / 3 / 2), ([1, 1, 3], [1, 2, 3], (0.5 + 0.5) / 3 / 2)],
)
def test_myopia_gap_by_hand(now, long, gap):
    assert metrics.myopia_gap(now, long) == pytest.approx(gap)


def test_long_horizon_utility_is_eq_2_with_means():
    final, forgetting = (0.80 + 0.65 + 0.75) / 3, -0.075
    assert metrics.long_horizon_utility(R, PURE, [0.5, 0.7], 0.4) == pytest.approx(final + 0.6 - forgetting + 0.4)
    assert metrics.long_horizon_utility(R, PURE, [0.5, 0.7], 0.4, alpha=2, beta=3, gamma=0) == pytest.approx(
        final + 2 * 0.6 - 3 * forgetting
    )


def tidy_rows(W=PURE) -> pd.DataFrame:
    names = ("c", "a", "b")  # not in alphabetical order, on purpose
    rows = [("mixture", t + 1, names[j], 0, "weight", W[t, j]) for t in range(3) for j in range(3)]
    for metric, scores in (("accuracy", R), ("nll", 3 - 2 * R)):
        rows += [("id", t, names[j], 0, metric, scores[t, j]) for t in range(4) for j in range(3)]
        rows += [("ood", t, names[j], 0, metric, scores[t, j] / 2) for t in (0, 3) for j in range(3)]
        for stage, curve in ((1, (0.1, 0.5, 0.7)), (2, (0.2, 0.2, 0.6))):
            rows += [("probe", stage, names[stage], step, metric, v) for step, v in zip((0, 10, 20), curve)]
    for stage in (1, 2):
        rows += [("probe", stage, names[stage], step, "tokens", 7 * step) for step in (0, 10, 20)]
    rows += [("diagnostic", t, names[t - 1], 0, "entropy", float(t)) for t in (1, 2, 3)]
    return pd.DataFrame(rows, columns=["split", "stage", "capability", "step", "metric", "value"])


def test_matrix_keeps_the_stage_order_of_the_capabilities():
    table = metrics.matrix(tidy_rows())
    assert list(table.columns) == ["c", "a", "b"]
    assert list(table.index) == [0, 1, 2, 3]
    assert table.to_numpy() == pytest.approx(R)
    assert list(metrics.matrix(tidy_rows(), capabilities=["b", "c"]).columns) == ["b", "c"]


def test_probe_curves_are_per_stage_with_their_tokens():
    curves = metrics.probe_curves(tidy_rows())
    assert list(curves) == [1, 2]
    assert curves[1].to_dict("list") == {"step": [0, 10, 20], "tokens": [0, 70, 140], "value": [0.1, 0.5, 0.7]}


def test_summarise_reports_every_metric_of_a_run():
    got = metrics.summarise(tidy_rows())
    auc_2, auc_3 = (0.1 / 2 + 0.5 + 0.7 / 2) / 2, (0.2 / 2 + 0.2 + 0.6 / 2) / 2
    expected = {
        "current": 0.65,
        "start": 0.25,
        "immediate_utility": 0.40,
        "future_auc": (auc_2 + auc_3) / 2,
        "future_auc_minus_start": (auc_2 + auc_3) / 2 - 0.15,
        "forgetting": -0.075,
        "bwt": 0.125,
        "first_minus_last": -0.125,
        "ood": (0.80 + 0.65 + 0.75) / 6,
        "worst_task": 0.65,
        "final_average": 2.2 / 3,
        "capability_imbalance": np.std([0.80, 0.65, 0.75]),
        "gini": 2 * (0.15 + 0.05 + 0.10) / (2 * 9 * 2.2 / 3),
        "forward_transfer": 0.075,
        "long_horizon": 2.2 / 3 + (auc_2 + auc_3) / 2 + 0.075 + 2.2 / 6,
        "entropy": 2.0,
    }
    assert {k: got[k] for k in expected} == pytest.approx(expected)


def test_summarise_takes_the_mixtures_from_the_rows_whatever_their_order():
    rows = tidy_rows(MIXED)
    assert metrics.mixtures(rows).to_numpy() == pytest.approx(MIXED)
    for table in (rows, rows[::-1], pd.concat([rows[9:], rows[:9][::-1]])):
        got = metrics.summarise(table)
        assert got["current"] == pytest.approx(metrics.current(R, MIXED))
        assert got["forgetting"] == pytest.approx(metrics.forgetting(metrics.own_scores(R, MIXED)))


def test_rows_of_an_older_version_are_named():
    rows = tidy_rows()
    with pytest.raises(ValueError, match="expected the split `mixture` .*; got diagnostic, id, ood, probe; compute"):
        metrics.summarise(rows[rows["split"] != "mixture"])


def test_rows_of_several_runs_are_no_matrix():
    with pytest.raises(ValueError, match="accuracy of id: expected 4 stages x 3 values of capability; got 24 rows"):
        metrics.matrix(pd.concat([tidy_rows(), tidy_rows()]))


def test_summarise_without_probes_says_not_a_number():
    rows = tidy_rows()
    got = metrics.summarise(rows[rows["split"] != "probe"])
    assert np.isnan(got["future_auc"])
    assert got["current"] == pytest.approx(0.65)


def test_summarise_turns_the_sign_of_a_loss_so_that_higher_is_better():
    nll, accuracy = metrics.summarise(tidy_rows(), metric="nll"), metrics.summarise(tidy_rows())
    assert nll["worst_task"] == pytest.approx(2 * 0.65 - 3)
    for name in ("forgetting", "bwt", "immediate_utility", "forward_transfer"):  # the NLL is 3 - 2 accuracy
        assert nll[name] == pytest.approx(2 * accuracy[name])


def test_inputs_are_left_as_they_were():
    rows, matrix, mixtures = tidy_rows(), R.copy(), MIXED.copy()
    for definition in ("chaudhry", "bwt", "clipped", "first_minus_last"):
        metrics.forgetting(matrix, definition)
    metrics.forward_transfer(matrix)
    metrics.long_horizon_utility(matrix, mixtures, [0.5], 0.5)
    metrics.summarise(rows)
    gram = np.diag([4.0, 1.0])
    metrics.concentration(gram, normalise=True)
    updates = [torch.ones(2), torch.ones(2)]
    metrics.drift(updates)
    assert (matrix == R).all() and (mixtures == MIXED).all() and (gram == np.diag([4.0, 1.0])).all()
    assert all((u == 1).all() for u in updates)
    pd.testing.assert_frame_equal(rows, tidy_rows())


def test_adaptation_tokens_by_hand():
    """Two runs of one seed: half-way they score .4 and .2, so both must reach .3."""
    rows = []
    for run, scores in ((0, (0.0, 0.4, 0.8)), (1, (0.0, 0.2, 0.25))):
        for step, value in zip((0, 10, 20), scores):
            rows += [
                ("probe", 1, "b", step, "accuracy", value, run, 0),
                ("probe", 1, "b", step, "tokens", 10 * step, run, 0),
            ]
    table = metrics.adaptation_tokens(
        pd.DataFrame(rows, columns=["split", "stage", "capability", "step", "metric", "value", "run", "seed"])
    )
    assert table.to_dict("list") == {
        "run": [0, 1],
        "adaptation_tokens": [pytest.approx(75), 200.0],
        "censored": [0.0, 1.0],
    }
