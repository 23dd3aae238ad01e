"""Per-example gradients of a batch against one example at a time: layers with rules, tied weights, adapters, others."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from lhas_utils.learning import encode, example_loss, trainable, with_lora, word_level
from lhas_utils.selection import gradients as module
from lhas_utils.selection.gradients import gradients
from lhas_utils.worlds import WorldSpec
from lhas_utils.worlds.symbols import DIALECT

WORDS = word_level(DIALECT)
SIZES = {"vocab_size": len(WORDS), "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}


@pytest.fixture(scope="module")
def data():
    return encode(WorldSpec(pool_size=9).build(0).stages[0].pool, WORDS)


def llama(**more):
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES, num_attention_heads=2, initializer_range=0.2, **more))


def adapted():
    model = with_lora(llama(tie_word_embeddings=False), 2, 0)
    for name, p in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p)
    return model


def gpt2():
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=len(WORDS), n_embd=16, n_layer=1, n_head=2, n_positions=64))


MODELS = {
    "tied": lambda: llama(tie_word_embeddings=True),
    "untied": lambda: llama(tie_word_embeddings=False),
    "with biases": lambda: llama(tie_word_embeddings=True, attention_bias=True, mlp_bias=True),
    "adapters": adapted,
    "layers without a rule": gpt2,
}


def one_by_one(model, data) -> torch.Tensor:
    parameters = [p for p in model.parameters() if p.requires_grad]
    out = []
    for i in range(len(data)):
        found = torch.autograd.grad(example_loss(model, data.take([i])).sum(), parameters)
        out.append(torch.cat([g.flatten() for g in found]))
    return torch.stack(out)


@pytest.mark.parametrize("name", MODELS)
def test_every_gradient_is_that_of_its_own_example(name, data):
    model = MODELS[name]().eval()
    assert (module._layers(model) is None) == (name == "layers without a rule")
    found = list(gradients(model, data, batch_size=4))
    assert [(rows.start, rows.stop) for rows, _ in found] == [(0, 4), (4, 8), (8, 9)]
    G, exact = torch.cat([g for _, g in found]), one_by_one(model, data)
    assert G.shape == (9, sum(v.numel() for v in trainable(model).values()))
    assert float((G - exact).norm() / exact.norm()) < 1e-4
    assert all(p.grad is None for p in model.parameters()) and not any(m._forward_hooks for m in model.modules())


def test_a_layer_that_runs_twice_goes_the_other_way(data):
    model = llama(tie_word_embeddings=True).eval()
    model.model.layers[1] = model.model.layers[0]
    assert module._by_layer(model, data.take([0, 1]), module._layers(model)) is None
    exact = one_by_one(model, data)
    G = torch.cat([g for _, g in gradients(model, data)])
    assert float((G - exact).norm() / exact.norm()) < 1e-4
