"""The checks on OpWorld find what was planted in made-up runs."""

import numpy as np
import pandas as pd
import pytest

from lhas_utils.analysis import optimum
from lhas_utils.claims import optimum_checks
from lhas_utils.runs.difficulty_grids import OP_PLANS


def made_up(gain, bases=("weak",)) -> pd.DataFrame:
    """Return one row per run of the published plan with `gain(seed, op, n)`."""
    _, levels, sizes = OP_PLANS["full"]
    cells = [(b, s, op, n) for b in bases for s in range(1000, 1003) for op in levels for n in sizes]
    rows = [{"base": b, "seed": s, "d": op, "n": n, "gain": gain(s, op, n)} for b, s, op, n in cells]
    return pd.DataFrame(rows).assign(skill="op", loss="sft", match="steps", trim="none", lr=3e-4)


def test_checks_find_a_planted_optimum_and_its_shift(monkeypatch):
    _, (easiest, first, last, hardest), (small, *_, large) = OP_PLANS["full"]

    def planted(seed, op, n):
        return -((op - (first if n == small else last)) ** 2)

    both = made_up(planted, ("weak", "strong"))
    monkeypatch.setattr(optimum_checks, "difficulty_runs", lambda profile, name: both)
    found = {e["name"]: e for e in optimum_checks.op_interior_optimum("full")}
    assert len(found) == 4 and all(e["n_seeds"] == 3 for e in found.values())
    for base in ("weak", "strong"):
        assert found[f"{base} base, best - hardest"]["effect"] == pytest.approx((last - hardest) ** 2)
        assert found[f"{base} base, best - easiest"]["effect"] == pytest.approx((last - easiest) ** 2)
    for move in optimum_checks.op_optimum_moves_with_n("full"):
        assert move["effect"] == pytest.approx(last - first)
        assert {"name", "effect", "low", "high", "n_seeds"} <= set(move)


def test_check_finds_a_planted_shift_with_the_base(monkeypatch):
    _, (_, first, last, _), _ = OP_PLANS["full"]
    parts = [
        made_up(lambda seed, op, n: -((op - top) ** 2), (base,)) for base, top in (("strong", last), ("weak", first))
    ]
    monkeypatch.setattr(optimum_checks, "difficulty_runs", lambda profile, name: pd.concat(parts))
    (move,) = optimum_checks.op_optimum_moves_with_base("full")
    assert move["effect"] == pytest.approx(last - first) and move["n_seeds"] == 3


def test_gains_are_means_over_levels_without_the_training_set():
    scores = [(who, s, e) for who, at in (("base", 0.2), ("tuned", 0.5)) for s, e in (("2", at), ("3", at + 0.1))]
    scores += [("base", "train", 9.0), ("tuned", "train", 9.0)]
    rows = pd.DataFrame(scores, columns=["who", "slice", "exact"]).assign(accuracy=0.0, nll=1.0, run=0)
    spec = {"skill": "op", "base": "weak", "seed": 0, "d": 3, "n": 8, "loss": "sft", "lr": 3e-4, "match": "steps"}
    used = {name: np.nan for name in optimum.MEASURED}
    (run,) = optimum.per_run(rows.assign(trim="none", **spec, **used)).to_dict("records")
    assert (run["before"], run["gain"]) == pytest.approx((0.25, 0.3))


def test_checks_are_empty_without_runs():
    assert optimum_checks.op_interior_optimum("fast") == []
    assert optimum_checks.op_optimum_moves_with_n("fast") == []
    assert optimum_checks.op_optimum_moves_with_base("fast") == []
