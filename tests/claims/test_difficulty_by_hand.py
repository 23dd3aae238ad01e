"""Every check of the difficulty study on runs with planted effects: each must find the number, and its sign."""

from itertools import product
from math import log, log2, sqrt

import numpy as np
import pandas as pd
import pytest

from lhas_utils.claims import Effect, difficulty_checks, judge, llm_checks, optimum_checks
from lhas_utils.runs import DFT_LR, LR
from lhas_utils.studies import CLIP
from tests.analysis.test_level_gate import rows_of

SEEDS, BASES = (0, 1, 2), ("weak", "strong")
SKILLS, LEVELS, SIZES = ("sort", "cumsum"), (3, 4, 6, 8, 10), (32, 256, 2048)
HEIGHT = {32: 0.1, 128: 0.2, 256: 0.3, 2048: 0.45}  # of the gain at its best level
NLL = {"gain": 3, "generalization": 10, "extrapolation": 10}  # nats planted for each unit of exact match


def best(n: int, base: str = "weak") -> float:
    """Return the planted best level: it moves by 1/4 a doubling, and lies 1/2 higher with the strong base.

    Weak: 4 (n = 32, best cell 4), 4.5 (128; 4), 4.75 (256; 4), 5.5 (2048; 6). Strong: 4.5 (4), 5 (4), 5.25 (6), 6 (6).
    """
    return 4 + log2(n / 32) / 4 + (base == "strong") / 2


def gain(d: float, n: int, base: str = "weak") -> float:
    return HEIGHT[n] - 0.01 * (d - best(n, base)) ** 2


def gap(d: float, n: int) -> float:
    """Return the planted generalization gap: it rises with the level, a little less at the larger sizes."""
    return (0.02 if n == 32 else 0.01) * (d - 3) - 0.005 * log2(n / 32)


def planted() -> pd.DataFrame:
    """Return one row per run of the difficulty study, as `per_run` does, with planted gains and gaps."""
    plain, rows = {"loss": "sft", "match": "steps", "trim": "none", "lr": LR}, []

    def run(gain, generalization=0.0, extrapolation=0.0, **spec):
        found = {"gain": gain, "generalization": generalization, "extrapolation": extrapolation}
        exact, nll = (
            {f"{k}_{m}": v * by.get(k, 1) for k, v in found.items()} for m, by in (("exact", {}), ("nll", NLL))
        )
        rows.append(plain | spec | exact | nll)

    for seed in SEEDS:
        sort = {"seed": seed, "skill": "sort", "base": "weak"}
        for skill, base, d, n in product(SKILLS, BASES, LEVELS, SIZES):
            run(gain(d, n, base), gap(d, n), 0.001 * log2(n) - 0.03 * d, seed=seed, skill=skill, base=base, d=d, n=n)
        for base, d, n in product(BASES, LEVELS, (128, 2048)):
            few = 0.05 - 0.01 * (d - 3) if n == 128 else 0.02 * (d - 3)
            run(gain(d, n, base), few, -0.02 * d, **sort | {"base": base}, d=d, n=n, match="epochs")
        for d, n in product(LEVELS, (32, 2048)):
            run(1 - (d - (4.5 if n == 32 else 6.25)) ** 2, **sort, d=d, n=n, match="tokens")
        for (lr, part), d, n in product(((LR, 1.0), (DFT_LR, 0.5)), (3, 10), (32, 2048)):
            more = part * (0.1 * (d - 3) if n == 32 else -0.02 * d)
            run(gain(d, n) + more, gap(d, n) - 0.4 * part * (d == 10), **sort, d=d, n=n, loss="dft", lr=lr)
        cut = {(64, "hardest"): 0.1, (64, "easiest"): -0.2, (1024, "hardest"): -0.3, (1024, "easiest"): 0.4}
        for n, trim in product((64, 1024), ("none", "hardest", "easiest")):
            run(0.5 + cut.get((n, trim), 0.0), **sort, d=0, n=n, trim=trim)
    shuffled = pd.DataFrame(rows).sample(frac=1, random_state=0)
    return shuffled.sort_values("skill", ascending=False, kind="stable")


def slices() -> pd.DataFrame:
    """Return tidy rows: base scores by level, two runs of the strong base, and the posteriors of the weak one."""
    spec = {"skill": "sort", "base": "weak", "loss": "sft", "lr": LR, "match": "steps", "trim": "none", "n": 32, "d": 3}
    spec |= {"examples": 32, "distance2": 0.0}
    out = []

    def run(scores, **more):
        table = pd.DataFrame(scores, columns=["who", "slice", "exact", "nll", "sigma"])
        out.append(table.assign(**spec | more, run=len(out)))

    def told(exact, nll):
        tuned = [("tuned", str(v), exact(v), nll(v), np.nan) for v in range(2, 11)]
        return [("base", str(v), 0.5, 2.0, np.nan) for v in range(2, 11)] + tuned

    for seed in SEEDS:
        easy = told(lambda v: 0.6 if v <= 3 else 0.2, lambda v: 1.5 if v <= 3 else 2.5)
        run(easy, seed=seed, base="strong", d=3, n=2048)
        run(told(lambda v: 0.1 if v <= 5 else 0.3, lambda v: 3.0), seed=seed, base="strong", d=10, n=32)
        for skill, sign in (("sort", 1), ("cumsum", -1)):  # with the weak base, later levels are harder, or easier
            scores = [("base", str(v), 0.5 - sign * v / 20, 2 + sign * v / 10, np.nan) for v in range(2, 7)]
            run([*scores, ("tuned", "2", 0, 0, np.nan)], seed=seed, skill=skill)
        for d, n in product((4, 6, 8, 10), (32, 2048)):
            risk = {"train": 0.2 + 0.01 * (d - best(n) - 2) ** 2} | {str(v): 1.0 for v in range(2, 11)}
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


MEAN = {n: np.mean([gain(d, n) for d in LEVELS]) for n in SIZES}
TOP = [gain(d, 2048) for d in LEVELS]
RATE = (MEAN[256] - MEAN[32]) / 3 - (MEAN[2048] - MEAN[256]) / 3
LATE = 2 * 0.01 * 0.75 * (10 - 3)  # the best level moves by .75 from n = 256 to 2048, at both ends of the levels
INSIDE = {end: max(TOP) - TOP[k] for end, k in (("easiest", 0), ("hardest", -1))}
COMPLEXITY = CLIP * sqrt((log(20) + 2.5 * log(2048) + 8) / 4095)
LOWEST = 0.2 + 0.01 * 0.5**2 + COMPLEXITY + CLIP * 2 / 3  # the bound at level 8, n = 2048
EXACT = {
    "grows_with_n": dict.fromkeys(SKILLS, MEAN[2048] - MEAN[32]),
    "saturates": dict.fromkeys(SKILLS, RATE),
    "interior_optimum": {(s, end): v for s in SKILLS for end, v in INSIDE.items()},
    "optimum_moves_with_n": {(s, how): v for s in SKILLS for how, v in (("cell", 2.0), ("vertex", 1.5))},
    "optimum_moves_with_base": {(s, how): v for s in SKILLS for how, v in (("cell", 2 / 3), ("vertex", 0.5))},
    "interior_optimum_epochs": INSIDE,
    "optimum_moves_with_n_epochs": {"cell": 2.0, "vertex": 1.0},
    "optimum_moves_with_base_epochs": {"cell": 0.0, "vertex": 0.5},
    "shift_survives_tokens": {"cell": 2.0, "vertex": 1.75},
    "bound_moves": {"cell": 2.0, "vertex": 1.5},
    # 4, 4.75, 5.5 from the others' mean are 1.125, 0 and 1.125 levels off, from the nearest .75, 0 and .75
    "optimum_predicted": {"mean of the other n": 0.75, "nearest n": 0.5},
    "easy_saturates_earlier": dict.fromkeys(BASES, LATE),
    "easy_training_fails": {"nll": 0.5, "harder": 0.3, "overall": (7 * 0.3 - 2 * 0.1) / 9},
    "hard_training_fails": {"seen": 0.4, "unseen": 0.2},
    "generalization_rises": dict.fromkeys(SKILLS, 0.14),
    "generalization_falls_with_n": dict.fromkeys(SKILLS, 0.03 + 0.01 * 3.2),
    "extrapolation_falls": dict.fromkeys(SKILLS, 0.21),
    "generalization_rises_epochs": {"sort": -0.07},
    "generalization_falls_epochs": {"sort": (0.05 - 0.01 * 3.2) - 0.02 * 3.2},
    "extrapolation_falls_epochs": {"sort": 0.14},
    "extrapolation_ignores_n": dict.fromkeys(SKILLS, 0.21 - 0.006),
    "extrapolation_hardly_moves": dict.fromkeys(SKILLS, 0.05 - 0.006),
    "trimming": {"small hardest": 0.1, "small easiest": 0.2, "large hardest": 0.3, "large easiest": 0.4},
    "bound_not_vacuous": {"": CLIP - LOWEST},
    "dft_wins_on_hard": {"equal": 0.7, "fifth": 0.35},
    "sft_overtakes": {"equal": 0.2, "fifth": 0.1},
    "dft_smaller_gap": {"equal": 0.4, "fifth": 0.2},
    "measures_agree": {"sort nll": 1, "sort failure": 1, "cumsum nll": -1, "cumsum failure": -1},
}
IN_NATS = {  # check -> what its exact effects become in nats; a place of an optimum stays where it is
    **dict.fromkeys(("grows_with_n", "saturates", "interior_optimum", "interior_optimum_epochs", "trimming"), 3),
    **dict.fromkeys(("dft_wins_on_hard", "sft_overtakes"), 3),
    **dict.fromkeys(("generalization_rises", "generalization_falls_with_n", "dft_smaller_gap"), 10),
    **dict.fromkeys(("extrapolation_falls", "extrapolation_ignores_n", "extrapolation_falls_epochs"), 10),
    **dict.fromkeys(("generalization_rises_epochs", "generalization_falls_epochs"), 10),
    "easy_saturates_earlier": 3,
}
OTHERS_IN_NATS = {"easy_training_fails": [0.5, 0.5, 5 * 0.5 / 9], "hard_training_fails": [1.0, 1.0]}
OTHERS_IN_NATS |= {"extrapolation_hardly_moves": [0.1 - 0.06] * 2}


def check_of(name: str):
    return getattr(optimum_checks, name, None) or getattr(difficulty_checks, name)


@pytest.mark.parametrize("name", sorted(EXACT))
def test_every_check_finds_what_was_planted(study, name):
    found = check_of(name)("full")
    assert numbers(found) == pytest.approx(list(EXACT[name].values()))
    for effect in found if isinstance(found, list) else [found]:
        assert effect["n_seeds"] == 3 and {"name", "effect", "low", "high"} <= set(effect)


@pytest.mark.parametrize("name", sorted(EXACT))
def test_every_check_finds_it_in_nats(study, name):
    expected = OTHERS_IN_NATS.get(name) or [v * IN_NATS.get(name, 1) for v in EXACT[name].values()]
    assert numbers(check_of(name)("full", "nll")) == pytest.approx(expected)


def test_optima_are_computed_seed_by_seed(monkeypatch):
    """The optimum of one seed in three moves by 4 levels, at a height that would decide that of the mean."""
    runs = planted()
    late = (runs["seed"] == 2) & (runs["n"] == 2048) & (runs["match"] == "epochs")
    runs.loc[late, "gain_exact"] = 0.4 - 100 * (runs["d"] - 8.0) ** 2
    monkeypatch.setattr(optimum_checks, "difficulty_runs", lambda profile, name="difficulty": runs)
    cell, vertex = optimum_checks.optimum_moves_with_n_epochs("full")
    assert cell["effect"] == pytest.approx((2 + 2 + 4) / 3) and cell["low"] < cell["effect"] < cell["high"]
    assert vertex["effect"] == pytest.approx((1 + 1 + (8 - 4.5)) / 3)


@pytest.fixture
def planted_gains(monkeypatch):
    """Set gains (exact match) of cells to level -> one value a seed; the checks read the runs that come out."""
    runs = planted()
    monkeypatch.setattr(optimum_checks, "difficulty_runs", lambda profile, name="difficulty": runs)

    def plant(of, **where):
        cells = (runs["match"] == "steps") & (runs["loss"] == "sft") & (runs["d"] > 0)
        for column, value in where.items():
            cells &= runs[column] == value
        for d, seed in product(LEVELS, SEEDS):
            runs.loc[cells & (runs["d"] == d) & (runs["seed"] == seed), "gain_exact"] = of(d)[seed]

    return plant


NOISE = {3: (0.3, -0.3, 0.0), 4: (-0.3, 0.3, 0.1)}  # two best cells of three seeds, and no interval above 0


def noise(d):
    return NOISE.get(d, (-0.2, -0.1, -0.2))


def test_no_optimum_is_asked_for_where_no_level_gains(planted_gains):
    planted_gains(noise, n=32, skill="sort", base="weak")
    found = {e["name"]: e["effect"] for e in optimum_checks.optimum_moves_with_n("full")}
    assert found["sort without n = 32, best cell"] == 2 and found["cumsum, best cell"] == 2  # 4 at 256, 6 at 2048
    assert found["sort without n = 32, vertex"] == pytest.approx(0.75)
    found = {e["name"]: e["effect"] for e in optimum_checks.optimum_moves_with_base("full")}
    assert found["sort without n = 32, best cell"] == 1 and found["cumsum, best cell"] == pytest.approx(2 / 3)
    assert optimum_checks.optimum_predicted("full") == []  # two rows have no line beside them


def test_a_skill_with_one_row_that_gains_has_no_shift(planted_gains):
    for n in (32, 256):
        planted_gains(noise, n=n, skill="cumsum", base="weak")
    assert [e["name"] for e in optimum_checks.optimum_moves_with_n("full")] == ["sort, best cell", "sort, vertex"]
    names = [e["name"] for e in optimum_checks.optimum_moves_with_base("full")]
    assert names[2:] == ["cumsum without n = 32, 256, best cell", "cumsum without n = 32, 256, vertex"]
    planted_gains(noise, n=2048, skill="cumsum", base="strong")  # now no row gains with both bases
    assert len(optimum_checks.optimum_moves_with_base("full")) == 2


def test_what_is_at_one_end_in_every_seed_tests_nothing(planted_gains):
    """Every best level of `sort` is the hardest; that of cumsum is as planted."""
    planted_gains(lambda d: (d / 10, d / 11, d / 12), skill="sort")
    told = "censored: the best level is the hardest in every seed"
    for check, effects in (
        (optimum_checks.interior_optimum, 1),
        (optimum_checks.optimum_moves_with_n, 2),
        (optimum_checks.optimum_moves_with_base, 2),
    ):
        marked = [e for e in check("full") if told in e["name"]]
        assert [(e["effect"], e["low"], e["high"], e["smallest"]) for e in marked] == [(0, 0, 0, 0)] * effects
        assert all(e["name"].startswith("sort") for e in marked)
        assert all(judge(Effect(**e), 0.01) == "INCONCLUSIVE" for e in marked)


def test_what_is_at_one_end_in_most_seeds_tests_nothing(planted_gains):
    """At n = 2048 the best level of the weak base is the hardest, that of the strong one in two seeds of three."""
    planted_gains(noise, n=32, skill="cumsum")
    planted_gains(noise, n=256, skill="cumsum")
    planted_gains(lambda d: (d / 10, d / 11, d / 12), n=2048, skill="cumsum", base="weak")
    planted_gains(lambda d: (d / 10, d / 11, 1 + (d == 8)), n=2048, skill="cumsum", base="strong")
    *_, cell, vertex = optimum_checks.optimum_moves_with_base("full")
    assert cell["name"] == (
        "cumsum without n = 32, 256, best cell, censored: the best level is the hardest in most seeds"
    )
    assert cell["effect"] == pytest.approx(-2 / 3) and cell["smallest"] == vertex["smallest"] == 0
    planted_gains(lambda d: (d / 10, 1 + (d == 8), 1 + (d == 8)), n=2048, skill="cumsum", base="strong")
    *_, cell, vertex = optimum_checks.optimum_moves_with_base("full")
    assert "censored" not in cell["name"] + vertex["name"] and "smallest" not in cell


def test_two_optima_at_one_place_inside_are_a_test(planted_gains):
    planted_gains(lambda d: (1 - abs(d - 6) / 10,) * 3, skill="sort")
    found = optimum_checks.optimum_moves_with_n("full")[:2] + optimum_checks.optimum_moves_with_base("full")[:2]
    assert [e["effect"] for e in found] == [0] * 4 and not any("smallest" in e for e in found)


def test_from_one_end_to_the_other_is_a_shift(planted_gains):
    planted_gains(lambda d: (d / 10, d / 11, d / 12), n=2048, skill="sort")
    planted_gains(lambda d: (1 / d, 1.1 / d, 1.2 / d), n=32, skill="sort")
    assert [e["effect"] for e in optimum_checks.optimum_moves_with_n("full")][:2] == [7, 7]
    ends = [e["name"] for e in optimum_checks.optimum_moves_with_base("full")]
    assert not any("censored" in name for name in ends)  # at n = 256 the optimum moves


def test_the_gate_is_a_rise_and_a_gain_for_every_grid(monkeypatch):
    weak = rows_of((0.9, 0.4, 0.8))
    strong = rows_of((0.9, 0.3, 0.0)).assign(base="strong", run=lambda t: t["run"] + 100)
    alone = weak.assign(skill="cumsum", run=lambda t: t["run"] + 200)
    both, all_three = pd.concat([weak, strong]), pd.concat([weak, strong, alone])
    monkeypatch.setattr(optimum_checks, "difficulty_rows", lambda _, name: both if name == "difficulty" else all_three)
    found = optimum_checks.gains_at_all("full")
    assert [e["effect"] for e in found] == pytest.approx([0.21, 0.81 / 5, 0.01, 0.11 / 5])
    assert [e.get("smallest") for e in found] == [0.15, None, 0.15, None]
    real = [e["name"] for e in llm_checks.real_levels_teach("full")]
    assert real == [e["name"] for e in found] + ["cumsum, weak base, own level", "cumsum, weak base, best cell"]
