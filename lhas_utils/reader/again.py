"""A race from a file: the saved ones again, or a selector that somebody sent."""

import inspect
import json
from pathlib import Path

import pandas as pd

from .race import compare
from .saved import digest_of, loaded


def run_again(file: str) -> None:
    """Run the race of a file, print its table, and say whether it is the one that was saved beside it."""
    path = Path(file).expanduser().resolve()
    if not path.is_file():
        raise ValueError(f"FILE {file!r}: expected a Python file with a selector; there is none")
    select, asked = loaded(path)
    known = set(inspect.signature(compare).parameters) - {"select"}
    if unknown := sorted(set(asked) - known):
        raise ValueError(
            f"FILE {file!r}: expected in RACE some of {', '.join(sorted(known))}; got {', '.join(unknown)}"
        )
    race = compare(select, **asked)
    print(race.table.to_string())
    if "random" in race.against:
        print(race.apart())
    beside = path.with_name("race.json")
    if beside.is_file():
        said = json.loads(beside.read_text(encoding="utf-8")).get("digest")
        if said != digest_of(race):
            old = pd.read_csv(path.with_name("table.csv")).set_index("selector")
            away = float((old - race.table).abs().max(axis=None))
            raise ValueError(f"{path.name}: expected the numbers of digest {said}; got others, {away:.3f} away at most")
        print(f"the same numbers as saved, digest {said}")
