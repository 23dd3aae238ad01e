"""Packaged base models: made once, complete or not at all, and one sentence for whatever is wrong."""

import hashlib
import shutil
import sys
from collections import namedtuple
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
import torch

from lhas_utils.core import paths
from lhas_utils.learning import GEMMA, TINY, encode, gemma, made, packaged, score
from lhas_utils.learning.models import pretrained, pretrained_tokenizer
from lhas_utils.worlds import FAMILIES, GymLevels


@pytest.fixture
def models(tmp_path, monkeypatch):
    """An empty `build/models`."""
    monkeypatch.setattr(paths, "MODELS", tmp_path / "models")
    return tmp_path / "models"


def package(monkeypatch, checksum=gemma.CHECKSUM, content=b"weights"):
    """Stand in for the package of the weights; its `assemble` writes `content` and checks it as the real one does."""
    module = ModuleType(gemma.PARTS)
    module.__spec__ = ModuleSpec(gemma.PARTS, None)
    module.EXPECTED_SHA256, module.MODEL_NAME = checksum, "gemma.gguf"

    def assemble(path):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        if hashlib.sha256(content).hexdigest() != checksum:
            raise ValueError("Assembled file sha256 did not match expected value")

    module.assemble = assemble
    monkeypatch.setitem(sys.modules, gemma.PARTS, module)


def test_a_checkpoint_is_named_whether_it_has_been_made_or_not(models):
    checkpoint = packaged(GEMMA, "bfloat16")
    assert checkpoint.name == str(models / GEMMA) and checkpoint.fingerprint == gemma.CHECKSUM[:16]
    assert (checkpoint.dtype, checkpoint.device) == ("bfloat16", "cpu") and not models.exists()


@pytest.mark.parametrize("function", [packaged, made])
def test_an_unknown_model_is_one_sentence(function):
    with pytest.raises(ValueError, match="model: expected one of gemma-3-270m, gemma-3-tiny; got 'llama'"):
        function("llama")


def test_the_tiny_model_is_of_gemmas_class_is_made_once_and_has_learnt_its_text(models):
    made(TINY)
    model, words = pretrained(packaged(TINY)), pretrained_tokenizer(packaged(TINY))
    assert type(model).__name__ == "Gemma3ForCausalLM" and model.dtype == torch.float32
    assert model.config.vocab_size == len(words) and words.sep_token == "<sep>"
    tests = encode(GymLevels(FAMILIES[0], "stand-in").slices(0, 20)[1], words)
    fresh = type(model)(model.config)
    assert score(model, tests)["nll"] < score(fresh, tests)["nll"] - 1
    times = {p.name: p.stat().st_mtime_ns for p in models.glob("*/*")}
    gemma._made.cache_clear()
    made(TINY)
    assert {p.name: p.stat().st_mtime_ns for p in models.glob("*/*")} == times


def test_what_was_made_in_one_folder_is_made_in_another_too(models, monkeypatch, tmp_path):
    made(TINY)
    monkeypatch.setattr(paths, "MODELS", tmp_path / "other")
    made(TINY)
    assert (tmp_path / "other" / TINY / "model.safetensors").exists()


def test_making_the_tiny_model_leaves_global_randomness_alone(models):
    before = torch.get_rng_state()
    made(TINY)
    assert torch.equal(before, torch.get_rng_state())


def test_a_damaged_model_is_made_again(models, capsys):
    weights = models / TINY / "model.safetensors"
    made(TINY)
    right = weights.read_bytes()
    weights.write_bytes(right[:-1])
    gemma._made.cache_clear()
    made(TINY)
    assert weights.read_bytes() == right and "is not as it was written" in capsys.readouterr().err


def test_without_the_package_one_sentence_says_what_to_do(models, monkeypatch):
    monkeypatch.setattr(gemma, "PARTS", "no_such_package")
    with pytest.raises(ValueError, match="expected the package no_such_package; got none; `make llm` installs it"):
        made(GEMMA)
    assert not (models / GEMMA).exists()


def test_another_release_of_the_package_is_refused(models, monkeypatch):
    package(monkeypatch, checksum="0" * 64)
    with pytest.raises(ValueError, match=f"expected the SHA-256 {gemma.CHECKSUM}; the package promises 0000"):
        made(GEMMA)


def test_damaged_parts_are_refused_and_nothing_half_written_stays(models, monkeypatch):
    package(monkeypatch)
    with pytest.raises(ValueError, match=r"gemma\.gguf: expected the SHA-256 a5fd3b62.*; got other parts"):
        made(GEMMA)
    assert [p.name for p in models.iterdir()] == [".lock"]


def test_a_full_disk_is_said_before_anything_is_written(models, monkeypatch):
    package(monkeypatch)
    usage = namedtuple("Usage", "total used free")(10**10, 9 * 10**9, 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(ValueError, match=r"expected 2 GB of free disk; got 1\.0"):
        made(GEMMA)
    assert [p.name for p in models.iterdir()] == [".lock"]


def test_a_disk_that_fills_up_on_the_way_leaves_nothing(models, monkeypatch):
    package(monkeypatch)

    def full(path):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys.modules[gemma.PARTS], "assemble", full)
    with pytest.raises(OSError, match="No space left"):
        made(GEMMA)
    assert [p.name for p in models.iterdir()] == [".lock"]
