"""What is no causal language model in safetensors is refused in one sentence, before any weights are loaded."""

import json

import pytest
from transformers import BertConfig, BertForMaskedLM, T5Config, T5ForConditionalGeneration

from lhas_utils.learning import check_model, checkpoints
from tests.learning.small import SMALL, llama, saved


def refused(model, words):
    with pytest.raises(ValueError, match=f"^MODEL '{model}': expected .*{words}") as error:
        check_model(str(model))
    assert "\n" not in str(error.value)


def test_a_causal_model_is_taken(tmp_path):
    assert check_model(str(saved(tmp_path, llama()))).name == str(tmp_path)


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
    weights.write_bytes(checkpoints.POINTER + b"/spec/v1\noid sha256:0\n")
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
