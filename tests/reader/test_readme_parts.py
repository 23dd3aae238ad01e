"""The README says what the published run says."""

import pandas as pd
import pytest

from lhas_utils.core import paths
from lhas_utils.reader import readme

README = (paths.ROOT / "README.md").read_text()


def test_generated_parts_of_the_readme_are_those_of_the_published_run():
    assert readme.readme(README) == README


def test_a_missing_marker_is_named():
    with pytest.raises(ValueError, match="generated: claims"):
        readme.readme(README.replace("<!-- generated: claims -->", ""))


def test_the_readme_says_whose_code_computed_the_published_rows(monkeypatch):
    made = pd.DataFrame(
        {
            "experiment": ["table1", "local", "bands", "orders"],
            "runs": [3, 2, 1, 0],
            "same_code": [True, False, True, False],
            "same_specs": [True, False, False, False],
        }
    )
    monkeypatch.setattr(readme, "provenance", lambda: made)
    assert readme.made_by() == (
        "Published rows of 3 of 4 experiments, 6 runs; computed by the code as it is today: `table1`; computed by "
        "older code: `local`; computed for other specifications than today's: `bands`; not published: `orders`."
    )


def test_writing_twice_changes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    stale = README.replace("<!-- generated: summary -->\n", "<!-- generated: summary -->\nold\n")
    (tmp_path / "README.md").write_text(stale)
    monkeypatch.setattr(readme, "GENERATED", {"summary": readme.summary})
    readme.write_readme()
    assert capsys.readouterr().out == "README.md: generated parts renewed\n"
    assert (tmp_path / "README.md").read_text() == README
    readme.write_readme()
    assert capsys.readouterr().out == ""
