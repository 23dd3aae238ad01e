"""Random contracts and random command lines: each works, or ends in the one declared error.

FUZZ=number sets the cases of each part, other ones each time; without it the same 200 are repeated.
"""

import os
import tempfile
from copy import deepcopy
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lhas_utils import __main__ as command
from lhas_utils import claims
from lhas_utils.core import paths

contract = import_module("lhas_utils.claims.contract")
ENTRIES = list(claims.contract().values())
MANY = settings(
    max_examples=int(os.environ.get("FUZZ", 200)),
    derandomize="FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.text()
    | st.sampled_from(["all", "exact"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def read(text: str | bytes, monkeypatch) -> dict | None:
    """Return the contract of a text; None where it is refused in a sentence that names the file."""
    with tempfile.TemporaryDirectory() as folder, monkeypatch.context() as patch:
        (Path(folder) / "claims.yml").write_bytes(text if isinstance(text, bytes) else text.encode())
        patch.setattr(paths, "ROOT", Path(folder))
        try:
            return contract.contract.__wrapped__()
        except ValueError as error:
            assert str(error).startswith("claims.yml") and "expected" in str(error) or "used twice" in str(error)
            return None


def places(entry: object, at: tuple = ()) -> list[tuple]:
    """Return the place of every value in a nested entry."""
    inside = entry.items() if isinstance(entry, dict) else enumerate(entry) if isinstance(entry, list) else ()
    return [place for key, value in inside for place in [(*at, key), *places(value, (*at, key))]]


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
def test_a_changed_contract_is_read_or_refused_in_words(monkeypatch):
    @MANY
    @given(st.data())
    def test(data):
        entry = deepcopy(data.draw(st.sampled_from(ENTRIES)))
        *path, last = data.draw(st.sampled_from(places(entry)))
        inner = entry
        for key in path:
            inner = inner[key]
        if data.draw(st.booleans()):
            del inner[last]
        else:
            inner[last] = data.draw(values)
        text = yaml.safe_dump([entry])
        found = read(text, monkeypatch)
        assert found is None or list(found.values()) == yaml.safe_load(text)

    test()


@pytest.mark.parametrize(
    "kind", [st.binary(max_size=40), st.text(max_size=40), values.map(yaml.safe_dump)], ids=["bytes", "text", "yaml"]
)
def test_any_file_is_read_or_refused_in_words(monkeypatch, kind):
    @MANY
    @given(kind)
    def test(text):
        try:
            text = text if isinstance(text, bytes) else text.encode()
        except UnicodeEncodeError:
            return
        assert read(text, monkeypatch) in (None, {})

    test()


WORDS = st.text(max_size=12) | st.sampled_from(
    "run real claims claim publish judge verify readme refresh copies html --profile smoke fast full published --data "
    "--model --metric --metric=exact --data=x -- -h --help C17 c17 03 table1".split()
)


@pytest.fixture
def harmless(monkeypatch):
    """Every verb that computes or writes does nothing; those that look up a claim or a metric do that alone."""
    for name in ("run", "real", "publish"):
        monkeypatch.setattr(command, name, lambda *a: None)
    monkeypatch.setattr(
        command.claims, "rejudge", lambda metric: contract.choose("METRIC", metric, claims.SCORES) and 0
    )
    monkeypatch.setattr(command.claims.ledger, "show_claim", lambda claim, setup: claims.get(claim) and None)
    for place, name in (
        (command.claims.ledger, "show_lines"),
        (command.claims.comparison, "show_verify"),
        (command.readme, "write_readme"),
        (command.stored, "refresh"),
        (command.stored, "copies"),
        (command.site, "show"),
    ):
        monkeypatch.setattr(place, name, lambda *a: None)


def test_any_command_line_ends_in_a_status_or_a_sentence(harmless, capsys):
    @MANY
    @given(st.lists(WORDS, max_size=6))
    def test(words):
        with pytest.raises(SystemExit) as ended:
            command.main(words)
        code = ended.value.code
        assert code in (None, 0, 2) or (isinstance(code, str) and code.startswith("error: "))
        assert code in (0, None) or "Traceback" not in capsys.readouterr().err

    test()


def test_any_id_is_a_claim_or_an_error_that_names_three():
    @MANY
    @given(
        st.text()
        | st.sampled_from([e["id"] for e in ENTRIES])
        | st.from_regex(r"[a-zA-Z]\d{0,3}[a-z]?", fullmatch=True)
    )
    def test(claim):
        try:
            assert claims.get(claim)["id"].casefold() == claim.strip().casefold()
        except ValueError as error:
            assert str(error).startswith("claim: expected an id of claims.yml, the nearest are ")

    test()
