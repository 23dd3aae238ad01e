"""The picks of two selectors: a panel a stage, a point a task, and what they have in common."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from lhas_utils import figures


def test_a_panel_a_stage_and_a_point_a_task():
    rows = [(1, "x", 0.75, 0.5, 0.4), (1, "y", 0.25, 0.5, 0.4), (2, "x", 1.0, 0.0, 0.0), (2, "z", 0.0, 1.0, 0.0)]
    shares = pd.DataFrame(rows, columns=["stage", "task", "mine", "rival", "common"])
    fig = figures.picks(shares, "me", "lhas")
    assert [ax.get_title() for ax in fig.axes] == ["stage 1:\n40% in common", "stage 2:\n0% in common"]
    diagonal, points = fig.axes[0].lines
    assert points.get_xydata().tolist() == [[0.5, 0.75], [0.5, 0.25]], "the rival's share to the right, one's own up"
    assert diagonal.get_xydata().tolist() == [[0, 0], [pytest.approx(1.08)] * 2]
    assert {t.get_text() for t in fig.axes[1].texts} == {"x", "z"}
    assert fig.axes[0].get_ylabel() == "share of me's picks" and fig.get_supxlabel() == "share of lhas's picks"
    assert {t.get_text(): t.get_ha() for t in fig.axes[1].texts} == {"x": "left", "z": "right"}, "names stay inside"
    assert fig.get_figwidth() == figures.PAGE
    plt.close(fig)
    one = figures.picks(shares[shares["stage"] == 1], "me", "lhas")
    assert len(one.axes) == 1
    assert [t.get_text() for t in one.axes[0].texts] == ["x"], "the favourite of both is named once"
    plt.close(one)
    rows = [(1, "x", 0.6, 0.1, 0.4), (1, "y", 0.4, 0.2, 0.4), (1, "z", 0.0, 0.7, 0.4)]
    fig = figures.picks(pd.DataFrame(rows, columns=shares.columns), "me", "lhas")
    assert {t.get_text() for t in fig.axes[0].texts} == {"x", "z"}, "one's own favourite and the rival's"
    plt.close(fig)
    five = figures.picks(pd.concat([shares.assign(stage=shares["stage"] + k) for k in (0, 2, 3)]), "me", "lhas")
    assert five.get_figwidth() == figures.PAGE
    plt.close(five)
