"""The base model M_0 of any world: trained once per recipe, corpus and seed, kept in `build/models`."""

from functools import lru_cache

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from ..core import Checkpoint, ModelSpec, code, digest, paths, stream
from ..core.files import seal, sealed_folder, unseal
from ..worlds import Corpus
from .loop import by_length, example_loss, fit, shuffled, weighted_loss
from .models import create, pretrained, pretrained_tokenizer
from .tokens import SPECIAL, byte_pairs, encode, packed, word_level


def _key(spec: ModelSpec, corpus: Corpus, *more) -> str:
    return digest(spec, corpus, list(more), code(pretrain, train_tokenizer, type(corpus)))


def train_tokenizer(corpus: Corpus):
    """Return the tokenizer of a corpus: its words, or byte pairs learnt from its rows."""
    if corpus.words:
        return word_level(corpus.words)
    rows = corpus.rows(0, 0)
    return byte_pairs([*rows["prompt"], *rows["response"]], corpus.vocabulary)


@lru_cache(maxsize=8)
def tokenizer(spec: ModelSpec | Checkpoint, corpus: Corpus):
    """Return the tokenizer of a base model; one learnt from text is kept in `build/models`."""
    if isinstance(spec, Checkpoint):
        return pretrained_tokenizer(spec)
    if corpus.words:
        return train_tokenizer(corpus)
    path = paths.MODELS / f"{_key(spec, corpus)}.tokenizer"
    text = unseal(path)
    if text is None:
        text = train_tokenizer(corpus).backend_tokenizer.to_str().encode()
        seal(path, text)
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(text.decode()), **SPECIAL)


def pretrain(spec: ModelSpec, corpus: Corpus, seed: int, words):
    """Train a base model from scratch; words of its corpus that carry a weight do so in the loss.

    Args:
        spec: the recipe. corpus: its text. seed: of the corpus, the initial weights and the order.
        words: the tokenizer. Text of the reader's own is packed into blocks, every token scored.
    """
    model = create(spec, words, seed, max_positions=corpus.positions)
    rows = corpus.rows(seed, min(spec.rows, spec.steps * spec.batch_size))
    if corpus.words:
        data = encode(rows, words)
    else:
        data = packed(rows, words, corpus.positions, stream(seed, "pretrain text"))
    rng = stream(seed, corpus.tag)
    if spec.batches == "by_length":
        batches = by_length(rng, data, spec.steps, spec.batch_size)
    else:
        batches = shuffled(rng, len(data), spec.steps, spec.batch_size)
    ids = {words.convert_tokens_to_ids(token): weight for token, weight in corpus.weights.items()}
    loss = weighted_loss(ids, len(words)) if ids else example_loss
    fit(model, data, batches, spec.lr, schedule=spec.schedule, warmup=spec.warmup, clip=spec.clip, loss=loss)
    return model


def base_model(spec: ModelSpec | Checkpoint, corpus: Corpus, seed: int):
    """Return the base model M_0 of a seed: a checkpoint, or one trained on the corpus, from the cache or now.

    A cache entry is a folder that appears only when complete; one that is not as it was written is trained again.
    """
    if isinstance(spec, Checkpoint):
        return pretrained(spec)
    seed = seed if corpus.seeded else 0

    def make(folder):
        pretrain(spec, corpus, seed, tokenizer(spec, corpus)).save_pretrained(folder)

    folder = sealed_folder(paths.MODELS / _key(spec, corpus, seed), make)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False)


def load_base(spec: ModelSpec | Checkpoint, corpus: Corpus, seed: int):
    """Return (tokenizer, base model) of a seed."""
    return tokenizer(spec, corpus), base_model(spec, corpus, seed)
