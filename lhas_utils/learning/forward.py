"""One forward pass over the response alone: no other position meets the vocabulary."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
import torch.nn.functional as F

from .tokens import IGNORE, Encoded

LOGITS = 2**25  # of a batch at most, 128 MiB in float32
TOKENS = 2**12  # likewise
LARGE = 2**14  # a vocabulary whose sums need the order of memory


def precision(model) -> AbstractContextManager:
    """Return the context of a forward pass: products in the half precision of a model's weights, where they have it.

    Its adapters are kept in float32 (`with_lora`) and take part in the same half precision, as in mixed training.
    """
    if model.dtype not in (torch.bfloat16, torch.float16):
        return nullcontext()
    return torch.autocast(model.device.type, dtype=model.dtype)


@contextmanager
def _before_vocabulary(model, change: Callable[[torch.Tensor], torch.Tensor]):
    """Let the output layer see `change` of the last hidden states (n, T, d) alone."""
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda layer, inputs: change(inputs[0]))
    try:
        yield
    finally:
        hook.remove()


def response_logits(model, batch: Encoded) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits (n, R, V) that predict the response tokens, and these tokens (n, R), `IGNORE` after the last.

    R is the largest number of response tokens in the batch. The hidden states of the other positions are dropped
    before the output layer: its share of a pass over a large vocabulary is otherwise the largest of all.
    """
    at, target = (t.to(model.device) for t in batch.responses())
    wanted = at[..., None]
    with precision(model), _before_vocabulary(model, lambda h: h.gather(1, wanted.expand(*at.shape, h.shape[-1]))):
        return model(input_ids=batch.input_ids.to(model.device), use_cache=False).logits, target


def cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the NLL of each token in nats, shape (n, R), of logits (n, R, V); 0 where the target is `IGNORE`.

    Over a `LARGE` vocabulary the tokens are one row each: torch sums along a strided axis one by one, which at 262,144
    words loses three digits, and copies the logits once more. Small ones keep the order that published rows have.
    """
    if logits.shape[-1] < LARGE:
        return F.cross_entropy(logits.transpose(1, 2).float(), target, ignore_index=IGNORE, reduction="none")
    rows = F.cross_entropy(logits.flatten(0, 1).float(), target.flatten(), ignore_index=IGNORE, reduction="none")
    return rows.view(target.shape)


def last_hidden(model, batch: Encoded) -> torch.Tensor:
    """Return the last hidden states, those that the output layer reads, shape (n, T, d)."""
    kept = []
    with precision(model), _before_vocabulary(model, lambda hidden: kept.append(hidden) or hidden[:, :1]):
        model(input_ids=batch.input_ids.to(model.device), use_cache=False)
    return kept[0]


def batches(model, data: Encoded, size: int) -> Iterator[tuple[torch.Tensor, Encoded]]:
    """Yield (rows (b,), those examples) of similar length, at most `size`, `LOGITS` and `TOKENS` of them."""
    logits = model.get_output_embeddings().weight.shape[0] * max(1, int(data.tokens().max()))
    most = min(size, LOGITS // logits, TOKENS // data.input_ids.shape[1])
    for rows in data.last().argsort(stable=True).split(max(1, most)):
        yield rows, data.take(rows)
