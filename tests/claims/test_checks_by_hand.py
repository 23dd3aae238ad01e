"""Every check on runs with planted effects: each must find the number, and the sign, that was planted."""

from math import sin

import numpy as np
import pandas as pd
import pytest

from lhas_utils.claims import ranking, theory_checks
from lhas_utils.studies import SCORED, TARGETS

SEEDS = (0, 1, 2)


def numbers(found) -> list[float]:
    """Return the effects of a check; their intervals are points, as every seed is the same."""
    found = found if isinstance(found, list) else [found]
    assert all(e["low"] == pytest.approx(e["high"], abs=1e-6) for e in found)
    return [e["effect"] for e in found]


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


def test_the_mean_gradient_ranks_by_the_smallest_gradient_step(monkeypatch):
    """Selections 0, 1, 2 were trained for a stage; the smallest step orders them so, a larger one and AdamW do not."""
    order = {"sgd 0.001": (1, 2, 3, 0), "sgd 0.3": (3, 2, 1, 0), "adamw": (3, 1, 2, 0), "train": (10, 20, 30)}
    rows = [
        (seed, subset, *(arm.split() + ["0.002"])[:2], value, sign * value)
        for seed, sign in zip((0, 1), (1, 2))
        for arm, values in order.items()
        for subset, value in enumerate(values)
    ]
    table = pd.DataFrame(rows, columns=["seed", "subset", "arm", "eta", "first", "next"]).astype({"eta": float})
    monkeypatch.setattr(theory_checks, "experiment", lambda name, profile: {"local": table}[name])
    (found,) = theory_checks.whole_stage_by_the_mean_gradient("full")
    assert (found["effect"], found["n_seeds"]) == (pytest.approx(1), 2)
    monkeypatch.setattr(theory_checks, "experiment", lambda name, profile: table[table["arm"] != "train"])
    assert theory_checks.whole_stage_by_the_mean_gradient("full") == []


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
