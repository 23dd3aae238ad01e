"""Causal language models through `transformers`: create, copy, read and write weights, adapt, load a checkpoint."""

import warnings
from copy import deepcopy

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from ..core import Checkpoint, ModelSpec


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

    alpha = 2 rank, no dropout; only the adapters train. They are in float32, whatever the model is in, and read the
    hidden states as they come (`forward.precision`).
    """
    # here because it doubles the import time of every process
    from peft import LoraConfig, get_peft_model
    from peft.tuners.tuners_utils import BaseTunerLayer

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.manual_seed(seed)
        # peft asks transformers for it under its old name
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        adapted = get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"))
    for layer in adapted.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.cast_input_dtype_enabled = False
    return adapted


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
