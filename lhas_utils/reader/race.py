"""The race: a selector of somebody's own, through all stages against known ones, and what came of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from datasets import Dataset

from .. import analysis, figures
from ..core import choose
from ..core.settings import is_live
from ..runs import is_published, missing, published, results, table1
from ..runs.grids import FIRST
from ..selection import SELECTORS, name_of
from ..studies import BranchSpec, RunSpec
from .apart import apart, known_of
from .conformance import declared, refusal, seconds_of
from .doubles import by_value
from .export import picked, write_rows
from .own_text import HOW, RISE, own_specs
from .practice import at_start
from .rules import returned
from .saved import save

SHOWN = ("current", "future_auc", "forgetting", "ood", "long_horizon")
PUBLISHED = ("table1", "baselines", "others")  # experiments of one world, in which a leaderboard is read


@dataclass(frozen=True)
class Race:
    """A finished race.

    Attributes:
        name: the selector's name in every table. select: the selector.
        against: its rivals. known: the specs of one of them, a seed each; those of the others differ by name only.
        rows: tidy rows of all runs. runs: one row a run, with every metric.
        metric: what scores count in: `exact`, or on text `nll`, which enters with its sign turned.
        asked: the arguments of `compare`, to run it again.
    """

    name: str
    select: Callable
    against: tuple[str, ...]
    known: tuple[RunSpec, ...]
    rows: pd.DataFrame
    runs: pd.DataFrame
    metric: str
    asked: dict

    @property
    def table(self) -> pd.DataFrame:
        """Means over seeds, a row a selector."""
        return self.runs.groupby("selector", sort=False)[list(SHOWN)].mean().round(3)

    @property
    def differences(self) -> pd.DataFrame:
        """Paired differences from Random as `mean [low, high]`: the 95 % t interval over seeds."""
        return analysis.against_random(self._with_random(), known_of(self.runs))

    def _with_random(self) -> pd.DataFrame:
        if "random" not in set(self.runs["selector"]):
            raise ValueError(f"race: expected 'random' among the rivals; got {', '.join(self.against)}")
        return self.runs

    def save(self, name: str) -> Path:
        """Write code, seeds, table, figure and digest into `build/races/NAME` (`saved.save`) and return the folder."""
        return save(self, name)

    def apart(self) -> str:
        """Say in words whom the intervals of the paired differences tell apart from Random, and whom they do not."""
        return apart(self._with_random())

    def scorecard(self, seconds: bool = False) -> pd.DataFrame:
        """Return the two-level scorecard (`analysis.scorecard`).

        Args:
            seconds: measure a call of each selector, signals included, at the first stage on 100 examples at most.
        """
        took = None
        if seconds:
            every = {name: SELECTORS[name] for name in self.against} | {self.name: self.select}
            took = {name: seconds_of(select, at_start(self.known[0])) for name, select in every.items()}
        return analysis.scorecard(self.runs, took).round(3)

    def common_start(self) -> pd.DataFrame:
        """Return what one stage's choice does, every selector starting from the same checkpoint, a row a selector.

        Paired differences from Random, mean over stages, as `mean [low, high]` over seeds: now, forgetting, next_auc,
        ood and later (`analysis.branched`). The runs are computed where they are not in the cache.
        """
        rivals = tuple(dict.fromkeys(("random", *self.against, self.name)))
        specs = [
            BranchSpec(s.seed, budget=s.budget, world=s.world, model=s.model, train=s.train, selectors=rivals)
            for s in self.known
        ]
        with by_value(self.select):
            rows = results(specs, self.select)
        quantities = ("now", "forgetting", "next_auc", "ood", "later")
        runs = analysis.branched(rows, self.metric)
        return analysis.against_random(runs[runs["selector"].isin(rivals)], quantities)

    def leaderboard(self) -> pd.DataFrame:
        """Return every published selector and this one, best long-horizon utility first, on the race's own seeds.

        Columns: rank, the means of `SHOWN`, and seeds, how many of the race's seeds a selector has.

        Raises:
            ValueError: a race in another world than the published one.
        """
        here = self.known[0]
        if here != replace(RunSpec(here.selector, here.seed)):
            raise ValueError("leaderboard: expected a race in the published world, profile fast or full, without DATA")
        seeds = {s.seed for s in self.known}
        tables = [analysis.summary(published(name), self.metric) for name in PUBLISHED if is_published(name)]
        if not tables:
            raise ValueError(f"leaderboard: expected published rows of {', '.join(PUBLISHED)}; there are none")
        every = pd.concat([analysis.arms(t) if "reselect" in t else t for t in tables], ignore_index=True)
        mine = self.runs[self.runs["selector"] == self.name]
        every = pd.concat([every[every["seed"].isin(seeds) & (every["selector"] != self.name)], mine])
        by = every.groupby("selector")
        board = by[list(SHOWN)].mean().assign(seeds=by["seed"].nunique()).sort_values("long_horizon", ascending=False)
        board.insert(0, "rank", range(1, len(board) + 1))
        return board.round(3)

    def picks(self) -> pd.DataFrame:
        """Return every pick of the race: selector, seed, stage, index, skill, task, and the terms of its score."""
        theirs = results([replace(s, selector=a) for a in self.against for s in self.known], picks=True)
        with by_value(self.select):
            mine = results([replace(s, selector=self.name) for s in self.known], self.select, picks=True)
        return pd.concat([theirs, mine], ignore_index=True)

    def plot(self) -> None:
        """Draw the race: bars for means, a dot a seed; hatched: this selector."""
        figures.race(self.runs, self.name)
        figures.show()

    def plot_picks(self, rival: str) -> pd.DataFrame:
        """Draw the tasks that this selector and a rival pick, stage by stage; return the shares."""
        choose("rival", rival, self.against)
        shares = analysis.overlap(self.picks(), self.name, rival)
        figures.picks(shares, self.name, rival)
        figures.show()
        return shares

    def chosen(self, seed: int | None = None, stage: int | None = None) -> Dataset:
        """Return the examples that the selector picked as a `datasets.Dataset`, all columns of the pool.

        Args:
            seed: one of the race's, by default the first. stage: from 1, by default all, one after the other.
        """
        spec = self.known[0] if seed is None else {s.seed: s for s in self.known}[choose("seed", seed, self._seeds())]
        picks = self.picks()
        return picked(spec, picks[(picks["selector"] == self.name) & (picks["seed"] == spec.seed)], stage)

    def _seeds(self) -> list[int]:
        return [s.seed for s in self.known]

    def export(self, path: str, seed: int | None = None, stage: int | None = None) -> int:
        """Write the picks for a trainer: `NAME.jsonl` with prompt and completion (TRL), else a `save_to_disk` folder.

        Returns how many examples were written. Arguments as of `chosen`.
        """
        return write_rows(self.chosen(seed, stage), path)


def compare(
    select: Callable,
    against: str | Sequence[str] = ("random", "gradient", "lhas"),
    profile: str = "fast",
    seeds: int | Sequence[int] | None = None,
    truth: str | Sequence[str] = (),
    data: str | Sequence[RunSpec] = "",
    model: str = "",
) -> Race:
    """Run a selector through all stages against known ones; draw the result and return the `Race`.

    Runs of known selectors come from the cache where they exist. With few seeds nothing here is a
    test: the figure shows every seed as a dot.

    Args:
        select: your selector, checked first: one that breaks a rule of `check_selector` never starts a run.
        against: names in `SELECTORS`, or one name.
        seeds: evaluation seeds, or one, by default two; every selector meets the same worlds.
        truth: columns of the ground truth that it uses, as for `check_selector`.
        data: a folder, a file or a hub name of your own (`make real`); empty for SkillWorld; or the runs of Random in
            any world, a `RunSpec` a seed, in place of profile and seeds.
        model: with `data`, the hub id or folder of a causal LM; empty for a small one made here.
    """
    if not callable(select):
        what = f"expected a function select(ctx, budget, *, rng); got {select!r}"
        raise ValueError(f"compare: {what}; a known name belongs in `against`")
    against = [against] if isinstance(against, str) else list(against)
    if not against:
        raise ValueError(f"against: expected at least one of {', '.join(SELECTORS)}; got none")
    for rival in against:
        choose("against", rival, SELECTORS)
    if model and not data:
        raise ValueError(f"model: expected data beside it, since SkillWorld has a model of its own; got {model!r}")
    if problem := refusal(select, truth):
        raise ValueError(problem)
    name = name_of(select)
    name = "yours" if name in SELECTORS or not name.isidentifier() else name
    specs = _worlds(profile, seeds, data, model)
    text = bool(data) and isinstance(data, str)
    if data:
        where = data if text else "this world"
        ctx = at_start(specs[0])
        if lacking := [c for c in declared(truth) if c not in ctx.pool.column_names]:
            raise ValueError(
                f"{name}: expected of {where} a column {lacking[0]!r}, which its truth names; there is none"
            )
        if problem := returned(select, ctx, 3):
            raise ValueError(f"{name}: on {where}: {problem}")
    mine = [replace(s, selector=name) for s in specs]
    theirs = [replace(s, selector=a) for a in against for s in specs]
    if is_live():
        new = len(missing(mine, select)) + len(missing(theirs))
        print(f"{new} runs to compute, {len(mine) + len(theirs) - new} from the cache")
    known = results(theirs)
    if text and "random" in against:
        print(analysis.gate_line(analysis.gate(known, "nll", RISE), HOW))
    with by_value(select):
        yours = results(mine, select)
    yours["run"] += known["run"].max() + 1
    rows, metric = pd.concat([known, yours], ignore_index=True), "nll" if text else "exact"
    asked = {"against": against, "profile": profile, "seeds": [s.seed for s in specs], "data": data, "model": model}
    asked["truth"] = [truth] if isinstance(truth, str) else list(truth)
    runs = analysis.carded(rows, metric)
    race = Race(name, select, tuple(against), tuple(specs), rows, runs, metric, asked)
    race.plot()
    return race


def _worlds(
    profile: str, seeds: int | Iterable[int] | None, data: str | Sequence[RunSpec], model: str
) -> list[RunSpec]:
    """Return Random's spec of each seed."""
    if data and not isinstance(data, str):
        return [replace(s, selector="random", params=()) for s in data]
    worlds = own_specs(data, model, profile) if data else table1(profile)
    worlds = [s for s in worlds if s.selector == "random"]
    first = [s.seed for s in worlds][:2] if data else (FIRST, FIRST + 1)
    seeds = first if seeds is None else list(seeds) if isinstance(seeds, Iterable) else [seeds]
    specs = [s for s in worlds if s.seed in seeds]
    if not specs or len(specs) != len(set(seeds)):
        raise ValueError(f"seeds: expected some of {[s.seed for s in worlds]}; got {list(seeds)}")
    return specs
