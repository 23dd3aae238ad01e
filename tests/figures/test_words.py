"""A sentence says effect, interval, metric, seeds and world, and which side the effect is on."""

import pandas as pd
import pytest

from lhas_utils.figures import found
from lhas_utils.figures.style import NAMES, UNITS

COLUMNS = ["selector", "metric", "mean", "low", "high", "n_seeds"]
TABLE = pd.DataFrame(
    [
        ("lhas", "now", 0.08, 0.05, 0.11, 12),
        ("lhas", "forgetting", 0.08, 0.05, 0.11, 12),
        ("lhas", "ood", -0.0004, -0.02, 0.02, 8),
        ("lhas", "immediate_utility", -0.08, -0.11, -0.05, 8),
        ("rs2", "now", 0.5, 0.5, 0.5, 1),
        ("loss", "now", 0.5, 0.5, 0.5, 2),
        ("loss", "now", 0.5, 0.5, 0.5, 2),
    ],
    columns=COLUMNS,
)


@pytest.mark.parametrize(
    "selector, quantity, words",
    [
        ("lhas", "now", "LHAS is better than Random in gain now: +0.080 [+0.050, +0.110] in exact match (12 seeds,"),
        ("lhas", "forgetting", "LHAS is worse than Random in forgetting: +0.080 [+0.050, +0.110] in exact match (12"),
        ("lhas", "ood", "LHAS is not told apart from Random in OOD: -0.000 [-0.020, +0.020] in exact match (8 seeds,"),
        ("lhas", "immediate_utility", "LHAS is worse than Random in immediate utility: -0.080 [-0.110, -0.050] in"),
    ],
)
def test_the_sentence(selector, quantity, words):
    assert found(TABLE, selector, quantity).startswith(words)


def test_one_seed_has_a_difference_and_no_judgement():
    said = found(TABLE, "rs2", "now", "nll", world="a world")
    assert said == "RS2 minus Random in gain now: +0.500 in nats a token (1 seed, no interval, a world)."


@pytest.mark.parametrize("metric, unit", UNITS.items())
def test_metric_and_world_are_said(metric, unit):
    said = found(TABLE, "lhas", "now", metric, world="the reader's text")
    assert said.endswith(f" in {unit} (12 seeds, the reader's text).")


@pytest.mark.parametrize("quantity", NAMES)
def test_no_quantity_brings_formulas_into_prose(quantity):
    said = found(pd.DataFrame([("lhas", quantity, 0.1, 0.1, 0.1, 3)], columns=COLUMNS), "lhas", quantity)
    assert "$" not in said and "lower is better" not in said and "\n" not in said


@pytest.mark.parametrize("selector, quantity, n", [("lhas", "later", 0), ("diversity", "now", 0), ("loss", "now", 2)])
def test_a_row_that_is_not_there_or_not_alone_is_an_error(selector, quantity, n):
    with pytest.raises(ValueError, match=f"found: expected one row of '{selector}' and '{quantity}'; got {n}"):
        found(TABLE, selector, quantity)
