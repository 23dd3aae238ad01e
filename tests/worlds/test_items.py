"""Questions with a difficulty knob: right, spaced, harder from level to level; those of reasoning-gym where it is."""

from itertools import islice, product
from math import gcd

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


def test_the_spelled_word_is_turned_round():
    for level in LEVELS:
        for item in some("spell_backward", level):
            word = item.question.split()[-1]
            assert len(word) == level + 2 and item.answer == "".join(reversed(word))


def test_the_letter_is_counted():
    for item in some("letter_counting", 2):
        assert int(item.answer) == sum(c == "a" for c in item.question.split()[-1].rstrip("?"))


def test_the_sums_are_right():
    for item in some("gcd", 3):
        a, b = (int(v) for v in item.question.removeprefix("GCD of ").removesuffix("?").split(", "))
        assert int(item.answer) == gcd(a, b) and max(a, b) <= 15 * 8


def test_the_days_are_counted():
    for item in some("calendar_arithmetic", 2):
        words = item.question.split()
        day, days = words[3].rstrip("."), int(words[5])
        assert item.answer == items.DAYS[(items.DAYS.index(day) + days) % 7] and 1 <= days <= 8


@pytest.mark.parametrize("family, level", list(product(FAMILIES, LEVELS)))
def test_the_same_seed_gives_the_same_items_and_only_the_answer_is_accepted(family, level):
    for item, again in zip(some(family, level, 5), some(family, level, 5)):
        assert item[:2] == again[:2] and item.accepts(item.answer) and not item.accepts(item.answer + "x")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("books", "gcd", 1, 0), "source: expected one of reasoning-gym, stand-in; got 'books'"),
        (("stand-in", "chess", 1, 0), "family: expected one of .*; got 'chess'"),
        (("stand-in", "gcd", 9, 0), "level: expected one of 1, 2, 3, 4, 5; got 9"),
    ],
)
def test_bad_input_is_one_sentence(arguments, words):
    with pytest.raises(ValueError, match=words):
        next(items.items(*arguments))


def test_without_the_package_one_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(items, "RELEASE", "0.0.0")
    items.require.cache_clear()
    with pytest.raises(ValueError, match=r"reasoning-gym: expected release 0\.0\.0; got .*`make llm` installs it"):
        next(items.items("reasoning-gym", "gcd", 1, 0))
    items.require.cache_clear()


@needs_gym
@pytest.mark.parametrize("family, level", list(product(FAMILIES, LEVELS)))
def test_the_packages_own_scorer_gives_every_answer_full_marks(family, level):
    for item in some(family, level, 20, "reasoning-gym"):
        assert item.accepts(item.answer) and not item.accepts("no answer")


@needs_gym
def test_the_package_shares_items_between_neighbouring_seeds_which_is_why_blocks_are_spaced():
    here, there = (some("gcd", 1, 30, "reasoning-gym", first) for first in (5 * 10**6, 5 * 10**6 + 1))
    assert [i.question for i in here[1:]] == [i.question for i in there[:-1]]
