"""The published rows have the form of computed ones, and say by which code they were made."""

import gzip
from importlib import import_module

import pandas as pd
import pytest
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from lhas_utils.core import paths
from lhas_utils.runs import (
    EXPERIMENTS,
    NOTEBOOKS,
    PUBLISHED,
    experiment,
    is_published,
    pool,
    provenance,
    publish_rows,
    published,
    results,
    specs,
    to_csv,
)
from lhas_utils.studies import DifficultySpec

provenance_module = import_module("lhas_utils.runs.provenance")
THERE = [name for name in PUBLISHED if is_published(name)]


def kind(spec) -> tuple:
    """Runs of one kind have the same columns; with `draws`, those of the difficulty study have a `sigma`."""
    return (type(spec), bool(spec.draws) if isinstance(spec, DifficultySpec) else type(spec.world))


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """The rows of one small run of each kind, by the kind of the published specs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "CACHE", tmp_path_factory.mktemp("cache"))
        patch.setattr(paths, "MODELS", tmp_path_factory.mktemp("models"))
        patch.setattr(pool, "run", lambda job, jobs, *_: [job(*arguments) for arguments in jobs])
        first = {kind(specs(name, "smoke")[0]): specs(name, "smoke")[0] for name in THERE}
        yield {key: results([spec]) for key, spec in first.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", THERE)
def test_published_rows_have_the_form_of_computed_ones(computed, name):
    rows, like = published(name), computed[kind(specs(name, "full")[0])]
    assert list(rows.columns) == list(like.columns)
    for column in rows:
        if rows[column].isna().all() or like[column].isna().all():
            continue
        for same in (is_numeric_dtype, is_bool_dtype):
            assert same(rows[column]) == same(like[column]), (column, rows[column].dtype, like[column].dtype)


@pytest.mark.parametrize("name", THERE)
def test_published_runs_are_those_that_the_full_profile_asks_for(name):
    rows, grid = published(name), specs(name, "full")
    assert list(dict.fromkeys(rows["run"])) == list(range(len(grid)))
    assert rows["run"].is_monotonic_increasing
    for field in ("seed", "selector", "params", "budget", "d", "n", "base", "skill"):
        if field in rows and hasattr(grid[0], field):
            of_run = rows.groupby("run")[field].agg(["nunique", "first"])
            asked = [getattr(s, field) for s in grid]
            asked = [", ".join(f"{k}={v}" for k, v in p) for p in asked] if field == "params" else asked
            assert (of_run["nunique"] == 1).all() and of_run["first"].tolist() == asked, field
    made = pd.read_csv(paths.data("full") / "runs.csv").set_index("experiment").loc[name]
    assert (made["runs"], made["seeds"]) == (len(grid), len({s.seed for s in grid}))


def test_the_file_of_what_made_them_lists_the_published_rows_and_no_others():
    assert pd.read_csv(paths.data("full") / "runs.csv")["experiment"].to_list() == THERE
    assert {f.name for f in paths.data("full").glob("runs_*.csv.gz")} == {f"runs_{name}.csv.gz" for name in THERE}


def test_what_is_published_is_what_the_notebooks_read():
    assert set(PUBLISHED) == {e for names in NOTEBOOKS.values() for e in names} <= set(EXPERIMENTS)
    pd.testing.assert_frame_equal(experiment("table1", "published"), published("table1"))
    with pytest.raises(ValueError, match="experiment: expected one of branch, .*; got 'nothing'"):
        experiment("nothing", "published")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder in place of `figures/data`."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "data", lambda profile: tmp_path / "figures")
    (tmp_path / "figures").mkdir()
    return tmp_path / "figures"


ROWS = pd.DataFrame(
    {
        "split": ["id", "probe"],
        "value": [1 / 3, float("nan")],
        "run": [0, 1],
        "seed": [0, 1],
        "params": ["", "a=1"],
        "trim": "none",
        "slice": ["3", "train"],
        "clean": [True, False],
    }
)


def test_rows_come_back_as_they_were_but_for_digits(folder, monkeypatch):
    import_module("lhas_utils.runs.published").save_rows("table1", ROWS)
    back = published("table1")
    assert list(back.columns) == list(ROWS.columns)
    assert back["value"].iloc[0] == pytest.approx(1 / 3, abs=1e-6) and back["value"].isna().tolist() == [False, True]
    for column in ("run", "seed", "params", "trim", "slice", "clean"):
        assert back[column].tolist() == ROWS[column].tolist(), column
    once = (folder / "runs_table1.csv.gz").read_bytes()
    import_module("lhas_utils.runs.published").save_rows("table1", ROWS)
    assert (folder / "runs_table1.csv.gz").read_bytes() == once  # no time of writing in it


def test_an_older_layout_is_told_in_one_sentence(folder):
    old = ROWS.drop(columns="run").to_csv(index=False).encode()
    (folder / "runs_table1.csv.gz").write_bytes(gzip.compress(old))
    with pytest.raises(ValueError) as error:
        published("table1")
    said = str(error.value)
    assert said.startswith("published rows of table1: expected") and "older layout" in said and "\n" not in said
    assert "split, value, seed, params" in said and said.endswith("`make all PROFILE=full` computes and writes them")


def test_a_missing_file_is_told_in_one_sentence(folder):
    with pytest.raises(ValueError) as error:
        published("table1")
    said = str(error.value)
    assert "expected figures/runs_table1.csv.gz; there is none" in said and "\n" not in said
    assert said.endswith("`make all PROFILE=full` computes and writes them")


def test_publishing_writes_rows_and_what_made_them(folder, monkeypatch):
    monkeypatch.setattr(provenance_module, "PUBLISHED", ("table1", "others"))
    asked = []
    monkeypatch.setattr(provenance_module, "results", lambda grid: asked.append(grid) or ROWS.assign(profile="full"))
    publish_rows()
    assert set(published("others")["profile"]) == {"full"}
    assert asked == [specs(name, "full") for name in ("table1", "others")]
    made = pd.read_csv(folder / "runs.csv")
    assert made["experiment"].tolist() == ["table1", "others"]
    assert made["runs"].tolist() == [len(specs(name, "full")) for name in ("table1", "others")]
    assert made[["specs", "code"]].map(len).eq(16).all().all()
    told = provenance()
    assert told[["same_specs", "same_code"]].all().all() and told["runs"].tolist() == made["runs"].tolist()


def test_rows_of_other_code_are_told_apart(folder, monkeypatch):
    monkeypatch.setattr(provenance_module, "PUBLISHED", ("table1", "others", "difficulty"))
    today = provenance_module.today()
    today.loc[0, "code"], today.loc[1, "specs"] = "0" * 16, "1" * 16
    (folder / "runs.csv").write_text(to_csv(today.iloc[:2]))
    told = provenance().set_index("experiment")
    assert told["same_code"].tolist() == [False, True, False]
    assert told["same_specs"].tolist() == [True, False, False]
    assert told["runs"].tolist() == [*today["runs"][:2], 0]
    assert told.loc["table1", "code"] == "0" * 16


@pytest.fixture
def older(folder, monkeypatch):
    """Rows of `table1` and `others`, made by other code than today's; a function that says what today's computes."""
    monkeypatch.setattr(provenance_module, "PUBLISHED", ("table1", "others"))
    rows = {name: len(specs(name, "full")) for name in ("table1", "others")}
    rows = {
        n: pd.DataFrame({"run": range(k), "value": [i / 3 for i in range(k)], "blank": ""}) for n, k in rows.items()
    }
    for name, own in rows.items():
        import_module("lhas_utils.runs.published").save_rows(name, own)
    today = provenance_module.today().assign(code="0" * 16)
    (folder / "runs.csv").write_text(to_csv(today))

    def computed(change):
        def results(grid):
            name = "table1" if grid[0] in specs("table1", "full") else "others"
            i = specs(name, "full").index(grid[0])
            return rows[name].iloc[[i]].drop(columns="blank").assign(run=0, value=change(name, i))

        monkeypatch.setattr(provenance_module, "results", results)
        monkeypatch.setattr(provenance_module, "fill", lambda grid: None)

    return computed


def test_rows_of_older_code_are_confirmed_by_one_run_of_each_selector(older, capsys):
    asked = []
    older(lambda name, i: asked.append((name, i)) or i / 3 * (1 + 1e-9))
    provenance_module.confirm()
    told = provenance().set_index("experiment")
    assert told["still"].all() and not told["same_code"].any()
    grids = {name: specs(name, "full") for name in told.index}
    kinds = {name: {s.selector: i for i, s in reversed(list(enumerate(grid)))} for name, grid in grids.items()}
    assert sorted(asked) == sorted((name, i) for name, own in kinds.items() for i in own.values())
    assert told["again"].tolist() == [len(own) for own in kinds.values()]
    assert f"table1: {len(kinds['table1'])} runs computed again, equal" in capsys.readouterr().out
    provenance_module.confirm(["others"])  # asked for by name: once more


def test_rows_that_differ_are_named_and_nothing_is_confirmed(older):
    older(lambda name, i: i / 3 + (1e-3 if i == 1 else 0))
    with pytest.raises(ValueError, match=r"confirm table1: expected the published rows again; .* \(run 1, value\)"):
        provenance_module.confirm()
    assert not provenance()["still"].any()


def test_more_rows_or_other_columns_are_named():
    one = pd.DataFrame({"run": [0], "value": [1.0], "blank": [""]})
    apart = provenance_module._apart
    assert apart(one, one.drop(columns="blank").assign(run=7)) == []
    assert apart(one, one.assign(nll=2.0)) == ["nll"]
    assert apart(one, pd.concat([one, one])) == ["2 rows where 1 are published"]


def test_rows_of_other_specs_cannot_be_confirmed(older, folder):
    told = pd.read_csv(folder / "runs.csv", dtype=str).assign(specs="1" * 16)
    (folder / "runs.csv").write_text(to_csv(told))
    with pytest.raises(ValueError, match="confirm table1: expected published rows of today's specs; got others"):
        provenance_module.confirm()


def test_a_table_of_other_columns_is_refused(folder):
    (folder / "runs.csv").write_text("experiment,runs\ntable1,3\n")
    with pytest.raises(
        ValueError,
        match="runs.csv: expected the columns experiment, runs, seeds, specs, code, confirmed, again; got exp",
    ):
        provenance()


def test_nothing_published_is_no_error(folder, monkeypatch):
    monkeypatch.setattr(provenance_module, "PUBLISHED", ("table1",))
    told = provenance()
    assert told["runs"].tolist() == [0] and not told[["same_specs", "same_code"]].any().any()


def test_text_of_a_table_has_six_digits_and_unix_lines():
    assert to_csv(pd.DataFrame({"a": [1 / 3, 2], "b": ["x", "y"]})) == "a,b\n0.333333,x\n2,y\n"
