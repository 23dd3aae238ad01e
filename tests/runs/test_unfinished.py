"""An experiment of several sittings: finished runs go from machine to machine, and what comes out is the same."""

import numpy as np
import pandas as pd
import pytest

from lhas_utils.core import Checkpoint, paths
from lhas_utils.runs import LLM, cache, is_published, kept, missing, pool, results, specs, to_csv
from lhas_utils.runs.published import read_rows
from lhas_utils.runs.unfinished import drop, finish
from lhas_utils.studies import STUDIES, RunSpec

GRID = [RunSpec(selector, seed) for selector in ("random", "loss") for seed in range(3)]


def one_by_one(job, jobs, title, each=None):
    for arguments in jobs:
        job(*arguments)
        if each:
            each()


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Call it for a new machine: an empty cache, and the project's own files as they are."""
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setattr(paths, "data", lambda profile: data)
    monkeypatch.setattr(pool, "run", one_by_one)

    def another(name):
        monkeypatch.setattr(paths, "CACHE", tmp_path / name)

    another("first")
    return another


@pytest.fixture
def calls(machine, monkeypatch):
    """The runs computed here, one by one; two in, the power fails."""
    done, code = [], {"digest": "of today", "power": 2}

    def execute(spec, selectors):
        if len(done) == code["power"]:
            raise KeyboardInterrupt
        done.append(spec)
        third = [spec.seed / 3, np.nan] if spec.selector == "loss" else [1.0, 2.0]
        return pd.DataFrame({"metric": ["a", "b"], "value": third, "slice": ["", "none"], "clean": [True, False]}), None

    monkeypatch.setitem(STUDIES, RunSpec, execute)
    monkeypatch.setattr(cache, "_engine", lambda *parts: code["digest"])
    monkeypatch.setattr(cache, "prepare", lambda spec: None)
    return done, code


def test_a_sitting_goes_on_where_another_machine_stopped(machine, calls, capsys):
    done, code = calls
    with pytest.raises(KeyboardInterrupt):
        finish("table1", GRID)
    assert kept("table1", GRID) == 2
    machine("second")
    code["power"] = 5
    with pytest.raises(KeyboardInterrupt):
        finish("table1", GRID)
    assert done == GRID[:5] and kept("table1", GRID) == 5
    assert capsys.readouterr().out.splitlines() == ["table1: 6 runs, 6 to compute", "table1: 6 runs, 4 to compute"]
    machine("third")
    code["power"] = 99
    rows = finish("table1", GRID)
    assert done == GRID and missing(GRID) == []
    drop("table1")
    machine("whole")
    at_once = results(GRID)
    assert len(done) == 12 and to_csv(rows) == to_csv(at_once)
    assert kept("table1", GRID) == 0


def test_what_older_code_or_another_spec_computed_is_not_taken(machine, calls):
    done, code = calls
    code["power"] = 99
    finish("table1", GRID[:2])
    machine("second")
    assert kept("table1", GRID) == 2 and kept("table1", GRID[2:]) == 0
    code["digest"] = "changed"
    assert kept("table1", GRID) == 0
    finish("table1", GRID[:3])
    assert done == GRID[:2] + GRID[:3] and kept("table1", GRID) == 3


def test_a_model_s_folder_is_another_one_on_another_machine(machine, calls):
    done, _ = calls
    here, there = ([RunSpec("random", 0, model=Checkpoint(f"/{where}/gemma", "f"))] for where in ("here", "there"))
    finish("table1", here)
    machine("second")
    finish("table1", there)
    assert done == here
    assert kept("table1", [RunSpec("random", 0, model=Checkpoint("/here/gemma", "of another day"))]) == 0


def test_what_is_kept_is_no_published_experiment(machine, calls):
    finish("table1", GRID[:2])
    assert not is_published("table1")
    file = paths.data("full") / "unfinished_table1.csv.gz"
    assert read_rows(file)["key"].nunique() == 2
    drop("table1")
    drop("table1")
    assert not file.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", LLM[:3])
def test_kept_runs_of_the_real_model_are_published_as_computed_ones_are(machine, monkeypatch, name):
    grid = specs(name, "smoke")
    rows = to_csv(finish(name, grid))
    machine("second")
    monkeypatch.setattr(pool, "run", lambda *args: pytest.fail("computed again"))
    assert to_csv(finish(name, grid)) == rows
