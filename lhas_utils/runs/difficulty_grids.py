"""The grids of the second study (arXiv:2605.12906): which runs each experiment has at each profile.

How hard the levels of DepthWorld go was chosen on development seeds by what is learnt (`analysis.level_reach`), not by
where an optimum lies: until, at the smallest n, the hardest level is not learnt or gains clearly less than another; at
the largest n it is learnt. With lengths 2 to 8 the best level of `sort` was the hardest at every n; hence 2 to 14, and
fewer steps of mid-training. `cumsum` was learnt from no n beyond 8, and keeps 2 to 8.
"""

from itertools import product
from typing import NamedTuple

from ..core import PROFILES, choose
from ..studies import BASES, MIXED, TRIMS, DifficultySpec
from .grids import evaluation

LR = 1e-3  # step size of the main grid
BASE_STEPS = 1600  # of mid-training
STEPS = {"sort": 200, "cumsum": 800}
DFT_LR = LR / 5  # the paper trains DFT at a fifth of SFT's step size
DRAWS = 1  # posterior samples per sigma for the bound


class Plan(NamedTuple):
    """The size of a profile.

    Args:
        grids: skill -> (seeds, levels, sizes) of the main grid; the rest is of `sort`, with its seeds.
        few: levels of the token-matched runs, of those with equal epochs, and of the bound.
        epochs: sizes with equal epochs.
        dft: levels of DFT.
        trims: sizes of trimmed mixtures.
    """

    grids: dict[str, tuple[int, tuple[int, ...], tuple[int, ...]]]
    few: tuple[int, ...]
    epochs: tuple[int, ...]
    dft: tuple[int, ...]
    trims: tuple[int, ...]


_SIZES = (32, 256, 2048)
PLANS = {
    "smoke": Plan({"sort": (2, (4, 8, 14), (8, 16))}, (4, 14), (8, 16), (14,), (8, 16)),
    "fast": Plan({"sort": (1, (4, 8, 14), _SIZES)}, (4, 14), (128, 1024), (14,), (64, 1024)),
    "full": Plan(
        {"sort": (12, (4, 8, 11, 14), _SIZES), "cumsum": (8, (4, 6, 8), (32, 2048))},
        (4, 8, 14),
        (128, 1024),
        (14,),
        (64, 1024),
    ),
}
TINY = {"steps": 3, "base_steps": 8, "test_size": 6}  # of `smoke`


def difficulty(profile: str) -> list[DifficultySpec]:
    """Return the runs of notebook 06: grids, token- and epoch-matched controls, DFT, trimmed mixtures."""
    plan, out = PLANS[choose("profile", profile, PROFILES)], []
    small = TINY if profile == "smoke" else {}
    for skill, (seeds, levels, sizes) in plan.grids.items():
        recipe = {"lr": LR, "steps": STEPS[skill], "base_steps": BASE_STEPS} | small
        for seed, base, d, n in product(evaluation(seeds), BASES, levels, sizes):
            bounded = (skill, base) == ("sort", "weak") and n in (sizes[0], sizes[-1]) and d in plan.few
            out.append(DifficultySpec(skill, base, seed, d, n, draws=DRAWS * bounded, **recipe))
    seeds, _, sizes = plan.grids["sort"]
    ends, recipe = (sizes[0], sizes[-1]), {"lr": LR, "steps": STEPS["sort"], "base_steps": BASE_STEPS} | small
    for seed in evaluation(seeds):
        one = recipe | {"skill": "sort", "seed": seed}
        paper = one | {"match": "epochs", "batch_size": 16}
        out += [DifficultySpec(base=b, d=d, n=n, **paper) for b, d, n in product(BASES, plan.few, plan.epochs)]
        out += [DifficultySpec(d=d, n=n, match="tokens", **one) for d, n in product(plan.few, ends)]
        for lr, d, n in product((LR, DFT_LR), plan.dft, ends):
            out.append(DifficultySpec(d=d, n=n, loss="dft", **one | {"lr": lr}))
        out += [DifficultySpec(d=MIXED, n=n, trim=t, **one) for n, t in product(plan.trims, TRIMS)]
    return out


CHOSEN = {"sort": (4, 8, 14), "cumsum": (4, 6, 8)}  # levels of the runs that chose how far they go
MIDTRAINED = {"sort": (BASE_STEPS, 2400), "cumsum": (BASE_STEPS,)}  # steps of mid-training that were tried


def develop_difficulty(profile: str) -> list[DifficultySpec]:
    """Return the runs that chose how far the levels go and the steps of mid-training, on development seeds.

    By `analysis.level_reach` and the gate (`analysis.difficulty_gate`), at the smallest and largest n; not by optima.
    """
    if choose("profile", profile, PROFILES) == "fast":
        return []
    seeds, small = ((1000, 1001), {}) if profile == "full" else ((1000,), TINY)
    out = []
    for skill, levels in CHOSEN.items():
        for base, seed, k, d, n in product(BASES, seeds, MIDTRAINED[skill], levels, (32, 2048)):
            if seed == 1000 or (skill, k) == ("sort", BASE_STEPS):
                recipe = {"lr": LR, "steps": STEPS[skill], "base_steps": k} | small
                out.append(DifficultySpec(skill, base, seed, d, n, **recipe))
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
    grid = product(evaluation(seeds), BASES, levels, sizes)
    return [DifficultySpec(base=b, seed=s, d=d, n=n, lr=OP_LR, **recipe) for s, b, d, n in grid]


def develop_opworld(profile: str) -> list[DifficultySpec]:
    """Return the runs that chose OpWorld's step size: the highest mean gain on a development seed."""
    _, levels, sizes = OP_PLANS["full"]
    grid = product((3e-4, 1e-3, 2e-3), BASES, sizes[1:], levels)
    return [DifficultySpec(base=b, seed=1000, d=d, n=n, lr=lr, **_OP) for lr, b, n, d in grid]
