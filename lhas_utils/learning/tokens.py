"""Text as tensors: tokenizers, and examples encoded so that only the response is scored."""

import json
import re
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

    def responses(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the positions that predict the response tokens and these tokens, (n, R), `IGNORE` after the last.

        R is the largest number of response tokens of an example.
        """
        target = self.labels[:, 1:]
        scored = target != IGNORE
        at = scored.byte().argsort(dim=1, descending=True, stable=True)[:, : int(scored.sum(1).max())]
        return at, target.gather(1, at)

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


def _ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of plain texts: what looks like a control token is text, too."""
    if not len(texts):
        return []
    return tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]


def _plain(data: Dataset, tokenizer: PreTrainedTokenizerBase) -> list[tuple[list[int], list[int]]]:
    """Return (prompt, response) ids of each example, `<bos> prompt <sep>` and `response <eos>`."""
    bos, sep = tokenizer.bos_token_id, tokenizer.sep_token_id
    before, after = [] if bos is None else [bos], [] if sep is None else [sep]
    prompts = _ids(tokenizer, [p + ("\n" if sep is None else "") for p in data["prompt"]])
    responses = _ids(tokenizer, data["response"])
    return [(before + p + after, r + [tokenizer.eos_token_id]) for p, r in zip(prompts, responses)]


def _rendered(tokenizer: PreTrainedTokenizerBase, turns: list[dict]) -> list[int]:
    """Return the ids of a talk by the chat template: its own marks are control tokens, the contents text."""
    marks = [f"\x02{i}\x03" for i in range(len(turns))]
    empty = [turn | {"content": mark} for turn, mark in zip(turns, marks)]
    asks = turns[-1]["role"] != "assistant"
    try:
        text = tokenizer.apply_chat_template(empty, tokenize=False, add_generation_prompt=asks)
    except Exception as error:  # the templates' own language raises what it likes
        roles = ", ".join(turn["role"] for turn in turns)
        got = " ".join(str(error).split())
        raise ValueError(f"chat template: expected turns that it takes; got {roles}: {got}") from None
    pieces = re.split("(\x02\\d+\x03)", text)
    own = iter(tokenizer([p for p in pieces[::2]], add_special_tokens=False)["input_ids"])
    said = iter(_ids(tokenizer, [turns[int(p[1:-1])]["content"].strip() for p in pieces[1::2]]))
    return [id for i in range(len(pieces)) for id in next(said if i % 2 else own)]


def _talk(prompt: str, turns: str, response: str, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return (prompt, response) ids of one example by the chat template."""
    before = json.loads(turns) if turns else [{"role": "user", "content": prompt}]
    asked = _rendered(tokenizer, before)
    whole = _rendered(tokenizer, [*before, {"role": "assistant", "content": response}])
    if whole[: len(asked)] != asked:
        raise ValueError("chat template: expected a talk to begin with its prompt; got a template that rewrites it")
    return asked, whole[len(asked) :]


def encode(data: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int = 512) -> Encoded:
    """Encode `prompt` and `response` as `<bos> prompt <sep> response <eos>`, right-padded.

    A tokenizer without a beginning token does without it; one without a separator gets a line break
    at the end of the prompt. One with a chat template uses that in place of all this where the data have the column
    `turns` (JSON of the turns before the response, or empty). Control tokens come from here and from the template
    alone, never from the text. A sequence longer than `max_length` loses the beginning of its prompt down to half of
    it, then the end of its response, the end token with it.

    Raises:
        ValueError: no example; turns that the chat template does not take.
    """
    if len(data) == 0:
        raise ValueError("data: expected at least one example; got none")
    if tokenizer.chat_template and "turns" in data.column_names:
        columns = zip(data["prompt"], data["turns"], data["response"])
        pairs = [_talk(prompt, turns, response, tokenizer) for prompt, turns, response in columns]
    else:
        pairs = _plain(data, tokenizer)
    rows = []
    for prompt, response in pairs:
        response = response[: max(max_length // 2, max_length - len(prompt))]
        rows.append((prompt[-(max_length - len(response)) :], response))
    width = max(len(p) + len(r) for p, r in rows)
    ids = torch.full((len(rows), width), tokenizer.pad_token_id)
    labels = torch.full((len(rows), width), IGNORE)
    for i, (prompt, response) in enumerate(rows):
        ids[i, : len(prompt) + len(response)] = torch.tensor(prompt + response)
        labels[i, len(prompt) : len(prompt) + len(response)] = torch.tensor(response)
    return Encoded(ids, labels)


def packed(data: Dataset, tokenizer: PreTrainedTokenizerBase, length: int, rng: np.random.Generator) -> Encoded:
    """Return the examples in random order as one stream of tokens cut into blocks (n, length), every token scored."""
    rows = [prompt + response for prompt, response in _plain(data, tokenizer)]
    ids = np.concatenate([np.array(rows[i]) for i in rng.permutation(len(rows))])
    length = min(length, len(ids))
    ids = torch.tensor(ids[: len(ids) // length * length]).view(-1, length)
    labels = ids.clone()
    labels[:, 0] = IGNORE
    return Encoded(ids, labels)
