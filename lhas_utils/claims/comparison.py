"""A profile's runs and tables against the published ones: does this machine find what was published?"""

import numpy as np
import pandas as pd

from ..analysis import against_published
from ..analysis.tables import INSIDE, INTERVALS
from ..core import columns, paths, write
from ..learning import processor
from ..runs import PUBLISHED, WHY_OTHERS, from_csv, is_published, missing, published, results, specs, to_csv
from .contract import contract
from .judge import verdicts
from .publish import published_verdicts

REDRAWN = ("table1", "branch")  # experiments that are quick, and that many claims rest on alone
_INTERVALS = set(INTERVALS)


def _by_run(rows: pd.DataFrame, settings: list[str]) -> dict[tuple, pd.DataFrame]:
    """Return settings -> what was measured, of every run."""
    of = rows.drop_duplicates("run").set_index("run")[[c for c in settings if c in rows]]
    keys = dict(zip(of.index, (tuple(map(str, values)) for values in of.itertuples(index=False))))
    measured = rows.drop(columns=list(of))
    return {keys[run]: g.drop(columns="run").reset_index(drop=True) for run, g in measured.groupby("run", sort=False)}


def _apart(mine: pd.DataFrame, theirs: pd.DataFrame) -> float:
    """Return the largest difference of two runs' numbers; infinite where their rows are not the same ones."""
    mine = mine.reindex(columns=theirs.columns)
    kind = theirs.select_dtypes("number").columns
    words = theirs.columns.drop(kind)
    if len(mine) != len(theirs) or not mine[words].equals(theirs[words]):
        return np.inf
    a, b = (t[kind].to_numpy(float) for t in (mine, theirs))
    away = np.where(np.isnan(a) & np.isnan(b), 0.0, abs(a - b))
    return float(np.nan_to_num(away, nan=np.inf).max(initial=0.0))


def same_runs(profile: str) -> pd.DataFrame:
    """Compare the runs that a profile shares with the published ones, spec and seed, row by row, in six digits.

    Returns:
        DataFrame experiment, runs (shared, and computed here already), equal (with all rows equal), largest
        (difference of a number; infinite where the rows are others).
    """
    out = []
    for name in filter(is_published, PUBLISHED):
        whole = set(specs(name, "full"))
        lost = set(missing(specs(name, profile)))
        shared = [s for s in specs(name, profile) if s in whole and s not in lost]
        if not shared:
            continue
        settings = list(columns(shared[0]))
        theirs = _by_run(published(name), settings)
        mine = _by_run(from_csv(to_csv(results(shared))), settings)
        away = np.array([_apart(one, theirs[key]) for key, one in mine.items() if key in theirs])
        out.append((name, len(away), int((away == 0).sum()), away.max(initial=0.0)))
    return pd.DataFrame(out, columns=["experiment", "runs", "equal", "largest"])


def verify(profile: str) -> pd.DataFrame:
    """Compare a run's tables with the published ones, metric by metric.

    Returns:
        DataFrame table, name, metric, published mean and widened interval, this run's mean, `inside`
        (`analysis.against_published`).

    Raises:
        ValueError: where this run has no tables yet, or of other conditions than the published ones.
    """
    out = []
    for path in sorted(paths.data("full").glob("*.csv")):
        mine = paths.data(profile) / path.name
        published = pd.read_csv(path)
        if not mine.exists() or not _INTERVALS <= set(published.columns):
            continue
        own, keys = pd.read_csv(mine), [c for c in published.columns if c not in _INTERVALS - {"metric"}]
        if lacking := set(published.columns) - set(own.columns):
            what = f"expected the columns {', '.join(sorted(lacking))}; got {', '.join(own.columns)}"
            raise ValueError(f"{mine.relative_to(paths.ROOT)}: {what}; run `make all PROFILE={profile}` again")
        both = against_published(published, own, keys).assign(table=path.stem, name=lambda t: t[keys[0]])
        both = both.rename(columns={"mean": "published", "mean_run": "this run"})
        out.append(both[["table", "name", "metric", "published", "low", "high", "this run", "inside"]])
    if not out:
        where = paths.data(profile).relative_to(paths.ROOT)
        raise ValueError(f"nothing to compare: expected tables in {where}; run `make all PROFILE={profile}` first")
    return pd.concat(out, ignore_index=True)


def show_verify(profile: str) -> None:
    """Print `same_runs` in one line, then `verify`: every value outside its interval, the share inside per table."""
    same = same_runs(profile)
    runs, equal, largest = same["runs"].sum(), same["equal"].sum(), same["largest"].max() if len(same) else 0.0
    print(f"{equal} of {runs} runs with a published spec and seed have rows equal to six digits; ", end="")
    print(f"largest difference {largest:.3g}")
    if equal < runs:
        print(f"Rows differ: {WHY_OTHERS} (README, Limits).")
    table = verify(profile)
    outside = table[~table["inside"]]
    if len(outside):
        print(outside.drop(columns="inside").round(3).to_string(index=False))
    for name, part in table.groupby("table"):
        print(f"{name:20} {int(part['inside'].sum()):4} of {len(part):4} {INSIDE}")
    print("A prediction interval for the mean of fewer seeds: about 1 in 20 values falls outside by chance.")


def redraw() -> None:
    """Judge the claims that rest on one of `REDRAWN` by this machine's own runs; say which verdicts differ.

    On another make of processor sums are added in another order, and base models trained from scratch are another draw
    on the same worlds. Writes `redrawn.csv`, with the processor, beside the published verdicts, which stay as they are.
    """
    ids = [claim for claim, entry in contract().items() if entry.get("experiment") in REDRAWN]
    table = verdicts("full", ids)[0].drop(columns=["tally", "profile", "note"]).round(4).assign(processor=processor())
    write(paths.data("full") / "redrawn.csv", table.to_csv(index=False, lineterminator="\n"))
    print(redrawn())


def redrawn() -> str:
    """Return where `redrawn.csv` is from, which of its verdicts differ from the published ones, how many reversed."""
    other = pd.read_csv(paths.data("full") / "redrawn.csv", index_col="id")
    both = pd.DataFrame({"published": published_verdicts()["verdict"], "other": other["verdict"]}).loc[other.index]
    apart = both[both["published"] != both["other"]]
    turned = (apart.isin(["REPRODUCED", "CONTRADICTED"]).all(axis=1)).sum()
    which = "; ".join(f"{claim} {row.other}, published {row.published}" for claim, row in apart.iterrows())
    said = f"{len(apart)} of {len(both)} verdicts differ" + (f" ({which})" if which else "")
    return f"{other['processor'].iloc[0]}: {said}; {turned or 'none'} of them between REPRODUCED and CONTRADICTED."
