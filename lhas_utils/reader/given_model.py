"""MODEL as people bring it, tried before any run: a forward pass, per-example gradients, and a look ahead."""

import warnings

import numpy as np
import torch
from datasets import Dataset

from ..learning import encode, load_base, refusal, with_lora
from ..selection import signals
from ..studies import RunSpec
from ..worlds import registered

SOME = 256  # examples whose tokens are looked up
SAME = 1e-5  # relative difference of two passes that counts as none
NEAR = {torch.float32: 1e-2, torch.bfloat16: 0.2}  # and of two sums of gradients


def try_out(spec: RunSpec) -> None:
    """Raise a `ValueError` of one sentence where the model of a run cannot do what a run asks of it.

    Asked, of two examples of the data: that their tokens are in the vocabulary, that a forward pass gives finite
    numbers, that no position sees a later token, and that the per-example gradients add up to the gradient of the sum.
    """
    name, rows = spec.model.name, registered(spec.world.data)["train"]
    try:
        with warnings.catch_warnings(action="ignore"):  # as in the workers that compute the runs
            _tried(name, spec, rows)
    except ValueError as error:
        if str(error).startswith("MODEL"):
            raise
        raise refusal(name, "a model that loads and computes", error) from None
    except Exception as error:  # of many libraries
        raise refusal(name, "a model that loads and computes", error) from None


def _tried(name: str, spec: RunSpec, rows: Dataset) -> None:
    words, model = load_base(spec.model, spec.corpus, spec.seed)
    some = np.unique(np.linspace(0, len(rows) - 1, SOME).astype(int))
    data = encode(rows.select(some), words, spec.world.max_length)
    size = model.get_input_embeddings().weight.shape[0]
    if (most := int(data.input_ids.max())) >= size:
        raise refusal(name, f"a vocabulary for its tokenizer's tokens, ids below {size}", f"id {most}")
    two = data.take([0, 1])
    _causal(name, model, two.input_ids)
    _gradients(name, model if spec.train.rank is None else with_lora(model, spec.train.rank, spec.seed), two)


@torch.no_grad()
def _causal(name: str, model, ids: torch.Tensor) -> None:
    """Change the last token: no position before it may change."""
    model.eval()
    other = ids.clone()
    other[:, -1] = torch.where(ids[:, -1] == 0, 1, ids[:, -1] - 1)
    one, two = (model(input_ids=x.to(model.device), use_cache=False).logits[:, :-1].float() for x in (ids, other))
    if not one.isfinite().all():
        raise refusal(name, "finite numbers from a forward pass", "some that are not")
    if (one - two).abs().max() > SAME * one.abs().max():
        raise refusal(name, "a causal language model", "one whose earlier positions see later tokens")


def _gradients(name: str, model, two) -> None:
    """Add the per-example gradients: they are twice the gradient of the mean."""
    try:
        both = sum(g.sum(0).float().cpu() for _, g in signals.gradients(model, two, 1))
    except RuntimeError as error:
        raise refusal(name, "an architecture with per-example gradients", error) from None
    mean = 2 * signals.mean_gradient(model, two).float().cpu()
    if not both.isfinite().all() or (both - mean).norm() > NEAR[model.dtype] * mean.norm().clamp(min=1e-12):
        raise refusal(name, "per-example gradients that add up to the whole one", "others")
