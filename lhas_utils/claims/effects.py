"""The effects behind a claim: paired contrasts of runs, or what a check returns."""

from dataclasses import dataclass

import pandas as pd

from ..analysis import runs, statistics
from ..core import choose
from .contract import CHECKS, get


@dataclass(frozen=True)
class Effect:
    """One signed effect: positive is what the claim says; [low, high] is its 95 % interval.

    Args:
        n_seeds: seeds behind it; 0 for a number without an interval.
        smallest: smallest effect of interest, in the metric's unit.
        p: of the sign-flip test, where one applies. metric: of the contrast.
    """

    name: str
    effect: float
    low: float
    high: float
    n_seeds: int
    smallest: float = 0.0
    p: float | None = None
    metric: str = ""


def _side(runs: pd.DataFrame, which: str | dict, metric: str) -> pd.Series:
    chosen = {"selector": which} if isinstance(which, str) else which
    for column, value in chosen.items():
        choose("filter", column, runs.columns)
        runs = runs[runs[column].isna() if value is None else runs[column] == value]
    choose("metric", metric, runs.columns)
    return runs.drop_duplicates("seed").set_index("seed")[metric]


def _name(side: str | dict) -> str:
    return side if isinstance(side, str) else ", ".join(f"{k}={v}" for k, v in side.items())


def contrast(runs: pd.DataFrame, spec: dict, smallest: float) -> Effect | None:
    """Return the paired effect of one contrast on per-run metrics; None if no seed has both sides.

    Args:
        runs: one row per run (`analysis.summary`).
        spec: `metric`; `a` and `b`, selectors or {column: value} filters of the two sides; `direction` greater (a
            above b) or less; optional `margin`, added to the effect of a claim that a is not worse than b by more
            than that; optional `minus`, another pair a, b whose difference is taken off (a difference of
            differences).
        smallest: smallest effect of interest, in the metric's unit.

    Raises:
        ValueError: for a metric or a filter that the runs do not have.
    """
    metric, sign = spec["metric"], {"greater": 1, "less": -1}[spec["direction"]]
    d = _side(runs, spec["a"], metric) - _side(runs, spec["b"], metric)
    name = f"{metric}: {_name(spec['a'])} {'>' if sign > 0 else '<'} {_name(spec['b'])}"
    if minus := spec.get("minus"):
        d = d - (_side(runs, minus["a"], metric) - _side(runs, minus["b"], metric))
        name += f", more than {_name(minus['a'])} against {_name(minus['b'])}"
    d = sign * d.dropna() + spec.get("margin", 0.0)
    if d.empty:
        return None
    p, smallest = statistics.sign_flip(d), spec.get("smallest", smallest)
    return Effect(**statistics.effect(d, name), smallest=smallest, p=p, metric=metric)


def effects(claim: str, profile: str) -> list[Effect]:
    """Compute a claim's effects on the runs of a profile, or on the `published` ones.

    Raises:
        ValueError: for an unknown claim, or where the complete runs lack a side of a contrast.
    """
    entry = get(claim)
    if entry["kind"] == "out of scope":
        return []
    if "check" in entry:
        found = CHECKS[entry["check"]](profile)
        found = found if isinstance(found, list) else [found]
        return [Effect(**({"smallest": entry["smallest"]} | f)) for f in found]
    table = pd.concat([runs(name, profile) for name in entry["experiment"].split()])
    try:
        found = [contrast(table, c, entry["smallest"]) for c in entry["contrasts"]] if len(table) else []
    except ValueError as error:
        raise ValueError(f"claims.yml, {claim}: {error}") from None
    if profile in ("full", "published") and (None in found or not found):
        raise ValueError(
            f"claim {claim}: the published runs lack a side of a contrast; check its filters in claims.yml"
        )
    return [e for e in found if e is not None]
