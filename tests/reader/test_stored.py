"""Stored notebooks change only in their outputs, and their copies only in the profile."""

import json
import os

import nbformat
import pytest

from lhas_utils.core import paths
from lhas_utils.reader.stored import as_profile, store

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("*.ipynb"))


def executed(source) -> nbformat.NotebookNode:
    """A stored notebook as papermill leaves it: times, the Python's patch release, widget state, texts in pieces."""
    nb = nbformat.read(source, as_version=4)
    nb.metadata.papermill = {"duration": 1.5}
    nb.metadata.widgets = {"state": {}}
    nb.metadata.language_info.version = "3.11.7"
    for cell in nb.cells:
        cell.metadata.papermill = {"duration": 0.1}
        cell.metadata.execution = {"iopub.execute_input": "now"}
        pieces = []
        for out in cell.get("outputs", []):
            if out.output_type == "stream" and len(out.text) > 1:
                first = nbformat.from_dict(json.loads(json.dumps(out)))
                first.text, out.text = out.text[:1], out.text[1:]
                pieces.append(first)
            pieces.append(out)
        if cell.cell_type == "code":
            cell.outputs = pieces
    return nb


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_storing_the_same_outputs_changes_nothing(tmp_path, source):
    nbformat.write(executed(source), tmp_path / "executed.ipynb")
    stored = tmp_path / "stored.ipynb"
    stored.write_bytes(source.read_bytes())
    assert not store(tmp_path / "executed.ipynb", stored)
    assert stored.read_bytes() == source.read_bytes()


def test_new_outputs_are_stored_and_leave_the_time_of_the_file(tmp_path):
    nb = executed(NOTEBOOKS[0])
    cell = next(c for c in nb.cells if c.cell_type == "code")
    cell.outputs = [nbformat.v4.new_output("stream", text="new\n")]
    nbformat.write(nb, tmp_path / "executed.ipynb")
    stored = tmp_path / "stored.ipynb"
    stored.write_bytes(NOTEBOOKS[0].read_bytes())
    os.utime(stored, (1000, 1000))
    assert store(tmp_path / "executed.ipynb", stored)
    assert stored.stat().st_mtime == 1000 and '"new\\n"' in stored.read_text()
    assert "papermill" not in stored.read_text() and "3.11.7" not in stored.read_text()


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_copy_differs_in_the_profile_alone(tmp_path, source):
    as_profile(source, tmp_path / "copy.ipynb", "smoke")
    old, new = source.read_text().splitlines(), (tmp_path / "copy.ipynb").read_text().splitlines()
    changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    assert len(changed) == 1
    assert changed[0][1] == changed[0][0].replace('\\"fast\\"', '\\"smoke\\"')


def test_a_copy_needs_a_profile_and_a_line_that_names_one(tmp_path):
    with pytest.raises(ValueError, match="smok"):
        as_profile(NOTEBOOKS[0], tmp_path / "copy.ipynb", "smok")
    nb = nbformat.read(NOTEBOOKS[0], as_version=4)
    for cell in nb.cells:
        cell.metadata.tags = []
    nbformat.write(nb, tmp_path / "untagged.ipynb")
    with pytest.raises(ValueError, match="untagged.ipynb: expected one parameters cell"):
        as_profile(tmp_path / "untagged.ipynb", tmp_path / "copy.ipynb", "smoke")
    assert not (tmp_path / "copy.ipynb").exists()
