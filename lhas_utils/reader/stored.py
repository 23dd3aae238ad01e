"""The notebooks as git holds them: with outputs of PROFILE=fast, and without what differs from run to run."""

import os
import re
from pathlib import Path

import nbformat
from nbconvert.preprocessors.coalescestreams import CoalesceStreamsPreprocessor
from nbformat import NotebookNode
from nbstripout import strip_output

from ..core import PROFILES, choose, paths, write

# Papermill's times, widget state and the patch release of Python: never the same twice.
KEYS = """
    metadata.papermill metadata.widgets metadata.language_info.version
    cell.metadata.papermill cell.metadata.execution
""".split()


def store(executed: Path, stored: Path) -> bool:
    """Give a stored notebook the outputs of an executed one; tell whether that changed anything.

    The time of the file stays: new outputs are no reason to run the notebook again.
    """
    nb = nbformat.read(executed, as_version=4)
    nb, _ = CoalesceStreamsPreprocessor().preprocess(nb, {})
    text = _text(strip_output(nb, keep_output=True, keep_count=True, keep_id=True, extra_keys=KEYS))
    if stored.read_text(encoding="utf-8") == text:
        return False
    times = stored.stat()
    write(stored, text)
    os.utime(stored, ns=(times.st_atime_ns, times.st_mtime_ns))
    return True


def as_profile(source: Path, target: Path, profile: str) -> None:
    """Write a copy of a notebook whose parameters cell says another PROFILE; all else stays, outputs included.

    Raises:
        ValueError: `profile` is none of the profiles, or the parameters cell has no line `PROFILE = "..."`.
    """
    choose("profile", profile, PROFILES)
    nb = nbformat.read(source, as_version=4)
    cells = [c for c in nb.cells if "parameters" in c.metadata.get("tags", [])]
    line = re.compile(r'^PROFILE = "\w+"', re.MULTILINE)
    if len(cells) != 1 or len(line.findall(cells[0].source)) != 1:
        raise ValueError(f'{source.name}: expected one parameters cell with one line PROFILE = "..."')
    cells[0].source = line.sub(f'PROFILE = "{profile}"', cells[0].source)
    write(target, _text(nb))


def _text(nb: NotebookNode) -> str:
    return nbformat.writes(nb).rstrip("\n") + "\n"


def refresh() -> None:
    """Store the outputs of build/fast in notebooks/: the only way in which outputs enter git."""
    for stored in sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        if store(paths.BUILD / "fast" / stored.name, stored):
            print(f"refreshed notebooks/{stored.name}")


def copies(profile: str) -> None:
    """Write copies of the stored notebooks at another profile into build/nbval, for nbval to execute and compare."""
    folder = paths.BUILD / "nbval"
    for old in folder.glob("*.ipynb"):
        old.unlink()
    for stored in sorted(paths.NOTEBOOKS.glob("*.ipynb")):
        as_profile(stored, folder / stored.name, profile)
