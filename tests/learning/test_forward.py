"""One pass over the response alone, against the logits of every position."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from lhas_utils.learning import IGNORE, Encoded, batches, encode, last_hidden, response_logits, with_lora, word_level
from lhas_utils.learning import forward as module
from lhas_utils.learning.forward import cross_entropy
from lhas_utils.worlds import WorldSpec
from lhas_utils.worlds.symbols import DIALECT

WORDS = word_level(DIALECT)


@pytest.fixture(scope="module")
def data():
    return encode(WorldSpec(pool_size=9).build(0).stages[2].pool, WORDS)


def llama():
    torch.manual_seed(0)
    sizes = {"vocab_size": len(WORDS), "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    return LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=2, initializer_range=0.2)).eval()


def gpt2():
    torch.manual_seed(0)
    sizes = {"vocab_size": len(WORDS), "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 64}
    return GPT2LMHeadModel(GPT2Config(**sizes)).eval()


@pytest.mark.parametrize("make", [llama, gpt2, lambda: with_lora(llama(), 2, 0)])
def test_only_the_positions_before_response_tokens_meet_the_vocabulary(make, data):
    model, seen = make(), []
    head = model.get_output_embeddings()
    watch = head.register_forward_hook(lambda layer, inputs, output: seen.append(tuple(output.shape)))
    logits, target = response_logits(model, data)
    watch.remove()
    R = int(data.tokens().max())
    assert seen == [(9, R, len(WORDS))] and target.shape == (9, R)
    whole = model(input_ids=data.input_ids).logits
    for i in range(9):
        at = (data.labels[i] != IGNORE).nonzero()[:, 0]
        torch.testing.assert_close(logits[i, : len(at)], whole[i, at - 1])
        assert target[i].tolist() == data.labels[i, at].tolist() + [IGNORE] * (R - len(at))
    assert not head._forward_pre_hooks


def test_responses_in_several_pieces_are_all_found():
    ids = torch.arange(8)[None]
    labels = torch.where(torch.tensor([0, 0, 1, 0, 0, 1, 1, 0], dtype=torch.bool)[None], ids, IGNORE)
    at, target = Encoded(ids, labels).responses()
    assert at.tolist() == [[1, 4, 5]] and target.tolist() == [[2, 5, 6]]


@pytest.mark.parametrize("V", [90, module.LARGE, 262_144])
def test_a_token_costs_its_nll_whatever_the_size_of_the_vocabulary(V):
    rng = torch.Generator().manual_seed(V)
    logits = (3 * torch.randn(2, 3, V, generator=rng)).requires_grad_()
    target = torch.randint(V, (2, 3), generator=rng)
    target[0, 2] = IGNORE
    nll = cross_entropy(logits, target)
    exact = logits.detach().double()
    exact = exact.logsumexp(-1) - exact.gather(-1, target.clamp(min=0)[..., None])[..., 0]
    torch.testing.assert_close(nll.double(), exact * (target != IGNORE), rtol=1e-6, atol=2e-6)
    nll.sum().backward()
    assert not logits.grad[0, 2].any() and logits.grad[0, 1].abs().sum() > 1
    half = cross_entropy(logits.detach().bfloat16(), target)
    assert half.dtype == torch.float32 and half[0, 2] == 0


@pytest.mark.parametrize("make", [llama, gpt2, lambda: with_lora(llama(), 2, 0)])
def test_last_hidden_states_are_those_the_output_layer_reads(make, data):
    model = make()
    out = model(input_ids=data.input_ids, output_hidden_states=True, use_cache=False)
    torch.testing.assert_close(last_hidden(model, data), out.hidden_states[-1])


def test_batches_hold_every_example_once_by_length_and_never_too_much(data, monkeypatch):
    model = llama()
    found = list(batches(model, data, 4))
    assert [len(rows) for rows, _ in found] == [4, 4, 1]
    assert sorted(int(i) for rows, _ in found for i in rows) == [*range(9)]
    last = [int(data.last()[i]) for rows, _ in found for i in rows]
    assert last == sorted(last)
    assert all(torch.equal(batch.input_ids, data.take(rows).input_ids) for rows, batch in found)
    monkeypatch.setattr(module, "TOKENS", 2 * data.input_ids.shape[1])
    assert {len(rows) for rows, _ in batches(model, data, 4)} == {2, 1}
    monkeypatch.setattr(module, "LOGITS", len(WORDS) * int(data.tokens().max()))
    assert {len(rows) for rows, _ in batches(model, data, 4)} == {1}
    monkeypatch.setattr(module, "LOGITS", 1)
    assert {len(rows) for rows, _ in batches(model, data, 4)} == {1}
