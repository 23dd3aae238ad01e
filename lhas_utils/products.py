"""What a notebook leaves behind: figures with sidecars, and tidy source data, all without dates."""

import gzip
import json

import numpy as np
import pandas as pd

from . import paths
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
    """Write the tidy rows behind a table as `data/name.csv.gz`; constant columns are left out."""
    constant = [c for c in rows if c not in ("selector", "seed") and rows[c].nunique(dropna=False) == 1]
    _write(rows.drop(columns=[*constant, "run"]), f"{name}.csv.gz", setup)
