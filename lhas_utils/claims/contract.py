"""What `claims.yml` promises: every claim's fields, checked when they are read, and the checks it may name."""

from collections.abc import Callable
from functools import cache

import yaml

from ..core import choose, paths
from ..runs import EXPERIMENTS

REQUIRED = ("id", "statement", "where", "kind", "notebook", "smallest", "test")
KINDS = ("qualitative", "exact", "quoted numbers", "control", "out of scope")
DIRECTIONS = ("greater", "less")
CONTRAST = ("metric", "a", "b", "direction")
CHECKS: dict[str, Callable[[str], dict | list[dict]]] = {}  # name in `claims.yml` -> function of a profile


def check(function: Callable[[str], dict | list[dict]]) -> Callable[[str], dict | list[dict]]:
    """Register a check under its name.

    Args:
        function: takes a profile (or `published`) and returns effects (`analysis.statistics.effect`), signed so that
            positive is what the claim says; an empty list where the profile leaves its runs out.
    """
    if function.__name__ in CHECKS:
        raise ValueError(f"check: expected a name of its own; got {function.__name__!r} twice")
    CHECKS[function.__name__] = function
    return function


def _claim(entry: dict, known: dict) -> dict:
    """Return one entry of the contract if all is well with it; an error names the claim and the field."""
    at = f"claims.yml, {entry.get('id')}: "
    if lacking := [f for f in REQUIRED if f not in entry]:
        raise ValueError(f"{at}expected field {lacking[0]!r}")
    if entry["id"] in known:
        raise ValueError(f"{at}id used twice")
    if choose(f"{at}kind", entry["kind"], KINDS) == "out of scope":
        return entry
    if ("check" in entry) == ("contrasts" in entry):
        raise ValueError(f"{at}expected `contrasts` or `check`")
    if "check" in entry:
        choose(f"{at}check", entry["check"], CHECKS)
    elif "experiment" not in entry:
        raise ValueError(f"{at}expected field 'experiment', where its `contrasts` find their runs")
    for name in entry.get("experiment", "").split():
        choose(f"{at}experiment", name, EXPERIMENTS)
    for i, contrast in enumerate(entry.get("contrasts", ()), 1):
        if lacking := [f for f in CONTRAST if f not in contrast]:
            raise ValueError(f"{at}contrast {i}: expected field {lacking[0]!r}")
        choose(f"{at}contrast {i}, direction", contrast["direction"], DIRECTIONS)
    return entry


@cache
def contract() -> dict[str, dict]:
    """Return the claims of `claims.yml` by id.

    Raises:
        ValueError: for a missing or repeated field, or one with a value that is not known, such as a check.
    """
    out = {}
    for entry in yaml.safe_load((paths.ROOT / "claims.yml").read_text()):
        out[entry.get("id")] = _claim(entry, out)
    return out


def get(claim: str) -> dict:
    """Return one claim's contract; an unknown id is an error that lists the known ones."""
    return contract()[choose("claim", claim, contract())]
