"""The effects behind a claim: paired contrasts of runs, or what a check returns."""

from dataclasses import dataclass

import pandas as pd

from ..analysis import runs, statistics
from ..core import choose, columns
from ..runs import ABLATIONS, as_text, is_published
from ..studies import RunSpec
from .contract import CHECKS, SCORES, get

RELATIVE = ["run", "adaptation_tokens", "censored"]  # what a run owes to the experiment that it stands in
_ARMS = {"": "as it is"} | {as_text(params): label for label, params in ABLATIONS.items()}
_KNOBS = {"noise": "label noise", "alignment": "stage alignment", "reselect": "choices a stage", "match": "equal"}


@dataclass(frozen=True)
class Effect:
    """One signed effect: positive is what the claim says; [low, high] is its 95 % interval.

    Args:
        n_seeds: seeds behind it; 0 for a number without an interval.
        smallest: smallest effect of interest, in the effect's unit.
        p: of the two-sided sign-flip test over seeds, or `chance` where that is larger; 1 where there are none.
        chance: p over selectors of a relation between two of their scores; 0 for any other effect.
        quantity: of the contrast.
        censored: the values stand at an end of what was tried, so that more seeds would not tell.
    """

    name: str
    effect: float
    low: float
    high: float
    n_seeds: int
    smallest: float = 0.0
    p: float = 1.0
    chance: float = 0.0
    quantity: str = ""
    censored: bool = False


def _side(runs: pd.DataFrame, which: str | dict, quantity: str) -> pd.Series:
    """Return a quantity by seed of the runs that a filter keeps, at most one a seed."""
    chosen = {"selector": which} if isinstance(which, str) else which
    for column, value in chosen.items():
        choose("filter", column, runs.columns)
        runs = runs[runs[column].isna() if value is None else runs[column] == value]
    choose("quantity", quantity, runs.columns)
    if runs["seed"].duplicated().any():  # one run may stand in two experiments
        runs = runs.drop_duplicates([c for c in runs if c not in RELATIVE])
    if (most := runs["seed"].value_counts().max()) > 1:
        several = runs.drop(columns=["seed", *RELATIVE], errors="ignore")
        differ = [c for c in several if 1 < several[c].nunique(dropna=False) <= most]
        found = f"{most}, which differ in {', '.join(differ)}"
        raise ValueError(f"filter {_name(which)}: expected one run a seed; got {found}")
    return runs.set_index("seed")[quantity]


def _name(side: str | dict) -> str:
    return side if isinstance(side, str) else ", ".join(f"{k}={v}" for k, v in side.items())


def named(spec: dict) -> str:
    """Return the name of a contrast, such as `current: loss > random`; a margin is named, since it is in the effect."""
    sign = {"greater": ">", "less": "<"}[spec["direction"]]
    name = f"{spec['quantity']}: {_name(spec['a'])} {sign} {_name(spec['b'])}"
    if minus := spec.get("minus"):
        name += f", more than {_name(minus['a'])} against {_name(minus['b'])}"
    return name + _margin(spec)


def _margin(spec: dict) -> str:
    return " (a margin added)" if spec.get("margin") else ""


def _setting(key: str, value: object) -> str:
    if key == "params":
        return _ARMS.get(value, value)
    if key == "rank":
        return "full fine-tuning" if value is None else f"LoRA rank {value}"
    return f"{_KNOBS.get(key, key)} {value}".replace("_", " ")


def readable(spec: dict) -> str:
    """Return a contrast in words, such as `long_horizon: lhas (as it is) > lhas (without coverage)`.

    What all sides share stands once, at the end; a default that no other side changes is left out.
    """
    usual = columns(RunSpec("random", 0))
    pairs = [spec, *filter(None, [spec.get("minus")])]
    sides = [{"selector": s} if isinstance(s, str) else s for pair in pairs for s in (pair["a"], pair["b"])]
    values = {key: {side.get(key, usual.get(key)) for side in sides} for side in sides for key in side}
    shared = [k for k in values if k != "selector" and len(values[k]) == 1 and all(k in side for side in sides)]

    def told(side):
        own = {k: v for k, v in side.items() if k != "selector" and len(values[k]) > 1}
        extra = ", ".join(_setting(k, v) for k, v in own.items())
        return f"{side['selector']} ({extra})" if extra else side["selector"]

    a, b, *minus = map(told, sides)
    sign = {"greater": ">", "less": "<"}[spec["direction"]]
    name = f"{spec['quantity']}: {a} {sign} {b}" + (f", more than {minus[0]} against {minus[1]}" if minus else "")
    same = ", ".join(_setting(k, next(iter(values[k]))) for k in shared if values[k] != {""})
    return name + (f", {'all' if minus else 'both'} with {same}" if same else "") + _margin(spec)


def contrast(runs: pd.DataFrame, spec: dict, smallest: float, margin: float = 0.0) -> Effect | None:
    """Return the paired effect of one contrast on per-run metrics; None if no seed has both sides.

    Args:
        runs: one row per run (`analysis.summary`).
        spec: `quantity`; `a` and `b`, selectors or {column: value} filters of the two sides; `direction` greater (a
            above b) or less; optional `minus`, another pair a, b whose difference is taken off (a difference of
            differences).
        smallest: smallest effect of interest, in the metric's unit.
        margin: added to the effect of a claim that a is not worse than b by more than that.

    Raises:
        ValueError: for a quantity or a filter that the runs do not have, or a filter that several runs of one seed
            pass; it names the columns in which they differ.
    """
    quantity, sign = spec["quantity"], {"greater": 1, "less": -1}[spec["direction"]]
    d = _side(runs, spec["a"], quantity) - _side(runs, spec["b"], quantity)
    if minus := spec.get("minus"):
        d = d - (_side(runs, minus["a"], quantity) - _side(runs, minus["b"], quantity))
    d = sign * d.dropna() + margin
    if d.empty:
        return None
    return Effect(**statistics.effect(d, named(spec)), smallest=smallest, quantity=quantity)


def _at(spec: dict, entry: dict, field: str, metric: str) -> float:
    """Return a contrast's own number for a metric, or the claim's, or 0."""
    return spec.get(field, entry.get(field, {metric: 0.0}))[metric]


def missing(claim: str, found: list[Effect], profile: str) -> list[str]:
    """Return the parts of a claim that a profile's runs do not have: names of contrasts, or of experiments."""
    entry = get(claim)
    if "contrasts" in entry:
        return [name for name in map(named, entry["contrasts"]) if name not in {e.name for e in found}]
    return [] if found else entry.get("experiment", "").split()


def effects(claim: str, profile: str, metric: str | None = None) -> list[Effect]:
    """Compute a claim's effects on the runs of a profile, or on the `published` ones; empty where it has no runs.

    Args:
        metric: one of the claim's `metrics`, the first by default. With `nll`, scores enter with their sign turned.

    Raises:
        ValueError: for an unknown claim, a metric that it does not have, or a contrast that its runs cannot answer.
    """
    entry = get(claim)
    if entry["kind"] == "out of scope":
        return []
    metric = choose(f"{claim}: metric", metric or entry["metrics"][0], entry["metrics"])
    score = metric if metric in SCORES else SCORES[0]  # a claim of one measure has it in every summary
    names = entry.get("experiment", "").split()
    if profile == "published" and not all(map(is_published, names)):
        return []
    if "check" in entry:
        found = CHECKS[entry["check"]](profile, score)
        found = found if isinstance(found, list) else [found]
        return [Effect(**({"smallest": entry["smallest"][metric]} | f)) for f in found]
    tables = [table for name in names if len(table := runs(name, profile, score))]
    if not tables:
        return []
    table, found = pd.concat(tables, ignore_index=True), []
    try:
        for spec in entry["contrasts"]:
            sizes = (_at(spec, entry, field, metric) for field in ("smallest", "margin"))
            found.append(contrast(table, spec, *sizes))
    except ValueError as error:
        raise ValueError(f"claims.yml, {claim}: {error}") from None
    return [e for e in found if e is not None]
