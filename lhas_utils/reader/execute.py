"""Execute one notebook through papermill: it has its final name only once every cell has run.

A script of its own, `python -P lhas_utils/reader/execute.py`: it needs nothing of the package, whose imports take
seconds.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import papermill
import psutil
from nbclient.exceptions import DeadKernelError

CELL_SECONDS, START_SECONDS = 1800, 120
LINES = 30  # of an error, as they go to the screen


class Failure(RuntimeError):
    """A notebook that did not run to its end; the text says what happened and where to look."""


def execute(source: Path, folder: Path, parameters: Mapping[str, str] | None = None) -> Path:
    """Execute a notebook into a folder, with its own folder as the working directory.

    Args:
        source: the stored notebook.
        folder: receives `NAME.ipynb`, `NAME.log`, and `NAME.partial.ipynb` while cells run or after one failed.
        parameters: values that replace those of the parameters cell; without any, no cell is added.

    Returns: the path of the executed notebook.

    Raises:
        ValueError: the notebook does not exist or has no such parameter; nothing was executed.
        Failure: a cell raised or took longer than `CELL_SECONDS`, or the kernel did not start or died.
    """
    if not source.is_file():
        raise ValueError(f"no notebook {source}")
    if parameters:
        known = papermill.inspect_notebook(_literal(source))
        if unknown := sorted(set(parameters) - set(known)):
            raise ValueError(f"{source} has no parameter {', '.join(unknown)}: expected {', '.join(known) or 'none'}")
    folder.mkdir(parents=True, exist_ok=True)
    log, partial, done = (folder / f"{source.stem}{end}" for end in (".log", ".partial.ipynb", ".ipynb"))
    try:
        with _output_to(log):
            papermill.execute_notebook(
                _literal(source),
                _literal(partial),
                dict(parameters or {}),
                kernel_name="python3",
                cwd=str(source.resolve().parent),
                progress_bar=False,
                execution_timeout=CELL_SECONDS,
                start_timeout=START_SECONDS,
            )
    except Exception as error:
        text = str(error).strip() or type(error).__name__
        with log.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        raise Failure(_explained(error, source, text, log, partial)) from error
    os.replace(partial, done)
    return done


def _literal(path: Path) -> str:
    """Return a path as papermill expects it: absolute, and with the braces of its format strings doubled."""
    return str(path.resolve()).replace("{", "{{").replace("}", "}}")


def _explained(error: Exception, source: Path, text: str, log: Path, partial: Path) -> str:
    lines = [*text.splitlines()[-LINES:], "", f"FAILED: {source}. All of it: {log}"]
    if partial.exists():
        lines[-1] += f", the notebook as far as it ran: {partial}"
    if isinstance(error, DeadKernelError):
        lines.append("The kernel died, usually for want of memory: try JOBS=1, or close other programs.")
    return "\n".join(lines)


@contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Send what this process and the kernel it starts write to the terminal to a file instead."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in enumerate(kept, start=1):
            os.dup2(copy, number)
            os.close(copy)


def _stop(number: int, frame: FrameType | None) -> None:
    """End the kernel and what it started, then this process, at once and without a traceback."""
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(128 + number)


def main(arguments: Sequence[str] | None = None) -> None:
    """Execute a notebook for `make`: say when it starts and how long it took; a failure ends in a message."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="a notebook, as in notebooks/03_rank_reversal.ipynb")
    parser.add_argument("folder", type=Path, help="where the executed notebook goes, as in build/fast")
    parser.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="in place of the notebook's own value")
    given = parser.parse_args(arguments)
    if wrong := [p for p in given.parameters if "=" not in p]:
        parser.error(f"expected NAME=VALUE, received {wrong[0]!r}")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    begin = time.monotonic()
    beside = sorted(given.source.parent.glob("[0-9][0-9]_*.ipynb"))
    place = f"[{beside.index(given.source) + 1}/{len(beside)}] " if given.source in beside else ""
    print(f"{place}{given.source.stem} ...", flush=True)
    try:
        execute(given.source, given.folder, dict(p.split("=", 1) for p in given.parameters))
    except (ValueError, Failure) as error:
        sys.exit(str(error))
    print(f"{place}{given.source.stem} done in {(time.monotonic() - begin) / 60:.1f} min", flush=True)


if __name__ == "__main__":
    main()
