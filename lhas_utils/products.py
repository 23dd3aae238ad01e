"""What a notebook leaves behind: figures with sidecars, and tidy source data, all without dates."""

import gzip
import json

import numpy as np
import pandas as pd

from . import paths, stats
from .config import digest


def save_figure(fig, name: str, setup, *, data: pd.DataFrame, caption: str, alt: str, claims=()):
    """Write `name`.pdf, .png and .json (plotted numbers, caption, alt text, claim ids, digest).

    The digest is of the plotted numbers and the caption; there is no date in any of the three.
    """
    folder = paths.figures(setup.profile)
    folder.mkdir(parents=True, exist_ok=True)
    columns = {c: [_plain(v) for v in data[c]] for c in data.columns}
    sidecar = {"figure": name, "notebook": setup.notebook, "profile": setup.profile, "caption": caption, "alt": alt, "claims": list(claims), "data": columns}
    sidecar["digest"] = digest(sidecar)
    note = f"{caption} [digest {sidecar['digest']}]"
    fig.savefig(folder / f"{name}.pdf", metadata={"Title": name, "Subject": note, "CreationDate": None})
    fig.savefig(folder / f"{name}.png", metadata={"Title": name, "Description": note, "Software": None})
    (folder / f"{name}.json").write_text(json.dumps(sidecar, indent=1) + "\n")
    print(f"{name}: {caption}")


def _plain(value):
    if isinstance(value, (float, np.floating)):
        return None if np.isnan(value) else round(float(value), 6)
    return int(value) if isinstance(value, (bool, np.integer)) else value


def _write(frame: pd.DataFrame, name: str, setup):
    folder = paths.data(setup.profile)
    folder.mkdir(parents=True, exist_ok=True)
    text = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()
    (folder / name).write_bytes(gzip.compress(text, mtime=0) if name.endswith(".gz") else text)


def save_table(intervals: pd.DataFrame, name: str, setup):
    """Write a table of intervals (`stats.table`) as `data/name.csv`."""
    _write(intervals, f"{name}.csv", setup)


def save_rows(rows: pd.DataFrame, name: str, setup):
    """Write tidy rows as `data/name.csv.gz`; constant columns other than selector and seed are left out."""
    constant = [c for c in rows if c not in ("selector", "seed") and rows[c].nunique(dropna=False) == 1]
    _write(rows.drop(columns=[*constant, "run"]), f"{name}.csv.gz", setup)


def evidence(runs: pd.DataFrame, name: str, metrics: list[str], by: list[str], setup) -> tuple[pd.DataFrame, str]:
    """Return the intervals to show for one experiment, and where they come from.

    The `full` profile computes and writes them (`data/name.csv`). A smaller profile runs a slice of
    one or two seeds or none: it shows the published table and says how many of its own means lie in
    the published range; before anything is published it shows its own.

    Args:
        runs: one row per run, possibly empty.
        by: columns that name a condition, such as selector and budget.

    Returns:
        (tidy intervals with columns `by`, metric, mean, low, high, n_seeds; a sentence).
    """
    own = pd.DataFrame()
    if len(runs):
        label = runs[by].astype(str).agg("|".join, axis=1)
        own = stats.table(runs.assign(condition=label), metrics, by="condition")
        own = pd.concat([own["condition"].str.split("|", expand=True).set_axis(by, axis=1), own.drop(columns="condition")], axis=1)
        save_table(own, name, setup)
    path = paths.data("full") / f"{name}.csv"
    if setup.profile == "full" or not path.exists():
        return own, f"{name}: {len(own)} intervals from this run, profile {setup.profile}"
    published = pd.read_csv(path, dtype={c: str for c in by}, keep_default_na=False, na_values={"mean": "", "low": "", "high": ""})
    sentence = f"{name}: published run, {' to '.join(map(str, sorted({published['n_seeds'].min(), published['n_seeds'].max()})))} seeds"
    if len(own):
        both = published.merge(own, on=[*by, "metric"], suffixes=("", "_own"))
        spread = 3 * (both["high"] - both["low"]).clip(lower=0.02)
        near = (both["mean_own"] - both["mean"]).abs() <= spread
        sentence += f"; this run's slice of {int(own['n_seeds'].max())} seed(s) agrees in {near.mean():.0%} of {len(both)} means"
    return published, sentence


def minus_random(intervals: pd.DataFrame, by: str, metric: str, selector: str = "alignment") -> str:
    """Return a selector's mean minus Random's per condition, in words for a caption.

    >>> rows = [("lhas", "10 %", "m", 0.5), ("random", "10 %", "m", 0.25)]
    >>> minus_random(pd.DataFrame(rows, columns=["selector", "b", "metric", "mean"]), "b", "m", "lhas")
    '10 % +0.25'
    """
    part = intervals[intervals["metric"] == metric]
    mean = part.pivot(index=by, columns="selector", values="mean").loc[list(dict.fromkeys(part[by]))]
    return ", ".join(f"{name} {d:+.2f}" for name, d in (mean[selector] - mean["random"]).dropna().items())
