"""Scores by teacher forcing, against real greedy decoding and by hand."""

import numpy as np
import pytest
import torch
from datasets import Dataset

from lhas_utils.core import ModelSpec, stream
from lhas_utils.learning import IGNORE, Encoded, create, encode, fit, score, shuffled, word_level
from lhas_utils.worlds.symbols import DIALECT


@pytest.fixture(scope="module")
def tokenizer():
    return word_level(DIALECT)


@pytest.fixture(scope="module")
def taught(tokenizer):
    """A model that has begun to copy: right on some strings, wrong on others."""
    rng = stream(0, "test copies")
    rows = [" ".join(f"a{v}" for v in rng.integers(10, size=rng.integers(2, 4))) for _ in range(400)]
    copies = encode(Dataset.from_dict({"prompt": rows, "response": rows}), tokenizer)
    model = create(ModelSpec(hidden=32), tokenizer, seed=0)
    fit(model, copies, shuffled(np.random.default_rng(0), len(copies), 150, 16), 6e-3, schedule="linear")
    return model, copies.take(range(24))


def greedy(model, data: Encoded, i: int) -> list[int]:
    """Decode as many tokens as the response of example i has, one at a time."""
    start = int((data.labels[i] != IGNORE).nonzero()[0])
    prompt, n = data.input_ids[i : i + 1, :start], int(data.tokens()[i])
    out = model.generate(
        input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=n, do_sample=False, use_cache=False
    )
    return out[0, start:].tolist()


def test_exact_match_by_teacher_forcing_is_exact_match_of_greedy_decoding(taught):
    model, data = taught
    forced = [score(model, data.take([i]))["exact"] for i in range(len(data))]
    decoded = [
        float(greedy(model, data, i) == data.labels[i][data.labels[i] != IGNORE].tolist()) for i in range(len(data))
    ]
    assert forced == decoded
    assert 0 < sum(forced) < len(data)  # both outcomes were seen


def test_score_by_hand(taught):
    model, data = taught
    accuracy, exact, nll = [], [], []
    with torch.no_grad():
        for i in range(len(data)):
            here = (data.labels[i] != IGNORE).nonzero()[:, 0]
            logits = model(input_ids=data.input_ids[i : i + 1, : here[-1] + 1], use_cache=False).logits[0, here - 1]
            right = logits.argmax(1) == data.labels[i, here]
            accuracy.append(right.float().mean().item())
            exact.append(right.all().item())
            nll.append(-logits.log_softmax(1)[range(len(here)), data.labels[i, here]].mean().item())
    got = score(model, data)
    assert got == pytest.approx({"accuracy": np.mean(accuracy), "exact": np.mean(exact), "nll": np.mean(nll)}, rel=1e-5)
    assert score(model, data, batch_size=5) == pytest.approx(got, rel=1e-5)
