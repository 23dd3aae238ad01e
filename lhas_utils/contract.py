"""The student's contract: a live context, a conformance kit, and an explanation of every pick."""

import inspect
import traceback
from functools import cached_property, lru_cache, partial

import numpy as np
import pandas as pd
import torch

from . import experiments, selectors
from .context import History, SelectionContext
from .models import copy_of, encode, symbol_tokenizer, weights
from .training import base_model
from .worlds import skill_world

_SCORES = (
    "loss",
    "el2n",
    "nuclear_norm",
    "grad_norm",
    "align_current",
    "align_proxy",
    "cosine_proxy",
    "quality",
    "difficulty",
    "coverage",
)


def context(profile: str = "fast", seed: int = 0, stage: int = 1, selected: int = 60, pool=None) -> SelectionContext:
    """Return the context a selector meets at one stage, with the base model standing for M_{t-1}.

    Args:
        stage: 0 .. 4; before it, `selected` random examples of the first stage are in the history.
        pool: another `datasets.Dataset` in place of the stage's own pool.
    """
    world, tokenizer, base = _parts(profile, seed)
    model, frozen, history = copy_of(base), copy_of(base), History()

    def at(t, pool):
        texts = (encode(d, tokenizer) for d in (pool, world.stages[t].validation, world.proxy))
        return SelectionContext(model, frozen, pool, *texts, history, t)

    if stage > 0:
        rng = np.random.default_rng(seed)
        first = at(0, world.stages[0].pool)
        history.append(first, rng.choice(len(first), size=min(selected, len(first)), replace=False))
    return at(stage, world.stages[stage].pool if pool is None else pool)


@lru_cache(maxsize=4)
def _parts(profile: str, seed: int):
    spec = experiments.table1(profile)[0]
    return skill_world(spec.world, seed), symbol_tokenizer(), base_model(spec.model, seed)


def name_of(select) -> str:
    """Return the name of a selector: a function's, a partial's function's, or an object's class."""
    return getattr(select, "__name__", getattr(getattr(select, "func", None), "__name__", type(select).__name__))


def _call(select, ctx, budget, seed=0):
    return selectors.checked(select, ctx, budget, np.random.default_rng(seed))


def returned(select, ctx, budget) -> str | None:
    """Return what is wrong with one call's result, in words, or None."""
    try:
        picks = select(ctx, budget, rng=np.random.default_rng(0))
    except TypeError as error:
        if "argument" in str(error) and name_of(select) in str(error):
            return f"the call `{name_of(select)}(ctx, {budget}, rng=rng)` failed: {error}"
        raise
    n = len(ctx)
    if picks is None:
        return "it returned None: is there a `return`?"
    picks = picks.numpy() if isinstance(picks, torch.Tensor) else np.asarray(picks)
    if picks.dtype == bool:
        return (
            f"it returned a mask of True and False, {int(picks.sum())} True; `np.flatnonzero(mask)` makes indices of it"
        )
    if picks.shape == (n,) and n != budget:
        return (
            f"it returned {n} values, one for each example: scores or a whole ranking; {budget} indices were asked for"
        )
    if picks.shape != (budget,):
        return f"{budget} indices were asked for, it returned an array of shape {picks.shape}"
    if not np.issubdtype(picks.dtype, np.integer):
        return f"it returned numbers of type {picks.dtype}; indices are integers"
    if picks.min() < 0 or picks.max() >= n:
        return f"it returned indices from {picks.min()} to {picks.max()}; the pool has 0 to {n - 1}"
    twice = budget - len(np.unique(picks))
    return f"{twice} of its {budget} picks repeat another one" if twice else None


def _same_seed(select, ctx, fresh):
    picks = [_call(select, c, len(ctx) // 4, seed=3) for c in (ctx, fresh())]
    return None if np.array_equal(*picks) else "two calls with the same seed gave different picks"


def _global_randomness(select, ctx, fresh):
    before = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    first = _call(select, ctx, len(ctx) // 4)
    after = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    np.random.seed(12345)  # noqa: NPY002
    again = _call(select, ctx, len(ctx) // 4)
    np.random.set_state(before[0])  # noqa: NPY002
    torch.set_rng_state(before[1])
    if (
        not np.array_equal(before[0][1], after[0][1])
        or before[0][2] != after[0][2]
        or not torch.equal(before[1], after[1])
    ):
        return "it moved the global random state of NumPy or torch"
    return None if np.array_equal(first, again) else "np.random.seed changed its picks"


def _untouched_model(select, ctx, fresh):
    before = weights(ctx._model), weights(ctx._frozen)
    _call(select, ctx, len(ctx) // 4)
    return (
        None
        if all(map(torch.equal, before, (weights(ctx._model), weights(ctx._frozen))))
        else "the model's weights changed"
    )


def _untouched_signals(select, ctx, fresh):
    clean = fresh()
    before = {s: getattr(clean, s).copy() for s in (*_SCORES, "embedding")}
    _call(select, clean, len(ctx) // 4)
    changed = [s for s, x in before.items() if not np.array_equal(x, getattr(clean, s))]
    return f"it changed ctx.{changed[0]}, which the protocol still needs" if changed else None


def _ties(select, ctx, fresh):
    with np.errstate(divide="raise", invalid="raise"):  # 0 / 0 would make a NaN, and NaN sorts as the largest number
        _call(select, _altered(ctx, lambda name, x: np.zeros_like(x) if name in _SCORES else x), len(ctx) // 4)


def _nan(select, ctx, fresh):
    refused = []

    def refuse(name, x):  # what a real context does when a signal holds a NaN
        refused.append(name)
        raise ValueError(f"signal {name!r}: expected finite numbers; got NaN")

    try:
        _call(select, _altered(ctx, refuse), len(ctx) // 4)
    except ValueError as error:
        return None if "finite" in str(error) or "NaN" in str(error) else f"it failed without naming NaN: {error}"
    return f"ctx.{refused[0]} was refused for a NaN, and it went on without it" if refused else None


_RULES = (
    (
        "same seed, same picks",
        _same_seed,
        "Draw every random number from `rng`; keep nothing between calls; do not iterate over sets.",
    ),
    (
        "no global randomness",
        _global_randomness,
        "Use the `rng` argument: rng.permutation(n), rng.random(n), rng.choice(n, k, replace=False).",
    ),
    ("model untouched", _untouched_model, "A selector looks at the model; training is the protocol's work."),
    ("signals untouched", _untouched_signals, "Signals are shared: work on a copy, `x = ctx.loss.copy()`."),
    ("survives equal scores", _ties, "Do not divide by something that can be 0; lu.standardise(x) guards its spread."),
    ("does not hide a NaN", _nan, "Let the error through: a run with a broken signal must stop."),
)


_SIGNALS = f"Signals, one number an example: ctx.{', ctx.'.join(_SCORES)}; vectors: ctx.embedding, ctx.sketch."


def _raised(error: Exception, select) -> str:
    """Return what an error says and the last line of the selector that led to it."""
    lines = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.name == name_of(select)]
    return f"it raised {type(error).__name__}: {error}" + (f"\n        in the line `{lines[-1]}`" if lines and lines[-1] else "")


def check_selector(select, profile: str = "smoke") -> bool:
    """Check a selector against the contract and explain each broken rule in words.

    Rules: `budget` different indices in range for a quarter, one and all of the pool; the same picks
    for the same seed; no use of NumPy's or torch's global randomness; model and signals untouched;
    equal scores survived without 0 / 0; the context's refusal of a NaN let through.

    Args:
        select: `select(ctx, budget, *, rng) -> indices`.
        profile: size of the world it is tried on.

    Returns:
        True if every rule is kept.
    """
    if not callable(select):
        raise ValueError(
            f"check_selector: expected a function select(ctx, budget, *, rng); got {type(select).__name__}"
        )
    ctx, broken = context(profile), []
    n = len(ctx)

    def fresh():
        return context(profile)

    def rule(name: str, test, advice: str, when_raised: str | None = None):
        try:
            problem = test()
        except Exception as error:
            problem, advice = _raised(error, select), when_raised or advice
        print(
            f"{'broken' if problem else 'ok    '}  {name}"
            + (f"\n        {problem}\n        {advice}" if problem else "")
        )
        broken.extend([name] if problem else [])

    advice = "Return exactly `budget` different integers from 0 to len(ctx) - 1, for example lu.top_k(score, budget)."
    for label, budget in (("a quarter of the pool", n // 4), ("one example", 1), ("the whole pool", n)):
        rule(f"picks {label} ({budget} of {n})", partial(returned, select, ctx, budget), advice, _SIGNALS)
        if broken and budget == n // 4:
            print("the other rules were not tried: first make this one work")
            return False
    for name, test, advice in _RULES:
        rule(name, partial(test, select, ctx, fresh), advice)
    print("passed: your selector keeps the contract" if not broken else f"{len(broken)} rule(s) broken")
    return not broken


def _altered(inner: SelectionContext, change) -> SelectionContext:
    """Return a context whose array signals pass through `change(name, values)`."""

    class Altered(SelectionContext):
        def __init__(self):
            self.pool, self.history, self.stage, self.terms = inner.pool, inner.history, inner.stage, {}

        def __getattribute__(self, name):
            kind = None if name.startswith("_") else inspect.getattr_static(SelectionContext, name, None)
            if isinstance(kind, (property, cached_property)):
                return change(name, np.asarray(getattr(inner, name), float))
            return object.__getattribute__(self, name)

    return Altered()


def explain(select, ctx: SelectionContext, budget: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Return the picks of one call, best first, with the terms of each pick's score.

    Terms are what the selector handed to `ctx.explain(picks, name=values, ...)`; without that call,
    the signals it asked for stand in their place.

    Returns:
        DataFrame indexed by example: skill, task, kind, clean, difficulty, then one column a term.
    """
    ctx.terms.clear()
    picks = _call(select, ctx, budget or len(ctx) // 4, seed)
    terms = pd.DataFrame(ctx.terms)
    if len(terms):
        terms = terms.drop_duplicates("index", keep="last").set_index("index").reindex(picks)
        terms = terms.assign(score=terms.sum(axis=1)).sort_values("score", ascending=False, kind="stable")
    else:
        used = [
            s
            for s in _SCORES
            if ctx.computed(s) or (s != "quality" and s != "coverage" and s in inspect.getsource(select))
        ]
        terms = pd.DataFrame({s: getattr(ctx, s)[picks] for s in used}, index=picks)
    columns = [c for c in ("skill", "task", "kind", "clean", "difficulty") if c in ctx.pool.column_names]
    return ctx.pool.to_pandas()[columns].loc[terms.index].join(terms).rename_axis("example")
