"""Splits from names, the hold-out, the sample, and the count of what is left out."""

import pytest

from lhas_utils.worlds.splits import HELD_OUT, WORDS, Deal, named, split_of, stem


@pytest.mark.parametrize("split, word", [(split, word) for split, words in WORDS.items() for word in words])
def test_every_spelling_is_a_split_before_or_after_a_name_or_alone(split, word):
    for spelt in (word, word.title(), word.upper()):
        for name in (f"math.{spelt}", f"math_{spelt}", f"math-{spelt}", f"{spelt}-math", f"{spelt}.math"):
            assert split_of(name) == ("math", split), name
        assert split_of(spelt) == ("", split)
        assert named((spelt, "math")) == named(("math", spelt)) == ("math", split)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("train-00000-of-00001", ("", "train")),
        ("test-00001-of-00002-0a1b2c3d4e5f6a7b", ("", "test")),
        ("math-00000-of-00002", ("math", None)),
        ("train_1", ("", "train")),
        ("math.train_1", ("math", "train")),
        ("train.math_1", ("math_1", "train")),
        ("held_out", ("", "validation")),
        ("math.held-out", ("math", "validation")),
        ("gpt-4.1-north", ("gpt-4.1-north", None)),
        ("latest", ("latest", None)),
        ("trainer", ("trainer", None)),
        ("a-test-of-wits", ("a-test-of-wits", None)),
        ("...", ("...", None)),
    ],
)
def test_names(name, expected):
    assert split_of(name) == expected


@pytest.mark.parametrize(
    "parts, expected",
    [
        (("data", "train-00000-of-00001"), (None, "train")),
        (("sub", "north"), ("north", None)),
        (("Math", "train"), ("math", "train")),
        (("train", "north.test"), ("north", "test")),
        (("skills", "math.val"), ("math", "validation")),
    ],
)
def test_folders_and_files(parts, expected):
    assert named(parts) == expected


def test_stem():
    assert [stem(n) for n in ("a.train.jsonl.gz", "b.json", "c-4.1.csv")] == ["a.train", "b", "c-4.1"]


def row(prompt, skill="a", i=0):
    return {"skill": skill, "prompt": prompt, "place": f"{skill}, line {i}"}


def dealt(rows, most=6000):
    deal = Deal(most)
    for i, (prompt, skill, split) in enumerate(rows):
        deal.add(row(prompt, skill, i), split)
    out, notes = deal.rows()
    return [(r["prompt"], r["split"]) for r in out], notes, deal


def test_a_test_split_is_never_trained_on_and_serves_where_no_other_does():
    out, notes, deal = dealt([("p", "a", None), ("q", "a", "test"), ("q ", "a", None)])
    assert out == [("p", "train"), ("q", "validation")]
    assert notes == ["the test split, never trained on, serves as validation where no other does: a"]
    assert deal.said() == "left out 1 rows: 1 because the prompt is held out, too (first: a, line 2)"
    out, notes, deal = dealt([("p", "a", "train"), ("q", "a", "test"), ("r", "a", "validation"), ("Q", "b", "train")])
    assert ("q", "validation") not in out and ("Q", "train") not in out and ("r", "validation") in out
    assert "1 because test split beside a validation split (first: a, line 1)" in deal.said()
    assert dealt([("p", "a", "test")])[0] == [("p", "validation")]


def test_a_prompt_that_is_held_out_is_not_trained_on_wherever_it_stands():
    out, _, deal = dealt([(" Q", "a", "train"), ("p", "a", None), ("q", "a", "validation"), ("q", "b", None)])
    assert out == [("p", "train"), ("q", "validation")]
    assert deal.left["the prompt is held out, too"] + deal.left["the prompt is in validation already"] == 2
    out, _, _ = dealt([("q", "a", "train"), ("q", "b", "test"), ("r", "b", "validation"), ("p", "a", "validation")])
    assert out == [("r", "validation"), ("p", "validation")], "not even where the test split is not used"


def test_without_a_held_out_split_one_prompt_in_five_is_held_out_whatever_the_order():
    rows = [(f"prompt {i}", "a", split) for i, split in zip(range(500), ["train", None] * 250)]
    out, notes, deal = dealt(rows)
    held = {p for p, split in out if split == "validation"}
    assert 70 < len(held) < 130 and len(out) == 500 and not deal.said()
    assert notes == [f"one prompt in {HELD_OUT} is held out where no held-out split is given: a"]
    assert {p for p, split in dealt(rows[::-1])[0] if split == "validation"} == held
    assert [p for p, _ in out] == [p for p, _, _ in rows], "in the order they came"


def test_a_prompt_is_once_in_validation():
    out, _, deal = dealt([("P", "a", "validation"), ("p ", "b", "validation"), ("t", "a", None)])
    assert out == [("P", "validation"), ("t", "train")]
    assert "1 because the prompt is in validation already (first: b, line 1)" in deal.said()


def test_a_fixed_sample_is_kept_of_many_rows():
    rows = [(f"prompt {i}", "a", "train") for i in range(200)] + [("v", "a", "validation")]
    out, _, deal = dealt(rows, most=50)
    assert len(out) == 51 and max(map(len, deal.kept.values())) == 50
    assert "150 because more than 50 rows of a skill in a split" in deal.said()
    assert set(dealt(rows[::-1], most=50)[0]) == set(out), "which rows are kept does not hang on their order"
