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
    "tally": "ours",
    "notebook": "03",
    "quantifier": "all",
    "metrics": ["exact"],
    "smallest": {"exact": 0.1},
    "seeds": 0,
    "protocol": "trajectory",
    "test": "x",
}
ONE = {"quantity": "m", "a": "a", "b": "b", "direction": "greater"}


def effect(low, high, smallest=0.1, n_seeds=8, p=1.0) -> Effect:
    return Effect("e", (low + high) / 2, low, high, n_seeds, smallest, p)


@pytest.mark.parametrize(
    "low, high, p, verdict",
    [
        (0.05, 0.25, 0.04, "REPRODUCED"),
        (0.05, 0.25, 0.06, "INCONCLUSIVE"),  # the interval says yes, the test does not
        (0.05, 0.25, 1.0, "INCONCLUSIVE"),  # nothing was tested
        (0.01, 0.15, 0.01, "INCONCLUSIVE"),  # above 0, and too small to matter yet
        (0.01, 0.09, 0.01, "EQUIVALENT"),  # surely smaller than what matters
        (-0.09, 0.02, 0.2, "EQUIVALENT"),
        (-0.09, -0.02, 0.01, "EQUIVALENT"),  # below 0, and too small to matter
        (-0.3, -0.1, 0.01, "CONTRADICTED"),
        (-0.3, -0.1, 0.06, "INCONCLUSIVE"),
        (-0.1, 0.3, 0.5, "INCONCLUSIVE"),
        (0.0, 0.3, 0.01, "INCONCLUSIVE"),
    ],
)
def test_one_effect(low, high, p, verdict):
    assert claims.judge(effect(low, high), p) == verdict
    assert claims.judge(effect(low, high, p=p)) == verdict  # its own p where it stands alone


def test_equivalence_is_by_the_interval_of_90_percent():
    """A 95 % half-width h is one of h t_.95 / t_.975 = 0.801 h at 90 % with 8 seeds."""
    assert claims.judge(effect(-0.124, 0.124)) == "EQUIVALENT"  # 0.0994
    assert claims.judge(effect(-0.126, 0.126)) == "INCONCLUSIVE"  # 0.1009


@pytest.mark.parametrize(
    "low, high, verdict",
    [(0.0, 0.0, "INCONCLUSIVE"), (0.1, 0.2, "REPRODUCED"), (-0.2, -0.1, "CONTRADICTED"), (-0.1, 0.01, "INCONCLUSIVE")],
)
def test_without_a_smallest_size_nothing_is_equivalent(low, high, verdict):
    assert claims.judge(effect(low, high, smallest=0.0), 0.01) == verdict


@pytest.mark.parametrize(
    "value, smallest, verdict",
    [(0.1, 0.1, "REPRODUCED"), (0.05, 0.1, "CONTRADICTED"), (0.0, 0.0, "REPRODUCED"), (-0.01, 0.0, "CONTRADICTED")],
)
def test_a_number_without_seeds(value, smallest, verdict):
    assert claims.judge(effect(value, value, smallest, n_seeds=0), seeds=8) == verdict


def test_fewer_seeds_than_a_verdict_needs_are_none():
    for e in (effect(0.2, 0.3), effect(-0.01, 0.01), effect(-0.3, -0.2)):
        assert claims.judge(e, 0.01, seeds=9) == "NOT TESTABLE" != claims.judge(e, 0.01, seeds=8)


R, P, E, C, I, N = claims.VERDICTS  # noqa: E741


@pytest.mark.parametrize(
    "parts, every, each",
    [
        ([R, R], R, R),
        ([C], C, C),
        ([E, E], E, E),
        ([I, I], I, I),
        ([R, C], C, P),
        ([R, E], E, P),
        ([R, I], I, P),
        ([C, E], C, C),
        ([C, I], C, C),
        ([E, I], E, I),
        ([R, E, C, I], C, P),
        ([R, N], N, N),
        ([], N, N),
    ],
)
def test_a_compound_claim(parts, every, each):
    for order in (parts, parts[::-1]):
        assert (claims.combine(order, "all"), claims.combine(order, "each")) == (every, each)


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
        found = claims.contrast(table, ONE | {"direction": direction}, 0.01)
        assert (found.effect, found.n_seeds, found.smallest) == (pytest.approx(expected), 3, 0.01)
        assert (found.quantity, found.p) == ("m", 0.25)
    assert min(found.low, found.high) < -0.2 < max(found.low, found.high)


def test_a_margin_turns_no_difference_into_not_worse():
    table = runs(a=[0.5] * 8, b=[0.5] * 8)
    found = claims.contrast(table, ONE, 0.0, margin=0.02)
    assert claims.judge(found) == "REPRODUCED" and found.effect == pytest.approx(0.02)


def test_a_difference_of_differences():
    table = runs(a=[0.9, 0.8], b=[0.5, 0.4], c=[0.6, 0.5], d=[0.5, 0.4])
    found = claims.contrast(table, ONE | {"minus": {"a": "c", "b": "d"}}, 0.0)
    assert found.effect == pytest.approx(0.4 - 0.1) and found.name == "m: a > b, more than c against d"


def test_a_side_may_be_filtered_and_none_means_missing():
    table = runs(a=[0.9, 0.8], b=[0.5, 0.4])
    spec = ONE | {"a": {"selector": "a", "rank": None}, "b": {"selector": "b"}}
    assert claims.contrast(table, spec, 0.0).effect == pytest.approx(0.4)
    assert claims.contrast(table, spec | {"a": {"selector": "a", "rank": 16}}, 0.0) is None


def test_a_run_that_stands_in_two_experiments_is_one_run():
    table = runs(a=[0.9, 0.8], b=[0.5, 0.4]).assign(run=range(4), adaptation_tokens=1.0)
    again = table.assign(run=9, adaptation_tokens=2.0, censored=0.5)
    assert claims.contrast(pd.concat([table, again.iloc[:3]]), ONE, 0.0).n_seeds == 2


def judged(monkeypatch, table, contrasts, profile="fast", published=True, **change):
    """Return the rows of one claim and its parts; `table` is that of every metric, or a dict of them."""
    entry = ENTRY | {"experiment": "e", "contrasts": contrasts} | change
    tables = table if isinstance(table, dict) else dict.fromkeys(entry["metrics"], table)
    monkeypatch.setattr(judge, "contract", lambda: {"Z1": entry})
    for module in (judge, effects):
        monkeypatch.setattr(module, "get", lambda claim: entry)
    monkeypatch.setattr(effects, "runs", lambda name, profile, metric: tables[metric])
    monkeypatch.setattr(effects, "is_published", lambda name: published)
    verdicts, parts = claims.verdicts(profile)
    assert list(verdicts) == claims.COLUMNS and list(parts) == claims.PARTS
    return verdicts.iloc[0], parts


def test_several_runs_of_a_seed_are_an_error_that_names_what_tells_them_apart(monkeypatch):
    table = runs(a=[0.9, 0.8, 0.7], b=[0.5, 0.4, 0.3])
    both = pd.concat([table.assign(steps=80), table.assign(steps=240, m=table["m"] / 2)])
    message = "claims.yml, Z1: filter a: expected one run a seed; got 2, which differ in steps"
    with pytest.raises(ValueError, match=message):
        judged(monkeypatch, both, [ONE])
    row, _ = judged(monkeypatch, both, [ONE | {k: {"selector": k, "steps": 240} for k in "ab"}])
    assert row["effect"] == pytest.approx(0.2) and row["part"] == "m: selector=a, steps=240 > selector=b, steps=240"


def test_what_chance_over_the_selectors_leaves_open_no_seeds_would_tell():
    def said(p, chance, p_holm):
        return judge._power(judge.Part(Effect("tau_b", 0.5, 0.4, 0.6, 12, 0.01, p=p, chance=chance), p_holm, 1.0, ""))

    assert said(0.3, 0.3, 0.3).endswith("gives as much with p = 0.3, however many the seeds")
    assert said(0.03, 0.03, 0.06).endswith("p = 0.03, however many the seeds"), "Holm over two parts"
    for seeds_decide in ((0.3, 0.03, 0.3), (0.01, 0.01, 0.02), (0.3, 0.0, 0.3)):
        assert said(*seeds_decide).startswith("power: tau_b is known to +-0.1 with 12 seeds, about 1200 would")


def test_holm_runs_over_the_contrasts_of_one_claim(monkeypatch):
    """Six seeds reach p = 2 / 2^6 = 0.031: enough for one contrast, not for two."""
    rng = np.random.default_rng(0)
    table = runs(a=rng.uniform(0.5, 0.6, 6), b=rng.uniform(0.0, 0.1, 6), c=rng.uniform(0.0, 0.1, 6))
    row, parts = judged(monkeypatch, table, [ONE])
    assert (row["verdict"], row["p"], row["firm"]) == ("REPRODUCED", 2 / 2**6, "")
    row, parts = judged(monkeypatch, table, [ONE, ONE | {"b": "c"}])
    assert row["verdict"] == "INCONCLUSIVE" and "underpowered: 6 seeds reach p = 0.062 at best" in row["note"]
    assert parts["p"].tolist() == [2 / 2**6] * 2 and parts["p_holm"].tolist() == [4 / 2**6] * 2


def test_an_undecided_effect_says_how_many_seeds_it_would_take(monkeypatch):
    table = runs(a=[0.9, 0.1, 0.8, 0.3, 0.7, 0.5, 0.9, 0.2], b=[0.5] * 8)
    row, _ = judged(monkeypatch, table, [ONE])
    half = (row["high"] - row["low"]) / 2
    assert row["verdict"] == "INCONCLUSIVE" and half > 0.1 and row["firm"] == ""
    assert f"with 8 seeds, about {np.ceil(8 * (half / 0.1) ** 2):.0f} would bring that to 0.1" in row["note"]


def test_a_claim_about_all_says_in_how_many_parts_it_holds(monkeypatch):
    rng = np.random.default_rng(1)
    values = {s: level + rng.normal(0, 0.01, 8) for s, level in zip("abcd", (0.5, 0.2, 0.1, 0.8))}
    table = runs(**values)
    rivals = [ONE | {"b": b} for b in "bcd"]
    row, _ = judged(monkeypatch, table, rivals)
    assert (
        row["verdict"] == "CONTRADICTED" and row["part"] == "m: a > d" and row["note"].startswith("beats 2 of 3. m: a")
    )
    assert row["p"] == 3 * 2 / 2**8
    row, _ = judged(monkeypatch, table, [*rivals[:1], {**rivals[2], "direction": "less"}, rivals[2]])
    assert row["note"].startswith("holds in 2 of 3 parts.")
    row, _ = judged(monkeypatch, table, rivals, quantifier="each")
    assert row["verdict"] == "PARTLY" and row["note"].startswith(
        "m: a > b REPRODUCED; m: a > c REPRODUCED; m: a > d CON"
    )


def test_the_p_of_an_equivalent_claim_is_that_of_two_one_sided_tests(monkeypatch):
    rng = np.random.default_rng(2)
    b = rng.normal(0.5, 0.1, 8)
    table = runs(a=b + rng.normal(0.01, 0.02, 8), b=b, c=b + rng.normal(0.02, 0.05, 8))
    row, parts = judged(monkeypatch, table, [ONE, ONE | {"a": "c"}])
    assert row["verdict"] == "EQUIVALENT" and set(parts["verdict"]) == {"EQUIVALENT"}
    assert row["p"] == parts["p_equivalent"].max() < 0.05 and row["part"] == "m: c > b"


def three(*levels) -> dict:
    """Return runs by exact match, NLL and token accuracy in which a - b is a level, with little noise."""
    noise = np.random.default_rng(3).normal(0, 0.01, 8)
    return {m: runs(a=0.5 + level + noise, b=[0.5] * 8) for m, level in zip(claims.SCORES, levels)}


@pytest.mark.parametrize(
    "levels, verdict, stands_on, firm, also",
    [
        ((0.3, 0.3, 0.3), R, "3 of 3", "yes", ""),
        ((0.3, 0.3, -0.3), R, "2 of 3", "fragile", "by accuracy CONTRADICTED"),
        ((-0.3, 0.3, 0.0), C, "1 of 3", "fragile", "by nll REPRODUCED. by accuracy EQUIVALENT"),
        ((-0.3, -0.3, -0.3), C, "3 of 3", "yes", ""),
        ((0.0, 0.0, 0.0), E, "3 of 3", "yes", ""),
        ((0.1, 0.1, 0.1), I, "3 of 3", "", ""),  # as large as the smallest effect, or a little less
    ],
)
def test_a_verdict_stands_on_so_many_metrics(monkeypatch, levels, verdict, stands_on, firm, also):
    size = {"smallest": {m: 0.102 for m in claims.SCORES}, "metrics": list(claims.SCORES), "seeds": 8}
    row, parts = judged(monkeypatch, three(*levels), [ONE], **size)
    assert (row["verdict"], row["stands_on"], row["firm"]) == (verdict, stands_on, firm)
    assert row["note"].endswith(also) and parts["score"].tolist() == list(claims.SCORES)
    row = claims.verdicts("fast", primary="accuracy")[0].iloc[0]
    assert row["verdict"] == parts["verdict"].iloc[2] and row["effect"] == parts["effect"].iloc[2]


def test_partly_is_firm_where_every_metric_reproduces_the_same_parts():
    def parts(*words):
        return [claims.Part(Effect(name, 0, 0, 0, 8), 0.01, 1.0, word) for name, word in zip("ab", words)]

    same = {"exact": parts(R, I), "nll": parts(R, C)}
    assert claims.firmness(same, {"exact": P, "nll": P}) == "yes"
    assert claims.firmness(same | {"nll": parts(I, R)}, {"exact": P, "nll": P}) == "fragile"
    assert claims.firmness({"exact": parts(R)}, {"exact": R}) == ""  # one metric says nothing of others
    assert (
        claims.firmness({"exact": parts(N)}, {"exact": N}) == claims.firmness({"exact": parts(I)}, {"exact": I}) == ""
    )


def test_the_weakest_effect_stands_for_the_claim(monkeypatch):
    table = runs(a=[0.9, 0.8, 0.9], b=[0.5, 0.4, 0.5], c=[0.89, 0.8, 0.9])
    row, _ = judged(monkeypatch, table, [ONE, ONE | {"b": "c"}])
    assert row["effect"] == pytest.approx(0.01 / 3) and "m: a > b" in row["note"]


def test_of_parts_with_one_verdict_the_lowest_stands_for_the_claim():
    low, high = (claims.Part(effect(end, end + 0.1), 0.01, 1.0, R) for end in (0.2, 0.5))
    assert claims.weakest([high, low], R) is claims.weakest([low, high], R) is low
    wide, narrow = (claims.Part(effect(-end, end), 1.0, p, E) for end, p in ((0.05, 0.04), (0.08, 0.03)))
    assert claims.weakest([narrow, wide], E) is wide  # the one whose equivalence is the least sure


@pytest.mark.parametrize("profile", ["full", "published"])
def test_a_contrast_without_runs_is_not_testable_and_is_named(monkeypatch, profile):
    row, _ = judged(monkeypatch, runs(a=[0.1, 0.2], c=[0.1, 0.3]), [ONE, ONE | {"b": "c"}], profile=profile)
    assert (row["verdict"], row["stands_on"], row["firm"]) == ("NOT TESTABLE", "", "")
    assert "no published runs of m: a > b" in row["note"] and row["profile"] == "full"


def test_a_claim_on_an_experiment_that_is_not_published_is_not_testable(monkeypatch):
    row, parts = judged(monkeypatch, runs(a=[0.1] * 8, b=[0.2] * 8), [ONE], profile="published", published=False)
    assert row["verdict"] == "NOT TESTABLE" and row["note"] == "no published runs of m: a > b" and parts.empty


def test_few_seeds_are_exploration(monkeypatch):
    table = runs(a=[0.9, 0.8, 0.9, 0.8, 0.9], b=[0.5] * 5)
    row, parts = judged(monkeypatch, table, [ONE], seeds=8)
    assert row["verdict"] == "NOT TESTABLE" == parts["verdict"].iloc[0] and row["effect"] == pytest.approx(0.36)
    assert row["note"] == "exploration: 5 seeds, a verdict needs 8"


@pytest.mark.parametrize(
    "change, message",
    [
        ({"quantity": "k"}, "quantity: expected one of .*; got 'k'"),
        ({"a": {"rang": 1}}, "filter: expected .*; got 'rang'"),
    ],
)
def test_a_contrast_of_something_that_no_run_has_is_named(monkeypatch, change, message):
    with pytest.raises(ValueError, match=f"claims.yml, Z1: {message}"):
        judged(monkeypatch, runs(a=[0.1, 0.2], b=[0.1, 0.2]), [ONE | change])


def test_a_metric_that_a_claim_does_not_have_is_named():
    with pytest.raises(ValueError, match="C21: metric: expected one of entropy; got 'nll'"):
        claims.effects("C21", "published", "nll")


def test_a_contrast_may_have_a_size_and_a_margin_of_its_own(monkeypatch):
    table = runs(a=[0.9, 0.8, 0.9, 0.7, 0.8, 0.9], b=[0.5, 0.4, 0.5, 0.4, 0.5, 0.4])
    own = {"smallest": {"exact": 0.2}, "margin": {"exact": 0.05}}
    row, parts = judged(monkeypatch, table, [ONE, ONE | own])
    assert parts["part"].tolist() == ["m: a > b", "m: a > b (a margin added)"]
    assert parts["smallest"].tolist() == [0.1, 0.2] and np.diff(parts["effect"]) == pytest.approx([0.05])


def test_every_part_has_a_row_with_its_test_and_verdict(monkeypatch):
    table = runs(a=[0.9, 0.8, 0.9, 0.7, 0.8, 0.9], b=[0.5, 0.4, 0.5, 0.4, 0.5, 0.4])
    verdict, parts = judged(monkeypatch, table, [ONE], profile="published")
    (row,) = parts.to_dict("records")
    assert (row["part"], row["quantity"], row["score"], row["n_seeds"]) == ("m: a > b", "m", "exact", 6)
    assert row["p"] == row["p_holm"] == 2 / 2**6 and (row["smallest"], row["verdict"]) == (0.1, "REPRODUCED")
    assert verdict["profile"] == "full" and verdict["tally"] == "ours"  # whose rows the published ones are
