"""A cheap world beside the real model: which number is on which axis, and where a coin stands."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from lhas_utils.figures import LABELS, MARKERS, decisions, worlds
from lhas_utils.figures.style import SIGN


@pytest.fixture(autouse=True)
def closed():
    """No figure stays open."""
    yield
    plt.close("all")


COLUMNS = ["selector", "metric", "mean", "low", "high"]
REAL = pd.DataFrame(
    [
        ("loss", "now", -0.2, -0.3, -0.1),
        ("lhas", "now", 0.1, 0.05, 0.15),
        ("loss", "later", 0.3, 0.2, 0.4),
        ("lhas", "later", 0.0, -0.1, 0.1),
    ],
    columns=COLUMNS,
)
CHEAP = pd.DataFrame(
    [
        ("lhas", "later", -0.6, -0.7, -0.5),
        ("rs2", "now", 0.9, 0.8, 1.0),
        ("lhas", "now", 0.5, 0.4, 0.6),
        ("loss", "now", 0.4, -0.3, 1.1),
        ("loss", "later", 0.7, 0.6, 0.8),
        ("rs2", "later", 0.9, 0.8, 1.0),
    ],
    columns=COLUMNS,
)
SHARES = pd.DataFrame(
    [("SkillWorld", "now", 0.7, 0.6, 0.8), ("others", "now", 0.9, 0.8, 1.0), ("SkillWorld", "later", 0.4, 0.3, 0.5)],
    columns=["world", "metric", "mean", "low", "high"],
)


def test_the_cheap_world_lies_across_and_the_real_one_up_selector_by_selector():
    before = CHEAP.copy(deep=True), REAL.copy(deep=True)
    fig = worlds(CHEAP, REAL, "a toy", "a model", "accuracy")
    for table, old in zip((CHEAP, REAL), before):
        pd.testing.assert_frame_equal(table, old)
    places = [[tuple(float(v[0]) for v in c.lines[0].get_data()) for c in ax.containers] for ax in fig.axes]
    assert places == [[(0.4, -0.2), (0.5, 0.1)], [(0.7, 0.3), (-0.6, 0.0)]], "what the real model lacks is not drawn"
    whiskers = fig.axes[0].containers[0].lines[2]
    across, up = (bar.get_segments()[0] for bar in whiskers)
    assert (across[:, 0].tolist(), up[:, 1].tolist()) == (pytest.approx([-0.3, 1.1]), pytest.approx([-0.3, -0.1]))
    for ax in fig.axes:
        assert ax.get_xlabel() == "a toy, minus Random" and ax.get_ylabel() == "a model, minus Random"
        assert [t.get_text() for t in ax.texts] == [LABELS["loss"], LABELS["lhas"]]
        assert "token accuracy" in ax.get_title(loc="left")


def test_a_selector_has_the_colour_of_its_side_on_the_real_model():
    axes = worlds(CHEAP, REAL, "a toy", "a model").axes
    colours = [[c.lines[0].get_color() for c in ax.containers] for ax in axes]
    assert colours == [[SIGN[-1], SIGN[1]], [SIGN[1], SIGN[0]]]
    assert [c.lines[0].get_marker() for c in axes[0].containers] == [MARKERS["loss"], MARKERS["lhas"]]


def test_decisions_have_a_row_a_world_and_a_line_at_one_half():
    fig = decisions(SHARES)
    assert [t.get_text() for t in fig.axes[0].get_yticklabels()] == ["SkillWorld", "others"]
    places = [[tuple(float(v[0]) for v in c.lines[0].get_data()) for c in ax.containers] for ax in fig.axes]
    assert places == [[(0.7, 0), (0.9, 1)], [(0.4, 0)]]
    for ax in fig.axes:
        (line,) = [line for line in ax.lines if line.get_linestyle() == "--"]
        assert set(line.get_xdata()) == {0.5} and ax.get_xlim() == (0, 1.02)
