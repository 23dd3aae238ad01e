"""Every check on runs with planted effects: each must find the number, and the sign, that was planted."""

from itertools import product
from math import log, log2, sin, sqrt

import numpy as np
import pandas as pd
import pytest

from lhas_utils.claims import difficulty_checks, optimum_checks, ranking, theory_checks
from lhas_utils.runs import DFT_LR, LR
from lhas_utils.studies import CLIP, SCORED, TARGETS

SEEDS = (0, 1, 2)
LEVELS = {"sort": (3, 4, 5, 6, 7, 8), "cumsum": (3, 4, 5, 6, 8), "program": (2, 3, 4, 5, 6)}
SIZES = {"sort": (32, 128, 512, 2048), "cumsum": (32, 256, 2048), "program": (32, 256, 2048)}
HEIGHT = {32: 0.1, 128: 0.3, 256: 0.3, 512: 0.4, 2048: 0.45}  # of the gain at its best level


def best(n: int, base: str) -> float:
    """Return the planted best level: it moves by 1/4 a doubling, and lies 1/2 higher with the strong base."""
    return 4 + log2(n / 32) / 4 + (base == "strong") / 2


def gain(d: float, n: int, base: str = "weak") -> float:
    return HEIGHT[n] - 0.01 * (d - best(n, base)) ** 2


def gap(d: float, n: int) -> float:
    """Return the planted generalization gap: it rises with the level, a little less at the larger sizes."""
    return (0.1 if n == 32 else 0.08) * (d - 3) - 0.05 * log2(n / 32)


def planted() -> pd.DataFrame:
    """Return one row per run of the difficulty study, as `per_run` does, with planted gains and gaps."""
    plain, rows = {"loss": "sft", "match": "steps", "trim": "none", "lr": LR}, []

    def run(**spec):
        rows.append(plain | spec)

    for seed in SEEDS:
        shared = {"seed": seed, "skill": "sort", "base": "weak"}
        for skill, base in product(LEVELS, ("weak", "strong")):
            for d, n in product(LEVELS[skill], SIZES[skill]):
                gaps = {"generalization": gap(d, n), "extrapolation": 0.01 * log2(n) - 0.3 * d}
                run(**shared | {"skill": skill, "base": base}, d=d, n=n, gain=gain(d, n, base), **gaps)
        for d, n in product(LEVELS["sort"], (32, 2048)):
            run(**shared, d=d, n=n, match="tokens", gain=-((d - (4.5 if n == 32 else 6.5)) ** 2))
        for lr, part in ((LR, 1.0), (DFT_LR, 0.5)):
            for d, n in product((3, 5, 8), (32, 2048)):
                more = part * (0.1 * (d - 3) if n == 32 else -0.2)
                dft = {"gain": gain(d, n) + more, "generalization": gap(d, n) - (0.4 * part if d == 8 else 0.0)}
                run(**shared, d=d, n=n, loss="dft", lr=lr, **dft, extrapolation=0.0)
        cut = {(64, "hardest"): 0.1, (64, "easiest"): -0.2, (1024, "hardest"): -0.3, (1024, "easiest"): 0.4}
        for n, trim in product((64, 256, 1024), ("none", "hardest", "easiest")):
            run(**shared, d=0, n=n, trim=trim, gain=0.5 + cut.get((n, trim), 0.0))
    order = {skill: i for i, skill in enumerate(LEVELS)}
    shuffled = pd.DataFrame(rows).sample(frac=1, random_state=0)
    return shuffled.sort_values("skill", key=lambda s: s.map(order), kind="stable")


def slices() -> pd.DataFrame:
    """Return tidy rows: base scores by level, two runs of the strong base, and the posteriors of the weak one."""
    spec = {"skill": "sort", "base": "weak", "loss": "sft", "lr": LR, "match": "steps", "trim": "none", "n": 32, "d": 3}
    spec |= {"examples": 32, "distance2": 0.0}
    out = []

    def run(scores, **more):
        table = pd.DataFrame(scores, columns=["who", "slice", "exact", "nll", "sigma"])
        out.append(table.assign(**spec | more, run=len(out)))

    def told(d, exact, nll):
        return [("base", "2", 0.5, 2.0, np.nan)] + [
            row
            for v in range(2, 9)
            for row in (("base", str(v), 0.5, 2.0, np.nan), ("tuned", str(v), exact(v), nll(v), np.nan))
        ][1:]

    for seed in SEEDS:
        easy = told(3, lambda v: 0.6 if v <= 3 else 0.2, lambda v: 1.5 if v <= 3 else 2.5)
        run(easy, seed=seed, base="strong", d=3, n=2048)
        run(told(8, lambda v: 0.1 if v <= 5 else 0.3, lambda v: 3.0), seed=seed, base="strong", d=8, n=32)
        for skill, sign in (("sort", 1), ("program", -1)):  # with the weak base, later levels are harder, or easier
            scores = [("base", str(v), 0.5 - sign * v / 20, 2 + sign * v / 10, np.nan) for v in range(2, 7)]
            run([*scores, ("tuned", "2", 0, 0, np.nan)], seed=seed, skill=skill)
        for d, n in product((3, 4, 5, 6, 7, 8), (32, 2048)):
            risk = {"train": 0.2 + 0.01 * (d - best(n, "weak")) ** 2} | {str(v): 1.0 for v in range(2, 9)}
            run([("posterior", s, np.nan, v, 0.1) for s, v in risk.items()], seed=seed, d=d, n=n, examples=n)
    return pd.concat(out, ignore_index=True)


@pytest.fixture
def study(monkeypatch):
    runs, rows = planted(), slices()
    for module in (difficulty_checks, optimum_checks):
        monkeypatch.setattr(module, "difficulty_runs", lambda profile, name="difficulty": runs)
        monkeypatch.setattr(module, "difficulty_rows", lambda profile, name="difficulty": rows)


def numbers(found) -> list[float]:
    """Return the effects of a check; their intervals are points, as every seed is the same."""
    found = found if isinstance(found, list) else [found]
    assert all(e["low"] == pytest.approx(e["high"], abs=1e-6) for e in found)
    return [e["effect"] for e in found]


SKILLS = tuple(LEVELS)
MEAN = {s: {n: np.mean([gain(d, n) for d in LEVELS[s]]) for n in SIZES[s]} for s in SKILLS}
TOP = {s: [gain(d, 2048) for d in LEVELS[s]] for s in SKILLS}


def rate(skill: str, i: int) -> float:
    """Return the rise of the mean gain per doubling from the i-th to the next size."""
    (a, b), m = SIZES[skill][i : i + 2], MEAN[skill]
    return (m[b] - m[a]) / log2(b / a)


COMPLEXITY = CLIP * sqrt((log(20) + 2.5 * log(2048) + 8) / 4095)
DIFFICULTY = {
    "grows_with_n": {s: MEAN[s][2048] - MEAN[s][32] for s in SKILLS},
    "saturates": {s: rate(s, 0) - rate(s, len(SIZES[s]) - 2) for s in SKILLS},
    "interior_optimum": {(s, k): max(TOP[s]) - TOP[s][k] for s in SKILLS for k in (0, -1)},
    "optimum_moves_with_n": dict.fromkeys(product(SKILLS, ("weak", "strong")), 1.5),
    "optimum_moves_with_base": dict.fromkeys(SKILLS, 0.5),
    "shift_survives_tokens": {"sort": 2.0},
    "bound_moves": {"sort": 1.5},
    "surface_predicts": {"sort": 2 / 3},  # 1, 1/3, 1/3 and 1 levels off the others' mean; the surface is exact
    "easy_training_fails": {"nll": 0.5, "harder": 0.3, "overall": (5 * 0.3 - 2 * 0.1) / 7},
    "hard_training_fails": {"seen": 0.4, "unseen": 0.2},
    "generalization_rises": {"": 0.5},
    "generalization_falls_with_n": {"": 0.3 + 0.02 * 2.5},
    "extrapolation_falls": {"": 1.5},
    "extrapolation_ignores_n": {"": 1.5 - 0.06},
    "trimming": {"small hardest": 0.1, "small easiest": 0.2, "large hardest": 0.3, "large easiest": 0.4},
    "bound_not_vacuous": {"": CLIP - (0.2 + 0.01 * 0.5**2 + COMPLEXITY + CLIP * 6 / 7)},  # level 5 or 6, n = 2048
    "dft_wins_on_hard": {"equal": 0.5, "fifth": 0.25},
    "sft_overtakes": {"equal": 0.2, "fifth": 0.1},
    "dft_smaller_gap": {"equal": 0.4, "fifth": 0.2},
    "measures_agree": {"sort nll": 1, "sort failure": 1, "program nll": -1, "program failure": -1},
}


@pytest.mark.parametrize("name", sorted(DIFFICULTY))
def test_checks_of_the_difficulty_study(study, name):
    check = getattr(optimum_checks, name, None) or getattr(difficulty_checks, name)
    found = check("full")
    assert numbers(found) == pytest.approx(list(DIFFICULTY[name].values()), abs=1e-3)
    for effect in found if isinstance(found, list) else [found]:
        assert effect["n_seeds"] == 3


def test_checks_of_op_world(monkeypatch):
    def one(d, n, base):
        return 1 - 0.1 * (d - (3 + log2(n / 16) / 4 + (base == "strong") / 2)) ** 2

    grid = product(SEEDS, ("weak", "strong"), (2, 3, 4, 6), (16, 128, 2048))
    rows = [(s, b, d, n, one(d, n, b)) for s, b, d, n in grid]
    runs = pd.DataFrame(rows, columns=["seed", "base", "d", "n", "gain"])
    runs = runs.assign(skill="op", loss="sft", match="steps", trim="none", lr=LR)
    monkeypatch.setattr(optimum_checks, "difficulty_runs", lambda profile, name: {"opworld": runs}[name])
    ends = [one(b, 2048, base) - one(e, 2048, base) for base, b in (("strong", 6), ("weak", 4)) for e in (2, 6)]
    assert numbers(optimum_checks.op_interior_optimum("full")) == pytest.approx(ends)
    assert numbers(optimum_checks.op_optimum_moves_with_n("full")) == pytest.approx([1.75, 1.75], abs=0.01)
    assert numbers(optimum_checks.op_optimum_moves_with_base("full")) == pytest.approx([0.5], abs=0.01)


# ---- the first paper ---------------------------------------------------------------------------------


def table(columns: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Return runs from {selector: {metric: value}} on three seeds, each with an effect of its own on every metric."""
    rows = [{"selector": s, "seed": i} | {k: v for k, v in m.items()} for i in SEEDS for s, m in columns.items()]
    return pd.DataFrame(rows).sample(frac=1, random_state=1)


def use(monkeypatch, **tables):
    monkeypatch.setattr(ranking, "runs", lambda name, profile, metric: tables[name])


def test_rankings_now_against_later(monkeypatch):
    orders = {"a": (3, 1), "b": (2, 2), "c": (1, 3)}
    names = (ranking.NOW, ranking.EQ1, ranking.LATER)
    use(monkeypatch, table1=table({s: dict(zip(names, (now, 10 * now, later))) for s, (now, later) in orders.items()}))
    assert numbers(ranking.gap_above_chance("full")) == pytest.approx([2 / 3 - 8 / 18])  # (K^2 - 1) / (3 K (K - 1))
    assert numbers(ranking.negative_kendall("full")) == [1]


def test_tokens_and_correlations(monkeypatch):
    values = {
        "gradient": (300, 0.9, 8, 0.1),
        "alignment": (200, 0.8, 7, 0.2),
        "lhas": (100, 0.2, 1, 0.8),
        "random": (9, 0.5, 4, 0.5),
    }
    names = ("adaptation_tokens", "concentration", "forgetting", "entropy")
    use(monkeypatch, table1=table({s: dict(zip(names, v)) for s, v in values.items()}))
    assert numbers(ranking.token_ratio("full")) == pytest.approx([2.0, 1.0])
    assert numbers(ranking.concentration_forgetting("full")) == pytest.approx([1.0])
    assert numbers(ranking.entropy_concentration("full")) == pytest.approx([1.0])


def test_settings_where_the_ranking_reverses(monkeypatch):
    cells = [(1, -1), (1, 1), (-1, -1), (-1, 1), (2, -3)]  # the first and the last reverse
    rows = [
        (name, seed, 0.1 * i, 0.2, 0.1, 0.25, 5 * seed + sign * now, -7 * seed + sign * later, 0.0)
        for i, (now, later) in enumerate(cells)
        for name, sign in (("alignment", 1), ("random", 0))
        for seed in SEEDS
    ]
    names = ["selector", "seed", *ranking.SETTING, ranking.NOW, ranking.LATER, ranking.EQ1]
    use(monkeypatch, regimes=pd.DataFrame(rows, columns=names).sample(frac=1, random_state=2))
    assert numbers(ranking.reversal_is_the_rule("full")) == pytest.approx([2 / 5 - 1 / 2])


def test_orders_against_true_effects(monkeypatch):
    n = 12
    forward = np.arange(n)

    def one(seed):
        g = pd.DataFrame({f"order_{name}": np.roll(forward, 5) for name in SCORED}).assign(seed=seed)
        g["order_alignment"], g["order_lhas"], g["order_utility_diversity"] = (
            forward,
            forward[::-1],
            np.roll(forward, 6),
        )
        for target, effect in zip(TARGETS, (forward, forward, forward[::-1])):
            g[target] = g[f"{target}_odd"] = g[f"{target}_even"] = effect * 1.0
        return g

    monkeypatch.setattr(ranking, "experiment", lambda name, profile: pd.concat(map(one, SEEDS)))
    rolled = -np.corrcoef(forward, np.roll(forward, 6))[0, 1]
    assert numbers(ranking.alignment_knows_now("full")) == pytest.approx([1])
    assert numbers(ranking.alignment_knows_later_less("full")) == pytest.approx([1 - -1])
    assert numbers(ranking.lhas_knows_later("full")) == pytest.approx([1 - rolled, 1 - -1])


# ---- theory ------------------------------------------------------------------------------------------


def test_closed_forms():
    assert numbers(theory_checks.small_eta("full")) == numbers(theory_checks.gram_spectrum("full")) == [1]
    assert numbers(theory_checks.as_printed("full")) == pytest.approx([0.125 - 0.5])  # c = 2, eta = 1/2
    p2 = [2 * (c**2 + (1 - c) ** 2 / 15) for c in (0.63, 0.25)]
    assert numbers(theory_checks.spread_closed_form("full")) == pytest.approx([p2[0] - p2[1]])
    assert numbers(theory_checks.spread_single_direction("full")) == [0]
    isotropic, curved = numbers(theory_checks.regret_grows("full"))
    assert isotropic == pytest.approx(sin(np.pi / 24) ** 2, abs=1e-4)  # from 0 to 15 degrees, and from 165 to 180
    assert curved != pytest.approx(isotropic, abs=1e-3)


def test_fits_of_the_local_analysis(monkeypatch):
    arms = [
        ("sgd", 0.001, 0.9, 0.8, 0.1),
        ("sgd", 0.3, 0.2, 0.3, 0.2),
        ("adamw", 0.002, 0.6, 0.7, 0.3),
        ("train", 0.002, -1, 0.4, 0.55),
    ]
    fits = pd.DataFrame(
        [(s, *a) for s in SEEDS for a in arms], columns=["seed", "arm", "eta", "first", "pairs", "spearman"]
    )
    sizes = pd.DataFrame(
        [(s, k, r) for s in SEEDS for k, r in (("batch", 0.25), ("budget", -0.5))], columns=["seed", "size", "rho"]
    )
    monkeypatch.setattr(theory_checks, "experiment", lambda name, profile: {"local": "rows"}[name])
    monkeypatch.setattr(theory_checks, "fit_quality", {"rows": fits}.get)
    monkeypatch.setattr(theory_checks, "concentration_against_spread", {"rows": sizes}.get)
    assert numbers(theory_checks.first_order_small("full")) == pytest.approx([0.9])
    assert numbers(theory_checks.equal_gain_pairs("full")) == pytest.approx([0.3])
    assert numbers(theory_checks.training_step("full")) == pytest.approx([0.6, 0.2])
    assert [e["smallest"] for e in theory_checks.training_step("full")] == [0.5, 0.2]
    assert numbers(theory_checks.whole_stage("full")) == pytest.approx([0.55])
    assert numbers(theory_checks.spread_measured("full")) == pytest.approx([0.25, -0.5])
