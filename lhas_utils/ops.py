"""The difficulty study's second witness: one run fine-tunes a base on n problems of one level of `op_world`.

arXiv:2605.12906, section 4. The score is the final answer after real greedy decoding, not teacher forcing.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import pandas as pd
import torch

from .config import ModelSpec, _number, choose, digest, source_digest
from .depth import BASE_BATCH, BASE_EXAMPLES, _train, by_length
from .models import IGNORE, Encoded, cached, copy_of, create, encode
from .op_world import LEVELS, MODULUS, POSITIONS, PROMPT, SEEN, TOKENS, mid_training, sample, slices, tokenizer
from .training import example_loss, order, score, token_nll
from .worlds import stream

CODE = ("worlds", "models", "training", "depth_world", "depth", "op_world", "ops")  # what a result depends on
BASE = ModelSpec(init=0.1)
BATCH, BASE_LR = 16, 4e-3
VALUE_WEIGHT = 5  # of a value in the mid-training loss: at 1 the arithmetic stays at chance three times as long
VALUES = range(TOKENS.index("0"), TOKENS.index("0") + MODULUS)
TRAIN_SCORED = 60  # training problems that are scored after training


class Base(NamedTuple):
    """A base model: how far it has seen the levels, and for how many steps it was mid-trained."""

    kind: str
    steps: int


@dataclass(frozen=True)
class OpSpec:
    """One fine-tuning run on OpWorld.

    Args:
        base: `weak` or `strong`, see `op_world.SEEN`.
        seed: base model, samples and test sets derive from it and from nothing else.
        op: operations of the training problems.
        n: training problems, drawn i.i.d. (nested: a smaller n is a prefix of a larger one).
        steps, lr: optimiser steps and peak step size (AdamW, 3 % warm-up, cosine to zero). On development seed 1000
            3e-4 has the highest mean gain of 3e-4, 1e-3 and 2e-3 over both bases, n = 128 and 2048.
        base_steps: mid-training steps of the base.
        test_size: test problems per level.
    """

    base: str = "weak"
    seed: int = 0
    op: int = 4
    n: int = 128
    steps: int = 200
    lr: float = 3e-4
    base_steps: int = 1000
    test_size: int = 50

    def __post_init__(self):
        choose("base", self.base, tuple(SEEN))
        choose("op", self.op, LEVELS)
        for name, low in (("seed", 0), ("n", 1), ("steps", 1), ("base_steps", 1), ("test_size", 1)):
            _number(name, getattr(self, name), low, 2**31, integer=True)
        _number("lr", self.lr, 1e-12, 10)

    @property
    def model(self) -> Base:
        """The base model that this run starts from."""
        return Base(self.base, self.base_steps)


def value_loss(model, batch: Encoded) -> torch.Tensor:
    """Return the mean NLL over the response tokens, values weighted `VALUE_WEIGHT` times the rest, shape (n,)."""
    target = batch.labels[:, 1:]
    value = (target >= VALUES.start) & (target < VALUES.stop)
    weight = torch.where(value, VALUE_WEIGHT, 1.0) * (target != IGNORE)
    return (weight * token_nll(model, batch)).sum(1) / weight.sum(1)


def base_model(base: Base, seed: int):
    """Return the mid-trained base model of a seed, from the cache or trained now."""

    def build():
        words = tokenizer()
        model = create(BASE, words, seed, POSITIONS)
        corpus = encode(mid_training(base.kind, seed, min(BASE_EXAMPLES, BASE_BATCH * base.steps)), words)
        batches = by_length(stream(seed, "ops-pretrain"), corpus, base.steps)
        _train(model, corpus, batches, value_loss, BASE_LR)
        return model

    return cached(digest("ops", list(base), seed, source_digest(*CODE)), build)


@torch.no_grad()
def decode(model, prompts: torch.Tensor, new_tokens: int) -> torch.Tensor:
    """Continue prompts greedily with the model's own outputs; return the new tokens, (n, <= new_tokens).

    Args:
        prompts: ids (n, T) of equal length, without padding. A row is padded after its `<eos>`.
    """
    everywhere = torch.ones_like(prompts)
    out = model.generate(prompts, attention_mask=everywhere, max_new_tokens=new_tokens, do_sample=False, use_cache=True)
    return out[:, prompts.shape[1] :]


def final_answers(new: torch.Tensor, eos: int) -> torch.Tensor:
    """Return the last value token before the first `<eos>`, shape (n,); -1 where a row has no `<eos>` or no answer.

    An answer ends in `value ?` (`op_world`), so the value is the token before the last one.
    """
    at = torch.where((new == eos).any(1), (new == eos).int().argmax(1), 0) - 2
    return torch.where(at >= 0, new.gather(1, at.clamp(min=0)[:, None])[:, 0], -1)


def exact(model, data: Encoded) -> float:
    """Return the share of problems whose final answer is right by greedy decoding; the steps do not count."""
    eos, last = model.config.eos_token_id, (data.labels != IGNORE).cumsum(1).argmax(1)
    right = data.labels.gather(1, last[:, None] - 2)[:, 0]
    found = final_answers(decode(model, data.input_ids[:, :PROMPT], POSITIONS - PROMPT), eos)
    return float((found == right).double().mean())


def scores(model, data: Encoded) -> dict[str, float]:
    """Return accuracy and NLL by teacher forcing and `exact`, the final answer by greedy decoding."""
    return score(model, data) | {"exact": exact(model, data)}


@lru_cache(maxsize=4)
def _start(base: Base, seed: int, test_size: int):
    """Return the base model, the encoded test slices and the base's scores on them."""
    words, model = tokenizer(), base_model(base, seed)
    tests = {op: encode(data, words) for op, data in slices(seed, test_size).items()}
    return model, tests, {op: scores(model, data) for op, data in tests.items()}


def execute(spec: OpSpec) -> tuple[pd.DataFrame, None]:
    """Run one spec; return tidy rows and None (there are no picks).

    Returns:
        One row per model and slice: `who` (base, tuned), `slice` (a level, or `train` for the first 60 training
        problems), `exact` (final answer, greedy decoding), `accuracy` and `nll` (teacher forcing).
    """
    base, tests, before = _start(spec.model, spec.seed, spec.test_size)
    data = encode(sample(spec.op, spec.n, spec.seed), tokenizer())
    shown = data.take(range(min(TRAIN_SCORED, len(data))))
    model = copy_of(base)
    batches = order(stream(spec.seed, "ops-order", spec.op, spec.n), len(data), spec.steps, BATCH)
    _train(model, data, batches, example_loss, spec.lr)
    rows = [{"who": "base", "slice": str(op), **s} for op, s in before.items()]
    rows.append({"who": "base", "slice": "train", **scores(base, shown)})
    rows += [{"who": "tuned", "slice": str(op), **scores(model, test)} for op, test in tests.items()]
    rows.append({"who": "tuned", "slice": "train", **scores(model, shown)})
    return pd.DataFrame(rows), None
