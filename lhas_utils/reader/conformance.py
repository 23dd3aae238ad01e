"""The conformance kit: a selector held against the contract, each broken rule explained in words."""

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from ..core import choose
from ..selection import SelectionContext, name_of
from .practice import context
from .rules import TRUTH, findings

SLOW = 1.0  # seconds of one call beside its signals, from which the cost is said
RACE = (5, 2, 750)  # stages, seeds and examples of a pool, of a race at its defaults


def declared(truth: str | Sequence[str]) -> tuple[str, ...]:
    """Return the columns of the ground truth that a selector says it uses."""
    names = (truth,) if isinstance(truth, str) else tuple(truth)
    for name in names:
        choose("truth", name, TRUTH)
    return names


def cost(seconds: float, n: int) -> str:
    """Return what a call costs and a race at least takes, in words; empty where that is little.

    >>> cost(30.0, 48)
    'a call takes 30 s on 48 examples; a race makes 10 calls on 750 examples each: 5 minutes and more'
    """
    stages, seeds, pool = RACE
    if seconds < SLOW:
        return ""
    whole = seconds * stages * seeds
    least = f"{whole / 60:.0f} minutes" if whole >= 90 else f"{whole:.0f} seconds"
    race = f"a race makes {stages * seeds} calls on {pool} examples each: {least} and more"
    return f"a call takes {seconds:.0f} s on {n} examples; {race}"


def seconds_of(select: Callable, ctx: SelectionContext) -> float:
    """Return the seconds of one call for a quarter of the pool, with the signals that the context does not have yet."""
    begin = perf_counter()
    select(ctx, len(ctx) // 4, rng=np.random.default_rng(0))
    return perf_counter() - begin


def refusal(select: Callable, truth: str | Sequence[str] = ()) -> str | None:
    """Return the first rule that a selector breaks, in one sentence with what to do; None where it keeps them all."""
    for found in findings(select, context("smoke"), "smoke", declared(truth)):
        if found.problem:
            problem = " ".join(found.problem.split())
            return f"{name_of(select)}: {found.rule}: {problem}. {found.advice} lu.check_selector tells more"
    return None


def check_selector(select: Callable, profile: str = "smoke", truth: str | Sequence[str] = ()) -> bool:
    """Check a selector against the contract and explain each broken rule in words.

    Rules: `budget` different indices in range for a quarter, one and all of the pool; the same picks for the same
    seed, for each of two pools of one size whichever comes first, and whatever state NumPy's, torch's and Python's
    global randomness is in; model and signals untouched; equal scores survived without 0 / 0; no NaN made; the
    context's refusal of a NaN let through; no look at the ground truth. A call that takes long is told with what a race
    will take.

    Args:
        select: `select(ctx, budget, *, rng) -> indices`.
        profile: size of the world it is tried on.
        truth: columns of the ground truth that it uses, of clean, kind, duplicate and difficulty.

    Returns:
        True if every rule is kept.
    """
    if not callable(select):
        got = type(select).__name__
        raise ValueError(f"check_selector: expected a function select(ctx, budget, *, rng); got {got}")
    ctx, broken, tried = context(profile), 0, 0
    for found in findings(select, ctx, profile, declared(truth)):
        tried += 1
        broken += found.problem is not None
        wrong = f"broken  {found.rule}\n        {found.problem}\n        {found.advice}"
        print(wrong if found.problem else f"ok      {found.rule}")
        if tried == 1 and not found.problem and (said := cost(seconds_of(select, ctx), len(ctx))):
            print(f"slow    {said}")
    if broken and tried == 1:
        print("the other rules were not tried: first make this one work")
    else:
        print("passed: your selector keeps the contract" if not broken else f"{broken} rule(s) broken")
    return not broken
