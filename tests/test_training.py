"""The training loop, the scores (against real greedy decoding) and the cache of base models."""

import shutil

import numpy as np
import pytest
import torch
from datasets import Dataset

from lhas_utils import paths, training, worlds
from lhas_utils.config import ModelSpec
from lhas_utils.models import Encoded, copy_of, create, encode, symbol_tokenizer, trainable, weights
from lhas_utils.training import example_loss, fit, order, paced, score, token_nll

TINY = ModelSpec(hidden=16, layers=1, heads=2, steps=3, batch_size=4)


@pytest.fixture(scope="module")
def tokenizer():
    return symbol_tokenizer()


@pytest.fixture(scope="module")
def data(tokenizer):
    return encode(worlds.base_corpus(0, 30), tokenizer)


@pytest.fixture(scope="module")
def tiny(tokenizer):
    return create(TINY, tokenizer, seed=0)


@pytest.fixture(scope="module")
def taught(tokenizer):
    """A model that has begun to copy: right on some strings, wrong on others."""
    rng = worlds.stream(0, "test copies")
    rows = [" ".join(f"a{v}" for v in rng.integers(10, size=rng.integers(2, 4))) for _ in range(400)]
    copies = encode(Dataset.from_dict({"prompt": rows, "response": rows}), tokenizer)
    model = create(ModelSpec(hidden=32), tokenizer, seed=0)
    fit(model, copies, 150, 16, 6e-3, np.random.default_rng(0), decay=True)
    return model, copies.take(range(24))


def test_example_loss_is_the_mean_over_response_tokens(tiny, data):
    nll = token_nll(tiny, data)
    assert ((nll != 0).sum(1) == data.tokens()).all()
    assert example_loss(tiny, data)[3].item() == pytest.approx(nll[3].sum().item() / data.tokens()[3].item(), rel=1e-6)


def test_order_reshuffles_every_epoch():
    batches = order(np.random.default_rng(0), 10, steps=9, batch_size=5)
    assert batches.shape == (9, 5)
    epochs = [batches.ravel()[i : i + 10].tolist() for i in (0, 10, 20, 30)]
    assert all(sorted(e) == list(range(10)) for e in epochs)
    assert len({tuple(e) for e in epochs}) == 4


@pytest.mark.parametrize("n, steps, batch_size, shape", [(3, 4, 16, (4, 3)), (7, 5, 3, (5, 3)), (1, 2, 8, (2, 1)), (100, 1, 16, (1, 16))])
def test_order_shapes_and_equal_use(n, steps, batch_size, shape):
    batches = order(np.random.default_rng(0), n, steps, batch_size)
    assert batches.shape == shape
    counts = np.bincount(batches.ravel(), minlength=n)
    assert counts.max() - counts.min() <= 1


def test_order_is_that_of_its_seed():
    def draw(seed):
        return order(np.random.default_rng(seed), 20, 4, 5)

    assert (draw(0) == draw(0)).all() and (draw(0) != draw(1)).any()


def test_fit_calls_back_after_as_many_updates_as_it_says(tiny, data):
    model, seen = copy_of(tiny), []
    snapshots = {k: lambda step, tokens: seen.append((step, tokens, weights(model))) for k in (0, 2, 5)}
    total = fit(model, data, 5, 4, 1e-3, np.random.default_rng(1), at=snapshots)
    batches = order(np.random.default_rng(1), 30, 5, 4)
    tokens = data.tokens().numpy()[batches].sum(1).cumsum()
    assert [s[:2] for s in seen] == [(0, 0), (2, tokens[1]), (5, tokens[4])]
    assert total == tokens[4]
    assert torch.equal(seen[0][2], weights(tiny))
    shorter = copy_of(tiny)
    fit(shorter, data, 2, 4, 1e-3, np.random.default_rng(1))
    assert torch.equal(seen[1][2], weights(shorter))
    assert torch.equal(seen[2][2], weights(model))


def test_fit_is_not_changed_by_looking(tiny, data):
    one, other = copy_of(tiny), copy_of(tiny)
    fit(one, data, 4, 4, 1e-3, np.random.default_rng(1))
    fit(other, data, 4, 4, 1e-3, np.random.default_rng(1), at={2: lambda step, tokens: score(other, data)})
    assert torch.equal(weights(one), weights(other))


def test_fit_lowers_the_loss_and_leaves_no_gradients(tiny, data):
    model = copy_of(tiny)
    before = score(model, data)["nll"]
    fit(model, data, 30, 8, 4e-3, np.random.default_rng(0))
    assert score(model, data)["nll"] < 0.8 * before
    assert all(p.grad is None for p in model.parameters()) and not model.training


def test_first_step_of_fit_is_adam_on_the_mean_of_the_example_losses(tiny, data):
    """Adam's first step is lr times the sign of the gradient, after decoupled weight decay."""
    model, reference = copy_of(tiny), copy_of(tiny)
    batch = data.take(range(6))
    fit(model, batch, 1, 6, 1e-3, np.random.default_rng(0))
    mean = sum(example_loss(reference, batch.take([i]))[0] for i in range(6)) / 6
    gradients = torch.autograd.grad(mean, list(reference.parameters()))
    for p, q, g in zip(model.parameters(), reference.parameters(), gradients):
        clear = g.abs() > 1e-4
        expected = q * (1 - 1e-3 * 0.01) - 1e-3 * g.sign()
        assert torch.allclose(p[clear], expected[clear], atol=2e-6)


def test_decay_makes_late_steps_small(tiny, data):
    model, path = copy_of(tiny), []
    fit(model, data, 20, 8, 4e-3, np.random.default_rng(0), decay=True, at={k: lambda step, tokens: path.append(weights(model)) for k in (0, 1, 19, 20)})
    assert (path[3] - path[2]).norm() < 0.3 * (path[1] - path[0]).norm()


def greedy(model, data: Encoded, i: int) -> list[int]:
    """Decode as many tokens as the response of example i has, one at a time."""
    start = int((data.labels[i] != -100).nonzero()[0])
    prompt, n = data.input_ids[i : i + 1, :start], int(data.tokens()[i])
    out = model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=n, do_sample=False, use_cache=False)
    return out[0, start:].tolist()


def test_exact_match_by_teacher_forcing_is_exact_match_of_greedy_decoding(taught):
    model, data = taught
    forced = [score(model, data.take([i]))["exact"] for i in range(len(data))]
    decoded = [float(greedy(model, data, i) == data.labels[i][data.labels[i] != -100].tolist()) for i in range(len(data))]
    assert forced == decoded
    assert 0 < sum(forced) < len(data)  # both outcomes were seen


def test_score_by_hand(taught):
    model, data = taught
    accuracy, exact, nll = [], [], []
    with torch.no_grad():
        for i in range(len(data)):
            here = (data.labels[i] != -100).nonzero()[:, 0]
            logits = model(input_ids=data.input_ids[i : i + 1, : here[-1] + 1], use_cache=False).logits[0, here - 1]
            right = logits.argmax(1) == data.labels[i, here]
            accuracy.append(right.float().mean().item())
            exact.append(right.all().item())
            nll.append(-logits.log_softmax(1)[range(len(here)), data.labels[i, here]].mean().item())
    got = score(model, data)
    assert got == pytest.approx({"accuracy": np.mean(accuracy), "exact": np.mean(exact), "nll": np.mean(nll)}, rel=1e-5)
    assert score(model, data, batch_size=5) == pytest.approx(got, rel=1e-5)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    corpus = worlds.base_corpus
    monkeypatch.setattr(paths, "MODELS", tmp_path / "models")
    monkeypatch.setattr(training, "base_corpus", lambda seed, size: corpus(seed, 40))
    return tmp_path / "models"


def test_a_base_model_is_trained_once_and_read_back_exactly(cache, monkeypatch, data):
    first = training.base_model(TINY, 3)
    monkeypatch.setattr(training, "fit", lambda *args, **kwargs: pytest.fail("trained again"))
    second = training.base_model(TINY, 3)
    assert torch.equal(weights(first), weights(second))
    assert list(trainable(first)) == list(trainable(second))
    assert score(first, data) == score(second, data)
    assert [p.name.startswith(".") for p in cache.iterdir()] == [False]


def test_base_models_differ_by_seed_and_recipe(cache):
    one = weights(training.base_model(TINY, 0))
    assert not torch.equal(one, weights(training.base_model(TINY, 1)))
    assert not torch.equal(one, weights(training.base_model(ModelSpec(hidden=16, layers=1, heads=2, steps=4, batch_size=4), 0)))
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("damage", ["truncated weights", "no weights", "no config", "empty folder"])
def test_a_damaged_base_model_is_rebuilt_with_a_message(cache, capsys, damage):
    before = weights(training.base_model(TINY, 0))
    (folder,) = cache.iterdir()
    if damage == "truncated weights":
        file = folder / "model.safetensors"
        file.write_bytes(file.read_bytes()[:100])
    elif damage == "empty folder":
        shutil.rmtree(folder)
        folder.mkdir()
    else:
        (folder / {"no weights": "model.safetensors", "no config": "config.json"}[damage]).unlink()
    capsys.readouterr()
    again = weights(training.base_model(TINY, 0))
    said = "".join(capsys.readouterr())
    assert torch.equal(again, before)
    assert f"model cache: {folder.name} cannot be read" in said
    assert torch.equal(weights(training.base_model(TINY, 0)), before)
    assert "cannot be read" not in "".join(capsys.readouterr())


def test_a_base_model_does_not_depend_on_the_global_generators(cache):
    torch.manual_seed(1)
    np.random.seed(1)
    one = weights(training.base_model(TINY, 0))
    shutil.rmtree(cache)
    torch.manual_seed(2)
    np.random.seed(2)
    assert torch.equal(weights(training.base_model(TINY, 0)), one)


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


def test_without_a_ranking_training_is_as_before_and_with_one_it_is_not(tiny, data):
    ends = []
    for ranking in (None, None, np.arange(len(data))):
        model = copy_of(tiny)
        fit(model, data, 3, 4, 1e-3, np.random.default_rng(0), ranking=ranking)
        ends.append(weights(model))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])
