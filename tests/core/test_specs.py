"""Specifications: checked when they are made."""

from dataclasses import fields

import pytest

from lhas_utils.core import PROFILES, Checkpoint, ModelSpec, TrainSpec, choose, columns, from_dict, number
from lhas_utils.studies import DifficultySpec, LocalSpec, RunSpec
from lhas_utils.worlds import TextWorld, WorldSpec


@pytest.mark.parametrize(
    "kind, values, message",
    [
        (TrainSpec, {"steps": -1}, "steps: expected an integer"),
        (TrainSpec, {"match": "epochs"}, "match: expected one of steps, tokens; got 'epochs'"),
        (ModelSpec, {"warmup": 1.5}, "warmup: expected a number"),
        (ModelSpec, {"clip": -1}, "clip: expected a number"),
        (TrainSpec, {"batch_size": 2.5}, "batch_size: expected an integer"),
        (TrainSpec, {"lr": 0}, "lr: expected a number"),
        (TrainSpec, {"rank": 0}, "rank: expected an integer"),
        (TrainSpec, {"steps": 4, "reselect": 5}, "reselect: expected an integer"),
        (TrainSpec, {"probe_steps": (5, 10)}, "probe_steps: expected increasing steps from 0"),
        (TrainSpec, {"probe_steps": (0, 10, 10)}, "probe_steps: expected increasing steps from 0"),
        (TrainSpec, {"probe_steps": ()}, "probe_steps: expected increasing steps from 0"),
        (TrainSpec, {"probe_steps": (0,)}, "probe_steps"),  # a curve of one point has no area
        (TrainSpec, {"probe_size": 0}, "probe_size: expected an integer"),
        (TrainSpec, {"curriculum": "hardest"}, "curriculum: expected one of shuffled, easy_first, hard_first; got"),
        (ModelSpec, {"steps": -1}, "steps: expected an integer"),
        (ModelSpec, {"hidden": 30, "heads": 4}, "hidden"),  # must be a multiple of heads
        (ModelSpec, {"schedule": "exponential"}, "schedule: expected one of constant, linear, cosine; got"),
        (ModelSpec, {"batches": "sorted"}, "batches: expected one of shuffled, by_length; got 'sorted'"),
        (ModelSpec, {"rows": 0}, "rows: expected an integer"),
    ],
)
def test_a_bad_value_is_refused_when_the_spec_is_made(kind, values, message):
    with pytest.raises(ValueError, match=message):
        kind(**values)


def test_choose_lists_what_is_allowed():
    assert choose("profile", "fast", PROFILES) == "fast"
    with pytest.raises(ValueError, match="profile: expected one of smoke, fast, full; got 'quick'"):
        choose("profile", "quick", PROFILES)


def test_number_names_kind_and_range():
    number("x", 1, 0, 2, integer=True)
    number("x", 0.5, 0, 2)
    for value in (3, True, None, "1", float("nan")):
        with pytest.raises(ValueError, match=r"x: expected a number in \[0, 2\]; got"):
            number("x", value, 0, 2)
    with pytest.raises(ValueError, match=r"x: expected an integer in \[0, 2\]; got 0.5"):
        number("x", 0.5, 0, 2, integer=True)


def test_from_dict_refuses_unknown_keys():
    assert from_dict(WorldSpec, {"noise": 0.3}) == WorldSpec(noise=0.3)
    with pytest.raises(ValueError, match="WorldSpec parameter: expected one of sequence, .*; got 'noize'"):
        from_dict(WorldSpec, {"noize": 0.3})


STAGES = ["selector", "seed", "budget", "params"]
TRAINING = ["steps", "rank", "reselect", "curriculum", "lr", "match"]


def test_columns_of_a_stage_run_hold_its_world_and_its_training():
    spec = RunSpec("lhas", 3, params=(("alpha", 2.0), ("utility", "loss")), world=WorldSpec(noise=0.3))
    found = columns(spec)
    skill = [f.name for f in fields(WorldSpec)]
    assert list(found) == [*STAGES, *skill, *TRAINING]
    assert (found["params"], found["noise"], found["rank"]) == ("alpha=2.0, utility=loss", 0.3, None)


def test_columns_of_other_runs():
    text = columns(RunSpec("random", 0, world=TextWorld("abc"), model=Checkpoint("m")))
    assert list(text) == [*STAGES, "data", "pool_size", "test_size", "max_length", "vocabulary", *TRAINING]
    local = columns(LocalSpec(0))
    assert list(local)[:6] == ["seed", "stage", "random", "batches", "trained", "budget"] and "params" not in local
    assert columns(DifficultySpec(d=3))["d"] == 3 and "world" not in columns(DifficultySpec())
