"""`claims.yml` is checked when it is read, and every fault is named with its claim and field."""

from importlib import import_module
from types import SimpleNamespace

import pytest
import yaml

from lhas_utils import claims
from lhas_utils.core import paths

contract = import_module("lhas_utils.claims.contract")
ENTRY = {
    "id": "Z1",
    "statement": "a beats b",
    "where": "here",
    "kind": "qualitative",
    "tally": "ours",
    "notebook": "03",
    "quantifier": "each",
    "metrics": ["exact", "nll"],
    "smallest": {"exact": 0.1, "nll": 0.2},
    "seeds": 8,
    "test": "x",
}
ONE = {"quantity": "m", "a": "a", "b": "b", "direction": "greater"}
RUNS = ENTRY | {"experiment": "table1", "protocol": "trajectory", "contrasts": [ONE]}
FIELDS = "statement where kind tally notebook test quantifier metrics smallest seeds experiment protocol".split()


def without(entry: dict, field: str) -> dict:
    return {k: v for k, v in entry.items() if k != field}


@pytest.mark.parametrize(
    "entries, message",
    [([without(RUNS, field)], f"expected field '{field}'") for field in FIELDS]
    + [
        ([RUNS] * 2, "id used twice"),
        ([RUNS | {"statement": 3}], "statement: expected a text; got 3"),
        ([RUNS | {"experiment": ["table1"]}], r"experiment: expected a text; got \['table1'\]"),
        ([RUNS | {"metrics": [["exact"]]}], r"metrics: expected one of .*; got \['exact'\]"),
        ([RUNS | {"contrasts": []}], r"contrasts: expected a list of contrasts; got \[\]"),
        ([RUNS | {"contrasts": ["a > b"]}], "contrast 1: expected fields; got 'a > b'"),
        ([RUNS | {"contrasts": [ONE | {"a": 1}]}], "contrast 1: expected a and b, selectors or filters; got {.*'a': 1"),
        ([RUNS | {"contrasts": [ONE | {"minus": "x"}]}], "contrast 1: expected a and b, selectors or filters; got 'x'"),
        ([RUNS | {"contrasts": [ONE | {"direction": []}]}], r"contrast 1, direction: expected a text; got \[\]"),
        ([ENTRY], "expected `contrasts` or `check`"),
        ([RUNS | {"check": "small_eta"}], "expected `contrasts` or `check`"),
        ([ENTRY | {"check": "smal_eta"}], "check: expected one of .*small_eta.*; got 'smal_eta'"),
        ([ENTRY | {"check": "small_eta"}], "expected field 'experiment'"),
        ([RUNS | {"kind": "quality"}], "kind: expected one of qualitative, .*; got 'quality'"),
        ([RUNS | {"tally": "us"}], "tally: expected one of papers, printed, ours; got 'us'"),
        ([RUNS | {"quantifier": "some"}], "quantifier: expected one of all, each; got 'some'"),
        ([RUNS | {"protocol": "walk"}], "protocol: expected one of branch, trajectory, eq1; got 'walk'"),
        ([RUNS | {"experiment": "table2"}], "experiment: expected one of .*; got 'table2'"),
        ([RUNS | {"metrics": "exact"}], "metrics: expected a list of different metrics, primary first; got exact"),
        ([RUNS | {"metrics": []}], "metrics: expected a list of different metrics, primary first"),
        ([RUNS | {"metrics": ["nll", "nll"]}], "metrics: expected a list of different metrics, primary first"),
        ([RUNS | {"metrics": ["exact", "bits"]}], "metrics: expected one of exact, nll, accuracy; got 'bits'"),
        ([RUNS | {"metrics": ["exact", "entropy"]}], "metrics: expected one of exact, nll, accuracy; got 'entropy'"),
        ([RUNS | {"metrics": ["bits"]}], "metrics: expected one of exact, nll, accuracy, entropy, .*; got 'bits'"),
        ([RUNS | {"smallest": 0.1}], "smallest: expected one number for each of exact, nll; got 0.1"),
        ([RUNS | {"smallest": {"exact": 0.1}}], "smallest: expected one number for each of exact, nll; got {'exact'"),
        ([RUNS | {"smallest": {"exact": -1, "nll": 0}}], "smallest, exact: expected a number in .*; got -1"),
        ([RUNS | {"seeds": 7}], "seeds: expected an integer in .8, 10000.; got 7"),
        ([RUNS | {"seeds": "12"}], "seeds: expected an integer in .8, 10000.; got '12'"),
        ([RUNS | {"contrasts": [ONE, without(ONE, "direction")]}], "contrast 2: expected field 'direction'"),
        ([RUNS | {"contrasts": [without(ONE, "quantity")]}], "contrast 1: expected field 'quantity'"),
        (
            [RUNS | {"contrasts": [ONE | {"direction": "up"}]}],
            "contrast 1, direction: expected one of greater, less; got 'up'",
        ),
        (
            [RUNS | {"contrasts": [ONE | {"margin": {"exact": 0.1}}]}],
            "contrast 1, margin: expected one number for each of exact, nll; got {'exact'",
        ),
        (
            [RUNS | {"contrasts": [ONE | {"quantity": "immediate_utility"}]}],
            "contrast 1: immediate_utility expected protocol eq1; got trajectory",
        ),
        (
            [RUNS | {"protocol": "eq1", "statement": "The reversal is real"}],
            "protocol: a reversal expected one of branch, trajectory; got 'eq1'",
        ),
        (
            [RUNS | {"protocol": "eq1", "statement": "Less reverses"}],
            "protocol: a reversal expected one of branch, trajectory; got 'eq1'",
        ),
    ],
)
def test_a_faulty_contract_is_named(tmp_path, monkeypatch, entries, message):
    (tmp_path / "claims.yml").write_text(yaml.safe_dump(entries))
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=f"^claims.yml, Z1: {message}"):
        contract.contract.__wrapped__()


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: [", "claims.yml: expected YAML; got while parsing"),
        ("a: 2026-99-99", "claims.yml: expected YAML; got month must be in 1..12"),
        ("", "claims.yml: expected a list of claims; got NoneType"),
        ("id: C01", "claims.yml: expected a list of claims; got dict"),
        ("- C01", "claims.yml, entry 1: expected the fields of a claim; got 'C01'"),
        ("- {id: [1]}", r"claims.yml, \[1\]: expected field 'statement'"),
    ],
)
def test_a_file_that_is_no_contract_is_said(tmp_path, monkeypatch, text, message):
    (tmp_path / "claims.yml").write_text(text)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=f"^{message}"):
        contract.contract.__wrapped__()


@pytest.mark.parametrize(
    "entry",
    [
        RUNS,
        RUNS
        | {"protocol": "eq1", "contrasts": [ONE | {"quantity": "immediate_utility", "smallest": ENTRY["smallest"]}]},
        ENTRY | {"kind": "exact", "check": "small_eta", "metrics": ["theory"], "smallest": {"theory": 1}, "seeds": 0},
        {k: ENTRY[k] for k in contract.REQUIRED} | {"kind": "out of scope"},
    ],
)
def test_a_sound_contract_is_read(tmp_path, monkeypatch, entry):
    (tmp_path / "claims.yml").write_text(yaml.safe_dump([entry]))
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    assert contract.contract.__wrapped__() == {"Z1": entry}


def test_too_few_planned_seeds_are_named_with_claim_and_experiment(monkeypatch):
    entries = {"Z1": RUNS | {"seeds": 9, "experiment": "long short"}, "Z2": RUNS | {"experiment": "short"}, "Z3": ENTRY}
    planned = {"long": 12, "short": 8}
    seeds = [SimpleNamespace(seed=s) for s in range(12)]
    monkeypatch.setattr(contract, "contract", lambda: entries)
    monkeypatch.setattr(contract, "EXPERIMENTS", planned)
    monkeypatch.setattr(contract, "specs", lambda name, profile: seeds[: planned[name]] * 2)
    with pytest.raises(ValueError, match="^claims.yml, Z1: seeds: expected 9 in short; got 8$"):
        claims.enough_seeds()
    planned["short"] = 9
    assert claims.enough_seeds() is None


def test_a_claim_is_found_in_any_case_and_an_unknown_one_names_the_nearest_three():
    assert claims.get("c17") is claims.get("C17") is claims.get(" C17\n")
    assert claims.get("d03E")["id"] == "D03e"
    for wrong, near in (("C99", "C29, C19, C09"), ("c17'`ls`", "C17, .*"), ("", ".*, .*, .*")):
        with pytest.raises(ValueError, match=f"expected an id of claims.yml, the nearest are {near}; got {wrong!r}"):
            claims.get(wrong)


def test_every_check_is_named_by_one_claim_and_none_is_registered_twice():
    named = [entry["check"] for entry in claims.contract().values() if "check" in entry]
    assert sorted(named) == sorted(claims.CHECKS)
    with pytest.raises(ValueError, match="expected a name of its own; got 'small_eta' twice"):
        claims.check(claims.CHECKS["small_eta"])


def test_the_papers_and_our_own_statements_are_told_apart():
    for claim, entry in claims.contract().items():
        assert (entry["tally"] == "ours") == entry["where"].startswith("ours"), claim
    assert {entry["tally"] for entry in claims.contract().values()} == set(claims.TALLIES)


def test_scores_are_judged_by_three_metrics_exact_match_first():
    for claim, entry in claims.contract().items():
        quantities = {c["quantity"] for c in entry.get("contrasts", ())}
        if quantities - {"entropy", "concentration", "difficulty", "quality"}:
            negative = {"nll"} if "gini" in quantities else set()  # there is no Gini of scores below 0
            assert entry["metrics"] == [m for m in claims.SCORES if m not in negative], claim


def test_no_reversal_rests_on_eq_1_as_printed():
    printed = [c for c, entry in claims.contract().items() if entry.get("protocol") == "eq1"]
    assert printed == ["C18", "C31", "Q04"]
    assert [c["quantity"] for c in claims.get("C31")["contrasts"]] == ["immediate_utility", "long_horizon"]
    assert claims.get("V01")["contrasts"][0]["quantity"] == "start"
