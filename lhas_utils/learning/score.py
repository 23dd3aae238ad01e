"""Scores of a model on a test set, by teacher forcing and by real greedy decoding."""

import numpy as np
import torch

from .forward import batches, cross_entropy, response_logits
from .tokens import IGNORE, Encoded

METRICS = ("accuracy", "exact", "nll")


@torch.no_grad()
def score(model, data: Encoded, batch_size: int = 256) -> dict[str, float]:
    """Score a model by teacher forcing: token accuracy, exact match and NLL (nats), means over examples.

    Exact match under teacher forcing equals exact match of greedy decoding: the first wrong token
    makes both fail.
    """
    model.eval()
    totals = np.zeros(3)
    for _, batch in batches(model, data, batch_size):
        logits, target = response_logits(model, batch)
        nll = cross_entropy(logits, target).sum(1)
        right, n = (logits.argmax(-1) == target).sum(1), (target != IGNORE).sum(1)
        totals += [float(v.double().sum()) for v in (right / n, right == n, nll / n)]
    return dict(zip(METRICS, (totals / len(data)).tolist()))


@torch.no_grad()
def decode(model, prompts: torch.Tensor, new_tokens: int) -> torch.Tensor:
    """Continue prompts greedily with the model's own outputs; return the new tokens, (n, <= new_tokens).

    Args:
        prompts: ids (n, T) of equal length, without padding. A row is padded after its end token.
    """
    everywhere = torch.ones_like(prompts)
    out = model.generate(prompts, attention_mask=everywhere, max_new_tokens=new_tokens, do_sample=False, use_cache=True)
    return out[:, prompts.shape[1] :]


def final_answers(new: torch.Tensor, eos: int) -> torch.Tensor:
    """Return the token before the last one before the first `eos`, shape (n,); -1 where there is none.

    An answer of OpWorld ends in `value ?` and the end token, so that token is the value.
    """
    at = torch.where((new == eos).any(1), (new == eos).int().argmax(1), 0) - 2
    return torch.where(at >= 0, new.gather(1, at.clamp(min=0)[:, None])[:, 0], -1)


def score_decoded(model, data: Encoded) -> dict[str, float]:
    """Return `score` with `exact` by greedy decoding: the share of right final answers; the steps do not count.

    Args:
        data: prompts of equal length, answers that end in `value ?` (OpWorld).
    """
    prompt = int((data.labels != IGNORE).int().argmax(1)[0])
    room = model.config.max_position_embeddings - prompt
    right = data.labels.gather(1, data.last()[:, None] - 2)[:, 0]
    found = final_answers(decode(model, data.input_ids[:, :prompt], room), model.config.eos_token_id)
    return score(model, data) | {"exact": float((found == right).double().mean())}
