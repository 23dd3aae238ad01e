"""The run cache: one complete file a run, resumable, recomputed when damaged. No model is trained here."""

import ast
import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from joblib import delayed

from lhas_utils import config, paths, sweep
from lhas_utils.config import ModelSpec, RunSpec, TrainSpec, WorldSpec

GRID = [RunSpec(selector, seed) for selector in ("random", "loss") for seed in range(3)]


@pytest.fixture
def runner(tmp_path, monkeypatch):
    """Replace the protocol by a function that counts its calls, and run jobs here, one by one."""
    calls = []

    def execute(spec, select=None):
        calls.append(spec)
        value = spec.seed + spec.budget
        picks = pd.DataFrame({"stage": [1, 1], "index": [spec.seed, 9]})
        return pd.DataFrame({"metric": ["a", "b"], "value": [value, np.nan]}), picks

    module = ModuleType("lhas_utils.counted")
    module.execute = execute
    monkeypatch.setitem(sys.modules, "lhas_utils.counted", module)
    monkeypatch.setitem(sweep.RUNNERS, "RunSpec", ("counted", sweep.RUNNERS["RunSpec"][1]))
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(sweep, "_base", lambda *args: None)
    monkeypatch.setattr(sweep, "_parallel", lambda jobs, title: [f(*a, **k) for f, a, k in jobs])
    return calls


def files():
    return sorted(p.name for p in paths.CACHE.iterdir())


def test_runs_are_computed_once(runner):
    first = sweep.results(GRID)
    assert runner == GRID
    assert sweep.missing(GRID) == []
    again = sweep.results(GRID)
    assert runner == GRID  # nothing new
    pd.testing.assert_frame_equal(first, again)
    assert files() == sorted(f"{sweep.key(s)}{end}" for s in GRID for end in (".parquet", "-picks.parquet"))


def test_results_carry_the_spec_of_each_run(runner):
    specs = [RunSpec("lhas", 3, 0.5, (("alpha", 2.0),), WorldSpec(noise=0.3), ModelSpec(), TrainSpec(rank=4)), GRID[0]]
    out = sweep.results(specs)
    assert out.groupby("run").size().tolist() == [2, 2]
    row = out.iloc[0]
    assert (row["selector"], row["seed"], row["budget"], row["noise"], row["rank"], row["params"]) == ("lhas", 3, 0.5, 0.3, 4, "alpha=2.0")
    assert row["value"] == 3.5
    assert out["sequence"].tolist() == ["skill"] * 4
    assert sweep.results(specs, picks=True)["index"].tolist() == [3, 9, 0, 9]


def test_a_result_named_like_a_field_of_the_spec_is_refused(runner):
    """A run's column `alignment` was once replaced by the world's alignment, without a word."""
    table = pd.DataFrame({"value": [1.0], "alignment": [3.0]})
    with pytest.raises(ValueError, match=r"columns \['alignment'\] are fields of the spec already"):
        sweep._labelled(table, 0, sweep.describe(GRID[0]))


def test_only_missing_runs_are_computed(runner):
    sweep.results(GRID[:2])
    assert sweep.missing(GRID) == GRID[2:]
    assert sweep.fill(GRID) == 4
    assert runner == GRID
    assert sweep.fill(GRID) == 0


def test_a_run_that_is_asked_for_twice_is_computed_once(runner):
    out = sweep.results([GRID[0], GRID[1], GRID[0]])
    assert runner == GRID[:2]
    assert out["run"].tolist() == [0, 0, 1, 1, 2, 2]


def test_equal_specs_are_one_run_however_their_numbers_are_written(runner):
    out = sweep.results([RunSpec("random", 0, budget=1), RunSpec("random", 0, budget=1.0)])
    assert out["value"].dropna().tolist() == [1.0, 1.0]


def test_an_interrupted_sweep_continues(runner, monkeypatch):
    execute = sys.modules["lhas_utils.counted"].execute

    def interrupted(spec, select=None):
        if len(runner) == 4:
            raise KeyboardInterrupt
        return execute(spec, select)

    monkeypatch.setattr(sys.modules["lhas_utils.counted"], "execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep.results(GRID)
    monkeypatch.setattr(sys.modules["lhas_utils.counted"], "execute", execute)
    sweep.results(GRID)
    assert runner == GRID  # each exactly once


KILLED = """
import os, signal, sys, types
from pathlib import Path

package = types.ModuleType("lhas_utils")  # without its public names, which take seconds to import
package.__path__ = ["lhas_utils"]
sys.modules["lhas_utils"] = package

import pandas as pd
from lhas_utils import sweep

replace, done = os.replace, []

def killed(a, b):  # the power goes out in the middle of the third write
    if len(done) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(b)
    replace(a, b)

os.replace = killed
for i in range(4):
    sweep.store(Path(sys.argv[1]) / f"{sys.argv[2 + i]}.parquet", pd.DataFrame({"metric": ["a"], "value": [float(i)]}))
"""


def test_a_killed_process_leaves_only_complete_files(runner):
    specs = GRID[:4]
    paths.CACHE.mkdir()
    keys = [sweep.key(s) for s in specs]
    root = Path(sweep.__file__).parents[1]
    ended = subprocess.run([sys.executable, "-c", KILLED, str(paths.CACHE), *keys], cwd=root, capture_output=True, text=True)
    assert ended.returncode == -9, ended.stderr
    assert [n for n in files() if n.endswith(".parquet")] == sorted(f"{k}.parquet" for k in keys[:2])
    assert sweep.missing(specs) == specs[2:]
    out = sweep.results(specs)
    assert runner == specs[2:]
    assert out.groupby("run")["value"].first().tolist() == [0.0, 1.0, 2.25, 0.25]  # the first two as the killed process wrote them


@pytest.mark.parametrize("damage", ["truncated", "empty", "overwritten"])
def test_a_damaged_file_is_computed_again_with_a_message(runner, capsys, damage):
    whole = sweep.results(GRID)
    path = paths.CACHE / f"{sweep.key(GRID[1])}.parquet"
    content = path.read_bytes()
    path.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "overwritten": b"not a table " * 50}[damage])
    again = sweep.results(GRID)
    said = capsys.readouterr()
    pd.testing.assert_frame_equal(again, whole)
    assert runner == [*GRID, GRID[1]]
    assert f"run cache: {path.name} cannot be read" in said.err and "computing it again" in said.err
    assert said.out == ""
    sweep.results(GRID)
    assert "cannot be read" not in capsys.readouterr().err


@pytest.mark.parametrize("lost", [True, False])
def test_damaged_or_lost_picks_are_computed_again(runner, lost):
    whole = sweep.results(GRID, picks=True)
    path = paths.CACHE / f"{sweep.key(GRID[2])}-picks.parquet"
    path.unlink() if lost else path.write_bytes(b"PAR1")
    pd.testing.assert_frame_equal(sweep.results(GRID, picks=True), whole)
    assert runner == [*GRID, GRID[2]]


def test_a_table_comes_back_as_it_went_in(tmp_path):
    rows = pd.DataFrame({"split": ["id", "ood"], "stage": [0, 5], "value": [0.1 + 0.2, np.nan]})
    sweep.store(tmp_path / "deep" / "x.parquet", rows, spec={"seed": 1})
    pd.testing.assert_frame_equal(sweep.load(tmp_path / "deep" / "x.parquet"), rows)
    assert sweep.load(tmp_path / "absent.parquet") is None


def test_writing_leaves_no_partial_file(tmp_path):
    rows = pd.DataFrame({"value": [1.0]})
    sweep.store(tmp_path / "x.parquet", rows)
    assert [p.name for p in tmp_path.iterdir()] == ["x.parquet"]


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(table, path):
        raise OSError("no space left on device")

    monkeypatch.setattr(sweep.pq, "write_table", full)
    with pytest.raises(OSError, match="no space left"):
        sweep.store(tmp_path / "x.parquet", pd.DataFrame({"value": [1.0]}))
    assert list(tmp_path.iterdir()) == []


def test_rows_appear_only_after_their_picks(runner, monkeypatch):
    """The rows file is the sign that a run is done, so it is written last."""
    order, store = [], sweep.store
    monkeypatch.setattr(sweep, "store", lambda path, *args, **extra: (order.append(path.name), store(path, *args, **extra)))
    sweep.results(GRID[:1])
    assert order == [f"{sweep.key(GRID[0])}-picks.parquet", f"{sweep.key(GRID[0])}.parquet"]


@pytest.mark.parametrize("change", [{"seed": 9}, {"selector": "loss"}, {"budget": 0.5}, {"world": WorldSpec(noise=0.2)}, {"train": TrainSpec(steps=81)}, {"params": (("alpha", 1.0),)}])
def test_the_key_changes_with_the_spec(change):
    assert sweep.key(GRID[0]) == sweep.key(RunSpec("random", 0))
    assert sweep.key(replace(GRID[0], **change)) != sweep.key(GRID[0])


def test_the_key_changes_with_the_source_of_an_own_selector():
    assert len({sweep.key(GRID[0]), sweep.key(GRID[0], "def mine(): 1"), sweep.key(GRID[0], "def mine(): 2")}) == 3


def key_if(monkeypatch, edits: dict):
    """Return the key as if module `name` were edited by `edits[name]`."""
    source = inspect.getsource
    with monkeypatch.context() as patch:
        patch.setattr(config.inspect, "getsource", lambda m: edits.get(m.__name__.split(".")[-1], lambda s: s)(source(m)))
        patch.setattr(sweep, "source_digest", config.source_digest.__wrapped__)
        return sweep.key(GRID[0])


def test_the_key_does_not_change_with_docstrings_and_comments(monkeypatch):
    now = key_if(monkeypatch, {})
    assert now == sweep.key(GRID[0])
    assert key_if(monkeypatch, {"protocol": lambda s: "# note\n" + s.replace("Compute one run of", "Work out one run of")}) == now


@pytest.mark.parametrize("module", ["worlds", "models", "training", "signals", "context", "selectors", "metrics", "protocol", "config"])
def test_the_key_changes_with_the_code_a_run_depends_on(monkeypatch, module):
    """`config` too: it holds the stage orders."""
    assert key_if(monkeypatch, {module: lambda s: s + "\nCHANGED = True\n"}) != key_if(monkeypatch, {})


def test_the_key_does_not_change_with_figures(monkeypatch):
    assert key_if(monkeypatch, {"plots": lambda s: s + "\nCHANGED = True\n", "stats": lambda s: s + "\nCHANGED = True\n"}) == key_if(monkeypatch, {})


@pytest.mark.parametrize("spec", [RunSpec("lhaas", 0), RunSpec("lhas", 0, params=(("lambda", 1.0),))])
def test_an_unknown_selector_or_parameter_stops_the_grid_before_any_run(runner, spec):
    """Otherwise hours of other runs end in the traceback of a worker."""
    with pytest.raises(ValueError, match="expected one of"):
        sweep.fill([*GRID, spec])
    assert runner == []


def test_jobs_really_run_in_parallel_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("LHAS_PROGRESS", "0")
    sweep._parallel([delayed(Path.touch)(tmp_path / f"{i}") for i in range(3)], "files")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1", "2"]


def imported(module: str) -> set[str]:
    """Return the modules of the package that `module` needs, directly or through others."""
    found, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        if name == "sweep":
            continue
        tree = ast.parse((Path(sweep.__file__).parent / f"{name}.py").read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                todo += [node.module] if node.module else [a.name for a in node.names]
    return found


@pytest.mark.parametrize("kind", sweep.RUNNERS)
def test_the_key_covers_every_module_a_run_imports(kind):
    """All but `paths` and `sweep` itself: where results lie, not what they are."""
    module, covered = sweep.RUNNERS[kind]
    assert imported(module) - {"paths", "sweep"} - set(covered) == set()
