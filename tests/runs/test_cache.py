"""The run cache: one complete file a run, resumable, recomputed when damaged. No model is trained here."""

import numpy as np
import pandas as pd
import pytest

from lhas_utils.core import ModelSpec, TrainSpec, load, paths, store
from lhas_utils.runs import cache, fill, key, missing, path, pool, results
from lhas_utils.studies import STUDIES, DifficultySpec, EffectSpec, LocalSpec, RunSpec
from lhas_utils.worlds import WorldSpec

GRID = [RunSpec(selector, seed) for selector in ("random", "loss") for seed in range(3)]


class Counted:
    """Stands in for a study: remembers its calls, and may be told when to be interrupted."""

    def __init__(self):
        self.calls, self.stop_at, self.prepared = [], None, []

    def execute(self, spec, selectors):
        if len(self.calls) == self.stop_at:
            raise KeyboardInterrupt
        self.calls.append(spec)
        picks = pd.DataFrame({"stage": [1, 1], "index": [spec.seed, 9]})
        return pd.DataFrame({"metric": ["a", "b"], "value": [spec.seed + spec.budget, np.nan]}), picks


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Replace the study of `RunSpec` by one that counts, and do jobs here, one by one."""
    counted = Counted()

    def execute(spec, selectors):
        return counted.execute(spec, selectors)

    monkeypatch.setitem(STUDIES, RunSpec, execute)
    monkeypatch.setattr(cache, "_engine", lambda *parts: "the same code all the time")
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(cache, "prepare", counted.prepared.append)
    monkeypatch.setattr(pool, "run", lambda job, jobs, *_: [job(*arguments) for arguments in jobs])
    return counted


def files():
    return sorted(p.name for p in paths.CACHE.glob("*.run"))


def test_runs_are_computed_once(study):
    first = results(GRID)
    assert study.calls == GRID
    assert missing(GRID) == []
    again = results(GRID)
    assert study.calls == GRID  # nothing new
    pd.testing.assert_frame_equal(first, again)
    assert files() == sorted(f"{key(s)}{end}" for s in GRID for end in ("-picks.run", ".run"))


def test_results_carry_the_spec_of_each_run(study):
    specs = [RunSpec("lhas", 3, 0.5, (("alpha", 2.0),), WorldSpec(noise=0.3), ModelSpec(), TrainSpec(rank=4)), GRID[0]]
    out = results(specs)
    assert out.groupby("run").size().tolist() == [2, 2]
    row = out.iloc[0]
    assert (row["selector"], row["seed"], row["budget"], row["noise"], row["rank"]) == ("lhas", 3, 0.5, 0.3, 4)
    assert row["params"] == "alpha=2.0" and row["value"] == 3.5
    assert out["sequence"].tolist() == ["skill"] * 4
    assert results(specs, picks=True)["index"].tolist() == [3, 9, 0, 9]


def test_a_result_named_like_a_field_of_the_spec_is_refused(study):
    """A run's column `alignment` was once replaced by the world's alignment, without a word."""
    results(GRID[:1])
    store(path(GRID[0]), pd.DataFrame({"value": [1.0], "alignment": [3.0]}))
    with pytest.raises(ValueError, match=r"columns \['alignment'\] are fields of the spec already"):
        results(GRID[:1])


def test_only_missing_runs_are_computed(study):
    results(GRID[:2])
    assert missing(GRID) == GRID[2:]
    assert fill(GRID) == 4
    assert study.calls == GRID
    assert fill(GRID) == 0


def test_a_run_that_is_asked_for_twice_is_computed_once(study):
    out = results([GRID[0], GRID[1], GRID[0]])
    assert study.calls == GRID[:2]
    assert out["run"].tolist() == [0, 0, 1, 1, 2, 2]


def test_equal_specs_are_one_run_however_their_numbers_are_written(study):
    out = results([RunSpec("random", 0, budget=1), RunSpec("random", 0, budget=1.0)])
    assert out["value"].dropna().tolist() == [1.0, 1.0]
    assert len(study.calls) == 1


def test_base_models_come_first_and_once_a_seed(study):
    fill(GRID)
    assert [s.seed for s in study.prepared] == [0, 1, 2]


def test_an_interrupted_sweep_continues(study):
    study.stop_at = 4
    with pytest.raises(KeyboardInterrupt):
        results(GRID)
    study.stop_at = None
    results(GRID)
    assert study.calls == GRID  # each exactly once


def test_runs_of_a_killed_process_are_kept_and_the_others_computed(study):
    """What `tests/core/test_files.py` kills leaves complete files and partial ones with another name."""
    picks = pd.DataFrame({"stage": [1], "index": [7]})
    for i, spec in enumerate(GRID[:2]):
        store(path(spec, picks=True), picks)
        store(path(spec), pd.DataFrame({"metric": ["a"], "value": [float(i)]}))
    (paths.CACHE / ".partial-abc").write_bytes(b"PAR1")
    assert missing(GRID[:4]) == GRID[2:4]
    out = results(GRID[:4])
    assert study.calls == GRID[2:4]
    assert out.groupby("run")["value"].first().tolist() == [0.0, 1.0, 2.25, 0.25]  # the first two as they were written


@pytest.mark.parametrize("damage", ["truncated", "empty", "overwritten"])
def test_a_damaged_file_is_computed_again_with_a_message(study, capsys, damage):
    whole = results(GRID)
    file = path(GRID[1])
    content = file.read_bytes()
    damaged = {"truncated": content[: len(content) // 2], "empty": b"", "overwritten": b"not a table " * 50}
    file.write_bytes(damaged[damage])
    again = results(GRID)
    said = capsys.readouterr()
    pd.testing.assert_frame_equal(again, whole)
    assert study.calls == [*GRID, GRID[1]]
    assert said.err == f"cache: {file.name} is not as it was written; making it again\n"
    assert said.out == ""
    results(GRID)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("lost", [True, False])
def test_damaged_or_lost_picks_are_computed_again(study, lost):
    whole = results(GRID, picks=True)
    file = path(GRID[2], picks=True)
    file.unlink() if lost else file.write_bytes(b"PAR1")
    pd.testing.assert_frame_equal(results(GRID, picks=True), whole)
    assert study.calls == [*GRID, GRID[2]]


def test_a_damaged_run_is_missing_and_said_by_name(study, capsys):
    results(GRID)
    path(GRID[3]).write_bytes(path(GRID[4]).read_bytes())  # another run's rows under this name
    assert missing(GRID) == [GRID[3]]
    assert capsys.readouterr().err == f"cache: {path(GRID[3]).name} is not as it was written; making it again\n"


def test_rows_appear_only_after_their_picks(study, monkeypatch):
    """The rows file is the sign that a run is done, so it is written last."""
    order = []
    monkeypatch.setattr(
        cache, "store", lambda file, *args, **more: (order.append(file.name), store(file, *args, **more))
    )
    results(GRID[:1])
    assert order == [f"{key(GRID[0])}-picks.run", f"{key(GRID[0])}.run"]


def test_a_study_without_picks_writes_rows_alone(study, monkeypatch):
    monkeypatch.setitem(STUDIES, DifficultySpec, lambda spec, selectors: (pd.DataFrame({"value": [1.0]}), None))
    assert results([DifficultySpec()])["skill"].tolist() == ["sort"]
    assert files() == [f"{key(DifficultySpec())}.run"]


def test_users_get_a_copy(study):
    out = results(GRID)
    out["value"] = 0.0
    assert results(GRID)["value"].max() == 2.25


@pytest.mark.parametrize("spec", [RunSpec("lhaas", 0), RunSpec("lhas", 0, params=(("lambda", 1.0),))])
def test_an_unknown_selector_or_parameter_stops_the_grid_before_any_run(study, spec):
    """Otherwise hours of other runs end in the traceback of a worker."""
    with pytest.raises(ValueError, match="expected one of"):
        fill([*GRID, spec])
    assert study.calls == []


def test_a_study_gets_the_selectors_that_its_spec_names():
    def own(ctx, budget, *, rng):
        return np.arange(budget)

    assert list(cache.chosen(RunSpec("lhas", 0))) == ["lhas"]
    bound = cache.chosen(RunSpec("lhas", 0, params=(("alpha", 2.0),)))["lhas"]
    assert bound.keywords == {"alpha": 2.0}
    assert cache.chosen(RunSpec("mine", 0), own) == {"mine": own}
    assert list(cache.chosen(LocalSpec(0))) == list(LocalSpec(0).selectors)
    assert list(cache.chosen(EffectSpec(0))) == list(EffectSpec(0).selectors)
    assert cache.chosen(DifficultySpec()) == {}


def test_a_table_in_the_cache_is_read_as_it_is(study):
    results(GRID[:1])
    assert load(path(GRID[0])).columns.tolist() == ["metric", "value"]
