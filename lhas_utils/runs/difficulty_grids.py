"""The grids of the second study (arXiv:2605.12906): which runs each experiment has at each profile."""

from itertools import product

from ..core import PROFILES, choose
from ..studies import BASES, DifficultySpec

LR = 1e-3  # step size of the main grid
DFT_LR = LR / 5  # the paper trains DFT at a fifth of SFT's step size
_THREE_SKILLS = {
    "sort": ((3, 4, 5, 6, 7, 8), (32, 128, 512, 2048)),
    "cumsum": ((3, 4, 5, 6, 8), (32, 256, 2048)),
    "program": ((2, 3, 4, 5, 6), (32, 256, 2048)),
}
PLANS = {  # seeds; skill -> (levels, sizes); sizes of trimmed mixtures; levels of DFT; posterior draws
    "smoke": (2, {"sort": ((3, 5, 8), (8, 16))}, (8, 16), (3, 8), 1),
    "fast": (2, {"sort": ((3, 4, 6, 8), (32, 256, 2048))}, (64, 1024), (4, 8), 1),
    "full": (5, _THREE_SKILLS, (64, 256, 1024), (3, 5, 8), 2),
}


def difficulty(profile: str) -> list[DifficultySpec]:
    """Return the runs of notebook 06: grid, token- and epoch-matched controls, DFT, trimmed mixtures."""
    seeds, skills, trims, dft, draws = PLANS[choose("profile", profile, PROFILES)]
    small = {"steps": 3, "base_steps": 8, "test_size": 6} if profile == "smoke" else {}
    levels, sizes = skills["sort"]
    ends = (sizes[0], sizes[-1])
    few = levels if profile == "full" else (levels[0], levels[len(levels) // 2], levels[-1])
    matches = ("tokens", "epochs") if profile == "full" else ("tokens",)
    out = []
    for seed in range(seeds):
        for skill, (all_d, all_n) in skills.items():
            for base, d, n in product(BASES, all_d, all_n):
                drawn = draws if (skill, base) == ("sort", "weak") else 0
                out.append(DifficultySpec(skill, base, seed, d, n, lr=LR, draws=drawn, **small))
        weak = {"skill": "sort", "base": "weak", "seed": seed, **small}
        out += [DifficultySpec(d=d, n=n, lr=LR, match=m, **weak) for m, d, n in product(matches, few, ends)]
        out += [DifficultySpec(d=d, n=n, lr=r, loss="dft", **weak) for r, d, n in product((LR, DFT_LR), dft, ends)]
        out += [
            DifficultySpec(d=0, n=n, lr=LR, trim=t, **weak) for n, t in product(trims, ("none", "easiest", "hardest"))
        ]
    return out


OP_PLANS = {  # seeds, levels trained on, sizes
    "smoke": (2, (2, 6), (16, 128)),
    "fast": (0, (), ()),
    "full": (5, (2, 3, 4, 6), (16, 128, 2048)),
}
OP_LR = 3e-4  # chosen by `develop_opworld`
_OP = {"skill": "op", "batch_size": 16, "base_steps": 1000, "test_size": 50, "shown": 60}


def opworld(profile: str) -> list[DifficultySpec]:
    """Return the runs of the second witness, OpWorld; none in `fast`."""
    seeds, levels, sizes = OP_PLANS[choose("profile", profile, PROFILES)]
    recipe = _OP | ({"steps": 2, "base_steps": 4, "test_size": 4} if profile == "smoke" else {})
    grid = product(range(seeds), BASES, levels, sizes)
    return [DifficultySpec(base=b, seed=s, d=d, n=n, lr=OP_LR, **recipe) for s, b, d, n in grid]


def develop_opworld(profile: str) -> list[DifficultySpec]:
    """Return the runs that chose OpWorld's step size: the highest mean gain on a development seed."""
    _, levels, sizes = OP_PLANS["full"]
    grid = product((3e-4, 1e-3, 2e-3), BASES, sizes[1:], levels)
    return [DifficultySpec(base=b, seed=1000, d=d, n=n, lr=lr, **_OP) for lr, b, n, d in grid]
