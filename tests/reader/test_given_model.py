"""MODEL in every shape that people bring it: it works, or one sentence names it before any run."""

import pytest
import torch
from transformers import (
    BertConfig,
    BertLMHeadModel,
    GPT2Config,
    GPT2LMHeadModel,
    MixtralConfig,
    MixtralForCausalLM,
)

from lhas_utils.core import Checkpoint, TrainSpec, paths
from lhas_utils.learning import tokenizer
from lhas_utils.reader import given_model
from lhas_utils.reader.given_model import try_out
from lhas_utils.studies import RunSpec
from lhas_utils.worlds import TextWorld, register, text
from tests.learning.small import SMALL, llama, saved

pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set:UserWarning"),
]


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CORPORA", tmp_path / "corpora")
    monkeypatch.setattr(paths, "MODELS", tmp_path / "models")
    for cached in (text.registered, tokenizer):
        cached.cache_clear()
    return TextWorld(register(""), max_length=24, vocabulary=0)


def spec(world, folder, rank=2):
    return RunSpec("random", 0, world=world, model=Checkpoint(str(folder)), train=TrainSpec(steps=1, rank=rank))


def gpt2():
    return GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=24, n_embd=16, n_layer=1, n_head=2))


def mixtral():
    size = {"num_key_value_heads": 2, "num_local_experts": 2}
    return MixtralForCausalLM(MixtralConfig(vocab_size=300, **size, **SMALL))


@pytest.mark.parametrize("rank", [2, None])
@pytest.mark.parametrize("family", [llama, gpt2, mixtral])
def test_models_that_run_pass(world, tmp_path, family, rank):
    try_out(spec(world, saved(tmp_path / "model", family()), rank))


def tried(world, folder, words, **more):
    with pytest.raises(ValueError, match=f"^MODEL '{folder}': expected .*{words}") as error:
        try_out(spec(world, folder, **more))
    assert "\n" not in str(error.value)


def test_what_a_model_does_is_tried(world, tmp_path):
    tried(world, saved(tmp_path / "few", llama(vocabulary=100)), r"ids below 100; got id \d+")
    nan = llama()
    with torch.no_grad():
        nan.lm_head.weight[0, 0] = torch.nan
    tried(world, saved(tmp_path / "nan", nan), "finite numbers from a forward pass; got some that are not")
    ahead = BertLMHeadModel(BertConfig(vocab_size=300, is_decoder=False, **SMALL))
    tried(world, saved(tmp_path / "bert", ahead), "a causal language model; got one whose earlier positions see later")
    (tmp_path / "empty").mkdir()
    tried(world, tmp_path / "empty", "a model that loads and computes; got ValueError")


def test_gradients_that_do_not_add_up_are_told(world, tmp_path, monkeypatch):
    folder = saved(tmp_path / "m", llama())
    real = given_model.signals.gradients
    monkeypatch.setattr(
        given_model.signals, "gradients", lambda *a: ((rows, 1.1 * g) for rows, g in real(*a)), raising=True
    )
    tried(world, folder, "per-example gradients that add up to the whole one; got others", rank=None)
