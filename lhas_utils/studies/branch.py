"""Common start: every selector picks from one pool with one checkpoint, and each choice is followed by itself.

In the trajectories of `stages` each selector lives with its own past, so it starts a stage with a model of its own.
Here M_{t-1} is Random's trajectory for all of them, the selections of a stage differ in nothing else, and a difference
between them is the causal effect of that stage's choice: now (its own stage), before (the stages it had), next (a
probe of the stage to come) and out of distribution. arXiv:2605.30537 has no such experiment.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..core import Checkpoint, ModelSpec, TrainSpec, instance, stream
from ..learning import encode, fit, restore, score, shuffled, tokenizer, weights
from ..selection import PAPER, History, SelectionContext, checked
from ..worlds import Corpus, StageWorld, WorldSpec
from .stages import check_run, diagnose, probe, start

COLUMNS = ["selector", "split", "stage", "capability", "step", "metric", "value"]
BRANCHED = (*PAPER, "alignment", "balanced", "length")
START, FRESH = "start", "rs2"  # arms without a selector: no training, and a fresh random subset every epoch


@dataclass(frozen=True)
class BranchSpec:
    """One run: one seed, every selector at every stage of Random's trajectory.

    Args:
        seed: world, base model, the common trajectory, training order and selector randomness derive from it.
        budget: fraction of each pool in (0, 1].
        world, model, train: as of a `RunSpec`.
        selectors: their names, `random` among them.
    """

    seed: int
    budget: float = 0.25
    world: StageWorld = field(default_factory=WorldSpec)
    model: ModelSpec | Checkpoint = field(default_factory=ModelSpec)
    train: TrainSpec = field(default_factory=TrainSpec)
    selectors: tuple[str, ...] = BRANCHED

    def __post_init__(self):
        check_run(self)
        instance("selectors", self.selectors, tuple)
        if "random" not in self.selectors:
            raise ValueError(f"selectors: expected 'random' among them; got {', '.join(self.selectors) or 'none'}")

    @property
    def corpus(self) -> Corpus:
        """What the base model is trained on."""
        return self.world.corpus


def fresh(rng: np.random.Generator, n: int, size: int, steps: int, batch_size: int) -> np.ndarray:
    """Return batch indices (steps, b) into a pool of n, `size` new random ones every epoch (RS2, arXiv:2305.18424)."""
    b = min(batch_size, size)
    epochs = max(1, -(-steps * b // size))
    drawn = np.concatenate([rng.choice(n, size=size, replace=False) for _ in range(epochs)])
    return drawn[: steps * b].reshape(steps, b)


def execute(spec: BranchSpec, selectors: Mapping[str, Callable]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute one run; return (rows, picks).

    Returns:
        rows: columns selector, split, stage, capability, step, metric, value. `selector` is a selector, `rs2`, or
            `start`, the common M_{t-1} as it is. split `id` and `ood`: scores on every capability after stage t = 1..T.
            split `probe`: score on V_{t+1} after `step` updates from there. split `diagnostic`: the selection
            (`stages.diagnose`). split `mixture`: weights of V_t. split `known`, stage 0: the base on each task of its
            text, where its corpus tells them.
        picks: selector, stage, index, skill, task, kind.
    """
    world, data, model, frozen = start(spec)
    train, history, rows, picks = spec.train, History(), [], []

    def keep(selector, split, stage, capability, step, values):
        rows.extend((selector, split, stage, capability, step, metric, float(v)) for metric, v in values.items())

    known = getattr(spec.corpus, "known", lambda seed, size: {})
    for task, examples in known(spec.seed, len(next(iter(data.tests.values())))).items():
        keep(START, "known", 0, task, 0, score(model, encode(examples, tokenizer(spec.model, spec.corpus))))
    for t, stage in enumerate(world.stages):
        for name, weight in stage.weights.items():
            keep(START, "mixture", t + 1, name, 0, {"weight": weight})
        n, before, pool = len(stage.pool), weights(model), data.pools[t]
        size = max(1, round(spec.budget * n))
        ctx = SelectionContext(model, frozen, stage.pool, pool, data.validations[t], data.proxies[t], history, t)

        def follow(name, examples=None, batches=(), t=t, before=before):
            if len(batches):
                fit(model, examples, batches, train.lr)
            for split, sets in (("id", data.tests), ("ood", data.ood)):
                for capability, test in sets.items():
                    keep(name, split, t + 1, capability, 0, score(model, test))
            if t + 1 < len(world.stages):
                probe(model, world, data, t + 1, train, spec.seed, lambda *row: keep(name, *row))
            after = weights(model)
            restore(model, before)
            return after

        chosen = {  # before anything is trained: every selector sees the same model
            name: checked(selectors[name], ctx, size, stream(spec.seed, "select", t, 0)) for name in spec.selectors
        }
        follow(START)
        ends = {}
        for name, indices in chosen.items():
            examples, selected = pool.take(indices), stage.pool.select(indices).to_pandas()
            keep(name, "diagnostic", t + 1, stage.name, 0, diagnose(model, selected, examples))
            told = [c for c in ("skill", "task", "kind") if c in selected]
            picks.append(selected[told].assign(selector=name, stage=t + 1, index=indices))
            order = shuffled(stream(spec.seed, "train", t), size, train.steps, train.batch_size)
            ends[name] = follow(name, examples, order)
        follow(FRESH, pool, fresh(stream(spec.seed, "fresh", t), n, size, train.steps, train.batch_size))
        ctx.compute("projection")  # so that the history keeps it
        history.append(ctx, chosen["random"])
        restore(model, ends["random"])
    return pd.DataFrame(rows, columns=COLUMNS), pd.concat(picks, ignore_index=True)
