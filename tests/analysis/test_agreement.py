"""Cheap numbers against measured ones, on rows whose agreement is known."""

import numpy as np
import pandas as pd
import pytest

from lhas_utils.analysis import agreement
from lhas_utils.studies import SCORED, TARGETS


def test_r_squared_is_not_refitted():
    assert agreement.r_squared([1, 2, 3], [1, 2, 3]) == 1
    assert agreement.r_squared([1, 2, 3], [2, 2, 2]) == 0
    assert agreement.r_squared([1, 2, 3], [2, 4, 6]) == 1 - 14 / 2


def test_correlations_are_one_for_a_perfect_order_and_zero_for_no_order():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({f"order_{name}": rng.permutation(20) for name in SCORED}).assign(seed=0)
    for target in TARGETS:
        rows[target] = rows[f"{target}_odd"] = rows[f"{target}_even"] = rng.normal(size=20)
    rows["order_lhas"], rows["order_loss"], rows["order_quality"] = rows["final"].rank(), -rows["final"].rank(), 1.0
    rho = agreement.correlations(rows).set_index(["selector", "target"])["rho"]
    assert rho["lhas", "final"] == 1 and rho["loss", "final"] == -1 and rho["quality", "final"] == 0
    assert rho["reliability", "now"] == 1
    assert ("effect now", "now") not in rho.index and ("effect now", "final") in rho.index


def local_rows(kinds=("loss", "random", "random", "batch", "batch", "batch")) -> pd.DataFrame:
    """Two seeds, one arm a step: the first order is the actual change at `sgd`, and its opposite at `adamw`."""
    rng, out = np.random.default_rng(0), []
    for seed in (0, 1):
        for arm, sign in (("sgd", 1), ("adamw", -1)):
            after = rng.normal(size=len(kinds))
            g = pd.DataFrame({"kind": kinds, "next": after, "first": sign * after, "second": after, "now": 0.0})
            g = g.assign(
                C=np.arange(len(kinds)), spread=np.arange(len(kinds)) ** 2, spread_gaussian=-g.index, length=2.0
            )
            out.append(g.assign(seed=seed, arm=arm, eta=0.1))
    return pd.concat(out, ignore_index=True)


def test_fit_quality_tells_a_right_order_from_a_wrong_one():
    fits = agreement.fit_quality(local_rows()).set_index(["seed", "arm"])
    assert len(fits) == 4 and (fits["second"] == 1).all() and (fits["length"] == 2).all()
    assert (fits.loc[(slice(None), "sgd"), ["first", "spearman", "pairs"]] == 1).all().all()
    assert fits.loc[(slice(None), "adamw"), ["spearman", "pairs"]].to_numpy() == pytest.approx(np.array([[-1, 0]] * 2))


def test_concentration_is_compared_among_selections_of_one_size():
    table = agreement.concentration_against_spread(local_rows())
    assert table[["seed", "size"]].to_numpy().tolist() == [[s, k] for s in (0, 1) for k in ("batch", "budget")]
    assert table["rho"].to_list() == pytest.approx([1] * 4) and table["rho_gaussian"].to_list() == pytest.approx(
        [-1] * 4
    )


# ---- decision accuracy ---------------------------------------------------------------------------


def scored(*seeds: dict, quantity: str = "now") -> pd.DataFrame:
    """One row a seed and selector, from a selector -> value of each seed."""
    rows = [(s, name, v) for s, values in enumerate(seeds) for name, v in values.items()]
    return pd.DataFrame(rows, columns=["seed", "selector", quantity])


def test_decision_accuracy_by_hand():
    cheap = scored({"a": 3, "b": 2, "c": 1}, {"a": 1, "b": 2, "c": 0}, {"a": 3, "b": 0, "c": 0})  # means: a > b > c
    real = scored({"a": 3, "b": 2, "c": 1}, {"a": 1, "b": 2, "c": 3}, {"a": 2, "b": 2, "c": 1})
    found = agreement.decision_accuracy(cheap, real, "now")
    assert found["accuracy"].to_list() == [1, 0, pytest.approx(2.5 / 3)], "a tie counts one half"
    # the others' mean: seed 0 has a = 1.5, b = 2, c = 2; seed 1 a > b > c; seed 2 a = b = c
    assert found["others"].to_list() == pytest.approx([0.5 / 3, 0, 0.5])
    assert (found["pairs"] == 3).all() and found["seed"].to_list() == [0, 1, 2]


def test_decision_accuracy_compares_what_both_have_and_signs_alone():
    real = scored({"a": 2, "b": 1, "z": 9}, {"a": 0.5, "b": 0.1, "z": 0})
    cheap = scored({"y": 0, "a": 100, "b": -100})
    found = agreement.decision_accuracy(cheap, real, "now")
    assert (found["pairs"] == 1).all() and (found["accuracy"] == 1).all() and (found["others"] == 1).all()
    wide = cheap.assign(now=cheap["now"] / 1000)
    pd.testing.assert_frame_equal(agreement.decision_accuracy(wide, real, "now"), found)


def test_no_training_and_a_fresh_subset_every_epoch_are_no_selectors():
    """Both worlds have `start` last and `rs2` first, and disagree on the two selectors."""
    cheap, real = scored({"a": 2, "start": 0, "b": 1, "rs2": 9}), scored(*[{"start": -1, "rs2": 7, "a": 1, "b": 2}] * 2)
    found = agreement.decision_accuracy(cheap, real, "now")
    assert (found["pairs"] == 1).all() and (found["accuracy"] == 0).all() and (found["others"] == 1).all()


def test_a_pair_that_ties_but_for_rounding_counts_one_half():
    means = [0.1 + 0.2 + 0.3, 0.2 + 0.3 + 0.1]
    assert means[0] != means[1] and agreement.ordered_alike(means, [2, 1]) == 0.5


def test_decision_accuracy_says_what_it_lacks():
    one = scored({"a": 1, "b": 2})
    with pytest.raises(ValueError, match="expected two seeds of the real model; got 1"):
        agreement.decision_accuracy(one, one, "now")
    with pytest.raises(ValueError, match="expected two selectors in both worlds; got b"):
        agreement.decision_accuracy(scored({"b": 1, "c": 2}), scored({"a": 1, "b": 2}, {"a": 1, "b": 2}), "now")
