"""The grids of the second study (arXiv:2605.12906): which runs each experiment has at each profile."""

from itertools import product
from typing import NamedTuple

from ..core import PROFILES, choose
from ..studies import BASES, MIXED, TRIMS, DifficultySpec
from .grids import FIRST

LR = 1e-3  # step size of the main grid
TRIED = {"sort": (200, 400), "cumsum": (400, 800)}  # numbers of steps, by `develop_difficulty`
STEPS = {"sort": 200, "cumsum": 800}  # those from which twice as many would change little
DFT_LR = LR / 5  # the paper trains DFT at a fifth of SFT's step size
DRAWS = 2  # posterior samples per sigma for the bound


class Plan(NamedTuple):
    """The size of a profile.

    Args:
        grids: skill -> (seeds, levels, sizes) of the main grid; the rest is of `sort`, with its seeds.
        few: levels of the token-matched runs and of those with equal epochs.
        epochs: sizes with equal epochs.
        dft: levels of DFT.
        trims: sizes of trimmed mixtures.
    """

    grids: dict[str, tuple[int, tuple[int, ...], tuple[int, ...]]]
    few: tuple[int, ...]
    epochs: tuple[int, ...]
    dft: tuple[int, ...]
    trims: tuple[int, ...]


_LEVELS, _SIZES = (3, 4, 5, 6, 8), (32, 256, 2048)
PLANS = {
    "smoke": Plan({"sort": (2, (3, 5, 8), (8, 16))}, (3, 8), (8, 16), (8,), (8, 16)),
    "fast": Plan({"sort": (1, (3, 6, 8), _SIZES)}, (3, 8), (128, 2048), (8,), (64, 1024)),
    "full": Plan(
        {"sort": (12, _LEVELS, _SIZES), "cumsum": (8, (3, 4, 6, 8), (32, 2048))}, _LEVELS, (128, 2048), (8,), (64, 1024)
    ),
}
TINY = {"steps": 3, "base_steps": 8, "test_size": 6}  # of `smoke`


def difficulty(profile: str) -> list[DifficultySpec]:
    """Return the runs of notebook 06: grids, token- and epoch-matched controls, DFT, trimmed mixtures."""
    plan, out = PLANS[choose("profile", profile, PROFILES)], []
    small = TINY if profile == "smoke" else {}
    for skill, (seeds, levels, sizes) in plan.grids.items():
        recipe = {"lr": LR, "steps": STEPS[skill]} | small
        for seed, base, d, n in product(_seeds(seeds), BASES, levels, sizes):
            bounded = (skill, base) == ("sort", "weak") and n in (sizes[0], sizes[-1])
            out.append(DifficultySpec(skill, base, seed, d, n, draws=DRAWS * bounded, **recipe))
    seeds, _, sizes = plan.grids["sort"]
    ends, recipe = (sizes[0], sizes[-1]), {"lr": LR, "steps": STEPS["sort"]} | small
    for seed in _seeds(seeds):
        one = recipe | {"skill": "sort", "seed": seed}
        paper = one | {"match": "epochs", "batch_size": 16}
        out += [DifficultySpec(base=b, d=d, n=n, **paper) for b, d, n in product(BASES, plan.few, plan.epochs)]
        out += [DifficultySpec(d=d, n=n, match="tokens", **one) for d, n in product(plan.few, ends)]
        for lr, d, n in product((LR, DFT_LR), plan.dft, ends):
            out.append(DifficultySpec(d=d, n=n, loss="dft", **one | {"lr": lr}))
        out += [DifficultySpec(d=MIXED, n=n, trim=t, **one) for n, t in product(plan.trims, TRIMS)]
    return out


def _seeds(many: int) -> range:
    return range(FIRST, FIRST + many)


def develop_difficulty(profile: str) -> list[DifficultySpec]:
    """Return the runs that chose the skills and the number of steps, on a development seed.

    By the gate (`analysis.difficulty_gate`), and by what twice the steps change at the largest n; not by optima.
    """
    if choose("profile", profile, PROFILES) == "fast":
        return []
    levels, small = ((4, 6, 8), {}) if profile == "full" else ((4,), TINY)
    cells = ((skill, *cell) for skill in TRIED for cell in product(BASES, levels, (32, 2048), TRIED[skill]))
    out = [DifficultySpec(s, b, 1000, d, n, **{"lr": LR, "steps": k} | small) for s, b, d, n, k in cells]
    return list(dict.fromkeys(out))


OP_PLANS = {  # seeds, levels trained on, sizes; shown without a claim: too few levels and seeds for one
    "smoke": (2, (2, 6), (16, 128)),
    "fast": (0, (), ()),
    "full": (2, (2, 3, 4, 6), (16, 128, 2048)),
}
OP_LR = 3e-4  # chosen by `develop_opworld`
_OP = {"skill": "op", "batch_size": 16, "base_steps": 1000, "test_size": 50, "shown": 60}


def opworld(profile: str) -> list[DifficultySpec]:
    """Return the runs of the second witness, OpWorld; none in `fast`."""
    seeds, levels, sizes = OP_PLANS[choose("profile", profile, PROFILES)]
    recipe = _OP | ({"steps": 2, "base_steps": 4, "test_size": 4} if profile == "smoke" else {})
    grid = product(_seeds(seeds), BASES, levels, sizes)
    return [DifficultySpec(base=b, seed=s, d=d, n=n, lr=OP_LR, **recipe) for s, b, d, n in grid]


def develop_opworld(profile: str) -> list[DifficultySpec]:
    """Return the runs that chose OpWorld's step size: the highest mean gain on a development seed."""
    _, levels, sizes = OP_PLANS["full"]
    grid = product((3e-4, 1e-3, 2e-3), BASES, sizes[1:], levels)
    return [DifficultySpec(base=b, seed=1000, d=d, n=n, lr=lr, **_OP) for lr, b, n, d in grid]
