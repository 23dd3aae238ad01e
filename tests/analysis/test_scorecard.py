"""The scorecard by hand: what each quantity is, and where two selectors' picks agree."""

import numpy as np
import pandas as pd
import pytest

from lhas_utils.analysis import LEVELS, carded, first_gain, overlap, scorecard

R = {0: [[0.1, 0.2], [0.5, 0.3], [0.4, 0.9]], 1: [[0.2, 0.2], [0.9, 0.1], [0.3, 0.7]]}  # by seed


def rows(selector="mine", run=0, seed=0, metric="exact", shift=0.0):
    parts = [("mixture", t, c, 0, "weight", float(c == "ab"[t - 1])) for t in (1, 2) for c in "ab"]
    parts += [("id", t, c, 0, metric, R[seed][t][j] + shift) for t in range(3) for j, c in enumerate("ab")]
    parts += [("ood", t, c, 0, metric, 0.25) for t in (0, 2) for c in "ab"]
    parts += [("probe", 1, "b", k, m, v) for k, v in ((0, 0.0), (10, 1.0)) for m in (metric, "tokens")]
    parts += [
        ("diagnostic", t, "a", 0, m, v)
        for t in (1, 2)
        for m, v in (("selected_tokens", 40 * t), ("concentration", 0.5))
    ]
    frame = pd.DataFrame(parts, columns=["split", "stage", "capability", "step", "metric", "value"])
    return frame.assign(run=run, selector=selector, seed=seed)


def test_the_first_gain_starts_from_the_common_base():
    both = pd.concat([rows(run=3), rows(run=7, seed=1)])
    assert first_gain(both).to_dict() == {3: pytest.approx(0.4), 7: pytest.approx(0.7)}
    assert first_gain(rows(metric="nll"), "nll")[0] == pytest.approx(-0.4), "a rise of the NLL is a loss"


def test_the_card_by_hand():
    runs = carded(pd.concat([rows(run=0), rows(run=1, seed=1), rows("random", 2)]), "exact")
    card = scorecard(runs, {"mine": 2.5, "random": 0.0})
    assert [level for level, _ in card.columns] == ["1: now"] * 5 + ["2: later"] * 5
    one = card.loc["mine"]
    assert one["1: now", "current"] == pytest.approx((0.5 + 0.9 + 0.9 + 0.7) / 4)
    assert one["1: now", "now"] == pytest.approx(0.55)
    assert one["1: now", "selected_tokens"] == 60 and one["1: now", "seconds"] == 2.5
    assert one["1: now", "stability"] == pytest.approx(np.std([0.7, 0.8], ddof=1))
    assert one["2: later", "future_auc"] == pytest.approx(0.5) and one["2: later", "concentration"] == 0.5
    assert one["2: later", "forgetting"] == pytest.approx((0.1 + 0.6) / 2)
    assert one["2: later", "worst_task"] == pytest.approx((0.4 + 0.3) / 2) and one["2: later", "ood"] == 0.25
    assert np.isnan(card.loc["random", ("1: now", "stability")]), "one seed has no spread"
    assert list(scorecard(runs).columns) == [(level, n) for level, names in LEVELS.items() for n in names]


def test_overlap_by_hand():
    def picks(selector, seed, index, task):
        return pd.DataFrame({"selector": selector, "seed": seed, "stage": 1, "index": index, "task": task})

    table = pd.concat(
        [
            picks("mine", 0, [1, 2, 3, 4], ["x", "x", "x", "y"]),
            picks("lhas", 0, [4, 5, 6, 7], ["y", "y", "y", "y"]),
            picks("mine", 1, [1, 2, 3, 4], ["x", "x", "y", "y"]),
            picks("lhas", 1, [1, 2, 3, 9], ["x", "x", "y", "z"]),
            picks("random", 1, [1, 2, 3, 9], ["w"] * 4),
        ]
    )
    found = overlap(table, "mine", "lhas").set_index("task")
    assert found["common"].tolist() == [0.5, 0.5, 0.5], "a quarter, then three quarters"
    assert found["mine"].to_dict() == {"x": pytest.approx(5 / 8), "y": pytest.approx(3 / 8), "z": 0}
    assert found["rival"].to_dict() == {"x": pytest.approx(1 / 4), "y": pytest.approx(5 / 8), "z": pytest.approx(1 / 8)}
