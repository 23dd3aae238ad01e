"""Verifiable questions in English with a difficulty knob: those of `reasoning-gym`, and a small stand-in for them.

`reasoning-gym` draws item i of a data set from `Random(seed + i)`, so that the data sets of neighbouring seeds share
nearly all of their items: seeds here are blocks, 10^6 apart.
"""

import random
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from math import gcd
from typing import NamedTuple

from ..core import choose

RELEASE = "0.1.25"  # of reasoning-gym: another one may draw other items
SPACING = 10**6
LEVELS = (1, 2, 3, 4, 5)
KNOBS: dict[str, Callable[[int], dict]] = {  # family -> its knobs at level d
    "spell_backward": lambda d: {"min_word_len": d + 2, "max_word_len": d + 2},
    "letter_counting": lambda d: {"min_words": 2 * d, "max_words": 2 * d + 1},
    "gcd": lambda d: {"max_value": 15 * 2**d},
    "calendar_arithmetic": lambda d: {"tasks": ["weekday_offset"], "offset_upper_bound": 2 * 2**d},
}
FAMILIES = tuple(KNOBS)
SOURCES = ("reasoning-gym", "stand-in")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SETS = ("pool", "validation", "proxy", "test", "base")  # each has items of its own


class Item(NamedTuple):
    """A question, its answer, and whether another answer is right."""

    question: str
    answer: str
    accepts: Callable[[str], bool]


def block(seed: int, family: str, level: int, which: str) -> int:
    """Return the first of the 10^6 item seeds of one family, level and set of a world; no two overlap.

    >>> block(0, "gcd", 1, "pool") - block(0, "spell_backward", 5, "base")
    6000000
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


def _word(rng: random.Random, length: int, letters: str = "abcdefgh") -> str:
    return "".join(rng.choice(letters) for _ in range(length))


def _spell(rng: random.Random, d: int) -> tuple[str, str]:
    word = _word(rng, d + 2)
    return f"Spell backward: {word}", word[::-1]


def _count(rng: random.Random, d: int) -> tuple[str, str]:
    word = _word(rng, 2 * d + 3, "abcd")
    return f"How often is a in {word}?", str(word.count("a"))


def _divisor(rng: random.Random, d: int) -> tuple[str, str]:
    a, b = (rng.randint(1, 15 * 2**d) for _ in range(2))
    return f"GCD of {a}, {b}?", str(gcd(a, b))


def _weekday(rng: random.Random, d: int) -> tuple[str, str]:
    start, days = rng.randrange(7), rng.randint(1, 2 * 2**d)
    date = f"{rng.randint(1, 28)}.{rng.randint(1, 12)}."
    return f"{date} is a {DAYS[start]}. And {days} days later?", DAYS[(start + days) % 7]


_QUESTIONS = dict(zip(FAMILIES, (_spell, _count, _divisor, _weekday)))
