"""The student's contract: a live context, a conformance kit, and a race against known selectors."""

import inspect

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from . import experiments, plots, selectors, stats, sweep
from .context import History, SelectionContext
from .models import copy_of, encode, symbol_tokenizer, weights
from .training import base_model
from .worlds import skill_world

_SHOWN = ("current", "future_auc", "forgetting", "ood", "long_horizon")


def context(profile: str = "fast", seed: int = 0, stage: int = 1, selected: int = 60) -> SelectionContext:
    """Return the context a selector meets at one stage, with the base model standing for M_{t-1}.

    Args:
        stage: 0 .. 4; before it, `selected` random examples of the first stage are in the history.
    """
    spec = experiments.table1(profile)[0]
    world, tokenizer = skill_world(spec.world, seed), symbol_tokenizer()
    model, history = base_model(spec.model, seed), History()

    def at(t):
        pool = world.stages[t].pool
        texts = (encode(d, tokenizer) for d in (pool, world.stages[t].validation, world.proxy))
        return SelectionContext(model, model, pool, *texts, history, t)

    if stage > 0:
        rng = np.random.default_rng(seed)
        first = at(0)
        history.append(first, rng.choice(len(first), size=min(selected, len(first)), replace=False))
    return at(stage)


def _call(select, ctx, budget, seed=0):
    return selectors.checked(select, ctx, budget, np.random.default_rng(seed))


def check_selector(select, profile: str = "smoke") -> bool:
    """Check a selector against the contract and explain each broken rule in words.

    Rules: `budget` different indices in range for budget 1, a quarter and all of the pool; the same
    picks for the same seed; no use of NumPy's or torch's global randomness; the model's weights
    untouched; equal scores and a pool of equal examples survived; a NaN signal refused, not hidden.
    """
    broken = []

    def rule(name: str, test, advice: str):
        try:
            problem = test()
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        if problem:
            broken.append(name)
        print(f"{'broken' if problem else 'ok    '}  {name}" + (f"\n        {problem}\n        {advice}" if problem else ""))

    ctx = context(profile)
    n = len(ctx)

    for label, budget in (("budget 1", 1), ("a quarter of the pool", n // 4), ("the whole pool", n)):
        rule(f"returns {label}", lambda b=budget: _call(select, ctx, b) is None, "Return exactly `budget` different integers in [0, len(ctx)), for example lu.top_k(score, budget).")

    def same_seed():
        a, b = _call(select, ctx, n // 4, seed=3), _call(select, context(profile), n // 4, seed=3)
        return None if np.array_equal(a, b) else "two calls with the same seed gave different picks"

    rule("same seed, same picks", same_seed, "Draw every random number from `rng`, and do not iterate over sets.")

    def global_randomness():
        before = np.random.get_state()[1].copy(), torch.get_rng_state().clone()  # noqa: NPY002
        _call(select, ctx, n // 4)
        if not (np.array_equal(before[0], np.random.get_state()[1]) and torch.equal(before[1], torch.get_rng_state())):  # noqa: NPY002
            return "the global random state of NumPy or torch changed"
        picks = _call(select, ctx, n // 4)
        np.random.seed(12345)  # noqa: NPY002
        return None if np.array_equal(picks, _call(select, ctx, n // 4)) else "np.random.seed changed the picks"

    state = np.random.get_state()  # noqa: NPY002
    rule("no global randomness", global_randomness, "Use the `rng` argument: rng.permutation, rng.random, rng.choice.")
    np.random.set_state(state)  # noqa: NPY002

    def untouched():
        before = weights(ctx._model)
        _call(select, ctx, n // 4)
        return None if torch.equal(before, weights(ctx._model)) else "the model's weights changed"

    rule("model untouched", untouched, "A selector looks at the model; training is the protocol's work.")

    def ties():
        equal = _altered(profile, lambda name, x: np.zeros_like(x))
        _call(select, equal, n // 4)

    rule("survives ties", ties, "Scores can be equal; do not divide by a standard deviation without a guard (lu.standardise has one).")

    def nan():
        asked = []

        def spoil(name, x):
            asked.append(name)
            return np.where(np.arange(len(x)).reshape(-1, *[1] * (x.ndim - 1)) == 0, np.nan, x)

        try:
            _call(select, _altered(profile, spoil), n // 4)
        except ValueError as error:
            return None if "NaN" in str(error) or "finite" in str(error) else f"it failed, but without naming NaN: {error}"
        return f"a NaN in {asked[0]} was ranked silently" if asked else None

    rule("refuses NaN", nan, "NaN sorts as the largest number; lu.top_k refuses it with a message.")
    print("passed: your selector keeps the contract" if not broken else f"{len(broken)} rule(s) broken")
    return not broken


def _altered(profile: str, change) -> SelectionContext:
    """Return a context whose array signals pass through `change(name, values)`."""
    inner = context(profile)

    class Altered(SelectionContext):
        def __init__(self):
            self.pool, self.history, self.stage, self.terms = inner.pool, inner.history, inner.stage, {}

        def __getattribute__(self, name):
            public = not name.startswith("_") and isinstance(inspect.getattr_static(SelectionContext, name, None), property)
            cached = not name.startswith("_") and hasattr(inspect.getattr_static(SelectionContext, name, None), "attrname")
            return change(name, np.asarray(getattr(inner, name), float)) if public or cached else object.__getattribute__(self, name)

    return Altered()


def compare(select, against=("random", "gradient", "lhas"), profile: str = "fast", seeds=(0, 1)) -> pd.DataFrame:
    """Run a selector through all stages against known ones; draw the result and return the table.

    Runs of known selectors come from the cache where they exist. With few seeds the intervals are
    wide; nothing here is a test.

    Args:
        select: your selector, checked first; a broken one never starts a run.
        against: names in `SELECTORS`.
        seeds: evaluation seeds; every selector meets the same worlds.

    Returns:
        DataFrame selector x metric, mean over seeds.
    """
    _call(select, context("smoke"), 3)
    name = getattr(select, "__name__", "yours")
    name = "yours" if name in selectors.SELECTORS or name == "<lambda>" else name
    specs = [s for s in experiments.table1(profile) if s.selector == "random" and s.seed in seeds]
    if len(specs) != len(set(seeds)):
        raise ValueError(f"seeds: expected a subset of {[s.seed for s in experiments.table1(profile) if s.selector == 'random']}; got {list(seeds)}")
    mine = sweep.results([experiments.replace(s, selector=name) for s in specs], select, _source(select))
    known = sweep.results([experiments.replace(s, selector=a) for a in against for s in specs if selectors.get(a)])
    mine["run"] += known["run"].max() + 1
    runs = experiments.summary(pd.concat([known, mine], ignore_index=True))
    _draw(runs, name)
    return runs.groupby("selector", sort=False)[list(_SHOWN)].mean().round(3)


def _source(select) -> str:
    """Return what identifies a selector that is not registered: its source and bound values."""
    try:
        code = inspect.getsource(select)
    except (OSError, TypeError):
        code = repr(getattr(select, "__code__", select))
    closure = inspect.getclosurevars(select) if inspect.isfunction(select) else None
    bound = {**closure.nonlocals, **{k: v for k, v in closure.globals.items() if not inspect.ismodule(v)}} if closure else {}
    return code + repr(sorted((k, inspect.getsource(v) if inspect.isfunction(v) else repr(v)) for k, v in bound.items()))


def _draw(runs: pd.DataFrame, name: str):
    fig, axes = plt.subplots(1, 3, figsize=(7.2, 2.4))
    names = list(dict.fromkeys(runs["selector"]))
    for ax, metric in zip(axes, ("current", "future_auc", "forgetting")):
        for i, selector in enumerate(names):
            mean, low, high = stats.interval(runs.loc[runs["selector"] == selector, metric])
            mine = selector == name
            ax.bar(i, mean, color=plots.COLOURS.get(selector, "#7A3E9D"), edgecolor="k" if mine else "none", hatch="//" if mine else None)
            ax.errorbar(i, mean, yerr=[[mean - low], [high - mean]], color="k", capsize=2, lw=0.8)
        ax.set_xticks(range(len(names)), [plots.LABELS.get(n, n) for n in names], rotation=40, ha="right")
        ax.set_title(plots.NAMES[metric], fontsize=8)
    plt.show()
