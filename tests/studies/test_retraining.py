"""Effects by subset retraining, on outcomes whose effects are known, and one tiny run."""

import numpy as np
import pandas as pd
import pytest

from lhas_utils.core import ModelSpec, TrainSpec, paths
from lhas_utils.runs.cache import chosen
from lhas_utils.selection import SELECTORS
from lhas_utils.studies import SCORED, TARGETS, EffectSpec, retraining
from lhas_utils.worlds import WorldSpec, skill_world


def halves(n, m, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(np.arange(n) < n // 2) for _ in range(m)])


def test_effects_of_a_linear_outcome_come_back_up_to_a_constant():
    masks, truth = halves(12, 60), np.random.default_rng(1).normal(size=12)
    found = retraining.effects(masks, 5 + masks @ truth)
    assert found - found.mean() == pytest.approx(truth - truth.mean())


def test_effects_survive_noise_and_ignore_what_does_nothing():
    masks, truth = halves(10, 2000), np.r_[1.0, -1.0, np.zeros(8)]
    y = masks @ truth + np.random.default_rng(2).normal(size=2000)
    found = retraining.effects(masks, y)
    assert found[:2] - found.mean() == pytest.approx(truth[:2], abs=0.2)
    assert found[2:] == pytest.approx(np.full(8, found[2:].mean()), abs=0.2)


def test_a_ranking_puts_the_first_pick_on_top():
    class Pool:
        def __len__(self):
            return 4

    place = retraining.ranking(lambda ctx, budget, *, rng: np.array([2, 0, 3, 1])[:budget], Pool(), None)
    assert place.tolist() == [2, 0, 3, 1]


@pytest.mark.slow
def test_a_tiny_run_ranks_every_candidate_by_every_selector(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "MODELS", tmp_path)
    small = {
        "world": WorldSpec(pool_size=24, test_size=4),
        "model": ModelSpec(hidden=16, steps=5),
        "train": TrainSpec(steps=2, probe_steps=(0, 2)),
    }
    spec = EffectSpec(0, candidates=6, subsets=6, **small)
    rows, picks = retraining.execute(spec, chosen(spec))
    assert picks is None and len(rows) == 6 and rows["index"].is_unique
    for name in SCORED:
        assert sorted(rows[f"order_{name}"]) == list(range(6)), name
    pool = skill_world(spec.world, 0).stages[spec.stage].pool.to_pandas()
    assert rows["difficulty"].tolist() == pool.loc[rows["index"], "difficulty"].tolist()
    quality = pool.loc[rows["index"], "quality"].to_numpy()
    assert rows["order_quality"].tolist() == pd.Series(quality).rank(method="first").sub(1).astype(int).tolist()
    assert rows[["now", "last", "final"]].to_numpy().std() > 0
    again, _ = retraining.execute(spec, chosen(spec))
    pd.testing.assert_frame_equal(rows, again)
    assert {f"{t}{half}" for t in TARGETS for half in ("", "_odd", "_even")} < set(rows)
    assert set(SCORED) <= set(SELECTORS)
