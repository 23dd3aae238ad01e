"""The race: a selector of somebody's own, through all stages against known ones."""

import inspect
import sys
from contextlib import contextmanager
from functools import partial

import cloudpickle
import joblib
import matplotlib.pyplot as plt
import pandas as pd

from . import experiments, live, plots, selectors, sweep
from .config import choose
from .contract import context, name_of, returned

_SHOWN = ("current", "future_auc", "forgetting", "ood", "long_horizon")


def compare(select, against=("random", "gradient", "lhas"), profile: str = "fast", seeds=(0, 1)) -> pd.DataFrame:
    """Run a selector through all stages against known ones; draw the result and return the table.

    Runs of known selectors come from the cache where they exist. With few seeds nothing here is a
    test: the figure shows every seed as a dot.

    Args:
        select: your selector, tried once first: a broken one never starts a run.
        against: names in `SELECTORS`, or one name.
        seeds: evaluation seeds; every selector meets the same worlds.

    Returns:
        DataFrame selector x metric, mean over seeds.
    """
    if not callable(select):
        raise ValueError(f"compare: expected a function select(ctx, budget, *, rng); got {select!r}; a known name belongs in `against`")
    against = [against] if isinstance(against, str) else against
    for known in against:
        choose("against", known, selectors.SELECTORS)
    problem = returned(select, context("smoke"), 3)
    if problem:
        raise ValueError(f"{name_of(select)}: {problem}; lu.check_selector tells more")
    name = name_of(select)
    name = "yours" if name in selectors.SELECTORS or not name.isidentifier() else name
    worlds = [s for s in experiments.table1(profile) if s.selector == "random"]
    specs = [s for s in worlds if s.seed in seeds]
    if not specs or len(specs) != len(set(seeds)):
        raise ValueError(f"seeds: expected some of {[s.seed for s in worlds]}; got {list(seeds)}")
    mine = [experiments.replace(s, selector=name) for s in specs]
    theirs = [experiments.replace(s, selector=a) for a in against for s in specs]
    code = source(select)
    if live.is_live():
        new = len(sweep.missing(mine, code)) + len(sweep.missing(theirs))
        print(f"{new} runs to compute, {len(mine) + len(theirs) - new} from the cache")
    known = sweep.results(theirs)
    with _by_value(select):
        yours = sweep.results(mine, select, code)
    yours["run"] += known["run"].max() + 1
    runs = experiments.summary(pd.concat([known, yours], ignore_index=True))
    _draw(runs, name)
    return runs.groupby("selector", sort=False)[list(_SHOWN)].mean().round(3)


@contextmanager
def _by_value(select):
    """Send a selector of somebody's own file to the workers as code: they may not find the file."""
    module = sys.modules.get(getattr(select, "__module__", None) or "")
    own = module is not None and module.__name__.partition(".")[0] not in ("__main__", "lhas_utils")
    if own:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        if own:
            cloudpickle.unregister_pickle_by_value(module)


def source(select, seen: tuple = ()) -> str:
    """Return what identifies a selector that is not registered: its code and every value it uses.

    Functions it calls by name count too, so editing a helper cell starts new runs; so does the state of an object
    that is called or whose method is.
    """
    if isinstance(select, partial):
        return source(select.func, seen) + _digest((select.args, select.keywords))
    if inspect.ismethod(select):
        return source(select.__func__, seen) + _digest(getattr(select.__self__, "__dict__", None))
    if not inspect.isfunction(select):
        call = type(select).__call__
        body = source(call, seen) if inspect.isfunction(call) else repr(select)
        return _text(type(select)) + body + _digest(getattr(select, "__dict__", None))
    body = select.__code__  # beside the text, because lambdas may share a line
    constants = [c for c in body.co_consts if not inspect.iscode(c)]  # code cannot be hashed
    code = _text(select) + body.co_code.hex() + _digest((body.co_names, constants))
    if select in seen:
        return code
    outside = inspect.getclosurevars(select)
    bound = {k: v for k, v in {**outside.nonlocals, **outside.globals}.items() if not inspect.ismodule(v)}
    used = [(k, source(v, (*seen, select)) if inspect.isfunction(v) else _digest(v)) for k, v in sorted(bound.items())]
    return code + repr(used) + _digest((select.__defaults__, select.__kwdefaults__))


def _digest(value) -> str:
    try:
        return joblib.hash(value)
    except Exception:  # not everything can be pickled
        return repr(value)


def _text(thing) -> str:
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return getattr(thing, "__qualname__", "")


def _draw(runs: pd.DataFrame, name: str):
    fig, axes = plt.subplots(1, 3, figsize=(7.2, 2.6))
    names = list(dict.fromkeys(runs["selector"]))
    for ax, metric in zip(axes, ("current", "future_auc", "forgetting")):
        for i, selector in enumerate(names):
            values = runs.loc[runs["selector"] == selector, metric]
            mine = selector == name
            ax.bar(
                i,
                values.mean(),
                color="white" if mine else plots.COLOURS.get(selector, "0.6"),
                edgecolor="k",
                hatch="///" if mine else None,
                lw=1.2 if mine else 0,
            )
            ax.plot([i] * len(values), values, "o", ms=3.5, color="k", mfc="white", mew=0.8)
        ax.set_xticks(
            range(len(names)), [plots.LABELS.get(n, n) for n in names], rotation=40, ha="right", rotation_mode="anchor"
        )
        ax.set_title(plots.NAMES[metric].replace(" (", "\n("), fontsize=9)
        ax.axhline(0, color="k", lw=0.6)
    plt.show()
    plt.close(fig)
