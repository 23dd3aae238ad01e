"""The reader's data as rows of one schema: which file is what, which columns are read, what was left out and why."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .files import FORMATS, Rows, hub, sources
from .rows import CONTEXT, PROMPT, RESPONSE, SYSTEM, TURNS, Columns, Unusable, read_row
from .splits import MOST, Deal

CHOICES = re.compile(
    r"(?P<where>.+)\?(?P<choices>(?:skill|prompt|response)=[^&]+(?:&(?:skill|prompt|response)=[^&]+)*)"
)
READ = (*SYSTEM, *PROMPT, *CONTEXT, *RESPONSE, *TURNS)


def choices(data: str) -> tuple[str, Columns]:
    """Return where the data lie and the columns that are named behind a question mark.

    >>> choices("owner/name:main?skill=subject&response=chosen")
    ('owner/name:main', Columns(prompt='', response='chosen', skill='subject'))
    """
    found = CHOICES.fullmatch(data)
    if not found or Path(data).expanduser().exists():
        return data, Columns()
    pairs = [pair.split("=", 1) for pair in found["choices"].split("&")]
    return found["where"], Columns(**{name: value.strip() for name, value in pairs})


def _sources(data: str) -> Iterator[tuple[str | None, str | None, Rows]]:
    path = Path(data).expanduser()
    if not data.strip():
        raise ValueError("DATA: expected a folder, a file or a hub name; got nothing")
    if path.exists():
        return sources(path)
    if data.startswith(("/", ".", "~")) or data.endswith((*FORMATS, ".gz", "/")) or data.count("/") > 1:
        raise ValueError(f"DATA {data!r}: expected a folder or a file, {', '.join(FORMATS)}; there is none")
    return hub(data)


def read_rows(data: str, most: int = MOST) -> tuple[list[dict], list[str]]:
    """Return the rows of the data and what a reader should know of them, one sentence each.

    A row has `skill, task, prompt, response, turns, quality, difficulty`, its `place` and its `split`, `train` or
    `validation`. The skill is the row's own (`skill`, `category` or the column that is named), else the file's or
    folder's name. Rows that cannot be used are left out and counted with the reason.

    Args:
        data: a folder, a file (`files.FORMATS`, also `.gz`), a folder of `save_to_disk` or a hub name
            `owner/name[:configuration]`; behind it, `?skill=COLUMN&prompt=COLUMN&response=COLUMN` in any choice.
        most: rows of a skill's split that are kept, a fixed sample of them.
    """
    where, columns = choices(data)
    deal, shapes, unused, several, named = Deal(most), Counter(), Counter(), 0, set()
    for skill, split, rows in _sources(where):
        for place, values in rows:
            try:
                row, used = read_row(place, values, columns)
            except Unusable as reason:
                deal.leave(str(reason), place)
                continue
            named.add("a column" if row["skill"] and columns.skill != row["skill"] else "")
            row["skill"] = row["skill"] or skill
            row["task"] = row["task"] or row["skill"]
            shapes[", ".join(name for name in dict.fromkeys(READ + tuple(sorted(used))) if name in used)] += 1
            unused.update(k for k, v in values.items() if k.strip().lower() not in used and _wordy(v))
            several += row["turns"].count('"role": "assistant"') > 0
            deal.add(row | {"place": place}, split)
    kept, notes = deal.rows()
    said = [f"read from {shape}: {n} rows" for shape, n in shapes.most_common(3)]
    if unused:
        said.append(f"columns not used: {', '.join(sorted(unused))}")
    if several:
        said.append(f"{several} conversations of several turns: the last answer is the response, all before the prompt")
    return kept, [*said, *notes, *filter(None, [deal.said()])]


def _wordy(value: object) -> bool:
    return bool(value) and isinstance(value, (str, list, dict))
