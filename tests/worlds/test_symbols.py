"""The language of symbol strings: every operation by hand, and the split by prompt."""

from collections import Counter

import pytest

from lhas_utils.worlds import solve
from lhas_utils.worlds.symbols import LETTERS, OPERATIONS, SYMBOLS, TOKENS, side, text


@pytest.mark.parametrize(
    "task, x, y",
    [
        ("copy", (3, 1), (3, 1)),
        ("rotate", (3, 1, 2), (1, 2, 3)),
        ("reverse", (3, 1, 2), (2, 1, 3)),
        ("swap", (1, 2, 3, 4, 5), (2, 1, 4, 3, 5)),
        ("increment", (0, 9), (1, 0)),
        ("double", (4, 5, 9), (8, 0, 8)),
        ("cumsum", (5, 6, 9), (5, 1, 0)),
        ("sort", (3, 1, 3, 0), (0, 1, 3, 3)),
        ("sort_down", (3, 1, 3, 0), (3, 3, 1, 0)),
        ("running_max", (1, 3, 2, 5), (1, 3, 3, 5)),
        ("reverse increment", (1, 2, 9), (0, 3, 2)),
        ("increment reverse", (1, 2, 9), (0, 3, 2)),
        ("swap rotate", (1, 2, 3, 4), (3, 2, 1, 4)),  # rotate first, then swap
        ("rotate swap", (1, 2, 3, 4), (1, 4, 3, 2)),
        ("guard copy", (1, 2), (1, 2)),
        ("guard copy", (1, 8), None),
        ("guard reverse", (9, 1), None),
    ],
)
def test_solve_by_hand(task, x, y):
    assert solve(task, x) == y


def test_every_operation_keeps_the_length_and_the_alphabet():
    x = (3, 1, 4, 1, 5, 9, 2, 6)
    for task in OPERATIONS:
        y = solve(task, x)
        assert len(y) == len(x) and all(0 <= v < SYMBOLS for v in y), task


def test_words_of_strings_and_of_the_refusal():
    assert text("b", (1, 0)) == "b1 b0" and text("a", None) == "<refuse>"
    assert {text(letter, (v,)) for letter in LETTERS for v in range(SYMBOLS)} | {text("a", None)} <= set(TOKENS)


def test_a_prompt_is_on_one_side_and_eight_in_ten_are_in_the_pool():
    sides = Counter(side("copy", "a", (i, j, k)) for i in range(10) for j in range(10) for k in range(10))
    assert set(sides) == {"pool", "validation", "test"}
    assert sides["pool"] == pytest.approx(800, abs=50) and sides["test"] == pytest.approx(100, abs=40)
    assert side("copy", "a", (1, 2)) == side("copy", "a", (1, 2))
