"""What the published rows were computed by, held against today's specs and code.

Code that changes and computes the same numbers need not compute hours of runs anew: `confirm` computes one run of each
kind of code again and holds it, cell by cell, against the published rows.
"""

import io
from collections.abc import Iterable

import pandas as pd

from ..core import choose, digest, paths, write
from .cache import code_of, fill, results
from .experiments import LLM, PUBLISHED, specs
from .published import published, save_rows, to_csv
from .unfinished import anywhere, drop, finish

COLUMNS = ["experiment", "runs", "seeds", "specs", "code", "confirmed", "again"]
WHY_OTHERS = "code that computes something else, or another make of processor, which draws other base models"


def today(names: Iterable[str] | None = None) -> pd.DataFrame:
    """Return what `publish_rows` would write now, one row an experiment.

    Returns:
        DataFrame experiment, runs, seeds, digests of the specs and of all code that the runs reach; `confirmed`, the
        digest of the code that computed runs again with equal rows (none), and how many `again`.
    """
    grids = {name: specs(name, "full") for name in names or PUBLISHED}
    rows = [
        (
            name,
            len(grid),
            len({s.seed for s in grid}),
            digest(*map(anywhere, grid)),
            digest(*sorted({code_of(s) for s in grid})),
            "",
            0,
        )
        for name, grid in grids.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _told() -> pd.DataFrame:
    """Return `figures/data/runs.csv`; no rows before the first publication."""
    path = paths.data("full") / "runs.csv"
    told = pd.read_csv(path, dtype=str, keep_default_na=False) if path.exists() else pd.DataFrame(columns=COLUMNS)
    if list(told.columns) != COLUMNS:
        raise ValueError(f"{path.name}: expected the columns {', '.join(COLUMNS)}; got {', '.join(told.columns)}")
    return told


def publish_rows(names: Iterable[str] | None = None) -> None:
    """Write the rows of experiments at `full`, computed where they lack, and what made them, one by one.

    Args:
        names: all by default but those on a real model (`LLM`), which take several sittings (`unfinished`).
    """
    for name in names or [n for n in PUBLISHED if n not in LLM]:
        grid = specs(choose("experiment", name, PUBLISHED), "full")
        save_rows(name, finish(name, grid) if name in LLM else results(grid))
        _tell(today([name]))
        drop(name)


def _tell(one: pd.DataFrame) -> None:
    """Put the row of an experiment into `figures/data/runs.csv`."""
    made = pd.concat([_told(), one.astype(str)]).drop_duplicates("experiment", keep="last")
    ordered = made.set_index("experiment").reindex([n for n in PUBLISHED if n in set(made["experiment"])])
    write(paths.data("full") / "runs.csv", to_csv(ordered.reset_index()))


def _cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows as the text that is published, without columns that are blank in them."""
    text = io.StringIO(to_csv(rows.drop(columns="run")))
    table = pd.read_csv(text, dtype=str, keep_default_na=False)
    return table.loc[:, (table != "").any()].sort_index(axis=1)


def _apart(was: pd.DataFrame, now: pd.DataFrame) -> list[str]:
    """Return the columns in which rows differ as published text, or what there are more or fewer of."""
    was, now = _cells(was), _cells(now)
    if len(was) != len(now) or set(was) != set(now):
        return sorted(set(was) ^ set(now)) or [f"{len(now)} rows where {len(was)} are published"]
    return was.columns[(was != now).any()].to_list()


def confirm(names: Iterable[str] | None = None) -> None:
    """Compute runs of published experiments again by today's code, one of each kind of code, and note that they agree.

    Args:
        names: by default every experiment whose published rows are of other code than today's.

    Raises:
        ValueError: the specs are other ones, or the first experiment, run and column of which the rows differ.
    """
    made = provenance().set_index("experiment")
    wanted = made.index[(made["runs"] > 0) & ~made["same_code"]] if names is None else names
    kinds = {}
    for name in wanted:
        if not made.loc[choose("experiment", name, PUBLISHED), "same_specs"]:
            raise ValueError(f"confirm {name}: expected published rows of today's specs; got others, publish them anew")
        grid = specs(name, "full")
        kinds[name] = {code_of(spec): (i, spec) for i, spec in reversed(list(enumerate(grid)))}.values()
    fill([spec for some in kinds.values() for _, spec in some])
    for name, some in kinds.items():
        rows = published(name)
        for i, spec in some:
            if lost := _apart(rows[rows["run"] == i], results([spec])):
                where = f"run {i}, {', '.join(lost[:3])}"
                raise ValueError(
                    f"confirm {name}: expected the published rows again; got others ({where}): {WHY_OTHERS}"
                )
        _tell(today([name]).assign(confirmed=lambda t: t["code"], again=len(some), code=made.loc[name, "code"]))
        print(f"{name}: {len(some)} runs computed again, equal to the published ones", flush=True)


def provenance() -> pd.DataFrame:
    """Return `figures/data/runs.csv` with `same_specs` and `same_code`: whether today's are the published ones.

    `still` says whether today's code is the one that computed runs `again`. An experiment that is not published has 0
    runs.
    """
    now = today().merge(_told(), on="experiment", how="left", suffixes=("_now", ""))
    counts = {c: pd.to_numeric(now[c]).fillna(0).astype(int) for c in ("runs", "seeds", "again")}
    same = {f"same_{c}": now[c] == now[f"{c}_now"] for c in ("specs", "code")}
    return now[COLUMNS].assign(**counts, **same, still=now["confirmed"] == now["code_now"])
