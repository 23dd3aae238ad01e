"""The published verdicts come out of the published rows again."""

from importlib import import_module

import pandas as pd
import pytest

from lhas_utils import claims
from lhas_utils.core import paths

judge = import_module("lhas_utils.claims.judge")


def test_every_claim_has_a_published_verdict():
    table = claims.published_verdicts()
    assert list(table.index) == list(claims.contract())
    assert set(table["verdict"]) <= set(claims.VERDICTS)


def test_every_part_of_every_claim_is_published():
    parts = pd.read_csv(paths.data("full") / "claim_parts.csv")
    assert list(parts) == claims.PARTS
    for claim, each in parts.groupby("id", sort=False)["verdict"]:
        assert claims.combine(each.to_list()) == claims.published_verdicts().loc[claim, "verdict"], claim


@pytest.mark.parametrize("claim", ["C25", "E01", "T04", "Q05", "X01", "D08", "D25"])
def test_a_verdict_comes_out_of_the_published_rows_again(claim):
    table, parts = claims.verdicts("published", [claim])
    for name, judged in (("claims.csv", table.round(4)), ("claim_parts.csv", parts.round(6))):
        kept = [x for x in (paths.data("full") / name).read_text().splitlines() if x.startswith(claim)]
        assert judged.to_csv(index=False).splitlines()[1:] == kept


@pytest.mark.slow
def test_all_verdicts_come_out_of_the_published_rows_again(capsys):
    assert claims.rejudge() == 0, capsys.readouterr().out
    assert "Equal to the published verdicts" in capsys.readouterr().out


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Two claims, published in an empty folder: a list of the two tables that judging gives from now on."""
    monkeypatch.setattr(paths, "data", lambda profile: tmp_path)
    table = pd.DataFrame([("Z1", "PARTLY", "e", 0.1, 0.0, 0.2, 5, "full", "")] * 2, columns=claims.COLUMNS)
    parts = pd.DataFrame([["Z1", "e", "m", 0.1, 0.0, 0.2, 0.5, 0.5, 5, 0.1, "PARTLY"]], columns=claims.PARTS)
    tables = [table, parts]
    monkeypatch.setattr(judge, "verdicts", lambda profile: tables)
    claims.publish()
    return tables


def test_judging_again_finds_the_same(judged, capsys):
    assert claims.rejudge() == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "2 claims: 2 PARTLY.",
        "Equal to the published verdicts, every effect and interval included.",
    ]


def test_judging_again_names_what_differs(judged, tmp_path, capsys):
    judged[0].loc[1, "high"] = 0.3
    assert claims.rejudge() == 1
    said = capsys.readouterr().out
    assert "--- claims.csv, published\n+++ claims.csv, judged again" in said
    assert "-Z1,PARTLY,e,0.1,0.0,0.2,5,full,\n+Z1,PARTLY,e,0.1,0.0,0.3,5,full," in said
    judged[0] = judged[0].iloc[:1]
    assert claims.rejudge() == 1
    assert "-Z1,PARTLY,e,0.1,0.0,0.2,5,full," in capsys.readouterr().out
    (tmp_path / "claim_parts.csv").unlink()
    assert claims.rejudge() == 1 and "+Z1,e,m,0.1,0.0,0.2,0.5,0.5,5,0.1,PARTLY" in capsys.readouterr().out


def test_verdicts_of_an_older_layout_are_named(judged, tmp_path):
    (tmp_path / "claims.csv").write_text("id,verdict\nZ1,PARTLY\n")
    with pytest.raises(
        ValueError, match="claims.csv: expected the columns id, verdict, part.*; got id, verdict; `make"
    ):
        claims.published_verdicts()
