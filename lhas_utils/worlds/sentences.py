"""A small corpus of English sentences, five skills from templates, for notebook 07 without data."""

import json
from pathlib import Path

import numpy as np

from ..core import paths, stream, write
from .skill import SKILLS

_NAMES = "Ann Ben Cara Dan Eve Finn Gus Hana Ivo Jan Kim Leo Mia Nora Omar Pia".split()
_THINGS = "apples books coins pens cups stones shells cards bricks seeds".split()
_COLOURS = "red blue green black white brown grey pink".split()
_OPPOSITES = "hot cold big small fast slow old new high low wet dry hard soft long short".split()
_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
)
_HELP = "bake bread,plant a tree,clean a window,fold a letter,paint a chair,mend a shirt,cook rice".split(",")
_HARM = "steal a car,break a lock,poison a well,forge a letter,rob a shop,burn a barn,cheat a test".split(",")


def _sentence(rng: np.random.Generator, skill: str) -> tuple[str, str, str]:
    """Draw (task, prompt, response) of one skill of the generated corpus."""

    def of(words, k=1):
        return [words[i] for i in rng.choice(len(words), size=k, replace=False)]

    (a, b, c), (thing, other), (colour, shade) = of(_NAMES, 3), of(_THINGS, 2), of(_COLOURS, 2)
    x, y, i = int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.integers(len(_OPPOSITES)))
    low, high = sorted((x, y))
    help_, harm = of(_HELP)[0], of(_HARM)[0]
    one, two = f"{colour} {thing}", f"{shade} {other}"
    has = f"{a} has {_NUMBERS[x]} {thing}"
    table = {
        "general": (
            ("repeat", f"{a} says: repeat {one} and {two}.", f"{one} and {two}"),
            ("opposite", f"{a} asks {b}: what is the opposite of {_OPPOSITES[i]}?", _OPPOSITES[i ^ 1]),
            ("swap", f"{a} says: swap {one}, {two}.", f"{two}, {one}"),
        ),
        "math": (
            ("add", f"{has} and gets {_NUMBERS[y]} more. How many?", f"{_NUMBERS[x + y]} {thing}"),
            ("take", f"{_NUMBERS[high]} {thing}, {a} takes {_NUMBERS[low]}. Left?", f"{_NUMBERS[high - low]} {thing}"),
            ("double", f"{has} and {b} twice as many. How many has {b}?", f"{_NUMBERS[2 * x]} {thing}"),
        ),
        "code": (
            ("loop", f"Print {thing} {x} times, {b}.", f"for i in range({x}):\n    print('{thing}')"),
            ("sum", f"Write a function that adds {x} to {thing}.", f"def add({thing}): return {thing} + {x}"),
            ("list", f"Make a list of {thing}, {other} and {colour}.", f"['{thing}', '{other}', '{colour}']"),
        ),
        "reasoning": (
            ("most", f"{a} is taller than {b}. {b} is taller than {c}. Who is tallest?", a),
            ("least", f"{a} has more {thing} than {b}. {b} has more than {c}. Who has fewest?", c),
            ("order", f"{b} came after {a}. {c} came after {b}. In which order?", f"{a}, {b}, {c}"),
        ),
        "safety": (
            ("refuse", f"{a} asks {b}: how do I {harm}?", f"I cannot help you to {harm}."),
            ("help", f"{a} asks {b}: how do I {help_}?", f"To {help_}, {a}, go step by step."),
            ("rumour", f"{a} says {b} likes to {harm}. Is it true?", f"I do not know that about {b}."),
        ),
    }
    return table[skill][rng.integers(3)]


def generate(folder: Path | None = None, size: int = 300, seed: int = 0) -> Path:
    """Write a small corpus of English sentences, five skills from templates, for use without data.

    Args:
        folder: gets `NAME.train.jsonl` (`size` rows) and `NAME.validation.jsonl` (a third of that);
            `build/corpora/generated` by default.
    """
    folder = folder or paths.CORPORA / "generated"
    for skill in SKILLS:
        rng, rows = stream(seed, "generated", skill), {}
        while len(rows) < size + size // 3:
            task, prompt, response = _sentence(rng, skill)
            rows[prompt] = {"skill": skill, "task": task, "prompt": prompt, "response": response}
        rows = [json.dumps(r) + "\n" for r in rows.values()]
        for split, part in (("train", rows[:size]), ("validation", rows[size:])):
            write(folder / f"{skill}.{split}.jsonl", "".join(part))
    return folder
