"""The checks of claims about the best difficulty: D00 .. D05, the paper's design D03e .. D05e, D13, D15 and D19.

Levels count from easy to hard; gains are exact match or nats (arXiv:2605.12906). Every statistic is one value a seed.
Skills, levels and sizes are those of the runs. A place of an optimum is estimated twice (`analysis.optimum`): the best
cell, and the vertex around it. A censored one stays at its edge, which can only make a shift smaller.
"""

from collections.abc import Callable, Iterator

import numpy as np

from ..analysis import bounds, difficulty_rows, difficulty_runs, grid
from ..analysis.level_gate import RISE, best_gain, own_rise
from ..analysis.optimum import ESTIMATORS, cube, held_out_optimum, leave_one_n_out, optima
from ..analysis.statistics import effect
from ..studies import BASES
from .contract import check


def _grids(profile: str, metric: str, base: str = "weak", match: str = "steps") -> Iterator[tuple]:
    """Yield (skill, gains (S, N, D), sizes, levels) of every skill's grid."""
    runs = difficulty_runs(profile)
    for skill in dict.fromkeys(runs.loc[(runs["match"] == match) & (runs["base"] == base), "skill"]):
        values, _, sizes, levels = grid(runs, f"gain_{metric}", skill=skill, base=base, match=match)
        yield skill, values, sizes, levels


def _both(statistic: Callable[[str], np.ndarray], name: str) -> list[dict]:
    """Return the effect of a statistic by each estimator of the optimum.

    Args:
        statistic: function of an estimator's name to one value per seed (S,).
    """
    return [effect(statistic(estimator), name=f"{name}, {estimator}") for estimator in ESTIMATORS]


def _shift(values: np.ndarray, levels: list[int], estimator: str) -> np.ndarray:
    """Return d*(largest n) - d*(smallest n) of gains (S, N, D), per seed (S,)."""
    return optima(levels, values[:, -1], estimator) - optima(levels, values[:, 0], estimator)


@check
def gains_at_all(profile: str, metric: str = "exact") -> list[dict]:
    """D00: rise at the trained level where it is least minus `RISE`, and the gain of the best cell, per grid."""
    rows, out = difficulty_rows(profile), []
    for skill in dict.fromkeys(rows["skill"]):
        for base in BASES:
            name, rise = f"{skill}, {base} base", own_rise(rows, skill, base)
            out.append(effect(rise, name=f"{name}, own level", smallest=RISE))
            out.append(effect(best_gain(rows, skill, base), name=f"{name}, best cell"))
    return out


@check
def grows_with_n(profile: str, metric: str = "exact") -> list[dict]:
    """D01: gain at the largest minus at the smallest n, mean over levels, per skill (weak base)."""
    name = "{}, gain(largest n) - gain(smallest n)"
    return [effect((v[:, -1] - v[:, 0]).mean(1), name=name.format(skill)) for skill, v, *_ in _grids(profile, metric)]


@check
def saturates(profile: str, metric: str = "exact") -> list[dict]:
    """D02: increment of the gain per doubling of n in the first step of the n grid minus in the last, if it has two."""
    out = []
    for skill, values, sizes, _ in _grids(profile, metric):
        if len(sizes) < 3:
            continue
        rate = np.diff(values.mean(2), axis=1) / np.diff(np.log2(sizes))
        out.append(effect(rate[:, 0] - rate[:, -1], name=f"{skill}, first minus last increment per doubling"))
    return out


def _inside(profile: str, metric: str, match: str) -> list[dict]:
    """Return gain at the best level, chosen on the other seeds, minus at each end, largest n, per skill (weak base)."""
    out = []
    for skill, values, *_ in _grids(profile, metric, match=match):
        both = held_out_optimum(values[:, -1])
        out += [effect(both[:, k], name=f"{skill}, best - {end}") for k, end in enumerate(("easiest", "hardest"))]
    return out


def _moves_with_n(profile: str, metric: str, match: str) -> list[dict]:
    """Return d*(largest n) - d*(smallest n) per skill and estimator (weak base), in levels."""
    return [
        e
        for skill, values, _, levels in _grids(profile, metric, match=match)
        for e in _both(lambda how: _shift(values, levels, how), skill)
    ]


def _moves_with_base(profile: str, metric: str, match: str) -> list[dict]:
    """Return d*(strong base) - d*(weak base), mean over n, per skill and estimator, in levels."""
    weak, strong = (_grids(profile, metric, base, match) for base in BASES)
    return [
        e
        for (skill, w, _, levels), (_, s, *_) in zip(weak, strong)
        for e in _both(lambda how: (optima(levels, s, how) - optima(levels, w, how)).mean(1), skill)
    ]


@check
def interior_optimum(profile: str, metric: str = "exact") -> list[dict]:
    """D03: gain at the best level (chosen on the other seeds) minus at each end, largest n, per skill (weak base)."""
    return _inside(profile, metric, "steps")


@check
def optimum_moves_with_n(profile: str, metric: str = "exact") -> list[dict]:
    """D04: d*(largest n) - d*(smallest n), per skill and estimator (weak base), in levels."""
    return _moves_with_n(profile, metric, "steps")


@check
def optimum_moves_with_base(profile: str, metric: str = "exact") -> list[dict]:
    """D05: d* of the strong minus d* of the weak base, mean over n, per skill and estimator, in levels."""
    return _moves_with_base(profile, metric, "steps")


@check
def interior_optimum_epochs(profile: str, metric: str = "exact") -> list[dict]:
    """D03e: as D03 where the number of epochs is fixed, the paper's design."""
    return _inside(profile, metric, "epochs")


@check
def optimum_moves_with_n_epochs(profile: str, metric: str = "exact") -> list[dict]:
    """D04e: as D04 where the number of epochs is fixed, the paper's design."""
    return _moves_with_n(profile, metric, "epochs")


@check
def optimum_moves_with_base_epochs(profile: str, metric: str = "exact") -> list[dict]:
    """D05e: as D05 where the number of epochs is fixed, the paper's design."""
    return _moves_with_base(profile, metric, "epochs")


@check
def shift_survives_tokens(profile: str, metric: str = "exact") -> list[dict]:
    """D13: d*(largest n) - d*(smallest n) where every level has equal distinct and seen tokens (weak base, sort)."""
    ((_, values, _, levels),) = _grids(profile, metric, match="tokens")
    return _both(lambda how: _shift(values, levels, how), "token-matched shift")


@check
def bound_moves(profile: str, metric: str = "nll") -> list[dict]:
    """D15: level with the lowest bound at the largest minus at the smallest n, by both estimators."""
    values, _, _, levels = cube(bounds(difficulty_rows(profile)), "bound", ("seed", "n", "d"), "grid of bounds")
    return _both(lambda how: _shift(-values, levels, how), "level of the lowest bound")


@check
def optimum_predicted(profile: str, metric: str = "exact") -> dict:
    """D19: leave-one-n-out error of d*, constant prediction minus line in log n, in levels (weak base, sort)."""
    values, _, sizes, levels = grid(difficulty_runs(profile), f"gain_{metric}")

    def advantage(gain):
        t = leave_one_n_out(levels, sizes, gain)
        return (abs(t["constant"] - t["measured"]) - abs(t["line"] - t["measured"])).mean()

    return effect([advantage(g) for g in values], name="error of the constant - of the line")
