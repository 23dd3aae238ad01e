"""Every selector has a look of its own, and an interval never points the wrong way."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from lhas_utils.figures.style import (
    COLOURS,
    COLUMN,
    LABELS,
    MARKERS,
    NAMES,
    PAGE,
    SIGN,
    fit,
    forest,
    interval,
    point,
    side,
    style,
    style_of,
)
from lhas_utils.selection import SELECTORS


@pytest.fixture(autouse=True)
def closed():
    """No figure stays open."""
    yield
    plt.close("all")


def test_every_registered_selector_has_a_look_of_its_own():
    looks = [style_of(name) for name in SELECTORS]
    for values in zip(*looks):
        assert len(set(values)) == len(SELECTORS), values


def test_text_is_at_least_8_pt_at_the_width_a_figure_is_made_for():
    style()
    sizes = "font.size axes.labelsize axes.titlesize legend.fontsize xtick.labelsize ytick.labelsize".split()
    assert min(plt.rcParams[s] for s in sizes) >= 8
    assert [fit(w) for w in (1, COLUMN, COLUMN + 0.01, 20)] == [COLUMN, COLUMN, PAGE, PAGE] == [3.5, 3.5, 7, 7]


def test_the_looks_of_published_figures_stay():
    assert COLOURS["random"] == "#000000" and MARKERS["random"] == "o" and LABELS["random"] == "Random"
    assert COLOURS["lhas"] == "#009E73" and MARKERS["lhas"] == "h"
    assert LABELS["effect now"] == "true effect now"


def test_a_selector_without_a_look_is_an_error_that_says_where_to_add_one():
    table = pd.DataFrame([("mine", "m", 0.0, 0.0, 0.0)], columns=["selector", "metric", "mean", "low", "high"])
    for draw in (lambda: style_of("mine"), lambda: point("mine"), lambda: forest(table, {"m": "m"})):
        with pytest.raises(ValueError, match=r"'mine'.*STYLES in lhas_utils/figures/style\.py"):
            draw()


@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_whisker_is_never_shorter_than_nothing(axis):
    _, ax = plt.subplots()
    row = pd.Series({"mean": 1.0, "low": 1.5, "high": 2.0})  # rounding may put an end on the wrong side of the mean
    interval(ax, **({"x": row, "y": 3.0} if axis == "x" else {"x": 3.0, "y": row}))
    (whiskers,) = ax.containers[0].lines[2]
    ends = whiskers.get_segments()[0][:, "xy".index(axis)]
    assert ends.tolist() == [1.0, 2.0]


def test_both_axes_may_have_intervals_and_a_legend_shows_the_marker():
    _, ax = plt.subplots()
    row = pd.Series({"mean": 1.0, "low": 0.0, "high": 2.0})
    interval(ax, row, row, **point("lhas"))
    handles, labels = ax.get_legend_handles_labels()
    assert labels == ["LHAS"] and handles[0].get_marker() == MARKERS["lhas"]
    assert len(ax.containers[0].lines[2]) == 2


def test_a_forest_has_a_panel_per_metric_and_the_rows_it_is_asked_for():
    rows = [(s, m, 0.1, 0.0, 0.2) for s in ("lhas", "random", "loss") for m in ("a", "b")]
    table = pd.DataFrame(rows, columns=["selector", "metric", "mean", "low", "high"])
    fig = forest(table, {"a": "the first", "b": "the second"}, rows=["random", "lhas"])
    assert [ax.get_xlabel() for ax in fig.axes] == ["the first", "the second"]
    assert [t.get_text() for t in fig.axes[0].get_yticklabels()] == ["Random", "LHAS"]
    assert [len(ax.containers) for ax in fig.axes] == [2, 2]
    assert fig.axes[0].yaxis_inverted()


@pytest.mark.parametrize(
    "low, high, quantity, expected",
    [
        (0.01, 0.2, "current", 1),
        (-0.2, -0.01, "current", -1),
        (-0.1, 0.1, "current", 0),
        (0.0, 0.2, "current", 0),  # 0 is inside
        (-0.2, 0.0, "current", 0),
        (0.01, 0.2, "forgetting", -1),
        (-0.2, -0.01, "forgetting", 1),
        (-0.2, -0.01, "future_auc_nll", 1),
        (float("nan"), float("nan"), "current", 0),
    ],
)
def test_the_side_of_a_difference(low, high, quantity, expected):
    row = pd.Series({"low": low, "high": high})
    assert side(row, quantity) == expected and type(side(row, quantity)) is int
    assert side(pd.Series({"low": low, "high": high, "n_seeds": 2}), quantity) == expected
    assert side(pd.Series({"low": low, "high": high, "n_seeds": 1}), quantity) == 0  # one seed tells nothing


def test_the_three_sides_look_different_and_like_no_selector():
    assert set(SIGN) == {1, 0, -1} and len(set(SIGN.values())) == 3
    assert not set(SIGN.values()) & set(COLOURS.values())


@pytest.mark.parametrize("name", ["balanced", "length", "rs2", "start"])
def test_the_baselines_have_looks_of_their_own(name):
    others = [style_of(s) for s in COLOURS if s != name]
    assert all(a != b for other in others for a, b in zip(style_of(name), other))


def test_names_of_quantities_speak_of_no_metric():
    assert not [n for n in NAMES.values() if "accuracy" in n or "exact" in n]
