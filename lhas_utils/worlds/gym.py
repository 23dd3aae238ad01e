"""GymWorld: up to four stages of verifiable questions in English for a pretrained language model, generated and seeded.

A stage is one family of `items`, its levels the family's knobs. Pools mix own examples with earlier and precursor-like
ones, near-duplicates and wrong answers, as SkillWorld's do; every answer is checked by the family's own scorer. The
families and their levels were chosen on development seeds by what Random learns, before any selector ran.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from datasets import Dataset

from ..core import choose, number, stream
from .embedding import sentence_embeddings
from .items import FAMILIES, LEVELS, SOURCES, Item, block, items
from .skill import judge
from .types import Stage, World, table

TRAINED, OOD = (1, 2, 3), 4  # levels in distribution, and the longer or harder one
COLUMNS = ("skill", "task", "prompt", "response", "difficulty", "kind", "clean", "duplicate")
OPENINGS = ("", "Question: ", "Please answer. ", "Q: ", "Task: ")  # what near-duplicates differ in
CLOSINGS = ("", " Be brief.", " Think first.", " Thanks.")
READ = 150  # examples of each family in the text of a base model made here
COPIES = 20  # near-duplicates of one popular example


@dataclass(frozen=True)
class GymCorpus:
    """Text for a base model made here: questions of all families at the easiest level, other items than a world's."""

    source: str = "stand-in"
    positions: int = 96
    vocabulary: int = 384
    words: ClassVar = ()
    tag: ClassVar = "gym-pretrain"
    seeded: ClassVar = False
    weights: ClassVar = {}

    def rows(self, seed: int, size: int) -> Dataset:
        """Return `READ` examples of every family, whatever the seed and the size."""
        out = []
        for family in FAMILIES:
            drawn, used = items(self.source, family, LEVELS[0], block(0, family, LEVELS[0], "base")), set()
            out += [_row(family, LEVELS[0], next_new(drawn, used)) for _ in range(READ)]
        return table(out, COLUMNS)


@dataclass(frozen=True)
class GymWorld:
    """Knobs of GymWorld. All shares are fractions of a stage's pool.

    Args:
        source: `reasoning-gym`, or `stand-in`, small questions made here that show the machinery.
        stages: how many of the families, in their order.
        pool_size: examples in each stage's pool D_t.
        earlier: share of examples of earlier stages' families.
        precursors: share of easy examples of later stages' families.
        noise: share whose response is wrong.
        duplicates: share that are near-duplicates of a few examples of the same pool: other words around a question.
        judge_noise: standard deviation of the quality judge's error (`skill.judge`).
        validation_size: examples in each stage's validation set.
        proxy_size: examples in the standing proxy P_t, uniform over families.
        test_size: test examples per family, in distribution and out of it (`OOD`, the next harder level).
    """

    source: str = "reasoning-gym"
    stages: int = len(FAMILIES)
    pool_size: int = 240
    earlier: float = 0.2
    precursors: float = 0.2
    noise: float = 0.10
    duplicates: float = 0.15
    judge_noise: float = 1.0
    validation_size: int = 32
    proxy_size: int = 32
    test_size: int = 64
    max_length: ClassVar = 96
    corpus: ClassVar = GymCorpus()

    def __post_init__(self):
        choose("source", self.source, SOURCES)
        number("stages", self.stages, 1, len(FAMILIES), integer=True)
        for name in ("pool_size", "validation_size", "proxy_size", "test_size"):
            number(name, getattr(self, name), 1, 10**4, integer=True)
        for name in ("earlier", "precursors", "noise", "duplicates"):
            number(name, getattr(self, name), 0, 1)
        number("judge_noise", self.judge_noise, 0, 1e6)
        if self.earlier + self.precursors > 1:
            raise ValueError(f"earlier + precursors: expected at most 1; got {self.earlier + self.precursors}")

    def build(self, seed: int) -> World:
        """Generate the world of a seed; no prompt is in two of its pools, validation, proxy and test sets."""
        drawn = _Drawn(self.source, seed)

        def right(which, family, size, levels=TRAINED):
            return [drawn.one(which, family, levels[i % len(levels)]) for i in range(size)]

        names = FAMILIES[: self.stages]
        tests = {f: _right(right("test", f, self.test_size)) for f in names}
        ood = {f: _right(right("test", f, self.test_size, (OOD,))) for f in names}
        validations = [_right(right("validation", f, self.validation_size)) for f in names]
        turns = [(names[i % len(names)], TRAINED[i // len(names) % len(TRAINED)]) for i in range(self.proxy_size)]
        proxy = _right([drawn.one("proxy", *turn) for turn in turns])
        stages = []
        for t, family in enumerate(names):
            pool = _pool(stream(seed, "gym-pool", t), self, t, drawn)
            stages.append(Stage(family, pool, validations[t], {f: float(f == family) for f in names}))
        return World(tuple(stages), proxy, tests, ood)


class _Drawn:
    """The items of one world, each given out once."""

    def __init__(self, source: str, seed: int):
        self.source, self.seed = source, seed
        self.open: dict[tuple, Iterator[Item]] = {}
        self.used: set[str] = set()

    def one(self, which: str, family: str, level: int) -> dict:
        key = (family, level, which)
        if key not in self.open:
            self.open[key] = items(self.source, family, level, block(self.seed, *key))
        return _row(family, level, next_new(self.open[key], self.used))


def next_new(drawn: Iterator[Item], used: set[str]) -> Item:
    """Return the next item whose prompt is not among the `used` ones, and put it there.

    Raises:
        ValueError: there is none.
    """
    item = next((i for i in drawn if prompt(i.question) not in used), None)
    if item is None:
        raise ValueError(f"questions: expected one more that is new; got {len(used)} different ones in all")
    used.add(prompt(item.question))
    return item


def prompt(question: str, opening: str = "", closing: str = "") -> str:
    """Return a question as the model reads it; `opening` and `closing` are other words around it."""
    return f"{opening}{question}{closing}\nAnswer:"


def _row(family: str, level: int, item: Item, kind: str = "own") -> dict:
    return {
        "skill": family,
        "task": f"{family} {level}",
        "prompt": prompt(item.question),
        "response": item.answer,
        "difficulty": level / len(LEVELS),
        "kind": kind,
        "clean": True,
        "duplicate": False,
        "item": item,
    }


def _right(rows: list[dict]) -> Dataset:
    return table(rows, COLUMNS, quality=np.ones(len(rows)))


def _corrupt(rng: np.random.Generator, row: dict, rows: list[dict]) -> dict:
    """Replace the response by one of another example of its family that its own scorer does not take for right."""
    others = [r["response"] for r in rows if r["skill"] == row["skill"] and not row["item"].accepts(r["response"])]
    if not others:
        return row
    return row | {"response": others[rng.integers(len(others))], "clean": False}


def _pool(rng: np.random.Generator, spec: GymWorld, t: int, drawn: _Drawn) -> Dataset:
    rows, n, last = [], spec.pool_size, spec.stages
    for u in rng.random(n):
        kind, family, levels = "own", FAMILIES[t], TRAINED
        if u < spec.earlier and t > 0:
            kind, family = "earlier", FAMILIES[rng.integers(t)]
        elif spec.earlier <= u < spec.earlier + spec.precursors and t + 1 < last:
            kind, family, levels = "precursor", FAMILIES[rng.integers(t + 1, last)], TRAINED[:1]
        rows.append(drawn.one("pool", family, levels[rng.integers(len(levels))]) | {"kind": kind})
    many = int(spec.duplicates * n)
    if many:  # a few popular examples, each asked again in other words
        order = rng.permutation(n)
        popular, copies = order[: max(1, many // COPIES)], order[-many:]
        words = [(a, b) for a in OPENINGS for b in CLOSINGS][1:]
        for k, i in enumerate(copies):
            row = rows[popular[k % len(popular)]]
            other = prompt(row["item"].question, *words[k // len(popular) % len(words)])
            rows[i] = row | {"prompt": other, "duplicate": True}
    for i in rng.choice(n, size=int(spec.noise * n), replace=False):
        rows[i] = _corrupt(rng, rows[i], rows)
    columns = {"quality": judge(rng, rows, spec.judge_noise)}
    if spec.source == "reasoning-gym":
        columns["embedding"] = sentence_embeddings([f"{r['prompt']} {r['response']}" for r in rows])
    return table(rows, COLUMNS, **columns)
