"""The Makefile's promises, on a toy project with a pretended Python: no package is installed, no kernel started."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = "help env all lab figures claims claim judge verify html real llm".split()
TARGETS += "test check lint bench mutants race refresh readme lock clean distclean".split()

# Stands in for .venv/bin/python: logs what it is asked and leaves behind what an executed notebook would.
PRETENDED = """#!/usr/bin/env bash
echo "$*" >> calls.log
case "$*" in
  "-P lhas_utils/reader/execute.py "*)
    ! grep -q BROKEN "$3" || { echo "FAILED: $3" >&2; exit 1; }
    mkdir -p "$4"; cp "$3" "$4" ;;
  "-m ruff "*) [ ! -e fail_ruff ] || exit 1 ;;
  "-m lhas_utils "*) [ ! -e fail_cli ] || exit 3 ;;
esac
"""
# Values that would do harm if make or a shell read them as code; {} is the harm.
HOSTILE = [
    "$(touch {})",
    "$(shell touch {})",
    "`touch {}`",
    "'; touch {}; '",
    '"; touch {}; "',
    "a\ntouch {}\n",
    "a & touch {} #",
    "$$(touch {})",
    "${{x:-$(touch {})}}",
]


def make(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess:
    drop = (
        r"MAKE.*|MFLAGS|CONDA.*|PROFILE|DATA|SKILL|PROMPT|RESPONSE|LENGTH|MODEL|FILE|ID|JOBS|LOKY_MAX_CPU_COUNT|VENV|PY|PYTHON"
        r"|ONLINE|UPGRADE|LAB_ARGS|PYTEST_.*|HF_.*"
    )
    clean = {k: v for k, v in os.environ.items() if not re.fullmatch(drop, k)}
    return subprocess.run(["make", *args], cwd=folder, env=clean | env, capture_output=True, text=True, timeout=60)


def calls(folder: Path, word: str) -> list[str]:
    log = folder / "calls.log"
    return [line for line in log.read_text().splitlines() if word in line] if log.exists() else []


def contents(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in folder.rglob("*")}


def python(path: Path, text: str = PRETENDED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def project(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("Makefile", "environment.yml", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    for name in ("00_start", "03_middle", "09_claims"):
        (folder / "notebooks").mkdir(exist_ok=True)
        (folder / f"notebooks/{name}.ipynb").write_text("{}")
    (folder / "lhas_utils/reader/site").mkdir(parents=True)
    (folder / "lhas_utils/reader/site/pages.py").write_text("")
    (folder / "tests").mkdir()
    (folder / "claims.yml").write_text("")
    python(folder / ".venv/bin/python")
    shutil.copy(ROOT / "requirements.lock", folder / ".venv/.ready")
    return folder


def verbs(folder: Path) -> list[str]:
    """What was asked of the package, in order; `execute` is a script of its own."""
    return ["execute" if "execute.py" in line else line.split()[2] for line in calls(folder, "lhas_utils")]


@pytest.fixture
def toy(tmp_path) -> Path:
    return project(tmp_path)


# ---- what there is -------------------------------------------------------------------------------


def test_help_is_the_default_and_lists_every_target():
    out = make(ROOT).stdout
    listed = {line.split()[0] for line in out.splitlines() if line.startswith("  ")}
    assert set(TARGETS) - listed == set()


def test_the_makefile_stays_short_and_calls_no_make():
    text = (ROOT / "Makefile").read_text()
    assert len(text.splitlines()) <= 200
    assert not re.search(r"\$[({]MAKE[)}]|^\t@?\+", text, re.MULTILINE), "such a recipe runs under make -n"


@pytest.mark.parametrize(
    "args, words",
    [
        (["all", "PROFILE=quick"], 'unknown PROFILE "quick": expected smoke or fast or full'),
        (["all", "PROFILE="], 'unknown PROFILE ""'),
        (["all", "PROFILE=smoke fast"], 'unknown PROFILE "smoke fast"'),
        (["all", "PROFILE=%"], 'unknown PROFILE "%"'),
        (["all", "JOBS=abc"], 'unknown JOBS "abc": expected a whole number from 1 to 256'),
        (["all", "JOBS="], 'unknown JOBS ""'),
        (["all", "JOBS=0"], 'unknown JOBS "0"'),
        (["all", "JOBS=-1"], 'unknown JOBS "-1"'),
        (["all", "JOBS=2 3"], 'unknown JOBS "2 3"'),
        (["all", "JOBS=1000000000"], 'unknown JOBS "1000000000"'),
        (["all", "JOBS=$(shell touch calls.log)"], 'unknown JOBS "$(shell touch calls.log)"'),
        (["real"], "make real needs DATA"),
        (["claim"], "make claim needs ID"),
        (["claim", "ID= "], "make claim needs ID"),
        (["race"], "make race needs FILE"),
        (["17"], "no notebook 17: there are 00 03 09"),
        (["refresh", "PROFILE=full"], "PROFILE=fast"),
    ],
)
def test_nonsense_is_refused_in_one_line_before_any_work(toy, args, words):
    before = contents(toy)
    result = make(toy, *args)
    assert result.returncode == 2 and words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert contents(toy) == before


@pytest.mark.parametrize("value", ["./nowhere", "no/such/place.jsonl", "a name.txt", "rows.jsonl", "~/x"])
def test_data_that_is_neither_here_nor_a_hub_name_is_refused(toy, value):
    result = make(toy, "real", f"DATA={value}")
    assert result.returncode == 2 and f'DATA="{value}" does not exist' in result.stderr
    assert not (toy / "build").exists() and not calls(toy, "-m")


@pytest.mark.parametrize("target", [*TARGETS, "00", "03", "environment"])
def test_a_dry_run_does_nothing(toy, target):
    for ready in (True, False):
        if not ready:
            (toy / ".venv/.ready").unlink()
        before = contents(toy)
        given = {"claim": ["ID=C01"], "real": ["DATA=."], "race": ["FILE=x.py"]}.get(target, [])
        result = make(toy, "-n", target, *given)
        assert result.returncode == 0, result.stderr
        assert contents(toy) == before


# ---- notebooks -----------------------------------------------------------------------------------


def test_all_runs_everything_once_the_ledger_last_and_a_second_call_nothing(toy):
    first = make(toy, "all")
    assert first.returncode == 0, first.stderr
    assert verbs(toy) == ["run", "execute", "execute", "execute", "claims"]
    executed = [line.split()[2] for line in calls(toy, "execute")]
    assert executed[-1] == "notebooks/09_claims.ipynb" and (toy / "build/fast/09_claims.ipynb").exists()

    (toy / "calls.log").unlink()
    start = time.monotonic()
    second = make(toy, "all")
    assert time.monotonic() - start < 1
    assert second.returncode == 0 and not calls(toy, "lhas_utils")
    assert "Up to date" in second.stdout and "profile fast" in second.stdout


def test_fast_replaces_no_parameter_and_another_profile_does(toy):
    assert make(toy, "03").returncode == 0 and make(toy, "03", "PROFILE=smoke").returncode == 0
    fast, smoke = calls(toy, "execute")
    assert fast.endswith("notebooks/03_middle.ipynb build/fast")
    assert smoke.endswith("notebooks/03_middle.ipynb build/smoke PROFILE=smoke")
    assert calls(toy, "run 03 --profile fast"), "one notebook asks for its own runs only"


def test_full_publishes_its_runs_before_the_notebooks_and_no_other_profile_does(toy):
    make(toy, "all", PROFILE="full")
    assert verbs(toy)[:3] == ["run", "publish", "execute"]
    (toy / "calls.log").unlink()
    make(toy, "all")
    assert calls(toy, "execute") and not calls(toy, "publish")


def test_a_failing_notebook_is_tried_again(toy):
    notebook = toy / "notebooks/03_middle.ipynb"
    notebook.write_text("BROKEN")
    for _ in range(2):
        result = make(toy, "03")
        assert result.returncode == 2 and "FAILED: notebooks/03_middle.ipynb" in result.stderr
        assert not (toy / "build/fast/03_middle.ipynb").exists()
    notebook.write_text("{}")
    assert make(toy, "03").returncode == 0 and (toy / "build/fast/03_middle.ipynb").exists()


def test_failing_runs_stop_before_the_notebooks(toy):
    (toy / "fail_cli").touch()
    assert make(toy, "all").returncode == 2 and not calls(toy, "execute")


@pytest.mark.parametrize(
    "changed, executed",
    [("notebooks/03_middle.ipynb", ["03", "09"]), ("lhas_utils/reader/site/pages.py", ["00", "03", "09"])],
)
def test_a_changed_module_or_notebook_is_noticed(toy, changed, executed):
    make(toy, "all")
    soon = os.stat(toy / "build/fast/.summary").st_mtime + 5
    (toy / "calls.log").unlink()
    os.utime(toy / changed, (soon, soon))
    make(toy, "all")
    assert sorted(Path(line.split()[2]).name[:2] for line in calls(toy, "execute")) == executed


def test_claims_verify_html_judge_readme_and_refresh_call_their_verb(toy):
    for target in ("claims", "verify", "html"):
        assert make(toy, target).returncode == 0 and calls(toy, f"{target} --profile fast")
    for target in ("judge", "readme", "refresh"):
        assert make(toy, target).returncode == 0 and calls(toy, f"lhas_utils {target}")


def test_lab_answers_the_question_about_news_before_it_is_asked(toy):
    assert make(toy, "lab").returncode == 0
    (written,) = toy.glob("build/home/jupyter/*/labconfig/default_setting_overrides.json")
    assert json.loads(written.read_text()) == {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}


# ---- tests ---------------------------------------------------------------------------------------


def test_every_part_of_test_runs_and_one_that_fails_decides(toy):
    python(toy / ".venv/bin/python", PRETENDED.replace('"$*" >>', '"$* [${PYTEST_ADDOPTS-}]" >>'))
    (toy / "fail_ruff").touch()
    result = make(toy, "test", "PYTEST_ARGS=-k 'one or two'")
    assert result.returncode == 2
    assert calls(toy, "copies --profile smoke")
    nbval, tests = calls(toy, "-m pytest")
    assert "--nbval" in nbval and "build/nbval [-k 'one or two']" in nbval
    assert tests.endswith("tests [-k 'one or two']") and "-n 2" in tests
    (toy / "fail_ruff").unlink()
    assert make(toy, "test").returncode == 0


def test_lint_looks_at_rules_and_layout(toy):
    assert make(toy, "lint").returncode == 0
    assert [line.split()[2] for line in calls(toy, "-m ruff")] == ["check", "format"]


# ---- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("how", ["argument", "environment"])
def test_a_value_is_never_run(toy, hostile, how):
    python(toy / ".venv/bin/python", PRETENDED.replace('"$*" >>', '"$* [${PYTEST_ADDOPTS-}]" >>'))
    value = hostile.format("canary")
    (toy / "data set").mkdir()

    def given(target: str, **values: str):
        if how == "environment":
            return make(toy, target, **values)
        return make(toy, target, *(f"{k}={v}" for k, v in values.items()))

    assert given("claim", ID=value).returncode == 0
    assert f"-- {value} [" in (toy / "calls.log").read_text(), "the value arrives as it was written"
    assert given("real", DATA=value).returncode == 2
    assert given("real", DATA="data set", MODEL=value).returncode == 2
    assert given("real", DATA="data set", PROMPT=value).returncode == 0
    assert f"--data={toy}/data set?prompt={value} --model=" in (toy / "calls.log").read_text()
    assert given("check", PYTEST_ARGS=value).returncode == 0
    assert f"tests [{value}]" in (toy / "calls.log").read_text()
    assert given("lab", LAB_ARGS=value).returncode == 0
    for name in ("PROFILE", "JOBS", "PYTHON", "VENV"):
        given("distclean", **{name: value})
    given("03", ONLINE=value)
    given("help", ID=value, UPGRADE=value)
    assert not list(toy.rglob("canary*"))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_the_name_of_the_environment_is_never_run(toy, hostile):
    value = hostile.format("canary")
    fake = python(toy / "fake", '#!/usr/bin/env bash\necho "$* $VENV" >> calls.log\n')
    assert make(toy, "env", f"VENV={value}", f"PYTHON={fake}").returncode == 2, "the pretended one makes nothing"
    assert f"environment.py ready {value}\n" in (toy / "calls.log").read_text()
    assert not list(toy.rglob("canary*"))


def test_jobs_hold_the_runs_to_as_many_processes(toy):
    show = "--eval=shown: ; @echo [$${LOKY_MAX_CPU_COUNT-}]"
    assert make(toy, show, "shown", "JOBS=1").stdout == "[1]\n" == make(toy, show, "shown", JOBS="1").stdout
    assert make(toy, show, "shown").stdout == "[]\n"


def test_hub_names_go_online_and_folders_stay_offline(toy):
    python(toy / ".venv/bin/python", PRETENDED.replace('"$*" >>', '"$* offline=${HF_HUB_OFFLINE:-no}" >>'))
    (toy / "data set").mkdir()
    (toy / "notebooks/07_real_llm.ipynb").write_text("{}")
    assert make(toy, "real", "DATA=data set").returncode == 0
    assert make(toy, "real", "DATA=owner/name", "MODEL=owner/model").returncode == 0
    folder, hub = calls(toy, "lhas_utils real")
    assert f"--data={toy}/data set --model= offline=1" in folder
    assert "--data=owner/name --model=owner/model offline=no" in hub
    folder, hub = calls(toy, "execute.py")
    assert f"build/real PROFILE=fast DATA={toy}/data set MODEL= offline=1" in folder
    assert "build/real PROFILE=fast DATA=owner/name MODEL=owner/model offline=no" in hub


def test_columns_go_with_the_data(toy):
    (toy / "data set").mkdir()
    (toy / "notebooks/07_real_llm.ipynb").write_text("{}")
    assert make(toy, "real", "DATA=data set", "SKILL=a topic", "RESPONSE=chosen").returncode == 0
    assert make(toy, "real", "DATA=owner/name:main", "PROMPT=a+b", "LENGTH=256").returncode == 0
    for word in ("lhas_utils real", "execute.py"):
        folder, hub = calls(toy, word)
        assert (
            f"{toy}/data set?skill=a topic&response=chosen" in folder and "owner/name:main?prompt=a+b&length=256" in hub
        )


@pytest.mark.parametrize(
    "name", ["with spaces", "it's mine", "naïve-größe-数据", "a$(touch canary)b", 'say "x" `touch canary`']
)
def test_a_checkout_may_lie_in_a_folder_of_any_name(tmp_path, name):
    toy = project(tmp_path / name)
    for target in ("all", "test", "lab", "judge"):
        result = make(toy, target)
        assert result.returncode == 0, result.stderr
    assert make(toy, "distclean").returncode == 2 and (toy / "build").exists()
    assert not list(tmp_path.rglob("canary*"))


# ---- environment ---------------------------------------------------------------------------------


def test_a_half_made_environment_is_never_taken_as_ready(toy):
    (toy / ".venv/.ready").unlink()  # as when the installation was interrupted
    result = make(toy, "env", "PYTHON=no-such-python")
    assert result.returncode == 2 and "Python 3.11.5 or newer is needed" in result.stderr


def test_an_environment_without_its_interpreter_is_not_ready(toy):
    (toy / ".venv/bin/python").unlink()
    assert make(toy, "env", "PYTHON=no-such-python").returncode == 2


def test_a_lock_that_was_only_touched_keeps_the_environment(toy):
    soon = os.stat(toy / ".venv/.ready").st_mtime + 5
    os.utime(toy / "requirements.lock", (soon, soon))
    result = make(toy, "env", "PYTHON=no-such-python")
    assert result.returncode == 0, result.stderr
    with (toy / "requirements.lock").open("a") as lock:
        lock.write("extra==1.0\n")
    assert make(toy, "env", "PYTHON=no-such-python").returncode == 2


def test_an_old_python_is_named(toy):
    (toy / ".venv/.ready").unlink()
    old = python(toy / "python 3.9", '#!/usr/bin/env bash\n[ "$1" = --version ] && echo "Python 3.9.2" || exit 1\n')
    result = make(toy, "env", f"PYTHON={old}")
    assert result.returncode == 2 and "Python 3.9.2" in result.stderr


@pytest.mark.parametrize("by", ["name", "packages"])
def test_an_active_conda_environment_is_used(toy, by):
    shutil.copytree(toy / ".venv", toy / "conda env")
    shutil.rmtree(toy / ".venv")
    active = {"CONDA_PREFIX": str(toy / "conda env"), "CONDA_DEFAULT_ENV": "lhas" if by == "name" else "base"}
    for _ in range(2):
        result = make(toy, "03", **active)
        assert result.returncode == 0, result.stderr
    assert len(calls(toy, "environment.py conda")) == 1, "compared with the pins once"
    assert len(calls(toy, "environment.py complete")) == (0 if by == "name" else 2)
    assert not (toy / ".venv").exists()
    assert make(toy, "env", "PYTHON=no-such-python", **active).returncode == 2, "PYTHON asks for a .venv"


@pytest.mark.parametrize("kept", ["letter.txt", "pyvenv.cfg", ".lhas"])
@pytest.mark.parametrize("target", ["env", "distclean"])
def test_a_folder_that_make_did_not_make_is_never_erased(toy, target, kept):
    (toy / "mine").mkdir()
    (toy / "mine" / kept).write_text("dear")
    (toy / "build").mkdir()
    before = contents(toy)
    result = make(toy, target, "VENV=mine", f"PYTHON={sys.executable}")
    assert result.returncode == 2 and "is no environment that make made: nothing was erased" in result.stderr
    assert "Traceback" not in result.stderr and contents(toy) == before


@pytest.mark.parametrize("value", ["", "/", ".", "..", "Makefile", "link"])
def test_distclean_refuses_what_cannot_be_an_environment(toy, value):
    (toy / "link").symlink_to(toy / ".venv")
    for name in ("pyvenv.cfg", ".lhas"):
        (toy / ".venv" / name).touch()
    before = contents(toy)
    result = make(toy, "distclean", f"VENV={value}", f"PYTHON={sys.executable}")
    assert result.returncode == 2 and "VENV" in result.stderr and "Traceback" not in result.stderr
    assert contents(toy) == before


def test_distclean_removes_the_environment_that_make_made(toy):
    for name in ("pyvenv.cfg", ".lhas"):
        (toy / ".venv" / name).touch()
    (toy / "build").mkdir()
    for _ in range(2):
        assert make(toy, "distclean", f"PYTHON={sys.executable}").returncode == 0
        assert not (toy / ".venv").exists() and not (toy / "build").exists()


@pytest.mark.slow
def test_an_environment_is_made_with_its_marks_and_used(toy, tmp_path):
    """A real venv of an empty lock, in a folder with a space; it imports the project from anywhere."""
    (toy / "requirements.lock").write_text("# nothing\n")
    (toy / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    (toy / "lhas_utils/__init__.py").write_text("")
    result = make(toy, "env", "VENV=my env", f"PYTHON={sys.executable}")
    assert result.returncode == 0, result.stderr
    assert "is ready after" in result.stdout and "environment ready: my env/bin/python" in result.stdout
    assert (toy / "my env/.ready").read_text() == "# nothing\n" and (toy / "my env/.lhas").exists()
    alone = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}  # which `make test` sets to this checkout
    python = [toy / "my env/bin/python", "-c", "import lhas_utils"]
    found = subprocess.run(python, cwd="/", env=alone, capture_output=True)
    assert found.returncode == 0, found.stderr
    (toy / "requirements.lock").write_text("# nothing more\n")
    (toy / "my env/old").touch()
    assert make(toy, "env", "VENV=my env", f"PYTHON={sys.executable}").returncode == 0
    assert not (toy / "my env/old").exists(), "made anew for another lock"
