"""What the pages' script looks things up in: every part of the site, and the published rows by arm and seed."""

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
from nbformat import NotebookNode
from scipy.stats import t

from ...analysis import runs
from ...analysis.summary import MEASURED, SCORES
from ...claims import Record
from ...runs import PUBLISHED, is_published, published

QUANTITIES = (
    "now next_auc next_gain later current start immediate_utility future_auc forgetting ood worst_task final_average "
    "long_horizon entropy concentration"
).split()
SEEDS = 40  # the most seeds that the interval's quantiles are given for


def _staged(name: str) -> bool:
    """Return whether the published rows of an experiment are those of stages, with their mixtures."""
    return is_published(name) and "mixture" in set(published(name).get("split", ()))


def arms(table: pd.DataFrame, measured: Iterable[str]) -> pd.Series:
    """Return the name of each run's arm: its selector, and every setting in which runs of one selector and seed differ.

    Args:
        table: one row a run: seed, selector, settings, and the columns `measured`.
    """
    settings = table.drop(columns=[*measured, "seed", "run", "selector"], errors="ignore").astype(str)
    keys = [table["selector"], table["seed"]]
    differ = [c for c in settings if settings[c].groupby(keys).nunique().max() > 1]
    return table["selector"].str.cat([", " + c + " " + settings[c].replace("", "none") for c in differ])


def _beside_random(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the runs of an experiment, with Table 1's Random where it has no Random of its own."""
    if "random" in set(table["selector"]) or not is_published("table1"):
        return table
    other = runs("table1", "published", metric)
    return pd.concat([other[other["selector"] == "random"], table], ignore_index=True)


def _values(table: pd.DataFrame, quantity: str, order: list[str], seeds: list[int]) -> list[list[float | None]]:
    """Return a quantity by arm and seed in four decimals; None where there is no run."""
    wide = table.pivot_table(index="arm", columns="seed", values=quantity).reindex(index=order, columns=seeds)
    return [[None if np.isnan(v) else round(float(v), 4) for v in row] for row in wide.to_numpy()]


def quantiles() -> list[float]:
    """Return t_{n-1}, the half-width of a 95 % interval in standard errors, for n = 2, 3, ..., `SEEDS` seeds."""
    return [round(float(t.ppf(0.975, n - 1)), 4) for n in range(2, SEEDS + 1)]


def explorer() -> dict:
    """Return the published runs for the rows explorer.

    Returns:
        {"t": quantiles t_{n-1} of 95 % intervals for n = 2, 3, ...; "metrics"; "experiments": name -> arms (A), seeds
        (S), and values, quantity -> metric -> (A, S), the NLL with its sign turned}.
    """
    out: dict[str, dict] = {}
    for name in filter(_staged, PUBLISHED):
        settings = set(published(name)) - {*MEASURED}
        tables = {metric: _beside_random(runs(name, "published", metric), metric) for metric in SCORES}
        first = tables[SCORES[0]]
        named = arms(first, [c for c in first if c not in settings])
        order, seeds = list(dict.fromkeys(named)), sorted(map(int, first["seed"].unique()))
        found = {
            q: {m: _values(table.assign(arm=named), q, order, seeds) for m, table in tables.items()}
            for q in QUANTITIES
            if q in first
        }
        out[name] = {"arms": order, "seeds": seeds, "values": found}
    return {"t": quantiles(), "metrics": list(SCORES), "experiments": out}


def index(notebooks: dict[str, NotebookNode], claims: list[Record], figures: dict[str, dict]) -> list[dict[str, str]]:
    """Return title, text and address of every section, claim and figure."""
    out = []
    for stem, nb in notebooks.items():
        title = ""
        for cell in (c for c in nb.cells if c.cell_type == "markdown"):
            heading = re.search(r"^#+ (.+)", cell.source, re.M)
            if heading:
                title = heading[1].strip()
            words = re.sub(r"[#*`$|]|\]\([^)]*\)|\[", "", cell.source)
            url = f"{stem}.html#{title.replace(' ', '-')}"
            out.append({"title": f"{stem[:2]} {title}", "text": " ".join(words.split()), "url": url})
    for r in claims:
        text = " ".join((r.statement, r.verdict, r.where, r.note))
        out.append({"title": f"{r.claim} {r.statement}", "text": text, "url": f"claims.html#{r.claim}"})
    for name, side in figures.items():
        out.append({"title": name, "text": f"{side['caption']} {side['alt']}", "url": f"index.html#{name}"})
    return out
