"""The rule that turns effects into verdicts, on effects whose verdict is plain."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lhas_utils import claims, experiments, paths
from lhas_utils.claims import Effect

ENTRY = {"id": "Z1", "statement": "a beats b", "where": "here", "kind": "qualitative", "notebook": "03", "smallest": 0.1, "test": "x"}


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


@pytest.mark.parametrize("low, high, verdict", [(0.0, 0.0, "CONTRADICTED"), (0.1, 0.2, "REPRODUCED"), (-0.1, 0.0, "CONTRADICTED")])
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
    return pd.DataFrame([{"selector": s, "seed": i, "m": v, "rank": None} for s, values in by_selector.items() for i, v in enumerate(values)])


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
    monkeypatch.setattr(claims, "contract", lambda: {"Z1": entry})
    monkeypatch.setattr(experiments, "runs", lambda name, profile: table)
    return claims.verdicts(profile).iloc[0]


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


def test_a_part_that_a_small_run_leaves_out_is_not_compared(tmp_path, monkeypatch, capsys):
    row = {"verdict": "PARTLY", "part": "another", "effect": 0.1, "low": 0.05, "high": 0.15, "n_seeds": 12}
    monkeypatch.setattr(claims, "contract", lambda: {"Z1": ENTRY | {"check": "a.b"}})
    monkeypatch.setattr(claims, "published", lambda: pd.DataFrame([row], index=["Z1"]))
    monkeypatch.setattr(paths, "claims", lambda profile: tmp_path)
    for mine in ([effect(0.1, 0.1)], []):
        monkeypatch.setattr(claims, "effects", lambda claim, profile, mine=mine: mine)
        claims.check_claim("Z1", SimpleNamespace(profile="fast"))
        assert "another: +0.100 [+0.050, +0.150], 12 seeds; this run leaves it out, PROFILE=full computes it" in capsys.readouterr().out


def test_a_claim_out_of_scope_says_why(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "claims", lambda profile: tmp_path)
    claims.check_claim("D22", SimpleNamespace(profile="fast"))
    said = capsys.readouterr().out
    assert "verdict     NOT TESTABLE: needs Qwen2.5-Math-1.5B" in said and "nan" not in said


def test_a_published_contrast_without_runs_is_an_error(monkeypatch):
    with pytest.raises(ValueError, match="claim Z1: the published runs lack a side"):
        judged(monkeypatch, runs(a=[0.1]), [{"metric": "m", "a": "a", "b": "b", "direction": "greater"}], profile="full")


@pytest.mark.parametrize(
    "entries, message",
    [
        ([{k: v for k, v in ENTRY.items() if k != "test"}], "claims.yml, Z1: expected field 'test'"),
        ([ENTRY | {"check": "a.b"}] * 2, "claims.yml, Z1: id used twice"),
        ([ENTRY], "claims.yml, Z1: expected `contrasts` or `check`"),
    ],
)
def test_a_faulty_contract_is_named(tmp_path, monkeypatch, entries, message):
    import yaml

    (tmp_path / "claims.yml").write_text(yaml.safe_dump(entries))
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=message):
        claims.contract.__wrapped__()


def test_an_unknown_claim_lists_the_known_ones():
    with pytest.raises(ValueError, match="claim: expected one of C01, .*; got 'C99'"):
        claims.get("C99")


@pytest.mark.parametrize("own, word", [(0.12, "inside"), (0.3, "outside")])
def test_a_small_run_agrees_or_not_and_never_judges(tmp_path, monkeypatch, capsys, own, word):
    row = {"verdict": "PARTLY", "part": "e", "effect": 0.1, "low": 0.05, "high": 0.15, "n_seeds": 12}
    monkeypatch.setattr(claims, "contract", lambda: {"Z1": ENTRY | {"check": "a.b"}})
    monkeypatch.setattr(claims, "published", lambda: pd.DataFrame([row], index=["Z1"]))
    monkeypatch.setattr(claims, "effects", lambda claim, profile: [effect(own, own)])
    monkeypatch.setattr(paths, "claims", lambda profile: tmp_path)
    claims.check_claim("Z1", SimpleNamespace(profile="fast"))
    said = capsys.readouterr().out
    assert f"this run's is {word}" in said and "verdict     PARTLY" in said
    assert '"verdict": "PARTLY"' in (tmp_path / "Z1.json").read_text()
