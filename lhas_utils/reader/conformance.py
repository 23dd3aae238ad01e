"""The conformance kit: a selector held against the contract, each broken rule explained in words."""

import inspect
import traceback
from collections.abc import Callable
from functools import cached_property, partial

import numpy as np
import torch

from ..learning import weights
from ..selection import SelectionContext, as_indices, checked, name_of
from .practice import SCORES, context

_LOOKED_AT = ("model", "frozen", "pool", "encoded", "validation", "proxy", "history", "stage")


def _call(select: Callable, ctx: SelectionContext, budget: int, seed: int = 0) -> np.ndarray:
    return checked(select, ctx, budget, np.random.default_rng(seed))


def returned(select: Callable, ctx: SelectionContext, budget: int) -> str | None:
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
    picks = as_indices(picks)
    if picks.dtype == bool:
        found = f"a mask of True and False, {int(picks.sum())} True"
        return f"it returned {found}; `np.flatnonzero(mask)` makes indices of it"
    if picks.shape == (n,) and n != budget:
        found = f"{n} values, one for each example: scores or a whole ranking"
        return f"it returned {found}; {budget} indices were asked for"
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


def _global_state() -> tuple:
    return np.random.get_state(), torch.get_rng_state()


def _global_randomness(select, ctx, fresh):
    numpy, pytorch = _global_state()
    first = _call(select, ctx, len(ctx) // 4)
    moved = _global_state()
    np.random.seed(12345)
    again = _call(select, ctx, len(ctx) // 4)
    np.random.set_state(numpy)
    torch.set_rng_state(pytorch)
    if not np.array_equal(numpy[1], moved[0][1]) or numpy[2] != moved[0][2] or not torch.equal(pytorch, moved[1]):
        return "it moved the global random state of NumPy or torch"
    return None if np.array_equal(first, again) else "np.random.seed changed its picks"


def _untouched_model(select, ctx, fresh):
    before = weights(ctx.model), weights(ctx.frozen)
    _call(select, ctx, len(ctx) // 4)
    same = all(map(torch.equal, before, (weights(ctx.model), weights(ctx.frozen))))
    return None if same else "the model's weights changed"


def _untouched_signals(select, ctx, fresh):
    clean = fresh()
    before = {s: getattr(clean, s).copy() for s in (*SCORES, "embedding")}
    _call(select, clean, len(ctx) // 4)
    changed = [s for s, x in before.items() if not np.array_equal(x, getattr(clean, s))]
    return f"it changed ctx.{changed[0]}, which the protocol still needs" if changed else None


def _ties(select, ctx, fresh):
    with np.errstate(divide="raise", invalid="raise"):  # 0 / 0 would make a NaN, and NaN sorts as the largest number
        _call(select, _altered(ctx, lambda name, x: np.zeros_like(x) if name in SCORES else x), len(ctx) // 4)


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


_RULES = {  # rule -> (test, advice where it is broken)
    "same seed, same picks": (
        _same_seed,
        "Draw every random number from `rng`; keep nothing between calls; do not iterate over sets.",
    ),
    "no global randomness": (
        _global_randomness,
        "Use the `rng` argument: rng.permutation(n), rng.random(n), rng.choice(n, k, replace=False).",
    ),
    "model untouched": (_untouched_model, "A selector looks at the model; training is the protocol's work."),
    "signals untouched": (_untouched_signals, "Signals are shared: work on a copy, `x = ctx.loss.copy()`."),
    "survives equal scores": (
        _ties,
        "Do not divide by something that can be 0; lu.standardise(x) guards its spread.",
    ),
    "does not hide a NaN": (_nan, "Let the error through: a run with a broken signal must stop."),
}
_SIGNALS = f"Signals, one number an example: ctx.{', ctx.'.join(SCORES)}; vectors: ctx.embedding, ctx.sketch."


def _raised(error: Exception, select: Callable) -> str:
    """Return what an error says and the last line of the selector that led to it."""
    lines = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.name == name_of(select)]
    place = f"\n        in the line `{lines[-1]}`" if lines and lines[-1] else ""
    return f"it raised {type(error).__name__}: {error}{place}"


def check_selector(select: Callable, profile: str = "smoke") -> bool:
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
        got = type(select).__name__
        raise ValueError(f"check_selector: expected a function select(ctx, budget, *, rng); got {got}")
    ctx, broken = context(profile), []
    n = len(ctx)

    def fresh():
        return context(profile)

    def rule(name: str, test, advice: str, when_raised: str | None = None):
        try:
            problem = test()
        except Exception as error:
            problem, advice = _raised(error, select), when_raised or advice
        print(f"broken  {name}\n        {problem}\n        {advice}" if problem else f"ok      {name}")
        broken.extend([name] if problem else [])

    advice = "Return exactly `budget` different integers from 0 to len(ctx) - 1, for example lu.top_k(score, budget)."
    for label, budget in (("a quarter of the pool", n // 4), ("one example", 1), ("the whole pool", n)):
        rule(f"picks {label} ({budget} of {n})", partial(returned, select, ctx, budget), advice, _SIGNALS)
        if broken and budget == n // 4:
            print("the other rules were not tried: first make this one work")
            return False
    for name, (test, advice) in _RULES.items():
        rule(name, partial(test, select, ctx, fresh), advice)
    print("passed: your selector keeps the contract" if not broken else f"{len(broken)} rule(s) broken")
    return not broken


def _altered(inner: SelectionContext, change) -> SelectionContext:
    """Return a context whose array signals pass through `change(name, values)`."""

    class Altered(SelectionContext):
        def __init__(self):
            self.__dict__ |= {k: v for k, v in vars(inner).items() if k in _LOOKED_AT} | {"terms": {}}

        def __getattribute__(self, name):
            kind = None if name.startswith("_") else inspect.getattr_static(SelectionContext, name, None)
            if isinstance(kind, (property, cached_property)):
                return change(name, np.asarray(getattr(inner, name), float))
            return object.__getattribute__(self, name)

    return Altered()
