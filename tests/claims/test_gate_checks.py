"""The gate as a claim, and the stop before any verdict."""

from importlib import import_module

import pandas as pd
import pytest

from lhas_utils import claims
from lhas_utils.core import paths
from lhas_utils.studies import START, branch

module = import_module("lhas_utils.claims.gate_checks")


def rows(after: float = 0.6, last: float = 0.8, known: float = 0.97) -> pd.DataFrame:
    """Return Random's rows of the common start: two seeds, stages a and b, the base at 0.1 everywhere."""
    out = []
    for run, seed in enumerate((100, 101)):
        R = [[0.1, 0.1], [after, 0.1], [0.5, last + 0.05 * run]]
        one = [(START, "mixture", t, c, "weight", float((t == 1) == (c == "a"))) for t in (1, 2) for c in "ab"]
        one += [(START, "id", 1, c, "exact", R[0][j]) for j, c in enumerate("ab")]
        one += [("random", "id", t, c, "exact", R[t][j]) for t in (1, 2) for j, c in enumerate("ab")]
        one += [(s, "ood", t, c, "exact", v) for s, t, v in ((START, 1, 0.0), ("random", 2, 0.3)) for c in "ab"]
        one += [(START, "known", 0, task, "exact", v) for task, v in (("sort", 1.0), ("swap", known))]
        table = pd.DataFrame(one, columns=["selector", "split", "stage", "capability", "metric", "value"])
        out.append(table.assign(step=0, run=run, seed=seed))
    return pd.concat(out, ignore_index=True)[[*branch.COLUMNS, "run", "seed"]]


def test_every_part_of_the_gate_by_hand(monkeypatch):
    monkeypatch.setattr(module, "experiment", lambda name, profile: rows())
    found = {e["name"]: e for e in module.skill_world_teaches("full")}
    assert found["a: rise - 0.15"]["effect"] == pytest.approx(0.5 - 0.15)
    assert found["b: rise - 0.15"]["effect"] == pytest.approx(0.725 - 0.15)
    assert found["share of seeds with that rise, worst stage, - 0.9"]["effect"] == pytest.approx(0.1)
    assert found["final average - base"]["effect"] == pytest.approx((0.5 + 0.825) / 2 - 0.1)
    assert found["base on its own worst task - 0.95"]["effect"] == pytest.approx(0.02)
    assert found["OOD after the last stage - base"]["effect"] == pytest.approx(0.3)


def test_the_other_sequences_are_judged_at_their_worst_stage(monkeypatch):
    own = [(t, c, "id", "exact", v) for t, v in ((0, 0.1), (1, 0.5), (2, 0.4)) for c in "ab"]
    own += [(t, c, "mixture", "weight", float((t == 1) == (c == "a"))) for t in (1, 2) for c in "ab"]
    table = pd.DataFrame(own, columns=["stage", "capability", "split", "metric", "value"])
    table = table.assign(step=0, run=0, seed=100, selector="random", sequence="domain")
    monkeypatch.setattr(module, "experiment", lambda name, profile: table)
    (found,) = module.other_sequences_teach("full")
    assert found["effect"] == pytest.approx(0.3 - 0.15) and found["name"].startswith("domain: ")
    monkeypatch.setattr(module, "experiment", lambda name, profile: pd.DataFrame())
    assert module.other_sequences_teach("fast") == []


def test_a_world_that_teaches_passes_and_one_that_does_not_stops_before_any_verdict(monkeypatch, tmp_path):
    module.require(rows())
    with pytest.raises(ValueError, match=r"gate of SkillWorld: expected a rise of 0.15 at every stage; got a \+0.10"):
        module.require(rows(after=0.2))
    publish = import_module("lhas_utils.claims.publish")
    monkeypatch.setattr(publish, "is_published", lambda name: True)
    monkeypatch.setattr(publish, "published", lambda name: rows(after=0.2))
    monkeypatch.setattr(paths, "data", lambda profile: tmp_path)
    with pytest.raises(ValueError, match="No verdicts"):
        claims.publish()
    assert not list(tmp_path.iterdir())
