"""What the rows explorer shows: every published run under its arm and seed, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from lhas_utils.analysis import statistics
from lhas_utils.claims import effects
from lhas_utils.reader.site import data

RUNS = pd.DataFrame(
    {
        "run": range(6),
        "seed": [1, 1, 2, 2, 1, 2],
        "selector": ["random", "lhas", "random", "lhas", "lhas", "lhas"],
        "params": ["", "", "", "", "alpha=0.0", "alpha=0.0"],
        "noise": 0.1,
        "current": [0.1, 0.2, 0.3, 0.45678, 0.5, np.nan],
    }
)


def test_an_arm_is_named_by_its_selector_and_the_settings_that_tell_it_apart():
    named = data.arms(RUNS, ["current"])
    assert list(named.iloc[:2]) == ["random, params none", "lhas, params none"]
    assert list(named.iloc[4:]) == ["lhas, params alpha=0.0"] * 2
    assert list(data.arms(RUNS.iloc[:4], ["current"]).unique()) == ["random", "lhas"]


def test_values_stand_by_arm_and_seed_and_what_lacks_is_none(monkeypatch):
    rows = pd.DataFrame({"split": ["mixture"], **{c: [0] for c in ("run", "seed", "selector", "params", "noise")}})
    monkeypatch.setattr(data, "PUBLISHED", ("one", "gone"))
    monkeypatch.setattr(data, "is_published", lambda name: name == "one")
    monkeypatch.setattr(data, "published", lambda name: rows)
    monkeypatch.setattr(
        data, "runs", lambda name, profile, metric: RUNS.assign(current=RUNS["current"] + (metric == "nll"))
    )
    found = data.explorer()
    assert found["metrics"] == ["exact", "nll", "accuracy"] and list(found["experiments"]) == ["one"]
    one = found["experiments"]["one"]
    assert one["seeds"] == [1, 2] and one["arms"] == [
        "random, params none",
        "lhas, params none",
        "lhas, params alpha=0.0",
    ]
    assert one["values"]["current"]["exact"] == [[0.1, 0.3], [0.2, 0.4568], [0.5, None]]
    assert one["values"]["current"]["nll"][0] == [1.1, 1.3]


def test_an_experiment_without_random_gets_that_of_table_1(monkeypatch):
    monkeypatch.setattr(data, "is_published", lambda name: True)
    monkeypatch.setattr(data, "runs", lambda name, profile, metric: RUNS)
    alone = RUNS[RUNS["selector"] == "lhas"]
    assert list(data._beside_random(alone, "exact")["selector"]) == ["random"] * 2 + ["lhas"] * 4
    assert data._beside_random(RUNS, "exact") is RUNS


def test_the_quantiles_give_the_intervals_of_the_claims():
    quantiles = data.quantiles()
    x = np.array([0.1, 0.4, 0.2])
    mean, low, _ = statistics.interval(x)
    assert mean - low == pytest.approx(quantiles[3 - 2] * x.std(ddof=1) / 3**0.5, abs=1e-4)


def test_what_the_explorer_says_is_what_a_claim_says(monkeypatch):
    monkeypatch.setattr(data, "PUBLISHED", ("table1",))
    one = data.explorer()["experiments"]["table1"]
    a, b = (np.array(one["values"]["future_auc"]["exact"][one["arms"].index(n)], float) for n in ("loss", "random"))
    (effect,) = [e for e in effects("C02", "published") if e.name == "future_auc: loss < random"]
    assert (b - a).mean() == pytest.approx(effect.effect, abs=1e-4)
