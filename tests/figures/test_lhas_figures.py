"""The picture of the map: a panel for each arm, marks that say the word, numbers where they belong."""

from itertools import product

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from lhas_utils.analysis.lhas_map import KNOBS, OPPONENTS
from lhas_utils.figures import lhas_map
from lhas_utils.runs import CELLS

GRID = list(product(*CELLS.values()))
WORDS = ("pays", "costs", "equivalent", "open")


def words(arms=OPPONENTS, cells=GRID) -> pd.DataFrame:
    """Return a map whose k-th cell has the mean k / 100 - .05 and the word k modulo 4, knobs as texts."""
    rows = [
        ("lhas", arm, *map(str, cell), "long_horizon", k / 100 - 0.05, WORDS[k % 4])
        for arm in arms
        for k, cell in enumerate(cells)
    ]
    return pd.DataFrame(rows, columns=["a", "b", *KNOBS, "metric", "mean", "word"])


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def panels(fig) -> dict:
    return {ax.get_title(): ax for ax in fig.axes if ax.get_visible() and ax.get_title()}


def test_a_panel_for_each_arm_and_the_marks_counted():
    found = panels(lhas_map(words()))
    assert [t.partition("\n")[0] for t in found] == [
        "Random",
        "Balanced random",
        "Diversity",
        "LHAS without coverage",
        "LHAS without proxy",
        "LHAS with penalty",
    ]
    assert all(t.partition("\n")[2].split() == ["▲", "4", "▼", "4", "=", "4", "of", "16"] for t in found)


def test_a_cell_stands_where_its_knobs_say():
    ax = panels(lhas_map(words(OPPONENTS[:1])))["Random\n▲ 4   ▼ 4   = 4   of 16"]
    rows = [label.get_text() for label in ax.get_yticklabels()]
    columns = [label.get_text() for label in ax.get_xticklabels()]
    assert rows == [
        "0% duplicates,\neven tasks",
        "0% duplicates,\none task 80%",
        "60% duplicates,\neven tasks",
        "60% duplicates,\none task 80%",
    ]
    assert columns == ["0%\n5%", "0%\n25%", "30%\n5%", "30%\n25%"]
    at = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in ax.texts}
    assert at[0, 0] == "-.05\n▲" and at[0, 1] == "-.04\n▼" and at[0, 2] == "-.03\n=" and at[0, 3] == "-.02\n"
    assert at[3, 3] == "+.10\n"  # the sixteenth cell: all knobs high
    assert ax.images[0].get_array()[2, 1] == pytest.approx(0.04)


def test_two_cells_and_two_arms_are_a_map_too():
    corners = [GRID[0], GRID[-1]]
    found = panels(lhas_map(words(("random", "balanced"), corners)))
    assert len(found) == 2 and all("of 2" in title for title in found)


def test_zero_is_white_and_better_and_worse_are_as_far_from_it():
    image = panels(lhas_map(words()))["Random\n▲ 4   ▼ 4   = 4   of 16"].images[0]
    assert image.norm.vmin == -image.norm.vmax == pytest.approx(-0.10)


def test_nothing_to_show_is_said():
    with pytest.raises(ValueError, match="expected rows of lhas minus an arm in 'ood'; got none"):
        lhas_map(words(), "ood")
