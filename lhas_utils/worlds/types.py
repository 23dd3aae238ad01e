"""What every world is made of: stages with their data, and the text a base model reads before them."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from datasets import Dataset


@dataclass(frozen=True)
class Stage:
    """One stage: the pool D_t, the selector's validation set, and the weights of Perf(., V_t).

    `weights` maps capability to its share in V_t, so Perf(M, V_t) = sum_j weights[j] R[., j]. `proxy` stands in for
    the world's standing proxy at this stage.
    """

    name: str
    pool: Dataset
    validation: Dataset
    weights: dict[str, float]
    proxy: Dataset | None = None


@dataclass(frozen=True)
class World:
    """Everything a run meets: stages, standing proxy P_t, and test sets per capability."""

    stages: tuple[Stage, ...]
    proxy: Dataset
    tests: dict[str, Dataset]
    ood: dict[str, Dataset]


class Corpus(Protocol):
    """What a base model is trained on before any stage; a frozen dataclass, part of the base model's key.

    Attributes:
        words: the whole vocabulary of a word-level tokenizer; empty where byte pairs are learnt from the rows.
        positions: tokens of the longest sequence.
        tag: names the random stream of the training order.
        seeded: whether each seed has a corpus and a base model of its own.
        weights: token -> weight of its loss, where that is not 1.
    """

    words: ClassVar[tuple[str, ...]]
    positions: int
    tag: ClassVar[str]
    seeded: ClassVar[bool]
    weights: ClassVar[dict[str, float]]

    def rows(self, seed: int, size: int) -> Dataset:
        """Return `size` examples with the columns `prompt` and `response`."""


class StageWorld(Protocol):
    """The knobs of a world with stages; a frozen dataclass, part of a run's key."""

    max_length: int

    @property
    def corpus(self) -> Corpus:
        """What the base model M_0 is trained on."""

    def build(self, seed: int) -> World:
        """Generate the world of a seed."""


class LevelWorld(Protocol):
    """A skill with a difficulty knob, for the difficulty study.

    Attributes:
        levels: difficulties that are tested; D_test is uniform over them.
        tag: names the random stream of the training order.
        decoded: whether the exact score is of a greedy decoding's final answer.
    """

    levels: tuple[int, ...]
    tag: str
    decoded: bool

    def corpus(self, kind: str) -> Corpus:
        """Return the mid-training corpus of the `weak` or the `strong` base."""

    def answer_tokens(self, d: int) -> int:
        """Return the response tokens of a test example of level d, the end token included."""

    def span(self, d: int) -> tuple[int, ...]:
        """Return the tested levels that the training data of level d are uniform over."""

    def sample(self, d: int, n: int, seed: int) -> Dataset:
        """Return n i.i.d. training examples of level d; prefixes nest."""

    def slices(self, seed: int, size: int) -> dict[int, Dataset]:
        """Return the test set of each level, `size` examples each."""


def table(rows: list[dict], names: tuple[str, ...], **columns) -> Dataset:
    """Return rows as a data set of the columns `names`, and of `columns` given as whole lists."""
    return Dataset.from_dict({k: [r[k] for r in rows] for k in names} | columns)
