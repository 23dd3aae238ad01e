"""Files in every format that people bring, made here, and every sentence about one that cannot be read."""

import gzip
import json
from datetime import timedelta

import pandas as pd
import pytest
from datasets import Dataset, DatasetDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lhas_utils.worlds import formats
from lhas_utils.worlds.reading import choices, read_rows
from lhas_utils.worlds.rows import Columns

ROWS = [{"prompt": f"Größe {i}, or\nso?", "response": f'"{i}"'} for i in range(3)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path):
    """Rows of all files: [(skill, split, rows)], and the first place."""
    out = [(skill, split, list(rows)) for skill, split, rows in formats.sources(path)]
    return [(skill, split, [row for _, row in rows]) for skill, split, rows in out], out[0][2][0][0]


WRITERS = {
    "north.jsonl": lambda p: write(p, LINES),
    "north.ndjson": lambda p: write(p, "\n" + LINES + "\n\n"),
    "lines/north.json": lambda p: write(p, LINES),
    "bom/north.jsonl": lambda p: write(p, "\ufeff" + LINES),
    "array/north.json": lambda p: write(p, json.dumps(ROWS, indent=1)),
    "one line/north.json": lambda p: write(p, "\ufeff" + json.dumps(ROWS)),
    "array/north.jsonl": lambda p: write(p, json.dumps(ROWS)),
    "indented/north.jsonl": lambda p: write(p, json.dumps(ROWS, indent=1)),
    "object/north.json": lambda p: write(p, json.dumps({"version": 1, "data": ROWS})),
    "north.jsonl.gz": lambda p: write(p, gzip.compress(LINES.encode())),
    "north.json.gz": lambda p: write(p, gzip.compress(json.dumps(ROWS).encode())),
    "north.csv": lambda p: pd.DataFrame(ROWS).to_csv(p, index=False),
    "bom/north.csv": lambda p: pd.DataFrame(ROWS).to_csv(p, index=False, encoding="utf-8-sig"),
    "semicolon/north.csv": lambda p: pd.DataFrame(ROWS).to_csv(p, index=False, sep=";"),
    "north.tsv": lambda p: pd.DataFrame(ROWS).to_csv(p, index=False, sep="\t"),
    "north.csv.gz": lambda p: pd.DataFrame(ROWS).to_csv(p, index=False),
    "north.parquet": lambda p: pd.DataFrame(ROWS).to_parquet(p),
    "north": lambda p: Dataset.from_list(ROWS).save_to_disk(p),
    "deep/er/north.jsonl": lambda p: write(p, LINES),
}


@pytest.mark.parametrize("name", WRITERS)
def test_formats(name, tmp_path):
    path = tmp_path / "home" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    WRITERS[name](path)
    found, place = read(tmp_path / "home")
    assert found == [("north", None, ROWS)]
    assert place.startswith(str(path)) and any(f", {word} " in place for word in ("line", "row"))
    if path.is_file():
        assert read(path)[0] == found, "one file is read like a folder of one"


def test_a_saved_dictionary_has_splits(tmp_path):
    DatasetDict({"train": Dataset.from_list(ROWS), "test": Dataset.from_list(ROWS[:1])}).save_to_disk(tmp_path / "math")
    assert read(tmp_path)[0] == [("math", "train", ROWS), ("math", "test", ROWS[:1])]
    assert read(tmp_path / "math")[0] == [("math", "train", ROWS), ("math", "test", ROWS[:1])]


def test_hidden_files_and_descriptions_are_skipped(tmp_path):
    write(tmp_path / "gsm" / "train.jsonl", LINES)
    for name in (
        ".north.jsonl",
        "._train.jsonl",
        ".cache/a.jsonl",
        "__MACOSX/a.jsonl",
        "dataset_infos.json",
        "model/config.json",
    ):
        write(tmp_path / "gsm" / name, "{}")
    write(tmp_path / "gsm" / "README.md", "# read me")
    write(tmp_path / "gsm" / "model" / "tokenizer.json", "{}")
    assert read(tmp_path / "gsm")[0] == [("gsm", "train", ROWS)], "a file that names no skill has that of its folder"


def test_messages_survive_parquet(tmp_path):
    talk = [{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}]
    Dataset.from_list(talk).to_parquet(tmp_path / "a.parquet")
    assert read_rows(str(tmp_path)).rows[0]["response"] == "a"


FAULTS = [
    (
        "a.jsonl",
        LINES + '{"prompt": "cut of',
        r"line 4: expected a JSON object; got '{\"prompt\": \"cut of' \(Unterminated",
    ),
    ("a.jsonl", LINES + "plain text\n", "line 4: expected a JSON object; got 'plain text'"),
    ("a.jsonl", LINES.encode("utf-16"), "line 1: expected UTF-8 text; got UTF-16, save it as UTF-8"),
    ("a.jsonl", LINES.encode() + b'{"prompt": "\xff"}\n', "line 4: expected UTF-8 text; got byte 0xff"),
    ("a.csv", b"prompt,response\na,b\nc,\xe9\n", "line 3: expected UTF-8 text; got byte 0xe9"),
    ("a.json", '[\n{"prompt": "a"},\n{"prompt": ]', "line 3: expected a JSON object"),
    ("a.json", '{"prompt": {"0": "a"}, "response": {"0": "b"}}', "expected an array of objects.*columns"),
    ("a.json", "3", "expected an array of objects; got int"),
    ("a.jsonl", "[" * 100000, "line 1: expected a JSON object"),
    ("a.jsonl", "", "expected rows.*empty file"),
    ("a.json", " \n", "expected rows.*empty file"),
    ("a.csv", "prompt,response\n", "expected rows.*empty file"),
    ("a.csv", "prompt,response\na,b,c\n", "line 2: expected 2 fields, as the first line has; got more"),
    ("a.csv", "prompt,response\na\n", "line 2: expected 2 fields, as the first line has; got fewer"),
    ("a.csv", 'prompt,response\na,"b\n', "line 1: expected CSV; got unexpected end of data"),
    ("a.parquet", "PAR1", "after row 0: expected a parquet file; got ArrowInvalid"),
    ("a.parquet.gz", "x", "after row 0: expected a parquet file; got .*unpack it"),
    ("a.jsonl.gz", "not gz", "after line 1: expected a whole .gz file; got BadGzipFile"),
    ("a.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)[:-9], "expected a whole .gz file; got EOFError"),
]


@pytest.mark.parametrize("name, content, words", FAULTS)
def test_a_fault_of_a_file_names_file_and_line(name, content, words, tmp_path):
    path = write(tmp_path / name, content)
    with pytest.raises(ValueError, match=words) as error:
        read_rows(str(tmp_path))
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_what_holds_no_data_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"NAME\.train\.jsonl.*found nothing"):
        read(tmp_path)
    write(tmp_path / "a.xlsx", "x")
    with pytest.raises(ValueError, match=r"\.parquet.*found a\.xlsx"):
        read(tmp_path)
    with pytest.raises(ValueError, match=r"DATA .*expected a \.jsonl.*got \.xlsx"):
        read(tmp_path / "a.xlsx")
    write(tmp_path / "saved" / "state.json", "{}")
    with pytest.raises(ValueError, match="saved: expected a data set of save_to_disk; got"):
        read(tmp_path)


@settings(deadline=timedelta(seconds=2), max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.jsonl.gz", "a.parquet"]),
    content=st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60).map(str.encode),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text("ab \ud83d", max_size=3),
            lambda part: (
                st.lists(part, max_size=2)
                | st.dictionaries(
                    st.sampled_from(["prompt", "response", "messages", "role", "content"]), part, max_size=3
                )
            ),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_whatever_a_file_holds_it_is_read_or_one_line_names_it(name, content, tmp_path):
    path = write(tmp_path / name, content)
    try:
        assert all(row["prompt"].strip() and row["response"].strip() for row in read_rows(str(path)).rows)
    except ValueError as error:
        assert str(path) in str(error) and "\n" not in str(error)


# ---- from files to rows ----------------------------------------------------------------------------


def test_columns_are_named_behind_a_question_mark(tmp_path):
    assert choices("a?skill=b c&prompt=d+e") == ("a", Columns(skill="b c", prompt="d+e"))
    assert choices("what?") == ("what?", Columns())
    folder = tmp_path / "is?skill=this"
    folder.mkdir()
    assert choices(str(folder)) == (str(folder), Columns()), "a folder of that name is a folder"


def test_what_was_read_is_said(tmp_path):
    items = [{"instruction": f"q {i}", "input": "x" * (i % 2), "output": "a", "text": "all", "n": 1} for i in range(6)]
    items[5]["output"] = ""
    write(tmp_path / "facts.jsonl", "".join(json.dumps(item) + "\n" for item in items))
    reading = read_rows(str(tmp_path))
    assert reading.notes[:3] == [
        "5 rows read from instruction, input, output",
        "columns not used: text",
        "skills are the names of files and folders",
    ]
    assert reading.left == f"left out 1 rows: 1 because the response is blank (first: {tmp_path}/facts.jsonl, line 6)"
    assert {row["skill"] for row in reading.rows} == {"facts"} == {row["task"] for row in reading.rows}
    assert reading.rows[1]["prompt"] == "q 1\n\nx"
    assert read_rows(f"{tmp_path}?skill=input").skills == (
        "skills are the names of files and folders and the column 'input'"
    )


def test_talks_of_several_turns_are_said(tmp_path):
    talk = [{"role": role, "content": role} for role in ("user", "assistant", "user", "assistant")]
    write(tmp_path / "a.jsonl", json.dumps({"messages": talk}))
    assert read_rows(str(tmp_path)).notes[-1] == (
        "1 rows are talks of several turns: the last answer is the response, the rest its prompt"
    )


def test_rows_of_the_hub_have_the_splits_of_their_names(monkeypatch):
    monkeypatch.setattr(
        formats,
        "load_dataset",
        lambda *_, **how: {"train_sft": Dataset.from_list(ROWS), "dev": Dataset.from_list(ROWS[:1])},
    )
    found = [(skill, split, len(list(rows))) for skill, split, rows in formats.hub("owner/Name")]
    assert found == [("sft", "train", 3), ("name", "validation", 1)]
