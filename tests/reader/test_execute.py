"""A notebook has its final name only once every cell has run, and what stopped it is said."""

import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from lhas_utils.reader.execute import Failure, execute

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "lhas_utils/reader/execute.py"


def notebook(path: Path, *cells: str) -> Path:
    nb = nbformat.v4.new_notebook()
    nb.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nb.cells = [nbformat.v4.new_code_cell('PROFILE = "fast"  # smoke | fast | full', metadata={"tags": ["parameters"]})]
    nb.cells += [nbformat.v4.new_code_cell(source) for source in cells]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, path)
    return path


def printed(path: Path) -> str:
    return "".join(out.text for cell in nbformat.read(path, as_version=4).cells for out in cell.get("outputs", []))


def test_a_parameter_the_notebook_does_not_have_is_refused_before_anything_runs(tmp_path):
    source = notebook(tmp_path / "00_toy.ipynb", "print(PROFILE)")
    with pytest.raises(ValueError, match="has no parameter PROFIL: expected PROFILE"):
        execute(source, tmp_path / "out", {"PROFIL": "smoke"})
    with pytest.raises(ValueError, match="no notebook"):
        execute(tmp_path / "none.ipynb", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_it_runs_beside_its_notebook_with_text_as_parameters(tmp_path):
    source = notebook(tmp_path / "note {books}/00_toy.ipynb", "import os", "print(repr(PROFILE), os.getcwd())")
    here = os.getcwd()
    done = execute(source, tmp_path / "o'ut {x}", {"PROFILE": "7 'x'"})
    assert printed(done) == f"{repr(chr(55) + ' ' + repr('x'))} {source.parent}\n" and os.getcwd() == here
    assert sorted(p.name for p in done.parent.iterdir()) == ["00_toy.ipynb", "00_toy.log"]

    done = execute(source, tmp_path / "plain")
    stored, plain = (nbformat.read(path, as_version=4) for path in (source, done))
    assert [c.source for c in plain.cells] == [c.source for c in stored.cells], "no cell is added"


@pytest.mark.slow
@pytest.mark.parametrize(
    "cell, words",
    [("1 / 0", "ZeroDivisionError: division by zero"), ("import os; os.kill(os.getpid(), 9)", "try JOBS=1")],
)
def test_a_failure_is_explained_and_leaves_the_part_that_ran(tmp_path, cell, words):
    source = notebook(tmp_path / "00_toy.ipynb", "print('so far')", cell)
    with pytest.raises(Failure) as failure:
        execute(source, tmp_path / "out")
    partial, log = tmp_path / "out/00_toy.partial.ipynb", tmp_path / "out/00_toy.log"
    for text in (words, f"FAILED: {source}", str(partial), str(log)):
        assert text in str(failure.value)
    assert "so far" in partial.read_text() and "\x1b[" not in log.read_text()
    assert not (tmp_path / "out/00_toy.ipynb").exists()


def command(*arguments: str | Path) -> subprocess.Popen:
    """The command line of execute.py in a process of its own, without the rest of the package."""
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['main'](sys.argv[2:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, SCRIPT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_kernel_and_what_it_started(tmp_path, number):
    source = notebook(
        tmp_path / "00_toy.ipynb",
        "import subprocess, time; child = subprocess.Popen(['sleep', '600'])",
        "open('running', 'w').close(); time.sleep(600)",
    )
    process = command(source, tmp_path / "out")
    family = []
    for _ in range(600):
        if (tmp_path / "running").exists():
            family = psutil.Process(process.pid).children(recursive=True)
            break
        time.sleep(0.1)
    assert len(family) >= 2
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number and err == "" and "00_toy ..." in out
    assert not psutil.wait_procs(family, timeout=10)[1], "still running"
    assert not (tmp_path / "out/00_toy.ipynb").exists()


@pytest.mark.slow
def test_the_command_says_what_it_does(tmp_path):
    notebook(tmp_path / "03_next.ipynb")
    source = notebook(tmp_path / "00_toy.ipynb", "print(PROFILE)")
    process = command(source, tmp_path / "out", "PROFILE=a=b")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and not err, err
    first, last = out.splitlines()
    assert first == "[1/2] 00_toy ..." and last.startswith("[1/2] 00_toy done in ")
    assert printed(tmp_path / "out/00_toy.ipynb") == "a=b\n"


@pytest.mark.parametrize("given, words", [(["PROFILE"], "NAME=VALUE, received 'PROFILE'"), (["X=1"], "no parameter X")])
def test_bad_input_ends_in_a_message(tmp_path, capsys, given, words):
    main = runpy.run_path(str(SCRIPT))["main"]
    source = notebook(tmp_path / "00_toy.ipynb")
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    try:
        with pytest.raises(SystemExit) as exit_:
            main([str(source), str(tmp_path / "out"), *given])
    finally:
        for n, handler in zip((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), before, strict=True):
            signal.signal(n, handler)
    assert words in f"{exit_.value} {capsys.readouterr().err}"


def test_torch_is_not_loaded_for_it():
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1]); print('torch' in sys.modules or 'lhas_utils' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, SCRIPT], capture_output=True, text=True).stdout == "False\n"
