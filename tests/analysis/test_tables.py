"""Tables of intervals on disk, and as evidence beside the published ones."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lhas_utils import analysis
from lhas_utils.core import paths


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty place for the data of every profile."""
    monkeypatch.setattr(paths, "data", lambda profile: tmp_path / profile)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    return tmp_path


def runs(shift: float = 0.0, seeds: int = 4) -> pd.DataFrame:
    rows = [
        {"selector": s, "budget": b, "seed": seed, "m": shift + seed / 10 + b}
        for s in ("a", "b")
        for b in (0.1, 0.5)
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


def evidence(profile, table):
    return analysis.evidence(table, "t", ["m"], ["selector", "budget"], SimpleNamespace(profile=profile))


def test_the_full_run_writes_what_it_shows(folder):
    table, said = evidence("full", runs())
    assert said == "t: 4 intervals from this run, profile full"
    assert list(table) == ["selector", "budget", "metric", "mean", "low", "high", "n_seeds"]
    assert table["budget"].to_list() == ["0.1", "0.5"] * 2 and table["mean"].iloc[0] == pytest.approx(0.25)
    kept = pd.read_csv(folder / "full/t.csv", dtype={"budget": str})
    pd.testing.assert_frame_equal(kept, table, check_dtype=False, rtol=1e-5)


def test_a_small_run_shows_the_published_table_and_says_how_far_it_agrees(folder):
    evidence("full", runs())
    table, said = evidence("fast", runs(seeds=2))
    assert (table["n_seeds"] == 4).all()
    inside = "4 means inside the published interval, widened for this run's seeds"
    assert said == f"t: published run, 4 seeds; of this run's slice of 2 seed(s) 4 of {inside}"
    assert f"0 of {inside}" in evidence("fast", runs(shift=5.0))[1]
    assert evidence("fast", pd.DataFrame())[1] == "t: published run, 4 seeds"


def test_a_mean_is_inside_by_the_rule_of_verify_and_not_because_it_is_near(folder):
    """Four seeds 0, .1, .2, .3: half-width .205; for four seeds more, .205 sqrt(2) = .29 to each side."""
    evidence("full", runs())
    for shift, counted in ((0.28, 4), (0.30, 0), (-0.30, 0)):
        assert f" {counted} of 4 means inside" in evidence("fast", runs(shift))[1]


def test_the_published_interval_is_widened_for_the_seeds_of_the_run():
    row = {"name": "a", "mean": 0.5, "low": 0.4, "high": 0.6, "n_seeds": 4}
    published = pd.DataFrame([row, row | {"name": "b", "mean": np.nan}, row | {"name": "c", "low": 0.5, "high": 0.5}])
    own = pd.DataFrame([("a", 0.67, 2), ("b", 0.5, 2), ("c", 0.5000001, 2)], columns=["name", "mean", "n_seeds"])
    both = analysis.against_published(published, own, ["name"])
    assert both["name"].to_list() == ["a", "c"]  # what was not measured is not compared
    assert both[["low", "high"]].iloc[0].to_list() == pytest.approx([0.5 - 0.1 * 3**0.5, 0.5 + 0.1 * 3**0.5])
    assert both["inside"].all()  # .5000001 is .5 in the six digits that are published


def test_whose_numbers_are_shown():
    spec = SimpleNamespace(model=SimpleNamespace(name="/somewhere/gemma-3-tiny"), seed=0)
    other = SimpleNamespace(model=SimpleNamespace(name="owner/small"), seed=1)
    nothing = pd.DataFrame()
    assert analysis.whose(nothing, [spec, spec]) == "gemma-3-tiny (a small stand-in made here, 1 seed)"
    assert analysis.whose(nothing, [spec, other]).endswith("made here, 2 seeds)")
    assert analysis.whose(nothing, [other]) == "small (this run, 1 seed)"
    assert analysis.whose(pd.DataFrame({"seed": [1, 1, 2]}), [spec]) == "Gemma 3 270M (published, 2 seeds)"


def test_before_anything_is_published_a_small_run_shows_its_own(folder):
    table, said = evidence("fast", runs(seeds=2))
    assert len(table) == 4 and said == "t: 4 intervals from this run, profile fast"
    assert evidence("smoke", pd.DataFrame())[0].empty


def test_a_published_table_of_an_older_layout_is_named(folder):
    evidence("full", runs())
    old = pd.read_csv(folder / "full/t.csv").rename(columns={"budget": "share"})
    old.to_csv(folder / "full/t.csv", index=False)
    with pytest.raises(ValueError, match="full/t.csv: expected the columns budget; got selector, share, .*; `make all"):
        evidence("fast", runs())


def test_minus_random_keeps_the_order_of_the_conditions():
    rows = [(s, b, "m", v) for b, v in (("50 %", 0.1), ("10 %", 0.3)) for s in ("alignment", "random")]
    table = pd.DataFrame(rows, columns=["selector", "b", "metric", "mean"])
    table.loc[table["selector"] == "alignment", "mean"] -= 0.2
    assert analysis.minus_random(table, "b", "m") == "50 % -0.20, 10 % -0.20"
    assert analysis.minus_random(table, "b", "m", order=["10 %", "25 %", "50 %"]) == "10 % -0.20, 50 % -0.20"


def test_the_arms_of_the_baselines_have_names():
    rows = [("balanced", 80, 1), ("random", 80, 7), ("random", 0, 1), ("random", 80, 1), ("length", 80, 1)]
    table = pd.DataFrame(rows, columns=["selector", "steps", "reselect"])
    before = table.copy()
    assert analysis.arms(table)["selector"].to_list() == ["balanced", "rs2", "start", "random", "length"]
    pd.testing.assert_frame_equal(table, before)


def test_differences_are_at_the_same_seed_and_condition():
    rows = [("random", 0, "x", 1.0), ("lhas", 0, "x", 1.5), ("random", 1, "x", 2.0), ("lhas", 1, "x", 2.25)]
    rows += [("random", 0, "y", 10.0), ("lhas", 0, "y", 9.0), ("lhas", 2, "y", 9.0)]  # seed 2 has no Random
    table = pd.DataFrame(rows, columns=["selector", "seed", "score", "m"])
    both = analysis.with_differences(table, ["m"])
    as_is = both[both["minus"] == "nothing"].drop(columns="minus")
    pd.testing.assert_frame_equal(as_is, table)
    less = both[(both["minus"] == "random") & (both["selector"] == "lhas")]
    assert less[["score", "seed", "m"]].to_numpy().tolist() == [["x", 0, 0.5], ["x", 1, 0.25], ["y", 0, -1.0]]
    assert (both[(both["minus"] == "random") & (both["selector"] == "random")]["m"] == 0).all()


def test_the_condition_may_be_of_several_columns():
    rows = [(s, 0, a, b, 1.0 * (s == "lhas") + a + b) for s in ("random", "lhas") for a in (0, 1) for b in (0, 5)]
    table = pd.DataFrame(rows, columns=["selector", "seed", "a", "b", "m"])
    both = analysis.with_differences(table, ["m"], ["a", "b"])
    less = both[(both["minus"] == "random") & (both["selector"] == "lhas")]
    assert less["m"].to_list() == [1.0] * 4


def test_no_runs_have_no_differences():
    assert analysis.with_differences(pd.DataFrame(), ["m"]).empty
