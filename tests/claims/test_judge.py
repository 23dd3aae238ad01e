"""The rule that turns effects into verdicts, on effects whose verdict is plain."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from lhas_utils import claims
from lhas_utils.claims import Effect

contract, effects, judge = (import_module(f"lhas_utils.claims.{name}") for name in ("contract", "effects", "judge"))
ENTRY = {
    "id": "Z1",
    "statement": "a beats b",
    "where": "here",
    "kind": "qualitative",
    "notebook": "03",
    "smallest": 0.1,
    "test": "x",
}


def effect(low, high, smallest=0.1, mean=None) -> Effect:
    return Effect("e", (low + high) / 2 if mean is None else mean, low, high, 8, smallest)


@pytest.mark.parametrize(
    "low, high, p, verdict",
    [
        (0.05, 0.25, None, "REPRODUCED"),
        (0.05, 0.25, 0.04, "REPRODUCED"),
        (0.05, 0.25, 0.06, "INCONCLUSIVE"),  # the interval says yes, the test does not
        (0.01, 0.15, None, "INCONCLUSIVE"),  # above 0, and too small to matter yet
        (0.01, 0.09, None, "CONTRADICTED"),  # surely smaller than what matters
        (-0.3, -0.1, None, "CONTRADICTED"),
        (-0.1, 0.3, None, "INCONCLUSIVE"),
        (0.0, 0.3, None, "INCONCLUSIVE"),
    ],
)
def test_one_effect(low, high, p, verdict):
    assert claims.judge(effect(low, high), p) == verdict


@pytest.mark.parametrize(
    "low, high, verdict", [(0.0, 0.0, "CONTRADICTED"), (0.1, 0.2, "REPRODUCED"), (-0.1, 0.0, "CONTRADICTED")]
)
def test_one_effect_without_a_smallest_size(low, high, verdict):
    assert claims.judge(effect(low, high, smallest=0.0)) == verdict


R, C, I = "REPRODUCED", "CONTRADICTED", "INCONCLUSIVE"  # noqa: E741


@pytest.mark.parametrize(
    "parts, verdict",
    [([R, R], R), ([R, C], "PARTLY"), ([R, I], "PARTLY"), ([C, I], C), ([I, I], I), ([C], C), ([], "NOT TESTABLE")],
)
def test_a_compound_claim(parts, verdict):
    assert claims.combine(parts) == verdict


def runs(**by_selector) -> pd.DataFrame:
    """Return one row per selector and seed with metric `m`."""
    return pd.DataFrame(
        [
            {"selector": s, "seed": i, "m": v, "rank": None}
            for s, values in by_selector.items()
            for i, v in enumerate(values)
        ]
    )


def test_a_contrast_is_paired_and_signed_by_its_direction():
    table = runs(a=[0.5, 0.7, 0.9], b=[0.4, 0.5, 0.6])
    for direction, expected in (("greater", 0.2), ("less", -0.2)):
        found = claims.contrast(table, {"metric": "m", "a": "a", "b": "b", "direction": direction}, 0.01)
        assert (found.effect, found.n_seeds, found.smallest) == (pytest.approx(expected), 3, 0.01)
    assert min(found.low, found.high) < -0.2 < max(found.low, found.high)


def test_a_margin_turns_no_difference_into_not_worse():
    table = runs(a=[0.5, 0.5, 0.5], b=[0.5, 0.5, 0.5])
    found = claims.contrast(table, {"metric": "m", "a": "a", "b": "b", "direction": "greater", "margin": 0.02}, 0.0)
    assert claims.judge(found) == "REPRODUCED" and found.effect == pytest.approx(0.02)


def test_a_difference_of_differences():
    table = runs(a=[0.9, 0.8], b=[0.5, 0.4], c=[0.6, 0.5], d=[0.5, 0.4])
    spec = {"metric": "m", "a": "a", "b": "b", "direction": "greater", "minus": {"a": "c", "b": "d"}}
    assert claims.contrast(table, spec, 0.0).effect == pytest.approx(0.4 - 0.1)


def test_a_side_may_be_filtered_and_none_means_missing():
    table = runs(a=[0.9, 0.8], b=[0.5, 0.4])
    spec = {"metric": "m", "a": {"selector": "a", "rank": None}, "b": {"selector": "b"}, "direction": "greater"}
    assert claims.contrast(table, spec, 0.0).effect == pytest.approx(0.4)
    assert claims.contrast(table, spec | {"a": {"selector": "a", "rank": 16}}, 0.0) is None


def judged(monkeypatch, table, contrasts, profile="fast"):
    entry = ENTRY | {"experiment": "e", "contrasts": contrasts}
    monkeypatch.setattr(judge, "contract", lambda: {"Z1": entry})
    for module in (judge, effects):
        monkeypatch.setattr(module, "get", lambda claim: entry)
    monkeypatch.setattr(effects, "runs", lambda name, profile: table)
    verdicts, parts = claims.verdicts(profile)
    assert list(verdicts) == claims.COLUMNS and list(parts) == claims.PARTS
    assert len(parts) == len(contrasts) and set(parts["id"]) == {"Z1"}
    return verdicts.iloc[0]


def test_holm_runs_over_the_contrasts_of_one_claim(monkeypatch):
    """Six seeds reach p = 2 / 2^6 = 0.031: enough for one contrast, not for two."""
    rng = np.random.default_rng(0)
    table = runs(a=rng.uniform(0.5, 0.6, 6), b=rng.uniform(0.0, 0.1, 6), c=rng.uniform(0.0, 0.1, 6))
    one = {"metric": "m", "a": "a", "b": "b", "direction": "greater"}
    assert judged(monkeypatch, table, [one])["verdict"] == "REPRODUCED"
    both = judged(monkeypatch, table, [one, one | {"b": "c"}])
    assert both["verdict"] == "INCONCLUSIVE" and "underpowered: 6 seeds reach p = 0.062 at best" in both["note"]


def test_an_undecided_effect_says_how_many_seeds_it_would_take(monkeypatch):
    table = runs(a=[0.9, 0.1, 0.8, 0.3, 0.7, 0.5, 0.9, 0.2], b=[0.5] * 8)
    row = judged(monkeypatch, table, [{"metric": "m", "a": "a", "b": "b", "direction": "greater"}])
    half = (row["high"] - row["low"]) / 2
    assert row["verdict"] == "INCONCLUSIVE" and half > 0.1
    assert f"with 8 seeds, about {np.ceil(8 * (half / 0.1) ** 2):.0f} would bring that to 0.1" in row["note"]


def test_the_weakest_effect_stands_for_the_claim(monkeypatch):
    table = runs(a=[0.9, 0.8, 0.9], b=[0.5, 0.4, 0.5], c=[0.89, 0.8, 0.9])
    one = {"metric": "m", "a": "a", "b": "b", "direction": "greater"}
    row = judged(monkeypatch, table, [one, one | {"b": "c"}])
    assert row["effect"] == pytest.approx(0.01 / 3) and "m: a > b" in row["note"]


def test_of_the_parts_with_the_worst_verdict_the_lowest_stands_for_the_claim():
    wide, small, low = effect(-2.0, 2.7), effect(0.0, 0.05), effect(-0.1, 0.02)
    each = ["INCONCLUSIVE", "CONTRADICTED", "CONTRADICTED"]
    assert claims.weakest([wide, small, low], each) is low


@pytest.mark.parametrize("profile", ["full", "published"])
def test_a_published_contrast_without_runs_is_an_error(monkeypatch, profile):
    with pytest.raises(ValueError, match="claim Z1: the published runs lack a side"):
        judged(
            monkeypatch, runs(a=[0.1]), [{"metric": "m", "a": "a", "b": "b", "direction": "greater"}], profile=profile
        )


@pytest.mark.parametrize(
    "change, message",
    [({"metric": "k"}, "metric: expected one of .*; got 'k'"), ({"a": {"rang": 1}}, "filter: expected .*; got 'rang'")],
)
def test_a_contrast_of_something_that_no_run_has_is_named(monkeypatch, change, message):
    one = {"metric": "m", "a": "a", "b": "b", "direction": "greater"}
    with pytest.raises(ValueError, match=f"claims.yml, Z1: {message}"):
        judged(monkeypatch, runs(a=[0.1, 0.2], b=[0.1, 0.2]), [one | change])


def test_every_part_has_a_row_with_its_test_and_verdict(monkeypatch):
    table = runs(a=[0.9, 0.8, 0.9, 0.7, 0.8, 0.9], b=[0.5, 0.4, 0.5, 0.4, 0.5, 0.4])
    entry = ENTRY | {"experiment": "e", "contrasts": [{"metric": "m", "a": "a", "b": "b", "direction": "greater"}]}
    for module in (judge, effects):
        monkeypatch.setattr(module, "get", lambda claim: entry)
    monkeypatch.setattr(effects, "runs", lambda name, profile: table)
    verdicts, parts = claims.verdicts("published", ["Z1"])
    (row,) = parts.to_dict("records")
    assert (row["part"], row["metric"], row["n_seeds"], row["smallest"]) == ("m: a > b", "m", 6, 0.1)
    assert row["p"] == row["p_holm"] == 2 / 2**6 and row["verdict"] == "REPRODUCED"
    assert verdicts["profile"].tolist() == ["full"]  # whose rows the published ones are
