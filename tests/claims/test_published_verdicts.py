"""The published verdicts come out of the published rows again."""

import json
from importlib import import_module

import pandas as pd
import pytest

from lhas_utils import claims
from lhas_utils.analysis import difficulty_runs, grid, runs
from lhas_utils.analysis.statistics import by_chance, interval
from lhas_utils.claims import ranking
from lhas_utils.core import paths

published = import_module("lhas_utils.claims.publish")


def test_every_claim_has_a_published_verdict():
    table = claims.published_verdicts()
    assert list(table.index) == list(claims.contract())
    assert set(table["verdict"]) <= set(claims.VERDICTS)


def test_every_part_of_every_claim_is_published():
    parts = pd.read_csv(paths.data("full") / "claim_parts.csv")
    assert list(parts) == claims.PARTS
    table = claims.published_verdicts()
    for claim, own in parts.groupby("id", sort=False):
        assert list(dict.fromkeys(own["score"])) == claims.get(claim)["metrics"], claim
        first, *_ = words = list(claims.by_metric(claim, parts).values())
        assert first == table.loc[claim, "verdict"], claim
        stands = "" if first == "NOT TESTABLE" else f"{words.count(first)} of {len(words)}"
        assert stands == table.loc[claim, "stands_on"], claim


def test_every_verdict_with_seeds_has_a_p_and_enough_seeds():
    table = claims.published_verdicts()
    decided = table[(table["n_seeds"] > 0) & (table["verdict"] != "NOT TESTABLE")]
    assert decided["p"].between(0, 1).all() and (decided["n_seeds"] >= 8).all()
    settled = decided[decided["verdict"].isin(["REPRODUCED", "EQUIVALENT", "CONTRADICTED"])]
    several = [len(claims.get(c)["metrics"]) > 1 for c in settled.index]
    assert (settled["p"] < 0.05).all() and set(settled.loc[several, "firm"]) <= {"yes", "fragile"}
    single = [c for c in table.index if len(claims.get(c).get("metrics", ())) == 1]
    assert (table.loc[single, "firm"] == "").all()
    assert (table.loc[table["verdict"].isin(["INCONCLUSIVE", "NOT TESTABLE"]), "firm"] == "").all()


def test_every_published_figure_lists_the_claims_whose_evidence_it_shows():
    for path in paths.figures("full").glob("*.json"):
        side = json.loads(path.read_text())
        assert set(claims.shown_in(side["figure"])) <= set(side["claims"]), path.name


@pytest.mark.parametrize("claim", ["C25", "C31", "T04", "Q05", "X01", "D08", "D08e", "D23"])
def test_a_verdict_comes_out_of_the_published_rows_again(claim):
    table, parts = claims.verdicts("published", [claim])
    for name, judged in (("claims.csv", table.round(4)), ("claim_parts.csv", parts.round(6))):
        kept = [x for x in (paths.data("full") / name).read_text().splitlines() if x.startswith(f"{claim},")]
        assert judged.to_csv(index=False).splitlines()[1:] == kept


@pytest.mark.slow
def test_all_verdicts_come_out_of_the_published_rows_again(capsys):
    assert claims.rejudge() == 0, capsys.readouterr().out
    assert "Equal to the published verdicts" in capsys.readouterr().out


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Two claims, published in an empty folder: a list of the two tables that judging gives from now on."""
    monkeypatch.setattr(paths, "data", lambda profile: tmp_path)
    row = ("Z1", "PARTLY", "3 of 3", "yes", "ours", "e", 0.1, 0.0, 0.2, 0.5, 5, "full", "")
    table = pd.DataFrame([row] * 2, columns=claims.COLUMNS)
    part = ["Z1", "exact", "e", "m", 0.1, 0.0, 0.2, 0.5, 0.5, 1.0, 5, 0.1, "PARTLY"]
    tables = [table, pd.DataFrame([part], columns=claims.PARTS)]
    monkeypatch.setattr(published, "verdicts", lambda profile, primary=None: tables)
    claims.publish()
    return tables


def test_judging_again_finds_the_same(judged, capsys):
    assert claims.rejudge() == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "Our own additions and controls, 2 claims: 2 PARTLY (2 firm).",
        "Equal to the published verdicts, every effect and interval included.",
    ]


def test_judging_again_names_what_differs(judged, tmp_path, capsys):
    judged[0].loc[1, "high"] = 0.3
    assert claims.rejudge() == 1
    said = capsys.readouterr().out
    assert "--- claims.csv, published\n+++ claims.csv, judged again" in said
    start = "Z1,PARTLY,3 of 3,yes,ours,e,0.1,0.0"
    assert f"-{start},0.2,0.5,5,full,\n+{start},0.3,0.5,5,full," in said
    judged[0] = judged[0].iloc[:1]
    assert claims.rejudge() == 1
    assert f"-{start},0.2,0.5,5,full," in capsys.readouterr().out
    (tmp_path / "claim_parts.csv").unlink()
    assert claims.rejudge() == 1
    assert "+Z1,exact,e,m,0.1,0.0,0.2,0.5,0.5,1.0,5,0.1,PARTLY" in capsys.readouterr().out


def test_judging_by_another_metric_counts_what_differs_and_fails_nothing(judged, monkeypatch, capsys):
    asked = []
    other = judged[0].iloc[:1].assign(verdict="CONTRADICTED")
    monkeypatch.setattr(published, "verdicts", lambda profile, primary: asked.append(primary) or (other, judged[1]))
    published.write(published.paths.data("full") / "claims.csv", judged[0].iloc[:1].to_csv(index=False))
    assert claims.rejudge("nll") == 0 and asked == ["nll"]
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "Z1    PARTLY -> CONTRADICTED",
        "By nll, 1 of 1 verdicts differ from the published ones.",
    ]
    with pytest.raises(ValueError, match="METRIC: expected one of exact, nll, accuracy; got 'bits'"):
        claims.rejudge("bits")


def test_tallies_are_three_sentences_in_one_order():
    rows = [("ours", "EQUIVALENT", "fragile"), ("papers", "REPRODUCED", "yes"), ("papers", "REPRODUCED", "fragile")]
    table = pd.DataFrame(rows, columns=["tally", "verdict", "firm"])
    assert claims.tallies(table).splitlines() == [
        "The papers' experiments, 2 claims: 2 REPRODUCED (1 firm).",
        "Our own additions and controls, 1 claims: 1 EQUIVALENT.",
    ]


def test_verdicts_of_an_older_layout_are_named(judged, tmp_path):
    (tmp_path / "claims.csv").write_text("id,verdict\nZ1,PARTLY\n")
    with pytest.raises(
        ValueError, match="claims.csv: expected the columns id, verdict, stands_on.*; got id, verdict; `make"
    ):
        claims.published_verdicts()


@pytest.mark.parametrize("metric", ["exact", "nll", "accuracy"])
def test_what_the_note_of_c29_says_of_the_selectors_but_alignment(metric):
    table = runs("table1", "published", metric).query("selector != 'alignment'")
    pearson, spearman = (
        by_chance(*ranking._scores(table.assign(**ranks), "concentration", "forgetting"), ranking._pearson)
        for ranks in ({}, {c: table.groupby("seed")[c].rank() for c in ("concentration", "forgetting")})
    )
    assert spearman < 0.05 < pearson


@pytest.mark.parametrize("metric", ["exact", "nll"])
def test_what_the_note_of_d08e_says_of_the_strong_base(metric):
    found = difficulty_runs("published")
    gap, *_ = grid(found, f"generalization_{metric}", base="strong", match="epochs")
    weak, strong = (grid(found, f"train_{metric}", base=base, match="epochs")[0] for base in ("weak", "strong"))
    assert interval(gap[:, 0, -1] - gap[:, 0, 0])[1] > 0 and interval((weak - strong)[:, 0].mean(1))[1] > 0
