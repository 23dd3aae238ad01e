"""The base model of runs on real text: a pretrained checkpoint, or a small one made from the text."""

import os
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from . import paths
from .config import ModelSpec, digest
from .models import IGNORE, Encoded, cached, create
from .training import fit
from .worlds import stream

SPECIAL = {"pad_token": "<pad>", "bos_token": "<bos>", "sep_token": "<sep>", "eos_token": "<eos>"}


def check_model(model: str) -> tuple[str, str]:
    """Return (hub id or absolute path, fingerprint) of a causal LM; anything else is a `ValueError`.

    The fingerprint of a folder is a digest of its files' names, sizes and times of change.
    """
    if not model:
        return "", ""
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ValueError(f"MODEL {model!r}: expected a model folder with a config.json; there is none in it")
        files = sorted(p for p in folder.iterdir() if p.is_file())
        name = str(folder.resolve())
        mark = digest([(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files])
    elif model.startswith(("/", ".", "~")) or folder.exists():
        raise ValueError(f"MODEL {model!r}: expected a hub id or a model folder; there is no such folder")
    else:
        name, mark = model, ""
    try:
        AutoConfig.from_pretrained(name)
    except Exception as error:  # the hub client raises errors of many libraries
        reason = " ".join(str(error).split())[:160]
        got = f"{type(error).__name__}: {reason}"
        raise ValueError(f"MODEL {model!r}: expected a hub id or a model folder; got {got}") from None
    return name, mark


def train_tokenizer(texts, vocabulary: int) -> PreTrainedTokenizerFast:
    """Return a byte-level byte-pair tokenizer trained on `texts`; equal texts give equal merges."""
    pairs = Tokenizer(models.BPE())
    pairs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pairs.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(SPECIAL.values()), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    pairs.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=pairs, **SPECIAL)


def _blocks(corpus: Dataset, tokenizer, length: int) -> Encoded:
    """Return the corpus as one stream of tokens cut into blocks (n, length), every token scored."""
    texts = [f"<bos>{p}<sep>{r}<eos>" for p, r in zip(corpus["prompt"], corpus["response"])]
    order = stream(0, "pretrain text").permutation(len(texts))
    rows = tokenizer([texts[i] for i in order], add_special_tokens=False)["input_ids"]
    ids = np.concatenate([np.array(row) for row in rows])
    length = min(length, len(ids))
    ids = torch.tensor(ids[: len(ids) // length * length]).view(-1, length)
    labels = ids.clone()
    labels[:, 0] = IGNORE
    return Encoded(ids, labels)


def embedded(corpus: Dataset, vocabulary: int, spec: ModelSpec, length: int, key: str):
    """Return (tokenizer, base model) made from the text of a corpus, from the cache or made now.

    Both are written to `build/models`, complete or not at all.

    Args:
        corpus: columns `prompt` and `response`.
        vocabulary: tokens of the byte-pair tokenizer.
        spec: size of the model and its pre-training.
        length: tokens of a training sequence, and the model's positions.
        key: names the two in the cache.
    """
    path = paths.MODELS / f"{key}.tokenizer.json"
    if path.exists():
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_file(str(path)), **SPECIAL)
    else:
        tokenizer = train_tokenizer([*corpus["prompt"], *corpus["response"]], vocabulary)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
        partial.write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
        os.replace(partial, path)

    def build():
        model = create(spec, tokenizer, 0, max_positions=length)
        blocks = _blocks(corpus, tokenizer, length)
        fit(model, blocks, spec.steps, spec.batch_size, spec.lr, stream(0, "pretrain"), decay=True)
        return model

    return tokenizer, cached(key, build)


def pretrained(checkpoint: str):
    """Return (tokenizer, model) of a checkpoint, on the GPU in bfloat16 if there is one.

    A tokenizer without a padding token pads with its end token (padding carries no loss and lies
    to the right of it); one without a beginning token begins with its end token.
    """
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    if tokenizer.eos_token is None:
        raise ValueError(f"MODEL {checkpoint!r}: expected a tokenizer with an end token; it has none")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    tokenizer.bos_token = tokenizer.bos_token or tokenizer.eos_token
    gpu = torch.cuda.is_available()
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.bfloat16 if gpu else torch.float32)
    return tokenizer, model.to("cuda" if gpu else "cpu")
