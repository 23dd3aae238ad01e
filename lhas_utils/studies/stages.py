"""The stage protocol: select, train, evaluate, probe, diagnose; once per stage, tidy rows out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pandas as pd

from ..core import Checkpoint, ModelSpec, TrainSpec, instance, number, stream
from ..learning import (
    METRICS,
    Encoded,
    base_model,
    copy_of,
    encode,
    fit,
    paced,
    restore,
    score,
    shuffled,
    tokenizer,
    weights,
    with_lora,
)
from ..selection import History, SelectionContext, checked, concentration, drift, entropy, signals
from ..worlds import Corpus, StageWorld, World, WorldSpec

COLUMNS = ["split", "stage", "capability", "step", "metric", "value"]


def check_run(spec) -> None:
    """Raise a `ValueError` unless a spec has a seed, a budget, a world with stages, a base model and a training."""
    number("seed", spec.seed, 0, 2**31, integer=True)
    number("budget", spec.budget, 1e-9, 1)
    if not callable(getattr(spec.world, "build", None)):
        raise ValueError(f"world: expected the knobs of a world with stages; got {spec.world!r}")
    instance("model", spec.model, ModelSpec, Checkpoint)
    instance("train", spec.train, TrainSpec)


@dataclass(frozen=True)
class RunSpec:
    """One run: one selector, one seed, one sequence of stages.

    Args:
        selector: name in `selection.SELECTORS`.
        seed: world, base model, training order and selector randomness all derive from it; the
            selector's name never does (common random numbers).
        budget: fraction of the pool in (0, 1], kept at every stage.
        params: selector parameters as sorted (name, value) pairs.
        world: the knobs of a world with stages: SkillWorld's, or those of the reader's text.
        model: recipe of the base model M_0, or a pretrained checkpoint.
        train: recipe of a stage.
    """

    selector: str
    seed: int
    budget: float = 0.25
    params: tuple[tuple[str, float | str], ...] = ()
    world: StageWorld = field(default_factory=WorldSpec)
    model: ModelSpec | Checkpoint = field(default_factory=ModelSpec)
    train: TrainSpec = field(default_factory=TrainSpec)

    def __post_init__(self):
        check_run(self)
        instance("selector", self.selector, str)
        instance("params", self.params, tuple)
        object.__setattr__(self, "budget", float(self.budget))  # 1 and 1.0 are one run
        if list(self.params) != sorted(self.params):
            raise ValueError(f"params: expected (name, value) pairs sorted by name; got {self.params}")

    @property
    def corpus(self) -> Corpus:
        """What the base model is trained on."""
        return self.world.corpus

    @property
    def selectors(self) -> tuple[str, ...]:
        """Names of the selectors that the run needs."""
        return (self.selector,)


@dataclass(frozen=True)
class Encodings:
    """A world as tensors."""

    pools: list[Encoded]
    validations: list[Encoded]
    proxies: list[Encoded]
    tests: dict[str, Encoded]
    ood: dict[str, Encoded]


def encodings(world: World, words, max_length: int) -> Encodings:
    """Encode every data set of a world once, at most `max_length` tokens an example."""

    def text(data):
        return encode(data, words, max_length)

    standing = text(world.proxy)
    return Encodings(
        [text(s.pool) for s in world.stages],
        [text(s.validation) for s in world.stages],
        [standing if s.proxy is None else text(s.proxy) for s in world.stages],
        {n: text(d) for n, d in world.tests.items()},
        {n: text(d) for n, d in world.ood.items()},
    )


def run(
    world: World, data: Encodings, model, frozen, select: Callable, budget: float, train: TrainSpec, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
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
        rows: tidy DataFrame (`COLUMNS`). split `mixture`: weight of capability j in V_t, t = 1..T. split
            `id` and `ood`: R[t, j], t = 0 is M_0. split `probe`: score on V_{t+1} after `step` updates.
            split `diagnostic`: stage quantities.
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

    for t, stage in enumerate(world.stages):
        for name, weight in stage.weights.items():
            keep("mixture", t + 1, name, 0, {"weight": weight})
    evaluate(0)
    for t, stage in enumerate(world.stages):
        before = weights(model)
        tokens, seen, order = 0, [], stream(seed, "train", t)
        portions = np.diff(np.linspace(0, train.steps, train.reselect + 1).astype(int))
        for part, steps in enumerate(portions):
            ctx = SelectionContext(
                model, frozen, stage.pool, data.pools[t], data.validations[t], data.proxies[t], history, t
            )
            chosen = checked(select, ctx, max(1, round(budget * len(stage.pool))), stream(seed, "select", t, part))
            encoded = data.pools[t].take(chosen)
            if train.match == "tokens":
                steps = as_many_tokens(steps, data.pools[t], encoded)
            if part == 0:
                selected = stage.pool.select(chosen).to_pandas()
                keep("diagnostic", t + 1, stage.name, 0, diagnose(model, selected, encoded))
                picks.append(_explained(ctx, selected, t, chosen))
            if train.curriculum == "shuffled":
                batches = shuffled(order, len(chosen), int(steps), train.batch_size)
            else:
                ranking = _from_one_end(ctx.difficulty[chosen], train.curriculum)
                batches = paced(order, ranking, int(steps), train.batch_size)
            tokens += fit(model, encoded, batches, train.lr)
            seen.extend(chosen)
        history.append(ctx, np.unique(seen))
        updates.append(weights(model) - before)
        evaluate(t + 1)
        keep("diagnostic", t + 1, stage.name, 0, {"tokens": tokens, "drift": drift(updates)})
        if t + 1 < len(world.stages):
            probe(model, world, data, t + 1, train, seed, keep)
    return pd.DataFrame(rows, columns=COLUMNS), pd.concat(picks, ignore_index=True)


def _from_one_end(difficulty: np.ndarray, curriculum: str) -> np.ndarray:
    """Return indices from the easiest on, or from the hardest on; ties keep pool order."""
    return np.argsort(difficulty if curriculum == "easy_first" else -difficulty, kind="stable")


def _explained(ctx: SelectionContext, selected: pd.DataFrame, t: int, chosen: np.ndarray) -> pd.DataFrame:
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
        "entropy": entropy(selected["task"]),
        "concentration": concentration(gram),
        "concentration_normalised": concentration(gram, normalise=True),
        "selected_tokens": float(encoded.tokens().sum()),
    }
    columns = [c for c in ("difficulty", "quality", "clean", "duplicate") if c in selected]
    return out | selected[columns].mean().to_dict()


def as_many_tokens(steps: int, pool: Encoded, selected: Encoded) -> int:
    """Return the steps on `selected` that see as many response tokens as `steps` on random examples of the pool.

    steps x (mean tokens of the pool) / (mean tokens of the selected), rounded, at least one step of any.
    """
    mean = [float(part.tokens().float().mean()) for part in (pool, selected)]
    return max(min(steps, 1), round(steps * mean[0] / mean[1]))


def probe(model, world: World, data: Encodings, t: int, train: TrainSpec, seed: int, keep: Callable) -> None:
    """Adapt a copy of the checkpoint to stage `t` on random examples; score V_t along the way."""
    saved = weights(model)
    rng = stream(seed, "probe", t)
    size = min(train.probe_size, len(data.pools[t]))
    sample = data.pools[t].take(rng.choice(len(data.pools[t]), size=size, replace=False))
    mixture = world.stages[t].weights

    def measure(step, tokens):
        scores = {n: score(model, data.tests[n]) for n, w in mixture.items() if w > 0}
        mixed = {m: sum(mixture[n] * s[m] for n, s in scores.items()) for m in METRICS}
        keep("probe", t, world.stages[t].name, step, mixed | {"tokens": tokens})

    batches = shuffled(rng, size, train.probe_steps[-1], train.batch_size)
    fit(model, sample, batches, train.lr, at={k: measure for k in train.probe_steps})
    restore(model, saved)


@lru_cache(maxsize=2)
def prepared(world: StageWorld, model: ModelSpec | Checkpoint, seed: int, limit: int) -> tuple[World, Encodings]:
    """Return a world and its tensors, which the selectors of one seed share."""
    built = world.build(seed)
    return built, encodings(built, tokenizer(model, world.corpus), limit)


def start(spec) -> tuple[World, Encodings, object, object]:
    """Return (world, its tensors, the model M_0 to train, a copy that never is) of a spec.

    The spec has `world`, `model`, `train` and `seed`; with a LoRA rank, adapters are all of the first copy that trains.
    """
    model = base_model(spec.model, spec.corpus, spec.seed)
    positions = getattr(model.config, "max_position_embeddings", None) or spec.world.max_length
    made = prepared(spec.world, spec.model, spec.seed, min(spec.world.max_length, positions))
    frozen = copy_of(model)
    return *made, model if spec.train.rank is None else with_lora(model, spec.train.rank, spec.seed), frozen


def execute(spec: RunSpec, selectors: Mapping[str, Callable]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute one run from its spec and its selector, by name; return (rows, picks) as `run` does."""
    return run(*start(spec), selectors[spec.selector], spec.budget, spec.train, spec.seed)
