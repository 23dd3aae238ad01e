"""Heat maps of the difficulty study: a pair without runs has no panel, no gain has no colour."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lhas_utils.figures.difficulty_figures import heatmaps


@pytest.fixture(autouse=True)
def closed():
    """No figure stays open."""
    yield
    plt.close("all")


def drawn(gain: float):
    """Return the axes of a study of two skills, of which the second has the weak base alone."""
    pairs = pd.DataFrame([("sort", "weak"), ("sort", "strong"), ("cumsum", "weak")], columns=["skill", "base"])
    gains = pairs.merge(pd.DataFrame({"n": [8, 8], "d": [1, 3], "gain": [gain, gain / 2]}), how="cross")
    place = {"n": 8, "estimator": "vertex", "d_star": 1.0, "low": 1.0, "high": 3.0, "at_edge": 0, "n_seeds": 3}
    return heatmaps(gains, pairs.assign(**place)).axes[:4]


@pytest.mark.parametrize(
    "gain, there, title", [(0.5, 1, "sort, weak base"), (0.0, 0, "sort, weak base\nno gain anywhere")]
)
def test_where_all_levels_gain_the_same_there_is_no_best_one(gain, there, title):
    ax = drawn(gain)[0]
    assert (len(ax.patches), len(ax.containers), ax.get_title()) == (there, there, title)


def test_a_pair_without_runs_has_no_panel():
    axes = drawn(0.5)
    assert [ax.get_title() for ax in axes] == ["sort, weak base", "sort, strong base", "cumsum, weak base", ""]
    assert [ax.axison for ax in axes] == [True, True, True, False] and not axes[3].images


@pytest.mark.parametrize("gain", [0.0, 0.5])
def test_no_gain_has_the_colour_of_the_middle(gain):
    image = drawn(gain)[0].images[0]
    assert image.norm(0.0) == pytest.approx(0.5) and np.allclose(image.norm([gain, -gain]), [0.5 + gain, 0.5 - gain])
