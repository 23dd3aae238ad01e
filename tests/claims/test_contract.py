"""`claims.yml` is checked when it is read, and every fault is named with its claim and field."""

from importlib import import_module

import pytest
import yaml

from lhas_utils import claims
from lhas_utils.core import paths

contract = import_module("lhas_utils.claims.contract")
SAYS = {
    "statement": "a beats b",
    "where": "here",
    "kind": "qualitative",
    "notebook": "03",
    "smallest": 0.1,
    "test": "x",
}
ENTRY = {"id": "Z1"} | SAYS
ONE = {"metric": "m", "a": "a", "b": "b", "direction": "greater"}


@pytest.mark.parametrize(
    "entries, message",
    [
        ([{k: v for k, v in ENTRY.items() if k != "test"}], "claims.yml, Z1: expected field 'test'"),
        ([ENTRY | {"check": "small_eta"}] * 2, "claims.yml, Z1: id used twice"),
        ([ENTRY], "claims.yml, Z1: expected `contrasts` or `check`"),
        ([ENTRY | {"check": "small_eta", "contrasts": [ONE]}], "claims.yml, Z1: expected `contrasts` or `check`"),
        ([ENTRY | {"check": "smal_eta"}], "claims.yml, Z1: check: expected one of .*small_eta.*; got 'smal_eta'"),
        ([ENTRY | {"kind": "quality"}], "claims.yml, Z1: kind: expected one of qualitative, .*; got 'quality'"),
        ([ENTRY | {"contrasts": [ONE]}], "claims.yml, Z1: expected field 'experiment'"),
        (
            [ENTRY | {"experiment": "table2", "contrasts": [ONE]}],
            "claims.yml, Z1: experiment: expected one of .*; got 'table2'",
        ),
        (
            [ENTRY | {"experiment": "table1", "contrasts": [ONE, {"metric": "m", "a": "a", "b": "b"}]}],
            "claims.yml, Z1: contrast 2: expected field 'direction'",
        ),
        (
            [ENTRY | {"experiment": "table1", "contrasts": [ONE | {"direction": "up"}]}],
            "claims.yml, Z1: contrast 1, direction: expected one of greater, less; got 'up'",
        ),
    ],
)
def test_a_faulty_contract_is_named(tmp_path, monkeypatch, entries, message):
    (tmp_path / "claims.yml").write_text(yaml.safe_dump(entries))
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=message):
        contract.contract.__wrapped__()


def test_an_unknown_claim_lists_the_known_ones():
    with pytest.raises(ValueError, match="claim: expected one of C01, .*; got 'C99'"):
        claims.get("C99")


def test_every_check_is_named_by_one_claim_and_none_is_registered_twice():
    named = [entry["check"] for entry in claims.contract().values() if "check" in entry]
    assert sorted(named) == sorted(claims.CHECKS)
    with pytest.raises(ValueError, match="expected a name of its own; got 'small_eta' twice"):
        claims.check(claims.CHECKS["small_eta"])
