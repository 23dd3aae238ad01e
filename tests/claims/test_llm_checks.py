"""The checks of the real model's claims, on tables whose answer is known."""

from itertools import product

import pandas as pd
import pytest

from lhas_utils.claims import CHECKS, contract, llm_checks, optimum_checks
from lhas_utils.runs import LLM

MINE = [name for name, function in CHECKS.items() if function.__module__ == llm_checks.__name__]


def test_every_claim_of_the_real_model_is_judged_by_its_rows_and_enough_seeds():
    mine = {name: c for name, c in contract().items() if set(c.get("experiment", "").split()) & set(LLM)}
    assert sorted(mine) == sorted([*(f"F{n:02}" for n in range(1, 17)), "F08e", "F09e", "F10e", "F16e"])
    assert all(c["seeds"] == 8 and c["notebook"] == "07" and c["tally"] == "ours" for c in mine.values())
    assert {c["check"] for c in mine.values() if "check" in c} == {
        n for n in CHECKS if CHECKS[n].__module__.endswith("llm_checks")
    }


@pytest.mark.parametrize("name", MINE)
def test_where_a_profile_leaves_the_runs_out_there_is_no_effect(name):
    assert CHECKS[name]("fast", "exact") == []


def test_gaps_and_optima_are_compared_at_the_ends(monkeypatch):
    rows = []
    for seed, n, d in product((0, 1), (8, 16), (1, 2, 3)):
        best = 1 if n == 8 else 2
        rows.append((seed, n, d, 0.1 * d * (n == 8), -0.2 * d, 2 - abs(d - best)))
    columns = ["seed", "n", "d", "generalization_exact", "extrapolation_exact", "gain_exact"]
    table = pd.DataFrame(rows, columns=columns)
    table = table.assign(skill="x", base="weak", loss="sft", match="steps", trim="none")
    monkeypatch.setattr(optimum_checks, "difficulty_runs", lambda profile, name: table)
    (falls,) = llm_checks.real_generalization_falls("full")
    assert falls["effect"] == pytest.approx(0.2) and falls["name"] == "x, smallest n - largest n"
    (hard,) = llm_checks.real_extrapolation_falls("full")
    assert hard["effect"] == pytest.approx(0.4)
    (rises,) = llm_checks.real_generalization_rises("full")
    assert rises["effect"] == pytest.approx(0.2) and rises["name"] == "x, hardest - easiest"
    cell, top = llm_checks.real_optimum_moves("full")
    assert cell["effect"] == 1 and top["effect"] == pytest.approx(1) and cell["n_seeds"] == 2
    assert llm_checks.real_generalization_falls_epochs("full") == [], "no run has equal epochs"
    apart = pd.concat([table, table.assign(skill="y", match="epochs", gain_exact=-table["gain_exact"] + 3)])
    apart.loc[apart["match"] == "epochs", ["generalization_exact", "extrapolation_exact"]] *= -2
    monkeypatch.setattr(optimum_checks, "difficulty_runs", lambda profile, name: apart)
    (falls,) = llm_checks.real_generalization_falls_epochs("full")
    assert falls["effect"] == pytest.approx(-0.4) and falls["name"] == "y, smallest n - largest n"
    (rises,) = llm_checks.real_generalization_rises_epochs("full")
    assert rises["effect"] == pytest.approx(-0.4) and rises["name"] == "y, hardest - easiest"
    (hard,) = llm_checks.real_extrapolation_falls_epochs("full")
    assert hard["effect"] == pytest.approx(-0.8)
    cell, _ = llm_checks.real_optimum_moves_epochs("full")
    assert cell["effect"] == -2 and cell["name"].startswith("y, ")
    (falls,) = llm_checks.real_generalization_falls("full")
    assert falls["effect"] == pytest.approx(0.2), "runs of equal epochs are no runs of equal steps"
    monkeypatch.setattr(optimum_checks, "difficulty_runs", lambda profile, name: table)
    table["gain_exact"] -= 9
    assert llm_checks.real_optimum_moves("full") == [], "where no level gains there is no best one"


def test_decisions_are_counted_from_one_half(monkeypatch):
    def runs(name, profile, metric):
        sign = -1 if name == "branch" else 1
        rows = [(s, k, sign * v, v) for s in range(3) for k, v in (("a", 1), ("b", 2), ("c", 3))]
        return pd.DataFrame(rows, columns=["seed", "selector", "now", "later"])

    monkeypatch.setattr(llm_checks, "runs", runs)
    now, later = llm_checks.toy_worlds_decide("full")
    assert (now["effect"], later["effect"]) == (-0.5, 0.5)
    assert [e["effect"] for e in llm_checks.small_text_decides("full")] == [0.5, 0.5]
    assert now["name"] == "SkillWorld, now: share - .5"
    assert now["p"] == later["p"] == pytest.approx(2 / 6), "three selectors in one order: a coin does that too"
