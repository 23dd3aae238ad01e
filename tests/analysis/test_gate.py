"""The gate says what a world taught, by hand-made runs."""

import numpy as np
import pandas as pd
import pytest

from lhas_utils.analysis import gate, gate_line

SKILLS = ("a", "b")


def run(number: int, R, metric: str = "exact", selector: str = "random", W=((1, 0), (0, 1))) -> pd.DataFrame:
    """Tidy rows of one run: R (T+1, J) in stage order and its mixtures W."""
    rows = [("mixture", t + 1, s, "weight", W[t][j]) for t in range(2) for j, s in enumerate(SKILLS)]
    rows += [("id", t, s, metric, R[t][j]) for t in range(3) for j, s in enumerate(SKILLS)]
    table = pd.DataFrame(rows, columns=["split", "stage", "capability", "metric", "value"])
    return table.assign(step=0, run=number, seed=number, selector=selector)


def rows(*scores, **more) -> pd.DataFrame:
    return pd.concat([run(i, R, **more) for i, R in enumerate(scores)], ignore_index=True)


def test_gains_are_over_the_base_and_not_over_the_stage_before():
    table = gate(rows([[0.1, 0.0], [0.5, 0.4], [0.3, 0.5]], [[0.1, 0.2], [0.7, 0.4], [0.3, 0.7]]))
    assert table.loc["a", ["base", "after", "gain"]].tolist() == pytest.approx([0.1, 0.6, 0.5])
    assert table.loc["b", ["base", "after", "gain"]].tolist() == pytest.approx([0.1, 0.6, 0.5])
    assert table.loc["final", "gain"] == pytest.approx(0.45 - 0.1)  # of each seed, so that the interval is a point
    assert table["passes"].all() and (table["seeds"] == 2).all()
    assert table.loc[["a", "b"], "share"].tolist() == [1, 1] and np.isnan(table.loc["final", "share"])


def test_a_stage_fails_on_its_mean_or_on_too_many_seeds():
    weak = gate(rows([[0.0, 0.0], [0.1, 0.0], [0.2, 0.9]]))
    assert weak["passes"].to_dict() == {"a": False, "b": True, "final": True}
    lucky = [[[0.0, 0.0], [0.9, 0.0], [0.9, 0.9]]] * 8 + [[[0.0, 0.0], [0.1, 0.0], [0.9, 0.9]]] * 2
    table = gate(rows(*lucky))
    assert table.loc["a", "gain"] > 0.15 and table.loc["a", "share"] == 0.8 and not table.loc["a", "passes"]


def test_a_final_average_that_fell_fails_though_every_stage_was_learnt():
    table = gate(rows([[0.6, 0.6], [0.9, 0.0], [0.0, 0.9]]))
    assert table["passes"].to_dict() == {"a": True, "b": True, "final": False}
    assert "FAILS at final;" in gate_line(table)


def test_a_fall_of_the_nll_is_a_gain():
    table = gate(rows([[2.0, 2.0], [1.5, 2.0], [1.0, 2.5]], metric="nll"), "nll", rise=0.0)
    assert table["gain"].to_dict() == pytest.approx({"a": 0.5, "b": -0.5, "final": 0.25})
    assert table["passes"].to_dict() == {"a": True, "b": False, "final": True}


def test_mixed_stages_are_weighed():
    R = [[0.0, 0.0], [0.4, 0.8], [0.4, 0.8]]
    table = gate(rows(R, W=((0.75, 0.25), (0.5, 0.5))))
    assert table.loc["a", "gain"] == pytest.approx(0.75 * 0.4 + 0.25 * 0.8)


def test_only_random_is_looked_at_and_must_be_there():
    good = rows([[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]])
    bad = run(9, [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]], selector="loss")
    assert gate(pd.concat([good, bad]))["passes"].all()
    with pytest.raises(ValueError, match="expected rows of the selector 'random'; got loss"):
        gate(bad)


def test_the_line_names_what_fails_and_every_gain():
    assert "a +0.150, " in gate_line(gate(rows([[0.0, 0.0], [0.15, 0.0], [0.5, 0.5]])), digits=3)
    passed = gate_line(gate(rows([[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]])))
    assert passed.startswith("Gate passes. Gain of Random over the base model in exact match, stage by stage: ")
    assert passed.endswith("a +0.50, b +0.50, final +0.50.")
    some = pd.concat([rows([[0.0, 0.0], [0.0, 0.0], [0.5, 0.5]]), run(7, [[0.0, 0.0], [0.5, 0.5], [0.5, 0.5]])])
    failed = gate_line(gate(some), "points")
    assert failed.startswith("Gate FAILS at a (passed by 1 of 2 seeds); there selectors may differ in the harm")
    assert "in points" in failed
