"""Per-example gradients of a batch against one example at a time: layers with rules, tied weights, adapters, others."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM

from lhas_utils.learning import encode, example_loss, trainable, with_lora, word_level
from lhas_utils.selection import gradients as module
from lhas_utils.selection.gradients import Factors, gradients, matrix, products
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


def mixtral():
    torch.manual_seed(0)
    size = {"num_attention_heads": 2, "num_key_value_heads": 2, "num_local_experts": 3}
    return MixtralForCausalLM(MixtralConfig(**SIZES, **size, initializer_range=0.2))


MODELS = {
    "tied": lambda: llama(tie_word_embeddings=True),
    "untied": lambda: llama(tie_word_embeddings=False),
    "with biases": lambda: llama(tie_word_embeddings=True, attention_bias=True, mlp_bias=True),
    "adapters": adapted,
    "layers without a rule": gpt2,
    "experts": mixtral,
}
OTHERS = ("layers without a rule", "experts")


def one_by_one(model, data) -> torch.Tensor:
    parameters = [p for p in model.parameters() if p.requires_grad]
    out = []
    for i in range(len(data)):
        loss = example_loss(model, data.take([i])).sum()
        found = torch.autograd.grad(loss, parameters, materialize_grads=True)
        out.append(torch.cat([g.flatten() for g in found]))
    return torch.stack(out)


@pytest.mark.parametrize("name", MODELS)
def test_every_gradient_is_that_of_its_own_example(name, data):
    model = MODELS[name]().eval()
    assert (module._layers(model) is None) == (name in OTHERS)
    found, exact = list(gradients(model, data, batch_size=4)), one_by_one(model, data)
    assert [len(rows) for rows, _ in found] == [4, 4, 1] and sorted(i for rows, _ in found for i in rows) == [*range(9)]
    lengths = data.last()[torch.cat([rows for rows, _ in found])]
    assert (lengths.diff() >= 0).all() and lengths[0] < lengths[-1]
    for rows, g in found:
        assert g.shape == (len(rows), sum(v.numel() for v in trainable(model).values()))
        assert float((g - exact[rows]).norm() / exact.norm()) < 1e-4
    assert float((matrix(model, data, batch_size=4) - exact).norm() / exact.norm()) < 1e-4
    assert all(p.grad is None for p in model.parameters()) and not any(m._forward_hooks for m in model.modules())


def test_a_batch_has_no_more_numbers_in_its_factors_than_may_be(data, monkeypatch):
    model = adapted().eval()
    width = sum(p.shape[0] + p.shape[1] for p in model.parameters() if p.requires_grad)
    monkeypatch.setattr(module, "FACTORS", 3 * width * data.labels.shape[1])
    assert [len(rows) for rows, _ in gradients(model, data)] == [3, 3, 3]
    monkeypatch.setattr(module, "FACTORS", 1)
    assert [len(rows) for rows, _ in gradients(model, data)] == [1] * 9
    exact = one_by_one(model, data)
    assert float((matrix(model, data) - exact).norm() / exact.norm()) < 1e-4


def test_a_layer_that_runs_twice_goes_the_other_way(data):
    model = llama(tie_word_embeddings=True).eval()
    model.model.layers[1] = model.model.layers[0]
    assert module._by_layer(model, data.take([0, 1]), module._layers(model)) is None
    exact = one_by_one(model, data)
    assert float((matrix(model, data) - exact).norm() / exact.norm()) < 1e-4


def test_positions_that_a_batch_shares_go_the_other_way(data):
    model = gpt2().eval().requires_grad_(False)
    model.transformer.wpe.weight.requires_grad_(True)
    assert module._by_layer(model, data.take([0, 1]), module._layers(model)) is None
    exact = one_by_one(model, data)
    assert float((matrix(model, data) - exact).norm() / exact.norm()) < 1e-4


def test_what_vmap_cannot_look_into_goes_one_by_one(data, monkeypatch):
    def fails(model):
        def found(batch):
            tried.append(len(batch))
            raise RuntimeError("data-dependent control flow")

        return found

    tried, model = [], gpt2().eval()
    exact = one_by_one(model, data)
    monkeypatch.setattr(module, "_by_vmap", fails)
    assert float((matrix(model, data, batch_size=4) - exact).norm() / exact.norm()) < 1e-6
    assert tried == [4]  # asked once
    monkeypatch.setattr(module, "_one_by_one", fails)
    with pytest.raises(RuntimeError, match="data-dependent"):
        matrix(model, data, batch_size=4)


@pytest.mark.parametrize("name", MODELS)
def test_norms_and_products_need_no_gradient_as_a_whole(name, data):
    model = MODELS[name]().eval()
    exact = one_by_one(model, data).double()
    directions = torch.randn(3, exact.shape[1], generator=torch.Generator().manual_seed(1))
    norms, inner = products(model, data, directions, batch_size=4)
    torch.testing.assert_close(norms.double(), exact.norm(dim=1), rtol=1e-4, atol=1e-6)
    assert float((inner - exact @ directions.T.double()).abs().max() / exact.norm()) < 1e-4
    alone, none = products(model, data, directions[:0])
    assert none.shape == (9, 0) and torch.allclose(alone, norms, rtol=1e-4)


@pytest.mark.parametrize("shape", [(7, 2, 3), (2, 9, 8)])  # tokens, outputs, inputs: one way to the norm and the other
def test_factors_by_hand(shape):
    t, o, i = shape
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(4, t, o, generator=generator), torch.randn(4, t, i, generator=generator)
    G = torch.stack([sum(torch.outer(a, b) for a, b in zip(*pair)) for pair in zip(left, right)])
    got, v = Factors(left, right), torch.randn(2, o, i, generator=generator)
    torch.testing.assert_close(got.whole(), G)
    torch.testing.assert_close(got.square(), (G**2).sum((1, 2)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(got.inner(v), (G[:, None] * v).sum((2, 3)), rtol=1e-4, atol=1e-4)
