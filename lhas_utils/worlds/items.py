"""Verifiable questions in English with a difficulty knob: those of `reasoning-gym`, and a small stand-in for them.

`reasoning-gym` draws item i of a data set from `Random(seed + i)`, so that the data sets of neighbouring seeds share
nearly all of their items: seeds here are blocks, 10^6 apart.
"""

import random
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from typing import NamedTuple

from ..core import choose

RELEASE = "0.1.25"  # of reasoning-gym: another one may draw other items
SPACING = 10**6
LEVELS = (1, 2, 3, 4, 5)
KNOBS: dict[str, Callable[[int], dict]] = {  # family -> its knobs at level d
    "needle_haystack": lambda d: {"min_num_statements": 2 * d, "max_num_statements": 2 * d},
    "family_relationships": lambda d: {"min_family_size": d + 2, "max_family_size": d + 2},
    "number_sequence": lambda d: {"max_complexity": min(d, 3), "min_terms": 5, "max_terms": 6, "max_value": 20 * d},
    "word_sequence_reversal": lambda d: {"min_words": d + 1, "max_words": d + 1},
}
FAMILIES = tuple(KNOBS)
SOURCES = ("reasoning-gym", "stand-in")
NAMES = ("Ann", "Bob", "Cy", "Dan", "Eve", "Fay", "Gus", "Hal", "Ida", "Jo", "Kim", "Lou")
SETS = ("pool", "validation", "proxy", "test", "base")  # each has items of its own


class Item(NamedTuple):
    """A question, its answer, and whether another answer is right."""

    question: str
    answer: str
    accepts: Callable[[str], bool]


def block(seed: int, family: str, level: int, which: str) -> int:
    """Return the first of the 10^6 item seeds of one family, level and set of a world; no two overlap.

    >>> block(0, "family_relationships", 0, "pool") - block(0, "needle_haystack", 5, "base")
    1000000
    """
    position = (seed * len(FAMILIES) + FAMILIES.index(family)) * (len(LEVELS) + 1) + level
    return (position * len(SETS) + SETS.index(which)) * SPACING


def items(source: str, family: str, level: int, first: int) -> Iterator[Item]:
    """Yield the items from the seed `first` on, at most 10^6; the same item may come twice.

    Args:
        source: one of `SOURCES`. family: one of `FAMILIES`. level: one of `LEVELS`.

    Raises:
        ValueError: another family, level or source; `reasoning-gym` is absent or of another release.
    """
    choose("source", source, SOURCES)
    choose("family", family, FAMILIES)
    choose("level", level, LEVELS)
    yield from (_gym if source == "reasoning-gym" else _stand_in)(family, level, first)


@cache
def require() -> None:
    """Raise a `ValueError` in one sentence unless `reasoning-gym` is there at the release that the runs use."""
    try:
        found = version("reasoning-gym")
    except ModuleNotFoundError:
        found = "none"
    if found != RELEASE:
        raise ValueError(f"reasoning-gym: expected release {RELEASE}; got {found}; `make llm` installs it")


def _gym(family: str, level: int, first: int) -> Iterator[Item]:
    require()
    import reasoning_gym  # here because it takes seconds, and only the extra `llm` brings it

    data = reasoning_gym.create_dataset(family, seed=first, size=SPACING, **KNOBS[family](level))
    for entry in data:

        def accepts(answer: str, entry=entry) -> bool:
            return data.score_answer(answer, entry) == 1.0  # it gives partial credit: all or nothing here

        yield Item(entry["question"], entry["answer"], accepts)


def _stand_in(family: str, level: int, first: int) -> Iterator[Item]:
    for index in range(SPACING):
        question, answer = _QUESTIONS[family](random.Random(first + index), level)
        yield Item(question, answer, answer.__eq__)


def _needle(rng: random.Random, d: int) -> tuple[str, str]:
    names, marks = rng.sample(NAMES, d + 1), rng.sample(range(10), d + 1)
    i = rng.randrange(d + 1)
    told = " ".join(f"{name} has {mark}." for name, mark in zip(names, marks))
    return f"{told} Who has {marks[i]}?", names[i]


def _ancestor(rng: random.Random, d: int) -> tuple[str, str]:
    names, steps = rng.sample(NAMES, d + 2), rng.randint(1, d + 1)
    return f"{' > '.join(names)}. Who is {steps} above {names[-1]}?", names[-1 - steps]


def _sequence(rng: random.Random, d: int) -> tuple[str, str]:
    first, step = rng.randint(-20 * d, 20 * d), rng.randint(-3 * d, 3 * d)
    terms = [str(first + step * i) for i in range(5)]
    return f"{', '.join(terms[:4])}, ?", terms[4]


def _reversal(rng: random.Random, d: int) -> tuple[str, str]:
    names = rng.sample(NAMES, d + 2)
    return f"Reverse {', '.join(names)}:", ", ".join(names[::-1])


_QUESTIONS = dict(zip(FAMILIES, (_needle, _ancestor, _sequence, _reversal)))
