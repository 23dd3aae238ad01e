"""The difficulty study on a pretrained model, on a tiny one of Gemma's class."""

from functools import partial

import pytest

from lhas_utils.learning import TINY, made, packaged
from lhas_utils.studies import LevelSpec, levels
from lhas_utils.worlds import LEVELS

ONE = {
    "model": packaged(TINY),
    "source": "stand-in",
    "rank": 2,
    "mid_size": 8,
    "mid_steps": 6,
    "test_size": 8,
    "steps": 6,
}
SPEC = LevelSpec("needle_haystack", "weak", 100, 2, 12, **ONE)


@pytest.fixture(scope="module")
def rows():
    made(TINY)
    return levels.execute(SPEC, {})[0]


def test_rows_have_the_form_of_the_controlled_study(rows):
    for who in ("base", "tuned"):
        assert list(rows.loc[rows["who"] == who, "slice"]) == [*map(str, LEVELS), "train"]
    assert (rows["examples"] == 12).all() and (rows["updates"] == 6).all() and (rows["distance2"] > 0).all()
    assert set(rows["loss"]) == {"sft"} and set(rows["trim"]) == {"none"}
    assert rows[["accuracy", "exact", "nll"]].notna().all().all()


def test_equal_specs_give_equal_rows_and_nothing_else_counts(tidy_rows, rows):
    again = tidy_rows(partial(levels.execute, selectors={}), SPEC)
    assert again.equals(rows)


def test_the_strong_base_knows_the_easy_levels_better(rows):
    other = levels.execute(LevelSpec("needle_haystack", "strong", 100, 2, 12, **ONE), {})[0]
    weak, strong = (r[(r["who"] == "base") & r["slice"].isin(["1", "2"])]["nll"].mean() for r in (rows, other))
    assert strong < weak


def test_training_lowers_the_loss_of_what_is_trained_on(rows):
    nll = rows[rows["slice"] == "train"].set_index("who")["nll"]
    assert nll["tuned"] < nll["base"]


def test_amounts_by_hand():
    def amount(**more):
        return LevelSpec("number_sequence", "weak", 0, 5, 20, **ONE | more).amount(lambda d: float(d))

    assert amount() == (20, 6)
    assert amount(match="epochs") == (20, 8), "3 epochs of 20 in batches of 8: 60 / 8, rounded up"
    assert amount(match="tokens", steps=10) == (12, 6), "3 / 5 of both"


@pytest.mark.parametrize(
    "change, words",
    [
        ({"skill": "chess"}, "skill: expected one of .*; got 'chess'"),
        ({"base": "odd"}, "base: expected one of weak, strong; got 'odd'"),
        ({"d": 6}, "d: expected one of 1, 2, 3, 4, 5; got 6"),
        ({"n": 0}, r"n: expected an integer in \[1, 1000000\]; got 0"),
        ({"match": "all"}, "match: expected one of steps, tokens, epochs; got 'all'"),
        ({"source": "web"}, "source: expected one of reasoning-gym, stand-in; got 'web'"),
        ({"lr": 0}, "lr: expected a number"),
    ],
)
def test_bad_input_is_one_sentence(change, words):
    fields = {"skill": "number_sequence", "base": "weak", "seed": 0, "d": 1, "n": 8} | ONE | change
    with pytest.raises(ValueError, match=words):
        LevelSpec(**fields)


def test_a_tested_question_is_never_trained_on():
    for d in LEVELS:
        tested = {p for t in SPEC.world.slices(100, 8).values() for p in t["prompt"]}
        assert not tested & set(SPEC.world.sample(d, 30, 100)["prompt"])
