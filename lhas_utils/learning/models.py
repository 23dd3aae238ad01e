"""Causal language models through `transformers`: create, copy, read and write weights, adapt, check a checkpoint."""

import warnings
from copy import deepcopy
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from ..core import Checkpoint, ModelSpec, digest


def quiet() -> None:
    """Silence the progress bars and hints of `transformers`, for programs and notebooks whose output is read."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def create(spec: ModelSpec, tokenizer, seed: int, max_positions: int = 64) -> LlamaForCausalLM:
    """Return a randomly initialised Llama-class causal LM; global randomness is left untouched."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=spec.hidden,
        intermediate_size=2 * spec.hidden,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        max_position_embeddings=max_positions,
        initializer_range=spec.init,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        use_cache=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def with_lora(model, rank: int, seed: int):
    """Attach LoRA adapters (arXiv:2106.09685) of `rank` to every linear layer through `peft`.

    alpha = 2 rank, no dropout; only the adapters train.
    """
    from peft import LoraConfig, get_peft_model  # here because it doubles the import time of every process

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.manual_seed(seed)
        # peft asks transformers for it under its old name
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        return get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"))


def trainable(model) -> dict[str, torch.Tensor]:
    """Return the trainable parameters by name, detached views."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def weights(model) -> torch.Tensor:
    """Return a flat copy of the trainable parameters, shape (p,)."""
    return torch.cat([p.flatten() for p in trainable(model).values()])


@torch.no_grad()
def restore(model, flat: torch.Tensor) -> None:
    """Write a flat vector of `weights`, shape (p,), back into the model."""
    offset = 0
    for p in trainable(model).values():
        p.copy_(flat[offset : offset + p.numel()].view_as(p))
        offset += p.numel()


def copy_of(model):
    """Return an independent copy of a model, in evaluation mode."""
    return deepcopy(model).eval()


def fastest() -> tuple[str, str]:
    """Return (device, dtype) that suit this machine: bfloat16 on a GPU, and on a processor that computes in it."""
    if torch.cuda.is_available():
        return "cuda", "bfloat16"
    return "cpu", "bfloat16" if torch.cpu._is_avx512_bf16_supported() else "float32"


def check_model(model: str, device: str = "", dtype: str = "") -> Checkpoint:
    """Return the checkpoint that a hub id or a folder names; anything but a causal LM's is a `ValueError`.

    The fingerprint of a folder is a digest of its files' names, sizes and times of change. `device` and `dtype` are by
    default those of `fastest`.
    """
    where = dict(zip(("device", "dtype"), (given or own for given, own in zip((device, dtype), fastest()))))
    if where["device"] == "cuda" and not torch.cuda.is_available():
        raise ValueError("DEVICE 'cuda': expected a GPU that torch can use; there is none (DEVICE=cpu)")
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ValueError(f"MODEL {model!r}: expected a model folder with a config.json; there is none in it")
        files = sorted(p for p in folder.iterdir() if p.is_file())
        mark = digest([(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files])
        checkpoint = Checkpoint(str(folder.resolve()), mark, **where)
    elif model.startswith(("/", ".", "~")) or folder.exists():
        raise ValueError(f"MODEL {model!r}: expected a hub id or a model folder; there is no such folder")
    else:
        checkpoint = Checkpoint(model, **where)
    try:
        AutoConfig.from_pretrained(checkpoint.name, trust_remote_code=False)
    except Exception as error:  # the hub client raises errors of many libraries
        reason = " ".join(str(error).split())[:160]
        got = f"{type(error).__name__}: {reason}"
        raise ValueError(f"MODEL {model!r}: expected a hub id or a model folder; got {got}") from None
    return checkpoint


def pretrained(checkpoint: Checkpoint):
    """Return the model of a checkpoint, from safetensors alone and without code of its own."""
    model = AutoModelForCausalLM.from_pretrained(
        checkpoint.name, dtype=getattr(torch, checkpoint.dtype), use_safetensors=True, trust_remote_code=False
    )
    return model.to(checkpoint.device)


def pretrained_tokenizer(checkpoint: Checkpoint):
    """Return the tokenizer of a checkpoint.

    One without a padding token pads with its end token (padding carries no loss and lies to the right
    of it); one without a beginning token begins with its end token. One without an end token is a
    `ValueError`.
    """
    tokenizer = AutoTokenizer.from_pretrained(checkpoint.name, trust_remote_code=False)
    if tokenizer.eos_token is None:
        raise ValueError(f"MODEL {checkpoint.name!r}: expected a tokenizer with an end token; it has none")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    tokenizer.bos_token = tokenizer.bos_token or tokenizer.eos_token
    return tokenizer
