"""Tables of intervals: written beside the figures, read back as evidence, and put into words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from ..core import WHOLE, paths, write
from ..learning import TINY
from ..runs import to_csv
from .statistics import differences, interval, table
from .summary import summary

INTERVALS = ("metric", "mean", "low", "high", "n_seeds")
TEXT_METRICS = ("current", "future_auc", "forgetting", "ood")  # of Table 1, in token accuracy and again in nats
INSIDE = "means inside the published interval, widened for this run's seeds"


class Origin(Protocol):
    """Where a table comes from; what `lu.start` returns is one."""

    profile: str


def save_table(intervals: pd.DataFrame, name: str, setup: Origin) -> None:
    """Write a table of intervals (`statistics.table`) as `data/name.csv`."""
    write(paths.data(setup.profile) / f"{name}.csv", to_csv(intervals))


def _published(name: str, by: Sequence[str]) -> pd.DataFrame:
    path = paths.data("full") / f"{name}.csv"
    numbers = {"mean": "", "low": "", "high": ""}
    found = pd.read_csv(path, dtype={c: str for c in by}, keep_default_na=False, na_values=numbers)
    if lacking := {*by, *INTERVALS} - set(found):
        what = f"expected the columns {', '.join(sorted(lacking))}; got {', '.join(found)}"
        raise ValueError(f"{path.relative_to(paths.ROOT)}: {what}; `make all PROFILE=full` writes it again")
    return found


def predicted(mean, low, high, n, m) -> tuple:
    """Return (low, high) between which the mean of m other seeds may be: mean -+ h becomes mean -+ h sqrt(1 + n / m).

    Args:
        mean, low, high: of n seeds. m: other seeds; 0 for a number without seeds, as 1.
    """
    widen = np.sqrt(1 + n / np.maximum(m, 1))
    return mean - widen * (mean - low), mean + widen * (high - mean)


def against_published(published: pd.DataFrame, own: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return the published intervals widened to what the mean of a run's own seeds may be, and whether it lies there.

    The interval is the prediction interval (`predicted`), outside of which 1 in 20 such means falls by chance. A mean
    equal in six digits is inside.

    Args:
        published, own: columns `keys`, mean, low, high, n_seeds. keys: columns that name a row.

    Returns:
        The rows of both with a published mean: `published`'s columns with low and high widened, mean_run, n_seeds_run,
        inside.
    """
    run = own[[*keys, "mean", "n_seeds"]].rename(columns={"mean": "mean_run", "n_seeds": "n_seeds_run"})
    both = published.dropna(subset=["mean"]).merge(run, on=list(keys))
    low, high = predicted(*(both[c] for c in ("mean", "low", "high", "n_seeds", "n_seeds_run")))
    equal = np.isclose(both["mean_run"], both["mean"], rtol=1e-5, atol=1e-9)
    return both.assign(low=low, high=high, inside=both["mean_run"].between(low, high) | equal)


def evidence(
    runs: pd.DataFrame, name: str, metrics: Sequence[str], by: list[str], setup: Origin
) -> tuple[pd.DataFrame, str]:
    """Return the intervals to show for one experiment, and where they come from.

    The `full` profile, and `published` from the published rows, write them (`data/name.csv`). A smaller profile runs
    a slice of a few seeds or none: it shows the published table and says how many of its own means lie inside the
    published interval, widened for its seeds (`against_published`); before anything is published it shows its own.

    Args:
        runs: one row per run, possibly empty.
        by: columns that name a condition, such as selector and budget.

    Returns:
        (tidy intervals with columns `by`, metric, mean, low, high, n_seeds; a sentence).

    Raises:
        ValueError: for a published table without these columns.
    """
    own = pd.DataFrame()
    if len(runs):
        label = runs[by].astype(str).agg("|".join, axis=1)
        own = table(runs.assign(condition=label), metrics, by="condition")
        names = own.pop("condition").str.split("|", expand=True).set_axis(by, axis=1)
        own = pd.concat([names, own], axis=1)
        save_table(own, name, setup)
    if setup.profile in WHOLE or not (paths.data("full") / f"{name}.csv").exists():
        return own, f"{name}: {len(own)} intervals from this run, profile {setup.profile}"
    published = _published(name, by)
    seeds = sorted({published["n_seeds"].min(), published["n_seeds"].max()})
    sentence = f"{name}: published run, {' to '.join(map(str, seeds))} seeds"
    if len(own):
        inside = against_published(published, own, [*by, "metric"])["inside"]
        seeds = int(own["n_seeds"].max())
        sentence += f"; of this run's slice of {seeds} seed(s) {inside.sum()} of {len(inside)} {INSIDE}"
    return published, sentence


def whose(published: pd.DataFrame, specs: Sequence) -> str:
    """Return in words which language model's numbers are shown: the published one's, or this run's by its name.

    Args:
        published: published rows of the real model; none where they are not there, and this run's are shown.
        specs: this run's specs, each with a `model` and a `seed`.
    """
    if len(published):
        return f"Gemma 3 270M (published, {published['seed'].nunique()} seeds)"
    name, seeds = Path(specs[0].model.name).name, len({spec.seed for spec in specs})
    return f"{name} ({'a small stand-in made here' if name == TINY else 'this run'}, {seeds} seed{'s' * (seeds > 1)})"


def with_differences(runs: pd.DataFrame, metrics: Sequence[str], by: Sequence[str] = ("score",)) -> pd.DataFrame:
    """Return runs twice, told apart by the column `minus`: `nothing`, as they are, and `random`, less Random's.

    Args:
        runs: one row per run, possibly none. metrics: what is subtracted, at the same seed and condition.
        by: columns that name a condition; each has a run of Random at every seed that is to be kept.
    """
    if runs.empty:
        return runs
    paired = [differences(g, g[g["selector"] == "random"], metrics) for _, g in runs.groupby(list(by), sort=False)]
    return pd.concat([runs.assign(minus="nothing"), *(d.assign(minus="random") for d in paired)], ignore_index=True)


def minus_random(
    intervals: pd.DataFrame, by: str, metric: str, selector: str = "alignment", order: Sequence[str] = ()
) -> str:
    """Return a selector's mean minus Random's per condition, in words for a caption.

    Args:
        intervals: columns selector, `by`, metric, mean. order: of the conditions; that of the table by default.

    >>> rows = [("lhas", "10 %", "m", 0.5), ("random", "10 %", "m", 0.25)]
    >>> minus_random(pd.DataFrame(rows, columns=["selector", "b", "metric", "mean"]), "b", "m", "lhas")
    '10 % +0.25'
    """
    part = intervals[intervals["metric"] == metric]
    mean = part.pivot(index=by, columns="selector", values="mean")
    mean = mean.reindex([name for name in order or dict.fromkeys(part[by]) if name in mean.index])
    return ", ".join(f"{name} {d:+.2f}" for name, d in (mean[selector] - mean["random"]).dropna().items())


def text_summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run on real text: every metric in token accuracy, and with the suffix `_nll` in nats.

    With the NLL, forgetting is its rise above its lowest value since the capability was trained; lower is better for
    all of them.
    """
    nll = summary(rows, "nll")[list(TEXT_METRICS)]
    level = nll.columns != "forgetting"
    nll.loc[:, level] *= -1
    return summary(rows, "accuracy").join(nll.add_suffix("_nll"))


def text_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Return Table 1 on real text as tidy intervals: selector, metric, mean, low, high, n_seeds."""
    return table(runs, [*TEXT_METRICS, *(f"{m}_nll" for m in TEXT_METRICS), "entropy", "concentration"])


def against_random(
    runs: pd.DataFrame, metrics: Sequence[str] = ("current_nll", "future_auc_nll"), digits: int = 3
) -> pd.DataFrame:
    """Return the paired differences from Random as `mean [low, high]` texts, a row a selector, a column a metric."""
    wide = runs.pivot(index="seed", columns="selector", values=list(metrics))
    names = [n for n in dict.fromkeys(runs["selector"]) if n != "random"]

    def text(metric, name):
        mean, low, high = interval(wide[metric][name] - wide[metric]["random"])
        return f"{mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"

    return pd.DataFrame({metric: {name: text(metric, name) for name in names} for metric in metrics})
