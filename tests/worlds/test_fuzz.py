"""Whatever a file holds, the loader reads it or says one sentence that names the file."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lhas_utils.worlds import rows
from lhas_utils.worlds.reading import read_rows

NAMES = st.sampled_from(
    [*rows.PROMPT, *rows.CONTEXT, *rows.RESPONSE, *rows.TURNS, *rows.SYSTEM, "skill", "task", "quality", "chosen", "x"]
)
TURN = st.dictionaries(st.sampled_from(["role", "content", "from", "value", "text"]), st.text(max_size=5) | st.none())
CELL = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["[", "{}", "[{}]"]),
    lambda inner: st.lists(inner | TURN, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
ROW = st.dictionaries(NAMES, CELL, min_size=1, max_size=4)
FUZZ = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def read(name: str, content: bytes) -> None:
    """Read one file of a fresh folder: texts that can be encoded come back, or one line that names the file."""
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        try:
            found = read_rows(folder)
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error), error
            return
        for row in found.rows:
            assert row["prompt"].strip() and row["response"].strip() and (row["prompt"] + row["response"]).encode()
            assert row["split"] in ("train", "validation") and row["skill"]
            json.loads(row["turns"] or "[]")


@FUZZ
@given(st.lists(ROW, max_size=4))
def test_any_rows(found):
    read("a.jsonl", "".join(json.dumps(row) + "\n" for row in found).encode())
    read("a.json", json.dumps(found).encode())


@FUZZ
@given(st.binary(max_size=60), st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.tsv", "a.parquet", "a.jsonl.gz"]))
def test_any_bytes(content, name):
    read(name, content)


@FUZZ
@given(st.lists(st.lists(st.text(max_size=6), min_size=2, max_size=2), max_size=4))
def test_any_csv_cells(cells):
    lines = ["prompt,response", *(",".join('"' + c.replace('"', '""') + '"' for c in row) for row in cells)]
    read("a.csv", "\n".join(lines).encode(errors="surrogatepass"))
