"""DepthWorld: skills with a difficulty knob and an exact check of every sample.

The controlled world of the second study (arXiv:2605.12906, section 3). An example is
`<bos> task x.. <sep> y.. <eos>`, scored on `y.. <eos>`; alphabet, operations and the split by
prompt are those of `worlds`. A base model knows one such skill at its easy levels, and other skills
at all lengths, so that a long sequence is nothing new to it: only the skill at that length is.
"""

from typing import NamedTuple

import numpy as np
from datasets import Dataset

from .worlds import SYMBOLS, _side, _text, solve, stream


class Skill(NamedTuple):
    """Levels tested (D_test is uniform over them), the hardest level each base has seen, the longest other string."""

    levels: tuple[int, ...]
    seen: dict[str, int]
    longest: int


SKILLS = {  # difficulty: string length for sort and cumsum, number of composed operations for program
    "sort": Skill(tuple(range(2, 9)), {"weak": 3, "strong": 5}, 8),
    "cumsum": Skill(tuple(range(2, 9)), {"weak": 3, "strong": 5}, 8),
    "program": Skill(tuple(range(1, 7)), {"weak": 2, "strong": 4}, 16),
}
OTHERS = ("copy", "reverse", "increment", "rotate")  # mid-trained at all lengths, never fine-tuned
OTHERS_SHARE = 0.6  # of the mid-training corpus
STEPS = ("rotate", "reverse", "swap", "increment", "double", "copy")  # a program composes different ones
PROGRAM_LENGTH = 3
CUMSUM_DIGITS = 5  # summands are below 5, sums are modulo 10: half the addition table to learn
MIXED = 0  # level of a sample drawn uniformly from all levels


def answer_tokens(skill: str, d: int) -> int:
    """Return the response tokens of an example of level d, `<eos>` included."""
    return 1 + (d * (1 + PROGRAM_LENGTH) if skill == "program" else d)


def answer(task: str, x: tuple[int, ...]) -> str:
    """Return the response: the solved string, or for a program each operation and its result in turn.

    >>> answer("sort", (2, 0, 1))
    'a0 a1 a2'
    >>> answer("program increment reverse", (0, 1, 2))
    'reverse a2 a1 a0 increment a3 a2 a1'
    """
    if not task.startswith("program"):
        return _text("a", solve(task, x))
    ops, parts = task.split()[1:], []
    for op in reversed(ops):
        x = solve(op, x)
        parts.append(f"{op} {_text('a', x)}")
    return " ".join(parts)


def _example(rng, skill: str, d: int, side: str) -> dict:
    """Draw one example of level d from one side of the split by prompt."""
    while True:
        task, length = skill, d
        if skill == "program":
            task, length = "program " + " ".join(rng.permutation(STEPS)[:d]), PROGRAM_LENGTH
        x = tuple(int(v) for v in rng.integers(CUMSUM_DIGITS if skill == "cumsum" else SYMBOLS, size=length))
        if _side(task, "a", x) == side:
            shown = task.removeprefix("program ")
            return {"prompt": f"{shown} {_text('a', x)}", "response": answer(task, x), "level": d}


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


def _dataset(rows: list[dict]) -> Dataset:
    return Dataset.from_dict({k: [r[k] for r in rows] for k in ("prompt", "response", "level")})


def sample(skill: str, d: int, n: int, seed: int) -> Dataset:
    """Return n i.i.d. examples of level d (0: uniform over all levels) from the training side; prefixes nest."""
    rng, levels = stream(seed, "depth", skill, d), SKILLS[skill].levels
    return _dataset([_example(rng, skill, d or levels[rng.integers(len(levels))], "pool") for _ in range(n)])


def trimmed(data: Dataset, which: str) -> Dataset:
    """Remove the easiest or the hardest tenth by level; ties go by position. Paper: Fig. 2."""
    ordered, cut = np.argsort(data["level"], kind="stable"), round(0.1 * len(data))
    return data.select(np.sort(ordered[cut:] if which == "easiest" else ordered[: len(data) - cut]))


def slices(skill: str, seed: int, size: int) -> dict[int, Dataset]:
    """Return the test set of each level, `size` examples each; D_test is their uniform mixture."""

    def one(d):
        rng = stream(seed, "depth-test", skill, d)
        return _dataset([_example(rng, skill, d, "test") for _ in range(size)])

    return {d: one(d) for d in SKILLS[skill].levels}


def mid_training(skill: str, kind: str, seed: int, size: int) -> Dataset:
    """Return the mid-training corpus of a base: other skills at all lengths, and the skill's easy levels."""
    rng, rows, (_, seen, longest) = stream(seed, "depth-base", skill), [], SKILLS[skill]
    for _ in range(size):
        if rng.random() < OTHERS_SHARE:
            rows.append(_example(rng, OTHERS[rng.integers(len(OTHERS))], int(rng.integers(1, longest + 1)), "pool"))
        else:
            rows.append(_example(rng, skill, int(rng.integers(1, seen[kind] + 1)), "pool"))
    return _dataset(rows)
