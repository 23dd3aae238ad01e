"""Questions with a difficulty knob: right, spaced, harder from level to level; those of reasoning-gym where it is."""

from itertools import islice, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lhas_utils.worlds import FAMILIES, LEVELS, items

AT = st.tuples(st.integers(0, 2000), st.sampled_from(FAMILIES), st.sampled_from(LEVELS), st.sampled_from(items.SETS))


def gym_is_here() -> bool:
    try:
        items.require()
    except ValueError:
        return False
    return True


needs_gym = pytest.mark.skipif(not gym_is_here(), reason="reasoning-gym is not installed: `make llm` brings it")


def some(family: str, level: int, size: int = 40, source: str = "stand-in", first: int = 7 * 10**6):
    return list(islice(items.items(source, family, level, first), size))


@given(AT, AT)
def test_two_blocks_never_share_an_item(a, b):
    assert a == b or abs(items.block(*a) - items.block(*b)) >= items.SPACING


def test_the_first_blocks_by_hand():
    first = items.block(0, FAMILIES[0], 1, "pool")
    assert first == 5 * 10**6 and items.block(0, FAMILIES[0], 1, "validation") == 6 * 10**6
    assert items.block(0, FAMILIES[1], 0, "pool") - items.block(0, FAMILIES[0], 0, "pool") == 6 * 5 * 10**6
    assert items.block(1, FAMILIES[0], 0, "pool") == len(FAMILIES) * 6 * 5 * 10**6


def test_the_needle_is_told_once():
    for item in some("needle_haystack", 3):
        *told, question = item.question.split(". ")
        assert len(told) == 4 and question.startswith("Who has ")
        assert [t for t in told if t.endswith(f" has {question[8:-1]}")] == [f"{item.answer} has {question[8:-1]}"]


def test_ancestors_are_counted_from_the_end():
    for item in some("family_relationships", 2):
        chain, question = item.question.split(". ")
        names, steps = chain.split(" > "), int(question.split()[2])
        assert len(names) == 4 and names[len(names) - 1 - steps] == item.answer and question.endswith(f"{names[-1]}?")


def test_sequences_go_on_as_they_began():
    for item in some("number_sequence", 4):
        terms = [int(t) for t in item.question.removesuffix(", ?").split(", ")]
        assert len(terms) == 4 and {b - a for a, b in zip(terms, [*terms[1:], int(item.answer)])} == {
            terms[1] - terms[0]
        }


def test_names_come_back_in_reverse():
    for item in some("word_sequence_reversal", 3):
        names = item.question.removeprefix("Reverse ").removesuffix(":").split(", ")
        assert len(names) == 5 and item.answer.split(", ") == names[::-1]


@pytest.mark.parametrize("family, level", list(product(FAMILIES, LEVELS)))
def test_the_same_seed_gives_the_same_items_and_only_the_answer_is_accepted(family, level):
    for item, again in zip(some(family, level, 5), some(family, level, 5)):
        assert item[:2] == again[:2] and item.accepts(item.answer) and not item.accepts(item.answer + "x")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("books", "number_sequence", 1, 0), "source: expected one of reasoning-gym, stand-in; got 'books'"),
        (("stand-in", "chess", 1, 0), "family: expected one of .*; got 'chess'"),
        (("stand-in", "number_sequence", 9, 0), "level: expected one of 1, 2, 3, 4, 5; got 9"),
    ],
)
def test_bad_input_is_one_sentence(arguments, words):
    with pytest.raises(ValueError, match=words):
        next(items.items(*arguments))


def test_without_the_package_one_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(items, "RELEASE", "0.0.0")
    items.require.cache_clear()
    with pytest.raises(ValueError, match=r"reasoning-gym: expected release 0\.0\.0; got .*`make llm` installs it"):
        next(items.items("reasoning-gym", "number_sequence", 1, 0))
    items.require.cache_clear()


@needs_gym
@pytest.mark.parametrize("family, level", list(product(FAMILIES, LEVELS)))
def test_the_packages_own_scorer_gives_every_answer_full_marks(family, level):
    for item in some(family, level, 20, "reasoning-gym"):
        assert item.accepts(item.answer) and not item.accepts("no answer")


@needs_gym
def test_the_package_shares_items_between_neighbouring_seeds_which_is_why_blocks_are_spaced():
    here, there = (some("number_sequence", 1, 30, "reasoning-gym", first) for first in (5 * 10**6, 5 * 10**6 + 1))
    assert [i.question for i in here[1:]] == [i.question for i in there[:-1]]
