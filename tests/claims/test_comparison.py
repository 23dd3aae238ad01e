"""A run's tables against the published ones."""

import pandas as pd
import pytest

from lhas_utils.claims import comparison
from lhas_utils.core import paths


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """A function that writes a table `t` of selectors a and b for the published run and for a `fast` one."""
    monkeypatch.setattr(paths, "data", lambda profile: tmp_path / profile)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
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
    assert "1 of    2 means inside the published interval" in said and "0.9" in said


def test_a_run_without_tables_or_with_others_says_what_to_run(tables):
    folder = tables(full=(0.5, 0.5))
    with pytest.raises(ValueError, match="expected tables in fast; run `make all PROFILE=fast` first"):
        comparison.verify("fast")
    tables(fast=(0.5, 0.5))
    kept = pd.read_csv(folder / "fast/t.csv").rename(columns={"selector": "op"})
    kept.to_csv(folder / "fast/t.csv", index=False)
    with pytest.raises(ValueError, match="fast/t.csv: expected the columns selector; got op, .*; run `make all PRO"):
        comparison.verify("fast")
