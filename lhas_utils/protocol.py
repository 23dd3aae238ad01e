"""The stage protocol: select, train, evaluate, probe, diagnose; once per stage, tidy rows out."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from . import metrics, selectors, signals
from .config import RunSpec, TrainSpec, WorldSpec
from .context import History, SelectionContext
from .models import Encoded, copy_of, encode, restore, symbol_tokenizer, weights, with_lora
from .selectors import checked
from .training import base_model, fit, score
from .worlds import World, skill_world, stream

COLUMNS = ["split", "stage", "capability", "step", "metric", "value"]


@dataclass(frozen=True)
class Encodings:
    """A world as tensors."""

    pools: list[Encoded]
    validations: list[Encoded]
    proxy: Encoded
    tests: dict[str, Encoded]
    ood: dict[str, Encoded]


def encodings(world: World, tokenizer, max_length: int = 512) -> Encodings:
    """Encode every dataset of a world once."""

    def text(data):
        return encode(data, tokenizer, max_length)

    return Encodings(
        [text(s.pool) for s in world.stages],
        [text(s.validation) for s in world.stages],
        text(world.proxy),
        {n: text(d) for n, d in world.tests.items()},
        {n: text(d) for n, d in world.ood.items()},
    )


def run(world: World, data: Encodings, model, frozen, select, budget: float, train: TrainSpec, seed: int):
    """Run the T stages of one selector on one seed; return (rows, picks).

    For t = 1..T: the selector picks S_t from D_t with M_{t-1}; training on S_t gives M_t; R[t, j]
    is scored on every capability j (out of distribution at the two ends only); a copy of M_t adapts
    to stage t + 1 (the probe) and is thrown away.

    Args:
        data: `encodings` of the world.
        model: M_0, changed in place; `frozen`: a copy of M_0 that is never trained.
        select: a selector; `budget`: fraction of each pool.
        seed: names the random streams; none of them depends on the selector.

    Returns:
        rows: tidy DataFrame (`COLUMNS`). split `id` and `ood`: R[t, j], t = 0 is M_0. split
            `probe`: score on V_{t+1} after `step` updates. split `diagnostic`: stage quantities.
        picks: DataFrame stage, index, task, kind and, where the selector explains itself, terms.
    """
    history, rows, picks, updates = History(), [], [], []

    def keep(split, stage, capability, step, values):
        rows.extend((split, stage, capability, step, metric, float(v)) for metric, v in values.items())

    def evaluate(stage):
        ends = stage in (0, len(world.stages))
        for split, sets in (("id", data.tests), ("ood", data.ood if ends else {})):
            for name, test in sets.items():
                keep(split, stage, name, 0, score(model, test))

    evaluate(0)
    for t, stage in enumerate(world.stages):
        before = weights(model)
        tokens, seen, train_rng = 0, [], stream(seed, "train", t)
        portions = np.diff(np.linspace(0, train.steps, train.reselect + 1).astype(int))
        for part, steps in enumerate(portions):
            ctx = SelectionContext(model, frozen, stage.pool, data.pools[t], data.validations[t], data.proxy, history, t)
            chosen = checked(select, ctx, max(1, round(budget * len(stage.pool))), stream(seed, "select", t, part))
            if part == 0:
                selected = stage.pool.select(chosen).to_pandas()
                keep("diagnostic", t + 1, stage.name, 0, diagnose(model, selected, data.pools[t].take(chosen)))
                picks.append(_explained(ctx, selected, t, chosen))
            ranking = _curriculum(ctx.difficulty[chosen], train.curriculum) if train.curriculum != "shuffled" else None
            tokens += fit(model, data.pools[t].take(chosen), int(steps), train.batch_size, train.lr, train_rng, ranking=ranking)
            seen.extend(chosen)
        history.append(ctx, np.unique(seen))
        updates.append(weights(model) - before)
        evaluate(t + 1)
        keep("diagnostic", t + 1, stage.name, 0, {"tokens": tokens, "drift": metrics.drift(updates)})
        if t + 1 < len(world.stages):
            _probe(model, world, data, t + 1, train, seed, keep)
    return pd.DataFrame(rows, columns=COLUMNS), pd.concat(picks, ignore_index=True)


def _curriculum(difficulty, curriculum: str) -> np.ndarray:
    """Return indices from the easiest on, or from the hardest on; ties keep pool order."""
    return np.argsort(difficulty if curriculum == "easy_first" else -difficulty, kind="stable")


def _explained(ctx, selected: pd.DataFrame, t: int, chosen) -> pd.DataFrame:
    columns = [c for c in ("skill", "task", "kind") if c in selected]
    table = selected[columns].assign(stage=t + 1, index=chosen)
    return table.merge(pd.DataFrame(ctx.terms), on="index", how="left") if ctx.terms else table


def diagnose(model, selected: pd.DataFrame, encoded: Encoded) -> dict[str, float]:
    """Return the trajectory diagnostics of one selection (paper, section 3 and Table 2).

    Entropy is over the tasks of the selected examples; concentration is that of their gradients
    at the model that selected them.
    """
    gram = signals.gram(model, encoded)
    out = {
        "entropy": metrics.entropy(selected["task"]),
        "concentration": metrics.concentration(gram),
        "concentration_normalised": metrics.concentration(gram, normalise=True),
        "selected_tokens": float(encoded.tokens().sum()),
    }
    columns = [c for c in ("difficulty", "quality", "clean", "duplicate") if c in selected]
    return out | selected[columns].mean().to_dict()


def _probe(model, world: World, data: Encodings, t: int, train: TrainSpec, seed: int, keep):
    """Adapt a copy of the checkpoint to stage `t` on random examples; score V_t along the way."""
    saved = weights(model)
    rng = stream(seed, "probe", t)
    size = min(train.probe_size, len(data.pools[t]))
    sample = data.pools[t].take(rng.choice(len(data.pools[t]), size=size, replace=False))
    mixture = world.stages[t].weights

    def measure(step, tokens):
        scores = {n: score(model, data.tests[n]) for n, w in mixture.items() if w > 0}
        mixed = {m: sum(mixture[n] * s[m] for n, s in scores.items()) for m in ("accuracy", "exact", "nll")}
        keep("probe", t, world.stages[t].name, step, mixed | {"tokens": tokens})

    fit(model, sample, train.probe_steps[-1], train.batch_size, train.lr, rng, at={k: measure for k in train.probe_steps})
    restore(model, saved)


@lru_cache(maxsize=2)
def _prepared(spec: WorldSpec, seed: int) -> tuple[World, Encodings]:
    """Return a world and its tensors, which the selectors of one seed share."""
    world = skill_world(spec, seed)
    return world, encodings(world, symbol_tokenizer())


def execute(spec: RunSpec, select=None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute one run of SkillWorld from its spec; `select` stands in for a registered selector."""
    select = select or selectors.get(spec.selector, **dict(spec.params))
    model = base_model(spec.model, spec.seed)
    frozen = copy_of(model)
    if spec.train.rank is not None:
        model = with_lora(model, spec.train.rank, spec.seed)
    return run(*_prepared(spec.world, spec.seed), model, frozen, select, spec.budget, spec.train, spec.seed)
