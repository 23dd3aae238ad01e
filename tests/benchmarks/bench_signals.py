"""Speed of what the runs spend their time on, as ratios within one call: `make bench`.

Each benchmark asserts that both sides give the same answer before it prints the ratio. Peers
(apricot, submodlib) are optional: `pip install '.[bench]'`.
"""

import time

import numpy as np
import pytest
import torch

from lhas_utils.core import ModelSpec
from lhas_utils.learning import create, encode, example_loss, word_level
from lhas_utils.selection import selectors, signals
from lhas_utils.worlds import WorldSpec, skill_world
from lhas_utils.worlds.symbols import DIALECT


def clock(function, repeat=3):
    """Return (best seconds, result) of a call."""
    best, out = np.inf, None
    for _ in range(repeat):
        start = time.perf_counter()
        out = function()
        best = min(best, time.perf_counter() - start)
    return best, out


@pytest.fixture(scope="module")
def pool():
    torch.set_num_threads(1)
    tokenizer = word_level(DIALECT)
    world = skill_world(WorldSpec(pool_size=256, test_size=8), 1000)
    return create(ModelSpec(), tokenizer, 0).eval(), encode(world.stages[1].pool, tokenizer)


def report(title, slow, fast):
    print(f"\n{title}: {slow:.3f} s against {fast:.3f} s, {slow / fast:.1f} times faster")


def bench_per_example_gradients(pool):
    model, data = pool

    def loop():
        values = [p for p in model.parameters() if p.requires_grad]
        out = []
        for i in range(len(data)):
            loss = example_loss(model, data.take([i])).mean()
            out.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, values)]).norm().item())
        return np.array(out)

    slow, expected = clock(loop, 1)
    fast, got = clock(lambda: torch.cat([g.norm(dim=1) for _, g in signals.gradients(model, data)]).numpy())
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    report("per-example gradient norms, one backward pass a batch against one an example", slow, fast)


def bench_nuclear_norm(pool):
    logits = torch.randn(512, 16, 72, generator=torch.Generator().manual_seed(0))
    slow, expected = clock(lambda: torch.linalg.svdvals(logits).sum(-1))
    fast, got = clock(
        lambda: torch.linalg.eigvalsh((logits @ logits.transpose(1, 2)).double()).clamp(min=0).sqrt().sum(-1)
    )
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    report("nuclear norm, Gram eigenvalues against singular values", slow, fast)


def bench_concentration(pool):
    g = torch.randn(128, 4000, generator=torch.Generator().manual_seed(0)).double()
    slow, expected = clock(lambda: torch.linalg.eigvalsh(g.T @ g)[-1] / (g**2).sum(), 1)
    fast, got = clock(lambda: torch.linalg.eigvalsh(g @ g.T)[-1] / (g**2).sum())
    np.testing.assert_allclose(got, expected, rtol=1e-8)
    report("update concentration, k x k Gram against p x p moment (p = 4,000)", slow, fast)


def bench_facility_location():
    apricot = pytest.importorskip("apricot", reason="peer not installed")
    phi = np.random.default_rng(0).normal(size=(1000, 16))

    class Stub:
        embedding = phi

    unit = phi / np.linalg.norm(phi, axis=1, keepdims=True)
    similarity = (1 + unit @ unit.T) / 2
    slow, peer = clock(
        lambda: apricot.FacilityLocationSelection(100, metric="precomputed", optimizer="lazy").fit(similarity).ranking,
        1,
    )
    fast, ours = clock(lambda: selectors.facility_location(Stub, 100, rng=None))
    value = [similarity[:, list(s)].max(1).sum() for s in (peer, ours)]
    np.testing.assert_allclose(*value, rtol=1e-5)
    report("facility location, apricot against ours at the same value", slow, fast)
