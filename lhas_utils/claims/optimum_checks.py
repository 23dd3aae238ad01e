"""The checks of claims about the best difficulty: D00 .. D05, the paper's design D03e .. D05e, D13, D15, D19 and D27.

Levels count from easy to hard; gains are exact match or nats (arXiv:2605.12906). Every statistic is one value a seed.
Skills, levels and sizes are those of the runs. A place of an optimum is estimated twice (`analysis.optimum`): the best
cell, and the vertex around it. It is asked for only in rows of n in which some level gains (`_gaining`).

A censored optimum stays at its edge. That makes a rise smaller where the larger n (or the stronger base) has its best
level at the hard end, or the smaller n at the easy one, and larger where it is the other way round (`at_edge` counts
the seeds). An effect that is 0 in most seeds for no other reason tests nothing (`_effect`).
"""

from collections.abc import Callable, Iterator

import numpy as np

from ..analysis import bounds, difficulty_rows, difficulty_runs, grid
from ..analysis.level_gate import RISE, best_gain, own_rise
from ..analysis.optimum import ESTIMATORS, at_edge, cube, held_out_optimum, leave_one_n_out, optima
from ..analysis.statistics import effect, interval
from ..studies import BASES
from .contract import check


def grids(
    profile: str, column: str, base: str = "weak", match: str = "steps", experiment: str = "difficulty"
) -> Iterator[tuple]:
    """Yield (skill, values (S, N, D), sizes, levels) of a column of `difficulty_runs`; nothing without runs."""
    runs = difficulty_runs(profile, experiment)
    if not len(runs):
        return
    for skill in dict.fromkeys(runs.loc[(runs["match"] == match) & (runs["base"] == base), "skill"]):
        values, _, sizes, levels = grid(runs, column, skill=skill, base=base, match=match)
        yield skill, values, sizes, levels


def _gaining(values: np.ndarray) -> np.ndarray:
    """Tell in which rows of n the gain of some level has a 95 % t interval above 0; in others the best cell is noise.

    Args:
        values: gains (S, N, D). Returns bools (N,).
    """
    return np.array([any(interval(cell)[1] > 0 for cell in row) for row in np.moveaxis(values, 0, -1)], bool)


def _kept(name: str, sizes: list[int], asked: np.ndarray) -> str:
    """Return a part's name with the n that it leaves out, such as `sort without n = 32`."""
    left_out = ", ".join(str(n) for n, there in zip(sizes, asked) if not there)
    return f"{name} without n = {left_out}" if left_out else name


def _effect(values: np.ndarray, name: str, blind: np.ndarray, end: str) -> dict:
    """Return an effect; one that is 0 in most seeds because the best level is at an end of the levels is no test.

    Its name says so, and it has no smallest effect of interest, so that it cannot be EQUIVALENT. Of up to 12 seeds,
    most of them 0, no p is below 0.05 either.

    Args:
        values: one per seed (S,). blind: the seeds of which that is true (S,). end: where their best level is.
    """
    if 2 * blind.sum() <= len(values):
        return effect(values, name=name)
    seeds = "every seed" if blind.all() else "most seeds"
    said = f"{name}, censored: the best level is the {end} in {seeds}"
    return effect(values, name=said, smallest=0.0, censored=True)


def _both(statistic: Callable[[str], np.ndarray], name: str, gain: np.ndarray) -> list[dict]:
    """Return the effect of a statistic by each estimator of the optimum.

    Args:
        statistic: function of an estimator's name to one value per seed (S,), 0 where the optima are equal.
        gain: (S, ..., D), the curves whose optima it compares.
    """
    out, flat = [], gain.reshape(len(gain), -1, gain.shape[-1])
    for estimator in ESTIMATORS:
        values = statistic(estimator)
        blind = at_edge(flat).all(1) & (values == 0)
        first = flat[blind].argmax(-1) == 0
        end = " or the ".join(e for e, there in (("easiest", first.any()), ("hardest", not first.all())) if there)
        out.append(_effect(values, f"{name}, {estimator}", blind, end))
    return out


def _shift(values: np.ndarray, levels: list[int], estimator: str) -> np.ndarray:
    """Return d*(largest n) - d*(smallest n) of gains (S, N, D), per seed (S,)."""
    return optima(levels, values[:, -1], estimator) - optima(levels, values[:, 0], estimator)


def _shifts(name: str, values: np.ndarray, sizes: list[int], levels: list[int]) -> list[dict]:
    """Return d*(largest n) - d*(smallest n) of the rows that gain, by each estimator; none with fewer than two rows."""
    asked = _gaining(values)
    if asked.sum() < 2:
        return []
    rows = values[:, asked]
    return _both(lambda how: _shift(rows, levels, how), _kept(name, sizes, asked), rows[:, [0, -1]])


def teaches(profile: str, experiment: str = "difficulty") -> list[dict]:
    """Return the rise at the trained level where it is least and the gain of the best cell, per skill and base."""
    rows, out = difficulty_rows(profile, experiment), []
    if not len(rows):
        return out
    for skill, base in rows[["skill", "base"]].drop_duplicates().itertuples(index=False):
        name = f"{skill}, {base} base"
        out.append(effect(own_rise(rows, skill, base), name=f"{name}, own level", smallest=RISE))
        out.append(effect(best_gain(rows, skill, base), name=f"{name}, best cell"))
    return out


@check
def gains_at_all(profile: str, metric: str = "exact") -> list[dict]:
    """D00: rise at the trained level where it is least, at least `RISE`, and gain of the best cell, per grid."""
    return teaches(profile)


@check
def grows_with_n(profile: str, metric: str = "exact") -> list[dict]:
    """D01: gain at the largest minus at the smallest n, mean over levels, per skill (weak base)."""
    name = "{}, gain(largest n) - gain(smallest n)"
    return [
        effect((v[:, -1] - v[:, 0]).mean(1), name=name.format(skill))
        for skill, v, *_ in grids(profile, f"gain_{metric}")
    ]


@check
def saturates(profile: str, metric: str = "exact") -> list[dict]:
    """D02: increment of the gain per doubling of n in the first step of the n grid minus in the last, if it has two."""
    out = []
    for skill, values, sizes, _ in grids(profile, f"gain_{metric}"):
        if len(sizes) < 3:
            continue
        rate = np.diff(values.mean(2), axis=1) / np.diff(np.log2(sizes))
        out.append(effect(rate[:, 0] - rate[:, -1], name=f"{skill}, first minus last increment per doubling"))
    return out


def _inside(profile: str, metric: str, match: str) -> list[dict]:
    """Return gain at the best level, chosen on the other seeds, minus at each end, largest n, per skill (weak base)."""
    out = []
    for skill, values, *_ in grids(profile, f"gain_{metric}", match=match):
        both = held_out_optimum(values[:, -1])
        ends = enumerate(("easiest", "hardest"))
        out += [_effect(both[:, k], f"{skill}, best - {end}", both[:, k] == 0, end) for k, end in ends]
    return out


def moves_with_n(profile: str, metric: str, match: str, experiment: str = "difficulty") -> list[dict]:
    """Return d*(largest n) - d*(smallest n) of `_shifts` per skill and estimator (weak base), in levels."""
    return [e for one in grids(profile, f"gain_{metric}", match=match, experiment=experiment) for e in _shifts(*one)]


def _moves_with_base(profile: str, metric: str, match: str) -> list[dict]:
    """Return d*(strong base) - d*(weak base), mean over n, per skill and estimator, in levels.

    Over the n at which some level gains with either base; a skill without any is left out.
    """
    weak, strong = (grids(profile, f"gain_{metric}", base, match) for base in BASES)
    out = []
    for (skill, w, sizes, levels), (_, s, *_) in zip(weak, strong):
        if (asked := _gaining(w) & _gaining(s)).any():
            w, s, name = w[:, asked], s[:, asked], _kept(skill, sizes, asked)
            out += _both(lambda how: (optima(levels, s, how) - optima(levels, w, how)).mean(1), name, np.hstack([w, s]))
    return out


@check
def interior_optimum(profile: str, metric: str = "exact") -> list[dict]:
    """D03: gain at the best level (chosen on the other seeds) minus at each end, largest n, per skill (weak base)."""
    return _inside(profile, metric, "steps")


@check
def optimum_moves_with_n(profile: str, metric: str = "exact") -> list[dict]:
    """D04: d*(largest n) - d*(smallest n) of the n at which some level gains, per skill and estimator (weak base)."""
    return moves_with_n(profile, metric, "steps")


@check
def optimum_moves_with_base(profile: str, metric: str = "exact") -> list[dict]:
    """D05: d*(strong base) - d*(weak base), mean over the n at which both gain, per skill and estimator, in levels."""
    return _moves_with_base(profile, metric, "steps")


@check
def interior_optimum_epochs(profile: str, metric: str = "exact") -> list[dict]:
    """D03e: as D03 where the number of epochs is fixed, the paper's design."""
    return _inside(profile, metric, "epochs")


@check
def optimum_moves_with_n_epochs(profile: str, metric: str = "exact") -> list[dict]:
    """D04e: as D04 where the number of epochs is fixed, the paper's design."""
    return moves_with_n(profile, metric, "epochs")


@check
def optimum_moves_with_base_epochs(profile: str, metric: str = "exact") -> list[dict]:
    """D05e: as D05 where the number of epochs is fixed, the paper's design."""
    return _moves_with_base(profile, metric, "epochs")


@check
def shift_survives_tokens(profile: str, metric: str = "exact") -> list[dict]:
    """D13: d*(largest n) - d*(smallest n) where every level has equal distinct and seen tokens (weak base, sort)."""
    ((_, *sort),) = grids(profile, f"gain_{metric}", match="tokens")
    return _shifts("token-matched shift", *sort)


@check
def bound_moves(profile: str, metric: str = "nll") -> list[dict]:
    """D15: level with the lowest bound at the largest minus at the smallest n, by both estimators."""
    values, _, _, levels = cube(bounds(difficulty_rows(profile)), "bound", ("seed", "n", "d"), "grid of bounds")
    return _both(lambda how: _shift(-values, levels, how), "level of the lowest bound", -values[:, [0, -1]])


@check
def optimum_predicted(profile: str, metric: str = "exact") -> list[dict]:
    """D19: leave-one-n-out error of d* of two ways not to move, minus that of a line in log n (weak base, sort).

    In levels, of the n at which some level gains; none with fewer than three, where there is no line.
    """
    values, _, sizes, levels = grid(difficulty_runs(profile), f"gain_{metric}")
    asked = _gaining(values)
    if asked.sum() < 3:
        return []
    tables = [leave_one_n_out(levels, np.array(sizes)[asked], gain) for gain in values[:, asked]]

    def error(t, how):
        return abs(t[how] - t["measured"]).mean()

    rivals = {"constant": "mean of the other n", "nearest": "nearest n"}
    return [
        effect([error(t, how) - error(t, "line") for t in tables], name=f"error of the {rival} - of the line")
        for how, rival in rivals.items()
    ]


@check
def easy_saturates_earlier(profile: str, metric: str = "exact") -> list[dict]:
    """D27: gain at the largest minus at the middle n, hardest minus easiest level, per base (sort)."""
    out = []
    for base in BASES:
        values, _, sizes, _ = grid(difficulty_runs(profile), f"gain_{metric}", base=base)
        if len(sizes) > 2:
            late = values[:, -1] - values[:, len(sizes) // 2]
            out.append(effect(late[:, -1] - late[:, 0], name=f"{base} base, hardest - easiest"))
    return out
