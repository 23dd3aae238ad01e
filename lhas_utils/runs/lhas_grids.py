"""The grids that ask whether LHAS (eq. 5) is worth its terms: tuning, ablation, sensitivity, proxies and the map.

Where a grid compares with LHAS as it is, or with Random, in the world as it is, those runs stand in `table1`.
"""

from itertools import product

from ..studies import RunSpec
from .grids import DEVELOPMENT, seeds, stage_runs

LEVELS = (0.0, 1.0, 3.0, 10.0)
ROUNDS = (DEVELOPMENT[:2], DEVELOPMENT[2:4], DEVELOPMENT[4:])  # seeds that each round of the tuning adds
SURVIVORS = (  # (lambda, eta, rho) that the rounds before left over (`analysis.halving` says so from the rows)
    ((3.0, 0.0, 3.0), (3.0, 3.0, 0.0), (3.0, 10.0, 1.0), (10.0, 1.0, 0.0), (10.0, 3.0, 1.0)),
    ((3.0, 0.0, 3.0), (3.0, 3.0, 0.0)),
)


def as_text(params: dict) -> str:
    """Return a selector's parameters as the column `params` of rows has them."""
    return ", ".join(f"{name}={value}" for name, value in sorted(params.items()))


def weights(setting) -> dict[str, float]:
    """Return lambda, eta, rho as parameters of `lhas`."""
    return dict(zip(("coverage_weight", "proxy_weight", "penalty_weight"), setting))


def design() -> tuple[tuple[float, float, float], ...]:
    """Return the settings of the first round: 16 of the 64 of `LEVELS`^3, each pair of levels of two weights once."""
    n = len(LEVELS)
    return tuple((LEVELS[i], LEVELS[j], LEVELS[(i + j) % n]) for i, j in product(range(n), repeat=2))


def develop(profile: str) -> list[RunSpec]:
    """The choice of lambda, eta, rho on development seeds by halving: many settings on few seeds, few on all."""
    if profile == "fast":
        return []
    rounds = list(zip((design(), *SURVIVORS), ROUNDS))
    if profile == "smoke":
        rounds = [(SURVIVORS[-1][:2], which[:1]) for which in ROUNDS]
    return [
        s
        for settings, which in rounds
        for s in stage_runs(profile, [("random", {}), *(("lhas", weights(v)) for v in settings)], which)
    ]


ABLATIONS = {  # eq. 5 without a term, with that of weight 0, another utility, penalty or history, or a wrong proxy
    "without coverage": {"coverage_weight": 0.0},
    "without proxy": {"proxy_weight": 0.0},
    "with penalty": {"penalty_weight": 1.0},
    "utility alone": {"coverage_weight": 0.0, "proxy_weight": 0.0, "penalty_weight": 0.0},
    "no utility": {"utility": "none"},
    "utility within length": {"utility": "within_length"},
    "loss as utility": {"utility": "loss"},
    "gradient as utility": {"utility": "gradient"},
    "with eigenvector penalty": {"penalty": "eigenvector", "penalty_weight": 1.0},
    "history of earlier stages": {"history": "previous"},
    "proxy is the current stage": {"proxy": "current"},
}


def ablations(profile: str) -> list[RunSpec]:
    """Component ablation of eq. 5."""
    some = list(ABLATIONS.values())[:4] if profile == "fast" else ABLATIONS.values()
    return stage_runs(profile, [("lhas", params) for params in some], seeds(profile, 1, 12))


WEIGHTS = {  # lambda and eta at a third and at three times their chosen values, and a small rho
    f"{name} {value:g}": {name: value}
    for name, values in (("coverage_weight", (1.0, 9.0)), ("proxy_weight", (1.0, 9.0)), ("penalty_weight", (0.3,)))
    for value in values
}


def sensitivity(profile: str) -> list[RunSpec]:
    """LHAS at other weights; weight 0 stands in `ablations`."""
    return stage_runs(profile, [("lhas", params) for params in WEIGHTS.values()], seeds(profile, 1, 8))


TINY = 5  # examples of a proxy too small to stand for anything: one a capability
PROXIES = {  # name -> the world's P_t; the standing suite stands in `table1`
    "next stage": {"proxy": "next"},
    "previous stage": {"proxy": "previous"},
    "five examples": {"proxy_size": TINY},
}


def proxies(profile: str) -> list[RunSpec]:
    """LHAS with a better, a stale and a tiny proxy."""
    return [s for world in PROXIES.values() for s in stage_runs(profile, ("lhas",), seeds(profile, 1, 8), world)]


JUDGES = (0.0, 1.0, 3.0, 10.0)  # standard deviation of the error of Quality's judge; 1 is SkillWorld's
LABEL_NOISE = (0.1, 0.3)  # SkillWorld's, and the map's


def judges(profile: str) -> list[RunSpec]:
    """Quality by better and worse judges where few and where many responses are wrong, beside Random and LHAS.

    At SkillWorld's own noise and judge the runs stand in `table1`.
    """
    which, out = seeds(profile, 1, 12), []
    for noise, error in product(LABEL_NOISE if profile == "full" else LABEL_NOISE[:1], JUDGES):
        arms = ("quality", "random", "lhas") if error == 1 else ("quality",)
        if (noise, error) != (LABEL_NOISE[0], 1):
            out += stage_runs(profile, arms, which, {"noise": noise, "judge_noise": error})
    return out


CELLS = {"duplicates": (0.0, 0.6), "imbalance": (0.0, 0.8), "noise": (0.0, 0.3), "budget": (0.05, 0.25)}
ARMS = {  # arm of the map -> selector and its parameters
    "random": ("random", {}),
    "balanced": ("balanced", {}),
    "lhas": ("lhas", {}),
    "diversity": ("diversity", {}),
    "without coverage": ("lhas", ABLATIONS["without coverage"]),
    "without proxy": ("lhas", ABLATIONS["without proxy"]),
    "with penalty": ("lhas", ABLATIONS["with penalty"]),
}


def lhas_map(profile: str) -> list[RunSpec]:
    """Where LHAS pays: duplicates x imbalance x noise x budget, for LHAS with and without its terms and baselines."""
    cells, arms = list(product(*CELLS.values())), list(ARMS.values())
    if profile != "full":
        cells, arms = [cells[0], cells[-1]], arms[:3]
    out = []
    for *knobs, budget in cells:
        out += stage_runs(profile, arms, seeds(profile, 1, 8), dict(zip(CELLS, knobs)), budget=budget)
    return out
