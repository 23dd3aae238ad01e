"""Files that are either complete or absent: the one writer, and tables with what they were made from."""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


def complete(path: Path, make: Callable[[Path], None]) -> None:
    """Call `make` on a temporary path beside `path` and rename the result; a failure leaves nothing behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    os.close(handle)
    partial = Path(name)
    try:
        make(partial)
        partial.chmod(0o644)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write(path: Path, content: str | bytes) -> None:
    """Write text (UTF-8) or bytes, complete or not at all; missing folders are made."""
    data = content.encode() if isinstance(content, str) else content
    complete(path, lambda partial: partial.write_bytes(data))


def store(path: Path, rows: pd.DataFrame, **made_from: object) -> None:
    """Write a table as one parquet file, with plain data about what it was made from."""
    table = pa.Table.from_pandas(rows, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"lhas": json.dumps(made_from).encode()})
    complete(path, lambda partial: pq.write_table(table, partial))


def load(path: Path) -> pd.DataFrame | None:
    """Read a table of `store`; None if it is absent, or damaged, which is said and removes the file."""
    if not path.exists():
        return None
    try:
        return pq.read_table(path).to_pandas()
    except (pa.ArrowException, OSError) as error:
        print(f"cache: {path.name} cannot be read ({type(error).__name__}); computing it again", file=sys.stderr)
        path.unlink(missing_ok=True)
        return None
