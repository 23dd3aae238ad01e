"""Files that are complete and as they were written, or not read: the one writer, sealed tables and folders.

A sealed file begins with a line that holds the digest of its name and of all that follows. What does not match it
(damaged, cut, swapped with another) is said in one sentence, removed, and made again by whoever asked for it.
"""

import fcntl
import hashlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

SEAL = "SEAL"  # in a sealed folder: the digests of its files


def complete(path: Path, make: Callable[[Path], object]) -> None:
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


def _digest(name: str, content: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + content).hexdigest().encode()


def _lost(path: Path, reason: str) -> None:
    print(f"cache: {path.name} {reason}; making it again", file=sys.stderr)


def seal(path: Path, content: bytes) -> None:
    """Write a sealed file."""
    write(path, _digest(path.name, content) + b"\n" + content)


def unseal(path: Path) -> bytes | None:
    """Return the content of a sealed file; None if it is absent, or not as it was written, which removes it."""
    try:
        said, _, content = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    if said == _digest(path.name, content):
        return content
    _lost(path, "is not as it was written")
    path.unlink(missing_ok=True)
    return None


def store(path: Path, rows: pd.DataFrame, **made_from: object) -> None:
    """Write a table as a sealed file, with plain data about what it was made from."""
    table = pa.Table.from_pandas(rows, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"lhas": json.dumps(made_from).encode()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    seal(path, buffer.getvalue())


def load(path: Path) -> pd.DataFrame | None:
    """Read a table of `store`; None if it is absent or not as it was written (`unseal`)."""
    content = unseal(path)
    return None if content is None else pq.read_table(pa.BufferReader(content)).to_pandas()


def _seal_of(folder: Path, name: str) -> str:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != SEAL)
    lines = [f"{_digest(name, p.read_bytes()).decode()}  {p.relative_to(folder).as_posix()}" for p in files]
    return "\n".join(lines) + "\n"


def sealed_folder(folder: Path, make: Callable[[Path], object]) -> Path:
    """Return a folder that `make` fills, made now unless it is there as it was written; it appears complete or not.

    Of two processes that make the same folder, the first one's stays.
    """
    if folder.exists():
        kept = folder / SEAL
        if kept.exists() and kept.read_bytes() == _seal_of(folder, folder.name).encode():
            return folder
        _lost(folder, "is not as it was written")
        rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".partial-"))
    try:
        make(partial)
        (partial / SEAL).write_text(_seal_of(partial, folder.name))
        partial.replace(folder)
    except OSError:
        rmtree(partial, ignore_errors=True)
        if not folder.exists():
            raise
    except BaseException:
        rmtree(partial, ignore_errors=True)
        raise
    return folder


@contextmanager
def alone(folder: Path, work: str) -> Iterator[None]:
    """Hold a folder for one process of this machine at a time; who has to wait says so."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another process is {work} in {folder.name}; waiting for it", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
