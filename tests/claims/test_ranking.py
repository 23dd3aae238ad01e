"""Checks of the first paper's claims on tables whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from lhas_utils.analysis import metrics
from lhas_utils.claims import ranking
from lhas_utils.studies import SCORED, TARGETS


def runs(values: dict, **more) -> pd.DataFrame:
    """Return runs with the current score and U_long per (label, seed) from {label: [(now, later) per seed]}."""
    rows = [(label, seed, *pair) for label, pairs in values.items() for seed, pair in enumerate(pairs)]
    return pd.DataFrame(rows, columns=["selector", "seed", ranking.NOW, ranking.LATER]).assign(
        **{ranking.EQ1: 0.0} | more
    )


def use(monkeypatch, **tables):
    monkeypatch.setattr(ranking, "runs", lambda name, profile, metric: tables[name])


@pytest.mark.parametrize("later, share", [(-1, 0.5), (1, -0.5)])
def test_reversal_is_the_rule_counts_settings(monkeypatch, later, share):
    one = {"alignment": [(1, later)] * 3, "random": [(0, 0)] * 3}
    table = pd.concat([runs(one, alignment=a, precursors=0.2, noise=0.1, budget=0.25) for a in (0.0, 1.0)])
    use(monkeypatch, regimes=table)
    (found,) = ranking.reversal_is_the_rule("full")
    assert (found["effect"], found["n_seeds"]) == (share, 3)


def test_a_profile_without_the_map_has_no_effect(monkeypatch):
    none = pd.DataFrame()
    use(monkeypatch, regimes=none, sensitivity=none, table1=runs({"a": [(0, 0)]}), budgets=none)
    assert ranking.reversal_is_the_rule("fast") == [] == ranking.weights_matter_little("fast")
    assert ranking.gap_largest_at_ten("fast") == ranking.order_keeps_over_budgets("fast") == []


def test_settings_of_one_distribution_are_counted_once(monkeypatch):
    """No precursors where all stages are one: those three settings are one, and one of two settings reverses."""
    one = {"alignment": [(1, -1)] * 3, "random": [(0, 0)] * 3}
    other = {"alignment": [(1, 1)] * 3, "random": [(0, 0)] * 3}
    same = {"noise": 0.1, "budget": 0.25}
    again = [runs(one, alignment=1.0, precursors=share, **same) for share in (0.0, 0.2, 0.6)]
    use(monkeypatch, regimes=pd.concat([*again, runs(other, alignment=0.0, precursors=0.2, **same)]))
    assert ranking.reversal_is_the_rule("full")[0]["effect"] == 0


def test_weights_matter_little_judges_the_mean_of_each_change(monkeypatch):
    changed = pd.concat(
        [
            runs({"lhas": [(0, 0.53)] * 3}, params="a=1"),
            runs({"lhas": [(0, 0.49)] * 3}, params="a=3"),
            runs({"lhas": [(0, 0.0)] * 3}, params=""),
        ]
    )
    use(monkeypatch, sensitivity=changed, table1=runs({"lhas": [(0, 0.5)] * 3, "random": [(0, 9.0)] * 3}))
    for metric, most in (("exact", 0.05), ("nll", 0.125), ("accuracy", 0.05)):
        found = ranking.weights_matter_little("full", metric)
        assert [e["effect"] for e in found] == pytest.approx([most - 0.03, most - 0.01])


@pytest.mark.parametrize("at_ten, expected", [((3, 2, 1), 1.0), ((1, 2, 3), 0.0)])
def test_the_gap_at_ten_per_cent_is_compared_seed_by_seed(monkeypatch, at_ten, expected):
    """At 25 and 50 % both rankings agree (gap 0); at 10 % they are turned round (gap 1 of three) or agree, too."""

    def at(budget, later):
        values = {name: [(0, value)] * 3 for name, value in zip("abc", later)}
        return runs(values, budget=budget).assign(**{ranking.EQ1: lambda t: t["selector"].map(dict(a=1, b=2, c=3))})

    use(monkeypatch, table1=at(0.25, (1, 2, 3)), budgets=pd.concat([at(0.1, at_ten), at(0.5, (1, 2, 3))]))
    found = ranking.gap_largest_at_ten("full")
    gap = metrics.myopia_gap([1, 2, 3], at_ten)
    assert gap == pytest.approx(expected * 2 / 3)
    assert [e["effect"] for e in found] == pytest.approx([gap, gap]) and found[0]["n_seeds"] == 3


def test_the_order_over_budgets_is_compared_seed_by_seed(monkeypatch):
    """10 % against 25 %: the same order; against 50 %: turned round in one seed of two. Rows in any order."""

    def at(budget, *later):
        return runs({name: [(0, one[i]) for one in later] for i, name in enumerate("abc")}, budget=budget)

    budgets = pd.concat([at(0.1, (1, 2, 3), (1, 2, 3)), at(0.5, (1, 2, 3), (3, 2, 1))]).sample(frac=1, random_state=0)
    use(monkeypatch, table1=at(0.25, (4, 5, 6), (4, 5, 6)), budgets=budgets)
    assert [e["effect"] for e in ranking.order_keeps_over_budgets("full")] == [1, 0]


def test_a_selector_that_did_not_run_at_every_budget_is_left_out(monkeypatch):
    """Of a, aa, b, c the second ran at 25 % only; without it the orders are the same."""

    def at(budget, **later):
        values = {name: [(0, value)] * 2 for name, value in later.items()}
        return runs(values, budget=budget).assign(**{ranking.EQ1: lambda t: t[ranking.LATER]})

    few = pd.concat([at(0.1, a=1, b=2, c=3), at(0.5, a=1, b=2, c=3), at(1.0, a=3, b=2, c=1)])
    use(monkeypatch, table1=at(0.25, a=1, aa=9, b=2, c=3), budgets=few)
    assert [e["effect"] for e in ranking.order_keeps_over_budgets("full")] == [1, 1]
    assert [e["effect"] for e in ranking.gap_largest_at_ten("full")] == [0, 0]


def test_statistics_are_taken_seed_by_seed(monkeypatch):
    """Means over seeds would agree (tau_b 1); seed 0 agrees, seed 1 is turned round, so that the mean is 0."""
    table = runs({"a": [(1, 10), (3, 1)], "b": [(2, 20), (2, 2)], "c": [(3, 30), (1, 3)]})
    use(monkeypatch, table1=table)
    found = ranking.negative_kendall("full")
    assert (found["effect"], found["n_seeds"], found["p"]) == (0, 2, 1.0)


def test_rankings_that_agree_in_all_seeds_may_agree_by_chance(monkeypatch):
    """Three selectors in one order, now and later, in twelve seeds: 1 of 6 orders does that by chance."""
    same = runs({name: [(i, i)] * 12 for i, name in enumerate("abc")}).assign(**{ranking.EQ1: lambda t: t[ranking.NOW]})
    use(monkeypatch, table1=same, branch=same.assign(now=same[ranking.NOW], later=same[ranking.LATER]))
    monkeypatch.setattr(ranking, "TABLE1", ("a", "b", "c"))
    for check in (ranking.negative_kendall, ranking.branched_rankings_disagree):
        found = check("full")
        assert (found["effect"], found["high"]) == (-1, -1) and found["p"] == pytest.approx(2 / 6)
    assert ranking.gap_above_chance("full")["p"] == pytest.approx(2 / 6)


def test_pearson_is_that_of_numpy_and_0_without_spread():
    a, b = np.random.default_rng(0).normal(size=(2, 4, 5))
    assert ranking._pearson(a, b) == pytest.approx([np.corrcoef(x, y)[0, 1] for x, y in zip(a, b)])
    assert ranking._pearson(np.ones(3), b[0, :3]) == 0


def test_what_a_weight_moves_up_in_one_seed_and_down_in_another_is_no_mean_change(monkeypatch):
    changed = pd.concat(
        [runs({"lhas": [(0, 0.53), (0, 0.47)]}, params="a=1"), runs({"lhas": [(0, 0.5)] * 2}, params="")]
    )
    use(monkeypatch, sensitivity=changed, table1=runs({"lhas": [(0, 0.5)] * 2}))
    assert ranking.weights_matter_little("full")[0]["effect"] == pytest.approx(0.05)


def test_a_seed_without_spread_counts_as_no_relation(monkeypatch):
    rows = [(s, seed, 0.1 * i, 0.2 * i * seed) for seed in (0, 1, 2) for i, s in enumerate("abc")]
    use(monkeypatch, table1=pd.DataFrame(rows, columns=["selector", "seed", "concentration", "forgetting"]))
    found = ranking.concentration_forgetting("full")
    assert (found["effect"], found["n_seeds"]) == (pytest.approx(2 / 3), 3)
    use(monkeypatch, table1=runs({"a": [(1, 1), (1, 0)], "b": [(1, 2), (2, -1)]}))
    assert ranking.negative_kendall("full")["effect"] == (0 + 1) / 2


def test_best_band_differs_chooses_on_the_other_seeds(monkeypatch):
    bands = [
        runs({"difficulty_band": pairs}, params=p)
        for p, pairs in (("centre=0.25", [(1, 0.1)] * 3), ("centre=0.75", [(0, 0.4)] * 3))
    ]
    use(monkeypatch, bands=pd.concat(bands))
    assert ranking.best_band_differs("full")["effect"] == pytest.approx(0.3)
    same = [
        runs({"difficulty_band": pairs}, params=p)
        for p, pairs in (("centre=0.25", [(1, 0.5)] * 3), ("centre=0.75", [(0, 0.4)] * 3))
    ]
    use(monkeypatch, bands=pd.concat(same))
    assert ranking.best_band_differs("full")["effect"] == 0


def test_scores_against_true_effects(monkeypatch):
    rng = np.random.default_rng(0)

    def one(seed):
        g = pd.DataFrame({f"order_{name}": rng.permutation(30) for name in SCORED}).assign(seed=seed)
        for target in TARGETS:
            g[target] = g[f"{target}_odd"] = g[f"{target}_even"] = rng.normal(size=30)
        g["order_alignment"], g["order_lhas"] = g["now"].rank(), g["final"].rank()
        return g

    monkeypatch.setattr(ranking, "experiment", lambda name, profile: pd.concat([one(s) for s in range(4)]))
    assert ranking.alignment_knows_now("full")[0]["effect"] == 1
    assert ranking.alignment_knows_later_less("full")[0]["low"] > 0.5
    assert all(e["low"] > 0.5 for e in ranking.lhas_knows_later("full"))
