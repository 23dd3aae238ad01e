"""DepthWorld: skills with a difficulty knob and an exact check of every sample.

The controlled world of the second study (arXiv:2605.12906, section 3), in the language of `symbols`. A base model
knows one such skill at its easy levels, and other skills at all lengths, so that a long sequence is nothing new to
it: only the skill at that length is.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from datasets import Dataset

from ..core import choose, stream
from .symbols import SYMBOLS, TOKENS, side, solve, text
from .types import table


class Knob(NamedTuple):
    """Levels tested (D_test is uniform over them), the hardest level each base has seen, the longest other string."""

    levels: tuple[int, ...]
    seen: dict[str, int]
    longest: int


KNOBS = {  # difficulty: string length for sort and cumsum, number of composed operations for program
    "sort": Knob(tuple(range(2, 9)), {"weak": 3, "strong": 5}, 8),
    "cumsum": Knob(tuple(range(2, 9)), {"weak": 3, "strong": 5}, 8),
    "program": Knob(tuple(range(1, 7)), {"weak": 2, "strong": 4}, 16),
}
OTHERS = ("copy", "reverse", "increment", "rotate")  # mid-trained at all lengths, never fine-tuned
OTHERS_SHARE = 0.6  # of the mid-training corpus
STEPS = ("rotate", "reverse", "swap", "increment", "double", "copy")  # a program composes different ones
PROGRAM_LENGTH = 3
CUMSUM_DIGITS = 5  # summands are below 5, sums are modulo 10: half the addition table to learn
COLUMNS = ("prompt", "response", "level")


def answer(task: str, x: tuple[int, ...]) -> str:
    """Return the response: the solved string, or for a program each operation and its result in turn.

    >>> answer("sort", (2, 0, 1))
    'a0 a1 a2'
    >>> answer("program increment reverse", (0, 1, 2))
    'reverse a2 a1 a0 increment a3 a2 a1'
    """
    if not task.startswith("program"):
        return text("a", solve(task, x))
    ops, parts = task.split()[1:], []
    for op in reversed(ops):
        x = solve(op, x)
        parts.append(f"{op} {text('a', x)}")
    return " ".join(parts)


def _example(rng, skill: str, d: int, which: str) -> dict:
    """Draw one example of level d from one side of the split by prompt."""
    while True:
        task, length = skill, d
        if skill == "program":
            task, length = "program " + " ".join(rng.permutation(STEPS)[:d]), PROGRAM_LENGTH
        x = tuple(int(v) for v in rng.integers(CUMSUM_DIGITS if skill == "cumsum" else SYMBOLS, size=length))
        if side(task, "a", x) == which:
            shown = task.removeprefix("program ")
            return {"prompt": f"{shown} {text('a', x)}", "response": answer(task, x), "level": d}


def verify(skill: str, row: dict) -> bool:
    """Tell whether a row's response is right, working from its text alone and not from `solve`."""
    words, said = row["prompt"].split(), row["response"].split()
    ops, x = [w for w in words if not w[1:].isdigit()], [int(w[1:]) for w in words if w[1:].isdigit()]
    if skill == "sort":
        return said == [f"a{v}" for v in np.sort(x)]
    if skill == "cumsum":
        return said == [f"a{v}" for v in np.cumsum(x) % 10]
    rules = {
        "rotate": lambda s: np.roll(s, -1),
        "reverse": np.flip,
        "swap": lambda s: s[[1, 0, 2]],
        "increment": lambda s: (s + 1) % 10,
        "double": lambda s: s * 2 % 10,
        "copy": np.copy,
    }
    expected, state = [], np.array(x)
    for op in ops[::-1]:
        state = rules[op](state)
        expected += [op, *(f"a{v}" for v in state)]
    return said == expected


@dataclass(frozen=True)
class DepthCorpus:
    """Mid-training text of a DepthWorld base: other skills at all lengths, and the skill's easy levels."""

    skill: str
    kind: str
    words: ClassVar = TOKENS
    positions: ClassVar = 64
    tag: ClassVar = "depth-pretrain"
    seeded: ClassVar = True
    weights: ClassVar = {}

    def rows(self, seed: int, size: int) -> Dataset:
        """Return `size` examples."""
        rng, rows, (_, seen, longest) = stream(seed, "depth-base", self.skill), [], KNOBS[self.skill]
        for _ in range(size):
            if rng.random() < OTHERS_SHARE:
                other, length = OTHERS[rng.integers(len(OTHERS))], int(rng.integers(1, longest + 1))
                rows.append(_example(rng, other, length, "pool"))
            else:
                rows.append(_example(rng, self.skill, int(rng.integers(1, seen[self.kind] + 1)), "pool"))
        return table(rows, COLUMNS)


@dataclass(frozen=True)
class DepthWorld:
    """One skill of DepthWorld: `sort`, `cumsum` or `program`."""

    skill: str
    tag: ClassVar = "depth"
    decoded: ClassVar = False

    def __post_init__(self):
        choose("skill", self.skill, KNOBS)

    @property
    def levels(self) -> tuple[int, ...]:
        """Difficulties that are tested; D_test is uniform over them."""
        return KNOBS[self.skill].levels

    @property
    def seen(self) -> dict[str, int]:
        """The hardest level that the weak and the strong base have seen."""
        return KNOBS[self.skill].seen

    def corpus(self, kind: str) -> DepthCorpus:
        """Return the mid-training corpus of the `weak` or the `strong` base."""
        return DepthCorpus(self.skill, kind)

    def answer_tokens(self, d: int) -> int:
        """Return the response tokens of an example of level d, `<eos>` included."""
        return 1 + (d * (1 + PROGRAM_LENGTH) if self.skill == "program" else d)

    def sample(self, d: int, n: int, seed: int) -> Dataset:
        """Return n i.i.d. examples of level d (0: uniform over all levels) from the training side; prefixes nest."""
        rng = stream(seed, "depth", self.skill, d)

        def level():
            return d or self.levels[rng.integers(len(self.levels))]

        return table([_example(rng, self.skill, level(), "pool") for _ in range(n)], COLUMNS)

    def slices(self, seed: int, size: int) -> dict[int, Dataset]:
        """Return the test set of each level, `size` examples each."""

        def one(d):
            rng = stream(seed, "depth-test", self.skill, d)
            return table([_example(rng, self.skill, d, "test") for _ in range(size)], COLUMNS)

        return {d: one(d) for d in self.levels}


def trimmed(data: Dataset, which: str) -> Dataset:
    """Remove the `easiest` or the `hardest` tenth by level; ties go by position. Paper: Fig. 2."""
    ordered, cut = np.argsort(data["level"], kind="stable"), round(0.1 * len(data))
    return data.select(np.sort(ordered[cut:] if which == "easiest" else ordered[: len(data) - cut]))
