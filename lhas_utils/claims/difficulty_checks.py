"""The checks of claims about slices, gaps, trimming, the bound and DFT: D06 .. D12, D11n, D14, D16 .. D18, D20.

D08e, D09e and D10e ask for the gaps in the paper's design, equal epochs.

Levels count from easy to hard; gains are exact match or nats, gaps failure rate or nats (arXiv:2605.12906). Every
statistic is one value a seed. Levels and sizes are those of the runs.
"""

from collections.abc import Callable
from itertools import product

import numpy as np

from ..analysis import bounds, by_slice, difficulty_rows, difficulty_runs, grid, measures
from ..analysis.statistics import effect, kendall
from ..runs import DFT_LR, LR
from ..studies import CLIP
from ..worlds import LEVEL_WORLDS
from .contract import check
from .optimum_checks import grids

HARDLY = {"exact": 0.05, "nll": 0.1}  # a change of a gap that does not matter: failure rate, nats


def _corner(profile: str, level: int, size: int) -> Callable[..., np.ndarray]:
    """Return a function (keep, metric) -> mean gain over the test levels that `keep` accepts, (S,): sort, SFT, strong.

    `level` and `size` are places in the grid's levels and sizes, 0 the lowest and -1 the highest.
    """
    _, _, sizes, levels = grid(difficulty_runs(profile), base="strong")
    s = by_slice(difficulty_rows(profile))
    plain = (s["skill"] == "sort") & (s["loss"] == "sft") & (s["match"] == "steps") & (s["base"] == "strong")
    s = s[plain & (s["d"] == levels[level]) & (s["n"] == sizes[size])]
    return lambda keep, metric: s[keep(s["level"], s["d"])].groupby("seed")[metric].mean().to_numpy()


@check
def easy_training_fails(profile: str, metric: str = "exact") -> list[dict]:
    """D06: strong base, easiest level, largest n: gain in NLL up to d (exact match is at its ceiling), loss above d
    and overall."""
    gain = _corner(profile, 0, -1)
    return [
        effect(gain(lambda level, d: level <= d, "nll"), name="NLL gain on easy slices", smallest=0.0),
        effect(-gain(lambda level, d: level > d, metric), name="loss on harder slices"),
        effect(-gain(lambda level, d: level > 0, metric), name="overall loss"),
    ]


@check
def hard_training_fails(profile: str, metric: str = "exact") -> list[dict]:
    """D07: strong base, hardest level, smallest n: losses on seen and on unseen levels."""
    gain, seen = _corner(profile, -1, 0), LEVEL_WORLDS["sort"].seen["strong"]
    return [
        effect(-gain(lambda level, d: level <= seen, metric), name="loss on levels the base has seen"),
        effect(-gain(lambda level, d: level > seen, metric), name="loss on levels it has not"),
    ]


def gaps(
    profile: str,
    gap: str,
    metric: str,
    statistic: Callable,
    part: str,
    match: str = "steps",
    experiment: str = "difficulty",
) -> list[dict]:
    """Return the effect of a statistic of one gap (S, N, D) to one value per seed (S,), for each skill (weak base)."""
    found = grids(profile, f"{gap}_{metric}", match=match, experiment=experiment)
    return [effect(statistic(values), name=f"{skill}, {part}") for skill, values, *_ in found]


def harder(values: np.ndarray) -> np.ndarray:
    """Return the gap at the hardest minus at the easiest level, smallest n, per seed (S,)."""
    return values[:, 0, -1] - values[:, 0, 0]


def fewer(values: np.ndarray) -> np.ndarray:
    """Return the gap (S, N, D) at the smallest minus at the largest n, mean over levels, per seed (S,)."""
    return (values[:, 0] - values[:, -1]).mean(1)


def easier(values: np.ndarray) -> np.ndarray:
    """Return the gap (S, N, D) at the easiest minus at the hardest level, mean over n, per seed (S,)."""
    return (values[:, :, 0] - values[:, :, -1]).mean(1)


@check
def generalization_rises(profile: str, metric: str = "exact") -> list[dict]:
    """D08: generalization gap at the hardest minus at the easiest level, smallest n, per skill."""
    return gaps(profile, "generalization", metric, harder, "hardest - easiest")


@check
def generalization_falls_with_n(profile: str, metric: str = "exact") -> list[dict]:
    """D09: generalization gap at the smallest minus at the largest n, mean over levels, per skill."""
    return gaps(profile, "generalization", metric, fewer, "smallest n - largest n")


@check
def extrapolation_falls(profile: str, metric: str = "exact") -> list[dict]:
    """D10: extrapolation gap at the easiest minus at the hardest level, mean over n, per skill."""
    return gaps(profile, "extrapolation", metric, easier, "easiest - hardest")


@check
def generalization_rises_epochs(profile: str, metric: str = "exact") -> list[dict]:
    """D08e: as D08 where the number of epochs is fixed, the paper's design."""
    return gaps(profile, "generalization", metric, harder, "hardest - easiest", "epochs")


@check
def generalization_falls_epochs(profile: str, metric: str = "exact") -> list[dict]:
    """D09e: as D09 where the number of epochs is fixed, the paper's design."""
    return gaps(profile, "generalization", metric, fewer, "smallest n - largest n", "epochs")


@check
def extrapolation_falls_epochs(profile: str, metric: str = "exact") -> list[dict]:
    """D10e: as D10 where the number of epochs is fixed, the paper's design."""
    return gaps(profile, "extrapolation", metric, easier, "easiest - hardest", "epochs")


@check
def extrapolation_ignores_n(profile: str, metric: str = "exact") -> list[dict]:
    """D11: change of the extrapolation gap over the levels minus its change over n, absolute values, per skill."""

    def excess(v):
        return abs(v[:, :, 0] - v[:, :, -1]).mean(1) - abs(v[:, 0] - v[:, -1]).mean(1)

    return gaps(profile, "extrapolation", metric, excess, "|over levels| - |over n|")


@check
def extrapolation_hardly_moves(profile: str, metric: str = "exact") -> list[dict]:
    """D11n: what does not matter (`HARDLY`) minus the extrapolation gap's change over n, mean of absolute values."""

    def spare(v):
        return HARDLY[metric] - abs(v[:, 0] - v[:, -1]).mean(1)

    return gaps(profile, "extrapolation", metric, spare, f"{HARDLY[metric]} - |over n|")


@check
def trimming(profile: str, metric: str = "exact") -> list[dict]:
    """D12: cutting the hardest tenth helps at the smallest and hurts at the largest n; the easiest the reverse."""
    runs, out = difficulty_runs(profile), []
    mixed = runs[runs["d"] == 0]
    small, large = mixed["n"].min(), mixed["n"].max()
    wide = mixed.pivot(index="seed", columns=["n", "trim"], values=f"gain_{metric}")
    for n, trim in product((small, large), ("hardest", "easiest")):
        sign = 1 if (n == small) == (trim == "hardest") else -1
        d = sign * (wide[n, trim] - wide[n, "none"])
        out.append(effect(d, name=f"n={n}, without the {trim}, {'helps' if sign > 0 else 'hurts'}"))
    return out


@check
def bound_not_vacuous(profile: str, metric: str = "nll") -> dict:
    """D14: C minus the lowest bound of the grid; positive where some bound beats the trivial one, C."""
    b = bounds(difficulty_rows(profile))
    return effect(CLIP - b.groupby("seed")["bound"].min().to_numpy(), name="C - lowest bound")


def _against_dft(profile: str, column: str, pick: Callable[[np.ndarray], np.ndarray]) -> list[dict]:
    """Return effects of `pick` of one column under SFT minus under DFT, (S, 2, D), at both step sizes.

    The axes are seeds, smallest and largest n, and the levels that both have.
    """
    runs, out = difficulty_runs(profile), []
    sft, _, sizes, every = grid(runs, column)
    for lr, name in ((LR, "equal step size"), (DFT_LR, "a fifth of the step size")):
        dft, _, ends, levels = grid(runs, column, loss="dft", lr=lr)
        same = sft[:, [sizes.index(n) for n in ends]][:, :, [every.index(d) for d in levels]]
        out.append(effect(pick(same - dft), name=name))
    return out


@check
def dft_wins_on_hard(profile: str, metric: str = "exact") -> list[dict]:
    """D16: gain of DFT minus SFT, hardest level, smallest n, at both step sizes."""
    return _against_dft(profile, f"gain_{metric}", lambda d: -d[:, 0, -1])


@check
def sft_overtakes(profile: str, metric: str = "exact") -> list[dict]:
    """D17: gain of SFT minus DFT, hardest level, largest n, at both step sizes."""
    return _against_dft(profile, f"gain_{metric}", lambda d: d[:, -1, -1])


@check
def dft_smaller_gap(profile: str, metric: str = "exact") -> list[dict]:
    """D18: generalization gap of SFT minus DFT, hardest level, smallest n, at both step sizes."""
    return _against_dft(profile, f"generalization_{metric}", lambda d: d[:, 0, -1])


@check
def measures_agree(profile: str, metric: str = "exact") -> list[dict]:
    """D20: Kendall tau_b of the knob with base NLL and failure rate over levels (weak base), per skill."""
    m, out = measures(difficulty_rows(profile)), []
    for skill, measure in product(dict.fromkeys(m["skill"]), ("nll", "failure")):
        part = m[(m["skill"] == skill) & (m["base"] == "weak")]
        tau = [kendall(g["level"], g[measure]) for _, g in part.groupby("seed")]
        out.append(effect(np.nan_to_num(tau), name=f"{skill}, {measure}"))
    return out
