"""Labels stand beside their own points and cover nothing where there is room."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.transforms import Bbox

from lhas_utils.figures.labels import name_points
from lhas_utils.figures.style import interval


@pytest.fixture(autouse=True)
def closed():
    """No figure stays open."""
    yield
    plt.close("all")


def named(places):
    fig, ax = plt.subplots(figsize=(5, 4))
    for x, y in places.values():
        ax.plot(x, y, "o")
    ax.margins(0.15)
    name_points(ax, places)
    return ax, [t.get_window_extent() for t in ax.texts]


def test_labels_of_points_apart_cover_nothing_and_are_nearest_to_their_own():
    places = {"one": (0.0, 0.0), "another": (0.5, 0.1), "a third": (1.0, 1.0)}
    ax, boxes = named(places)
    assert [t.get_text() for t in ax.texts] == list(places)
    assert not [1 for a, b in combinations(boxes, 2) if Bbox.intersection(a, b)]
    dots = ax.transData.transform(list(places.values()))
    for i, box in enumerate(boxes):
        gaps = np.hypot(*(np.clip(dots, box.min, box.max) - dots).T)
        assert gaps.argmin() == i and gaps[i] > 0


def test_two_points_close_together_get_labels_apart():
    _, boxes = named({"the first": (0.0, 0.0), "the second": (0.01, 0.0), "far": (1.0, 1.0)})
    assert Bbox.intersection(boxes[0], boxes[1]) is None


def test_points_that_coincide_share_a_label():
    ax, _ = named({"one": (0.0, 0.0), "far": (1.0, 1.0), "two": (0.0, 0.0), "three": (0.0, 0.0)})
    assert [t.get_text() for t in ax.texts] == ["one, two,\nthree", "far"]


def test_a_label_leaves_a_whisker_free():
    _, ax = plt.subplots(figsize=(5, 4))
    ax.plot([-1, 1], [-1, 1], ls="none")
    row = {"mean": 0.0, "low": -0.8, "high": 0.8}
    interval(ax, 0.0, pd.Series(row), marker="o")
    name_points(ax, {"name": (0.0, 0.0)})
    whisker = Bbox(ax.transData.transform([(0.0, -0.8), (0.0, 0.8)])).padded(1)
    assert Bbox.intersection(ax.texts[0].get_window_extent(), whisker) is None


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=6))
def test_every_label_stays_inside_the_axes(points):
    ax, boxes = named({f"label {i}": p for i, p in enumerate([*points, (0.0, 0.0), (1.0, 1.0)])})
    assert all(ax.bbox.padded(1).contains(*corner) for box in boxes for corner in (box.min, box.max))
    plt.close("all")
