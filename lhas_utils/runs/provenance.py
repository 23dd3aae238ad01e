"""What the published rows were computed by, held against today's specs and code."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ..core import Checkpoint, choose, digest, paths, write
from .cache import code_of, results
from .experiments import LLM, PUBLISHED, specs
from .published import save_rows, to_csv

COLUMNS = ["experiment", "runs", "seeds", "specs", "code"]


def _anywhere(spec):
    """Return a spec as it is on every machine: a model's folder is told by its name, its content by the fingerprint."""
    if not isinstance(spec.model, Checkpoint):
        return spec
    return replace(spec, model=replace(spec.model, name=Path(spec.model.name).name))


def today(names: Iterable[str] | None = None) -> pd.DataFrame:
    """Return what `publish_rows` would write now, one row an experiment.

    Returns:
        DataFrame experiment, runs, seeds, and digests of the specs and of all code that the runs reach.
    """
    grids = {name: specs(name, "full") for name in names or PUBLISHED}
    rows = [
        (
            name,
            len(grid),
            len({s.seed for s in grid}),
            digest(*map(_anywhere, grid)),
            digest(*sorted({code_of(s) for s in grid})),
        )
        for name, grid in grids.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _told() -> pd.DataFrame:
    """Return `figures/data/runs.csv`; no rows before the first publication."""
    path = paths.data("full") / "runs.csv"
    told = pd.read_csv(path, dtype=str) if path.exists() else pd.DataFrame(columns=COLUMNS)
    if list(told.columns) != COLUMNS:
        raise ValueError(f"{path.name}: expected the columns {', '.join(COLUMNS)}; got {', '.join(told.columns)}")
    return told


def publish_rows(names: Iterable[str] | None = None) -> None:
    """Write the rows of experiments at `full`, computed where they lack, and what made them, one by one.

    Args:
        names: all by default but those on a real model (`LLM`).
    """
    for name in names or [n for n in PUBLISHED if n not in LLM]:
        save_rows(name, results(specs(choose("experiment", name, PUBLISHED), "full")))
        made = pd.concat([_told(), today([name]).astype(str)]).drop_duplicates("experiment", keep="last")
        ordered = made.set_index("experiment").reindex([n for n in PUBLISHED if n in set(made["experiment"])])
        write(paths.data("full") / "runs.csv", to_csv(ordered.reset_index()))


def provenance() -> pd.DataFrame:
    """Return `figures/data/runs.csv` with `same_specs` and `same_code`: whether today's are the published ones.

    An experiment that is not published has 0 runs.
    """
    now = today().merge(_told(), on="experiment", how="left", suffixes=("_now", ""))
    counts = {c: pd.to_numeric(now[c]).fillna(0).astype(int) for c in ("runs", "seeds")}
    same = {f"same_{c}": now[c] == now[f"{c}_now"] for c in ("specs", "code")}
    return now[COLUMNS].assign(**counts, **same)
