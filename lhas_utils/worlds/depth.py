"""DepthWorld: skills with a difficulty knob and an exact check of every sample.

The controlled world of the second study (arXiv:2605.12906, section 3), in the language of `symbols`. A base model
knows one such skill at its easy levels, and other skills, one of them akin to it, at all lengths, so that a long
sequence is nothing new to it: only the skill at that length is. Training data of one level are a bucket of lengths,
as the paper's are; tests are of one length each.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from datasets import Dataset

from ..core import choose, stream
from .symbols import SYMBOLS, TOKENS, side, solve, text
from .types import table


class Knob(NamedTuple):
    """What tells one skill from another.

    Args:
        levels: string lengths that are tested; D_test is uniform over them.
        symbols: the strings' symbols are below this.
        seen: the hardest level that each base has seen.
        others: operations that the bases know at all lengths, and that are never fine-tuned; one of them is akin to
            the skill, as a pretrained model knows most of what fine-tuning elicits.
    """

    levels: tuple[int, ...]
    symbols: int
    seen: dict[str, int]
    others: tuple[str, ...]


BUCKET = 3  # lengths of a level's training data: with one, a model unlearns to stop at any other
KNOBS = {  # cumsum: summands are below 5, sums are modulo 10, so half the addition table is to be learnt
    "sort": Knob(tuple(range(2, 15)), SYMBOLS, {"weak": 3, "strong": 5}, ("copy", "reverse", "sort_down", "rotate")),
    "cumsum": Knob(tuple(range(2, 9)), 5, {"weak": 3, "strong": 5}, ("copy", "increment", "running_max", "rotate")),
}
OTHERS_SHARE = 0.6  # of the mid-training corpus
COLUMNS = ("prompt", "response", "level")


def _example(rng, task: str, d: int, which: str, symbols: int = SYMBOLS) -> dict:
    """Draw one example of length d from one side of the split by prompt."""
    while True:
        x = tuple(int(v) for v in rng.integers(symbols, size=d))
        if side(task, "a", x) == which:
            return {"prompt": f"{task} {text('a', x)}", "response": text("a", solve(task, x)), "level": d}


def verify(skill: str, row: dict) -> bool:
    """Tell whether a row's response is right, working from its text alone and not from `solve`."""
    rules = {"sort": np.sort, "cumsum": lambda x: np.cumsum(x) % 10}
    x = [int(word[1:]) for word in row["prompt"].split()[1:]]
    return row["prompt"].split()[0] == skill and row["response"].split() == [f"a{v}" for v in rules[skill](x)]


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
        rng, rows, (levels, symbols, seen, others) = stream(seed, "depth-base", self.skill), [], KNOBS[self.skill]
        for _ in range(size):
            if rng.random() < OTHERS_SHARE:
                other, length = others[rng.integers(len(others))], int(rng.integers(1, levels[-1] + 1))
                rows.append(_example(rng, other, length, "pool"))
            else:
                rows.append(_example(rng, self.skill, int(rng.integers(1, seen[self.kind] + 1)), "pool", symbols))
        return table(rows, COLUMNS)


@dataclass(frozen=True)
class DepthWorld:
    """One skill of DepthWorld, `sort` or `cumsum`; its difficulty is the length of the longest string."""

    skill: str
    tag: ClassVar = "depth"
    decoded: ClassVar = False

    def __post_init__(self):
        choose("skill", self.skill, KNOBS)

    @property
    def levels(self) -> tuple[int, ...]:
        """The string lengths that are tested."""
        return KNOBS[self.skill].levels

    @property
    def seen(self) -> dict[str, int]:
        """The hardest level that the weak and the strong base have seen."""
        return KNOBS[self.skill].seen

    def corpus(self, kind: str) -> DepthCorpus:
        """Return the mid-training corpus of the `weak` or the `strong` base."""
        return DepthCorpus(self.skill, kind)

    def answer_tokens(self, length: int) -> int:
        """Return the response tokens of an example of one length, `<eos>` included."""
        return 1 + length

    def span(self, d: int) -> tuple[int, ...]:
        """Return the lengths in the training data of level d, which are uniform over them: d - 2 to d, from 2."""
        return tuple(range(max(self.levels[0], d - BUCKET + 1), d + 1))

    def sample(self, d: int, n: int, seed: int) -> Dataset:
        """Return n i.i.d. examples of level d (0: uniform over all lengths) from the training side; prefixes nest."""
        rng, symbols = stream(seed, "depth", self.skill, d), KNOBS[self.skill].symbols
        lengths = self.span(d) or self.levels
        return table([_example(rng, self.skill, int(rng.choice(lengths)), "pool", symbols) for _ in range(n)], COLUMNS)

    def slices(self, seed: int, size: int) -> dict[int, Dataset]:
        """Return the test set of each length, `size` examples each."""

        def one(d):
            rng, symbols = stream(seed, "depth-test", self.skill, d), KNOBS[self.skill].symbols
            return table([_example(rng, self.skill, d, "test", symbols) for _ in range(size)], COLUMNS)

        return {d: one(d) for d in self.levels}


def trimmed(data: Dataset, which: str) -> Dataset:
    """Remove the `easiest` or the `hardest` tenth by level; ties go by position. Paper: Fig. 2."""
    ordered, cut = np.argsort(data["level"], kind="stable"), round(0.1 * len(data))
    return data.select(np.sort(ordered[cut:] if which == "easiest" else ordered[: len(data) - cut]))
