"""Greedy decoding and the final answer, on a model of OpWorld, each against another way."""

import sys

import numpy as np
import pytest
import torch

from lhas_utils.core import ModelSpec
from lhas_utils.learning import (
    IGNORE,
    create,
    decode,
    encode,
    final_answers,
    fit,
    score_decoded,
    shuffled,
    token_nll,
    word_level,
)
from lhas_utils.learning.loop import weighted_loss
from lhas_utils.worlds import LEVEL_WORLDS
from lhas_utils.worlds import op as op_world

WORLD = LEVEL_WORLDS["op"]


@pytest.fixture(scope="module")
def model():
    """A model that has learned little: it writes something, and not always the same."""
    words = word_level(op_world.TOKENS)
    net = create(ModelSpec(hidden=16), words, 1000, op_world.POSITIONS)
    data = encode(WORLD.corpus("strong").rows(1000, 128), words)
    fit(net, data, shuffled(np.random.default_rng(0), len(data), 60, 16), 4e-3)
    return net


@pytest.fixture(scope="module")
def problems():
    return encode(WORLD.sample(3, 5, 1000), word_level(op_world.TOKENS))


def test_every_word_is_in_the_vocabulary(problems):
    assert (problems.input_ids[:, : op_world.PROMPT] != op_world.TOKENS.index("<pad>")).all()


def plain(model, prompt: torch.Tensor, new_tokens: int) -> list[int]:
    """Decode one prompt, one token at a time, each from the whole text so far."""
    ids, eos = prompt.tolist(), model.config.eos_token_id
    for _ in range(new_tokens):
        with torch.no_grad():
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] == eos:
            break
    return ids[len(prompt) :]


def test_decoding_agrees_with_one_token_at_a_time(model, problems):
    prompts = problems.input_ids[:, : op_world.PROMPT]
    together = decode(model, prompts, 30)
    texts = set()
    for row, prompt in zip(together.tolist(), prompts):
        alone = plain(model, prompt, 30)
        assert row[: len(alone)] == alone
        assert set(row[len(alone) :]) <= {model.config.pad_token_id}
        texts.add(tuple(alone))
    assert len(texts) > 1, "the model must depend on its prompt"


def test_final_answers_by_hand():
    eos, pad = 3, 0
    new = torch.tensor([[9, 8, 7, eos, pad], [9, 8, 7, 6, 5], [8, eos, pad, pad, pad], [eos, 9, 9, 9, eos]])
    assert final_answers(new, eos).tolist() == [8, -1, -1, -1]


def test_exact_counts_a_right_answer_after_a_wrong_step(monkeypatch, model, problems):
    right = problems.input_ids[:, op_world.PROMPT :].clone()
    monkeypatch.setattr(sys.modules[score_decoded.__module__], "decode", lambda *a: right)
    assert score_decoded(model, problems)["exact"] == 1
    zero = op_world.TOKENS.index("0")
    right[:, 2] = (right[:, 2] == zero).long() + zero  # a wrong value in the first step of all
    assert score_decoded(model, problems)["exact"] == 1
    right[:3, 3 * op_world.STEP - 2] = 0
    assert score_decoded(model, problems)["exact"] == pytest.approx(2 / 5)


def test_value_loss_weighs_values_by_hand(model, problems):
    nll = token_nll(model, problems).detach()
    loss = weighted_loss(
        {op_world.TOKENS.index(w): v for w, v in WORLD.corpus("weak").weights.items()}, len(op_world.TOKENS)
    )
    for row, (losses, target) in enumerate(zip(nll, problems.responses()[1])):
        weights = [
            0 if t == IGNORE else op_world.VALUE_WEIGHT if op_world.TOKENS[t].isdigit() else 1 for t in target.tolist()
        ]
        expected = np.average(losses.numpy(), weights=weights)
        assert loss(model, problems)[row].item() == pytest.approx(expected, rel=1e-5)
