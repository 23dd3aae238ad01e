"""What Random learns, now against later, and the arrows of eq. 1: every number is where it belongs."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lhas_utils.analysis import statistics
from lhas_utils.figures import COLOURS, LABELS, MARKERS, learning, low_start, now_later
from lhas_utils.figures.style import SIGN


@pytest.fixture(autouse=True)
def closed():
    """No figure stays open."""
    yield
    plt.close("all")


SCORES = pd.DataFrame(
    [(s, t, c, 0.1 * t + 0.01 * s) for s in (0, 1, 2) for t in (0, 1, 2) for c in ("sort", "add")],
    columns=["seed", "stage", "capability", "value"],
)
DIFFERENCES = pd.DataFrame(
    [
        ("lhas", "now", 0.2, 0.1, 0.3),
        ("lhas", "next_auc", -0.2, -0.3, -0.1),
        ("lhas", "forgetting", -0.4, -0.5, -0.3),
        ("loss", "now", -0.1, -0.2, 0.0),
        ("loss", "next_auc", 0.0, -0.1, 0.1),
        ("loss", "forgetting", 0.4, 0.3, 0.5),
    ],
    columns=["selector", "metric", "mean", "low", "high"],
)
LEVELS = pd.DataFrame(
    [
        (n, m, v)
        for n, *vs in (("random", 0.2, 0.5, 0.3), ("lhas", 0.1, 0.5, 0.4))
        for m, v in zip(("start", "current", "immediate_utility"), vs)
    ],
    columns=["selector", "metric", "mean"],
)
MINUS = pd.DataFrame(
    [("lhas", "start", -0.1, -0.2, -0.05), ("lhas", "immediate_utility", 0.1, 0.05, 0.2)],
    columns=["selector", "metric", "mean", "low", "high"],
)


def test_learning_has_a_panel_per_capability_with_its_own_stage_marked():
    before = SCORES.copy(deep=True)
    fig = learning(SCORES, "nll")
    pd.testing.assert_frame_equal(SCORES, before)
    assert [ax.get_title() for ax in fig.axes] == ["sort", "add"]
    assert fig.axes[0].get_ylabel() == "nats a token"
    spans = [ax.patches[0].get_bbox().intervalx.tolist() for ax in fig.axes]
    assert spans == [[0, 1], [1, 2]]


def test_learning_draws_every_seed_and_the_interval_of_the_statistics():
    ax = learning(SCORES).axes[0]
    seeds = [line.get_ydata().tolist() for line in ax.lines if line.get_color() == "0.6"]
    assert np.allclose(seeds, [[0.01 * s, 0.1 + 0.01 * s, 0.2 + 0.01 * s] for s in (0, 1, 2)])
    drawn = ax.containers[0]
    assert drawn.lines[0].get_ydata() == pytest.approx([0.01, 0.11, 0.21])
    mean, low, high = statistics.interval([0.0, 0.01, 0.02])
    (bar,) = drawn.lines[2]
    assert bar.get_segments()[0][:, 1] == pytest.approx([low, high])


def test_now_against_later_is_coloured_by_what_is_later():
    before = DIFFERENCES.copy(deep=True)
    fig = now_later(DIFFERENCES, "accuracy")
    pd.testing.assert_frame_equal(DIFFERENCES, before)
    colours = [[c.lines[0].get_color() for c in ax.containers] for ax in fig.axes]
    assert colours == [[SIGN[-1], SIGN[0]], [SIGN[1], SIGN[-1]]]  # less forgetting is better
    assert [c.lines[0].get_marker() for c in fig.axes[0].containers] == [MARKERS["lhas"], MARKERS["loss"]]
    places = [[float(v[0]) for v in c.lines[0].get_data()] for ax in fig.axes for c in ax.containers]
    assert places == [[0.2, -0.2], [-0.1, 0.0], [0.2, -0.4], [-0.1, 0.4]]


def test_better_is_up_in_both_panels_and_every_point_has_its_name():
    fig = now_later(DIFFERENCES)
    assert [ax.yaxis_inverted() for ax in fig.axes] == [False, True]
    for ax in fig.axes:
        assert [t.get_text() for t in ax.texts] == [LABELS["lhas"], LABELS["loss"]]
        assert "minus Random" in ax.get_xlabel() and "minus Random" in ax.get_ylabel()


def test_an_arrow_goes_from_the_start_to_the_end_of_a_stage():
    fig = low_start(LEVELS, MINUS)
    left, right = fig.axes
    assert [t.get_text() for t in left.get_yticklabels()] == ["Random", "LHAS"]  # by utility, the largest on top
    arrows = [(a.xyann, a.xy) for a in left.texts]
    assert arrows == [((0.2, 0), (0.5, 0)), ((0.1, 1), (0.5, 1))]
    (drawn,) = right.containers
    assert [float(v[0]) for v in drawn.lines[0].get_data()] == [-0.1, 0.1]
    assert (drawn.lines[0].get_color(), drawn.lines[0].get_marker()) == (COLOURS["lhas"], MARKERS["lhas"])
    assert {t.get_text() for t in right.texts} == {"ends above Random", "ends below Random"}, "(a) has the names"


def test_the_dashed_line_is_where_a_selector_ends_as_high_as_random():
    right = low_start(LEVELS, MINUS).axes[1]
    (line,) = [line for line in right.lines if line.get_linestyle() == "--"]
    assert line.get_slope() == -1 and line.get_xy1() == (0, 0)
