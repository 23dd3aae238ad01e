"""Text as tensors: tokenizers, and examples encoded so that only the response is scored."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

IGNORE = -100  # label of positions that carry no loss
SPECIAL = {"pad_token": "<pad>", "bos_token": "<bos>", "sep_token": "<sep>", "eos_token": "<eos>"}


class Encoded(NamedTuple):
    """Token ids (n, T) and labels (n, T), right-padded; labels are `IGNORE` off the response."""

    input_ids: torch.Tensor
    labels: torch.Tensor

    def take(self, indices: Sequence[int]) -> "Encoded":
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

    def last(self) -> torch.Tensor:
        """Return the position of the last response token of each example, shape (n,)."""
        return (self.labels != IGNORE).cumsum(1).argmax(1)


def word_level(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """Return the tokenizer whose vocabulary is `words`, split at spaces; ids follow the order of `words`."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def byte_pairs(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Return a byte-level byte-pair tokenizer trained on `texts`; equal texts give equal merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL.values()),
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def encode(data: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int = 512) -> Encoded:
    """Encode `prompt` and `response` as `<bos> prompt <sep> response <eos>`, right-padded.

    A tokenizer without a beginning token does without it; one without a separator gets a line break
    at the end of the prompt. A sequence longer than `max_length` loses the beginning of its prompt,
    then the end of its response.
    """
    if len(data) == 0:
        raise ValueError("data: expected at least one example; got none")
    bos, sep = tokenizer.bos_token_id, tokenizer.sep_token_id
    ending = "\n" if sep is None else ""
    prompts = tokenizer([p + ending for p in data["prompt"]], add_special_tokens=False)["input_ids"]
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


def packed(data: Dataset, tokenizer: PreTrainedTokenizerBase, length: int, rng: np.random.Generator) -> Encoded:
    """Return the examples in random order as one stream of tokens cut into blocks (n, length), every token scored."""
    texts = [f"<bos>{p}<sep>{r}<eos>" for p, r in zip(data["prompt"], data["response"])]
    rows = tokenizer([texts[i] for i in rng.permutation(len(texts))], add_special_tokens=False)["input_ids"]
    ids = np.concatenate([np.array(row) for row in rows])
    length = min(length, len(ids))
    ids = torch.tensor(ids[: len(ids) // length * length]).view(-1, length)
    labels = ids.clone()
    labels[:, 0] = IGNORE
    return Encoded(ids, labels)
