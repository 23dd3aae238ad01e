"""A run's tables against the published ones."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from lhas_utils import claims
from lhas_utils.claims import comparison
from lhas_utils.core import paths


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """A function that writes a table `t` of selectors a and b for the published run and for a `fast` one."""
    monkeypatch.setattr(paths, "data", lambda profile: tmp_path / profile)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(comparison, "PUBLISHED", ())
    row = {"selector": "a", "metric": "m", "low": 0.4, "high": 0.6, "n_seeds": 4}

    def write(**means):
        for profile, each in means.items():
            (tmp_path / profile).mkdir(exist_ok=True)
            rows = [row | {"selector": s, "mean": mean} for s, mean in zip("ab", each)]
            pd.DataFrame(rows).to_csv(tmp_path / profile / "t.csv", index=False)
        return tmp_path

    return write


def test_verify_counts_what_lies_outside(tables):
    tables(full=(0.5, 0.5), fast=(0.6, 0.9))
    table = comparison.verify("fast")
    assert table["inside"].tolist() == [True, False]  # widened by sqrt(1 + 4/4): [0.359, 0.641]
    assert table["low"].iloc[0] == pytest.approx(0.5 - 2**0.5 * 0.1)


def test_what_lies_outside_is_shown(tables, capsys):
    tables(full=(0.5, 0.5), fast=(0.6, 0.9))
    comparison.show_verify("fast")
    said = capsys.readouterr().out
    assert said.startswith("0 of 0 runs with a published spec and seed have rows equal to six digits; largest")
    assert "1 of    2 means inside the published interval" in said and "0.9" in said


@pytest.mark.parametrize("equal, told", [(3, False), (2, True)])
def test_rows_that_differ_are_explained(tables, monkeypatch, capsys, equal, told):
    tables(full=(0.5, 0.5), fast=(0.5, 0.5))
    same = pd.DataFrame({"experiment": ["t"], "runs": [3], "equal": [equal], "largest": [0.1]})
    monkeypatch.setattr(comparison, "same_runs", lambda profile: same)
    comparison.show_verify("fast")
    assert (
        "Rows differ: code that computes something else, or another make of processor, which draws"
        in capsys.readouterr().out
    ) == told


def test_a_run_without_tables_or_with_others_says_what_to_run(tables):
    folder = tables(full=(0.5, 0.5))
    with pytest.raises(ValueError, match="expected tables in fast; run `make all PROFILE=fast` first"):
        comparison.verify("fast")
    tables(fast=(0.5, 0.5))
    kept = pd.read_csv(folder / "fast/t.csv").rename(columns={"selector": "op"})
    kept.to_csv(folder / "fast/t.csv", index=False)
    with pytest.raises(ValueError, match="fast/t.csv: expected the columns selector; got op, .*; run `make all PRO"):
        comparison.verify("fast")


class Spec(NamedTuple):
    """A spec that is its seed."""

    seed: int


def rows(values: dict[int, list[float]]) -> pd.DataFrame:
    """Return rows of runs by seed: two scores each, the second under a word of its own."""
    out = [(i, seed, k, v) for i, (seed, vs) in enumerate(values.items()) for k, v in zip("xy", vs)]
    return pd.DataFrame(out, columns=["run", "seed", "split", "value"]).assign(rank=np.nan)


@pytest.mark.parametrize(
    "mine, equal, largest",
    [
        ([0.1234564, 2.0], 1, 0.0),  # six digits, as they are published
        ([0.12346, 2.0], 0, 0.000004),
        ([0.123456, 1.5], 0, 0.5),
        ([np.nan, 2.0], 0, np.inf),
        ([0.123456], 0, np.inf),  # a row is missing
    ],
)
def test_runs_with_a_published_spec_are_compared_row_by_row(monkeypatch, mine, equal, largest):
    """Seeds 0 and 1 are published and planned here, 1 is not computed yet, 7 is not of the published plan."""
    plans = {"full": [0, 1], "fast": [0, 1, 7]}
    for name, value in {
        "PUBLISHED": ("t", "not there"),
        "is_published": lambda name: name == "t",
        "specs": lambda name, profile: [Spec(s) for s in plans[profile]],
        "missing": lambda specs: [s for s in specs if s.seed == 1],
        "results": lambda specs: rows({s.seed: mine for s in specs}),
        "published": lambda name: rows({1: [5.0, 5.0], 0: [0.123456, 2.0]}),
        "columns": lambda s: {"seed": s.seed, "rank": None, "never published": 1},
    }.items():
        monkeypatch.setattr(comparison, name, value)
    assert comparison.same_runs("fast").to_dict("records") == [
        {"experiment": "t", "runs": 1, "equal": equal, "largest": pytest.approx(largest)}
    ]


def test_another_draw_is_judged_beside_the_published_verdicts_and_leaves_them(tmp_path, monkeypatch, capsys):
    told = claims.published_verdicts().iloc[:4].assign(verdict=["REPRODUCED", "INCONCLUSIVE", "PARTLY", "PARTLY"])
    first, second, *_ = told.index
    monkeypatch.setattr(comparison, "published_verdicts", lambda: told)
    monkeypatch.setattr(paths, "data", lambda profile: tmp_path)
    asked = []

    def verdicts(profile, ids):
        asked.append((profile, ids))
        own = told.assign(verdict=["CONTRADICTED", "REPRODUCED", "PARTLY", "PARTLY"]).reset_index()
        return own, None

    monkeypatch.setattr(comparison, "verdicts", verdicts)
    monkeypatch.setattr(comparison, "processor", lambda: "Some CPU")
    comparison.redraw()
    which = f"{first} CONTRADICTED, published REPRODUCED; {second} REPRODUCED, published INCONCLUSIVE"
    between = "1 of them between REPRODUCED and CONTRADICTED"
    assert capsys.readouterr().out == f"Some CPU: 2 of 4 verdicts differ ({which}); {between}.\n"
    ((profile, ids),) = asked
    assert profile == "full" and {claims.get(c)["experiment"] for c in ids} == {"table1", "branch"}
    assert [f.name for f in tmp_path.iterdir()] == ["redrawn.csv"]
    told.reset_index().assign(processor="Z80").to_csv(tmp_path / "redrawn.csv", index=False)
    assert comparison.redrawn() == "Z80: 0 of 4 verdicts differ; none of them between REPRODUCED and CONTRADICTED."


def test_the_other_draw_is_of_the_claims_of_today():
    other = pd.read_csv(paths.data("full") / "redrawn.csv", index_col="id")
    asked = [c for c, entry in claims.contract().items() if entry.get("experiment") in comparison.REDRAWN]
    assert other.index.to_list() == asked
    published = claims.published_verdicts().loc[asked]
    assert (other["n_seeds"] == published["n_seeds"]).all()
    assert (other["effect"] != published["effect"]).mean() > 0.9
