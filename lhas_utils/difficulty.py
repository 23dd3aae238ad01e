"""The second study: its runs by profile, and what each run measures (arXiv:2605.12906)."""

from functools import cache
from itertools import product

import pandas as pd

from . import gaps, sweep
from .config import PROFILES, choose
from .depth import DepthSpec
from .gaps import LR
from .ops import OpSpec

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


def difficulty(profile: str) -> list[DepthSpec]:
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
            for base, d, n in product(("weak", "strong"), all_d, all_n):
                drawn = draws if (skill, base) == ("sort", "weak") else 0
                out.append(DepthSpec(skill, base, seed, d, n, lr=LR, draws=drawn, **small))
        weak = {"skill": "sort", "base": "weak", "seed": seed, **small}
        out += [DepthSpec(d=d, n=n, lr=LR, match=m, **weak) for m, d, n in product(matches, few, ends)]
        out += [DepthSpec(d=d, n=n, lr=r, loss="dft", **weak) for r, d, n in product((LR, DFT_LR), dft, ends)]
        out += [DepthSpec(d=0, n=n, lr=LR, trim=t, **weak) for n, t in product(trims, ("none", "easiest", "hardest"))]
    return out


OP_PLANS = {  # seeds, levels trained on, sizes
    "smoke": (2, (2, 6), (16, 128)),
    "fast": (0, (), ()),
    "full": (5, (2, 3, 4, 6), (16, 128, 2048)),
}


def opworld(profile: str) -> list[OpSpec]:
    """Return the runs of the second witness, OpWorld; none in `fast`."""
    seeds, levels, sizes = OP_PLANS[choose("profile", profile, PROFILES)]
    small = {"steps": 2, "base_steps": 4, "test_size": 4} if profile == "smoke" else {}
    return [OpSpec(b, s, op, n, **small) for s, b, op, n in product(range(seeds), ("weak", "strong"), levels, sizes)]


def develop_opworld(profile: str) -> list[OpSpec]:
    """Return the runs that chose OpWorld's step size: the highest mean gain on a development seed."""
    _, levels, sizes = OP_PLANS["full"]
    grid = product((3e-4, 1e-3, 2e-3), ("weak", "strong"), sizes[1:], levels)
    return [OpSpec(base, 1000, op, n, lr=lr) for lr, base, n, op in grid]


@cache
def op_runs(profile: str) -> pd.DataFrame:
    """Return one row per OpWorld run: base, seed, op, n, exact match `before` and `after` (means over levels), `gain`."""
    specs = opworld(profile)
    if not specs:
        return pd.DataFrame()
    rows = sweep.results(specs)
    part = rows[rows["slice"] != "train"].replace({"who": {"base": "before", "tuned": "after"}})
    out = part.pivot_table(index=["base", "seed", "op", "n"], columns="who", values="exact").rename_axis(columns=None)
    return out.assign(gain=out["after"] - out["before"]).reset_index()


@cache
def rows(profile: str) -> pd.DataFrame:
    """Return the tidy rows of the DepthWorld runs (`depth.execute`), kept for the life of the process."""
    return sweep.results(difficulty(profile))


@cache
def runs(profile: str) -> pd.DataFrame:
    """Return one row per DepthWorld run (`gaps.per_run`)."""
    return gaps.per_run(rows(profile))
