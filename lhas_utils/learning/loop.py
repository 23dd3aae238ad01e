"""The one training loop: AdamW on the mean of the example losses, with its losses, orders and schedules."""

from collections.abc import Callable, Mapping
from math import cos, pi

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LambdaLR

from .forward import cross_entropy, response_logits
from .tokens import IGNORE, Encoded


def token_nll(model, batch: Encoded) -> torch.Tensor:
    """Return the NLL of each response token given those before it in nats, shape (n, R); 0 after the last."""
    return cross_entropy(*response_logits(model, batch))


def example_loss(model, batch: Encoded) -> torch.Tensor:
    """Return l_i, the mean NLL over the response tokens of example i in nats, shape (n,)."""
    return token_nll(model, batch).sum(1) / batch.tokens().to(model.device)


def dft_loss(model, batch: Encoded) -> torch.Tensor:
    """Return the mean over response tokens of -stop-gradient(p_t) log p_t, shape (n,).

    Paper: arXiv:2605.12906, section 5.
    """
    nll = token_nll(model, batch)
    return (torch.exp(-nll.detach()) * nll).sum(1) / batch.tokens().to(model.device)


def weighted_loss(weights: Mapping[int, float], size: int) -> Callable:
    """Return the loss sum_t w_t l_t / sum_t w_t over response tokens, shape (n,), w by token id and 1 elsewhere.

    Args:
        weights: token id -> weight, > 0. size: of the vocabulary.
    """
    of_token = torch.ones(size)
    of_token[list(weights)] = torch.tensor(list(weights.values()))

    def loss(model, batch):
        target = batch.responses()[1]
        weight = of_token[target.clamp(min=0)] * (target != IGNORE)
        return (weight * token_nll(model, batch)).sum(1) / weight.sum(1)

    return loss


LOSSES = {"sft": example_loss, "dft": dft_loss}


def shuffled(rng: np.random.Generator, n: int, steps: int, batch_size: int) -> np.ndarray:
    """Return batch indices (steps, b), reshuffled every epoch; b = min(batch_size, n)."""
    b = min(batch_size, n)
    epochs = max(1, -(-steps * b // n))
    return np.concatenate([rng.permutation(n) for _ in range(epochs)])[: steps * b].reshape(steps, b)


def paced(rng: np.random.Generator, ranking: np.ndarray, steps: int, batch_size: int) -> np.ndarray:
    """Return batch indices (steps, b) of a curriculum by linear competence (arXiv:1903.09848).

    Batch k is drawn without replacement from the first c(k) n of `ranking`, c rising from 1/3 to 1
    half-way through; b = min(batch_size, ceil(n / 3)).
    """
    ranking = np.asarray(ranking)
    n = len(ranking)
    first = -(-n // 3)
    share = np.minimum(1, 1 / 3 + 4 / 3 * np.arange(steps) / steps)
    return np.stack([ranking[rng.choice(max(first, int(c * n)), min(batch_size, first), replace=False)] for c in share])


def by_length(rng: np.random.Generator, data: Encoded, steps: int, batch_size: int) -> list[np.ndarray]:
    """Return `steps` batches of about `batch_size` examples of similar length (less padding), in random order.

    Ties in length are broken at random and the batches are drawn anew every epoch.
    """
    used, batches = data.last().numpy(), []
    while len(batches) < steps:
        rows = np.lexsort((rng.random(len(data)), used))
        chunks = np.array_split(rows, max(1, len(rows) // batch_size))
        batches += [chunks[i] for i in rng.permutation(len(chunks))]
    return batches[:steps]


SCHEDULES = {  # share of the peak step size by the share s in [0, 1) of the updates after the warm-up
    "constant": lambda s: 1.0,
    "linear": lambda s: 1 - s,
    "cosine": lambda s: (1 + cos(pi * s)) / 2,
}


def step_size(k: int, steps: int, schedule: str, warmup: float) -> float:
    """Return the share of the peak step size of update k of `steps`, k from 0.

    (k + 1) / w while k < w = round(`warmup` x `steps`), then `SCHEDULES[schedule]`((k - w) / (steps - w)).
    """
    w = round(warmup * steps)
    return (k + 1) / w if k < w else SCHEDULES[schedule]((k - w) / max(1, steps - w))


def fit(
    model,
    data: Encoded,
    batches,
    lr: float,
    *,
    schedule: str = "constant",
    warmup: float = 0.0,
    clip: float = 0.0,
    loss: Callable = example_loss,
    at: Mapping[int, Callable[[int, int], None]] | None = None,
) -> int:
    """Train in place by AdamW on the mean of the example losses; return the response tokens seen.

    Args:
        model: changed in place, left in evaluation mode.
        data: training examples.
        batches: rows of `data` for each step: `shuffled`, `paced` or `by_length`.
        lr: step size, its peak where a schedule changes it.
        schedule, warmup: of the step size (`step_size`).
        clip: largest norm of the gradient; 0 clips nothing.
        loss: function (model, batch) -> (n,).
        at: `{step: callback(step, tokens)}`; step k is called after k updates.
    """
    at = at or {}
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=lr, fused=True)
    scheduler = LambdaLR(optimizer, lambda k: step_size(k, len(batches), schedule, warmup))
    tokens = 0
    model.train()
    if 0 in at:
        at[0](0, 0)
    for k, rows in enumerate(batches, start=1):
        batch = data.take(rows)
        loss(model, batch).mean().backward()
        if clip:
            clip_grad_norm_(parameters, clip)
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
        tokens += int(batch.tokens().sum())
        if k in at:
            at[k](k, tokens)
            model.train()
    model.eval()
    return tokens
