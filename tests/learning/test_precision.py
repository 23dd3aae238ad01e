"""Half precision: the adapters stay in float32, they learn, and signals rank a pool as in float32."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from lhas_utils.learning import (
    TINY,
    copy_of,
    encode,
    fit,
    made,
    packaged,
    precision,
    restore,
    score,
    shuffled,
    weights,
    with_lora,
)
from lhas_utils.learning.models import pretrained, pretrained_tokenizer
from lhas_utils.selection import signals
from lhas_utils.worlds import FAMILIES, GymLevels


@pytest.fixture(scope="module")
def both():
    """dtype -> the tiny model of Gemma's class with one and the same adapters, which have learnt a little."""
    made(TINY)
    models = {dtype: with_lora(pretrained(packaged(TINY, dtype)), 4, 0) for dtype in ("float32", "bfloat16")}
    data = encode(GymLevels(FAMILIES[2], "stand-in").slices(3, 32)[1], pretrained_tokenizer(packaged(TINY)))
    fit(models["float32"], data, shuffled(np.random.default_rng(0), 32, 12, 8), 5e-3)
    restore(models["bfloat16"], weights(models["float32"]))
    return models


@pytest.fixture(scope="module")
def questions():
    return encode(GymLevels(FAMILIES[2], "stand-in").slices(5, 48)[2], pretrained_tokenizer(packaged(TINY)))


def test_adapters_are_in_float32_and_what_was_learnt_is_seen_at_once(both, questions):
    model, seen = copy_of(both["bfloat16"]), []
    own = {p.dtype for p in model.parameters() if p.requires_grad}
    assert model.dtype == torch.bfloat16 and own == {torch.float32}
    for _ in range(4):
        seen.append(score(model, questions)["nll"])
        fit(model, questions, [np.arange(48)], 2e-3)
    assert seen == sorted(seen, reverse=True) and len(set(seen)) == 4


def test_a_float32_model_runs_as_it_is(both):
    with precision(both["float32"]):
        assert not torch.is_autocast_enabled("cpu")
    with precision(both["bfloat16"]):
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16 and torch.is_autocast_enabled("cpu")


def test_half_precision_ranks_a_pool_as_float32_does(both, questions):
    found = []
    for model in both.values():
        mean = {"align": signals.mean_gradient(model, questions)}
        found.append(signals.forward_signals(model, questions) | signals.gradient_signals(model, questions, mean))
    for name in ("loss", "el2n", "nuclear_norm", "grad_norm", "align"):
        assert spearmanr(found[0][name], found[1][name]).statistic > 0.97, name
