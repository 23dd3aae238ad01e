"""The reader's data as rows of one schema: which file is what, which columns are read, what was left out and why."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .formats import FORMATS, Rows, hub, sources
from .rows import Columns, Unusable, read_row
from .splits import MOST, Deal

CHOICE = r"(?:(?:skill|prompt|response)=[^&]+|length=\d+)"
CHOICES = re.compile(rf"(.+)\?({CHOICE}(?:&{CHOICE})*)", re.DOTALL)


def _asked(data: str) -> tuple[str, dict[str, str]]:
    found = CHOICES.fullmatch(data)
    if not found or Path(data).expanduser().exists():
        return data, {}
    pairs = (pair.split("=", 1) for pair in found[2].split("&"))
    return found[1], {name: value.strip() for name, value in pairs}


def choices(data: str) -> tuple[str, Columns]:
    """Return where the data lie and the columns that are named behind a question mark.

    >>> choices("owner/name:main?skill=subject&response=chosen&length=256")
    ('owner/name:main', Columns(prompt='', response='chosen', skill='subject'))
    """
    where, asked = _asked(data)
    return where, Columns(**{name: value for name, value in asked.items() if name != "length"})


def length_of(data: str) -> int:
    """Return the tokens of an example at most, as named behind a question mark; 0 where they are not.

    >>> length_of("owner/name?length=256"), length_of("owner/name?skill=subject")
    (256, 0)
    """
    return int(_asked(data)[1].get("length", 0))


@dataclass(frozen=True)
class Reading:
    """What was read: the rows, and in sentences what a reader should know of them.

    Args:
        rows: with `skill, task, prompt, response, turns, quality, difficulty, place` and `split`, which is
            `train` or `validation`.
        notes: the columns, the skills, the splits, and conversations.
        left: how many rows were left out and why; empty if none was.
        skills: where the skills' names come from.
    """

    rows: list[dict]
    notes: list[str]
    left: str
    skills: str


def read_rows(data: str, most: int = MOST) -> Reading:
    """Read the rows of the data; those that cannot be used are left out and counted with the reason.

    The skill is the row's own (`skill`, `category` or the column that is named), else the file's or the folder's name.

    Args:
        data: a folder, a file (`formats.FORMATS`, also `.gz`), a folder of `save_to_disk` or a hub name
            `owner/name[:configuration]`; behind it any of `?skill=COLUMN&prompt=COLUMN&response=COLUMN&length=TOKENS`.
        most: rows of a skill's split that are kept, a fixed sample of them.
    """
    where, columns = choices(data)
    deal, shapes, read, spare, origins, talks = Deal(most), Counter(), set(), {}, {}, 0
    for skill, split, rows in _sources(where):
        for place, values in rows:
            try:
                row, used = read_row(place, values, columns)
            except Unusable as reason:
                deal.leave(str(reason), place)
                continue
            origins[_origin(row["skill"], used, columns)] = None
            row["skill"] = row["skill"] or skill
            row["task"] = row["task"] or row["skill"]
            shapes[tuple(values)] += 1
            read |= used
            spare |= {k: None for k, v in values.items() if _is_text(v) and k.strip().lower() not in used}
            talks += '"role": "assistant"' in row["turns"]
            deal.add(row | {"place": place}, split)
    kept, splits = deal.rows()
    merged = Counter()
    for names, n in shapes.items():
        merged[", ".join(k for k in names if k.strip().lower() in read)] += n
    notes = [f"{n} rows read from {names}" for names, n in merged.most_common(3)]
    notes += [f"columns not used: {', '.join(spare)}"] if spare else []
    skills = f"skills are {' and '.join(origins) or 'none'}"
    if talks:
        splits.append(f"{talks} rows are talks of several turns: the last answer is the response, the rest its prompt")
    return Reading(kept, [*notes, skills, *splits], deal.said(), skills)


def _sources(data: str) -> Iterator[tuple[str, str | None, Rows]]:
    path = Path(data).expanduser()
    if not data.strip():
        raise ValueError("DATA: expected a folder, a file or a hub name; got nothing")
    if path.exists():
        return sources(path)
    if data.startswith(("/", ".", "~")) or data.endswith((*FORMATS, ".gz", "/")) or data.count("/") > 1:
        raise ValueError(f"DATA {data!r}: expected a folder or a file ({', '.join(FORMATS)}); there is none")
    return hub(data)


def _origin(skill: str | None, used: set[str], columns: Columns) -> str:
    """Return in words where a row's skill comes from."""
    if skill is None:
        return "the names of files and folders"
    column = next((c for c in (columns.skill.lower(), "skill", "category") if c in used), None)
    return f"the column {column!r}" if column else f"all {skill!r}, as SKILL says: no column has this name"


def _is_text(value: object) -> bool:
    return bool(value) and isinstance(value, (str, list, dict))
