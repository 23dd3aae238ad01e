"""Models made and copied, weights out and in, adapters attached."""

import numpy as np
import pytest
import torch

from lhas_utils.core import ModelSpec
from lhas_utils.learning import copy_of, create, restore, trainable, weights, with_lora, word_level
from lhas_utils.worlds.symbols import DIALECT

TINY = ModelSpec(hidden=16, layers=1, heads=2)


@pytest.fixture(scope="module")
def tokenizer():
    return word_level(DIALECT)


def test_create_is_that_of_its_seed_and_leaves_global_randomness_alone(tokenizer):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    one, same, other = (weights(create(TINY, tokenizer, seed)) for seed in (0, 0, 1))
    with_lora(create(TINY, tokenizer, 0), rank=2, seed=0)
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()


def test_create_has_the_size_it_was_asked_for(tokenizer):
    model = create(ModelSpec(hidden=24, layers=3, heads=2, init=0.05), tokenizer, 0)
    assert (model.config.hidden_size, model.config.num_hidden_layers, model.config.num_attention_heads) == (24, 3, 2)
    assert model.get_input_embeddings().weight.shape == (len(tokenizer), 24)
    assert model.model.layers[0].mlp.up_proj.weight.std().item() == pytest.approx(0.05, rel=0.15)


@pytest.mark.parametrize("rank", [None, 2])
def test_weights_go_out_and_come_back(tokenizer, rank):
    model = create(TINY, tokenizer, 0)
    model = with_lora(model, rank, 0) if rank else model
    flat = weights(model)
    assert flat.shape == (sum(p.numel() for p in trainable(model).values()),)
    kept = flat.clone()
    restore(model, torch.arange(len(flat)).float())
    assert torch.equal(weights(model), torch.arange(len(flat)).float())
    assert torch.equal(flat, kept)  # a copy, not a view
    restore(model, kept)
    assert torch.equal(weights(model), kept)


def test_shared_weights_are_counted_once(tokenizer):
    model = create(TINY, tokenizer, 0)
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    names = list(trainable(model))
    assert "model.embed_tokens.weight" in names and "lm_head.weight" not in names


def test_copies_are_independent(tokenizer):
    model = create(TINY, tokenizer, 0)
    twin, before = copy_of(model), weights(model)
    restore(twin, torch.zeros_like(before))
    assert torch.equal(weights(model), before)
    assert not twin.training


def test_lora_starts_as_the_base_model_and_trains_adapters_only(tokenizer):
    base = create(TINY, tokenizer, 0).eval()
    lora = with_lora(copy_of(base), rank=3, seed=0).eval()
    ids = torch.tensor([[1, 7, 20, 21, 2]])
    assert torch.allclose(lora(input_ids=ids).logits, base(input_ids=ids).logits, atol=1e-6)
    assert all("lora" in name for name in trainable(lora))
    assert {p.shape[0] for n, p in trainable(lora).items() if "lora_A" in n} == {3}
