"""The difficulty study on a pretrained model: n questions of one level, LoRA, tests at all levels.

The design of arXiv:2605.12906, section 3, with real questions (`worlds.items`). The weak base is the model as it is;
the strong one has had some mid-training on the easy levels of the same family, as adapters that training goes on with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from ..core import Checkpoint, choose, instance, number, stream
from ..learning import base_model, encode, fit, restore, score, shuffled, tokenizer, weights, with_lora
from ..worlds import FAMILIES, LEVELS, SOURCES, GymCorpus, GymLevels
from .difficulty import BASES, EPOCHS, fine_tuned
from .difficulty import MATCHES as AMOUNTS

WARMUP = 0.1  # share of the steps


@dataclass(frozen=True)
class LevelSpec:
    """One fine-tuning run of a pretrained model on one level of one family.

    Args:
        skill: one of `worlds.FAMILIES`. base: `weak`, the model as it is, or `strong`, after mid-training.
        seed: samples, test sets, adapters and orders derive from it and from nothing else.
        d, n: level of the training examples, and how many; a smaller n is a prefix of a larger one.
        steps, batch_size, lr: optimiser steps under `match="steps"`, examples a step, peak step size (cosine).
        match: `steps`; `epochs`: steps grow with n; `tokens`: examples and steps are scaled by (mean response tokens of
            the middle level) / (of level d).
        rank: of the adapters.
        mid_size, mid_steps: examples and steps of the mid-training.
        test_size: test examples per level. shown: training examples that are scored after training, at most.
        source, model: of the questions, and the checkpoint.
    """

    skill: str
    base: str
    seed: int
    d: int
    n: int
    model: Checkpoint
    steps: int = 40
    batch_size: int = 8
    lr: float = 1e-3
    match: str = "steps"
    rank: int = 16
    mid_size: int = 64
    mid_steps: int = 24
    test_size: int = 40
    shown: int = 64
    source: str = "reasoning-gym"
    selectors = ()  # a run of this study selects nothing

    def __post_init__(self):
        allowed = {"skill": FAMILIES, "base": BASES, "d": LEVELS, "match": AMOUNTS, "source": SOURCES}
        for name, values in allowed.items():
            choose(name, getattr(self, name), values)
        for name in ("n", "steps", "batch_size", "rank", "mid_size", "mid_steps", "test_size", "shown"):
            number(name, getattr(self, name), 1, 10**6, integer=True)
        number("seed", self.seed, 0, 2**31, integer=True)
        number("lr", self.lr, 1e-12, 10)
        instance("model", self.model, Checkpoint)

    @property
    def world(self) -> GymLevels:
        """The family with its difficulty knob."""
        return GymLevels(self.skill, self.source)

    @property
    def corpus(self) -> GymCorpus:
        """Nothing that a checkpoint needs."""
        return GymCorpus()

    def amount(self, tokens: Callable[[int], float]) -> tuple[int, int]:
        """Return (examples, optimiser steps).

        Args:
            tokens: mean response tokens of a level.
        """
        if self.match == "epochs":
            return self.n, -(-EPOCHS * self.n // min(self.batch_size, self.n))
        if self.match == "steps":
            return self.n, self.steps
        ratio = tokens(LEVELS[len(LEVELS) // 2]) / tokens(self.d)
        return max(1, round(self.n * ratio)), max(1, round(self.steps * ratio))


@lru_cache(maxsize=1)
def _bases(model: Checkpoint, rank: int, world: GymLevels, seed: int, test_size: int, mid: tuple) -> tuple:
    """Return (model with adapters, base -> their weights, encoded tests, (base, level) -> scores).

    Args:
        mid: examples, steps, batch size and step size of the strong base's mid-training.
    """
    size, steps, batch_size, lr = mid
    words = tokenizer(model, GymCorpus())
    adapted = with_lora(base_model(model, GymCorpus(), seed), rank, seed)
    tests = {d: encode(data, words) for d, data in world.slices(seed, test_size).items()}
    ends, before = {"weak": weights(adapted)}, {}
    before |= {("weak", d): score(adapted, test) for d, test in tests.items()}
    easy = encode(world.easy(size, seed), words)
    batches = shuffled(stream(seed, "levels-mid", world.family), len(easy), steps, batch_size)
    fit(adapted, easy, batches, lr, schedule="cosine", warmup=WARMUP)
    ends["strong"] = weights(adapted)
    return adapted, ends, tests, before | {("strong", d): score(adapted, test) for d, test in tests.items()}


def execute(spec: LevelSpec, selectors: Mapping[str, Callable]) -> tuple[pd.DataFrame, None]:
    """Run one spec; return tidy rows, as `difficulty.execute` does (there are no picks, and no posterior)."""
    world, mid = spec.world, (spec.mid_size, spec.mid_steps, spec.batch_size, spec.lr)
    model, ends, tests, before = _bases(spec.model, spec.rank, world, spec.seed, spec.test_size, mid)
    examples, updates = spec.amount(lambda d: float(tests[d].tokens().float().mean()))
    data = encode(world.sample(spec.d, examples, spec.seed), tokenizer(spec.model, spec.corpus))
    restore(model, ends[spec.base])
    batches = shuffled(stream(spec.seed, "levels-order", spec.d, spec.n), len(data), updates, spec.batch_size)
    own = {d: before[spec.base, d] for d in tests}
    rows, run = fine_tuned(model, data, tests, own, spec.shown, batches, lr=spec.lr, warmup=WARMUP)
    return pd.DataFrame(rows).assign(updates=updates, loss="sft", trim="none", **run), None
