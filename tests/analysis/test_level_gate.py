"""The gate of the difficulty study on made-up rows whose rises are known."""

import numpy as np
import pandas as pd
import pytest

from lhas_utils.analysis import difficulty_gate, level_gate

LEVELS = (3, 4, 5)
PAIRS = [("sort", "weak"), ("sort", "strong"), ("cumsum", "weak")]
SPEC = {"skill": "sort", "base": "weak", "loss": "sft", "lr": 0.1, "match": "steps", "trim": "none"}
USED = {
    "examples": 8,
    "updates": 2,
    "tokens_seen": 9,
    "tokens_distinct": 9,
    "distance2": 0.5,
    "accuracy": 0.0,
    "nll": 1.0,
}


def rows_of(own, before=(0.9, 0.2, 0.0), seeds=(0, 1, 2), forgets=0.0) -> pd.DataFrame:
    """Return rows of runs that reach `own[level]` at the trained level, n = 64 (half of it with 8), else the base's."""
    out = []
    for seed in seeds:
        for i, d in enumerate(LEVELS):
            for n, part in ((8, 0.5), (64, 1.0)):
                base = {str(v): b for v, b in zip(LEVELS, before)} | {"1": 0.5, "2": 0.5, "train": 0.0}
                tuned = {k: b - forgets for k, b in base.items()} | {str(d): part * own[i] + 0.01 * seed}
                scores = [(w, s, e) for w, of in (("base", base), ("tuned", tuned)) for s, e in of.items()]
                table = pd.DataFrame(scores, columns=["who", "slice", "exact"])
                out.append(table.assign(run=len(out), seed=seed, d=d, n=n, **SPEC, **USED))
    return pd.concat(out, ignore_index=True)


def test_the_least_rise_counts_where_the_base_leaves_room():
    rows = rows_of((0.9, 0.4, 0.8))
    assert level_gate.own_rise(rows, "sort", "weak") == pytest.approx([0.2, 0.21, 0.22])  # level 3 is known already
    assert level_gate.best_gain(rows, "sort", "weak") == pytest.approx([0.8 / 5, 0.81 / 5, 0.82 / 5])
    (found,) = difficulty_gate(rows).to_dict("records")
    assert found["rise"] == pytest.approx(0.21) and found["gain"] == pytest.approx(0.81 / 5)
    assert found["low"] < found["gain"] < found["high"] and found["seeds"] == 3 and found["passes"]


@pytest.mark.parametrize("own, forgets", [((0.9, 0.3, 0.8), 0.0), ((0.9, 0.8, 0.1), 0.0), ((0.9, 0.5, 0.4), 0.2)])
def test_a_level_that_is_not_learnt_and_a_gain_that_is_a_loss_fail(own, forgets):
    assert not difficulty_gate(rows_of(own, forgets=forgets))["passes"].item()


def test_a_base_that_a_skill_was_not_run_with_has_no_gate():
    rows = rows_of((0.9, 0.4, 0.8))
    others = [rows.assign(run=rows["run"] + 100 * i, skill=s, base=b) for i, (s, b) in enumerate(PAIRS)]
    assert difficulty_gate(pd.concat(others))[["skill", "base"]].to_records(index=False).tolist() == PAIRS


@pytest.mark.parametrize("before, rise", [(0.79, 0.2), (0.8, 0.4)])
def test_a_base_leaves_room_up_to_four_in_five(before, rise):
    rows = rows_of((before + 0.2, 0.6, 0.8), before=(before, 0.2, 0.0))
    assert level_gate.own_rise(rows, "sort", "weak")[0] == pytest.approx(rise)


def test_a_base_that_solves_all_has_nothing_to_rise():
    rows = rows_of((1.0, 1.0, 1.0), before=(0.9, 0.9, 0.9))
    assert level_gate.own_rise(rows, "sort", "weak").tolist() == [0, 0, 0]
    assert not difficulty_gate(rows)["passes"].item()


def test_the_trained_level_and_no_other_kind_of_run_is_looked_at():
    rows = rows_of((0.9, 0.4, 0.8))
    other = rows.assign(run=rows["run"] + 1000, loss="dft", exact=0.0)
    assert np.allclose(
        level_gate.own_rise(pd.concat([other[other["who"] == "tuned"], rows]), "sort", "weak").mean(), 0.21
    )


def test_without_runs_there_is_no_gate():
    with pytest.raises(ValueError, match="difficulty_gate: expected rows of the difficulty study; got none"):
        difficulty_gate(pd.DataFrame())


def plain(rows: pd.DataFrame, **recipe) -> pd.DataFrame:
    """Return made-up rows with a recipe's columns."""
    return rows.assign(**{"base_steps": 1, "steps": 2} | recipe)


def test_what_each_cell_learns_is_a_mean_over_seeds():
    rows = plain(rows_of((0.9, 0.4, 0.8)))
    found = level_gate.learnt(rows).set_index(["n", "d"])
    assert found["seeds"].eq(3).all() and len(found) == 6
    assert found.loc[(64, 4), "rise"] == pytest.approx(0.4 + 0.01 - 0.2)
    assert found.loc[(8, 5), "rise"] == pytest.approx(0.5 * 0.8 + 0.01)
    assert found["gain"].to_numpy() == pytest.approx(found["rise"].to_numpy() / 5)  # one tested level in five


def test_levels_reach_far_enough_where_the_hardest_is_not_learnt_or_clearly_behind():
    learns, fails = (plain(rows_of((0.9, 0.8, last))) for last in (0.8, 0.2))
    (one,), (two,) = (level_gate.level_reach(rows).to_dict("records") for rows in (learns, fails))
    assert (one["n"], one["hardest"], one["reaches"]) == (8, 5, False) and one["rise"] == pytest.approx(0.41)
    assert one["behind"] == pytest.approx((0.21 - 0.41) / 5)
    assert two["reaches"] and two["rise"] == pytest.approx(0.11) and two["behind"] == pytest.approx(0.1 / 5)
    forgets = learns.copy()  # learnt at its own length, and 0.3 worse at two others
    lost = (learns["who"] == "tuned") & (learns["d"] == 5) & learns["slice"].isin(["1", "2"])
    forgets.loc[lost, "exact"] -= 0.3
    (three,) = level_gate.level_reach(forgets).to_dict("records")
    assert three["reaches"] and three["behind"] == pytest.approx((0.21 - 0.41 + 0.6) / 5) and three["rise"] > 0.15


def test_every_recipe_has_its_own_row_and_other_runs_do_not_count():
    rows = plain(rows_of((0.9, 0.4, 0.8)))
    other = plain(rows_of((0.9, 0.4, 0.8)), steps=4).assign(run=rows["run"] + 100)
    dft = rows.assign(run=rows["run"] + 200, loss="dft", exact=0.0)
    posterior = rows.assign(who="posterior", exact=np.nan)
    found = level_gate.level_reach(pd.concat([rows, other, dft, posterior, posterior]))
    assert found["steps"].tolist() == [2, 4] and found["rise"].to_numpy() == pytest.approx([0.41, 0.41])


def test_nothing_is_learnt_without_runs():
    with pytest.raises(ValueError, match="learnt: expected rows of the difficulty study; got none"):
        level_gate.learnt(pd.DataFrame())
