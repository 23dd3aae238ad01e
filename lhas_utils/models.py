"""Causal language models through `transformers`: create, pre-train once, load, adapt, encode text.

Everything downstream takes a model, a tokenizer and `Encoded` tensors, so a hub model and the
embedded one go through the same code.
"""

import os
import warnings
from copy import deepcopy
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import NamedTuple

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

from . import paths
from .config import ModelSpec
from .worlds import TOKENS

IGNORE = -100  # label of positions that carry no loss

logging.set_verbosity_error()
logging.disable_progress_bar()


class Encoded(NamedTuple):
    """Token ids (n, T) and labels (n, T), right-padded; labels are `IGNORE` off the response."""

    input_ids: torch.Tensor
    labels: torch.Tensor

    def take(self, indices) -> "Encoded":
        """Return the rows at `indices`, trimmed to their longest sequence."""
        indices = torch.as_tensor(indices, dtype=torch.long)
        labels = self.labels[indices]
        used = (labels != IGNORE).any(0).nonzero()[-1].item() + 1
        return Encoded(self.input_ids[indices, :used], labels[:, :used])

    def __len__(self):
        return len(self.input_ids)

    def tokens(self) -> torch.Tensor:
        """Return the number of response tokens of each example, shape (n,)."""
        return (self.labels != IGNORE).sum(1)


def symbol_tokenizer() -> PreTrainedTokenizerFast:
    """Return the word-level tokenizer of the controlled worlds."""
    vocabulary = {token: i for i, token in enumerate(TOKENS)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", sep_token="<sep>"
    )


def encode(data: Dataset, tokenizer, max_length: int = 512) -> Encoded:
    """Encode `prompt` and `response` as `<bos> prompt <sep> response <eos>`, right-padded.

    A tokenizer without a separator or a beginning token does without it. A sequence longer than
    `max_length` loses the beginning of its prompt, then the end of its response.
    """
    if len(data) == 0:
        raise ValueError("data: expected at least one example; got none")
    bos, sep = tokenizer.bos_token_id, tokenizer.sep_token_id
    prompts = tokenizer(list(data["prompt"]), add_special_tokens=False)["input_ids"]
    responses = tokenizer(list(data["response"]), add_special_tokens=False)["input_ids"]
    rows = []
    for prompt, response in zip(prompts, responses):
        response = response[: max_length // 2 - 1] + [tokenizer.eos_token_id]
        prompt = prompt if bos is None else [bos, *prompt]
        prompt = prompt + ([] if sep is None else [sep])
        prompt = prompt[-(max_length - len(response)) :]
        rows.append((prompt, response))
    width = max(len(p) + len(r) for p, r in rows)
    ids = torch.full((len(rows), width), tokenizer.pad_token_id)
    labels = torch.full((len(rows), width), IGNORE)
    for i, (prompt, response) in enumerate(rows):
        ids[i, : len(prompt) + len(response)] = torch.tensor(prompt + response)
        labels[i, len(prompt) : len(prompt) + len(response)] = torch.tensor(response)
    return Encoded(ids, labels)


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


def cached(key: str, build) -> LlamaForCausalLM:
    """Return the model stored under `key`, or build and store it; a damaged entry is rebuilt."""
    folder = paths.MODELS / key
    if folder.exists():
        try:
            return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        except Exception as error:
            print(f"model cache: {folder.name} cannot be read ({type(error).__name__}); training it again")
            rmtree(folder)
    model = build()
    save(model, folder)
    return model


def save(model, folder: Path):
    """Write a model folder so that it is either absent or complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(mkdtemp(dir=folder.parent, prefix=".partial-"))
    model.save_pretrained(partial)
    try:
        os.replace(partial, folder)
    except OSError:  # another process finished the same model first
        rmtree(partial)


def with_lora(model, rank: int, seed: int):
    """Attach LoRA adapters (arXiv:2106.09685) of `rank` to every linear layer through `peft`.

    alpha = 2 rank, no dropout; only the adapters train.
    """
    from peft import LoraConfig, get_peft_model  # here because it doubles the import time of every process

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.manual_seed(seed)
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # peft asks transformers under its old name
        return get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"))


def trainable(model) -> dict[str, torch.Tensor]:
    """Return the trainable parameters by name, detached views."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def weights(model) -> torch.Tensor:
    """Return a flat copy of the trainable parameters, shape (p,)."""
    return torch.cat([p.flatten() for p in trainable(model).values()])


@torch.no_grad()
def restore(model, flat: torch.Tensor):
    """Write a flat vector from `weights` back into the model."""
    offset = 0
    for p in trainable(model).values():
        p.copy_(flat[offset : offset + p.numel()].view_as(p))
        offset += p.numel()


def copy_of(model):
    """Return an independent copy of a model, in evaluation mode."""
    return deepcopy(model).eval()
