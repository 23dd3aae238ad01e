"""The race: a selector of somebody's own, through all stages against known ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pandas as pd

from .. import figures
from ..analysis import summary
from ..core import choose
from ..core.settings import is_live
from ..runs import missing, results, table1
from ..runs.grids import FIRST
from ..selection import SELECTORS, name_of
from .conformance import refusal
from .doubles import by_value

SHOWN = ("current", "future_auc", "forgetting", "ood", "long_horizon")


def compare(
    select: Callable,
    against: str | Sequence[str] = ("random", "gradient", "lhas"),
    profile: str = "fast",
    seeds: int | Sequence[int] = (FIRST, FIRST + 1),
    truth: str | Sequence[str] = (),
) -> pd.DataFrame:
    """Run a selector through all stages against known ones; draw the result and return the table.

    Runs of known selectors come from the cache where they exist. With few seeds nothing here is a
    test: the figure shows every seed as a dot.

    Args:
        select: your selector, checked first: one that breaks a rule of `check_selector` never starts a run.
        against: names in `SELECTORS`, or one name.
        seeds: evaluation seeds, or one; every selector meets the same worlds.
        truth: columns of the ground truth that it uses, as for `check_selector`.

    Returns:
        DataFrame selector x metric, mean over seeds.
    """
    if not callable(select):
        what = f"expected a function select(ctx, budget, *, rng); got {select!r}"
        raise ValueError(f"compare: {what}; a known name belongs in `against`")
    against = [against] if isinstance(against, str) else against
    if not against:
        raise ValueError(f"against: expected at least one of {', '.join(SELECTORS)}; got none")
    for known in against:
        choose("against", known, SELECTORS)
    if problem := refusal(select, truth):
        raise ValueError(problem)
    name = name_of(select)
    name = "yours" if name in SELECTORS or not name.isidentifier() else name
    worlds = [s for s in table1(profile) if s.selector == "random"]
    seeds = seeds if isinstance(seeds, Iterable) else [seeds]
    specs = [s for s in worlds if s.seed in seeds]
    if not specs or len(specs) != len(set(seeds)):
        raise ValueError(f"seeds: expected some of {[s.seed for s in worlds]}; got {list(seeds)}")
    mine = [replace(s, selector=name) for s in specs]
    theirs = [replace(s, selector=a) for a in against for s in specs]
    if is_live():
        new = len(missing(mine, select)) + len(missing(theirs))
        print(f"{new} runs to compute, {len(mine) + len(theirs) - new} from the cache")
    known = results(theirs)
    with by_value(select):
        yours = results(mine, select)
    yours["run"] += known["run"].max() + 1
    runs = summary(pd.concat([known, yours], ignore_index=True))
    figures.race(runs, name)
    figures.show()
    return runs.groupby("selector", sort=False)[list(SHOWN)].mean().round(3)
