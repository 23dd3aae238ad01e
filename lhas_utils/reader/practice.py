"""The context that a selector meets, to try it on, and an explanation of every pick."""

import inspect
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd
from datasets import Dataset

from ..core import number
from ..learning import copy_of, encode, load_base, with_lora
from ..runs import table1
from ..runs.grids import FIRST
from ..selection import History, SelectionContext, checked
from ..studies import RunSpec

SCORES = tuple(
    "loss el2n nuclear_norm grad_norm align_current align_proxy cosine_proxy quality difficulty coverage".split()
)


def context(
    profile: str = "fast", seed: int = FIRST, stage: int = 1, selected: int = 60, pool: Dataset | None = None
) -> SelectionContext:
    """Return the context a selector meets at one stage, with the base model standing for M_{t-1}.

    Args:
        seed: of the world and the base model; those of an evaluation seed are in the cache once its runs are.
        stage: 0 .. 4; before it, `selected` random examples of the first stage are in the history.
        pool: another `datasets.Dataset` in place of the stage's own pool.
    """
    number("seed", seed, 0, 2**31, integer=True)
    world, words, base = _parts(profile, seed)
    number("stage", stage, 0, len(world.stages) - 1, integer=True)
    model, frozen, history = copy_of(base), copy_of(base), History()

    def at(t, pool):
        texts = (encode(d, words) for d in (pool, world.stages[t].validation, world.proxy))
        return SelectionContext(model, frozen, pool, *texts, history, t)

    if stage > 0:
        rng = np.random.default_rng(seed)
        first = at(0, world.stages[0].pool)
        history.append(first, rng.choice(len(first), size=min(selected, len(first)), replace=False))
    return at(stage, world.stages[stage].pool if pool is None else pool)


@lru_cache(maxsize=4)
def _parts(profile: str, seed: int):
    spec = table1("smoke" if profile == "smoke" else "full")[0]
    return spec.world.build(seed), *load_base(spec.model, spec.corpus, seed)


def at_start(spec: RunSpec, most: int = 100) -> SelectionContext:
    """Return the context of a run's first stage, with `most` examples of its pool at most."""
    world, (words, base) = spec.world.build(spec.seed), load_base(spec.model, spec.corpus, spec.seed)
    stage = world.stages[0]
    pool = stage.pool.select(range(min(most, len(stage.pool))))
    sets = (encode(d, words, spec.world.max_length) for d in (pool, stage.validation, world.proxy))
    model = base if spec.train.rank is None else with_lora(copy_of(base), spec.train.rank, spec.seed)
    return SelectionContext(model, copy_of(base), pool, *sets, History(), 0)


def explain(select: Callable, ctx: SelectionContext, budget: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Return the picks of one call, best first, with the terms of each pick's score.

    Terms are what the selector handed to `ctx.explain(picks, name=values, ...)`; without that call,
    the signals it asked for stand in their place.

    Returns:
        DataFrame indexed by example: skill, task, kind, clean, difficulty, then one column a term.
    """
    ctx.terms.clear()
    picks = checked(select, ctx, len(ctx) // 4 if budget is None else budget, np.random.default_rng(seed))
    terms = pd.DataFrame(ctx.terms)
    if len(terms):
        terms = terms.drop_duplicates("index", keep="last").set_index("index").reindex(picks)
        terms = terms.assign(score=terms.sum(axis=1)).sort_values("score", ascending=False, kind="stable")
    else:
        named = {s for s in SCORES if s not in ("quality", "coverage") and s in inspect.getsource(select)}
        used = [s for s in SCORES if ctx.computed(s) or s in named]
        terms = pd.DataFrame({s: getattr(ctx, s)[picks] for s in used}, index=picks)
    columns = [c for c in ("skill", "task", "kind", "clean", "difficulty") if c in ctx.pool.column_names]
    return ctx.pool.to_pandas()[columns].loc[terms.index].join(terms).rename_axis("example")
