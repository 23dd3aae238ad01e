"""The difficulty study: one run fine-tunes a mid-trained base on n examples of one level and tests all levels.

The controlled experiment of arXiv:2605.12906, section 3 (DepthWorld) and section 4 (OpWorld, whose exact score is the
final answer after real greedy decoding). The recipe (warm-up, cosine) is the paper's, the scale is not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log

import numpy as np
import pandas as pd
import torch
from datasets import Dataset

from ..core import ModelSpec, choose, number, stream
from ..learning import (
    LOSSES,
    Encoded,
    base_model,
    copy_of,
    encode,
    example_loss,
    fit,
    restore,
    score,
    score_decoded,
    shuffled,
    tokenizer,
    weights,
)
from ..worlds import LEVEL_WORLDS, Corpus, LevelWorld, trimmed

BASES = ("weak", "strong")
MATCHES, TRIMS = ("steps", "tokens", "epochs"), ("none", "easiest", "hardest")
MIXED = 0  # level of a sample drawn uniformly from all levels
EPOCHS = 3
POSTERIOR_TESTS = 20  # test examples per level under the posterior
SIGMAS = (0.003, 0.01, 0.02, 0.04, 0.1)  # standard deviations of prior and posterior that the bound may choose from


def clip(world: LevelWorld) -> float:
    """Return C of Prop. 4.1: the loss of a uniform guess over the vocabulary, in nats."""
    return log(len(world.corpus("weak").words))


CLIP = clip(LEVEL_WORLDS["sort"])


@dataclass(frozen=True)
class DifficultySpec:
    """One fine-tuning run of the difficulty study.

    Args:
        skill, base: one of `LEVEL_WORLDS`; `weak` or `strong`.
        seed: base model, samples and test sets derive from it and from nothing else.
        d: level of the training examples (`world.span`), or 0 for a sample uniform over all tested levels.
        n: training examples, drawn i.i.d. (nested: a smaller n is a prefix of a larger one).
        steps, batch_size: optimiser steps under `match="steps"`, examples a step.
        loss: `sft`, or `dft`: each token's loss is weighted by stop-gradient(p) (paper, section 5).
        lr: peak step size (AdamW, 3 % warm-up, cosine to zero).
        match: `steps` holds n and steps; `tokens` also scales n and steps by (answer tokens of the
            middle level) / (answer tokens of level d), so that distinct and seen tokens are
            equal at every level, in expectation; `epochs` holds the number of epochs (3), so steps grow with n, as
            in the paper.
        trim: remove this tenth of a mixed sample (paper, Fig. 2).
        draws: posterior samples per sigma for Prop. 4.1; 0 evaluates no bound.
        base_steps: mid-training steps of the base.
        test_size: test examples per level.
        shown: training examples that are scored after training, at most.
    """

    skill: str = "sort"
    base: str = "weak"
    seed: int = 0
    d: int = 5
    n: int = 128
    steps: int = 200
    batch_size: int = 32
    loss: str = "sft"
    lr: float = 1e-3
    match: str = "steps"
    trim: str = "none"
    draws: int = 0
    base_steps: int = 2400
    test_size: int = 60
    shown: int = 256
    selectors = ()  # a run of this study selects nothing

    def __post_init__(self):
        allowed = {"skill": LEVEL_WORLDS, "base": BASES, "loss": LOSSES, "match": MATCHES, "trim": TRIMS}
        for name, values in allowed.items():
            choose(name, getattr(self, name), values)
        choose("d", self.d, (MIXED, *self.world.levels))
        for name in ("n", "steps", "batch_size", "base_steps", "test_size", "shown"):
            number(name, getattr(self, name), 1, 2**31, integer=True)
        for name in ("seed", "draws"):
            number(name, getattr(self, name), 0, 2**31, integer=True)
        number("lr", self.lr, 1e-12, 10)
        if self.trim != "none" and self.d != MIXED:
            raise ValueError(f"d: expected {MIXED} (all levels) with trim={self.trim!r}; got {self.d}")
        if self.match == "tokens" and self.d == MIXED:
            raise ValueError(f"d: expected one level with match='tokens'; got {MIXED} (all levels)")

    @property
    def world(self) -> LevelWorld:
        """The skill with its difficulty knob."""
        return LEVEL_WORLDS[self.skill]

    @property
    def corpus(self) -> Corpus:
        """What the base model is mid-trained on."""
        return self.world.corpus(self.base)

    @property
    def model(self) -> ModelSpec:
        """How the base model is mid-trained."""
        return ModelSpec(steps=self.base_steps, batch_size=64, lr=4e-3, schedule="cosine", batches="by_length")

    def amount(self) -> tuple[int, int]:
        """Return (examples, optimiser steps) of this run."""
        if self.match == "epochs":
            return self.n, ceil(EPOCHS * self.n / min(self.batch_size, self.n))
        if self.match == "steps":
            return self.n, self.steps
        levels, of = self.world.levels, self.world.answer_tokens
        middle, own = (np.mean([of(v) for v in self.world.span(d)]) for d in (levels[len(levels) // 2], self.d))
        ratio = middle / own
        return max(1, round(self.n * ratio)), max(1, round(self.steps * ratio))


def _scores(world: LevelWorld) -> Callable:
    return score_decoded if world.decoded else score


@lru_cache(maxsize=4)
def _start(model: ModelSpec, world: LevelWorld, base: str, seed: int, test_size: int):
    """Return the base model, the encoded test slices and the base's scores on them."""
    corpus = world.corpus(base)
    words, base_ = tokenizer(model, corpus), base_model(model, corpus, seed)
    tests = {d: encode(data, words) for d, data in world.slices(seed, test_size).items()}
    return base_, tests, {d: _scores(world)(base_, data) for d, data in tests.items()}


def training_sample(spec: DifficultySpec) -> Dataset:
    """Return S, the training examples of a run."""
    data = spec.world.sample(spec.d, spec.amount()[0], spec.seed)
    return data if spec.trim == "none" else trimmed(data, spec.trim)


@torch.no_grad()
def _posterior(model, parts: dict, draws: int, seed: int, top: float) -> list[dict]:
    """Return E_{w ~ N(w_hat, sigma^2 I)} of the clipped loss min(l, C) on each part, per sigma."""
    centre, rng, rows = weights(model), torch.Generator().manual_seed(seed), []
    for sigma in SIGMAS:
        risks = {name: [] for name in parts}
        for _ in range(draws):
            restore(model, centre + sigma * torch.randn(centre.shape, generator=rng))
            for name, data in parts.items():
                risks[name].append(example_loss(model, data).clamp(max=top).mean().item())
        row = {"who": "posterior", "sigma": sigma}
        rows += [row | {"slice": name, "nll": float(np.mean(r))} for name, r in risks.items()]
    restore(model, centre)
    return rows


def fine_tuned(
    model,
    data: Encoded,
    tests: Mapping[int, Encoded],
    before: Mapping[int, dict],
    shown: int,
    batches,
    scores: Callable = score,
    **how,
) -> tuple[list[dict], dict]:
    """Fine-tune a model on S; return rows of before and after on each slice, and what the run took.

    Args:
        data: S. tests, before: level -> its test examples, and the model's scores on them.
        shown: examples of S that are scored, at most. batches, how: as of `learning.fit`.
    """
    start, few = weights(model), data.take(range(min(shown, len(data))))
    rows = [{"who": "base", "slice": str(d), **s} for d, s in before.items()]
    rows.append({"who": "base", "slice": "train", **scores(model, few)})
    seen = fit(model, data, batches, schedule="cosine", **how)
    rows += [{"who": "tuned", "slice": str(d), **scores(model, test)} for d, test in tests.items()]
    rows.append({"who": "tuned", "slice": "train", **scores(model, few)})
    run = {"examples": len(data), "distance2": float((weights(model) - start).square().sum())}
    return rows, run | {"tokens_seen": seen, "tokens_distinct": int(data.tokens().sum())}


def execute(spec: DifficultySpec, selectors: Mapping[str, Callable]) -> tuple[pd.DataFrame, None]:
    """Run one spec; return tidy rows and None (there are no picks).

    Returns:
        One row per model and slice: `who` (base, tuned, posterior), `slice` (a level, or `train` for the
        first `shown` training examples), `accuracy`, `exact`, `nll` (clipped for posterior, which has a
        `sigma`); on every row: `examples` (size of S), `updates`, `distance2` = ||w - w_0||^2,
        `tokens_seen`, `tokens_distinct`.
    """
    world, scores, (_, updates) = spec.world, _scores(spec.world), spec.amount()
    base, tests, before = _start(spec.model, world, spec.base, spec.seed, spec.test_size)
    data, model = encode(training_sample(spec), tokenizer(spec.model, spec.corpus)), copy_of(base)
    order = stream(spec.seed, f"{world.tag}-order", spec.d, spec.n)
    batches = shuffled(order, len(data), updates, spec.batch_size)
    how = {"lr": spec.lr, "warmup": 0.03, "loss": LOSSES[spec.loss]}
    rows, run = fine_tuned(model, data, tests, before, spec.shown, batches, scores, **how)
    if spec.draws:
        parts = {"train": data.take(range(min(spec.shown, len(data))))}
        parts |= {str(d): test.take(range(min(POSTERIOR_TESTS, len(test)))) for d, test in tests.items()}
        rows += _posterior(model, parts, spec.draws, spec.seed, clip(world))
    return pd.DataFrame(rows).assign(updates=updates, **run), None
