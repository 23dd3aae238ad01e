"""What each example of a pool really does, now and later, by retraining on random subsets.

A selector's score claims to know what an example is worth. Here its worth is measured: stage t is
trained on many random halves S of a small pool, then the later stages on selections common to all, and

    effect_i = E[y | i in S] - E[y | i not in S],

the Banzhaf value at this subset size (arXiv:2205.15466), least-squares estimate over the subsets. y is
minus the NLL on V_t right after stage t (`now`), on the last stage (`last`) and over all capabilities
(`final`), both after the last stage. arXiv:2605.30537 never compares a score with such an effect.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from . import selectors
from .config import ModelSpec, TrainSpec, WorldSpec
from .context import History, SelectionContext
from .models import copy_of, restore, symbol_tokenizer, weights
from .protocol import encodings
from .training import base_model, fit, score
from .worlds import skill_world, stream

TARGETS = ("now", "last", "final")
SCORED = (*selectors.PAPER, "alignment", "less", "datamodel", "easy", "el2n")


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


def effects(masks, y) -> np.ndarray:
    """Return the effect of each example, shape (n,), from masks (m, n) of 0 and 1 and outcomes y (m,).

    Minimum-norm least squares of the centred y on the centred masks: with subsets of one size it
    estimates E[y | i in S] - E[y | i not in S] up to a constant that is the same for all i.
    """
    masks, y = np.asarray(masks, float), np.asarray(y, float)
    return np.linalg.lstsq(masks - masks.mean(0), y - y.mean(), rcond=None)[0]


def ranking(select, ctx, rng) -> np.ndarray:
    """Return the place of each example in a selector's order, shape (n,); n - 1 is picked first."""
    place = np.empty(len(ctx), int)
    place[np.asarray(select(ctx, len(ctx), rng=rng))] = np.arange(len(ctx))[::-1]
    return place


def execute(spec: EffectSpec) -> tuple[pd.DataFrame, None]:
    """Compute one run; return one row per candidate, and no picks.

    Columns: index, skill, kind, clean, duplicate, difficulty; `now`, `last`, `final`, the effects in nats;
    the same with `_odd` and `_even` from one half of the subsets each (their agreement is the
    reliability); and `order_NAME`, the example's place in the order of each selector of `SCORED`.
    """
    world, tokenizer, train = skill_world(spec.world, spec.seed), symbol_tokenizer(), spec.train
    data, frozen = encodings(world, tokenizer), base_model(spec.model, spec.seed)
    model, history = copy_of(frozen), History()

    def context(t, rows):
        return SelectionContext(
            model, frozen, world.stages[t].pool.select(rows), data.pools[t].take(rows), data.validations[t], data.proxy, history, t
        )

    def learn(t, encoded):
        fit(model, encoded, train.steps, train.batch_size, train.lr, stream(spec.seed, "train", t))

    def some(t, size):
        return np.sort(stream(spec.seed, "effect", t).choice(len(data.pools[t]), size, replace=False))

    common = [some(t, max(1, round(spec.budget * len(pool)))) for t, pool in enumerate(data.pools)]
    for t in range(spec.stage):
        ctx = context(t, common[t])
        assert len(ctx.projection) and len(ctx.sketch)  # computed, so that the history keeps them
        history.append(ctx, np.arange(len(ctx)))
        learn(t, data.pools[t].take(common[t]))
    rows = some(spec.stage, spec.candidates)
    ctx, n = context(spec.stage, rows), len(rows)
    whole = {name: {"micro_batch": n} for name in ("utility_diversity", "lhas")}
    table = {f"order_{name}": ranking(selectors.get(name, **whole.get(name, {})), ctx, stream(spec.seed, "select", spec.stage)) for name in SCORED}

    rng, start = stream(spec.seed, "effect subsets"), weights(model)
    masks = np.stack([rng.permutation(np.arange(n) < n // 2) for _ in range(spec.subsets)])
    outcomes = []
    names, own = list(data.tests), world.stages[spec.stage].name
    for mask in masks:
        learn(spec.stage, data.pools[spec.stage].take(rows[mask]))
        now = -score(model, data.tests[own])["nll"]
        for t in range(spec.stage + 1, len(world.stages)):
            learn(t, data.pools[t].take(common[t]))
        end = [-score(model, data.tests[name])["nll"] for name in names]
        outcomes.append((now, end[names.index(world.stages[-1].name)], np.mean(end)))
        restore(model, start)
    odd = np.arange(spec.subsets) % 2 == 1
    for name, y in zip(TARGETS, np.array(outcomes).T):
        table[name] = effects(masks, y)
        table |= {f"{name}_{half}": _difference(masks[keep], y[keep]) for half, keep in (("odd", odd), ("even", ~odd))}
    shown = ctx.pool.to_pandas()[["skill", "kind", "clean", "duplicate", "difficulty"]]
    return shown.assign(index=rows, **table), None


def _difference(masks, y) -> np.ndarray:
    """Return mean y with minus mean y without each example; noisier than `effects`, and fine with few subsets."""
    return np.array([y[m].mean() - y[~m].mean() if m.any() and not m.all() else 0.0 for m in masks.T])


def _rho(a, b) -> float:
    """Return Spearman's rho, and 0 for a side without any order."""
    return float(stats.spearmanr(a, b).statistic) if a.nunique() > 1 and b.nunique() > 1 else 0.0


def correlations(rows: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's rho of every selector's order with every effect: seed, selector, target, rho.

    `selector` is also `reliability`: the two half estimates' rho r, stepped up to the whole by
    Spearman-Brown, 2 r / (1 + r); and `effect now`: how far the true effect now tells the later ones.
    """
    out = []
    for seed, g in rows.groupby("seed"):
        for target in TARGETS:
            r = max(_rho(g[f"{target}_odd"], g[f"{target}_even"]), 0.0)
            out.append((seed, "reliability", target, 2 * r / (1 + r)))
            out += [(seed, name, target, _rho(g[f"order_{name}"], g[target])) for name in SCORED]
            if target != "now":
                out.append((seed, "effect now", target, _rho(g["now"], g[target])))
    return pd.DataFrame(out, columns=["seed", "selector", "target", "rho"])
