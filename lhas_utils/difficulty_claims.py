"""The checks of claims D01 .. D20 and D24 .. D26 (arXiv:2605.12906).

A check takes a profile and returns effects signed so that positive is what the claim says, each with
a 95 % bootstrap interval over seeds. Levels count from easy to hard; gains are exact match, gaps nats.
"""

from itertools import product

import numpy as np

from . import difficulty, gaps, stats
from .depth import CLIP
from .depth_world import SKILLS
from .difficulty import DFT_LR, PLANS
from .gaps import LR, grid, peak
from .stats import bootstrap, effect


def _skills(profile: str):
    return PLANS[profile][1]


def _shift(levels, first: int = 0, last: int = -1):
    """Return the statistic d*(n_last) - d*(n_first) of gains (N, D)."""
    return lambda g: peak(levels, g[last]) - peak(levels, g[first])


def _base_shift(levels):
    """Return the statistic d*(strong) - d*(weak), mean over n, of gains (2, N, D), weak base first."""
    return lambda g: np.mean([peak(levels, s) - peak(levels, w) for w, s in g.transpose(1, 0, 2)])


def _best_against_ends(gain, who: str) -> list[dict]:
    """Return gain at the best level minus at each end (`gaps.held_out_optimum`) of gains (S, D)."""
    both = gaps.held_out_optimum(gain)
    return [effect(both[:, k], name=f"{who}, best - {end}") for k, end in enumerate(("easiest", "hardest"))]


def grows_with_n(profile: str) -> list[dict]:
    """D01: gain at the largest minus at the smallest n, mean over levels, per skill (weak base)."""
    out = []
    for skill in _skills(profile):
        values, *_ = grid(difficulty.runs(profile), skill=skill)
        out.append(effect((values[:, -1] - values[:, 0]).mean(1), name=f"{skill}, gain(largest n) - gain(smallest n)"))
    return out


def saturates(profile: str) -> list[dict]:
    """D02: increment of the gain per doubling of n in the first step of the n grid minus in the last."""
    out = []
    for skill in _skills(profile):
        values, _, sizes, _ = grid(difficulty.runs(profile), skill=skill)
        rate = np.diff(values.mean(2), axis=1) / np.diff(np.log2(sizes))
        out.append(effect(rate[:, 0] - rate[:, -1], name=f"{skill}, first minus last increment per doubling"))
    return out


def interior_optimum(profile: str) -> list[dict]:
    """D03: gain at the best level (chosen on the other seeds) minus at each end, largest n, per skill (weak base)."""
    out = []
    for skill in _skills(profile):
        values, *_ = grid(difficulty.runs(profile), skill=skill)
        out += _best_against_ends(values[:, -1], skill)
    return out


def optimum_moves_with_n(profile: str) -> list[dict]:
    """D04: d*(largest n) - d*(smallest n), per skill and base, in levels."""
    out = []
    for skill, base in product(_skills(profile), ("weak", "strong")):
        values, _, _, levels = grid(difficulty.runs(profile), skill=skill, base=base)
        out.append(bootstrap(values, _shift(levels), name=f"{skill}, {base} base"))
    return out


def optimum_moves_with_base(profile: str) -> list[dict]:
    """D05: d* of the strong minus d* of the weak base, mean over n, per skill, in levels."""
    out = []
    for skill in _skills(profile):
        weak, _, _, levels = grid(difficulty.runs(profile), skill=skill)
        strong, *_ = grid(difficulty.runs(profile), skill=skill, base="strong")
        out.append(bootstrap(np.stack([weak, strong], 1), _base_shift(levels), name=skill))
    return out


def _slice_gain(profile: str, d: int, n: int, base: str, keep, metric="exact") -> np.ndarray:
    """Return the mean gain over the levels that `keep` accepts, one value per seed (sort, SFT)."""
    s = gaps.by_slice(difficulty.rows(profile))
    plain = (s["skill"] == "sort") & (s["loss"] == "sft") & (s["match"] == "steps")
    s = s[plain & (s["base"] == base) & (s["d"] == d) & (s["n"] == n) & keep(s["level"])]
    return s.groupby("seed")[metric].mean().to_numpy()


def easy_training_fails(profile: str) -> list[dict]:
    """D06: strong base, easiest level, largest n: gain in NLL up to d, loss of exact match above d and overall."""
    levels, sizes = _skills(profile)["sort"]
    at = (profile, levels[0], sizes[-1], "strong")
    return [
        effect(_slice_gain(*at, lambda v: v <= levels[0], "nll"), name="NLL gain on easy slices", smallest=0.0),
        effect(-_slice_gain(*at, lambda v: v > levels[0]), name="loss on harder slices"),
        effect(-_slice_gain(*at, lambda v: v > 0), name="overall loss"),
    ]


def hard_training_fails(profile: str) -> list[dict]:
    """D07: strong base, hardest level, smallest n: exact match falls on seen and on unseen levels."""
    levels, sizes = _skills(profile)["sort"]
    at, seen = (profile, levels[-1], sizes[0], "strong"), SKILLS["sort"].seen["strong"]
    return [
        effect(-_slice_gain(*at, lambda v: v <= seen), name="loss on levels the base has seen"),
        effect(-_slice_gain(*at, lambda v: v > seen), name="loss on levels it has not"),
    ]


def generalization_rises(profile: str) -> dict:
    """D08: generalization gap at the hardest minus at the easiest level, smallest n."""
    values, *_ = grid(difficulty.runs(profile), "generalization")
    return effect(values[:, 0, -1] - values[:, 0, 0], name="hardest - easiest")


def generalization_falls_with_n(profile: str) -> dict:
    """D09: generalization gap at the smallest minus at the largest n, mean over levels."""
    values, *_ = grid(difficulty.runs(profile), "generalization")
    return effect((values[:, 0] - values[:, -1]).mean(1), name="smallest n - largest n")


def extrapolation_falls(profile: str) -> dict:
    """D10: extrapolation gap at the easiest minus at the hardest level, mean over n."""
    values, *_ = grid(difficulty.runs(profile), "extrapolation")
    return effect((values[:, :, 0] - values[:, :, -1]).mean(1), name="easiest - hardest")


def extrapolation_ignores_n(profile: str) -> dict:
    """D11: change of the extrapolation gap over the levels minus its change over n, absolute values."""
    values, *_ = grid(difficulty.runs(profile), "extrapolation")

    def excess(v):
        return abs(v[:, 0].mean() - v[:, -1].mean()) - abs(v[0].mean() - v[-1].mean())

    return bootstrap(values, excess, name="|over levels| - |over n|")


def trimming(profile: str) -> list[dict]:
    """D12: cutting the hardest tenth helps at the smallest and hurts at the largest n; the easiest the reverse."""
    runs, sizes, out = difficulty.runs(profile), PLANS[profile][2], []
    wide = runs[runs["d"] == 0].pivot(index="seed", columns=["n", "trim"], values="gain")
    for n, trim in product((sizes[0], sizes[-1]), ("hardest", "easiest")):
        sign = 1 if (n == sizes[0]) == (trim == "hardest") else -1
        d = sign * (wide[n, trim] - wide[n, "none"])
        out.append(effect(d, name=f"n={n}, without the {trim}, {'helps' if sign > 0 else 'hurts'}"))
    return out


def shift_survives_tokens(profile: str) -> dict:
    """D13: d*(largest n) - d*(smallest n) where every level has equal distinct and seen tokens (weak base, sort)."""
    values, _, _, levels = grid(difficulty.runs(profile), match="tokens")
    return bootstrap(values, _shift(levels), name="token-matched shift")


def bound_not_vacuous(profile: str) -> dict:
    """D14: C minus the lowest bound of the grid; positive where some bound beats the trivial one, C."""
    b = gaps.bounds(difficulty.rows(profile))
    return effect(CLIP - b.groupby("seed")["bound"].min().to_numpy(), name="C - lowest bound")


def bound_moves(profile: str) -> dict:
    """D15: level with the lowest bound at the largest minus at the smallest n."""
    b = gaps.bounds(difficulty.rows(profile))
    values = b.pivot(index="seed", columns=["n", "d"], values="bound").sort_index(axis=1)
    sizes, levels = (sorted(b[c].unique()) for c in ("n", "d"))
    values = values.to_numpy().reshape(len(values), len(sizes), len(levels))
    return bootstrap(-values, _shift(levels), name="level of the lowest bound")


def _dft(profile: str, metric: str, lr: float):
    """Return (SFT, DFT) of one metric, each (S, 2, D): smallest and largest n, the levels both have."""
    runs = difficulty.runs(profile)
    dft, _, ends, levels = grid(runs, metric, loss="dft", lr=lr)
    sft, _, sizes, every = grid(runs, metric)
    return sft[:, [sizes.index(n) for n in ends]][:, :, [every.index(d) for d in levels]], dft


_RATES = ((LR, "equal step size"), (DFT_LR, "a fifth of the step size"))


def dft_wins_on_hard(profile: str) -> list[dict]:
    """D16: gain of DFT minus SFT, hardest level, smallest n, at both step sizes."""
    out = []
    for lr, name in _RATES:
        sft, dft = _dft(profile, "gain", lr)
        out.append(effect((dft - sft)[:, 0, -1], name=name))
    return out


def sft_overtakes(profile: str) -> list[dict]:
    """D17: gain of SFT minus DFT at the largest n, mean over levels, at both step sizes."""
    out = []
    for lr, name in _RATES:
        sft, dft = _dft(profile, "gain", lr)
        out.append(effect((sft - dft)[:, -1].mean(1), name=name))
    return out


def dft_smaller_gap(profile: str) -> list[dict]:
    """D18: generalization gap of SFT minus DFT, hardest level, smallest n, at both step sizes."""
    out = []
    for lr, name in _RATES:
        sft, dft = _dft(profile, "generalization", lr)
        out.append(effect((sft - dft)[:, 0, -1], name=name))
    return out


def surface_predicts(profile: str) -> dict:
    """D19: leave-one-n-out error of d*, constant prediction minus fitted surface, in levels (weak base, sort)."""
    values, _, sizes, levels = grid(difficulty.runs(profile))

    def advantage(gain):
        t = gaps.leave_one_n_out(levels, sizes, gain)
        return (abs(t["constant"] - t["measured"]) - abs(t["surface"] - t["measured"])).mean()

    return bootstrap(values, advantage, name="error of the constant - of the surface")


def measures_agree(profile: str) -> list[dict]:
    """D20: Kendall tau_b of the knob with base NLL and failure rate over levels (weak base), per skill."""
    m, out = gaps.measures(difficulty.rows(profile)), []
    for skill, measure in product(_skills(profile), ("nll", "failure")):
        part = m[(m["skill"] == skill) & (m["base"] == "weak")]
        tau = [stats.kendall(g["level"], g[measure]) for _, g in part.groupby("seed")]
        out.append(effect(np.nan_to_num(tau), name=f"{skill}, {measure}"))
    return out


def _op_gains(profile: str) -> dict:
    """Return base -> (gains (S, N, D), seeds, sizes, levels) of the OpWorld runs."""
    runs = difficulty.op_runs(profile)
    groups = runs.groupby("base") if len(runs) else ()
    return {base: gaps.cube(part, "gain", ("seed", "n", "op"), f"OpWorld, {base} base") for base, part in groups}


def op_interior_optimum(profile: str) -> list[dict]:
    """D24: gain at the best level (chosen on the other seeds) minus at each end, largest n, per base (OpWorld)."""
    out = []
    for base, (values, *_) in _op_gains(profile).items():
        out += _best_against_ends(values[:, -1], f"{base} base")
    return out


def op_optimum_moves_with_n(profile: str) -> list[dict]:
    """D25: d*(largest n) - d*(smallest n) per base, in operations (OpWorld)."""
    return [bootstrap(v, _shift(levels), name=f"{base} base") for base, (v, _, _, levels) in _op_gains(profile).items()]


def op_optimum_moves_with_base(profile: str) -> list[dict]:
    """D26: d* of the strong minus d* of the weak base, mean over n, in operations (OpWorld)."""
    bases = _op_gains(profile)
    if not bases:
        return []
    (weak, _, _, levels), (strong, *_) = bases["weak"], bases["strong"]
    return [bootstrap(np.stack([weak, strong], 1), _base_shift(levels), name="strong - weak base")]
