"""The grids of the first study: which runs each experiment has at each profile.

Evaluation seeds of this edition are 100, 101, ... (those of the first edition were 0, 1, ...). Development seeds start
at 1000: world settings and the weights of LHAS were chosen on them (`develop`), and no reported number uses them.
"""

from dataclasses import replace
from itertools import product

from ..core import CURRICULA, PROFILES, ModelSpec, TrainSpec, choose
from ..selection import PAPER
from ..studies import BranchSpec, EffectSpec, LocalSpec, RunSpec
from ..worlds import ORDERS, SEQUENCES, WorldSpec

TABLE1 = (*PAPER, "alignment")  # the paper's seven and the second reading of "Gradient"
FIRST = 100  # evaluation seed
DEVELOPMENT = tuple(range(1000, 1008))
LORA_LR = 5e-3  # chosen by `develop_lora`
SMOKE = {
    "world": WorldSpec(pool_size=48, test_size=8),
    "model": ModelSpec(hidden=16, steps=20),
    "train": TrainSpec(steps=4, probe_steps=(0, 2, 4), probe_size=32),
}


def evaluation(many: int) -> range:
    """Return the first evaluation seeds."""
    return range(FIRST, FIRST + many)


def seeds(profile: str, fast: int, full: int) -> range:
    """Return the evaluation seeds of a profile; `smoke` has one or two, so that it visits every path."""
    many = {"smoke": min(max(fast, 1), 2), "fast": fast, "full": full}[choose("profile", profile, PROFILES)]
    return evaluation(many)


def stage_runs(profile: str, selectors, which, world: dict | None = None, train: dict | None = None, **fields) -> list:
    """Return a run for each seed and selector, a name or (name, params); `world` and `train` change the defaults."""
    base = SMOKE if profile == "smoke" else {"world": WorldSpec(), "model": ModelSpec(), "train": TrainSpec()}
    recipe = base | {"world": replace(base["world"], **(world or {})), "train": replace(base["train"], **(train or {}))}
    pairs = [(s, {}) if isinstance(s, str) else s for s in selectors]
    return [
        RunSpec(name, seed, params=tuple(sorted(params.items())), **recipe, **fields)
        for seed in which
        for name, params in pairs
    ]


def table1(profile: str) -> list[RunSpec]:
    """Table 1 and 2, Fig. 2 and 4(b): all selectors, skill sequence, 25 % budget."""
    return stage_runs(profile, TABLE1, seeds(profile, 3, 12))


def branch(profile: str) -> list[BranchSpec]:
    """Common start: every selector from the same checkpoint, at every stage of Random's trajectory."""
    return [BranchSpec(s, **(SMOKE if profile == "smoke" else {})) for s in seeds(profile, 2, 12)]


BASELINES = {  # arm -> selector and training: what the literature finds hard to beat
    "balanced": ("balanced", {}),
    "length": ("length", {}),
    "rs2": ("random", {"reselect": 7}),  # 80 steps of 16 are seven epochs of a quarter of the pool
    "none": ("random", {"steps": 0}),
}


def baselines(profile: str) -> list[RunSpec]:
    """Hard baselines beside Table 1: balanced random, length, RS2 (fresh subsets) and no training."""
    which, arms = seeds(profile, 1, 12), BASELINES.values()
    few = {"reselect": 2} if profile == "smoke" else {}
    return [
        s
        for name, train in arms
        for s in stage_runs(profile, (name,), which, train=train | (few if "reselect" in train else {}))
    ]


def matched(profile: str) -> list[RunSpec]:
    """Table 1 with as many response tokens for every selector as for Random, in place of as many steps."""
    names = TABLE1[1:] if profile == "full" else ("loss", "alignment")
    return stage_runs(profile, names, seeds(profile, 1, 12), train={"match": "tokens"})


def controls(profile: str) -> list[RunSpec]:
    """Three controls: planted oracle (60 % noise), shuffled scores, fully aligned stages."""
    which = seeds(profile, 1, 12)
    return (
        stage_runs(profile, ("random", "oracle"), which, world={"noise": 0.6})
        + stage_runs(profile, ("random", "shuffled"), which)
        + stage_runs(profile, ("random", "loss", "gradient", "alignment"), which, world={"alignment": 1.0})
    )


def budgets(profile: str) -> list[RunSpec]:
    """Table 3 and Fig. 3(a): 10 % and 50 % beside the 25 % of `table1`."""
    names = TABLE1 if profile == "full" else ("random", "alignment", "lhas")
    return [s for b in (0.1, 0.5) for s in stage_runs(profile, names, seeds(profile, 1, 8), budget=b)]


def lora(profile: str) -> list[RunSpec]:
    """Fig. 3(c): LoRA of rank 16 and a rank sweep; full fine-tuning stands in `table1`."""
    pair = ("random", "alignment")
    out = stage_runs(profile, pair, seeds(profile, 1, 8), train={"rank": 16, "lr": LORA_LR})
    return out + stage_runs(profile, pair, seeds(profile, 0, 8), train={"rank": 4, "lr": LORA_LR})


def orders(profile: str) -> list[RunSpec]:
    """Fig. 4(a): three other orders of the five stages; the paper's order stands in `table1`."""
    names = ("random", "alignment", "quality", "lhas") if profile == "full" else ("random", "alignment")
    return [s for o in list(ORDERS)[1:] for s in stage_runs(profile, names, seeds(profile, 1, 8), world={"order": o})]


ALIGNMENTS, PRECURSORS = (0.0, 0.5, 1.0), (0.0, 0.2, 0.4)
NOISES, BUDGETS = (0.0, 0.1, 0.3), (0.1, 0.25, 0.5)


def regimes(profile: str) -> list[RunSpec]:
    """Regime map of the reversal: stage alignment x precursor share, and label noise x budget."""
    which, pair = seeds(profile, 0, 8), ("random", "alignment")
    shift = [{"world": {"alignment": a, "precursors": p}} for a, p in product(ALIGNMENTS, PRECURSORS)]
    strain = [{"world": {"noise": v}, "budget": b} for v, b in product(NOISES, BUDGETS)]
    if profile != "full":
        shift, strain = shift[::8], []
    return list(dict.fromkeys(s for knobs in shift + strain for s in stage_runs(profile, pair, which, **knobs)))


def persistence(profile: str) -> list[RunSpec]:
    """Does an early advantage last: 3 and 10 times the steps on the same selection, and re-selection."""
    pair = ("random", "alignment", "lhas")
    steps = SMOKE["train"].steps if profile == "smoke" else TrainSpec().steps
    if profile == "fast":
        return stage_runs(profile, pair, seeds(profile, 1, 8), train={"reselect": 4})
    which = seeds(profile, 1, 8)
    longer = [
        s
        for k, names in ((3, pair), (10, pair[:2]))
        for s in stage_runs(profile, names, which, train={"steps": k * steps})
    ]
    return longer + stage_runs(profile, pair, which, train={"reselect": 4})


def curricula(profile: str) -> list[RunSpec]:
    """Order of the selected examples within a stage: easy first, hard first; shuffled stands in `table1`."""
    names = ("random", "lhas")
    return [s for c in CURRICULA[1:] for s in stage_runs(profile, names, seeds(profile, 1, 8), train={"curriculum": c})]


OTHERS = ("less", "datamodel", "facility_location", "el2n")


def others(profile: str) -> list[RunSpec]:
    """Selectors that the paper does not compare: LESS- and datamodel-style, facility location, EL2N."""
    return stage_runs(profile, OTHERS, seeds(profile, 1, 8))


BANDS = (0.25, 0.5, 0.75)  # the three difficulties of SkillWorld's pools


def bands(profile: str) -> list[RunSpec]:
    """Bridge to the difficulty study: at every stage the examples nearest one difficulty."""
    return stage_runs(profile, [("difficulty_band", {"centre": c}) for c in BANDS], seeds(profile, 1, 8))


def true_effect(profile: str) -> list[EffectSpec]:
    """Subset retraining: what each example really does, now and later."""
    if profile == "smoke":
        return [EffectSpec(s, candidates=6, subsets=4, **SMOKE) for s in seeds(profile, 2, 2)]
    return [EffectSpec(s, subsets=48 if profile == "fast" else 256) for s in seeds(profile, 1, 8)]


def sequences(profile: str) -> list[RunSpec]:
    """The domain and interleaved sequences, which the paper names and prints no numbers for."""
    names = ("random", "alignment", "lhas") if profile == "full" else ("random", "alignment")
    return [s for q in SEQUENCES[1:] for s in stage_runs(profile, names, seeds(profile, 1, 8), world={"sequence": q})]


def develop_lora(profile: str) -> list[RunSpec]:
    """The choice of the LoRA step size: Random's current score on a development seed."""
    rates = (2e-3, 5e-3, 1e-2)
    return [s for r in rates for s in stage_runs(profile, ("random",), DEVELOPMENT[:1], train={"rank": 16, "lr": r})]


def local(profile: str) -> list[LocalSpec]:
    """Prop. 1 and App. B.2 on the trained model (notebook 04)."""
    if profile == "smoke":
        return [LocalSpec(FIRST, random=4, batches=4, trained=1, **SMOKE)]
    return [LocalSpec(s) for s in seeds(profile, 1, 8)]
