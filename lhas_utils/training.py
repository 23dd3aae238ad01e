"""The training loop and the scores of a model on a test set."""

import numpy as np
import torch
import torch.nn.functional as F
from torch.optim.lr_scheduler import LambdaLR

from .config import ModelSpec, digest, source_digest
from .models import IGNORE, Encoded, cached, create, encode, symbol_tokenizer
from .worlds import base_corpus, stream


def token_nll(model, batch: Encoded) -> torch.Tensor:
    """Return the NLL of each token given those before it, shape (n, T-1); 0 off the response."""
    logits = model(input_ids=batch.input_ids.to(model.device), use_cache=False).logits[:, :-1]
    target = batch.labels[:, 1:].to(model.device)
    return F.cross_entropy(logits.transpose(1, 2).float(), target, ignore_index=IGNORE, reduction="none")


def example_loss(model, batch: Encoded) -> torch.Tensor:
    """Return l_i, the mean NLL over the response tokens of example i, shape (n,)."""
    return token_nll(model, batch).sum(1) / batch.tokens().to(model.device)


def order(rng: np.random.Generator, n: int, steps: int, batch_size: int) -> np.ndarray:
    """Return batch indices (steps, b), reshuffled every epoch; b = min(batch_size, n)."""
    b = min(batch_size, n)
    epochs = -(-steps * b // n)
    return np.concatenate([rng.permutation(n) for _ in range(epochs)])[: steps * b].reshape(steps, b)


def paced(rng: np.random.Generator, ranking, steps: int, batch_size: int) -> np.ndarray:
    """Return batch indices (steps, b) of a curriculum by linear competence (arXiv:1903.09848).

    Batch k is drawn without replacement from the first c(k) n of `ranking`, c rising from 1/3 to 1
    half-way through; b = min(batch_size, ceil(n / 3)).
    """
    ranking = np.asarray(ranking)
    n = len(ranking)
    first = -(-n // 3)
    share = np.minimum(1, 1 / 3 + 4 / 3 * np.arange(steps) / steps)
    return np.stack([ranking[rng.choice(max(first, int(c * n)), min(batch_size, first), replace=False)] for c in share])


def fit(model, data: Encoded, steps: int, batch_size: int, lr: float, rng, *, ranking=None, decay=False, at=None):
    """Train by AdamW on the mean of the example losses; return the response tokens seen.

    Args:
        model: changed in place.
        data: training examples.
        steps, batch_size, lr: optimiser steps, examples a step, step size.
        rng: `numpy.random.Generator` that shuffles.
        ranking: indices of the examples in the order of a curriculum (`paced`); None shuffles.
        decay: linear decay of the step size to zero.
        at: optional `{step: callback(step, tokens)}`; step k is called after k updates.
    """
    at = at or {}
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=lr, fused=True)
    schedule = LambdaLR(optimizer, lambda k: 1 - k / steps if decay else 1.0)
    tokens = 0
    model.train()
    if 0 in at:
        at[0](0, 0)
    batches = order(rng, len(data), steps, batch_size) if ranking is None else paced(rng, ranking, steps, batch_size)
    for k, rows in enumerate(batches, start=1):
        batch = data.take(rows)
        example_loss(model, batch).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        tokens += int(batch.tokens().sum())
        if k in at:
            at[k](k, tokens)
            model.train()
    model.eval()
    return tokens


@torch.no_grad()
def score(model, data: Encoded, batch_size: int = 256) -> dict[str, float]:
    """Score a model by teacher forcing: token accuracy, exact match and NLL, means over examples.

    Exact match under teacher forcing equals exact match of greedy decoding: the first wrong token
    makes both fail.
    """
    model.eval()
    totals = np.zeros(3)
    for start in range(0, len(data), batch_size):
        batch = data.take(range(start, min(start + batch_size, len(data))))
        logits = model(input_ids=batch.input_ids.to(model.device), use_cache=False).logits[:, :-1].float().cpu()
        target = batch.labels[:, 1:]
        scored, n = target != IGNORE, batch.tokens()
        right = (logits.argmax(-1) == target) & scored
        nll = F.cross_entropy(logits.transpose(1, 2), target, ignore_index=IGNORE, reduction="none").sum(1) / n
        accuracy = right.sum(1) / n
        totals += np.array([accuracy.double().sum(), (right.sum(1) == n).double().sum(), nll.double().sum()])
    return dict(zip(("accuracy", "exact", "nll"), (totals / len(data)).tolist()))


def base_model(spec: ModelSpec, seed: int) :
    """Return the pre-trained base model M_0 of a seed, from the cache or trained now.

    The cache entry is a folder that appears only when complete (safetensors and config).
    """
    code = source_digest("worlds", "models", "training")
    return cached(digest(spec, seed, code), lambda: _pretrain(spec, seed))


def _pretrain(spec: ModelSpec, seed: int) :
    tokenizer = symbol_tokenizer()
    model = create(spec, tokenizer, seed)
    corpus = encode(base_corpus(seed, min(20_000, spec.steps * spec.batch_size)), tokenizer)
    fit(model, corpus, spec.steps, spec.batch_size, spec.lr, stream(seed, "pretrain"), decay=True)
    return model
