"""GymLevels: one family of questions with its five levels, for the difficulty study on a pretrained model."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from datasets import Dataset

from ..core import choose
from .gym import next_new, prompt
from .items import FAMILIES, LEVELS, SOURCES, block, items
from .types import table

EASY = LEVELS[:2]  # levels of mid-training
COLUMNS = ("prompt", "response", "level")
TESTED = 64  # test questions of each level that no training example may ask


@dataclass(frozen=True)
class GymLevels:
    """One family of `items`; its difficulty is the family's own knob.

    Args:
        family: one of `FAMILIES`. source: as of a `GymWorld`.
    """

    family: str
    source: str = "reasoning-gym"
    levels: ClassVar = LEVELS

    def __post_init__(self):
        choose("family", self.family, FAMILIES)
        choose("source", self.source, SOURCES)

    def slices(self, seed: int, size: int) -> dict[int, Dataset]:
        """Return the test set of each level, the first `size` of `TESTED` questions, all of them different."""
        choose("size", size, range(1, TESTED + 1))
        return {d: data.select(range(size)) for d, data in _tested(self, seed).items()}

    def sample(self, d: int, n: int, seed: int) -> Dataset:
        """Return n different training questions of level d, none of which is tested at any level; prefixes nest."""
        return self._draw("pool", d, n, seed, self._asked(seed))

    def easy(self, n: int, seed: int) -> Dataset:
        """Return n different questions of the easy levels in turns, for mid-training; none of them is tested."""
        used = self._asked(seed)
        parts = [self._draw("base", d, -(-n // len(EASY)), seed, used) for d in EASY]
        return table([part[i] for i in range(len(parts[0])) for part in parts][:n], COLUMNS)

    def _asked(self, seed: int) -> set[str]:
        return {p for data in _tested(self, seed).values() for p in data["prompt"]}

    def _draw(self, which: str, d: int, n: int, seed: int, used: set[str]) -> Dataset:
        drawn, rows = items(self.source, self.family, d, block(seed, self.family, d, which)), []
        for _ in range(n):
            item = next_new(drawn, used)
            rows.append({"prompt": prompt(item.question), "response": item.answer, "level": d})
        return table(rows, COLUMNS)


@lru_cache(maxsize=4)
def _tested(world: GymLevels, seed: int) -> dict[int, Dataset]:
    """Return `TESTED` questions of each level; two levels may draw the same one, the easier then has it."""
    used: set[str] = set()
    return {d: world._draw("test", d, TESTED, seed, used) for d in LEVELS}
