"""One record behind everything that shows a claim, and a small run beside the published one."""

from importlib import import_module
from types import SimpleNamespace

import pandas as pd
import pytest

from lhas_utils import claims
from lhas_utils.claims import Effect, ledger, render
from lhas_utils.claims.effects import named, readable
from lhas_utils.core import paths

published = import_module("lhas_utils.claims.publish")
ENTRY = {
    "id": "Z1",
    "statement": "a beats b",
    "where": "here",
    "kind": "qualitative",
    "tally": "ours",
    "notebook": "03",
    "quantifier": "all",
    "metrics": ["exact", "nll"],
    "smallest": {"exact": 0.1, "nll": 0.3},
    "test": "x",
    "minutes": 4,
    "contrasts": [{"quantity": "current", "a": "loss", "b": "random", "direction": "greater"}],
}
ROW = {"verdict": "PARTLY", "stands_on": "1 of 2", "firm": "fragile", "tally": "ours", "part": "e"}
ROW |= {"effect": 0.1, "low": 0.05, "high": 0.15, "p": 0.012, "n_seeds": 12, "note": "two parts"}
WORDS = pd.DataFrame({"id": "Z1", "score": ["exact", "nll"], "verdict": ["PARTLY", "CONTRADICTED"]})
ABOVE = "an interval above 0, an effect of at least 0.1 (exact) and p < 0.05 in every part"
BELOW = "an interval below 0 with p < 0.05 in a part"
INSIDE = "effects surely inside +-0.1"


def effect(low, high, name="e") -> Effect:
    return Effect(name, (low + high) / 2, low, high, 8, 0.1)


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """A function that makes one claim, its published row and a run's effects all there is."""

    def use(found=(), **change):
        table = pd.DataFrame([ROW | change], index=pd.Index(["Z1"], name="id"))
        for module in (render, ledger):
            monkeypatch.setattr(module, "published_verdicts", lambda: table)
            monkeypatch.setattr(module, "contract", lambda: {"Z1": ENTRY})
        for module in (render, published, ledger):
            monkeypatch.setattr(module, "get", lambda claim: ENTRY)
        monkeypatch.setattr(ledger, "published_parts", lambda: WORDS)
        monkeypatch.setattr(ledger, "effects", lambda claim, profile: list(found))
        monkeypatch.setattr(paths, "claims", lambda profile: tmp_path)

    return use


def test_terminal_readme_and_table_show_one_record(publish, capsys):
    publish()
    r = claims.record("Z1")
    assert r.effect == "+0.100 [+0.050, +0.150]" and (r.seeds, r.part, r.verdict) == (12, "e", "PARTLY")
    assert r.evidence == "+0.100 [+0.050, +0.150], p = 0.012, 12 seeds; weakest part: e"
    assert (r.p, r.stands_on, r.tally) == ("p = 0.012", "1 of 2, fragile", "ours")
    assert r.smallest == "0.1 exact, 0.3 nll"
    assert r.quoted == "quoted current: loss 61.9, random 58.2 (+3.7)"
    assert r.change == f"{ABOVE}; or {BELOW} or {INSIDE}"
    cells = "Z1 | a beats b (here) | e: +0.100 [+0.050, +0.150] | 0.012 | 12 | PARTLY | 1 of 2, fragile"
    assert claims.markdown_row(r) == f"| {cells} |"
    assert claims.markdown_row(r._replace(part="1 - |a|")).count("|") == f"| {cells} |".count("|")
    assert render.HEADER.count("|") == 2 * claims.markdown_row(r).count("|")
    assert ledger.table().loc["Z1"].to_dict() == {k: v for k, v in r._asdict().items() if k != "claim"}
    ledger.show()
    said = capsys.readouterr().out
    assert said == claims.text(r) + "\n"
    for text in (
        "Z1  PARTLY (1 of 2, fragile): a beats b",
        r.evidence,
        r.quoted,
        "make claim ID=Z1   (4 min at PROFILE=full)",
        "here; notebook 03",
    ):
        assert text in said
    ledger.show_lines()
    counted = "Our own additions and controls, 1 claims: 1 PARTLY."
    assert capsys.readouterr().out == f"Z1    PARTLY         1 of 2, fragile  a beats b\n\n{counted}\n"
    ledger.show("CONTRADICTED")
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="verdict: expected one of REPRODUCED, .*; got 'TRUE'"):
        ledger.show("TRUE")


def test_contradicted_claims_are_shown_with_their_parts(publish, capsys):
    publish()
    ledger.show_contradicted()
    assert capsys.readouterr().out.startswith("No claim is contradicted")
    publish(verdict="CONTRADICTED")
    ledger.show_contradicted()
    said = capsys.readouterr().out
    assert said.startswith("1 claims are contradicted.") and "parts      two parts" in said


def test_an_effect_without_seeds_is_exact(publish):
    publish(n_seeds=0, p=float("nan"))
    assert claims.record("Z1").evidence == "+0.100 [+0.050, +0.150], exact; weakest part: e"
    assert "+0.150] |  |  | PARTLY |" in claims.markdown_row(claims.record("Z1"))


def test_before_anything_is_published_the_claim_stands_alone(publish, monkeypatch):
    publish()
    nothing = pd.DataFrame(columns=claims.COLUMNS).set_index("id")
    r = claims.record("Z1", nothing)
    assert (r.verdict, r.effect, r.evidence, r.seeds) == ("not published yet", "", "", 0)
    assert r.change == f"{ABOVE}: reproduced; {BELOW}: contradicted; {INSIDE}: equivalent"
    monkeypatch.setattr(ledger, "published_verdicts", lambda: nothing)
    assert ledger.counts().startswith("1 claims. No published run yet")


def test_every_published_claim_has_a_record_with_a_verdict():
    found = claims.records()
    assert [r.claim for r in found] == list(claims.contract())
    assert {r.verdict for r in found} <= set(claims.VERDICTS)
    assert all(r.change and r.command for r in found)


def test_a_part_that_a_small_run_leaves_out_is_not_compared(publish, capsys):
    for mine in ([effect(0.1, 0.1)], []):
        publish(mine, part="another")
        claims.check_claim("Z1", SimpleNamespace(profile="fast"))
        said = "another: +0.100 [+0.050, +0.150], p = 0.012, 12 seeds; this run leaves it out, PROFILE=full computes it"
        assert said in " ".join(capsys.readouterr().out.split())


def test_lines_break_between_words_and_keep_their_indent(publish, capsys):
    publish([effect(0.1, 0.1, "a name of many words " * 9)])
    claims.check_claim("Z1", SimpleNamespace(profile="fast"))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= render.WIDTH
    assert all(line.startswith("    ") for line in lines[1:])
    assert sum(line.startswith(" " * 16) for line in lines) >= 2 and "+-0.1" in " ".join(lines)


def test_a_part_is_named_by_what_tells_its_sides_apart(publish, monkeypatch, capsys):
    side = {"selector": "lhas", "params": "", "budget": 0.25}
    spec = {
        "quantity": "ood",
        "direction": "greater",
        "a": side,
        "b": {"selector": "lhas", "params": "proxy_weight=0.0"},
    }
    raw = "ood: selector=lhas, params=, budget=0.25 > selector=lhas, params=proxy_weight=0.0"
    told = "ood: lhas (as it is) > lhas (without proxy)"
    assert (named(spec), readable(spec)) == (raw, told)
    publish([effect(0.1, 0.1, raw)], part=raw, note=f"{raw} INCONCLUSIVE")
    monkeypatch.setattr(render, "get", lambda claim: ENTRY | {"contrasts": [spec]})
    r = claims.record("Z1")
    assert (r.part, r.note) == (told, f"{told} INCONCLUSIVE") and r.evidence.endswith(told)
    claims.check_claim("Z1", SimpleNamespace(profile="fast"))
    said = capsys.readouterr().out
    assert (
        f"this run    {told}: " in said
        and f"published   {told}: " in said
        and "this run's is inside" in " ".join(said.split())
    )


@pytest.mark.parametrize(
    "a, b, said",
    [
        ("loss", "random", "loss > random"),
        (
            {"selector": "loss", "rank": 16},
            {"selector": "random", "rank": None},
            "loss (LoRA rank 16) > random (full fine-tuning)",
        ),
        (
            {"selector": "loss", "noise": 0.6},
            {"selector": "random", "noise": 0.6},
            "loss > random, both with label noise 0.6",
        ),
        ({"selector": "lhas", "proxy": "next"}, {"selector": "lhas"}, "lhas (proxy next) > lhas"),
    ],
)
def test_what_both_sides_share_stands_once(a, b, said):
    assert readable({"quantity": "ood", "direction": "greater", "a": a, "b": b}) == f"ood: {said}"


def test_no_two_parts_of_a_claim_are_called_the_same_and_none_by_a_filter():
    for claim, entry in claims.contract().items():
        words = [readable(spec) for spec in entry.get("contrasts", ())]
        assert len(set(words)) == len(words) and "=" not in "".join(words), claim


def test_a_claim_out_of_scope_says_why(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "claims", lambda profile: tmp_path)
    claims.check_claim("D22", SimpleNamespace(profile="fast"))
    said = capsys.readouterr().out
    assert "verdict     NOT TESTABLE: needs Qwen2.5-Math-1.5B" in said and "nan" not in said


# 0.1 -+ 0.05 of 12 seeds is 0.1 -+ 0.05 sqrt(1 + 12 / 8) = 0.1 -+ 0.079 for 8
@pytest.mark.parametrize("own, word", [(0.12, "inside"), (0.17, "inside"), (0.19, "outside"), (0.01, "outside")])
def test_a_small_run_agrees_or_not_and_never_judges(publish, tmp_path, capsys, own, word):
    publish([effect(own, own)])
    claims.check_claim("Z1", SimpleNamespace(profile="fast"))
    said = capsys.readouterr().out
    assert (
        f"this run's is {word}, widened" in " ".join(said.split()) and "verdict     PARTLY (1 of 2, fragile)\n" in said
    )
    assert "    by metric   exact PARTLY, nll CONTRADICTED\n    would change our mind: an interval above 0" in said
    assert f"    this run    e: +{own:.3f} [+{own:.3f}, +{own:.3f}], p = 1, 8 seeds\n" in said
    assert '"verdict": "PARTLY"' in (tmp_path / "Z1.json").read_text()


def test_one_claim_alone_is_shown_with_all_that_is_known_of_it(publish, monkeypatch, capsys):
    publish([effect(0.12, 0.12)])
    monkeypatch.setattr(render, "get", lambda claim: ENTRY | {"figure": "three"})
    ledger.show_claim("z1", SimpleNamespace(profile="fast"))
    said = capsys.readouterr().out
    for line in (
        "Z1  a beats b  (here)\n",
        "by metric   exact PARTLY, nll CONTRADICTED\n",
        "would change our mind: an interval above 0",
        "paper      quoted current: loss 61.9, random 58.2 (+3.7)\n",
        "smallest   0.1 exact, 0.3 nll\n",
        "parts      two parts\n",
        "shown in   notebook 03, figures/three.pdf\n",
    ):
        assert line in said
    assert "paper      prints no number for it" in render.background(claims.record("Z1")._replace(quoted=""))


def test_the_full_run_judges_for_itself(publish, tmp_path, monkeypatch, capsys):
    publish([effect(0.2, 0.4)])
    judged = pd.DataFrame([{"id": "Z1"} | ROW | {"verdict": "REPRODUCED"}])
    monkeypatch.setattr(ledger, "verdicts", lambda profile, ids: (judged, WORDS.assign(verdict="REPRODUCED")))
    claims.check_claim("Z1", SimpleNamespace(profile="full"))
    said = capsys.readouterr().out
    assert "verdict     REPRODUCED (" in said and "published" not in said
    assert "by metric   exact REPRODUCED, nll REPRODUCED" in said


@pytest.mark.parametrize(
    "verdict, change",
    [
        ("REPRODUCED", f"{BELOW} or {INSIDE}, in another world or with more seeds"),
        ("CONTRADICTED", ABOVE),
        ("EQUIVALENT", f"{ABOVE}; or {BELOW}"),
        ("INCONCLUSIVE", f"{ABOVE}: reproduced; {BELOW}: contradicted; {INSIDE}: equivalent"),
    ],
)
def test_what_would_change_our_mind_follows_from_the_rule(publish, verdict, change):
    publish(verdict=verdict)
    assert claims.record("Z1").change == change


def test_what_cannot_be_equivalent_says_so_and_each_part_counts(publish, monkeypatch):
    publish(verdict="REPRODUCED")
    free = ENTRY | {"quantifier": "each", "smallest": {"exact": 0.0, "nll": 0.0}}
    monkeypatch.setattr(render, "get", lambda claim: free)
    change = "an interval below 0 with p < 0.05 in every part, in another world or with more seeds"
    assert claims.record("Z1").change == change
    monkeypatch.setattr(render, "get", lambda claim: free | {"kind": "exact"})
    assert claims.record("Z1").change == "a correction of the printed numbers or of the formula"
