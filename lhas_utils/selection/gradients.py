"""Per-example gradients g_i of a whole batch from one forward and one backward pass.

The loss of example i reaches the weights of a layer through that layer's inputs a_i and the gradient d_i at its output
alone, so g_i is a product of the two: sum_t d_it a_it^T for a linear layer (arXiv:1510.01799), and likewise for an
embedding and for an RMS norm. A model with other trainable parameters goes through `vmap` over `grad`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..learning import IGNORE, Encoded, example_loss, trainable


def _linear(layer: nn.Linear, a: torch.Tensor, d: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"weight": torch.einsum("bto,bti->boi", d, a), "bias": d.sum(1)}


def _embedding(layer: nn.Embedding, a: torch.Tensor, d: torch.Tensor) -> dict[str, torch.Tensor]:
    which = nn.functional.one_hot(a, layer.num_embeddings).to(d)
    return {"weight": torch.einsum("btv,bto->bvo", which, d)}


def _rms_norm(layer: nn.Module, a: torch.Tensor, d: torch.Tensor) -> dict[str, torch.Tensor]:
    eps = getattr(layer, "variance_epsilon", getattr(layer, "eps", 0.0))
    return {"weight": (d * a * torch.rsqrt(a.pow(2).mean(-1, keepdim=True) + eps)).sum(1)}


def _rule(layer: nn.Module) -> Callable | None:
    """Return the function (layer, input, gradient at the output) -> g_i by parameter, each (b, ...), or None."""
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


def _by_layer(model, batch: Encoded, layers: dict[nn.Module, Callable]) -> dict[int, torch.Tensor] | None:
    """Return g_i by the identity of each parameter, shapes (b, ...); None where a layer ran other than once."""
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
    out = {}
    for (layer, ((a, _),)), d in zip(seen.items(), torch.autograd.grad(total, outputs)):
        own = layers[layer](layer, a, d)
        for name, p in layer.named_parameters(recurse=False):
            if p.requires_grad:
                out[id(p)] = out[id(p)] + own[name] if id(p) in out else own[name]  # tied weights: both uses
    return out


def _by_vmap(model) -> Callable[[torch.Tensor, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the function (ids, labels) -> g_i by name of parameter."""
    parameters = trainable(model)
    fixed = {k: v.detach() for k, v in [*model.named_parameters(), *model.named_buffers()] if k not in parameters}

    def loss(values, ids, labels):
        logits = functional_call(model, (values, fixed), kwargs={"input_ids": ids[None], "use_cache": False}).logits
        return nn.functional.cross_entropy(logits[0, :-1].float(), labels[1:], ignore_index=IGNORE)

    per_example = vmap(grad(loss), in_dims=(None, 0, 0), randomness="error")
    return lambda ids, labels: per_example(parameters, ids, labels)


def gradients(model, data: Encoded, batch_size: int = 64) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield (rows, G) with G (b, p) the gradients of the examples' losses, parameters in the order of `trainable`.

    Memory is b x p floats at a time. Attention runs in its plain mathematical form, the only one
    whose per-example gradients do not depend on the batch.
    """
    model.eval()
    layers, names = _layers(model), [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    for start in range(0, len(data), batch_size):
        rows = slice(start, min(start + batch_size, len(data)))
        batch = data.take(range(rows.start, rows.stop))
        with sdpa_kernel(SDPBackend.MATH):
            found = _by_layer(model, batch, layers) if layers else None
            if found is None:
                values = _by_vmap(model)(batch.input_ids.to(model.device), batch.labels.to(model.device))
                found = {id(p): values[name] for name, p in names}
        yield rows, torch.cat([found[id(p)].flatten(1) for _, p in names], 1)
