"""The training loop: its losses, its orders and schedules, and what a look along the way changes (nothing)."""

import numpy as np
import pytest
import torch

from lhas_utils.core import ModelSpec
from lhas_utils.learning import (
    by_length,
    copy_of,
    create,
    dft_loss,
    encode,
    example_loss,
    fit,
    paced,
    score,
    shuffled,
    token_nll,
    weights,
    word_level,
)
from lhas_utils.worlds import DepthWorld, WorldSpec
from lhas_utils.worlds.symbols import DIALECT

TINY = ModelSpec(hidden=16, layers=1, heads=2, steps=3, batch_size=4)


@pytest.fixture(scope="module")
def tokenizer():
    return word_level(DIALECT)


@pytest.fixture(scope="module")
def data(tokenizer):
    return encode(WorldSpec().corpus.rows(0, 30), tokenizer)


@pytest.fixture(scope="module")
def tiny(tokenizer):
    return create(TINY, tokenizer, seed=0)


def test_example_loss_is_the_mean_over_response_tokens(tiny, data):
    nll = token_nll(tiny, data)
    assert ((nll != 0).sum(1) == data.tokens()).all()
    assert example_loss(tiny, data)[3].item() == pytest.approx(nll[3].sum().item() / data.tokens()[3].item(), rel=1e-6)


def test_dft_gradient_is_the_sft_gradient_times_p(tokenizer):
    logits = torch.tensor([[0.0, 1.0, 2.0]], requires_grad=True)
    sft = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, torch.tensor([1])), logits)[0]
    model = create(ModelSpec(hidden=16), tokenizer, 0)
    batch = encode(DepthWorld("sort").sample(2, 1, 1000), tokenizer)
    nll = token_nll(model, batch)
    p = torch.softmax(logits, 1)[0, 1].item()
    dft = torch.exp(-torch.nn.functional.cross_entropy(logits, torch.tensor([1])).detach())
    assert torch.allclose(dft * sft, p * sft)
    expected = (torch.exp(-nll) * nll).sum() / batch.tokens()
    assert dft_loss(model, batch).item() == pytest.approx(expected.item())
    parameter = next(model.parameters())
    a = torch.autograd.grad(dft_loss(model, batch).sum(), parameter)[0]
    nll = token_nll(model, batch)
    b = torch.autograd.grad((nll * torch.exp(-nll).detach()).sum() / batch.tokens()[0], parameter)[0]
    assert torch.allclose(a, b)


# ---- orders ------------------------------------------------------------------------------------------


def test_the_shuffled_order_reshuffles_every_epoch():
    batches = shuffled(np.random.default_rng(0), 10, steps=9, batch_size=5)
    assert batches.shape == (9, 5)
    epochs = [batches.ravel()[i : i + 10].tolist() for i in (0, 10, 20, 30)]
    assert all(sorted(e) == list(range(10)) for e in epochs)
    assert len({tuple(e) for e in epochs}) == 4


@pytest.mark.parametrize(
    "n, steps, batch_size, shape", [(3, 4, 16, (4, 3)), (7, 5, 3, (5, 3)), (1, 2, 8, (2, 1)), (100, 1, 16, (1, 16))]
)
def test_the_shuffled_order_shapes_and_equal_use(n, steps, batch_size, shape):
    batches = shuffled(np.random.default_rng(0), n, steps, batch_size)
    assert batches.shape == shape
    counts = np.bincount(batches.ravel(), minlength=n)
    assert counts.max() - counts.min() <= 1


def test_the_shuffled_order_is_that_of_its_seed():
    def draw(seed):
        return shuffled(np.random.default_rng(seed), 20, 4, 5)

    assert (draw(0) == draw(0)).all() and (draw(0) != draw(1)).any()


@pytest.mark.parametrize("n, steps, b", [(30, 20, 4), (7, 5, 16), (1, 3, 2), (3, 1, 1)])
def test_a_curriculum_opens_from_the_first_third_to_all_half_way(n, steps, b):
    ranking = np.random.default_rng(0).permutation(n)
    place = np.empty(n, int)
    place[ranking] = np.arange(n)
    batches = paced(np.random.default_rng(1), ranking, steps, b)
    first = -(-n // 3)
    assert batches.shape == (steps, min(b, first))
    assert all(len(set(rows)) == len(rows) for rows in batches.tolist())
    for k, rows in enumerate(batches):
        assert place[rows].max() < max(first, min(n, int(n * (1 / 3 + 4 / 3 * k / steps))) or 1)
    if steps == 20:
        assert place[batches[:2]].max() < first + 2
        assert place[batches[10:]].max() > 2 * n / 3  # the hard ones are reached


def test_batches_by_length_hold_similar_lengths_and_cover_the_data(tokenizer):
    data = encode(DepthWorld("sort").corpus("weak").rows(1000, 256), tokenizer)
    batches = by_length(np.random.default_rng(0), data, 2 * 64, 4)
    used = data.last().numpy()
    for epoch in (batches[:64], batches[64:]):
        assert sorted(np.concatenate(epoch)) == list(range(256))
        spans = sorted((used[b].min(), used[b].max()) for b in epoch)
        assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:]))
    assert [b.tolist() for b in batches[:64]] != [b.tolist() for b in batches[64:]]
    assert len(by_length(np.random.default_rng(0), data, 70, 4)) == 70


# ---- the loop ----------------------------------------------------------------------------------------


def test_fit_calls_back_after_as_many_updates_as_it_says(tiny, data):
    model, seen = copy_of(tiny), []
    batches = shuffled(np.random.default_rng(1), 30, 5, 4)
    snapshots = {k: lambda step, tokens: seen.append((step, tokens, weights(model))) for k in (0, 2, 5)}
    total = fit(model, data, batches, 1e-3, at=snapshots)
    tokens = data.tokens().numpy()[batches].sum(1).cumsum()
    assert [s[:2] for s in seen] == [(0, 0), (2, tokens[1]), (5, tokens[4])]
    assert total == tokens[4]
    assert torch.equal(seen[0][2], weights(tiny))
    shorter = copy_of(tiny)
    fit(shorter, data, shuffled(np.random.default_rng(1), 30, 2, 4), 1e-3)
    assert torch.equal(seen[1][2], weights(shorter))
    assert torch.equal(seen[2][2], weights(model))


def test_fit_is_not_changed_by_looking(tiny, data):
    one, other = copy_of(tiny), copy_of(tiny)
    batches = shuffled(np.random.default_rng(1), len(data), 4, 4)
    fit(one, data, batches, 1e-3)
    fit(other, data, batches, 1e-3, at={2: lambda step, tokens: score(other, data)})
    assert torch.equal(weights(one), weights(other))


def test_fit_lowers_the_loss_and_leaves_no_gradients(tiny, data):
    model = copy_of(tiny)
    before = score(model, data)["nll"]
    fit(model, data, shuffled(np.random.default_rng(0), len(data), 30, 8), 4e-3)
    assert score(model, data)["nll"] < 0.8 * before
    assert all(p.grad is None for p in model.parameters()) and not model.training


def test_first_step_of_fit_is_adam_on_the_mean_of_the_example_losses(tiny, data):
    """Adam's first step is lr times the sign of the gradient, after decoupled weight decay."""
    model, reference = copy_of(tiny), copy_of(tiny)
    batch = data.take(range(6))
    fit(model, batch, shuffled(np.random.default_rng(0), 6, 1, 6), 1e-3)
    mean = sum(example_loss(reference, batch.take([i]))[0] for i in range(6)) / 6
    gradients = torch.autograd.grad(mean, list(reference.parameters()))
    for p, q, g in zip(model.parameters(), reference.parameters(), gradients):
        clear = g.abs() > 1e-4
        expected = q * (1 - 1e-3 * 0.01) - 1e-3 * g.sign()
        assert torch.allclose(p[clear], expected[clear], atol=2e-6)


def test_linear_decay_makes_late_steps_small(tiny, data):
    model, path = copy_of(tiny), []
    snapshots = {k: lambda step, tokens: path.append(weights(model)) for k in (0, 1, 19, 20)}
    fit(model, data, shuffled(np.random.default_rng(0), len(data), 20, 8), 4e-3, schedule="linear", at=snapshots)
    assert (path[3] - path[2]).norm() < 0.3 * (path[1] - path[0]).norm()


def test_a_curriculum_trains_another_model_and_an_order_the_same_again(tiny, data):
    def end(order, rows):
        model = copy_of(tiny)
        fit(model, data, order(np.random.default_rng(0), rows, 3, 4), 1e-3)
        return weights(model)

    ends = [end(shuffled, len(data)), end(shuffled, len(data)), end(paced, np.arange(len(data)))]
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])
