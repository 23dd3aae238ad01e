"""Statistics of paired runs, against exact enumeration where it is possible."""

from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from lhas_utils.analysis import metrics
from lhas_utils.analysis import statistics as stats

SEVEN = ("random", "loss", "gradient", "diversity", "quality", "utility_diversity", "lhas")


@pytest.fixture
def global_state():
    """The state of numpy's global generator, as something that can be compared."""

    def read():
        name, keys, *rest = np.random.get_state()
        return name, keys.tolist(), rest

    return read


def test_interval_brackets_the_mean():
    x = np.random.default_rng(0).normal(3, 1, size=12)
    mean, low, high = stats.interval(x)
    assert mean == pytest.approx(x.mean())
    assert x.min() < low < mean < high < x.max()


def test_interval_by_hand():
    # mean 2, s^2 = (4 + 0 + 1 + 1) / 3 = 2, error sqrt(2 / 4), t_3 = 3.182446
    _, low, high = stats.interval([0.0, 2.0, 3.0, 3.0])
    assert (low, high) == pytest.approx((2 - 3.182446 / 2**0.5, 2 + 3.182446 / 2**0.5), abs=1e-6)


def test_interval_gets_wider_with_its_level():
    x = np.random.default_rng(2).normal(size=10)
    _, low_50, high_50 = stats.interval(x, level=0.5)
    _, low_99, high_99 = stats.interval(x, level=0.99)
    assert low_99 < low_50 < high_50 < high_99


@pytest.mark.parametrize("x", [[0.3], [0.3, 0.3, 0.3]])
def test_interval_of_one_value_is_a_point(x):
    assert stats.interval(x) == (pytest.approx(0.3),) * 3


def test_seeds_are_honoured_and_the_global_generator_is_left_alone(global_state):
    x = np.random.default_rng(3).normal(size=8)
    before = global_state()
    assert stats.interval(x) == stats.interval(x)
    many = np.random.default_rng(4).normal(0.1, 1, size=20)  # too many for an exact test
    assert stats.sign_flip(many, seed=1) == stats.sign_flip(many, seed=1)
    assert stats.sign_flip(many, seed=1) != stats.sign_flip(many, seed=2)
    assert (stats.gap_null(7, draws=50, seed=1) == stats.gap_null(7, draws=50, seed=1)).all()
    assert (stats.gap_null(7, draws=50, seed=1) != stats.gap_null(7, draws=50, seed=2)).any()
    assert global_state() == before


def test_interval_leaves_its_input_alone():
    x = np.array([3.0, 1.0, 2.0])
    stats.interval(x)
    assert x.tolist() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize(
    "d", [[1.0, 1.0, 1.0], [0.3, -0.1, 0.4, 0.2], [0.5, 0.4, 0.3, 0.2, 0.1, 0.6], [-1.0, -2.0, -3.0]]
)
def test_sign_flip_equals_the_enumeration_of_all_signs(d):
    flips = np.array(list(product((1, -1), repeat=len(d)))) * np.array(d)
    means, observed = flips.mean(1), np.mean(d)
    greater, less = (means >= observed - 1e-12).mean(), (means <= observed + 1e-12).mean()
    assert stats.sign_flip(d) == pytest.approx(min(1, 2 * min(greater, less)))
    assert stats.sign_flip(d, alternative="greater") == pytest.approx(greater)


def test_sign_flip_needs_six_seeds_for_five_per_cent():
    five, six = stats.sign_flip(np.arange(1, 6)), stats.sign_flip(np.arange(1, 7))
    assert (five, six) == pytest.approx((2 / 2**5, 2 / 2**6))
    assert six < 0.05 < five


def test_sign_flip_of_no_difference_is_one():
    assert stats.sign_flip([0.0, 0.0, 0.0]) == pytest.approx(1.0)


def test_sign_flip_of_one_seed_decides_nothing():
    assert stats.sign_flip([0.5]) == 1.0


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_resamples_up_to_eight_are_all_of_them_as_often_as_they_come(n):
    picks, ways = stats.resamples(n)
    assert ways.sum() == n**n and len(np.unique(picks, axis=0)) == len(picks)
    if n == 2:
        assert picks.tolist() == [[0, 0], [0, 1], [1, 1]] and ways.tolist() == [1, 2, 1]
    expected = sum(w * np.bincount(p, minlength=n) for p, w in zip(picks, ways))
    assert (expected == n**n).all()  # each seed once, on average


def test_resamples_beyond_are_drawn():
    picks, weights = stats.resamples(9, seed=3)
    assert picks.shape == (stats.RESAMPLES, 9) and weights is None
    assert not (picks == stats.resamples(9, seed=4)[0]).all()


@pytest.mark.parametrize("n", [2, 5, 12])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_interval_is_the_t_interval_of_the_library(n, level):
    x = np.random.default_rng(n).normal(size=n)
    found = scipy.stats.ttest_1samp(x, 0).confidence_interval(level)
    assert stats.interval(x, level)[1:] == pytest.approx(found)


def test_an_effect_has_an_interval_and_a_p():
    x = [0.2, 0.4, 0.1, 0.3, 0.5, np.nan]
    found = stats.effect(x, "e", smallest=0.5)
    assert (found["effect"], found["low"], found["high"]) == pytest.approx(stats.interval(x[:5]))
    assert (found["n_seeds"], found["p"], found["name"], found["smallest"]) == (5, 2 / 2**5, "e", 0.5)
    with pytest.raises(ValueError, match="effect 'e': expected one number per seed; got none"):
        stats.effect([np.nan], "e")


def test_a_relation_is_taken_seed_by_seed_and_then_averaged():
    now, later = [[1, 2, 3], [3, 2, 1]], [[1, 2, 3], [1, 2, 3]]
    found = stats.related(now, later, stats.kendall, "tau_b")
    assert (found["effect"], found["n_seeds"], found["p"], found["name"]) == (0, 2, 1.0, "tau_b")
    assert stats.related([[1, 2, 3]], later, stats.kendall, "e")["effect"] == 1, "one order for all seeds"


def test_pairings_are_all_orders_of_a_few_and_drawn_ones_of_many():
    assert stats.pairings(3).tolist() == [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
    assert len(stats.pairings(8)) == 40320 and len(stats.pairings(9)) == stats.RESAMPLES + 1
    assert (stats.pairings(9)[0] == np.arange(9)).all() and (np.sort(stats.pairings(9)) == np.arange(9)).all()


def test_chance_is_that_of_scipys_permutation_test():
    a, b = np.random.default_rng(3).normal(size=(2, 1, 6))
    test = scipy.stats.permutation_test(
        (a[0],), lambda x: scipy.stats.kendalltau(x, b[0]).statistic, permutation_type="pairings", n_resamples=720
    )
    assert stats.by_chance(a, b, stats.kendall) == pytest.approx(test.pvalue)
    assert stats.by_chance(-a, b, stats.kendall) == pytest.approx(test.pvalue), "two-sided"


def test_names_are_dealt_alike_in_all_seeds():
    a = np.tile(np.arange(4.0), (5, 1))
    assert stats.by_chance(a, a, stats.kendall) == pytest.approx(2 / 24), "not (1 / 24)^5: five seeds, one order"
    two = [[1, 2, 3, 4], [1, 3, 2, 4]]
    assert stats.by_chance(two, two, stats.kendall) == pytest.approx(2 / 24), "each seed with itself"


def test_a_relation_needs_enough_seeds_and_enough_selectors():
    eight = np.tile(np.arange(8.0), (2, 1))
    assert stats.related(eight, eight, stats.kendall, "two seeds")["p"] == 0.5
    three = np.tile(np.arange(3.0), (12, 1))
    assert stats.related(three, three, stats.kendall, "three selectors")["p"] == pytest.approx(2 / 6)


def test_rankings_without_any_relation_are_seldom_called_related():
    """Of two scores of 6 selectors that have nothing to do with each other, seen in 8 seeds with a little noise."""
    rng, by_seeds, both = np.random.default_rng(0), 0, 0
    for _ in range(200):
        a, b = rng.normal(size=(2, 1, 6)) + 0.2 * rng.normal(size=(2, 8, 6))
        by_seeds += stats.sign_flip(stats.kendall(a, b)) < 0.05
        both += stats.related(a, b, stats.kendall, "tau_b")["p"] < 0.05
    assert by_seeds / 200 > 0.5 and both / 200 < 0.05


@pytest.mark.parametrize("smallest, sign", [(0.1, 1), (0.3, 1), (0.3, -1), (0.6, -1)])
def test_equivalence_is_that_of_two_one_sided_t_tests(smallest, sign):
    x = sign * np.random.default_rng(5).normal(0.05, 0.3, size=9)
    above = scipy.stats.ttest_1samp(x, -smallest, alternative="greater").pvalue
    below = scipy.stats.ttest_1samp(x, smallest, alternative="less").pvalue
    p = stats.equivalence(stats.effect(x, "e"), smallest)
    assert p == pytest.approx(max(above, below))
    _, low, high = stats.interval(x, level=0.9)
    assert (p < 0.05) == (-smallest < low and high < smallest)


@pytest.mark.parametrize("value, p", [(0.1, 0.0), (-0.1, 0.0), (0.2, 1.0), (0.3, 1.0)])
def test_equivalence_without_spread_is_certain(value, p):
    assert stats.equivalence(stats.effect([value] * 8, "e"), 0.2) == p


def test_holm_by_hand():
    # sorted .01 .02 .04 -> times 3, 2, 1 -> .03 .04 .04, monotone
    assert stats.holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert stats.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])


def test_gap_null_of_seven_selectors_equals_all_5040_rankings():
    exact = np.array([np.abs(np.array(p) - np.arange(7)).mean() / 6 for p in permutations(range(7))])
    drawn = stats.gap_null(7)
    assert exact.mean() == pytest.approx(8 / 21)
    assert drawn.mean() == pytest.approx(8 / 21, abs=0.002)
    assert (drawn.max(), exact.max()) == pytest.approx((24 / 7 / 6, 24 / 7 / 6))
    assert drawn.min() == 0.0
    for distance in range(0, 26, 2):  # the sum of the rank differences is even
        share = [(gaps.round(9) <= round(distance / 42, 9)).mean() for gaps in (drawn, exact)]
        assert share[0] == pytest.approx(share[1], abs=0.008)
    # the gap that the printed tables imply, 18/7/6, is what chance gives
    chance = [(gaps >= 18 / 42 - 1e-9).mean() for gaps in (drawn, exact)]
    assert chance == pytest.approx([0.43, 0.43], abs=0.01)


def test_gap_null_is_the_null_of_myopia_gap():
    ranks = np.random.default_rng(0).permuted(np.tile(np.arange(5), (600, 1)), axis=1)
    gaps = [metrics.myopia_gap(np.arange(5), r) for r in ranks]
    assert np.mean(gaps) == pytest.approx(stats.gap_null(5).mean(), abs=0.02)


def runs(seeds=6) -> pd.DataFrame:
    """`a` leads `b` by 0.1 now and trails it by 0.2 later, whatever the seed does to both."""
    luck = np.random.default_rng(0).normal(size=seeds)
    rows = []
    for s in range(seeds):
        for name, now, later in (("a", 0.6, 0.3), ("b", 0.5, 0.5), ("c", 0.4, 0.1)):
            rows.append({"seed": s, "selector": name, "now": now + luck[s], "later": later + luck[s]})
    return pd.DataFrame(rows)


def test_reversal_is_certain_where_every_seed_reverses():
    P = stats.reversal(runs(), "now", "later")
    assert P.loc["a", "b"] == 1.0
    assert P.loc["b", "a"] == 0.0
    assert P.loc["a", "c"] == P.loc["c", "a"] == P.loc["b", "c"] == 0.0
    assert (np.diag(P) == 0).all()


def test_reversal_is_uncertain_where_seeds_disagree():
    table = runs(2)
    table.loc[(table["selector"] == "a") & (table["seed"] == 1), "later"] += 10
    # of the resamples {00, 01, 10, 11} of two seeds, only 00 has a below b later
    assert stats.reversal(table, "now", "later").loc["a", "b"] == pytest.approx(0.25, abs=1e-12)


def test_reversal_of_ties_is_never():
    table = runs().assign(now=0.5)
    assert (stats.reversal(table, "now", "later").to_numpy() == 0).all()


def test_reversal_does_not_depend_on_the_order_of_rows():
    table = runs(5)
    noisy = table.assign(later=table["later"] + np.random.default_rng(1).normal(0, 0.2, len(table)))
    pd.testing.assert_frame_equal(
        stats.reversal(noisy, "now", "later"), stats.reversal(noisy.sample(frac=1, random_state=0), "now", "later")
    )


def test_paired_removes_what_seeds_share():
    out = stats.paired(runs(), "now", against="b")
    assert list(out.index) == ["a", "c"]
    assert out["difference"].to_dict() == pytest.approx({"a": 0.1, "c": -0.1})
    assert out.loc["a", "high"] - out.loc["a", "low"] < 1e-9  # the luck of a seed, sd 1, is gone
    assert out["p"].to_numpy() == pytest.approx([2 / 64, 2 / 64])
    assert out["p_holm"].to_numpy() == pytest.approx([4 / 64, 4 / 64])
    assert (out["n"] == 6).all()


def test_paired_uses_only_seeds_that_both_have():
    table = runs()
    out = stats.paired(table.drop(table[(table["selector"] == "c") & (table["seed"] < 2)].index), "now", against="b")
    assert out["n"].to_dict() == {"a": 6, "c": 4}


def test_paired_with_one_seed_gives_points_and_no_evidence():
    out = stats.paired(runs(1), "now", against="b")
    assert out["difference"].to_dict() == pytest.approx({"a": 0.1, "c": -0.1})
    assert (out["p"] == 1).all()


def test_paired_unknown_reference_lists_the_known_ones():
    with pytest.raises(ValueError, match="against: expected one of a, b, c; got 'random'"):
        stats.paired(runs(), "now")


def test_kendall_of_the_printed_tables():
    now, long = [58.2, 61.9, 62.4, 59.5, 61.1, 62.0, 61.4], [0.59, 0.51, 0.50, 0.62, 0.54, 0.64, 0.69]
    assert stats.kendall(now, long) == pytest.approx(-5 / 21)
    assert stats.kendall(now, now) == pytest.approx(1.0)
    assert stats.kendall([1, 2, 3], [1, 1, 2]) == pytest.approx(2 / np.sqrt(3 * 2))  # tau_b corrects for ties


@pytest.mark.parametrize("ties", [3, 100])
def test_kendall_is_that_of_the_library(ties):
    a, b = np.random.default_rng(ties).integers(ties, size=(2, 12))
    assert stats.kendall(a, b) == pytest.approx(scipy.stats.kendalltau(a, b).statistic)


def test_kendall_of_a_vector_without_order_is_not_a_number():
    assert np.isnan(stats.kendall([1, 1, 1], [1, 2, 3]))


def test_table_is_tidy_and_counts_seeds():
    out = stats.table(runs(), ["now", "later"])
    assert list(out.columns) == ["selector", "metric", "mean", "low", "high", "n_seeds"]
    assert list(zip(out["selector"], out["metric"])) == [(s, m) for s in "abc" for m in ("now", "later")]
    assert (out["low"] <= out["mean"]).all() and (out["mean"] <= out["high"]).all()
    assert (out["n_seeds"] == 6).all()
    assert out.loc[0, "mean"] == pytest.approx(runs().query("selector == 'a'")["now"].mean())


def test_table_says_not_a_number_where_nothing_was_measured():
    out = stats.table(runs().assign(drift=np.nan), ["drift"])
    assert out[["mean", "low", "high"]].isna().all().all()


def test_readable_keeps_the_order_and_shows_the_interval():
    tidy = pd.DataFrame(
        [("z", "m", 0.5, 0.4, 0.6, 3), ("a", "m", 0.25, 0.2, 0.3, 3)],
        columns=["selector", "metric", "mean", "low", "high", "n_seeds"],
    )
    text = stats.readable(tidy, digits=2)
    assert list(text.index) == ["z", "a"]
    assert text.loc["a", "m"] == "0.25 [0.20, 0.30]"


def test_bootstrap():
    one = stats.bootstrap([[1.0, 2.0]], np.max, name="top")
    assert one == {"effect": 2.0, "low": 2.0, "high": 2.0, "n_seeds": 1, "name": "top"}


@pytest.mark.parametrize("n", [3, 5, 8])
def test_bootstrap_enumerates_what_drawing_approaches(n):
    rng = np.random.default_rng(n)
    values = rng.normal(size=(n, 2))
    found = stats.bootstrap(values, lambda v: v[0] - v[1] ** 2)
    means = values[rng.integers(n, size=(200_000, n))].mean(1)
    drawn = means[:, 0] - means[:, 1] ** 2
    for end, share in (("low", 0.025), ("high", 0.975)):
        below, upto = (drawn < found[end] - 1e-9).mean(), (drawn <= found[end] + 1e-9).mean()
        assert below - 0.003 <= share <= upto + 0.003


def test_bootstrap_of_many_seeds_is_drawn_and_repeatable():
    values = np.random.default_rng(0).normal(size=(12, 1))
    first, again, other = (stats.bootstrap(values, lambda v: v[0], seed=s) for s in (0, 0, 1))
    assert first == again != other and abs(first["low"] - other["low"]) < 0.05


def test_differences_pair_by_seed_and_drop_seeds_without_a_partner():
    rows = [("lhas", 0, 1, 2), ("lhas", 1, 3, 4), ("lhas", 2, 9, 9), ("random", 0, 0, 1), ("random", 1, 1, 1)]
    table = pd.DataFrame(rows, columns=["selector", "seed", "immediate_utility", "long_horizon"])
    d = stats.differences(table[table["selector"] == "lhas"], table[table["selector"] == "random"])
    assert d["seed"].tolist() == [0, 1]
    assert d["immediate_utility"].tolist() == [1, 2] and d["long_horizon"].tolist() == [1, 3]


def test_somewhere_holds_the_largest_mean_and_finds_it():
    """One cell of 16 is better by .5, one worse by 1, the others by nothing; all of a seed share its noise."""
    rng = np.random.default_rng(0)
    d = rng.normal(0, 0.1, (8, 16)) + rng.normal(0, 0.1, (8, 1))
    d[:, 5] += 0.5
    d[:, 9] -= 1
    found = stats.somewhere(d, "x")
    assert found["effect"] == d[:, 5].mean() and found["n_seeds"] == 8
    assert found["p"] == 4 / 2**8  # as observed, and with all signs turned, where the worse cell is the better one
    assert 0 < found["low"] < 0.5 < found["high"] and found["low"] < stats.interval(d[:, 5])[1]
    lost = stats.somewhere(-1 + d - d.mean(0), "x")
    assert lost["high"] < 0 and lost["p"] == 2 / 2**8


def test_somewhere_of_one_cell_is_its_sign_flip_test():
    x = np.random.default_rng(1).normal(0.6, 1, 8)
    found = stats.somewhere(x[:, None], "x")
    assert found["p"] == pytest.approx(stats.sign_flip(x)) and found["effect"] == x.mean()
    assert stats.somewhere(-x[:, None], "x")["p"] == pytest.approx(stats.sign_flip(x))


def test_somewhere_finds_nothing_more_often_than_it_says():
    """No cell has any effect: errors of 5 % in 200 draws are 10 +- 3."""
    rng = np.random.default_rng(2)
    draws = [stats.somewhere(rng.normal(size=(8, 16)) + rng.normal(size=(8, 1)), "x") for _ in range(200)]
    wrong = sum(e["p"] < 0.05 and (e["low"] > 0 or e["high"] < 0) for e in draws)
    assert wrong <= 16
    assert sum(e["low"] <= 0 <= e["high"] for e in draws) >= 184


def test_somewhere_with_a_seed_or_with_too_many():
    assert stats.somewhere([[0.1, 0.3]], "x") == {
        "effect": 0.3,
        "low": 0.3,
        "high": 0.3,
        "n_seeds": 1,
        "p": 1,
        "name": "x",
    }
    with pytest.raises(ValueError, match="somewhere: expected at most 13 seeds, .* got 14"):
        stats.somewhere(np.zeros((14, 2)), "x")


def test_a_single_seed_has_no_interval_in_a_readable_table():
    table = stats.table(pd.DataFrame({"selector": ["a", "a", "b"], "seed": [0, 1, 0], "m": [0.0, 1.0, 0.5]}), ["m"])
    assert stats.readable(table, digits=1)["m"].to_dict() == {"a": "0.5 [-5.9, 6.9]", "b": "0.5"}
    assert stats.readable(table.drop(columns="n_seeds"), digits=1).loc["b", "m"] == "0.5 [0.5, 0.5]"
