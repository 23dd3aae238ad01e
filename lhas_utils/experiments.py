"""The grids behind the notebooks: every run of every figure, by name and profile.

Evaluation seeds are 0, 1, 2, ... Development seeds start at 1000: world settings and the weights
of LHAS were chosen on them (`develop`), and no reported number uses them.
"""

from dataclasses import replace
from functools import cache
from itertools import product

import pandas as pd

from . import metrics, sweep, worlds
from .config import CURRICULA, ORDERS, PROFILES, SEQUENCES, ModelSpec, RunSpec, TrainSpec, WorldSpec, choose
from .difficulty import develop_opworld, difficulty, opworld
from .local_analysis import LocalSpec
from .selectors import PAPER
from .true_effect import EffectSpec

TABLE1 = (*PAPER, "alignment")  # the paper's seven and the second reading of "Gradient"
DEVELOPMENT = (1000, 1001)
TINY = 5  # examples of a proxy too small to stand for anything: one a capability
NOTEBOOKS = {  # notebook -> experiments whose runs it reads
    "00": (),
    "01": ("table1",),
    "02": ("table1",),
    "03": ("table1", "controls", "regimes", "persistence", "others", "curricula"),
    "04": ("local",),
    "05": ("table1", "ablations", "sensitivity", "budgets", "lora", "sequences", "orders", "true_effect"),
    "06": ("difficulty", "bands", "opworld"),
    "08": ("table1",),
}
LORA_LR = 2e-3  # chosen by `develop_lora`
_SMOKE = {
    "world": WorldSpec(pool_size=48, test_size=8),
    "model": ModelSpec(hidden=16, steps=20),
    "train": TrainSpec(steps=4, probe_steps=(0, 2, 4), probe_size=32),
}


def seeds(profile: str, fast: int, full: int) -> range:
    """Return the evaluation seeds of a profile; `smoke` has one or two, so that it visits every path."""
    return range({"smoke": min(max(fast, 1), 2), "fast": fast, "full": full}[choose("profile", profile, PROFILES)])


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
    which = seeds(profile, 2, 12)
    return (
        _specs(profile, _plain(("random", "oracle")), which, world={"noise": 0.6})
        + _specs(profile, _plain(("random", "shuffled")), which)
        + _specs(profile, _plain(("random", "loss", "gradient", "alignment")), which, world={"alignment": 1.0})
    )


def budgets(profile: str) -> list[RunSpec]:
    """Table 3 and Fig. 3(a): 10 % and 50 % beside the 25 % of `table1`."""
    names = TABLE1 if profile == "full" else ("random", "alignment", "lhas")
    return [s for b in (0.1, 0.5) for s in _specs(profile, _plain(names), seeds(profile, 1, 9), budget=b)]


ABLATIONS = {  # eq. 5 without a term, with another utility, another penalty or a wrong proxy
    "no coverage": {"coverage_weight": 0.0},
    "no proxy": {"proxy_weight": 0.0},
    "no penalty": {"penalty_weight": 0.0},
    "utility alone": {"coverage_weight": 0.0, "proxy_weight": 0.0, "penalty_weight": 0.0},
    "no utility": {"utility": "none"},
    "loss as utility": {"utility": "loss"},
    "gradient as utility": {"utility": "gradient"},
    "eigenvector penalty": {"penalty": "eigenvector"},
    "proxy is the current stage": {"proxy": "current"},
}


def ablations(profile: str) -> list[RunSpec]:
    """Component ablation of eq. 5; the complete LHAS and Random stand in `table1`."""
    return _specs(profile, [("lhas", params) for params in ABLATIONS.values()], seeds(profile, 1, 12))


WEIGHTS = {  # lambda, eta, rho at a third and at three times their chosen values
    f"{name} x {factor}": {name: round(value * scale, 3)}
    for name, value in (("coverage_weight", 3.0), ("proxy_weight", 3.0), ("penalty_weight", 0.3))
    for factor, scale in (("1/3", 1 / 3), ("3", 3.0))
}


def sensitivity(profile: str) -> list[RunSpec]:
    """LHAS at other weights and with a tiny proxy; weight 0 and the wrong proxy stand in `ablations`."""
    out = _specs(profile, [("lhas", params) for params in WEIGHTS.values()], seeds(profile, 0, 6))
    return out + _specs(profile, _plain(("lhas",)), seeds(profile, 0, 6), world={"proxy_size": TINY})


def lora(profile: str) -> list[RunSpec]:
    """Fig. 3(c): LoRA of rank 16 and a rank sweep; full fine-tuning stands in `table1`."""
    pair = _plain(("random", "alignment"))
    out = _specs(profile, pair, seeds(profile, 1, 8), train={"rank": 16, "lr": LORA_LR})
    return out + _specs(profile, pair, seeds(profile, 0, 4), train={"rank": 4, "lr": LORA_LR})


def orders(profile: str) -> list[RunSpec]:
    """Fig. 4(a): three other orders of the five stages; the paper's order stands in `table1`."""
    names = ("random", "alignment", "quality", "lhas") if profile == "full" else ("random", "alignment")
    return [s for o in list(ORDERS)[1:] for s in _specs(profile, _plain(names), seeds(profile, 0, 8), world={"order": o})]


ALIGNMENTS, PRECURSORS = (0.0, 0.5, 1.0), (0.0, 0.2, 0.4)
NOISES, BUDGETS = (0.0, 0.1, 0.3), (0.1, 0.25, 0.5)


def regimes(profile: str) -> list[RunSpec]:
    """Regime map of the reversal: stage alignment x precursor share, and label noise x budget."""
    which, pair = seeds(profile, 0, 5), _plain(("random", "alignment"))
    shift = [_specs(profile, pair, which, world={"alignment": a, "precursors": p}) for a, p in product(ALIGNMENTS, PRECURSORS)]
    strain = [_specs(profile, pair, which, world={"noise": v}, budget=b) for v, b in product(NOISES, BUDGETS)]
    return list(dict.fromkeys(s for part in (*shift, *strain) for s in part))


def persistence(profile: str) -> list[RunSpec]:
    """Does an early advantage last: 3 and 10 times the steps on the same selection, and re-selection."""
    pair = _plain(("random", "alignment", "lhas"))
    steps = _SMOKE["train"].steps if profile == "smoke" else TrainSpec().steps
    longer = [_specs(profile, pair[:2] if k == 10 else pair, seeds(profile, 0, 8), train={"steps": k * steps}) for k in (3, 10)]
    return [s for part in longer for s in part] + _specs(profile, pair, seeds(profile, 0, 8), train={"reselect": 4})


def curricula(profile: str) -> list[RunSpec]:
    """Order of the selected examples within a stage: easy first, hard first; shuffled stands in `table1`."""
    names = _plain(("random", "lhas"))
    return [s for c in CURRICULA[1:] for s in _specs(profile, names, seeds(profile, 0, 6), train={"curriculum": c})]


OTHERS = ("less", "datamodel", "facility_location", "el2n")


def others(profile: str) -> list[RunSpec]:
    """Selectors that the paper does not compare: LESS- and datamodel-style, facility location, EL2N."""
    return _specs(profile, _plain(OTHERS), seeds(profile, 0, 8))


BANDS = (0.25, 0.5, 0.75)  # the three difficulties of SkillWorld's pools


def bands(profile: str) -> list[RunSpec]:
    """Bridge to the difficulty study: at every stage the examples nearest one difficulty."""
    return _specs(profile, [("difficulty_band", {"centre": c}) for c in BANDS], seeds(profile, 1, 8))


def true_effect(profile: str) -> list[EffectSpec]:
    """Subset retraining: what each example really does, now and later."""
    if profile == "smoke":
        return [EffectSpec(s, candidates=6, subsets=4, **_SMOKE) for s in range(2)]
    return [EffectSpec(s) for s in seeds(profile, 0, 6)]


def sequences(profile: str) -> list[RunSpec]:
    """The domain and interleaved sequences, which the paper names and prints no numbers for."""
    names = ("random", "alignment", "lhas") if profile == "full" else ("random", "alignment")
    return [s for q in SEQUENCES[1:] for s in _specs(profile, _plain(names), seeds(profile, 1, 7), world={"sequence": q})]


def develop_lora(profile: str) -> list[RunSpec]:
    """The choice of the LoRA step size: Random's current score on a development seed."""
    return [s for lr in (2e-3, 5e-3, 1e-2) for s in _specs(profile, _plain(("random",)), DEVELOPMENT[:1], train={"rank": 16, "lr": lr})]


def local(profile: str) -> list[LocalSpec]:
    """Prop. 1 and App. B.2 on the trained model (notebook 04)."""
    if profile == "smoke":
        return [LocalSpec(0, random=4, batches=4, trained=1, **_SMOKE)]
    return [LocalSpec(s) for s in seeds(profile, 1, 6)]


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


EXPERIMENTS = {
    f.__name__: f
    for f in (
        table1, controls, budgets, ablations, sensitivity, lora, sequences, orders, regimes, persistence, curricula, others, bands,
        true_effect, local, difficulty, opworld, develop, develop_lora, develop_opworld,
    )
}


def experiment(name: str, profile: str) -> pd.DataFrame:
    """Return the tidy rows of an experiment, from the cache or computed now.

    Args:
        name: one of `EXPERIMENTS`.
        profile: `smoke`, `fast` or `full`.
    """
    specs = EXPERIMENTS[choose("experiment", name, EXPERIMENTS)](choose("profile", profile, PROFILES))
    return sweep.results(specs) if specs else pd.DataFrame()


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
    """Return `summary` of an experiment (empty where a profile leaves it out), kept for the life of the process."""
    rows = experiment(name, profile)
    return rows if rows.empty else summary(rows)


def picks(name: str, profile: str) -> pd.DataFrame:
    """Return every pick of an experiment's runs: stage, index, skill, task, kind and score terms."""
    return sweep.results(EXPERIMENTS[choose("experiment", name, EXPERIMENTS)](profile), picks=True)
