"""Base models: trained once, read back exactly, trained again where damaged, and theirs alone."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from lhas_utils.core import ModelSpec, paths
from lhas_utils.learning import base_model, encode, score, trainable, weights, word_level
from lhas_utils.worlds import WorldSpec
from lhas_utils.worlds.symbols import DIALECT

TINY = ModelSpec(hidden=16, layers=1, heads=2, steps=3, batch_size=4)
CORPUS = WorldSpec().corpus


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "MODELS", tmp_path / "models")
    return tmp_path / "models"


def test_a_base_model_is_trained_once_and_read_back_exactly(cache, monkeypatch):
    data = encode(CORPUS.rows(0, 30), word_level(DIALECT))
    first = base_model(TINY, CORPUS, 3)
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *args, **kwargs: pytest.fail("trained again"))
    second = base_model(TINY, CORPUS, 3)
    assert torch.equal(weights(first), weights(second))
    assert list(trainable(first)) == list(trainable(second))
    assert score(first, data) == score(second, data)
    assert [p.name.startswith(".") for p in cache.iterdir()] == [False]


def test_base_models_differ_by_seed_and_recipe(cache):
    one = weights(base_model(TINY, CORPUS, 0))
    assert not torch.equal(one, weights(base_model(TINY, CORPUS, 1)))
    assert not torch.equal(one, weights(base_model(replace(TINY, steps=4), CORPUS, 0)))
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("damage", ["truncated weights", "no weights", "no config", "empty folder"])
def test_a_damaged_base_model_is_rebuilt_with_a_message(cache, capsys, damage):
    before = weights(base_model(TINY, CORPUS, 0))
    (folder,) = cache.iterdir()
    if damage == "truncated weights":
        file = folder / "model.safetensors"
        file.write_bytes(file.read_bytes()[:100])
    elif damage == "empty folder":
        shutil.rmtree(folder)
        folder.mkdir()
    else:
        (folder / {"no weights": "model.safetensors", "no config": "config.json"}[damage]).unlink()
    capsys.readouterr()
    again = weights(base_model(TINY, CORPUS, 0))
    said = "".join(capsys.readouterr())
    assert torch.equal(again, before)
    assert said == f"cache: {folder.name} is not as it was written; making it again\n"
    assert torch.equal(weights(base_model(TINY, CORPUS, 0)), before)
    assert "".join(capsys.readouterr()) == ""


def test_a_base_model_does_not_depend_on_the_global_generators(cache):
    torch.manual_seed(1)
    np.random.seed(1)
    one = weights(base_model(TINY, CORPUS, 0))
    shutil.rmtree(cache)
    torch.manual_seed(2)
    np.random.seed(2)
    assert torch.equal(weights(base_model(TINY, CORPUS, 0)), one)
