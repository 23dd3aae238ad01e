"""The checks of claims about the best difficulty: D01 .. D05, D13, D15, D19 and D24 .. D26 (arXiv:2605.12906).

Levels count from easy to hard; gains are exact match. Skills, levels and sizes are those of the runs.
"""

from collections.abc import Callable, Iterator

import numpy as np

from ..analysis import bounds, difficulty_rows, difficulty_runs, grid
from ..analysis.optimum import cube, held_out_optimum, leave_one_n_out, peak
from ..analysis.statistics import bootstrap, effect
from ..studies import BASES
from .contract import check


def _grids(profile: str, base: str = "weak") -> Iterator[tuple]:
    """Yield (skill, gains (S, N, D), sizes, levels) of every skill's main grid."""
    runs = difficulty_runs(profile)
    for skill in dict.fromkeys(runs["skill"]):
        values, _, sizes, levels = grid(runs, skill=skill, base=base)
        yield skill, values, sizes, levels


def _shift(levels: list[int], first: int = 0, last: int = -1) -> Callable[[np.ndarray], float]:
    """Return the statistic d*(n_last) - d*(n_first) of gains (N, D)."""
    return lambda g: peak(levels, g[last]) - peak(levels, g[first])


def _base_shift(levels: list[int]) -> Callable[[np.ndarray], float]:
    """Return the statistic d*(strong) - d*(weak), mean over n, of gains (2, N, D), weak base first."""
    return lambda g: np.mean([peak(levels, s) - peak(levels, w) for w, s in g.transpose(1, 0, 2)])


def _best_against_ends(gain: np.ndarray, who: str) -> list[dict]:
    """Return gain at the best level minus at each end (`held_out_optimum`) of gains (S, D)."""
    both = held_out_optimum(gain)
    return [effect(both[:, k], name=f"{who}, best - {end}") for k, end in enumerate(("easiest", "hardest"))]


@check
def grows_with_n(profile: str, metric: str = "exact") -> list[dict]:
    """D01: gain at the largest minus at the smallest n, mean over levels, per skill (weak base)."""
    name = "{}, gain(largest n) - gain(smallest n)"
    return [effect((v[:, -1] - v[:, 0]).mean(1), name=name.format(skill)) for skill, v, *_ in _grids(profile)]


@check
def saturates(profile: str, metric: str = "exact") -> list[dict]:
    """D02: increment of the gain per doubling of n in the first step of the n grid minus in the last."""
    out = []
    for skill, values, sizes, _ in _grids(profile):
        rate = np.diff(values.mean(2), axis=1) / np.diff(np.log2(sizes))
        out.append(effect(rate[:, 0] - rate[:, -1], name=f"{skill}, first minus last increment per doubling"))
    return out


@check
def interior_optimum(profile: str, metric: str = "exact") -> list[dict]:
    """D03: gain at the best level (chosen on the other seeds) minus at each end, largest n, per skill (weak base)."""
    return [e for skill, values, *_ in _grids(profile) for e in _best_against_ends(values[:, -1], skill)]


@check
def optimum_moves_with_n(profile: str, metric: str = "exact") -> list[dict]:
    """D04: d*(largest n) - d*(smallest n), per skill and base, in levels."""
    pairs = zip(*(_grids(profile, base) for base in BASES))
    return [
        bootstrap(values, _shift(levels), name=f"{skill}, {base} base")
        for of_skill in pairs
        for base, (skill, values, _, levels) in zip(BASES, of_skill)
    ]


@check
def optimum_moves_with_base(profile: str, metric: str = "exact") -> list[dict]:
    """D05: d* of the strong minus d* of the weak base, mean over n, per skill, in levels."""
    pairs = zip(_grids(profile), _grids(profile, "strong"))
    return [
        bootstrap(np.stack([weak, strong], 1), _base_shift(levels), name=skill)
        for (skill, weak, _, levels), (_, strong, *_) in pairs
    ]


@check
def shift_survives_tokens(profile: str, metric: str = "exact") -> dict:
    """D13: d*(largest n) - d*(smallest n) where every level has equal distinct and seen tokens (weak base, sort)."""
    values, _, _, levels = grid(difficulty_runs(profile), match="tokens")
    return bootstrap(values, _shift(levels), name="token-matched shift")


@check
def bound_moves(profile: str, metric: str = "exact") -> dict:
    """D15: level with the lowest bound at the largest minus at the smallest n."""
    values, _, _, levels = cube(bounds(difficulty_rows(profile)), "bound", ("seed", "n", "d"), "grid of bounds")
    return bootstrap(-values, _shift(levels), name="level of the lowest bound")


@check
def surface_predicts(profile: str, metric: str = "exact") -> dict:
    """D19: leave-one-n-out error of d*, constant prediction minus fitted surface, in levels (weak base, sort)."""
    values, _, sizes, levels = grid(difficulty_runs(profile))

    def advantage(gain):
        t = leave_one_n_out(levels, sizes, gain)
        return (abs(t["constant"] - t["measured"]) - abs(t["surface"] - t["measured"])).mean()

    return bootstrap(values, advantage, name="error of the constant - of the surface")


def _op_gains(profile: str) -> dict[str, tuple]:
    """Return base -> (gains (S, N, D), levels) of the OpWorld runs; empty where a profile has none."""
    runs = difficulty_runs(profile, "opworld")
    grids = {base: grid(runs, skill="op", base=base) for base in sorted(BASES)} if len(runs) else {}
    return {base: (values, levels) for base, (values, _, _, levels) in grids.items()}


@check
def op_interior_optimum(profile: str, metric: str = "exact") -> list[dict]:
    """D24: gain at the best level (chosen on the other seeds) minus at each end, largest n, per base (OpWorld)."""
    return [e for base, (v, _) in _op_gains(profile).items() for e in _best_against_ends(v[:, -1], f"{base} base")]


@check
def op_optimum_moves_with_n(profile: str, metric: str = "exact") -> list[dict]:
    """D25: d*(largest n) - d*(smallest n) per base, in operations (OpWorld)."""
    return [bootstrap(v, _shift(levels), name=f"{base} base") for base, (v, levels) in _op_gains(profile).items()]


@check
def op_optimum_moves_with_base(profile: str, metric: str = "exact") -> list[dict]:
    """D26: d* of the strong minus d* of the weak base, mean over n, in operations (OpWorld)."""
    bases = _op_gains(profile)
    if not bases:
        return []
    (weak, levels), (strong, _) = bases["weak"], bases["strong"]
    return [bootstrap(np.stack([weak, strong], 1), _base_shift(levels), name="strong - weak base")]
