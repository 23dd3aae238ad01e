"""The reader's files as plain rows with their places: JSON lines and arrays, CSV, parquet, saved data sets, the hub.

Every fault of a file is a `ValueError` of one line that names the file and, where there are lines, the line.
"""

import csv
import gzip
import json
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, DatasetDict, load_dataset, load_from_disk

from .splits import named, stem

Rows = Iterator[tuple[str, object]]  # place, row
FORMATS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
SAVED = ("dataset_dict.json", "state.json")  # a folder with one of these was written by `save_to_disk`
MODEL = "config.json"  # a folder below with this file is a model's
ABOUT = ("dataset_info.json", "dataset_infos.json", MODEL)  # files that hold no rows
BATCH = 1000


def suffix(path: Path) -> str:
    """Return the suffix that says the format, below `.gz` where a file is compressed."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def sources(root: Path) -> Iterator[tuple[str, str | None, Rows]]:
    """Yield (skill, split, rows) of every file below a folder, or of one file; names that begin with a dot are skipped.

    Args:
        root: a folder or a file; a file without a name of a skill has that of its folder.
    """
    found, others = ([root], []) if root.is_file() else _below(root)
    if not found:
        got = ", ".join(others[:3]) or "nothing"
        raise ValueError(
            f"{root}: expected files like NAME.train.jsonl and NAME.validation.jsonl, or {', '.join(FORMATS[2:])}, "
            f"each also .gz; found {got}"
        )
    home = root.resolve().parent if root.is_file() else root.resolve()
    for path in found:
        parts = path.relative_to(root).parts or (path.name,)
        if path.is_dir():
            data = _opened(path)
            for split, part in (data if isinstance(data, DatasetDict) else {"": data}).items():
                skill, said = named((*parts, split))
                yield skill or home.name.lower(), said, _table(f"{path}[{split}]" if split else f"{path}", part)
        else:
            skill, split = named((*parts[:-1], stem(path.name)))
            yield skill or home.name.lower(), split, _file(path)


def _below(root: Path) -> tuple[list[Path], list[str]]:
    found, others = [], []
    for folder, inner, names in os.walk(root, followlinks=True):
        here = Path(folder)
        if saved := any(name in names for name in SAVED):
            found.append(here)
        if saved or (MODEL in names and here != root):
            inner.clear()
            continue
        inner[:] = sorted(name for name in inner if not name.startswith((".", "__")))
        for name in sorted(names):
            if not name.startswith(".") and name not in ABOUT:
                (found if suffix(here / name) in FORMATS else others).append(here / name)
    return sorted(found), [path.name for path in others]


def _opened(path: Path) -> Dataset | DatasetDict:
    try:
        return load_from_disk(str(path))
    except Exception as error:  # of many libraries
        raise ValueError(f"{path}: expected a data set of save_to_disk; got {_short(error)}") from None


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


def _file(path: Path) -> Rows:
    """Yield the rows of one file by its format."""
    kind = suffix(path)
    if kind not in FORMATS:
        raise ValueError(
            f"DATA {str(path)!r}: expected a {', '.join(FORMATS)} file or .gz of one; got {path.suffix or 'no suffix'}"
        )
    empty = True
    reader = {".json": _json, ".csv": _csv, ".tsv": _csv, ".parquet": _parquet}.get(kind, _json_lines)
    for place, row in reader(path):
        empty = False
        yield place, row
    if empty:
        raise ValueError(f"{path}: expected rows, as one JSON object a line; got an empty file")


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file, with or without a byte-order mark; a line that is not is named."""
    number = 1
    try:
        with (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise ValueError(f"{path}, line 1: expected UTF-8 text; got UTF-16, save it as UTF-8")
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}, line {number}: expected UTF-8 text; got byte {error.object[error.start]:#x}"
        ) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}, after line {number}: expected a whole .gz file; got {_short(error)}") from None


def _parsed(path: Path, text: str, line: int = 1) -> object:
    """Return parsed JSON; `line` is where the text begins in the file."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers of too many digits
        line += getattr(error, "lineno", 1) - 1
        shown = (text.split("\n")[getattr(error, "lineno", 1) - 1]).strip()[:40]
        why = f"{getattr(error, 'msg', error)}, column {getattr(error, 'colno', 1)}"
        raise ValueError(f"{path}, line {line}: expected a JSON object; got {shown!r} ({why})") from None


def _json_lines(path: Path) -> Rows:
    for number, line in enumerate(_lines(path), start=1):
        if number == 1 and line.lstrip().startswith("[") and _is_array(line):
            yield from _json(path)  # an array with the other suffix
            return
        if line.strip():
            yield f"{path}, line {number}", _parsed(path, line, number)


def _is_array(line: str) -> bool:
    return not line.strip().endswith("]") or line.lstrip()[1:].lstrip().startswith(("{", "]"))


def _json(path: Path) -> Rows:
    """Yield the rows of an array, of the one array in an object, or of lines under the name `.json`."""
    text = "".join(_lines(path))
    head = text.lstrip().partition("\n")[0]
    if head.startswith("{") and head.rstrip().endswith("}") and text.strip() != head.rstrip():
        yield from _json_lines(path)
        return
    whole = _parsed(path, text) if text.strip() else []
    del text
    if isinstance(whole, dict):
        lists = [v for v in whole.values() if isinstance(v, list) and v and isinstance(v[0], dict)]
        columns = whole and all(isinstance(v, (list, dict)) for v in whole.values())
        if len(whole) > 1 and columns and not lists:
            raise ValueError(f"{path}: expected an array of objects, one a row; got one object of columns")
        whole = lists[0] if len(lists) == 1 and not {"messages", "conversations"} & {*whole} else [whole]
    if not isinstance(whole, list):
        raise ValueError(f"{path}: expected an array of objects; got {type(whole).__name__}")
    for i, row in enumerate(whole, start=1):
        yield f"{path}, row {i}", row


def _csv(path: Path) -> Rows:
    lines = _lines(path)
    head = next(lines, "")
    mark = max("\t,;", key=head.count) if suffix(path) == ".csv" else "\t"
    csv.field_size_limit(sys.maxsize)

    def again() -> Iterator[str]:
        yield head
        yield from lines

    reader = csv.DictReader(again(), delimiter=mark, strict=True)
    try:
        for row in reader:
            place = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                got = "more" if None in row else "fewer"
                raise ValueError(f"{place}: expected {len(reader.fieldnames)} fields, as the first line has; got {got}")
            yield place, row
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: expected CSV; got {error}") from None


def _parquet(path: Path) -> Rows:
    number = 0
    try:
        if path.suffix.lower() == ".gz":
            raise ValueError("a .gz of it: parquet is compressed by itself, unpack it")
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", row
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, ValueError) and str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path}, after row {number}: expected a parquet file; got {_short(error)}") from None


def _table(name: str, data: Dataset) -> Rows:
    number = 0
    for batch in data.with_format("arrow").iter(BATCH):
        for row in batch.to_pylist():
            number += 1
            yield f"{name}, row {number}", row


def hub(name: str) -> Iterator[tuple[str, str | None, Rows]]:
    """Yield (skill, split, rows) of a hub data set, `owner/name` or `owner/name:configuration`."""
    name, _, configuration = name.partition(":")
    try:
        data = load_dataset(name, configuration or None, trust_remote_code=False)
    except Exception as error:  # the hub client raises errors of many libraries
        raise ValueError(
            f"DATA {name!r}: no such folder or file, and the hub gave no data set ({_short(error)})"
        ) from None
    found = {split: named((split,)) for split in data}
    if all(said in ("validation", "test") for _, said in found.values()):
        raise ValueError(f"DATA {name!r}: expected a split 'train'; got {', '.join(map(str, data))}")
    for split, part in data.items():
        skill, said = found[split]
        yield skill or name.rpartition("/")[2].lower(), said, _table(f"{name}[{split}]", part)
