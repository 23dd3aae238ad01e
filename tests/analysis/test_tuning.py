"""Halving by hand: who goes on, on which seeds, and what is chosen."""

import pandas as pd
import pytest

from lhas_utils.analysis import summary, tuning
from lhas_utils.analysis.tuning import choice, halving
from lhas_utils.runs import ROUNDS, SURVIVORS, as_text, design, published
from lhas_utils.selection import lhas

FIRST, SECOND = [("a", 1.0), ("b", 3.0), ("c", 2.0)], [("b", 1.0), ("c", 4.0)]


def table(*rounds) -> pd.DataFrame:
    """Return runs of rounds [(params, value), ...], round k on the seeds 10 k and 10 k + 1, and Random at 0.5."""
    rows = [
        (name, params, 10 * k + i, value)
        for k, settings in enumerate(rounds)
        for i in range(2)
        for name, params, value in [("random", "", 0.5), *(("lhas", p, v + i) for p, v in settings)]
    ]
    return pd.DataFrame(rows, columns=["selector", "params", "seed", "long_horizon"])


@pytest.fixture(autouse=True)
def rounds(monkeypatch):
    monkeypatch.setattr(tuning, "ROUNDS", ((0, 1), (10, 11)))


def test_halving_by_hand():
    found = halving(table(FIRST, SECOND)).to_dict("list")
    assert found["round"] == [1, 1, 1, 2, 2] and found["params"] == ["b", "c", "a", "c", "b"]
    assert found["mean"] == [3.5, 2.5, 1.5, 3.5, 2.5]  # over the seeds of both rounds in the second
    assert found["minus_random"] == [3.0, 2.0, 1.0, 3.0, 2.0] and found["n_seeds"] == [2, 2, 2, 4, 4]
    assert found["kept"] == found["went_on"] == [True, True, False, True, False]


def test_a_survivor_that_the_rule_does_not_keep_is_seen():
    found = halving(table(FIRST, [("b", 1.0), ("a", 4.0)]))
    first = found[found["round"] == 1].set_index("params")
    assert first["kept"].to_dict() == {"b": True, "c": True, "a": False}
    assert first["went_on"].to_dict() == {"b": True, "c": False, "a": True}


def test_the_choice_in_words():
    said = choice(halving(table(FIRST, SECOND)))
    assert said == (
        "Rounds of 3 settings, 2 settings on 2, 4 development seeds. Chosen: c; U_long 3.500, +3.000 against Random, "
        "+1.000 against the second."
    )
    assert choice(halving(table(FIRST, [("b", 1.0)]))).startswith("Rounds of 3 settings, 1 setting on 2, 4")


def test_runs_without_random_are_refused():
    runs = table(FIRST)
    with pytest.raises(ValueError, match="halving: expected runs of lhas and random; got none of random"):
        halving(runs[runs["selector"] == "lhas"])


def test_the_published_rows_choose_what_the_code_has(monkeypatch):
    monkeypatch.setattr(tuning, "ROUNDS", ROUNDS)
    found = halving(summary(published("develop"), "exact"))
    assert (found["kept"] == found["went_on"]).all()
    assert found.groupby("round").size().tolist() == [len(s) for s in (design(), *SURVIVORS)]
    assert found.groupby("round")["n_seeds"].first().tolist() == [2, 4, 8]
    best = found[found["round"] == 3].iloc[0]["params"]
    weights = ("coverage_weight", "penalty_weight", "proxy_weight")
    assert best == as_text({name: lhas.__kwdefaults__[name] for name in weights})
