"""Every specification refuses None by the name of the field, before anything is computed."""

from dataclasses import MISSING, fields

import pytest

from lhas_utils import studies, worlds
from lhas_utils.core import Checkpoint, ModelSpec, TrainSpec

NEEDED = {  # fields without a default
    Checkpoint: {"name": "some/model"},
    worlds.DepthWorld: {"skill": "sort"},
    worlds.GymLevels: {"family": worlds.FAMILIES[0]},
    worlds.TextWorld: {"data": "x"},
    studies.RunSpec: {"selector": "random", "seed": 0},
    studies.BranchSpec: {"seed": 0},
    studies.LocalSpec: {"seed": 0},
    studies.EffectSpec: {"seed": 0},
    studies.LevelSpec: {
        "skill": worlds.FAMILIES[0], "base": "weak", "seed": 0, "d": 1, "n": 8, "model": Checkpoint("some/model"),
    },
    **{kind: {} for kind in (ModelSpec, TrainSpec, worlds.WorldSpec, worlds.GymWorld, worlds.OpWorld)},
    studies.DifficultySpec: {},
}  # fmt: skip
EVERY = [(kind, f.name) for kind in NEEDED for f in fields(kind) if f.default is not None]


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=[f"{kind.__name__}-{name}" for kind, name in EVERY])
def test_none_is_refused_by_the_name_of_the_field(kind, name):
    assert all(f.name in NEEDED[kind] for f in fields(kind) if f.default is f.default_factory is MISSING)
    kind(**NEEDED[kind])
    with pytest.raises(ValueError, match=rf"{name}\b.*: expected .*; got "):
        kind(**NEEDED[kind] | {name: None})
