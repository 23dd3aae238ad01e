"""Text to tensors, models made and copied, weights out and in."""

import numpy as np
import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from lhas_utils.config import ModelSpec
from lhas_utils.models import IGNORE, copy_of, create, encode, restore, symbol_tokenizer, trainable, weights, with_lora

TINY = ModelSpec(hidden=16, layers=1, heads=2)


@pytest.fixture(scope="module")
def tokenizer():
    return symbol_tokenizer()


def text(*pairs) -> Dataset:
    return Dataset.from_dict({"prompt": [p for p, _ in pairs], "response": [r for _, r in pairs]})


def words(tokenizer, ids) -> str:
    return " ".join(tokenizer.convert_ids_to_tokens(ids.tolist()))


def test_encode_puts_the_loss_on_the_response_and_its_end(tokenizer):
    data = encode(text(("copy a1 a2", "a1 a2"), ("sort a9", "a9")), tokenizer)
    assert words(tokenizer, data.input_ids[0]) == "<bos> copy a1 a2 <sep> a1 a2 <eos>"
    assert words(tokenizer, data.input_ids[1]) == "<bos> sort a9 <sep> a9 <eos> <pad> <pad>"
    assert (data.labels[0] != IGNORE).tolist() == [False] * 5 + [True] * 3
    assert (data.labels[1] != IGNORE).tolist() == [False] * 4 + [True] * 2 + [False] * 2
    labelled = data.labels != IGNORE
    assert (data.labels[labelled] == data.input_ids[labelled]).all()
    assert data.tokens().tolist() == [3, 2]


def test_take_trims_to_the_longest_that_is_taken(tokenizer):
    data = encode(text(("copy a1 a2", "a1 a2"), ("sort a9", "a9")), tokenizer)
    short = data.take([1])
    assert len(short) == 1 and short.input_ids.shape == short.labels.shape == (1, 6)
    assert data.take(np.array([1, 0])).input_ids.tolist() == data.input_ids[[1, 0]].tolist()


def test_encode_cuts_the_beginning_of_a_long_prompt_then_the_end_of_its_response(tokenizer):
    long = " ".join(f"a{i}" for i in range(10))
    data = encode(text((long, "b1 b2"), (long, long)), tokenizer, max_length=8)
    assert words(tokenizer, data.input_ids[0]) == "a6 a7 a8 a9 <sep> b1 b2 <eos>"
    assert words(tokenizer, data.input_ids[1]) == "a7 a8 a9 <sep> a0 a1 a2 <eos>"


def test_encode_does_without_the_special_tokens_a_tokenizer_lacks():
    plain = Tokenizer(models.WordLevel({"<eos>": 0, "x": 1, "y": 2}, unk_token="<eos>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    data = encode(text(("x", "y"), ("x x x", "y")), PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<eos>", pad_token="<eos>"))
    assert data.input_ids.tolist() == [[1, 2, 0, 0, 0], [1, 1, 1, 2, 0]]  # the prompts are still there
    assert data.tokens().tolist() == [2, 2]  # padding with the end token carries no loss


def test_encode_says_that_there_is_nothing_to_encode(tokenizer):
    with pytest.raises(ValueError, match="expected at least one example"):
        encode(text(), tokenizer)


def test_every_symbol_is_one_token_and_comes_back(tokenizer):
    assert len(tokenizer) == len(set(tokenizer.get_vocab().values())) == 66
    ids = tokenizer("guard reverse a0 e9 <refuse>", add_special_tokens=False)["input_ids"]
    assert len(ids) == 5 and len(set(ids)) == 5
    assert tokenizer.convert_ids_to_tokens(ids) == ["guard", "reverse", "a0", "e9", "<refuse>"]


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
