"""The difficulty study: amounts by hand, rows tidy and repeatable, the base shared and left alone."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from lhas_utils.core import paths
from lhas_utils.learning import weights
from lhas_utils.studies import CLIP, SIGMAS, DifficultySpec, difficulty
from lhas_utils.studies.difficulty import execute
from lhas_utils.worlds import LEVEL_WORLDS

TINY = DifficultySpec(d=4, n=8, steps=2, base_steps=2, draws=1, test_size=4, seed=1000)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(paths, "MODELS", tmp_path_factory.getbasetemp() / "models")


def run(spec):
    return execute(spec, {})


@pytest.mark.parametrize(
    "change, message",
    [
        ({"skill": "chess"}, "skill: expected one of sort, cumsum, op; got 'chess'"),
        ({"d": 15}, "d: expected one of 0, 2, .*, 14; got 15"),
        ({"base": "huge"}, "base: expected one of weak, strong"),
        ({"trim": "hardest"}, "d: expected 0"),
        ({"d": 0, "match": "tokens"}, "d: expected one level"),
        ({"n": 0}, "n: expected an integer"),
    ],
)
def test_errors_name_expected_and_received(change, message):
    with pytest.raises(ValueError, match=message):
        replace(DifficultySpec(), **change)


def test_amounts_by_hand():
    assert DifficultySpec(d=14, n=90, steps=120).amount() == (90, 120)
    assert DifficultySpec(d=14, n=90, steps=120, match="tokens").amount() == (51, 69)  # 14 answer tokens against 8
    assert DifficultySpec(d=2, n=90, steps=120, match="tokens").amount() == (240, 320)
    assert DifficultySpec("cumsum", d=8, n=90, steps=120, match="tokens").amount() == (56, 75)  # 8 against 5
    assert DifficultySpec("op", d=2, n=90, steps=120, match="tokens").amount() == (175, 233)  # 17 against 33
    assert DifficultySpec(n=160, match="epochs").amount() == (160, 15)
    assert DifficultySpec(n=160, match="epochs", batch_size=16).amount() == (160, 30)
    assert DifficultySpec(n=8, match="epochs").amount() == (8, 3)


@pytest.mark.parametrize("d", [2, 3, 8, 14])
def test_token_match_holds_distinct_tokens(d):
    spec = DifficultySpec(d=d, n=1200, steps=120, match="tokens")
    tokens = sum(len(r.split()) + 1 for r in spec.world.sample(d, spec.amount()[0], 1000)["response"])
    assert tokens == pytest.approx(9600, rel=0.02)


def test_execute_is_tidy_and_repeatable(tidy_rows):
    rows = tidy_rows(run, TINY)
    assert set(rows["who"]) == {"base", "tuned", "posterior"}
    levels = [str(d) for d in LEVEL_WORLDS["sort"].levels]
    for who in ("base", "tuned"):
        assert list(rows.loc[rows["who"] == who, "slice"]) == [*levels, "train"]
    assert len(rows[rows["who"] == "posterior"]) == len(SIGMAS) * (len(levels) + 1)
    assert (
        rows["tokens_distinct"].between(8 * 3, 8 * 5).all()
        and (rows["tokens_seen"] == 2 * rows["tokens_distinct"]).all()
        and (rows["distance2"] > 0).all()
    )
    base, tuned = (rows[rows["who"] == w]["nll"].to_numpy() for w in ("base", "tuned"))
    assert not np.allclose(base, tuned)
    assert rows.loc[rows["who"] == "posterior", "nll"].between(0, CLIP + 1e-5).all()
    json.dumps(rows.iloc[0].to_dict(), default=float)


def test_base_is_shared_and_left_untouched():
    base, *_ = difficulty._start(TINY.model, TINY.world, TINY.base, 1000, 4)
    before = weights(base).clone()
    execute(replace(TINY, loss="dft", draws=0), {})
    assert torch.equal(before, weights(base))


OP = DifficultySpec("op", seed=1000, d=3, n=4, steps=2, base_steps=2, test_size=3, batch_size=16, shown=60)


def test_an_op_world_run_is_tidy_and_repeatable(tidy_rows):
    rows = tidy_rows(run, OP)
    for who in ("base", "tuned"):
        assert list(rows.loc[rows["who"] == who, "slice"]) == [*map(str, LEVEL_WORLDS["op"].levels), "train"]
    assert rows["exact"].between(0, 1).all()
    base, tuned = (rows[rows["who"] == w]["nll"].to_numpy() for w in ("base", "tuned"))
    assert not np.allclose(base, tuned)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"base": "huge"}, "base: expected one of weak, strong; got 'huge'"),
        ({"d": 9}, "d: expected one of 0, 2"),
        ({"n": 0}, "n: expected an integer"),
        ({"lr": 0.0}, "lr: expected a number"),
    ],
)
def test_errors_of_an_op_world_run_name_expected_and_received(change, message):
    with pytest.raises(ValueError, match=message):
        replace(OP, **change)
