"""The checks of the map on runs whose answer is known."""

from itertools import product

import pandas as pd
import pytest

from lhas_utils.analysis.lhas_map import KNOBS, QUANTITIES
from lhas_utils.claims import CHECKS, lhas_checks
from lhas_utils.runs import ARMS, CELLS

ALL = {  # check -> its pairs and their mean gains
    "lhas_beats_random_somewhere": {("lhas", "random"): 0.01},
    "lhas_beats_balanced_somewhere": {("lhas", "balanced"): 0.11},
    "lhas_beats_diversity_somewhere": {("lhas", "diversity"): 0.31},
    "each_term_pays_somewhere": {
        ("lhas", "without coverage"): 0.41,
        ("lhas", "without proxy"): 0.51,
        ("with penalty", "lhas"): 0.59,
    },
}
GAINS = {"random": 0.0, "balanced": -0.1, "diversity": -0.3, "without coverage": -0.4, "without proxy": -0.5}


def runs(arms=tuple(ARMS), seeds=range(3)) -> pd.DataFrame:
    """Arms differ in the last cell alone: by `GAINS`, .6 with penalty, and for LHAS .01 a seed."""
    rows = [
        (arm, *cell, seed, (seed / 100 if arm == "lhas" else GAINS.get(arm, 0.6)) * (cell == (0.6, 0.8, 0.3, 0.25)))
        for arm in ARMS
        for cell in product(*CELLS.values())
        for seed in seeds
        if arm in arms
    ]
    table = pd.DataFrame(rows, columns=["arm", *KNOBS, "seed", "long_horizon"])
    return table.assign(**{q: 0.0 for q in QUANTITIES if q != "long_horizon"})


@pytest.fixture
def use(monkeypatch):
    def give(table):
        asked = []
        lhas_checks._runs.cache_clear()
        monkeypatch.setattr(lhas_checks, "experiment", lambda name, profile: asked.append((name, profile)) or table)
        monkeypatch.setattr(lhas_checks, "map_runs", lambda rows, metric: asked.append(metric) or rows)
        return asked

    yield give
    lhas_checks._runs.cache_clear()


@pytest.mark.parametrize("name", ALL)
def test_an_effect_for_each_arm_from_its_best_cell(name, use):
    asked = use(runs())
    found = CHECKS[name]("full", "nll")
    assert asked == [("lhas_map", "full"), "nll"]
    names = [f"long_horizon: {a} - {b}, somewhere on the map" for a, b in ALL[name]]
    assert [e["name"] for e in found] == names
    assert [e["effect"] for e in found] == pytest.approx([*ALL[name].values()])
    assert {e["n_seeds"] for e in found} == {3}


@pytest.mark.parametrize("name", ALL)
def test_a_profile_without_the_map_or_the_arm_has_no_effect(name, use):
    use(pd.DataFrame())
    assert CHECKS[name]("fast") == []
    use(runs(arms=("lhas",)))
    assert CHECKS[name]("smoke") == []
