"""The reader's files as rows: JSONL in a folder, one JSONL file or a hub data set, in one schema.

A row has `skill, task, prompt, response` and optionally `quality` and `difficulty`. Every fault of
the data is a `ValueError` of one line that names the file and the line.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path

from datasets import load_dataset

from ..core import choose

SPLITS = ("train", "validation")
FIELDS = {  # field -> column names that are read as this field, first found first taken
    "skill": ("skill", "category"),
    "task": ("task",),
    "prompt": ("prompt", "instruction", "question"),
    "response": ("response", "output", "answer", "completion"),
}
NUMBERS = {"quality": (-math.inf, math.inf), "difficulty": (0, 1)}  # optional fields and their ranges


def _lines(path: Path) -> Iterator[tuple[str, object]]:
    """Yield (place, parsed line) of a JSONL file."""
    empty = True
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                empty, place = False, f"{path}, line {number}"
                try:
                    yield place, json.loads(line)
                except json.JSONDecodeError as error:
                    got = f"{line.strip()[:40]!r} ({error.msg}, column {error.colno})"
                    raise ValueError(f"{place}: expected one JSON object; got {got}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8 text; got byte {error.object[error.start]:#x}") from None
    if empty:
        raise ValueError(f"{path}: expected one JSON object a line; got an empty file")


def _row(place: str, values: object, skill: str | None) -> dict:
    """Check one row and return it in the schema; `skill` is what the file's name says."""
    if not isinstance(values, dict):
        raise ValueError(f"{place}: expected a JSON object; got {type(values).__name__}")
    row = {}
    for name, columns in FIELDS.items():
        value = next((values[c] for c in columns if values.get(c) is not None), None)
        if value is None and name in ("skill", "task"):
            value = skill if name == "skill" else row["skill"]
        if value is None:
            got = ", ".join(map(repr, values)) or "an empty object"
            raise ValueError(f"{place}: expected a {name!r}; got only {got}")
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"{place}: expected {name!r} to be text that is not blank; got {value!r}")
        row[name] = value
    if skill is not None and row["skill"] != skill:
        raise ValueError(f"{place}: expected skill {skill!r}, as the file is named; got {row['skill']!r}")
    for name, (low, high) in NUMBERS.items():
        value = values.get(name)
        if value is not None:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or not low <= value <= high:
                raise ValueError(f"{place}: expected {name!r} to be a number in [{low}, {high}]; got {value!r}")
        row[name] = None if value is None else float(value)
    return row | {"place": place}


def _folder(folder: Path) -> Iterator[dict]:
    """Yield the rows of `NAME.train.jsonl`, `NAME.validation.jsonl` and unsplit `NAME.jsonl` files."""
    files = sorted(folder.glob("*.jsonl")) or sorted((folder / "skills").glob("*.jsonl"))
    if not files:
        raise ValueError(f"{folder}: expected files NAME.train.jsonl and NAME.validation.jsonl; found no *.jsonl")
    for path in files:
        name, _, split = path.stem.partition(".")
        if split:
            choose(f"{path}: split in the file's name", split, SPLITS)
        for place, values in _lines(path):
            yield _row(place, values, name) | {"split": split or None}


def _hub(name: str) -> Iterator[dict]:
    """Yield the rows of a hub data set, `owner/name` or `owner/name:configuration`."""
    name, _, configuration = name.partition(":")
    try:
        data = load_dataset(name, configuration or None)
    except Exception as error:  # the hub client raises errors of many libraries
        reason = " ".join(str(error).split())[:160]
        raise ValueError(
            f"DATA {name!r}: no such folder or file, and the hub gave no data set ({type(error).__name__}: {reason})"
        ) from None
    held_out = next((s for s in ("validation", "valid", "dev", "test") if s in data), None)
    if "train" not in data:
        raise ValueError(f"DATA {name!r}: expected a split 'train'; got {', '.join(map(str, data))}")
    for split, source in (("train" if held_out else None, "train"), ("validation", held_out)):
        for i, values in enumerate(data[source] if source else ()):
            yield _row(f"{name}[{source}], row {i}", values, None) | {"split": split}


def read_rows(data: str) -> list[dict]:
    """Return every row of the data with its `place` and its `split` (None where the data do not say).

    Args:
        data: a folder of `NAME.train.jsonl` and `NAME.validation.jsonl` files (or with such a folder
            `skills/` in it), one `.jsonl` file, or a hub name `owner/name[:configuration]`.
    """
    path = Path(data).expanduser()
    if not data.strip():
        raise ValueError("DATA: expected a folder, a .jsonl file or a hub name; got nothing")
    if path.is_dir():
        return list(_folder(path))
    if path.is_file():
        if path.suffix not in (".jsonl", ".json"):
            raise ValueError(f"DATA {data!r}: expected a .jsonl file; got {path.suffix or 'no suffix'}")
        return [_row(place, values, None) | {"split": None} for place, values in _lines(path)]
    if data.startswith(("/", ".", "~")) or data.endswith((".jsonl", ".json", "/")) or data.count("/") > 1:
        raise ValueError(f"DATA {data!r}: expected a folder of *.jsonl files or one such file; there is none")
    return list(_hub(data))
