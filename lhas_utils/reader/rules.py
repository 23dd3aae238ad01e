"""What a selector owes, rule by rule: each finding says in words what was broken and what to do about it."""

import inspect
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from ..learning import weights
from ..selection import SelectionContext, as_indices, checked, name_of
from .doubles import altered, as_it_was, copies, global_state, seeded
from .practice import SCORES, context

TRUTH = ("clean", "kind", "duplicate", "difficulty")  # what only the maker of a world knows


class Finding(NamedTuple):
    """One rule: what was broken, None where it is kept, and what to do about it."""

    rule: str
    problem: str | None
    advice: str


def _call(select: Callable, ctx: SelectionContext, budget: int, seed: int = 0) -> np.ndarray:
    return checked(select, ctx, budget, np.random.default_rng(seed))


def _unlike_indices(picks: object) -> str | None:
    """Return in words what a selector returned where that is no array of indices."""
    if picks is None:
        return "it returned None: is there a `return`?"
    if isinstance(picks, dict):
        return f"it returned a dict with the keys {', '.join(map(repr, picks))}; return the indices alone"
    if isinstance(picks, (set, frozenset)):
        return "it returned a set, which has no order; `np.array(sorted(picks))` makes indices of it"
    if isinstance(picks, tuple) and any(np.ndim(part) for part in picks):
        return f"it returned {len(picks)} things in a tuple, as `indices, scores`; return the indices alone"
    return None


def returned(select: Callable, ctx: SelectionContext, budget: int) -> str | None:
    """Return what is wrong with one call's result, in words, or None."""
    name = name_of(select)
    try:
        inspect.signature(select).bind(ctx, budget, rng=None)
    except TypeError as error:
        return f"the call `{name}(ctx, {budget}, rng=rng)` fails, {error}; write `def {name}(ctx, budget, *, rng):`"
    except ValueError:  # a function of C has no signature
        pass
    picks = select(ctx, budget, rng=np.random.default_rng(0))
    if problem := _unlike_indices(picks):
        return problem
    n, picks = len(ctx), as_indices(picks)
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


def _two_pools(select, ctx, fresh):
    """Two pools of one size, unlike that of any other rule, in both orders; each copy begins as the selector came."""
    size = len(ctx) // 2 - 1
    halves = [ctx.pool.select(range(start, start + size)) for start in (0, size)]
    copy, seen = copies(select), []
    for order in ((0, 1), (1, 0)):
        one, picks = copy(), {}
        for which in order:
            seeded(0)  # global randomness is another rule's
            picks[which] = _call(one, fresh(pool=halves[which]), size // 2, seed=3)
        seen.append(picks)
    same = all(np.array_equal(seen[0][which], seen[1][which]) for which in (0, 1))
    return None if same else f"of two pools of {size} examples, the second got other picks than when it came first"


def _global_randomness(select, ctx, fresh):
    picks = []
    for seed in (12345, 54321):
        seeded(seed)
        before = global_state()
        picks.append(_call(select, ctx, len(ctx) // 4))
        if moved := [name for name, state in global_state().items() if state != before[name]]:
            return f"it moved the global random state of {' and '.join(moved)}"
    return None if np.array_equal(*picks) else "seeding random, NumPy and torch anew changed its picks"


def _untouched_model(select, ctx, fresh):
    def all_of(model):
        return torch.cat([v.flatten().double() for v in model.state_dict().values()])

    before = all_of(ctx.model), all_of(ctx.frozen), len(weights(ctx.model))
    _call(select, ctx, len(ctx) // 4)
    same = all(map(torch.equal, before[:2], (all_of(ctx.model), all_of(ctx.frozen))))
    if not same:
        return "the model's weights changed"
    if ctx.model.training or ctx.frozen.training or len(weights(ctx.model)) != before[2]:
        return "the model was left in training mode, or with other parameters to train"
    return None


def _untouched_signals(select, ctx, fresh):
    clean = fresh()
    before = {s: getattr(clean, s).copy() for s in (*SCORES, "embedding")}
    _call(select, clean, len(ctx) // 4)
    changed = [s for s, x in before.items() if not np.array_equal(x, getattr(clean, s))]
    return f"it changed ctx.{changed[0]}, which the protocol still needs" if changed else None


def _ties(select, ctx, fresh):
    with np.errstate(divide="raise", invalid="raise"):  # 0 / 0 would make a NaN, and NaN sorts as the largest number
        _call(select, altered(ctx, lambda name, x: np.zeros_like(x) if name in SCORES else x), len(ctx) // 4)


def _no_nan(select, ctx, fresh):
    with np.errstate(invalid="raise"):
        _call(select, ctx, len(ctx) // 4)


def _nan(select, ctx, fresh):
    refused = []

    def refuse(name, x):  # what a real context does when a signal holds a NaN
        refused.append(name)
        raise ValueError(f"signal {name!r}: expected finite numbers; got NaN")

    try:
        _call(select, altered(ctx, refuse), len(ctx) // 4)
    except ValueError as error:
        return None if "finite" in str(error) or "NaN" in str(error) else f"it failed without naming NaN: {error}"
    return f"ctx.{refused[0]} was refused for a NaN, and it went on without it" if refused else None


def _blind(truth, select, ctx, fresh):
    """Tell which column of the ground truth, one taken away at a time, the picks hang on."""
    copy = copies(select)

    def alone(ctx):  # what it remembers, and global randomness, are other rules'
        seeded(0)
        return _call(copy(), ctx, len(ctx) // 4)

    picks = alone(ctx)
    for column in TRUTH:
        if column in truth or column not in ctx.pool.column_names:
            continue
        without = altered(ctx, lambda name, x: x, drop=column)
        try:
            same = np.array_equal(picks, alone(without))
        except Exception:  # whatever a selector does where a column is not there
            same = False
        if not same:
            known = "which the maker of this world knows and nobody's own data tell"
            return f"its picks hang on `{column}`, {known}; truth={[*truth, column]!r} declares it"
    return None


_RULES = {  # rule -> (test, advice where it is broken)
    "same seed, same picks": (
        _same_seed,
        "Draw every random number from `rng`; keep nothing between calls; do not iterate over sets.",
    ),
    "two pools of one size": (
        _two_pools,
        "Keep nothing between calls: what is stored by the size of a pool is met by another pool of that size.",
    ),
    "no global randomness": (
        _global_randomness,
        "Use the `rng` argument: rng.permutation(n), rng.random(n), rng.choice(n, k, replace=False).",
    ),
    "model untouched": (_untouched_model, "A selector looks at the model; training is the protocol's work."),
    "signals untouched": (_untouched_signals, "Signals are shared: work on a copy, `x = ctx.loss.copy()`."),
    "survives equal scores": (
        _ties,
        "Where all scores are equal, do not divide by their spread; lu.standardise(x) guards it.",
    ),
    "makes no NaN": (
        _no_nan,
        "A root or a logarithm of a negative number is NaN, and NaN sorts as the largest: np.maximum(x, 0) guards it.",
    ),
    "does not hide a NaN": (_nan, "Let the error through: a run with a broken signal must stop."),
}
_SIGNALS = f"Signals, one number an example: ctx.{', ctx.'.join(SCORES)}; vectors: ctx.embedding, ctx.sketch."
_INDICES = "Return exactly `budget` different integers from 0 to len(ctx) - 1, for example lu.top_k(score, budget)."


def _raised(error: Exception, select: Callable) -> str:
    """Return what an error says and the last line of the selector that led to it."""
    lines = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.name == name_of(select)]
    place = f"\n        in the line `{lines[-1]}`" if lines and lines[-1] else ""
    return f"it raised {type(error).__name__}: {error}{place}"


def findings(select: Callable, ctx: SelectionContext, profile: str, truth: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for each rule; after a first call that fails, for no other.

    Args:
        select: the selector. ctx: what it meets. profile: of other contexts that it meets.
        truth: columns of `TRUTH` that it says it uses.
    """
    n, fresh = len(ctx), partial(context, profile)

    def tried(rule: str, test: Callable, advice: str, when_raised: str | None = None) -> Finding:
        try:
            with as_it_was():
                return Finding(rule, test(), advice)
        except Exception as error:
            return Finding(rule, _raised(error, select), when_raised or advice)

    for label, budget in (("a quarter of the pool", n // 4), ("one example", 1), ("the whole pool", n)):
        found = tried(f"picks {label} ({budget} of {n})", partial(returned, select, ctx, budget), _INDICES, _SIGNALS)
        yield found
        if found.problem and budget == n // 4:
            return
    for name, (test, advice) in _RULES.items():
        yield tried(name, partial(test, select, ctx, fresh), advice)
    declared = "Leave it out, or declare it: a selector that knows the truth is a control, as `oracle` is."
    yield tried("knows no ground truth", partial(_blind, truth, select, ctx, fresh), declared)
