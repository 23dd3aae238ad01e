"""The finished runs of an experiment that takes several sittings, kept with the project until all are there.

A run cache is of one machine; `figures/data/unfinished_NAME.csv.gz` goes from one to the next. Only the one who
computes the rest reads it: no table, figure or verdict rests on a part of an experiment.
"""

from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from ..core import Checkpoint, columns, digest, paths, store
from .cache import code_of, fill, missing, path, results
from .published import read_rows, write_rows


def anywhere(spec):
    """Return a spec as it is on every machine: a model's folder is told by its name, its content by the fingerprint."""
    if not isinstance(spec.model, Checkpoint):
        return spec
    return replace(spec, model=replace(spec.model, name=Path(spec.model.name).name))


def _file(name: str) -> Path:
    return paths.data("full") / f"unfinished_{name}.csv.gz"


def _keys(grid: list) -> dict[str, object]:
    """Return the runs of a grid by what their rows depend on, equal on every machine."""
    return {digest(anywhere(spec), code_of(spec)): spec for spec in grid}


def _kept(name: str, grid: list) -> tuple[pd.DataFrame, dict[str, object]]:
    """Return the kept rows of an experiment, and those of its runs that they hold as today's code computes them."""
    if not _file(name).exists():
        return pd.DataFrame(), {}
    rows = read_rows(_file(name))
    there = set(rows["key"])
    return rows, {key: spec for key, spec in _keys(grid).items() if key in there}


def kept(name: str, grid: list) -> int:
    """Return how many runs of an experiment are kept."""
    return len(_kept(name, grid)[1])


def _bring(name: str, grid: list) -> None:
    """Put the kept runs that the cache lacks into it."""
    rows, there = _kept(name, missing(grid))
    for key, spec in there.items():
        own = rows[rows["key"] == key].drop(columns=["key", "run", *columns(spec)])
        store(path(spec), own, spec=asdict(spec))


def _keep(name: str, grid: list) -> None:
    """Write the rows of all finished runs, complete or not at all."""
    lacking = set(missing(grid))
    done = {key: spec for key, spec in _keys(grid).items() if spec not in lacking}
    rows = pd.concat([results([spec]).assign(key=key) for key, spec in done.items()], ignore_index=True)
    write_rows(_file(name), rows)


def finish(name: str, grid: list) -> pd.DataFrame:
    """Return the rows of an experiment: kept runs are taken, the others computed, and each one kept when it is done.

    Once its rows are published, `drop` them.
    """
    _bring(name, grid)
    print(f"{name}: {len(grid)} runs, {len(missing(grid))} to compute", flush=True)
    fill(grid, each=lambda: _keep(name, grid))
    return results(grid)


def drop(name: str) -> None:
    """Remove what was kept of an experiment."""
    _file(name).unlink(missing_ok=True)
