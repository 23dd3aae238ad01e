"""Reports say what the published run says."""

from pathlib import Path

import pandas as pd
import pytest

from lhas_utils import claims, experiments, paths, report
from lhas_utils.config import digest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_generated_parts_of_the_readme_are_those_of_the_published_run():
    assert report.readme(README) == README


def test_a_missing_marker_is_named():
    with pytest.raises(ValueError, match="generated: claims"):
        report.readme(README.replace("<!-- generated: claims -->", ""))


def test_every_claim_has_a_published_verdict():
    table = claims.published()
    assert list(table.index) == list(claims.contract())
    assert set(table["verdict"]) <= set(claims.VERDICTS)


def test_the_published_rows_come_from_the_runs_that_the_full_profile_asks_for():
    made = pd.read_csv(ROOT / "figures/data/runs.csv").set_index("experiment")
    asked = {e for names in experiments.NOTEBOOKS.values() for e in names}
    assert set(made.index) == asked
    for name, row in made.iterrows():
        specs = experiments.EXPERIMENTS[name]("full")
        assert (row["runs"], row["specs"]) == (len(specs), digest(*specs)), f"{name}: publish again"
        rows = pd.read_csv(ROOT / f"figures/data/runs_{name}.csv.gz")
        assert rows["seed"].nunique() == row["seeds"] == len({s.seed for s in specs})


def test_publish_writes_rows_digests_and_verdicts(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "data", lambda profile: tmp_path)
    monkeypatch.setattr(experiments, "NOTEBOOKS", {"01": ("table1",), "09": ("table1",)})
    monkeypatch.setattr(
        experiments,
        "experiment",
        lambda name, profile: pd.DataFrame({"seed": [0, 1], "value": [0.5, 1.0], "run": [0, 1]}),
    )
    monkeypatch.setattr(claims, "publish", lambda profile: pd.DataFrame({"verdict": ["PARTLY"]}))
    assert report.publish("smoke")["verdict"].tolist() == ["PARTLY"]
    assert pd.read_csv(tmp_path / "runs_table1.csv.gz").to_dict("list") == {"seed": [0, 1], "value": [0.5, 1.0]}
    (row,) = pd.read_csv(tmp_path / "runs.csv").to_dict("records")
    specs = experiments.table1("smoke")
    assert (row["runs"], row["specs"]) == (len(specs), digest(*specs)) and len(row["code"]) == 16


def test_verify_counts_what_lies_outside(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "data", lambda profile: tmp_path / profile)
    row = {"selector": "a", "metric": "m", "low": 0.4, "high": 0.6, "n_seeds": 4}
    for profile, means in (("full", (0.5, 0.5)), ("fast", (0.6, 0.9))):
        (tmp_path / profile).mkdir()
        rows = [row | {"selector": s, "mean": mean} for s, mean in zip("ab", means)]
        pd.DataFrame(rows).to_csv(tmp_path / profile / "t.csv", index=False)
    table = report.verify("fast")
    assert table["inside"].tolist() == [True, False]  # widened by sqrt(1 + 4/4): [0.359, 0.641]
    assert table["low"].iloc[0] == pytest.approx(0.5 - 2**0.5 * 0.1)


def test_table1_can_be_recomputed_from_the_published_rows():
    """Ten lines of pandas: the current score of every selector from R[t, j] alone."""
    rows = pd.read_csv(ROOT / "figures/data/runs_table1.csv.gz")
    R = rows[(rows["split"] == "id") & (rows["metric"] == "accuracy")]
    skills = list(dict.fromkeys(R["capability"]))
    own = R[R["stage"] == R["capability"].map({s: t + 1 for t, s in enumerate(skills)})]
    current = own.groupby("selector")["value"].mean()
    table = pd.read_csv(ROOT / "figures/data/table1.csv")
    published = table[table["metric"] == "current"].set_index("selector")["mean"]
    assert current.loc[published.index].to_numpy() == pytest.approx(published.to_numpy(), abs=1e-5)
