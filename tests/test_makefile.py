"""The Makefile's promises, tried on a toy project with a pretended Python (no package is installed, no kernel started)."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TARGETS = "help env lock all test check lint figures claims claim verify refresh html lab bench real clean distclean".split()

# Stands in for .venv/bin/python: logs what it is asked and does what papermill would leave behind.
PRETENDED = """#!/usr/bin/env bash
echo "$*" >> calls.log
case "$*" in
  *"-m papermill"*)
    grep -q BROKEN "$3" && { cp "$3" "$4"; echo "ZeroDivisionError"; exit 1; }
    grep -q MISSPELT "$3" && echo "Passed unknown parameter: PROFILE"
    cp "$3" "$4" ;;
  *"-m lhas_utils"*) [ ! -e fail_cli ] || exit 3 ;;
esac
"""


def make(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess:
    drop = r"MAKE.*|MFLAGS|CONDA_.*|PROFILE|DATA|MODEL|ID|JOBS|LOKY_MAX_CPU_COUNT|VENV|PYTHON|ONLINE"
    clean = {k: v for k, v in os.environ.items() if not re.fullmatch(drop, k)}
    return subprocess.run(["make", *args], cwd=folder, env=clean | env, capture_output=True, text=True, timeout=60)


def calls(folder: Path, word: str) -> list[str]:
    log = folder / "calls.log"
    return [line for line in log.read_text().splitlines() if word in line] if log.exists() else []


@pytest.fixture
def toy(tmp_path) -> Path:
    for name in ("Makefile", "environment.yml", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("00_start", "03_middle", "09_claims"):
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        (tmp_path / f"notebooks/{name}.ipynb").write_text("{}")
    (tmp_path / "lhas_utils").mkdir()
    (tmp_path / "lhas_utils/__init__.py").write_text("")
    (tmp_path / "claims.yml").write_text("")
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(PRETENDED)
    python.chmod(0o755)
    shutil.copy(ROOT / "requirements.lock", tmp_path / ".venv/.ready")
    return tmp_path


def test_help_is_the_default_and_lists_every_target():
    out = make(ROOT).stdout
    listed = {line.split()[0] for line in out.splitlines() if line.startswith("  ")}
    assert set(TARGETS) - listed == set()


@pytest.mark.parametrize(
    "args, words",
    [
        (["all", "PROFILE=quick"], 'unknown PROFILE "quick": expected smoke, fast or full'),
        (["real"], "make real needs DATA"),
        (["real", "DATA=./nowhere"], 'DATA="./nowhere" does not exist'),
        (["claim"], "make claim needs ID"),
        (["17"], "no notebook 17: there are 00 03 09"),
        (["refresh", "PROFILE=full"], "PROFILE=fast"),
    ],
)
def test_nonsense_is_refused_in_one_line_before_any_work(toy, args, words):
    result = make(toy, *args)
    assert result.returncode == 2 and words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (toy / "build").exists() and not calls(toy, "-m")


def test_all_runs_everything_once_the_ledger_last_and_a_second_call_nothing(toy):
    first = make(toy, "all")
    assert first.returncode == 0, first.stderr
    assert [c.split()[1:3] for c in calls(toy, "lhas_utils")] == [["lhas_utils", "run"], ["lhas_utils", "claims"]]
    executed = [c.split()[2] for c in calls(toy, "papermill")]
    assert len(executed) == 3 and executed[-1] == "notebooks/09_claims.ipynb"
    assert "[2/3] 03_middle" in first.stdout and not list(toy.glob("build/fast/*.partial.ipynb"))

    (toy / "calls.log").unlink()
    second = make(toy, "all")
    assert second.returncode == 0 and not calls(toy, "-m")
    assert "Up to date" in second.stdout and "profile fast" in second.stdout


def test_fast_injects_no_cell_and_another_profile_does(toy):
    assert make(toy, "03").returncode == 0 and make(toy, "03", "PROFILE=smoke").returncode == 0
    fast, smoke = calls(toy, "papermill")
    assert " -p " not in fast and smoke.endswith("-p PROFILE smoke")
    assert calls(toy, "run 03 --profile fast"), "one notebook asks for its own runs only"


def test_full_publishes_its_runs_before_the_notebooks_and_no_other_profile_does(toy):
    make(toy, "all", PROFILE="full")
    order = [c for c in (toy / "calls.log").read_text().splitlines() if "lhas_utils" in c or "papermill" in c]
    assert [c.split()[2] for c in order[:2]] == ["run", "publish"] and "papermill" in order[2]
    (toy / "calls.log").unlink()
    make(toy, "all")
    assert calls(toy, "papermill") and not calls(toy, "publish")


@pytest.mark.parametrize("fault, words", [("BROKEN", "ZeroDivisionError"), ("MISSPELT", "Passed unknown parameter")])
def test_a_failing_notebook_is_reported_and_tried_again(toy, fault, words):
    notebook = toy / "notebooks/03_middle.ipynb"
    notebook.write_text(fault)
    for _ in range(2):
        result = make(toy, "03")
        assert result.returncode == 2 and words in result.stderr and "FAILED: notebooks/03_middle.ipynb" in result.stderr
        assert not (toy / "build/fast/03_middle.ipynb").exists()
    notebook.write_text("{}")
    assert make(toy, "03").returncode == 0 and (toy / "build/fast/03_middle.ipynb").exists()


def test_failing_runs_stop_before_the_notebooks(toy):
    (toy / "fail_cli").touch()
    assert make(toy, "all").returncode == 2 and not calls(toy, "papermill")


def test_a_changed_module_or_notebook_is_noticed(toy):
    make(toy, "all")
    soon = os.stat(toy / "build/fast/.summary").st_mtime + 5
    (toy / "calls.log").unlink()
    os.utime(toy / "notebooks/03_middle.ipynb", (soon, soon))
    make(toy, "all")
    assert [c.split()[2] for c in calls(toy, "papermill")] == ["notebooks/03_middle.ipynb", "notebooks/09_claims.ipynb"]


def test_a_half_made_environment_is_never_taken_as_ready(toy):
    (toy / ".venv/.ready").unlink()  # as when the installation was interrupted
    assert "rm -rf" in make(toy, "-n", "env").stdout
    result = make(toy, "env", "PYTHON=no-such-python")
    assert result.returncode == 2 and "Python 3.11 or newer is needed" in result.stderr


def test_a_lock_that_was_only_touched_keeps_the_environment(toy):
    soon = os.stat(toy / ".venv/.ready").st_mtime + 5
    os.utime(toy / "requirements.lock", (soon, soon))
    result = make(toy, "env", "PYTHON=no-such-python")
    assert result.returncode == 0, result.stderr
    with (toy / "requirements.lock").open("a") as lock:
        lock.write("extra==1.0\n")
    os.utime(toy / "requirements.lock", (soon + 5, soon + 5))
    assert make(toy, "env", "PYTHON=no-such-python").returncode == 2


def test_jobs_hold_the_runs_to_as_many_processes(toy):
    show = "--eval=shown: ; @echo [$${LOKY_MAX_CPU_COUNT-}]"
    assert make(toy, show, "shown", "JOBS=1").stdout == "[1]\n" == make(toy, show, "shown", JOBS="1").stdout
    assert make(toy, show, "shown").stdout == "[]\n"


def test_an_old_python_is_named(toy):
    (toy / ".venv/.ready").unlink()
    old = toy / "python3.9"
    old.write_text('#!/usr/bin/env bash\n[ "$1" = --version ] && echo "Python 3.9.2" || exit 1\n')
    old.chmod(0o755)
    result = make(toy, "env", f"PYTHON={old}")
    assert result.returncode == 2 and "Python 3.9.2" in result.stderr


def test_an_active_conda_environment_is_used(toy):
    shutil.copytree(toy / ".venv", toy / "conda")
    shutil.rmtree(toy / ".venv")
    result = make(toy, "03", CONDA_PREFIX=str(toy / "conda"), CONDA_DEFAULT_ENV="lhas")
    assert result.returncode == 0, result.stderr
    assert "using the active conda environment" in result.stdout and not (toy / ".venv").exists()


def test_hub_names_go_online_and_folders_stay_offline(toy):
    (toy / ".venv/bin/python").write_text(PRETENDED.replace('"$*" >> calls', '"$* offline=${HF_HUB_OFFLINE:-no}" >> calls'))
    (toy / "data set").mkdir()
    assert make(toy, "real", "DATA=data set").returncode == 0
    assert make(toy, "real", "DATA=owner/name", "MODEL=owner/model").returncode == 0
    folder, hub = calls(toy, "lhas_utils real")
    assert f"--data {toy}/data set --profile fast offline=1" in folder
    assert "--data owner/name --model owner/model --profile fast offline=no" in hub
