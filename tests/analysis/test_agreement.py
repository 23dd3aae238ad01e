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
