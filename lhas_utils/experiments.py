"""The grids behind the notebooks: every run of every figure, by name and profile.

Evaluation seeds are 0, 1, 2, ... Development seeds start at 1000: world settings and the weights
of LHAS were chosen on them (`develop`), and no reported number uses them.
"""

from dataclasses import replace
from functools import cache
from itertools import product

import pandas as pd

from . import metrics, sweep, worlds
from .config import PROFILES, ModelSpec, RunSpec, TrainSpec, WorldSpec, choose
from .selectors import PAPER

TABLE1 = (*PAPER, "alignment")  # the paper's seven and the second reading of "Gradient"
DEVELOPMENT = (1000, 1001)
NOTEBOOKS = {  # notebook -> experiments whose runs it reads
    "00": (),
    "01": ("table1",),
    "02": ("table1",),
    "03": ("table1", "controls"),
}
_SMOKE = {
    "world": WorldSpec(pool_size=48, test_size=8),
    "model": ModelSpec(hidden=16, steps=20),
    "train": TrainSpec(steps=4, probe_steps=(0, 2, 4), probe_size=32),
}


def seeds(profile: str, fast: int, full: int) -> range:
    """Return the evaluation seeds of a profile; `smoke` has two."""
    return range({"smoke": 2, "fast": fast, "full": full}[choose("profile", profile, PROFILES)])


def _specs(profile: str, selectors, which: range, world: dict | None = None, train: dict | None = None, **fields) -> list[RunSpec]:
    base = _SMOKE if profile == "smoke" else {"world": WorldSpec(), "model": ModelSpec(), "train": TrainSpec()}
    changed = base | {"world": replace(base["world"], **(world or {})), "train": replace(base["train"], **(train or {}))}
    return [RunSpec(name, seed, params=tuple(sorted(params.items())), **changed, **fields) for seed in which for name, params in selectors]


def _plain(names):
    return [(n, {}) for n in names]


def table1(profile: str) -> list[RunSpec]:
    """Table 1 and 2, Fig. 2 and 4(b): all selectors, skill sequence, 25 % budget."""
    return _specs(profile, _plain(TABLE1), seeds(profile, 5, 12))


def controls(profile: str) -> list[RunSpec]:
    """Three controls: planted oracle (60 % noise), shuffled scores, fully aligned stages."""
    which = seeds(profile, 2, 8)
    return (
        _specs(profile, _plain(("random", "oracle")), which, world={"noise": 0.6})
        + _specs(profile, _plain(("random", "shuffled")), which)
        + _specs(profile, _plain(("random", "loss", "gradient", "alignment")), which, world={"alignment": 1.0})
    )


def develop(profile: str) -> list[RunSpec]:
    """The choice of LHAS's weights lambda, eta, rho: a grid on development seeds only."""
    names = ("coverage_weight", "proxy_weight", "penalty_weight")
    grid = [dict(zip(names, w)) for w in product((1.0, 3.0), (0.3, 1.0, 3.0), (0.3, 1.0, 3.0))]
    return _specs(profile, [("random", {}), *(("lhas", w) for w in grid)], DEVELOPMENT)


def chosen_weights(profile: str = "full") -> tuple[dict[str, float], pd.DataFrame]:
    """Return the LHAS weights with the highest mean U_long on the development seeds, and the table.

    These are the defaults of `selectors.lhas`; a test of the published run compares them.
    """
    table = summary(experiment("develop", profile)).groupby("params")[["current", "long_horizon", "future_auc", "forgetting", "ood"]].mean()
    table = table.sort_values("long_horizon", ascending=False)
    best = next(p for p in table.index if p)
    return {k: float(v) for k, v in (pair.split("=") for pair in best.split(", "))}, table


EXPERIMENTS = {f.__name__: f for f in (table1, controls, develop)}


def experiment(name: str, profile: str) -> pd.DataFrame:
    """Return the tidy rows of an experiment, from the cache or computed now.

    Args:
        name: one of `EXPERIMENTS`.
        profile: `smoke`, `fast` or `full`.
    """
    return sweep.results(EXPERIMENTS[choose("experiment", name, EXPERIMENTS)](choose("profile", profile, PROFILES)))


@cache
def _weights(sequence, order, alignment):
    return worlds.stage_weights(WorldSpec(sequence=sequence, order=order, alignment=alignment))


def summary(rows: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """Return one row per run of the stage protocol: the spec's columns and every metric.

    Args:
        rows: tidy rows of `experiment` (SkillWorld runs).
        metric: `accuracy`, `exact` or `nll`.
    """
    spec = [c for c in rows.columns if c not in ("split", "stage", "capability", "step", "metric", "value")]
    out = []
    for _, run in rows.groupby("run", sort=True):
        first = run.iloc[0]
        W = _weights(first["sequence"], first["order"], first["alignment"])
        out.append(first[spec].to_dict() | metrics.summarise(run, W, metric))
    table = pd.DataFrame(out)
    return table.merge(metrics.adaptation_tokens(rows, metric), on="run")


@cache
def runs(name: str, profile: str) -> pd.DataFrame:
    """Return `summary` of an experiment, kept for the life of the process."""
    return summary(experiment(name, profile))
