"""Checks of what LHAS is worth: somewhere on the map of worlds and budgets, against baselines and term by term."""

from functools import cache

import pandas as pd

from ..analysis.lhas_map import map_runs, pays_somewhere
from ..runs import experiment
from .contract import check


@cache
def _runs(profile: str, metric: str) -> pd.DataFrame:
    rows = experiment("lhas_map", profile)
    return rows if rows.empty else map_runs(rows, metric)


def _somewhere(profile: str, metric: str, *pairs: tuple[str, str]) -> list[dict]:
    """Return what is known of the largest true U_long of arm a minus arm b over the map's cells, for each pair."""
    runs = _runs(profile, metric)
    arms = set(runs["arm"]) if len(runs) else set()
    return [pays_somewhere(runs, a, b) for a, b in pairs if {a, b} <= arms]


@check
def lhas_beats_random_somewhere(profile: str, metric: str = "exact") -> list[dict]:
    """M01: LHAS minus Random, the largest true mean over the map's cells."""
    return _somewhere(profile, metric, ("lhas", "random"))


@check
def lhas_beats_balanced_somewhere(profile: str, metric: str = "exact") -> list[dict]:
    """M02: LHAS minus balanced random, likewise."""
    return _somewhere(profile, metric, ("lhas", "balanced"))


@check
def each_term_pays_somewhere(profile: str, metric: str = "exact") -> list[dict]:
    """M03: LHAS with minus without coverage, proxy and penalty, likewise."""
    terms = ("lhas", "without coverage"), ("lhas", "without proxy"), ("with penalty", "lhas")
    return _somewhere(profile, metric, *terms)


@check
def lhas_beats_diversity_somewhere(profile: str, metric: str = "exact") -> list[dict]:
    """M07: LHAS minus Diversity, likewise."""
    return _somewhere(profile, metric, ("lhas", "diversity"))
