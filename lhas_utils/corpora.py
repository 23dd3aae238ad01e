"""Real text as stages: a folder of JSONL files, one JSONL file or a hub data set, in one schema.

A row has `skill, task, prompt, response` and optionally `quality` and `difficulty`. Every fault of
the data is a `ValueError` of one line that names the file and the line.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import Dataset, DatasetDict, load_dataset
from scipy.stats import rankdata

from . import paths
from .config import choose, digest
from .worlds import SKILLS, Stage, World, stream

FOLDER = paths.BUILD / "corpora"
SPLITS = ("train", "validation")
FIELDS = {  # field -> column names that are read as this field, first found first taken
    "skill": ("skill", "category"),
    "task": ("task",),
    "prompt": ("prompt", "instruction", "question"),
    "response": ("response", "output", "answer", "completion"),
}
NUMBERS = {"quality": (-math.inf, math.inf), "difficulty": (0, 1)}  # optional fields and their ranges
SCHEMA = (*FIELDS, *NUMBERS)
MIN_TRAIN, MIN_VALIDATION = 8, 8  # rows, and distinct validation prompts, that each skill needs
HELD_OUT = 5  # one prompt in five goes to validation where the data bring no validation split


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


def _rows(data: str) -> list[dict]:
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


def normalised(prompt: str) -> str:
    """Return a prompt without case and spacing: two prompts that agree on this are the same prompt."""
    return " ".join(prompt.casefold().split())


def _ranks(lengths) -> np.ndarray:
    return rankdata(lengths) / max(len(lengths), 1)


def stand_in_judge(frame: pd.DataFrame) -> np.ndarray:
    """Return a stand-in for a quality score, in [0, 1], for data that bring none.

    Half of it is form: the share of four checks that the response passes (does not start with a
    small letter; ends with a mark, a bracket or a digit; has no line twice; is not its prompt). The
    other half is length: 1 - |2 r - 1| with r the rank of the response's length within its skill, so
    that middling lengths score best. It knows nothing of correctness.
    """

    def form(prompt, response):
        text, lines = response.strip(), [s for s in response.splitlines() if s.strip()]
        ends = text[-1].isdigit() or text[-1] in ".!?)]}\"'`;"
        fresh = normalised(prompt) != normalised(text)
        return np.mean([not text[0].islower(), ends, len(lines) == len(set(lines)), fresh])

    rank = frame["response"].str.len().groupby(frame["skill"]).transform(_ranks)
    return np.array([form(p, r) for p, r in zip(frame["prompt"], frame["response"])]) / 2 + (1 - abs(2 * rank - 1)) / 2


def _complete(frame: pd.DataFrame) -> pd.DataFrame:
    """Fill absent `quality` and `difficulty` by their documented stand-ins."""
    for name in NUMBERS:
        given = frame[name].notna()
        if given.any() and not given.all():
            raise ValueError(f"{frame['place'][(~given).idxmax()]}: expected {name!r}, which other rows have; got none")
    if frame["quality"].isna().any():
        frame["quality"] = stand_in_judge(frame)
    if frame["difficulty"].isna().any():
        frame["difficulty"] = frame["response"].str.len().groupby(frame["skill"]).transform(_ranks)
    return frame.astype({name: float for name in NUMBERS})


def load(data: str) -> DatasetDict:
    """Load text data into the splits `train` and `validation` with the columns `SCHEMA`.

    - Skills come in the paper's order where they have the paper's names, then in the order found.
    - Data without a validation split give one prompt in five to it, by a digest of the prompt.
    - No prompt is in both splits (the training row goes), and none is twice in validation.
    - Absent `quality`: `stand_in_judge`. Absent `difficulty`: rank of the response's length within
      the skill, in (0, 1].

    Args:
        data: a folder of `NAME.train.jsonl` and `NAME.validation.jsonl` files (or with such a folder
            `skills/` in it), one `.jsonl` file, or a hub name `owner/name[:configuration]`.
    """
    frame = _complete(pd.DataFrame(_rows(data)))
    same = frame["prompt"].map(normalised)
    unsplit = frame["split"].isna()
    held_out = same[unsplit].map(lambda p: int(digest(p), 16) % HELD_OUT == 0)
    frame.loc[unsplit, "split"] = np.where(held_out, "validation", "train")
    tested = frame["split"] == "validation"
    frame = frame[np.where(tested, ~same.where(tested).duplicated(), ~same.isin(same[tested]))]
    found = list(dict.fromkeys(frame["skill"]))
    skills = [s for s in SKILLS if s in found] + [s for s in found if s not in SKILLS]
    if len(skills) < 2:
        raise ValueError(f"DATA {data!r}: expected at least two skills, one a stage; got {', '.join(skills) or 'none'}")
    parts = {}
    for split in SPLITS:
        part = frame[frame["split"] == split]
        parts[split] = Dataset.from_pandas(
            pd.concat([part.loc[part["skill"] == s, list(SCHEMA)] for s in skills]), preserve_index=False
        )
    for s in skills:
        got = [sum(name == s for name in parts[split]["skill"]) for split in SPLITS]
        if got[0] < MIN_TRAIN or got[1] < MIN_VALIDATION:
            wanted = f"at least {MIN_TRAIN} training rows and {MIN_VALIDATION} validation prompts"
            raise ValueError(f"DATA {data!r}, skill {s!r}: expected {wanted}; got too few rows, {got[0]} and {got[1]}")
    return DatasetDict(parts)


def skills_of(corpus: DatasetDict) -> list[str]:
    """Return the skills of a corpus in stage order."""
    return list(dict.fromkeys(corpus["train"]["skill"]))


def check(data: str) -> str:
    """Read all of the data and return one line that describes it; a fault is a `ValueError` in words."""
    corpus = load(data)
    sizes = (corpus[s].to_pandas()["skill"].value_counts() for s in SPLITS)
    train, validation = sizes
    return ", ".join(f"{s} {train[s]}/{validation[s]}" for s in skills_of(corpus)) + " (train/validation rows)"


def world(
    corpus: DatasetDict, seed: int, pool_size=300, test_size=64, validation_size=64, skills=None, ending=""
) -> World:
    """Build stages from a corpus: one skill a stage, pools from `train`, the rest from `validation`.

    Per skill, the longest quarter of the validation prompts is the out-of-distribution test, and
    training prompts longer than its shortest one are left out of the pool. The other validation
    prompts are dealt to the test set, the selector's validation set and the proxy, which is even
    over skills. No prompt is in two of these.

    Args:
        seed: names the stream that draws and deals.
        pool_size, test_size, validation_size: upper limits, examples; the proxy has
            `validation_size` in all, the out-of-distribution tests `test_size` each.
        skills: stages in order; all of the corpus by default.
        ending: text appended to every prompt, for models without a separator token.
    """
    known = skills_of(corpus)
    skills = [choose("skill", s, known) for s in (skills or known)]
    train, held_out = (corpus[split].to_pandas().assign(prompt=lambda d: d["prompt"] + ending) for split in SPLITS)
    stages, tests, ood, proxy = [], {}, {}, []

    def dataset(rows):
        return Dataset.from_pandas(rows, preserve_index=False)

    for s in skills:
        rng = stream(seed, "corpus", s)
        rows = held_out[held_out["skill"] == s]
        long = rows["prompt"].str.len().rank(method="first") > math.ceil(0.75 * len(rows))
        limit = rows.loc[long, "prompt"].str.len().min()
        own = train[train["skill"] == s]
        short = own[own["prompt"].str.len() <= limit]
        own = short if len(short) >= MIN_TRAIN else own
        pool = own.iloc[np.sort(rng.permutation(len(own))[:pool_size])]
        rest = rows[~long].iloc[rng.permutation((~long).sum())]
        sizes = min(test_size, len(rest) // 2), min(validation_size, len(rest) // 4)
        share = min(max(1, validation_size // len(skills)), len(rest) - sum(sizes))
        ends = np.cumsum([*sizes, share])
        tests[s] = dataset(rest.iloc[: ends[0]])
        proxy.append(rest.iloc[ends[1] : ends[2]])
        ood[s] = dataset(rows[long].iloc[:test_size])
        validation = dataset(rest.iloc[ends[0] : ends[1]])
        stages.append(Stage(s, dataset(pool), validation, {n: float(n == s) for n in skills}))
    return World(tuple(stages), dataset(pd.concat(proxy)), tests, ood)
