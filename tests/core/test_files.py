"""Files are complete or absent, and a damaged table is as good as none."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from lhas_utils.core import files, load, store, write


def test_a_table_comes_back_as_it_went_in(tmp_path):
    rows = pd.DataFrame({"split": ["id", "ood"], "stage": [0, 5], "value": [0.1 + 0.2, np.nan]})
    path = tmp_path / "deep" / "x.parquet"
    store(path, rows, spec={"seed": 1})
    pd.testing.assert_frame_equal(load(path), rows)
    assert json.loads(pq.read_schema(path).metadata[b"lhas"]) == {"spec": {"seed": 1}}
    assert load(tmp_path / "absent.parquet") is None


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"not a table " * 50])
def test_a_damaged_table_is_said_and_removed(tmp_path, capsys, damage):
    path = tmp_path / "x.parquet"
    path.write_bytes(damage)
    assert load(path) is None and not path.exists()
    said = capsys.readouterr()
    assert said.out == "" and "x.parquet cannot be read" in said.err and "computing it again" in said.err


def test_writing_leaves_no_partial_file(tmp_path):
    store(tmp_path / "x.parquet", pd.DataFrame({"value": [1.0]}))
    write(tmp_path / "new" / "x.txt", "é")
    write(tmp_path / "new" / "x.bin", b"\xff")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["new", "x.bin", "x.parquet", "x.txt"]
    assert (tmp_path / "new" / "x.txt").read_bytes() == "é".encode()


def test_a_failed_write_leaves_nothing_behind_and_the_old_file_whole(tmp_path, monkeypatch):
    def full(table, path):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    write(tmp_path / "x.parquet", "old")
    monkeypatch.setattr(files.pq, "write_table", full)
    with pytest.raises(OSError, match="no space left"):
        store(tmp_path / "x.parquet", pd.DataFrame({"value": [1.0]}))
    assert [p.name for p in tmp_path.iterdir()] == ["x.parquet"]
    assert (tmp_path / "x.parquet").read_text() == "old"


KILLED = """
import os, signal, sys, types
from pathlib import Path

package = types.ModuleType("lhas_utils")  # without its public names, which take seconds to import
package.__path__ = [sys.argv[1]]
sys.modules["lhas_utils"] = package
from lhas_utils.core import write

replace, done = os.replace, []

def killed(a, b):  # the power goes out in the middle of the third write
    if len(done) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(b)
    replace(a, b)

os.replace = killed
for i in range(4):
    write(Path(sys.argv[2]) / f"{i}.txt", str(i))
"""


def test_a_killed_process_leaves_only_complete_files(tmp_path):
    arguments = [str(Path(files.__file__).parents[1]), str(tmp_path)]
    ended = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True)
    assert ended.returncode == -9, ended.stderr
    left = sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith(".partial"))
    assert left == ["0.txt", "1.txt"]
    assert [(tmp_path / name).read_text() for name in left] == ["0", "1"]
