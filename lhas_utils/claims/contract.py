"""What `claims.yml` promises: every claim's fields, checked when they are read, and the checks it may name."""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import cache

import yaml

from ..analysis.summary import SCORES
from ..core import choose, number, paths
from ..runs import EXPERIMENTS, specs

REQUIRED = ("id", "statement", "where", "kind", "tally", "notebook", "test")
JUDGED = ("quantifier", "metrics", "smallest", "seeds")  # of every claim that is not out of scope
TEXTS = (*REQUIRED, "quantifier", "experiment", "protocol", "check", "figure", "note")
KINDS = ("qualitative", "exact", "quoted numbers", "control", "out of scope")
SEEDLESS = ("exact", "quoted numbers")  # kinds whose effects are numbers without an interval
TALLIES = {
    "papers": "The papers' experiments",
    "printed": "The papers' printed numbers and theory",
    "ours": "Our own additions and controls",
}
QUANTIFIERS = ("all", "each")
MEASURES = ("entropy", "concentration", "difficulty", "quality", "correlation", "theory", "printed")
PROTOCOLS = ("branch", "trajectory", "eq1")
DIRECTIONS = ("greater", "less")
CONTRAST = ("quantity", "a", "b", "direction")
FEWEST = 8  # seeds of a verdict
CHECKS: dict[str, Callable[[str, str], dict | list[dict]]] = {}  # name in `claims.yml` -> function


def check(function: Callable[[str, str], dict | list[dict]]) -> Callable[[str, str], dict | list[dict]]:
    """Register a check under its name.

    Args:
        function: takes a profile (or `published`) and a metric of `SCORES`, which it ignores where it knows none, and
            returns effects (`analysis.statistics.effect`), signed so that positive is what the claim says; an empty
            list where the profile leaves its runs out.
    """
    if function.__name__ in CHECKS:
        raise ValueError(f"check: expected a name of its own; got {function.__name__!r} twice")
    CHECKS[function.__name__] = function
    return function


def _lacking(at: str, entry: dict, fields: Iterable[str]) -> None:
    for field in fields:
        if field not in entry:
            raise ValueError(f"{at}expected field {field!r}")


def _texts(at: str, entry: dict, fields: Iterable[str]) -> None:
    for field in fields:
        if not isinstance(entry.get(field, ""), str):
            raise ValueError(f"{at}{field}: expected a text; got {entry[field]!r}")


def _sizes(at: str, sizes: object, metrics: list[str]) -> None:
    """Check a field that has one number for each of a claim's metrics."""
    if not isinstance(sizes, dict) or set(sizes) != set(metrics):
        raise ValueError(f"{at}: expected one number for each of {', '.join(metrics)}; got {sizes}")
    for metric, value in sizes.items():
        number(f"{at}, {metric}", value, 0, 1e6)


def _judged(at: str, entry: dict) -> None:
    """Check the fields that the verdict rule reads."""
    _lacking(at, entry, JUDGED)
    choose(f"{at}quantifier", entry["quantifier"], QUANTIFIERS)
    metrics = entry["metrics"]
    if not isinstance(metrics, list) or not metrics or len(set(map(str, metrics))) < len(metrics):
        raise ValueError(f"{at}metrics: expected a list of different metrics, primary first; got {metrics}")
    for metric in metrics:
        choose(f"{at}metrics", metric, (*SCORES, *MEASURES) if len(metrics) == 1 else SCORES)
    _sizes(f"{at}smallest", entry["smallest"], metrics)
    number(f"{at}seeds", entry["seeds"], 0 if entry["kind"] in SEEDLESS else FEWEST, 10**4, integer=True)


def _contrast(at: str, contrast: object) -> None:
    """Check the fields of a contrast whose value does not hang on the rest of its claim."""
    if not isinstance(contrast, dict):
        raise ValueError(f"{at}: expected fields; got {contrast!r}")
    _lacking(f"{at}: ", contrast, CONTRAST)
    _texts(f"{at}, ", contrast, ("quantity", "direction"))
    pairs = [contrast]
    if "minus" in contrast:
        pairs.append(contrast["minus"])
    for pair in pairs:
        if not isinstance(pair, dict) or not all(isinstance(pair.get(side), str | dict) for side in "ab"):
            raise ValueError(f"{at}: expected a and b, selectors or filters; got {pair!r}")


def _contrasts(at: str, entry: dict) -> None:
    """Check the contrasts, and that their quantities are those of the claim's protocol."""
    _lacking(at, entry, ("experiment", "protocol"))
    printed = choose(f"{at}protocol", entry["protocol"], PROTOCOLS) == "eq1"
    if not isinstance(entry["contrasts"], list) or not entry["contrasts"]:
        raise ValueError(f"{at}contrasts: expected a list of contrasts; got {entry['contrasts']!r}")
    for i, contrast in enumerate(entry["contrasts"], 1):
        where = f"{at}contrast {i}"
        _contrast(where, contrast)
        choose(f"{where}, direction", contrast["direction"], DIRECTIONS)
        for field in {"smallest", "margin"} & set(contrast):
            _sizes(f"{where}, {field}", contrast[field], entry["metrics"])
        if contrast["quantity"] == "immediate_utility" and not printed:
            raise ValueError(f"{where}: immediate_utility expected protocol eq1; got {entry['protocol']}")


def _claim(entry: object, known: dict) -> dict:
    """Return one entry of the contract if all is well with it; an error names the claim and the field."""
    if not isinstance(entry, dict):
        raise ValueError(f"claims.yml, entry {len(known) + 1}: expected the fields of a claim; got {entry!r}")
    at = f"claims.yml, {entry.get('id')}: "
    _lacking(at, entry, REQUIRED)
    _texts(at, entry, TEXTS)
    if entry["id"] in known:
        raise ValueError(f"{at}id used twice")
    choose(f"{at}tally", entry["tally"], TALLIES)
    if choose(f"{at}kind", entry["kind"], KINDS) == "out of scope":
        return entry
    _judged(at, entry)
    if ("check" in entry) == ("contrasts" in entry):
        raise ValueError(f"{at}expected `contrasts` or `check`")
    if "check" in entry:
        choose(f"{at}check", entry["check"], CHECKS)
        if entry["kind"] not in SEEDLESS:
            _lacking(at, entry, ("experiment",))
    else:
        _contrasts(at, entry)
    choose(f"{at}protocol", entry.get("protocol", "branch"), PROTOCOLS)
    if entry.get("protocol") == "eq1" and re.search(r"\brevers(al|es)\b", entry["statement"], re.I):
        raise ValueError(f"{at}protocol: a reversal expected one of branch, trajectory; got 'eq1'")
    for name in entry.get("experiment", "").split():
        choose(f"{at}experiment", name, EXPERIMENTS)
    return entry


@cache
def contract() -> dict[str, dict]:
    """Return the claims of `claims.yml` by id.

    Raises:
        ValueError: for a file that is no list of claims, a missing or repeated field, or one with a value of another
            type, or that is not known, such as a check.
    """
    try:
        entries = yaml.safe_load((paths.ROOT / "claims.yml").read_text())
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:  # the last: of an impossible date
        raise ValueError(f"claims.yml: expected YAML; got {' '.join(str(error).split())}") from None
    if not isinstance(entries, list):
        raise ValueError(f"claims.yml: expected a list of claims; got {type(entries).__name__}")
    out: dict[str, dict] = {}
    for entry in entries:
        checked = _claim(entry, out)
        out[checked["id"]] = checked
    return out


def shown_in(figure: str) -> list[str]:
    """Return the ids of the claims whose evidence a figure shows, in the contract's order."""
    return [claim for claim, entry in contract().items() if entry.get("figure") == figure]


def get(claim: str) -> dict:
    """Return one claim's contract, whatever the case of its id.

    Raises:
        ValueError: for an unknown id; it names the three nearest.
    """
    known, wanted = {c.casefold(): c for c in contract()}, str(claim).strip().casefold()
    if wanted not in known:
        near = ", ".join(known[c] for c in get_close_matches(wanted, known, 3, 0))
        raise ValueError(f"claim: expected an id of claims.yml, the nearest are {near}; got {claim!r}")
    return contract()[known[wanted]]


def enough_seeds() -> None:
    """See that the grids of the `full` profile have the seeds that every claim's verdict needs.

    Raises:
        ValueError: naming every claim whose `experiment` has fewer than its `seeds`.
    """
    planned = {name: len({spec.seed for spec in specs(name, "full")}) for name in EXPERIMENTS}
    short = [
        f"{claim}: seeds: expected {entry['seeds']} in {name}; got {planned[name]}"
        for claim, entry in contract().items()
        for name in entry.get("experiment", "").split()
        if planned[name] < entry.get("seeds", 0)
    ]
    if short:
        raise ValueError("claims.yml, " + "; ".join(short))
