"""MODEL in every shape that people bring it: it works, or one sentence names it before any run."""

import json

import pytest
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertLMHeadModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from lhas_utils.core import Checkpoint, TrainSpec, paths
from lhas_utils.learning import byte_pairs, tokenizer
from lhas_utils.reader import given_model
from lhas_utils.reader.given_model import look_at, try_out
from lhas_utils.studies import RunSpec
from lhas_utils.worlds import TextWorld, register, text

pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set:UserWarning"),
]
SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


def llama(vocabulary=300):
    return LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, **SMALL))


def saved(folder, model):
    torch.manual_seed(0)
    model.save_pretrained(folder)
    texts = [f"math question {i}?" for i in range(40)]
    ends = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
    words = PreTrainedTokenizerFast(tokenizer_object=byte_pairs(texts, 300).backend_tokenizer, **ends)
    words.save_pretrained(folder)
    return folder


def refused(model, words):
    with pytest.raises(ValueError, match=f"^MODEL '{model}': expected .*{words}") as error:
        look_at(str(model))
    assert "\n" not in str(error.value)


def test_a_causal_model_is_taken(tmp_path):
    assert look_at(str(saved(tmp_path, llama()))) is None


def test_what_is_no_causal_language_model(tmp_path):
    t5 = T5ForConditionalGeneration(T5Config(vocab_size=300, d_model=16, d_ff=16, num_layers=1, num_heads=2, d_kv=8))
    refused(saved(tmp_path / "t5", t5), "got T5ForConditionalGeneration, an encoder with a decoder")
    bert = BertForMaskedLM(BertConfig(vocab_size=300, **SMALL))
    refused(saved(tmp_path / "bert", bert), "got BertForMaskedLM, which does not predict the next token")
    (tmp_path / "vision").mkdir()
    (tmp_path / "vision/config.json").write_text('{"model_type": "vit"}')
    (tmp_path / "vision/model.safetensors").write_bytes(b"x" * 64)
    refused(tmp_path / "vision", "got ViTConfig, which does not predict the next token")
    (tmp_path / "vision/config.json").write_text('{"model_type": "not-there"}')
    refused(tmp_path / "vision", "a hub id or a model folder; got ValueError")


def test_files_that_lack_or_are_something_else(tmp_path):
    folder = saved(tmp_path / "m", llama())
    weights = folder / "model.safetensors"
    weights.write_bytes(given_model.POINTER + b"/spec/v1\noid sha256:0\n")
    refused(folder, "got a Git LFS pointer in model.safetensors; `git lfs pull`")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    weights.rename(folder / "model-00001-of-00002.safetensors").write_bytes(b"x" * 64)
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(folder, "2 files of weights; got all but model-00002-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text("[]")
    refused(folder, "model.safetensors.index.json to name the files")
    for path in folder.glob("model*"):
        path.unlink()
    refused(folder, r"weights in \*\.safetensors beside config\.json; got no weights")
    (folder / "pytorch_model.bin").write_bytes(b"x")
    refused(folder, "got pytorch_model.bin, which may hold code; save_pretrained writes safetensors")
    (folder / "config.json").unlink()
    refused(folder, "a folder with a config.json; got none in it")
    (folder / "adapter_config.json").write_text("{}")
    refused(folder, r"got adapters without their base model; AutoPeft.*merge_and_unload\(\)")
    (tmp_path / "q").mkdir()
    (tmp_path / "q/model.Q4.gguf").write_bytes(b"GGUF")
    refused(tmp_path / "q", "got GGUF weights; AutoModelForCausalLM.from_pretrained")
    refused(tmp_path / "q/model.Q4.gguf", "got GGUF weights")
    refused(tmp_path / "nothing", "got no such folder")
    refused(folder / "pytorch_model.bin", "got a file")


def test_a_model_without_a_tokenizer(tmp_path):
    llama().save_pretrained(tmp_path)
    refused(tmp_path, "a tokenizer beside the model; got ValueError")


def test_no_loader_runs_code_of_a_model(tmp_path):
    folder = saved(tmp_path, llama())
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    refused(folder, "a hub id or a model folder; got ValueError")
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CORPORA", tmp_path / "corpora")
    monkeypatch.setattr(paths, "MODELS", tmp_path / "models")
    for cached in (text.registered, tokenizer):
        cached.cache_clear()
    return TextWorld(register(""), max_length=24, vocabulary=0)


def spec(world, folder, rank=2):
    return RunSpec("random", 0, world=world, model=Checkpoint(str(folder)), train=TrainSpec(steps=1, rank=rank))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_models_that_run_pass(world, tmp_path, family):
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=24, n_embd=16, n_layer=1, n_head=2))
    for rank in (2, None):
        try_out(spec(world, saved(tmp_path / family, llama() if family == "llama" else gpt2), rank))


def test_experts_run_or_are_told(world, tmp_path):
    size = {"num_key_value_heads": 2, "num_local_experts": 2}
    folder = saved(tmp_path / "mixtral", MixtralForCausalLM(MixtralConfig(vocab_size=300, **size, **SMALL)))
    try:
        try_out(spec(world, folder))
    except ValueError as error:
        assert str(error).startswith(f"MODEL '{folder}': expected an architecture with per-example gradients; got ")


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
