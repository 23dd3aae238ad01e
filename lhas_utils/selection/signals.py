"""Per-example quantities of a whole pool: exact, batched, one pass each.

n examples, T tokens, V vocabulary, p trainable parameters, d embedding width. The gradient of
example i is g_i, the gradient of its mean response NLL l_i with respect to the trainable
parameters. `tests/selection/test_signals.py` checks each signal against one example at a time.
"""

from functools import cache

import numpy as np
import torch

from ..learning import IGNORE, Encoded, batches, example_loss, last_hidden, response_logits, trainable
from .gradients import gradients, matrix, products

PROJECTION = (8, 128)  # rows x columns of the projected logits, the sizes UDS uses
SKETCH = 1024  # dimension of the gradient sketch; cosine noise about 1/sqrt(SKETCH)


@cache
def _projection(rows: int, columns: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    left = np.random.default_rng([0, seed]).normal(size=(rows, PROJECTION[0])).T / np.sqrt(PROJECTION[0])
    right = np.random.default_rng([1, seed]).normal(size=(columns, PROJECTION[1])) / np.sqrt(PROJECTION[1])
    return torch.tensor(left, dtype=torch.float32), torch.tensor(right, dtype=torch.float32)


@torch.no_grad()
def forward_signals(model, data: Encoded, batch_size: int = 128) -> dict[str, np.ndarray]:
    """Return what one forward pass tells of each example.

    With L_i the logits at the response positions (the others masked out, unlike the reference code
    of UDS, which keeps prompt and padding rows):

    - `loss` (n,): l_i, mean NLL in nats over the response tokens.
    - `el2n` (n,): token mean of ||p - onehot(y)||_2 (arXiv:2107.07075; the token mean is ours).
    - `nuclear_norm` (n,): ||L_i||_*, the sum of singular values, from the eigenvalues of L_i L_i^T
      (arXiv:2510.16882).
    - `projection` (n, 1024): A L_i B flattened, A (8, T) and B (V, 128) fixed Gaussian, in place of
      the randomised Fourier projection of UDS; E ||A L B||_F^2 = ||L||_F^2.
    """
    out = {name: [] for name in ("rows", "loss", "el2n", "nuclear_norm", "projection")}
    width = data.labels.shape[1] - 1
    for rows, batch in batches(model, data, batch_size):
        logits, target = response_logits(model, batch)
        logits, scored = logits.float(), target != IGNORE
        n = scored.sum(1)
        log_p = logits.log_softmax(-1)
        own = log_p.gather(-1, target.clamp(min=0)[..., None])[..., 0]
        squares = log_p.exp_().square().sum(-1) - 2 * own.exp() + 1
        logits *= scored[..., None]
        left, right = (part.to(logits) for part in _projection(width, logits.shape[-1]))
        gram = (logits @ logits.transpose(1, 2)).double()
        finite = gram.isfinite().all(-1).all(-1)  # eigvalsh would raise; the context names the example
        norm = torch.linalg.eigvalsh(gram.where(finite[:, None, None], 0.0)).clamp(min=0).sqrt().sum(-1)
        out["rows"].append(rows)
        out["loss"].append(-(own * scored).sum(1) / n)
        out["el2n"].append((squares.clamp(min=0).sqrt() * scored).sum(1) / n)
        out["nuclear_norm"].append(norm.where(finite, torch.nan))
        out["projection"].append((left[:, : logits.shape[1]] @ logits @ right).flatten(1))
    return _placed(**out)


def _placed(rows: list[torch.Tensor], **parts: list[torch.Tensor]) -> dict[str, np.ndarray]:
    """Return the batches' parts as whole arrays, each row in its place."""
    back = torch.cat(rows).argsort()
    return {name: torch.cat(part)[back.to(part[0].device)].double().cpu().numpy() for name, part in parts.items()}


@torch.no_grad()
def embedding(model, data: Encoded, batch_size: int = 128) -> np.ndarray:
    """Return the mean last hidden state over all tokens of prompt and response, shape (n, d)."""
    out = {"rows": [], "embedding": []}
    for rows, batch in batches(model, data, batch_size):
        hidden = last_hidden(model, batch).float()
        real = (torch.arange(hidden.shape[1]) <= batch.last()[:, None]).to(hidden)
        out["rows"].append(rows)
        out["embedding"].append((hidden * real[..., None]).sum(1) / real.sum(1, keepdim=True))
    return _placed(**out)["embedding"]


def mean_gradient(model, data: Encoded, batch_size: int = 128) -> torch.Tensor:
    """Return the gradient of the mean example loss, shape (p,); the model's `.grad` stays empty."""
    values = [p for p in model.parameters() if p.requires_grad]
    model.eval()
    total = 0
    for _, batch in batches(model, data, batch_size):
        found = torch.autograd.grad(example_loss(model, batch).sum() / len(data), values)
        total = total + torch.cat([g.flatten() for g in found]).detach()
    return total


@cache
def _buckets(p: int, dimension: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng([p, dimension])
    return torch.tensor(rng.integers(dimension, size=p)), torch.tensor(
        rng.choice([-1.0, 1.0], size=p), dtype=torch.float32
    )


def gradient_signals(
    model, data: Encoded, directions: dict[str, torch.Tensor], batch_size: int = 128
) -> dict[str, np.ndarray]:
    """Return norms and inner products with directions of every g_i in one pass.

    - `grad_norm` (n,): ||g_i||_2.
    - each direction v by name (n,): <g_i, v>, exact.
    """
    p = sum(v.numel() for v in trainable(model).values())
    stacked = torch.stack(list(directions.values())) if directions else torch.zeros(0, p)
    norms, inner = (v.double().numpy() for v in products(model, data, stacked, batch_size))
    return {"grad_norm": norms} | {k: inner[:, i] for i, k in enumerate(directions)}


def sketches(model, data: Encoded, batch_size: int = 128) -> np.ndarray:
    """Return the count-sketch of every g_i / ||g_i||, shape (n, 1024).

    An unbiased projection whose inner products are cosines with noise about 0.03.
    """
    bucket, sign = _buckets(sum(v.numel() for v in trainable(model).values()), SKETCH)
    out = np.empty((len(data), SKETCH))
    for rows, g in gradients(model, data, batch_size):
        unit = g.cpu() / g.norm(dim=1, keepdim=True).clamp(min=1e-12).cpu()
        out[rows] = torch.zeros(len(g), SKETCH).index_add_(1, bucket, unit * sign)
    return out


def gram(model, data: Encoded, batch_size: int = 128) -> np.ndarray:
    """Return the exact Gram matrix <g_i, g_j>, shape (n, n)."""
    G = matrix(model, data, batch_size)
    return (G @ G.T).double().cpu().numpy()
