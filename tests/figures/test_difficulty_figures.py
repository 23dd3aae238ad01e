"""Figures of the difficulty study: a pair without runs has no panel, no gain has no colour, a risk has a row."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lhas_utils.figures.difficulty_figures import TICKS, bound, gaps, heatmaps


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


@pytest.mark.parametrize("parts, before", [(["sort"], [""]), (["sort", "cumsum"], ["sort\n", "cumsum\n"])])
@pytest.mark.parametrize(
    "risks, units", [(["nll"], ["nats per token"]), (["exact", "nll"], ["nats per token", "failure rate"])]
)
def test_every_part_and_risk_has_a_row_of_its_own(risks, units, parts, before):
    names = [f"{name}_{risk}" for risk in risks for name in ("train", "generalization", "extrapolation", "target")]
    asked = pd.MultiIndex.from_product([parts, names], names=["part", "metric"]).to_frame(index=False)
    values = np.arange(len(asked), dtype=float)
    table = asked.assign(mean=values, low=values - 1, high=values + 1, n=32, d=4)
    axes = gaps(table).axes
    assert [ax.get_ylabel() for ax in axes[::4]] == [name + unit for name in before for unit in units]
    assert [ax.get_title() for ax in axes[:4]] == ["train", "generalization gap", "extrapolation gap", "sum = target"]
    assert (axes[0].get_ylim() == axes[-4].get_ylim()) == (len(risks) == 1)
    assert [bool(ax.get_xlabel()) for ax in axes] == [False] * (len(axes) - 4) + [True] * 4
    drawn = asked.iloc[[int(ax.lines[0].get_ydata()[0]) for ax in axes]]
    assert drawn["part"].tolist() == sorted(asked["part"], key=parts.index)
    assert drawn["metric"].tolist() == sorted(names, key=lambda name: name.endswith("_exact")) * len(parts)


def test_terms_of_the_bound_are_told_apart_on_an_axis_with_plain_numbers():
    terms = pd.DataFrame({"n": 32, "d": [4, 8], "risk": 1.0, "complexity": 1.0, "shift": 1.0, "observed": 1.0})
    (ax,) = bound(terms, 4.0).axes
    assert ax.get_yscale() == "log" and [t.get_text() for t in ax.get_yticklabels()] == [f"{t:g}" for t in TICKS]
    places = [x for line in ax.lines[:5] for x in line.get_xdata()]
    assert len(set(places)) == 10 and all(abs(x - round(x / 4) * 4) < 0.5 for x in places)
