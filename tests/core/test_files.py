"""Files are complete or absent, and a damaged table is as good as none."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lhas_utils.core import files, load, store, write

TABLE = pd.DataFrame({"split": ["id", "ood"], "stage": [0, 5], "value": [0.1 + 0.2, np.nan]})


def test_a_table_comes_back_as_it_went_in(tmp_path):
    path = tmp_path / "deep" / "x.run"
    store(path, TABLE, spec={"seed": 1})
    pd.testing.assert_frame_equal(load(path), TABLE)
    metadata = pq.read_schema(pa.BufferReader(files.unseal(path))).metadata
    assert json.loads(metadata[b"lhas"]) == {"spec": {"seed": 1}}
    assert load(tmp_path / "absent.run") is None


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"not a table " * 50])
def test_a_damaged_table_is_said_and_removed(tmp_path, capsys, damage):
    path = tmp_path / "x.run"
    path.write_bytes(damage)
    assert load(path) is None and not path.exists()
    said = capsys.readouterr()
    assert said.out == "" and said.err == "cache: x.run is not as it was written; making it again\n"


def test_no_bit_can_be_flipped_unnoticed(tmp_path):
    path = tmp_path / "x.run"
    store(path, TABLE)
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        assert load(path) is None, f"bit {at % 8} of byte {at}"
    for cut in (1, 64, 65, 66, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert load(path) is None, f"cut after {cut}"
    path.write_bytes(whole)
    pd.testing.assert_frame_equal(load(path), TABLE)


def test_files_that_changed_places_are_noticed(tmp_path):
    store(tmp_path / "a.run", TABLE)
    store(tmp_path / "b.run", TABLE)
    (tmp_path / "a.run").replace(tmp_path / "b.run")
    assert load(tmp_path / "b.run") is None


def test_two_readers_of_one_damaged_file_both_go_on(tmp_path, monkeypatch):
    path = tmp_path / "x.run"
    path.write_bytes(b"damaged")
    read = Path.read_bytes

    def other_reader_was_faster(self):
        content = read(self)
        self.unlink()
        return content

    monkeypatch.setattr(Path, "read_bytes", other_reader_was_faster)
    assert load(path) is None


def made(folder):
    (folder / "weights").write_bytes(bytes(range(256)))
    (folder / "config").mkdir()
    (folder / "config" / "a.json").write_text("{}")


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "added", "no seal", "no text", "seal of another"])
def test_a_damaged_folder_is_said_and_made_again(tmp_path, capsys, damage):
    folder = files.sealed_folder(tmp_path / "m", made)
    weights = folder / "weights"
    if damage == "flipped":
        weights.write_bytes(b"\x01" + weights.read_bytes()[1:])
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:9])
    elif damage == "gone":
        (folder / "config" / "a.json").unlink()
    elif damage == "added":
        (folder / "more").touch()
    elif damage == "no seal":
        (folder / files.SEAL).unlink()
    elif damage == "no text":
        (folder / files.SEAL).write_bytes(weights.read_bytes())
    else:
        (folder / files.SEAL).write_text((files.sealed_folder(tmp_path / "n", made) / files.SEAL).read_text())
    files.sealed_folder(folder, made)
    assert capsys.readouterr().err == "cache: m is not as it was written; making it again\n"
    assert weights.read_bytes() == bytes(range(256))
    files.sealed_folder(folder, lambda f: pytest.fail("made although it was there"))


def test_of_two_processes_that_make_one_folder_the_first_one_stays(tmp_path):
    def late(folder):
        files.sealed_folder(tmp_path / "m", made)
        (folder / "weights").write_bytes(b"late")

    assert (files.sealed_folder(tmp_path / "m", late) / "weights").read_bytes() == bytes(range(256))
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_a_folder_that_cannot_be_made_leaves_nothing_behind(tmp_path):
    def full(folder):
        (folder / "weights").write_bytes(b"half")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
        files.sealed_folder(tmp_path / "m", full)
    assert list(tmp_path.iterdir()) == []


def test_writing_leaves_no_partial_file(tmp_path):
    store(tmp_path / "x.run", pd.DataFrame({"value": [1.0]}))
    write(tmp_path / "new" / "x.txt", "é")
    write(tmp_path / "new" / "x.bin", b"\xff")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["new", "x.bin", "x.run", "x.txt"]
    assert (tmp_path / "new" / "x.txt").read_bytes() == "é".encode()


def test_a_failed_write_leaves_nothing_behind_and_the_old_file_whole(tmp_path, monkeypatch):
    put = Path.write_bytes

    def full(self, content):
        put(self, content[:4])
        raise OSError("no space left on device")

    write(tmp_path / "x.run", "old")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space left"):
        store(tmp_path / "x.run", pd.DataFrame({"value": [1.0]}))
    assert [p.name for p in tmp_path.iterdir()] == ["x.run"]
    assert (tmp_path / "x.run").read_text() == "old"


WAITS = """
import sys, types
from pathlib import Path

package = types.ModuleType("lhas_utils")
package.__path__ = [sys.argv[1]]
sys.modules["lhas_utils"] = package
from lhas_utils.core.files import alone

with alone(Path(sys.argv[2]), "computing runs"):
    print("in")
"""


def test_a_second_process_says_that_it_waits_and_then_goes_on(tmp_path):
    arguments = [sys.executable, "-c", WAITS, str(Path(files.__file__).parents[1]), str(tmp_path)]
    with files.alone(tmp_path, "computing runs"):
        other = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said = other.stderr.readline()
        assert (
            said == f"another process is computing runs in {tmp_path.name}; waiting for it\n" and other.poll() is None
        )
    out, _ = other.communicate(timeout=60)
    assert out == "in\n" and other.returncode == 0


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
