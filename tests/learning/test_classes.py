"""Checkpoints of four classes go through a whole run, with all weights and with adapters."""

import numpy as np
import pytest
import torch
from transformers import Gemma3TextConfig, GPT2Config, LlamaConfig, Qwen2Config
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from lhas_utils.core import TrainSpec
from lhas_utils.learning import METRICS, byte_pairs, check_model
from lhas_utils.selection import SELECTORS
from lhas_utils.studies import RunSpec, stages
from lhas_utils.worlds import GymCorpus, GymWorld

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 96}
WIDE = SMALL | {"intermediate_size": 32}
CONFIGS = {
    "llama": lambda **ids: LlamaConfig(**WIDE, **ids),
    "gpt2": lambda **ids: GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=96, **ids),
    "qwen2": lambda **ids: Qwen2Config(**WIDE, num_key_value_heads=1, **ids),
    "gemma3": lambda **ids: Gemma3TextConfig(**WIDE, head_dim=8, num_key_value_heads=1, **ids),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A tiny model of each class as a folder, with a tokenizer of the stand-in's text."""
    rows, out = GymCorpus().rows(0, 0), {}
    words = byte_pairs([*rows["prompt"], *rows["response"]], 384)
    ids = {f"{n}_token_id": getattr(words, f"{n}_token_id") for n in ("pad", "bos", "eos")} | {"vocab_size": len(words)}
    for name, config in CONFIGS.items():
        out[name] = tmp_path_factory.mktemp(name)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            AutoModelForCausalLM.from_config(config(**ids)).save_pretrained(out[name])
        words.save_pretrained(out[name])
    return out


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:fan_in_fan_out")  # of GPT-2's own kind of layer; peft sets it right
@pytest.mark.parametrize("rank", [None, 2])
@pytest.mark.parametrize("name", CONFIGS)
def test_four_classes_run_with_all_weights_and_with_adapters(folders, name, rank):
    world = GymWorld("stand-in", stages=2, pool_size=16, validation_size=4, proxy_size=4, test_size=4)
    train = TrainSpec(steps=2, batch_size=4, rank=rank, probe_steps=(0, 1), probe_size=8)
    model = check_model(str(folders[name]), "cpu", "float32")
    spec = RunSpec("alignment", 1000, world=world, model=model, train=train)
    rows, picks = stages.execute(spec, SELECTORS)
    assert np.isfinite(rows.loc[rows["metric"].isin(METRICS), "value"]).all() and len(picks) == 8
    tokens = rows[(rows["split"] == "diagnostic") & (rows["metric"] == "tokens")]["value"]
    assert (tokens > 0).all()
