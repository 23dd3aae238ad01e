"""Every signal against one example at a time: batch of one, no padding, plain autograd."""

import numpy as np
import pytest
import torch

from lhas_utils.core import ModelSpec
from lhas_utils.learning import (
    IGNORE,
    Encoded,
    copy_of,
    create,
    encode,
    fit,
    shuffled,
    trainable,
    weights,
    with_lora,
    word_level,
)
from lhas_utils.selection import signals
from lhas_utils.worlds import WorldSpec, skill_world
from lhas_utils.worlds.symbols import DIALECT

N = 24
RTOL = 1e-4


@pytest.fixture(scope="module")
def data():
    world = skill_world(WorldSpec(pool_size=N, test_size=4), seed=0, validation_size=10)
    tokenizer = word_level(DIALECT)
    return encode(world.stages[2].pool, tokenizer), encode(world.proxy, tokenizer)


@pytest.fixture(scope="module", params=["full", "lora"])
def model(request, data):
    model = create(ModelSpec(hidden=32, init=0.1), word_level(DIALECT), seed=0)
    # away from its initial symmetry
    fit(model, data[1], shuffled(np.random.default_rng(0), len(data[1]), 10, 8), 4e-3)
    if request.param == "lora":
        model = with_lora(model, rank=2, seed=0)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for p in model.parameters():  # a fresh adapter is zero; its gradients would be too
                if p.requires_grad:
                    p.copy_(0.1 * torch.randn(p.shape, generator=generator))
    return model.eval()


def alone(data: Encoded, i: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and labels of example i without padding, each of shape (1, T)."""
    length = int((data.labels[i] != IGNORE).nonzero().max()) + 1
    return data.input_ids[i : i + 1, :length], data.labels[i : i + 1, :length]


def response_logits(model, data, i):
    ids, labels = alone(data, i)
    here = (labels[0, 1:] != IGNORE).nonzero()[:, 0]
    return model(input_ids=ids, use_cache=False).logits[0, here], labels[0, here + 1]


def one_loss(model, data, i):
    logits, target = response_logits(model, data, i)
    p = torch.exp(logits) / torch.exp(logits).sum(1, keepdim=True)
    return -torch.log(p[torch.arange(len(target)), target]).mean()


def one_gradient(model, data, i):
    g = torch.autograd.grad(one_loss(model, data, i), [p for p in model.parameters() if p.requires_grad])
    return torch.cat([part.flatten() for part in g])


@pytest.fixture(scope="module")
def naive_gradients(model, data):
    return torch.stack([one_gradient(model, data[0], i) for i in range(N)])


@pytest.fixture(scope="module")
def forward(model, data):
    return signals.forward_signals(model, data[0])


def test_the_pool_has_examples_of_many_lengths(data):
    assert len(set(data[0].tokens().tolist())) >= 3


def test_loss(model, data, forward):
    naive = [one_loss(model, data[0], i).item() for i in range(N)]
    np.testing.assert_allclose(forward["loss"], naive, rtol=RTOL)


def test_el2n(model, data, forward):
    naive = []
    for i in range(N):
        logits, target = response_logits(model, data[0], i)
        p = (torch.exp(logits) / torch.exp(logits).sum(1, keepdim=True)).detach().numpy()
        naive.append(np.mean([np.linalg.norm(row - np.eye(len(row))[y]) for row, y in zip(p, target)]))
    np.testing.assert_allclose(forward["el2n"], naive, rtol=RTOL)
    assert (0 <= forward["el2n"]).all() and (forward["el2n"] <= np.sqrt(2)).all()


def test_nuclear_norm_is_the_sum_of_singular_values(model, data, forward):
    naive = [torch.linalg.svdvals(response_logits(model, data[0], i)[0].double()).sum().item() for i in range(N)]
    np.testing.assert_allclose(forward["nuclear_norm"], naive, rtol=RTOL)


def test_embedding_is_the_mean_last_hidden_state(model, data):
    naive = []
    for i in range(N):
        out = model(input_ids=alone(data[0], i)[0], output_hidden_states=True, use_cache=False)
        naive.append(out.hidden_states[-1][0].mean(0).detach().numpy())
    got = signals.embedding(model, data[0])
    assert got.shape == (N, 32)
    np.testing.assert_allclose(got, np.array(naive), rtol=RTOL, atol=1e-6)


def test_gradients_are_those_of_one_example_at_a_time(model, data, naive_gradients):
    rows, parts = zip(*signals.gradients(model, data[0], batch_size=10))
    assert [len(r) for r in rows] == [10, 10, 4]
    error = (torch.cat(parts) - naive_gradients[torch.cat(rows)]).norm(dim=1) / naive_gradients.norm(dim=1).min()
    assert error.max() < RTOL


def test_gradient_norm_and_inner_products(model, data, naive_gradients):
    generator = torch.Generator().manual_seed(1)
    v = {"a": torch.randn(naive_gradients.shape[1], generator=generator), "b": naive_gradients.mean(0)}
    got = signals.gradient_signals(model, data[0], v)
    np.testing.assert_allclose(got["grad_norm"], naive_gradients.norm(dim=1), rtol=RTOL)
    for name, direction in v.items():
        naive = (naive_gradients.double() @ direction.double()).numpy()
        scale = naive_gradients.norm(dim=1).numpy() * direction.norm().item()
        assert (abs(got[name] - naive) / scale).max() < RTOL


def test_mean_gradient_is_the_mean_of_the_example_gradients(model, data, naive_gradients):
    got = signals.mean_gradient(model, data[0])
    assert (got - naive_gradients.mean(0)).norm() / got.norm() < RTOL


def test_mean_gradient_weights_examples_not_tokens(model, data, naive_gradients):
    tokens = data[0].tokens()[:, None].float()
    by_token = (naive_gradients * tokens).sum(0) / tokens.sum()
    got = signals.mean_gradient(model, data[0])
    assert (got - by_token).norm() / got.norm() > 10 * RTOL


def test_gram_is_the_matrix_of_inner_products(model, data, naive_gradients):
    naive = (naive_gradients.double() @ naive_gradients.double().T).numpy()
    got = signals.gram(model, data[0], batch_size=7)
    norms = np.sqrt(np.diag(naive))
    assert got.shape == (N, N)
    assert (abs(got - naive) / norms[:, None] / norms).max() < RTOL


def test_sketch_inner_products_are_cosines(model, data, naive_gradients):
    unit = (naive_gradients / naive_gradients.norm(dim=1, keepdim=True)).numpy()
    sketch = signals.sketches(model, data[0])
    assert sketch.shape == (N, signals.SKETCH)
    error = sketch @ sketch.T - unit @ unit.T
    assert np.sqrt((error**2).mean()) < 2 / np.sqrt(signals.SKETCH)
    assert abs(error).max() < 0.25


def test_sketch_has_no_bias_for_a_vector_of_one_sign():
    """The random signs matter: without them this squared norm would be about 49."""
    p = 50_000
    bucket, sign = signals._buckets(p, signals.SKETCH)
    sketch = torch.zeros(signals.SKETCH).index_add_(0, bucket, torch.full((p,), p**-0.5) * sign)
    assert 0.8 < (sketch @ sketch).item() < 1.2


def test_projection_keeps_norms_on_average_and_neighbours(model, data, forward):
    matrices = [response_logits(model, data[0], i)[0].detach().numpy() for i in range(N)]
    ratio = np.linalg.norm(forward["projection"], axis=1) / [np.linalg.norm(m) for m in matrices]
    assert forward["projection"].shape == (N, 1024)
    assert 0.7 < ratio.mean() < 1.3


@pytest.mark.parametrize("size", [1, 5])
def test_batch_size_does_not_matter(model, data, forward, size):
    for name, values in signals.forward_signals(model, data[0], batch_size=size).items():
        np.testing.assert_allclose(values, forward[name], rtol=RTOL, atol=1e-5, err_msg=name)
    by_size = signals.embedding(model, data[0], batch_size=size)
    np.testing.assert_allclose(by_size, signals.embedding(model, data[0]), rtol=RTOL, atol=1e-5)
    few = data[0].take(range(6))
    v = {"v": signals.mean_gradient(model, data[1])}
    whole = signals.gradient_signals(model, few, v)
    for name, values in signals.gradient_signals(model, few, v, batch_size=size).items():
        np.testing.assert_allclose(values, whole[name], rtol=RTOL, atol=1e-5, err_msg=name)


def test_padding_does_not_matter(model, data, forward):
    few, extra = data[0].take(range(6)), 5
    padded = Encoded(
        torch.nn.functional.pad(data[0].input_ids[:6], (0, extra), value=3),  # any token may stand there
        torch.nn.functional.pad(data[0].labels[:6], (0, extra), value=IGNORE),
    )
    for name, values in signals.forward_signals(model, padded).items():
        np.testing.assert_allclose(values, forward[name][:6], rtol=RTOL, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(signals.embedding(model, padded), signals.embedding(model, few), rtol=RTOL, atol=1e-5)
    np.testing.assert_allclose(signals.gram(model, padded), signals.gram(model, few), rtol=1e-3, atol=1e-5)
    a, b = signals.mean_gradient(model, padded), signals.mean_gradient(model, few)
    assert (a - b).norm() / b.norm() < RTOL


def test_signals_leave_the_model_as_it_was(model, data):
    before, names = weights(model), list(trainable(model))
    signals.forward_signals(model, data[0])
    signals.embedding(model, data[0])
    signals.gradient_signals(model, data[0].take(range(4)), {"v": signals.mean_gradient(model, data[1])})
    signals.gram(model, data[0].take(range(4)))
    assert torch.equal(weights(model), before)
    assert list(trainable(model)) == names
    assert all(p.grad is None for p in model.parameters())


def test_lora_gradients_are_of_the_adapters_only(data):
    full = create(ModelSpec(hidden=32), word_level(DIALECT), seed=0)
    lora = with_lora(copy_of(full), rank=2, seed=0)
    p = sum(v.numel() for v in trainable(lora).values())
    assert 0 < p < sum(v.numel() for v in trainable(full).values()) / 4
    _, g = next(signals.gradients(lora, data[0].take(range(3))))
    assert g.shape == (3, p)
