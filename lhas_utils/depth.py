"""The difficulty study: one run fine-tunes a mid-trained base on n examples of one level and tests all levels.

The controlled experiment of arXiv:2605.12906, section 3, on `depth_world`. A base model is mid-trained
on other skills and on the easy levels of the one under study; the recipe (warm-up, cosine) is the paper's, the scale is not.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, cos, log, pi
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch.optim.lr_scheduler import LambdaLR

from .config import ModelSpec, _number, choose, digest, source_digest
from .depth_world import MIXED, SKILLS, answer_tokens, mid_training, sample, slices, trimmed
from .models import IGNORE, Encoded, cached, copy_of, create, encode, restore, symbol_tokenizer, weights
from .training import example_loss, order, score, token_nll
from .worlds import TOKENS, stream

CODE = ("worlds", "models", "training", "depth_world", "depth")  # what a result depends on
BASES, LOSSES = ("weak", "strong"), ("sft", "dft")
MATCHES, TRIMS = ("steps", "tokens", "epochs"), ("none", "easiest", "hardest")
BATCH, EPOCHS = 32, 3
BASE_BATCH, BASE_LR, BASE_EXAMPLES, BASE_INIT = 64, 4e-3, 48_000, 0.1
TRAIN_SCORED = 256  # training examples that are scored after training
POSTERIOR_TESTS = 20  # test examples per level under the posterior
CLIP = log(len(TOKENS))  # C of Prop. 4.1: the loss of a uniform guess, in nats
SIGMAS = (0.003, 0.01, 0.03)  # standard deviations of prior and posterior that the bound may choose from


class Base(NamedTuple):
    """A base model: its skill, how far it has seen it, and for how many steps it was mid-trained."""

    skill: str
    kind: str
    steps: int


@dataclass(frozen=True)
class DepthSpec:
    """One fine-tuning run of the difficulty study.

    Args:
        skill, base: one of `SKILLS`; `weak` or `strong`.
        seed: base model, samples and test sets derive from it and from nothing else.
        d: level of the training examples, or 0 for a sample uniform over all levels.
        n: training examples, drawn i.i.d. (nested: a smaller n is a prefix of a larger one).
        steps: optimiser steps under `match="steps"`.
        loss: `sft`, or `dft`: each token's loss is weighted by stop-gradient(p) (paper, section 5).
        lr: peak step size (AdamW, 3 % warm-up, cosine to zero).
        match: `steps` holds n and steps; `tokens` also scales n and steps by (answer tokens of the
            middle level) / (answer tokens of level d), so that distinct and seen tokens are
            equal at every level; `epochs` holds the number of epochs (3), so steps grow with n, as
            in the paper.
        trim: remove this tenth of a mixed sample (paper, Fig. 2).
        draws: posterior samples per sigma for Prop. 4.1; 0 evaluates no bound.
        base_steps: mid-training steps of the base.
        test_size: test examples per level.
    """

    skill: str = "sort"
    base: str = "weak"
    seed: int = 0
    d: int = 5
    n: int = 128
    steps: int = 200
    loss: str = "sft"
    lr: float = 1e-3
    match: str = "steps"
    trim: str = "none"
    draws: int = 0
    base_steps: int = 3000
    test_size: int = 60

    def __post_init__(self):
        allowed = {"skill": tuple(SKILLS), "base": BASES, "loss": LOSSES, "match": MATCHES, "trim": TRIMS}
        for name, values in allowed.items():
            choose(name, getattr(self, name), values)
        choose("d", self.d, (MIXED, *SKILLS[self.skill].levels))
        for name, low in (("seed", 0), ("n", 1), ("steps", 1), ("draws", 0), ("base_steps", 1), ("test_size", 1)):
            _number(name, getattr(self, name), low, 2**31, integer=True)
        _number("lr", self.lr, 1e-12, 10)
        if self.trim != "none" and self.d != MIXED:
            raise ValueError(f"d: expected {MIXED} (all levels) with trim={self.trim!r}; got {self.d}")
        if self.match == "tokens" and self.d == MIXED:
            raise ValueError(f"d: expected one level with match='tokens'; got {MIXED} (all levels)")

    @property
    def model(self) -> Base:
        """The base model that this run starts from."""
        return Base(self.skill, self.base, self.base_steps)

    def amount(self) -> tuple[int, int]:
        """Return (examples, optimiser steps) of this run."""
        if self.match == "epochs":
            return self.n, ceil(EPOCHS * self.n / min(BATCH, self.n))
        if self.match == "steps":
            return self.n, self.steps
        levels = SKILLS[self.skill].levels
        ratio = answer_tokens(self.skill, levels[len(levels) // 2]) / answer_tokens(self.skill, self.d)
        return max(1, round(self.n * ratio)), max(1, round(self.steps * ratio))


def by_length(rng, data: Encoded, steps: int) -> list:
    """Return `steps` batches of examples of similar length (less padding), in random order.

    Ties in length are broken at random and the batches are drawn anew every epoch.
    """
    used, batches = (data.labels != IGNORE).cumsum(1).argmax(1).numpy(), []
    while len(batches) < steps:
        rows = np.lexsort((rng.random(len(data)), used))
        chunks = np.array_split(rows, max(1, len(rows) // BASE_BATCH))
        batches += [chunks[i] for i in rng.permutation(len(chunks))]
    return batches[:steps]


def _train(model, data: Encoded, batches, loss, lr: float) -> int:
    """Train in place (AdamW, 3 % warm-up, cosine to zero); return the response tokens seen."""
    optimizer, tokens, steps = torch.optim.AdamW(model.parameters(), lr=lr, fused=True), 0, len(batches)
    warm = max(1, round(0.03 * steps))

    def scale(k):
        return (k + 1) / warm if k < warm else (1 + cos(pi * (k - warm) / max(1, steps - warm))) / 2

    schedule = LambdaLR(optimizer, scale)
    model.train()
    for rows in batches:
        batch = data.take(rows)
        loss(model, batch).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        tokens += int(batch.tokens().sum())
    model.eval()
    return tokens


def base_model(base: Base, seed: int):
    """Return the mid-trained base model of a seed, from the cache or trained now."""

    def build():
        tokenizer = symbol_tokenizer()
        model = create(ModelSpec(init=BASE_INIT), tokenizer, seed)
        corpus = encode(mid_training(base.skill, base.kind, seed, min(BASE_EXAMPLES, BASE_BATCH * base.steps)), tokenizer)
        _train(model, corpus, by_length(stream(seed, "depth-pretrain"), corpus, base.steps), example_loss, BASE_LR)
        return model

    return cached(digest("depth", list(base), seed, source_digest(*CODE)), build)


@lru_cache(maxsize=4)
def _start(base: Base, seed: int, test_size: int):
    """Return the base model, the encoded test slices and the base's scores on them."""
    tokenizer, model = symbol_tokenizer(), base_model(base, seed)
    tests = {d: encode(data, tokenizer) for d, data in slices(base.skill, seed, test_size).items()}
    return model, tests, {d: score(model, data) for d, data in tests.items()}


def training_sample(spec: DepthSpec):
    """Return S, the training examples of a run."""
    data = sample(spec.skill, spec.d, spec.amount()[0], spec.seed)
    return data if spec.trim == "none" else trimmed(data, spec.trim)


def dft_loss(model, batch: Encoded) -> torch.Tensor:
    """Return the mean over response tokens of -stop-gradient(p_t) log p_t, shape (n,). Paper: section 5."""
    nll = token_nll(model, batch)
    return (torch.exp(-nll.detach()) * nll).sum(1) / batch.tokens()


@torch.no_grad()
def _posterior(model, parts: dict, draws: int, seed: int) -> list[dict]:
    """Return E_{w ~ N(w_hat, sigma^2 I)} of the clipped loss min(l, C) on each part, per sigma."""
    centre, rng, rows = weights(model), torch.Generator().manual_seed(seed), []
    for sigma in SIGMAS:
        risks = {name: [] for name in parts}
        for _ in range(draws):
            restore(model, centre + sigma * torch.randn(centre.shape, generator=rng))
            for name, data in parts.items():
                risks[name].append(example_loss(model, data).clamp(max=CLIP).mean().item())
        row = {"who": "posterior", "sigma": sigma}
        rows += [row | {"slice": name, "nll": float(np.mean(r))} for name, r in risks.items()]
    restore(model, centre)
    return rows


def execute(spec: DepthSpec) -> tuple[pd.DataFrame, None]:
    """Run one spec; return tidy rows and None (there are no picks).

    Returns:
        One row per model and slice: `who` (base, tuned, posterior), `slice` (a level, or `train` for the
        first 256 training examples), `exact`, `accuracy`, `nll` (clipped for posterior, which has a
        `sigma`); on every row: `examples` (size of S), `updates`, `tokens_seen`, `tokens_distinct`,
        `distance2` = ||w - w_0||^2.
    """
    base, tests, before = _start(spec.model, spec.seed, spec.test_size)
    data = encode(training_sample(spec), symbol_tokenizer())
    shown = data.take(range(min(TRAIN_SCORED, len(data))))
    rows = [{"who": "base", "slice": str(d), **s} for d, s in before.items()]
    rows.append({"who": "base", "slice": "train", **score(base, shown)})
    model, updates = copy_of(base), spec.amount()[1]
    loss = {"sft": example_loss, "dft": dft_loss}[spec.loss]
    batches = order(stream(spec.seed, "depth-order", spec.d, spec.n), len(data), updates, BATCH)
    seen = _train(model, data, batches, loss, spec.lr)
    rows += [{"who": "tuned", "slice": str(d), **score(model, data)} for d, data in tests.items()]
    rows.append({"who": "tuned", "slice": "train", **score(model, shown)})
    distance2 = float((weights(model) - weights(base)).square().sum())
    if spec.draws:
        few = {str(d): test.take(range(min(POSTERIOR_TESTS, len(test)))) for d, test in tests.items()}
        rows += _posterior(model, {"train": shown, **few}, spec.draws, spec.seed)
    run = {"examples": len(data), "updates": updates, "distance2": distance2}
    run |= {"tokens_seen": seen, "tokens_distinct": int(data.tokens().sum())}
    return pd.DataFrame(rows).assign(**run), None
