"""One row a run, from rows made here and from the published ones."""

from importlib import import_module

import pandas as pd
import pytest

from lhas_utils import analysis
from lhas_utils.core import columns, paths
from lhas_utils.runs import published
from lhas_utils.studies import RunSpec

module = import_module("lhas_utils.analysis.summary")


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Published rows of eight runs, four seeds of two selectors."""
    table = published("table1")
    return table[table["selector"].isin(["random", "alignment"]) & (table["seed"] < 104)]


def test_table1_can_be_recomputed_from_the_published_rows():
    """Ten lines of pandas: the current score of every selector from R[t, j] alone."""
    rows = pd.read_csv(paths.data("full") / "runs_table1.csv.gz")
    R = rows[(rows["split"] == "id") & (rows["metric"] == "exact")]
    skills = list(dict.fromkeys(R["capability"]))
    own = R[R["stage"] == R["capability"].map({s: t + 1 for t, s in enumerate(skills)})]
    current = own.groupby("selector")["value"].mean()
    table = pd.read_csv(paths.data("full") / "table1.csv")
    published = table[table["metric"] == "current"].set_index("selector")["mean"]
    assert current.loc[published.index].to_numpy() == pytest.approx(published.to_numpy(), abs=1e-5)


@pytest.mark.parametrize("metric", ["accuracy", "exact", "nll"])
def test_a_run_is_summarised_from_its_own_rows_alone(rows, metric):
    table = analysis.summary(rows, metric).set_index("run")
    spec = rows.drop_duplicates("run").set_index("run")
    for run, one in rows.groupby("run"):
        for name, value in analysis.metrics.summarise(one, metric).items():
            assert table.loc[run, name] == pytest.approx(value, nan_ok=True), name
        assert (
            table.loc[run, ["selector", "seed", "budget"]].to_list()
            == spec.loc[run, ["selector", "seed", "budget"]].to_list()
        )


def test_no_metric_has_the_name_of_a_setting(rows):
    one = rows[rows["run"] == rows["run"].iloc[0]]
    assert not set(analysis.metrics.summarise(one)) & set(columns(RunSpec("random", 0)))


def test_the_order_of_the_rows_does_not_matter(rows):
    mixed = analysis.summary(rows.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(mixed, analysis.summary(rows), check_like=True)


def test_rows_of_an_older_layout_are_named(rows):
    with pytest.raises(ValueError, match="rows: expected the columns run; got split, .*; `make all PROFILE=full` pub"):
        analysis.summary(rows.drop(columns="run"))


def test_runs_are_kept_and_handed_out_as_copies(rows, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "_rows", lambda name, profile: asked.append(name) or rows)
    module._kept.cache_clear()
    first = analysis.runs("table1", "fast")
    first["selector"] = "mine"
    assert set(analysis.runs("table1", "fast")["selector"]) == {"random", "alignment"} and asked == ["table1"]
    module._kept.cache_clear()


def test_runs_are_in_exact_match_unless_another_score_is_asked_for(rows, monkeypatch):
    monkeypatch.setattr(module, "_rows", lambda name, profile: rows)
    module._kept.cache_clear()
    default, *each = (analysis.runs("table1", "fast", *m) for m in ((), ("exact",), ("nll",), ("accuracy",)))
    for found, metric in zip(each, ("exact", "nll", "accuracy")):
        pd.testing.assert_frame_equal(found, analysis.summary(rows, metric))
    pd.testing.assert_frame_equal(default, each[0])
    module._kept.cache_clear()


@pytest.mark.parametrize("metric", ["accuracy", "exact", "nll"])
def test_the_current_score_is_the_start_plus_the_immediate_utility(rows, metric):
    table = analysis.summary(rows, metric)
    assert (table["start"] + table["immediate_utility"]).to_numpy() == pytest.approx(table["current"].to_numpy())


def test_real_text_is_summarised_in_accuracy_and_in_nats(rows):
    table = analysis.text_summary(rows)
    nll = analysis.summary(rows, "nll")
    assert (table["forgetting_nll"] == nll["forgetting"]).all()  # a rise of the NLL
    for name in ("current", "future_auc", "ood"):
        assert (table[f"{name}_nll"] == -nll[name]).all()  # lower is better
        assert (table[name] == analysis.summary(rows, "accuracy")[name]).all()
    assert set(analysis.text_table(table)["metric"]) >= {"current", "ood_nll", "entropy"}
    text = analysis.against_random(table)
    assert text.index.to_list() == ["alignment"] and text.columns.to_list() == ["current_nll", "future_auc_nll"]
    d = table.pivot(index="seed", columns="selector", values="current_nll")
    assert text.loc["alignment", "current_nll"].startswith(f"{(d['alignment'] - d['random']).mean():+.3f} [")


def test_an_unknown_metric_is_named(rows):
    with pytest.raises(ValueError, match="metric: expected one of exact, nll, accuracy; got 'mae'"):
        analysis.summary(rows, "mae")
