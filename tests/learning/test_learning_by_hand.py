"""The training loop against AdamW written out, and schedules, orders, losses and scores against hand-made numbers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lhas_utils.core import ModelSpec, stream
from lhas_utils.learning import (
    IGNORE,
    METRICS,
    Encoded,
    bases,
    create,
    dft_loss,
    encode,
    example_loss,
    fit,
    paced,
    restore,
    score,
    shuffled,
    step_size,
    weights,
    word_level,
)
from lhas_utils.learning.loop import weighted_loss
from lhas_utils.worlds import WorldSpec
from lhas_utils.worlds.symbols import DIALECT

WORDS = word_level(DIALECT)
UNEVEN = [[0, 1, 2, 3, 4], [5], [6, 7], [0, 9, 8], [3], [1, 2]]  # batches of unequal size: a sum is not a mean


@pytest.fixture
def model():
    return create(ModelSpec(hidden=16, layers=1, heads=2), WORDS, 0).eval()


@pytest.fixture(scope="module")
def data():
    return encode(WorldSpec(pool_size=40).build(0).stages[0].pool, WORDS)


def answers(data, rows) -> list[int]:
    return [int((data.labels[i] != IGNORE).sum()) for i in rows]


# ---- training ----------------------------------------------------------------------------------------

SHARES = {  # of the step size before each of six updates
    "constant": [1.0] * 6,
    "linear": [1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6],
    "cosine": [(1 + np.cos(k * np.pi / 6)) / 2 for k in range(6)],
}
AFTER_WARM_UP = {  # the same where the first two of the six are the warm-up's
    "constant": [1.0] * 4,
    "linear": [1, 3 / 4, 2 / 4, 1 / 4],
    "cosine": [(1 + np.cos(k * np.pi / 4)) / 2 for k in range(4)],
}


@pytest.mark.parametrize("clip", [0, 0.5])
@pytest.mark.parametrize("warmup", [0, 2])
@pytest.mark.parametrize("schedule", sorted(SHARES))
def test_training_is_adamw_on_the_mean_of_the_example_losses(model, data, schedule, warmup, clip):
    shares = [1 / 2, 1, *AFTER_WARM_UP[schedule]] if warmup else SHARES[schedule]
    lr, start = 0.02, weights(model)
    theta, m, v = start.double(), torch.zeros(len(start)).double(), torch.zeros(len(start)).double()
    for k, (rows, share) in enumerate(zip(UNEVEN, shares), 1):
        restore(model, theta.float())
        loss = sum(one_loss(model, data, i) for i in rows) / len(rows)
        g = torch.cat([p.flatten() for p in torch.autograd.grad(loss, [*model.parameters()])]).double()
        g = g * min(1, clip / float(g.norm())) if clip else g
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        step = (m / (1 - 0.9**k)) / ((v / (1 - 0.999**k)).sqrt() + 1e-8)
        theta = theta * (1 - share * lr * 0.01) - share * lr * step
    restore(model, start)
    seen = fit(model, data, UNEVEN, lr, schedule=schedule, warmup=warmup / 6, clip=clip)
    moved = (weights(model) - start).double()
    assert torch.nn.functional.cosine_similarity(moved, theta - start, dim=0) > 0.999
    assert float((weights(model) - theta).norm() / (theta - start).norm()) < 0.02
    assert seen == sum(sum(answers(data, rows)) for rows in UNEVEN)


def one_loss(model, data, i: int) -> torch.Tensor:
    """Return the mean NLL of the response tokens of one example, token by token."""
    ids, labels = data.input_ids[i], data.labels[i]
    log_p = model(input_ids=ids[None]).logits[0].log_softmax(-1)
    where = [k for k in range(1, len(ids)) if labels[k] != IGNORE]
    return -sum(log_p[k - 1, ids[k]] for k in where) / len(where)


def test_a_look_on_the_way_is_after_that_many_updates(model, data):
    seen, steps = [], []

    def look(step, tokens):
        seen.append((step, tokens))
        steps.append(weights(model))

    fit(model, data, UNEVEN, 0.01, at={0: look, 1: look, 4: look})
    counts = [sum(answers(data, rows)) for rows in UNEVEN]
    assert seen == [(0, 0), (1, counts[0]), (4, sum(counts[:4]))]
    for k, after in zip((0, 1, 4), steps):
        again = create(ModelSpec(hidden=16, layers=1, heads=2), WORDS, 0)
        fit(again, data, UNEVEN[:k], 0.01)
        assert torch.equal(weights(again), after)


def test_schedules_by_hand():
    cosine = [step_size(k, 100, "cosine", 0.03) for k in (0, 1, 2, 3)]
    assert cosine == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert step_size(3 + 97 / 2, 100, "cosine", 0.03) == pytest.approx(0.5) and step_size(100, 100, "cosine", 0) == 0
    assert [step_size(k, 4, "linear", 0) for k in range(5)] == [1, 0.75, 0.5, 0.25, 0]
    assert [step_size(k, 6, "linear", 1 / 3) for k in range(6)] == [0.5, 1, 1, 0.75, 0.5, 0.25]
    assert [step_size(k, 4, "constant", 0.5) for k in range(4)] == [0.5, 1, 1, 1]


def test_a_curriculum_draws_from_a_third_at_first_and_from_all_half_way():
    asked = []

    def choice(n, size, replace):
        asked.append((n, size, replace))
        return np.arange(n)[-size:]

    batches = paced(SimpleNamespace(choice=choice), np.arange(240)[::-1], 8, 10)
    assert [n for n, *_ in asked] == pytest.approx([80, 120, 160, 200, 240, 240, 240, 240], abs=1)
    assert {(size, replace) for _, size, replace in asked} == {(10, False)}
    assert batches[0].tolist() == [*range(169, 159, -1)]  # of the ranking's first third, its last ten


def test_an_epoch_uses_every_example_once_and_each_epoch_has_an_order_of_its_own():
    batches = shuffled(np.random.default_rng(0), 12, 9, 4).reshape(3, 12)
    assert [sorted(epoch) for epoch in batches.tolist()] == [[*range(12)]] * 3
    assert len({tuple(epoch) for epoch in batches.tolist()}) == 3


# ---- losses and scores -------------------------------------------------------------------------------


def test_losses_by_loops_over_tokens(model, data):
    rows = data.take(range(6))
    got = {f: f(model, rows).detach() for f in (example_loss, dft_loss)}
    special = {WORDS.convert_tokens_to_ids(w): v for w, v in (("<eos>", 5.0), ("a1", 0.5))}
    weighted = weighted_loss(special, len(WORDS))(model, rows).detach()
    for i in range(6):
        ids, labels = rows.input_ids[i], rows.labels[i]
        log_p = model(input_ids=ids[None]).logits[0].detach().log_softmax(-1)
        nll = {k: -float(log_p[k - 1, ids[k]]) for k in range(1, len(ids)) if labels[k] != IGNORE}
        w = {k: special.get(int(ids[k]), 1.0) for k in nll}
        assert float(got[example_loss][i]) == pytest.approx(sum(nll.values()) / len(nll), rel=1e-5)
        assert float(got[dft_loss][i]) == pytest.approx(sum(np.exp(-v) * v for v in nll.values()) / len(nll), rel=1e-5)
        assert float(weighted[i]) == pytest.approx(sum(w[k] * nll[k] for k in nll) / sum(w.values()), rel=1e-5)


def test_the_gradient_of_dft_leaves_its_weight_alone(model, data):
    one = data.take([0])
    got = torch.autograd.grad(dft_loss(model, one).sum(), [*model.parameters()])
    ids, labels = one.input_ids[0], one.labels[0]
    log_p = model(input_ids=ids[None]).logits[0].log_softmax(-1)
    where = [k for k in range(1, len(ids)) if labels[k] != IGNORE]
    fixed = -sum(log_p[k - 1, ids[k]].detach().exp() * log_p[k - 1, ids[k]] for k in where) / len(where)
    for a, b in zip(got, torch.autograd.grad(fixed, [*model.parameters()])):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("batch_size", [2, 256])
def test_scores_are_means_over_examples_of_what_each_position_says(data, batch_size):
    """A stand-in knows the first answer, half of the second and nothing of the third."""
    rows = data.take([i for i in range(len(data)) if answers(data, [i])[0] in (4, 5)][:3])
    n = answers(rows, range(3))
    right = torch.zeros(rows.labels.shape, dtype=torch.bool)
    for i, known in enumerate((n[0], n[1] // 2, 0)):
        right[i, (rows.labels[i] != IGNORE).nonzero()[:known, 0]] = True
    logits = torch.zeros(*rows.input_ids.shape, len(WORDS))
    for i in range(3):
        for k in range(1, rows.input_ids.shape[1]):
            answer = rows.input_ids[i, k] if right[i, k] else (rows.input_ids[i, k] + 1) % len(WORDS)
            logits[i, k - 1, answer] = 2.0

    class StandIn(torch.nn.Module):
        """Its hidden states are the logits, found by the row."""

        device, dtype = "cpu", torch.float32

        def __init__(self):
            super().__init__()
            self.head = torch.nn.Identity()
            self.head.weight = torch.zeros(len(WORDS), 1)

        def get_output_embeddings(self):
            return self.head

        def forward(self, input_ids, use_cache):
            width = input_ids.shape[1]
            own = [next(i for i in range(3) if torch.equal(rows.input_ids[i, :width], ids)) for ids in input_ids]
            return SimpleNamespace(logits=self.head(logits[own, :width]))

    got = score(StandIn(), rows, batch_size)
    total = np.log(np.exp(2.0) + len(WORDS) - 1)
    half = n[1] // 2 / n[1]
    expected = {"accuracy": (1 + half) / 3, "exact": 1 / 3, "nll": total - 2 * (1 + half) / 3}
    assert tuple(got) == METRICS and got == pytest.approx(expected, rel=1e-5)


def test_the_loss_is_on_the_response_and_its_end_only():
    data = encode(WorldSpec(pool_size=5).build(0).stages[1].pool, WORDS)
    for i in range(5):
        words = WORDS.convert_ids_to_tokens(data.input_ids[i].tolist())
        scored = [w for w, label in zip(words, data.labels[i]) if label != IGNORE]
        start = words.index("<sep>") + 1
        assert words[0] == "<bos>" and scored == words[start : words.index("<eos>") + 1]
    assert isinstance(data, Encoded)


# ---- base models -------------------------------------------------------------------------------------


def test_a_base_model_reads_the_corpus_of_its_seed_in_the_order_of_its_seed(monkeypatch):
    seen = []
    monkeypatch.setattr(bases, "fit", lambda model, data, batches, lr, **more: seen.append((data, batches, lr, more)))
    told = {"schedule": "cosine", "warmup": 0.2, "clip": 0.7}
    spec = ModelSpec(hidden=16, layers=1, heads=2, steps=3, batch_size=4, lr=0.5, **told)
    corpus = WorldSpec().corpus
    for seed in (0, 1):
        bases.pretrain(spec, corpus, seed, WORDS)
        data, batches, lr, more = seen.pop()
        assert torch.equal(data.input_ids, encode(corpus.rows(seed, 12), WORDS).input_ids)
        assert batches.tolist() == shuffled(stream(seed, "pretrain"), 12, 3, 4).tolist()
        assert lr == 0.5 and more == told | {"loss": example_loss}
