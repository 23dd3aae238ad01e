"""Which rows are trained on: a split from the names of files and folders, the hold-out, and what is left out."""

import heapq
import re
from collections import Counter, defaultdict
from pathlib import PurePath

from ..core import digest

SPLITS = ("train", "validation")
WORDS = {
    "train": ("train", "training", "trn"),
    "validation": ("validation", "valid", "val", "dev", "development", "eval", "evaluation", "heldout", "holdout"),
    "test": ("test", "testing", "tests"),
}
SPLIT_OF = {word: split for split, words in WORDS.items() for word in words}
SHARD = re.compile(r"-\d+-of-\d+(-[0-9a-f]{8,})?$")  # train-00000-of-00001.parquet
PART = re.compile(r"[-_.](part[-_.]?)?\d+$")  # train_1.jsonl
GENERIC = ("data", "skills", "default", "main")  # folder names that say nothing of a skill
HELD_OUT = 5  # one prompt in five goes to validation where the data bring no held-out split
MOST = 6000  # rows that are kept of a skill's split


def normalised(prompt: str) -> str:
    """Return a prompt without case and spacing: two prompts that agree on this are the same prompt."""
    return " ".join(prompt.casefold().split())


def split_of(name: str) -> tuple[str, str | None]:
    """Return (what is left, split) of a name; the split is a usual word, first or last in it.

    >>> split_of("math.train"), split_of("Dev"), split_of("held-out_math"), split_of("gpt-4.1-north")
    (('math', 'train'), ('', 'validation'), ('math', 'validation'), ('gpt-4.1-north', None))
    """
    name = SHARD.sub("", re.sub(r"held[-_. ]out", "heldout", name, flags=re.I))
    if _split(_words(PART.sub("", name)), -1):
        name = PART.sub("", name)
    words = _words(name)
    if split := _split(words, -1):
        return name[: words[-1].start()].strip("-_. "), split
    if split := _split(words, 0):
        return name[words[0].end() :].strip("-_. "), split
    return name, None


def _words(name: str) -> list[re.Match]:
    return list(re.finditer(r"[^-_. ]+", name))


def _split(words: list[re.Match], which: int) -> str | None:
    return SPLIT_OF.get(words[which].group().lower()) if words else None


def named(parts: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Return (skill, split) as folders and the file's name say it; the word nearest to the file decides.

    Args:
        parts: the folders below the data's own, and the file's name without its suffixes.
    """
    skill = split = None
    for name in reversed(parts):
        rest, said = split_of(name)
        split = split or said
        if skill is None and rest and rest.lower() not in GENERIC:
            skill = rest
    return skill.lower() if skill else None, split


def stem(name: str) -> str:
    """Return a file's name without the suffixes of its format and compression.

    >>> stem("gpt-4.1-north.jsonl.gz")
    'gpt-4.1-north'
    """
    return PurePath(name.removesuffix(".gz")).stem


class Deal:
    """Rows as they come, dealt to training and validation; a fixed sample of each skill's split is kept."""

    def __init__(self, most: int = MOST):
        self.most = most
        self.kept: dict = defaultdict(list)  # (skill, split) -> heap of (-priority, -order, row)
        self.held: set[int] = set()  # prompts that are never trained on
        self.left: Counter = Counter()
        self.first: dict[str, str] = {}
        self.order = 0

    def leave(self, reason: str, place: str) -> None:
        """Count a row that is left out."""
        self.left[reason] += 1
        self.first.setdefault(reason, place)

    def add(self, row: dict, split: str | None) -> None:
        """Take a row of a split; None where the data do not say."""
        key = int(digest(normalised(row["prompt"])), 16)
        split = split or "train"
        if split != "train":
            self.held.add(key)
        self.order += 1
        heap = self.kept[row["skill"], split]
        heapq.heappush(heap, (-(key // HELD_OUT), -self.order, row | {"key": key}))
        if len(heap) > self.most:
            gone = heapq.heappop(heap)[2]
            self.leave(f"more than {self.most} rows of a skill in a split", gone["place"])

    def rows(self) -> tuple[list[dict], list[str]]:
        """Return the rows with their `split`, in the order they came, and what there is to say about splits."""
        notes, out = [], []
        skills = list(dict.fromkeys(skill for skill, _ in self.kept))
        has = {skill: {split for s, split in self.kept if s == skill} for skill in skills}
        for (skill, split), heap in self.kept.items():
            for _, order, row in heap:
                if split == "test" and "validation" in has[skill]:
                    self.leave("test split beside a validation split", row["place"])
                    continue
                held = split != "train" or (has[skill] == {"train"} and row["key"] % HELD_OUT == 0)
                out.append((-order, row | {"split": SPLITS[held]}))
        out = [row for _, row in sorted(out, key=lambda pair: pair[0])]
        held = self.held | {row["key"] for row in out if row["split"] == "validation"}
        rows, seen = [], set()
        for row in out:
            key = row.pop("key")
            if row["split"] == "train" and key in held:
                self.leave("the prompt is held out, too", row["place"])
            elif row["split"] == "validation" and key in seen:
                self.leave("the prompt is in validation already", row["place"])
            else:
                rows.append(row)
                seen |= {key} if row["split"] == "validation" else set()
        if alone := [s for s in skills if has[s] == {"train"}]:
            notes.append(f"one prompt in {HELD_OUT} is held out where no held-out split is given: {_some(alone)}")
        if tested := [s for s in skills if "test" in has[s] and "validation" not in has[s]]:
            notes.append(f"the test split, never trained on, serves as validation where no other does: {_some(tested)}")
        return rows, notes

    def said(self) -> str:
        """Return how many rows were left out and why, each with the first place; empty if none was."""
        parts = [f"{n} because {reason} (first: {self.first[reason]})" for reason, n in self.left.items()]
        return f"left out {sum(self.left.values())} rows: {'; '.join(parts)}" if parts else ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
