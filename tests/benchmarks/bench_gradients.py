"""Alignments and norms of a pool's gradients: one pass of factors against four other ways."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch.func import functional_call, grad, vmap
from torch.utils.data import DataLoader, TensorDataset

from lhas_utils.core import ModelSpec
from lhas_utils.learning import IGNORE, create, encode, example_loss, trainable, word_level
from lhas_utils.selection import signals
from lhas_utils.worlds import WorldSpec
from lhas_utils.worlds.symbols import DIALECT
from tests.benchmarks.record import against, keep, turns

N = 512


@pytest.fixture(scope="module")
def given():
    """Return (model, pool of `N` examples, direction v, function that answers in our way)."""
    torch.set_num_threads(1)
    words = word_level(DIALECT)
    world = WorldSpec(pool_size=N, test_size=8).build(1000)
    model, data = create(ModelSpec(), words, 0).eval(), encode(world.stages[2].pool, words)
    v = signals.mean_gradient(model, encode(world.stages[2].validation, words))

    def ours():
        got = signals.gradient_signals(model, data, {"v": v})
        return got["grad_norm"], got["v"]

    return model, data, v, ours


def loss_of(model):
    """Return the loss of one example as a function of the weights, for `torch.func`."""
    fixed = {k: v.detach() for k, v in model.named_buffers()}

    def loss(values, ids, labels):
        logits = functional_call(model, (values, fixed), kwargs={"input_ids": ids[None], "use_cache": False}).logits
        return torch.nn.functional.cross_entropy(logits[0, :-1], labels[1:], ignore_index=IGNORE)

    return loss


def equal(theirs, ours):
    for a, b in zip(theirs, ours):
        assert np.linalg.norm(np.asarray(a) - b) < 1e-4 * np.linalg.norm(b)


def bench_one_example_at_a_time(given):
    model, data, v, ours = given
    values = [p for p in model.parameters() if p.requires_grad]

    def loop():
        out = []
        for i in range(N):
            g = torch.cat([g.flatten() for g in torch.autograd.grad(example_loss(model, data.take([i])).sum(), values)])
            out.append((float(g.norm()), float(g @ v)))
        return np.array(out).T

    equal(*against("alignment and norms", "loop of one example", f"n = {N}", loop, ours))


def bench_vmap(given):
    model, data, v, ours = given
    values, per_example = trainable(model), vmap(grad(loss_of(model)), in_dims=(None, 0, 0))

    def chunks():
        out = []
        for rows in torch.arange(N).split(64):
            found = per_example(values, data.input_ids[rows], data.labels[rows])
            G = torch.cat([found[name].flatten(1) for name in values], 1)
            out.append(torch.stack([G.norm(dim=1), G @ v]))
        return torch.cat(out, 1).numpy()

    equal(*against("alignment and norms", "vmap(grad)", f"n = {N}", chunks, ours))


@pytest.mark.parametrize("projected", [False, True])
def bench_dattri(given, projected):
    pytest.importorskip("dattri", reason="peer not installed: pip install '.[bench]'")
    from dattri.algorithm.tracin import TracInAttributor
    from dattri.task import AttributionTask

    model, data, _, _ = given
    few, validation = data.take(range(N)), data.take(range(64))
    loss = loss_of(model)
    task = AttributionTask(
        loss_func=lambda values, batch: loss({k: p for k, p in values.items()}, batch[0], batch[1]),
        model=model,
        checkpoints={k: p.detach() for k, p in model.state_dict().items()},
    )
    attributor = TracInAttributor(task=task, weight_list=torch.ones(1), normalized_grad=False)
    if not projected:
        attributor.projector_kwargs = None  # None at construction means its default, 512 dimensions

    def loader(part):
        return DataLoader(TensorDataset(part.input_ids, part.labels), batch_size=64, shuffle=False)

    def theirs():
        return attributor.attribute(loader(few), loader(validation)).mean(1).detach().numpy()

    def ours():
        return signals.gradient_signals(model, few, {"v": signals.mean_gradient(model, validation)})["v"]

    way = "dattri as it comes" if projected else "dattri without projection"
    found, exact = against("alignment", way, f"n = {N}, 64 of validation", theirs, ours)
    if not projected:
        assert np.linalg.norm(found - exact) < 1e-4 * np.linalg.norm(exact)
    keep("alignment, rank correlation with exact", way, f"n = {N}", ratio=spearmanr(found, exact).statistic)


def bench_plain_forward_passes(given):
    """The signals of a pool in units of a forward pass over it: loss, norm, two alignments, embedding, nuclear norm."""
    model, data, v, _ = given

    @torch.no_grad()
    def plain():
        for rows in torch.arange(N).split(128):
            model(input_ids=data.take(rows).input_ids, use_cache=False)

    def pool():
        signals.forward_signals(model, data)
        signals.embedding(model, data)
        signals.gradient_signals(model, data, {"a": v, "b": v.flip(0)})

    plain(), pool()
    passes = np.divide(*turns(pool, plain).T)
    told = {"forward_passes": np.median(passes), "fewest": passes.min(), "most": passes.max()}
    keep("signals of a pool", "plain forward passes", f"n = {N}", **told)
