"""Specifications: checked when they are made; one digest for each."""

import inspect

import pytest

from lhas_utils import config
from lhas_utils.config import ModelSpec, RunSpec, TrainSpec, WorldSpec


@pytest.mark.parametrize(
    "kind, values, message",
    [
        (WorldSpec, {"sequence": "skil"}, "sequence: expected one of skill, domain, interleaved; got 'skil'"),
        (WorldSpec, {"order": "random"}, "order: expected one of paper, reversed, safety_early, alternating; got 'random'"),
        (WorldSpec, {"pool_size": 0}, r"pool_size: expected an integer in \[1, 1000000\]; got 0"),
        (WorldSpec, {"pool_size": 10.0}, "pool_size: expected an integer"),
        (WorldSpec, {"test_size": True}, "test_size: expected an integer"),
        (WorldSpec, {"noise": -0.1}, r"noise: expected a number in \[0, 1\]; got -0.1"),
        (WorldSpec, {"noise": float("nan")}, "noise: expected a number"),
        (WorldSpec, {"duplicates": "0.2"}, "duplicates: expected a number"),
        (WorldSpec, {"alignment": 1.5}, "alignment: expected a number"),
        (WorldSpec, {"earlier": 0.7, "precursors": 0.4}, "earlier \\+ precursors: expected at most 1"),
        (TrainSpec, {"steps": 0}, "steps: expected an integer"),
        (TrainSpec, {"batch_size": 2.5}, "batch_size: expected an integer"),
        (TrainSpec, {"lr": 0}, "lr: expected a number"),
        (TrainSpec, {"rank": 0}, "rank: expected an integer"),
        (TrainSpec, {"steps": 4, "reselect": 5}, "reselect: expected an integer"),
        (TrainSpec, {"probe_steps": (5, 10)}, "probe_steps: expected increasing steps from 0"),
        (TrainSpec, {"probe_steps": (0, 10, 10)}, "probe_steps: expected increasing steps from 0"),
        (TrainSpec, {"probe_steps": ()}, "probe_steps: expected increasing steps from 0"),
        (TrainSpec, {"probe_steps": (0,)}, "probe_steps"),  # a curve of one point has no area
        (TrainSpec, {"probe_size": 0}, "probe_size: expected an integer"),
        (ModelSpec, {"steps": -1}, "steps: expected an integer"),
        (ModelSpec, {"hidden": 30, "heads": 4}, "hidden"),  # must be a multiple of heads
        (RunSpec, {"selector": "random", "seed": -1}, "seed: expected an integer"),
        (RunSpec, {"selector": "random", "seed": 0.0}, "seed: expected an integer"),
        (RunSpec, {"selector": "random", "seed": 0, "budget": 0}, "budget: expected a number"),
        (RunSpec, {"selector": "random", "seed": 0, "budget": 1.01}, "budget: expected a number"),
        (RunSpec, {"selector": "random", "seed": 0, "budget": "all"}, "budget: expected a number"),
    ],
)
def test_a_bad_value_is_refused_when_the_spec_is_made(kind, values, message):
    with pytest.raises(ValueError, match=message):
        kind(**values)


def test_choose_lists_what_is_allowed():
    assert config.choose("profile", "fast", config.PROFILES) == "fast"
    with pytest.raises(ValueError, match="profile: expected one of smoke, fast, full; got 'quick'"):
        config.choose("profile", "quick", config.PROFILES)


def test_from_dict_refuses_unknown_keys():
    assert config.from_dict(WorldSpec, {"noise": 0.3}) == WorldSpec(noise=0.3)
    with pytest.raises(ValueError, match="WorldSpec parameter: expected one of sequence, .*; got 'noize'"):
        config.from_dict(WorldSpec, {"noize": 0.3})


def test_every_order_visits_every_stage_once():
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in config.ORDERS.values())
    assert len(set(config.ORDERS.values())) == 4


def test_equal_specs_have_equal_digests():
    one, other = RunSpec("random", 3, world=WorldSpec(noise=0.2)), RunSpec("random", 3, world=WorldSpec(noise=0.2))
    assert config.digest(one) == config.digest(other)
    assert len(config.digest(one)) == 16


def test_a_whole_number_is_the_same_setting_as_a_float():
    assert RunSpec("random", 0, budget=1) == RunSpec("random", 0, budget=1.0)
    assert config.digest(RunSpec("random", 0, budget=1)) == config.digest(RunSpec("random", 0, budget=1.0))


@pytest.mark.parametrize(
    "change",
    [
        {"selector": "loss"},
        {"seed": 1},
        {"budget": 0.3},
        {"params": (("alpha", 2.0),)},
        {"world": WorldSpec(noise=0.11)},
        {"model": ModelSpec(steps=801)},
        {"train": TrainSpec(rank=4)},
    ],
)
def test_every_field_changes_the_digest(change):
    fields = {"selector": "random", "seed": 0}
    assert config.digest(RunSpec(**fields)) != config.digest(RunSpec(**(fields | change)))


def code_digest(monkeypatch, edit, modules=("metrics",)):
    """Return the code digest as if the source of each module were `edit(source)`."""
    source = inspect.getsource
    with monkeypatch.context() as patch:
        patch.setattr(config.inspect, "getsource", lambda module: edit(source(module)))
        return config.source_digest.__wrapped__(*modules)


def test_docstrings_and_comments_do_not_change_the_code_digest(monkeypatch):
    now = code_digest(monkeypatch, lambda s: s)
    assert code_digest(monkeypatch, lambda s: s.replace('"""Return the', '"""Hand back the')) == now
    assert code_digest(monkeypatch, lambda s: "# a comment\n" + s + "\n\n# another\n") == now


def test_code_changes_the_code_digest(monkeypatch):
    now = code_digest(monkeypatch, lambda s: s)
    assert code_digest(monkeypatch, lambda s: s.replace("s.mean()", "s.max()")) != now
    assert code_digest(monkeypatch, lambda s: s + "\nEXTRA = 1\n") != now


def test_library_versions_change_the_code_digest(monkeypatch):
    now = code_digest(monkeypatch, lambda s: s)
    monkeypatch.setattr(config.importlib.metadata, "version", lambda package: "0.0")
    assert code_digest(monkeypatch, lambda s: s) != now
