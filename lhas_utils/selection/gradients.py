"""Per-example gradients g_i of a whole batch from one forward and one backward pass, and what they are asked for.

The loss of example i reaches a layer's weights through the layer's inputs and the gradient at its outputs alone. So its
gradient with respect to a weight matrix is a sum over tokens of outer products, G_i = sum_t l_it r_it^T: for a linear
layer l is the gradient at the output and r the input (arXiv:1510.01799), for an embedding l is the one-hot token and r
the gradient. Norms and inner products need these factors only, and no array of examples times parameters. A model with
other layers goes through `vmap` over `grad`, and one that `vmap` cannot look into (experts, masks that depend on the
data) through one backward pass an example.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..learning import IGNORE, Encoded, batches, example_loss, precision, trainable

FACTORS = 2**26  # numbers in the factors of a batch at most, 256 MiB in float32


class Factors(NamedTuple):
    """Gradients G_i = sum_t l_it r_it^T of one weight matrix: left (b, t, o) and right (b, t, i)."""

    left: torch.Tensor
    right: torch.Tensor

    def whole(self) -> torch.Tensor:
        """Return G_i, shape (b, o, i)."""
        return self.left.transpose(1, 2) @ self.right

    def square(self) -> torch.Tensor:
        """Return ||G_i||_F^2, shape (b,), the cheaper way: from G_i, or sum_ts (l_it . l_is) (r_it . r_is)."""
        (_, t, o), i = self.left.shape, self.right.shape[2]
        if o * i < t * (o + i):
            return torch.linalg.vector_norm(self.whole(), dim=(1, 2)).square()
        return ((self.left @ self.left.transpose(1, 2)) * (self.right @ self.right.transpose(1, 2))).sum((1, 2))

    def inner(self, v: torch.Tensor) -> torch.Tensor:
        """Return <G_i, V_k> = sum_t l_it^T V_k r_it for directions v (k, o, i), shape (b, k)."""
        k, o, i = v.shape
        moved = self.left @ v.permute(1, 2, 0).reshape(o, i * k)
        return (self.right.flatten(1)[:, None] @ moved.view(len(moved), self.right[0].numel(), k))[:, 0]


def _square(g) -> torch.Tensor:
    return g.square() if isinstance(g, Factors) else g.square().sum(1)


def _inner(g, v: torch.Tensor) -> torch.Tensor:
    return g.inner(v) if isinstance(g, Factors) else g @ v.flatten(1).T


def _whole(g) -> torch.Tensor:
    return g.whole().flatten(1) if isinstance(g, Factors) else g


def _linear(layer: nn.Linear, a: torch.Tensor, d: torch.Tensor) -> dict:
    return {"weight": Factors(d, a), "bias": d.sum(1)}


def _embedding(layer: nn.Embedding, a: torch.Tensor, d: torch.Tensor) -> dict:
    return {"weight": Factors(nn.functional.one_hot(a, layer.num_embeddings).to(d), d)}


def _rms_norm(layer: nn.Module, a: torch.Tensor, d: torch.Tensor) -> dict:
    eps = getattr(layer, "variance_epsilon", getattr(layer, "eps", 0.0))
    return {"weight": (d * a * torch.rsqrt(a.pow(2).mean(-1, keepdim=True) + eps)).sum(1)}


def _rule(layer: nn.Module) -> Callable | None:
    """Return the function (layer, input, gradient at the output) -> g_i by parameter, or None."""
    if type(layer) is nn.Linear:
        return _linear
    if type(layer) is nn.Embedding and layer.max_norm is None:
        return _embedding
    return _rms_norm if type(layer).__name__.endswith("RMSNorm") else None


def _layers(model) -> dict[nn.Module, Callable] | None:
    """Return the rule of every layer that owns trainable parameters; None where one has no rule."""
    found = {}
    for layer in model.modules():
        if any(p.requires_grad for p in layer.parameters(recurse=False)):
            found[layer] = _rule(layer)
    return None if None in found.values() else found


def _both(one, other):
    """Return the gradient of a parameter that two layers share."""
    if isinstance(one, Factors):
        return Factors(*(torch.cat(pair, 1) for pair in zip(one, other)))
    return one + other


def _by_layer(model, batch: Encoded, layers: dict[nn.Module, Callable]) -> dict[int, torch.Tensor | Factors] | None:
    """Return g_i by the identity of each parameter; None where a layer ran other than once a batch."""
    seen: dict[nn.Module, list] = {layer: [] for layer in layers}

    def keep(layer, inputs, output):
        seen[layer].append((inputs[0].detach(), output))

    with ExitStack() as hooks:
        for layer in layers:
            hooks.callback(layer.register_forward_hook(keep).remove)
        total = example_loss(model, batch).sum()
    if any(len(calls) != 1 for calls in seen.values()):
        return None
    outputs = [output for ((_, output),) in seen.values()]
    if any(len(output) != len(batch) for output in outputs):  # one for the whole batch, as of learnt positions
        return None
    out = {}
    for (layer, ((a, _),)), d in zip(seen.items(), torch.autograd.grad(total, outputs)):
        kind = layer.weight.dtype
        own = layers[layer](layer, a.to(kind) if a.is_floating_point() else a, d.to(kind))
        for name, p in layer.named_parameters(recurse=False):
            if p.requires_grad:
                out[id(p)] = _both(out[id(p)], own[name]) if id(p) in out else own[name]
    return out


def _by_vmap(model) -> Callable[[Encoded], dict[int, torch.Tensor]]:
    """Return the function batch -> g_i by the identity of each parameter, (b, p of the parameter)."""
    parameters, of = trainable(model), {name: id(p) for name, p in model.named_parameters()}
    fixed = {k: v.detach() for k, v in [*model.named_parameters(), *model.named_buffers()] if k not in parameters}

    def loss(values, ids, labels):
        with precision(model):
            out = functional_call(model, (values, fixed), kwargs={"input_ids": ids[None], "use_cache": False})
        return nn.functional.cross_entropy(out.logits[0, :-1].float(), labels[1:], ignore_index=IGNORE)

    per_example = vmap(grad(loss), in_dims=(None, 0, 0), randomness="error")

    def found(batch):
        values = per_example(parameters, batch.input_ids.to(model.device), batch.labels.to(model.device))
        return {of[name]: g.flatten(1) for name, g in values.items()}

    return found


def _one_by_one(model) -> Callable[[Encoded], dict[int, torch.Tensor]]:
    """Return the function batch -> g_i by the identity of each parameter, one backward pass an example."""
    own = [p for p in model.parameters() if p.requires_grad]

    def found(batch):
        losses = (example_loss(model, batch.take([i])).sum() for i in range(len(batch)))
        each = [torch.autograd.grad(loss, own, materialize_grads=True) for loss in losses]
        return {id(p): torch.stack([g.flatten() for g in of_p]) for p, of_p in zip(own, zip(*each))}

    return found


def _by_autograd(model) -> Callable[[Encoded], dict[int, torch.Tensor]]:
    """Return `_by_vmap` of a model, `_one_by_one` from the first batch on at which `vmap` fails."""
    ways = [_one_by_one(model), _by_vmap(model)]

    def found(batch):
        try:
            with warnings.catch_warnings(action="ignore"):  # of what `vmap` has no quick rule for
                return ways[-1](batch)
        except RuntimeError:
            if len(ways) == 1:
                raise
            ways.pop()
            return found(batch)

    return found


def _found(model, data: Encoded, batch_size: int) -> Iterator[tuple[torch.Tensor, list[torch.Tensor | Factors]]]:
    """Yield (rows, g_i of each trainable parameter in the order of `trainable`) for batches of similar length.

    Attention runs in its plain mathematical form, the only one whose per-example gradients do not depend on the batch.
    """
    model.eval()
    layers, own = _layers(model), [id(p) for p in model.parameters() if p.requires_grad]
    other = None if layers else _by_autograd(model)
    width = sum(sum(p.shape) for p in model.parameters() if p.requires_grad)
    most = FACTORS // (width * data.labels.shape[1])
    for rows, batch in batches(model, data, max(1, min(batch_size, most))):
        with sdpa_kernel(SDPBackend.MATH):
            found = None if other else _by_layer(model, batch, layers)
            if found is None:
                other = other or _by_autograd(model)
                found = other(batch)
        yield rows, [found[p] for p in own]


def gradients(model, data: Encoded, batch_size: int = 128) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (rows (b,), G (b, p)), the gradients of those examples' losses, parameters in the order of `trainable`.

    Batches are of similar length. Memory is b x p floats at a time.
    """
    for rows, found in _found(model, data, batch_size):
        yield rows, torch.cat([_whole(g).float() for g in found], 1)


def matrix(model, data: Encoded, batch_size: int = 128) -> torch.Tensor:
    """Return G, the gradients of all examples, shape (n, p)."""
    G = torch.empty(len(data), sum(v.numel() for v in trainable(model).values()), device=model.device)
    for rows, found in _found(model, data, batch_size):
        at = 0
        for g in map(_whole, found):
            G[rows, at : at + g.shape[1]] = g.float()
            at += g.shape[1]
    return G


def products(
    model, data: Encoded, directions: torch.Tensor, batch_size: int = 128
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (||g_i||_2 (n,), <g_i, v_k> (n, k)) for directions (k, p), without the gradients themselves."""
    norms, inner = torch.empty(len(data)), torch.empty(len(data), len(directions))
    values = list(trainable(model).values())
    parts = directions.to(model.device).split([v.numel() for v in values], 1)
    parts = [part.unflatten(1, v.shape).to(v.dtype) for part, v in zip(parts, values)]
    for rows, found in _found(model, data, batch_size):
        norms[rows] = sum(_square(g).float() for g in found).clamp(min=0).sqrt().cpu()
        inner[rows] = sum(_inner(g, v).float() for g, v in zip(found, parts)).cpu()
    return norms, inner
