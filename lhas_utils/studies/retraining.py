"""What each example of a pool really does, now and later, by retraining on random subsets.

A selector's score claims to know what an example is worth. Here its worth is measured: stage t is
trained on many random halves S of a small pool, then the later stages on selections common to all, and

    effect_i = E[y | i in S] - E[y | i not in S],

the Banzhaf value at this subset size (arXiv:2205.15466), least-squares estimate over the subsets. y is
minus the NLL on V_t right after stage t (`now`), on the last stage (`last`) and over all capabilities
(`final`), both after the last stage. arXiv:2605.30537 never compares a score with such an effect.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from ..core import ModelSpec, TrainSpec, number, stream
from ..learning import fit, restore, score, shuffled, weights
from ..selection import PAPER, History, SelectionContext
from ..worlds import Corpus, WorldSpec
from .stages import check_run, start

TARGETS = ("now", "last", "final")
SCORED = (*PAPER, "alignment", "less", "datamodel", "easy", "el2n")
ONLINE = ("utility_diversity", "lhas")  # rank the whole pool as one micro-batch
COLUMNS = ["skill", "kind", "clean", "duplicate", "difficulty"]


@dataclass(frozen=True)
class EffectSpec:
    """One run of the subset retraining.

    Args:
        seed: world, base model, candidates and subsets derive from it.
        stage: t counted from 0, not the last.
        candidates: examples of D_t whose effect is measured.
        subsets: random halves of the candidates that are trained on.
        budget: share of the other stages' pools, drawn at random once and common to all subsets.
    """

    seed: int
    stage: int = 2
    candidates: int = 32
    subsets: int = 256
    budget: float = 0.25
    world: WorldSpec = field(default_factory=WorldSpec)
    model: ModelSpec = field(default_factory=ModelSpec)
    train: TrainSpec = field(default_factory=lambda: TrainSpec(steps=30))

    def __post_init__(self):
        check_run(self)
        for name, low in (("stage", 0), ("candidates", 2), ("subsets", 1)):
            number(name, getattr(self, name), low, 10**5, integer=True)

    @property
    def corpus(self) -> Corpus:
        """What the base model is trained on."""
        return self.world.corpus

    @property
    def selectors(self) -> tuple[str, ...]:
        """Names of the selectors that the run needs."""
        return SCORED


def effects(masks: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the effect of each example, shape (n,), from masks (m, n) of 0 and 1 and outcomes y (m,).

    Minimum-norm least squares of the centred y on the centred masks: with subsets of one size it
    estimates E[y | i in S] - E[y | i not in S] up to a constant that is the same for all i.
    """
    masks, y = np.asarray(masks, float), np.asarray(y, float)
    return np.linalg.lstsq(masks - masks.mean(0), y - y.mean(), rcond=None)[0]


def ranking(select: Callable, ctx: SelectionContext, rng: np.random.Generator) -> np.ndarray:
    """Return the place of each example in a selector's order, shape (n,); n - 1 is picked first."""
    place = np.empty(len(ctx), int)
    place[np.asarray(select(ctx, len(ctx), rng=rng))] = np.arange(len(ctx))[::-1]
    return place


def execute(spec: EffectSpec, selectors: Mapping[str, Callable]) -> tuple[pd.DataFrame, None]:
    """Compute one run; return one row per candidate, and no picks.

    Columns: index, skill, kind, clean, duplicate, difficulty; `now`, `last`, `final`, the effects in nats;
    the same with `_odd` and `_even` from one half of the subsets each (their agreement is the
    reliability); and `order_NAME`, the example's place in the order of each selector of `SCORED`.
    """
    train, history = spec.train, History()
    world, data, model, frozen = start(spec)

    def context(t, rows):
        pool, validation = world.stages[t].pool.select(rows), data.validations[t]
        return SelectionContext(model, frozen, pool, data.pools[t].take(rows), validation, data.proxies[t], history, t)

    def learn(t, rows):
        batches = shuffled(stream(spec.seed, "train", t), len(rows), train.steps, train.batch_size)
        fit(model, data.pools[t].take(rows), batches, train.lr)

    def some(t, size):
        return np.sort(stream(spec.seed, "effect", t).choice(len(data.pools[t]), size, replace=False))

    common = [some(t, max(1, round(spec.budget * len(pool)))) for t, pool in enumerate(data.pools)]
    for t in range(spec.stage):
        ctx = context(t, common[t])
        ctx.compute("projection")  # so that the history keeps it
        history.append(ctx, np.arange(len(ctx)))
        learn(t, common[t])
    rows = some(spec.stage, spec.candidates)
    ctx, n = context(spec.stage, rows), len(rows)
    whole = {name: partial(selectors[name], micro_batch=n) for name in ONLINE}
    order = {
        f"order_{s}": ranking((selectors | whole)[s], ctx, stream(spec.seed, "select", spec.stage)) for s in SCORED
    }

    rng, before = stream(spec.seed, "effect subsets"), weights(model)
    masks = np.stack([rng.permutation(np.arange(n) < n // 2) for _ in range(spec.subsets)])
    outcomes = []
    names, own = list(data.tests), world.stages[spec.stage].name
    for mask in masks:
        learn(spec.stage, rows[mask])
        now = -score(model, data.tests[own])["nll"]
        for t in range(spec.stage + 1, len(world.stages)):
            learn(t, common[t])
        end = [-score(model, data.tests[name])["nll"] for name in names]
        outcomes.append((now, end[names.index(world.stages[-1].name)], np.mean(end)))
        restore(model, before)
    odd, effect = np.arange(spec.subsets) % 2 == 1, {}
    for name, y in zip(TARGETS, np.array(outcomes).T):
        effect[name] = effects(masks, y)
        effect |= {f"{name}_{half}": _difference(masks[keep], y[keep]) for half, keep in (("odd", odd), ("even", ~odd))}
    return ctx.pool.to_pandas()[COLUMNS].assign(index=rows, **order, **effect), None


def _difference(masks, y) -> np.ndarray:
    """Return mean y with minus mean y without each example; noisier than `effects`, and fine with few subsets."""
    return np.array([y[m].mean() - y[~m].mean() if m.any() and not m.all() else 0.0 for m in masks.T])
