"""Every experiment by name, and its rows at a profile."""

from collections.abc import Callable

import pandas as pd

from ..core import PROFILES, choose
from . import cache, difficulty_grids, grids, lhas_grids, llm_grids, text_grids
from .published import is_published, published

EXPERIMENTS: dict[str, Callable[[str], list]] = {  # name -> its specs at a profile
    f.__name__: f
    for f in (
        grids.branch,
        grids.table1,
        grids.baselines,
        grids.matched,
        grids.controls,
        grids.budgets,
        lhas_grids.ablations,
        lhas_grids.sensitivity,
        lhas_grids.proxies,
        lhas_grids.judges,
        lhas_grids.lhas_map,
        grids.lora,
        grids.sequences,
        grids.orders,
        grids.regimes,
        grids.persistence,
        grids.curricula,
        grids.others,
        grids.bands,
        grids.true_effect,
        grids.local,
        difficulty_grids.difficulty,
        difficulty_grids.opworld,
        llm_grids.llm_branch,
        llm_grids.llm_paths,
        llm_grids.llm_difficulty,
        text_grids.text_branch,
        lhas_grids.develop,
        grids.develop_lora,
        difficulty_grids.develop_difficulty,
        difficulty_grids.develop_opworld,
    )
}
LLM = ("llm_branch", "llm_paths", "llm_difficulty", "text_branch")  # run and published by `make llm` alone
NOTEBOOKS = {  # notebook -> experiments whose runs it reads
    "00": (),
    "01": ("table1",),
    "02": ("table1",),
    "03": ("branch", "table1", "baselines", "matched", "controls", "regimes", "persistence", "others", "curricula"),
    "04": ("local",),
    "05": (
        "table1",
        "develop",
        "ablations",
        "sensitivity",
        "proxies",
        "judges",
        "lhas_map",
        "budgets",
        "lora",
        "sequences",
        "orders",
        "true_effect",
    ),
    "06": ("difficulty", "bands", "opworld", "develop_difficulty"),
    "07": LLM,
    "08": ("table1",),
}
PUBLISHED = tuple(dict.fromkeys(e for names in NOTEBOOKS.values() for e in names))


def specs(name: str, profile: str) -> list:
    """Return the specs of an experiment at a profile; empty where the profile leaves it out."""
    return EXPERIMENTS[choose("experiment", name, EXPERIMENTS)](choose("profile", profile, PROFILES))


def experiment(name: str, profile: str) -> pd.DataFrame:
    """Return the tidy rows of an experiment, from the cache or computed now; empty where the profile leaves it out.

    Args:
        name: one of `EXPERIMENTS`.
        profile: `smoke`, `fast` or `full`; or `published`, the rows in `figures/data`. What `make llm` computes
            (`LLM`) is read from there at `full`, too.
    """
    if profile == "published" or (profile == "full" and name in LLM):
        return published(name) if is_published(choose("experiment", name, EXPERIMENTS)) else pd.DataFrame()
    grid = specs(name, profile)
    return cache.results(grid) if grid else pd.DataFrame()


def picks(name: str, profile: str) -> pd.DataFrame:
    """Return every pick of an experiment's runs: stage, index, skill, task, kind, score terms; none is published."""
    if profile == "published":
        return pd.DataFrame()
    return cache.results(specs(name, profile), picks=True)
