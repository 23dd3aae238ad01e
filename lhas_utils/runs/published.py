"""The published rows: `figures/data/runs_NAME.csv.gz`, whole, so that every verdict can be judged again from them."""

import gzip
import io
from pathlib import Path

import pandas as pd

from ..core import paths, write

TEXT = (
    "params",
    "trim",
    "match",
    "curriculum",
    "slice",
    "skill",
    "kind",
    "arm",
)  # columns where "" and "none" are words
ROWS = "the tidy rows of every run, with the column `run` and every column of its spec"


def _path(name: str) -> Path:
    return paths.data("full") / f"runs_{name}.csv.gz"


def to_csv(frame: pd.DataFrame) -> str:
    """Return a table as CSV text with six significant digits, equal on every machine."""
    return frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def from_csv(text: str) -> pd.DataFrame:
    """Return the rows that `to_csv` wrote."""
    blank = {c: [""] for c in text.partition("\n")[0].split(",") if c not in TEXT}
    return pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=blank, dtype=dict.fromkeys(TEXT, str))


def write_rows(path: Path, rows: pd.DataFrame) -> None:
    """Write rows as a compressed CSV file that says nothing of when, complete or not at all."""
    write(path, gzip.compress(to_csv(rows).encode(), mtime=0))


def read_rows(path: Path) -> pd.DataFrame:
    """Return the rows that `write_rows` wrote."""
    return from_csv(gzip.decompress(path.read_bytes()).decode())


def save_rows(name: str, rows: pd.DataFrame) -> None:
    """Write the rows of a published experiment."""
    write_rows(_path(name), rows)


def is_published(name: str) -> bool:
    """Return whether there are published rows of an experiment."""
    return _path(name).exists()


def published(name: str) -> pd.DataFrame:
    """Return the published rows of an experiment in the form that a run of the `full` profile has.

    Raises:
        ValueError: there are none, or they are of an older layout; it says what to run.
    """
    path = _path(name)
    again = "`make all PROFILE=full` computes and writes them"
    if not path.exists():
        raise ValueError(f"published rows of {name}: expected {path.relative_to(paths.ROOT)}; there is none. {again}")
    rows = read_rows(path)
    if "run" not in rows:
        found = f"a file of an older layout, with the columns {', '.join(rows)}"
        raise ValueError(f"published rows of {name}: expected {ROWS}; got {found}. {again}")
    return rows
