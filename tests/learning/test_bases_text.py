"""Base models of the reader's own text and of a checkpoint: tokenizers, what seeds share, and what is refused."""

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from lhas_utils.core import Checkpoint, ModelSpec, paths, stream
from lhas_utils.core.files import seal
from lhas_utils.learning import (
    IGNORE,
    base_model,
    bases,
    byte_pairs,
    check_model,
    load_base,
    packed,
    tokenizer,
    weights,
)
from lhas_utils.worlds import LEVEL_WORLDS
from lhas_utils.worlds.text import TextCorpus

TINY = ModelSpec(hidden=16, layers=1, heads=2, steps=3, batch_size=4)
ROWS = {"prompt": [f"What is {i}?" for i in range(60)], "response": [f"It is {i}." for i in range(60)]}
CORPUS = TextCorpus("a corpus", vocabulary=300, positions=16)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "MODELS", tmp_path / "models")
    monkeypatch.setattr(TextCorpus, "rows", lambda corpus, seed, size: Dataset.from_dict(ROWS))
    tokenizer.cache_clear()
    yield tmp_path / "models"
    tokenizer.cache_clear()


def test_the_seeds_share_a_base_model_where_the_corpus_has_no_seed(cache):
    one, other = (weights(base_model(TINY, CORPUS, seed)) for seed in (0, 7))
    assert torch.equal(one, other)
    assert len([p for p in cache.iterdir() if p.is_dir()]) == 1
    assert not CORPUS.seeded and LEVEL_WORLDS["sort"].corpus("weak").seeded


def test_a_tokenizer_is_trained_once_and_read_back(cache, capsys):
    words = tokenizer(TINY, CORPUS)
    (file,) = cache.iterdir()
    assert file.name.endswith(".tokenizer") and len(words) == 300
    tokenizer.cache_clear()
    assert tokenizer(TINY, CORPUS).get_vocab() == words.get_vocab()
    seal(file, byte_pairs(ROWS["prompt"], 290).backend_tokenizer.to_str().encode())
    tokenizer.cache_clear()
    assert len(tokenizer(TINY, CORPUS)) == 290  # what lies there is what is used
    file.write_bytes(file.read_bytes()[:-1])
    tokenizer.cache_clear()
    assert tokenizer(TINY, CORPUS).get_vocab() == words.get_vocab()
    assert f"cache: {file.name} is not as it was written; making it again" in capsys.readouterr().err


def test_another_corpus_vocabulary_or_recipe_is_another_base(cache):
    for spec, corpus in (
        (TINY, CORPUS),
        (TINY, TextCorpus("another corpus", 300, 16)),
        (TINY, TextCorpus("a corpus", 290, 16)),
        (TINY, TextCorpus("a corpus", 300, 12)),
        (ModelSpec(hidden=16, layers=1, heads=2, steps=4, batch_size=4), CORPUS),
    ):
        base_model(spec, corpus, 0)
    assert len([p for p in cache.iterdir() if p.is_dir()]) == 5


def test_a_tokenizer_is_reproducible_and_loses_nothing():
    texts = [*ROWS["prompt"], *ROWS["response"]]
    a, b = byte_pairs(texts, 320), byte_pairs(texts, 320)
    assert a.get_vocab() == b.get_vocab() and len(a) == 320
    odd = "naïve → {x: 1}\n\t日"
    assert a.decode(a(odd, add_special_tokens=False)["input_ids"]) == odd


def test_text_is_packed_into_blocks_of_which_every_token_is_scored():
    words = byte_pairs([*ROWS["prompt"], *ROWS["response"]], 300)
    blocks = packed(Dataset.from_dict(ROWS), words, 16, stream(0, "order"))
    assert blocks.input_ids.shape[1] == 16 and (blocks.labels[:, 0] == IGNORE).all()
    assert torch.equal(blocks.labels[:, 1:], blocks.input_ids[:, 1:])
    texts = "".join(words.decode(row) for row in blocks.input_ids)
    assert all(f"<bos>{p}<sep>" in texts for p in ROWS["prompt"][:3])
    other = packed(Dataset.from_dict(ROWS), words, 16, stream(1, "order"))
    assert not torch.equal(blocks.input_ids, other.input_ids)


def test_words_that_carry_a_weight_do_so_in_the_loss(monkeypatch):
    corpus = LEVEL_WORLDS["op"].corpus("weak")
    words = tokenizer(TINY, corpus)
    weighted = weights(bases.pretrain(TINY, corpus, 0, words))
    assert torch.equal(weighted, weights(bases.pretrain(TINY, corpus, 0, words)))
    monkeypatch.setattr(type(corpus), "weights", {})
    assert not torch.equal(weighted, weights(bases.pretrain(TINY, corpus, 0, words)))


def test_the_recipe_has_its_order_and_schedule():
    corpus = LEVEL_WORLDS["sort"].corpus("weak")
    words, recipe = tokenizer(TINY, corpus), {"hidden": 16, "layers": 1, "heads": 2, "steps": 6, "batch_size": 4}
    found = [
        weights(bases.pretrain(ModelSpec(**recipe, **more), corpus, 0, words))
        for more in ({}, {"schedule": "cosine"}, {"batches": "by_length"}, {"rows": 8})
    ]
    assert len({tuple(w[:50].tolist()) for w in found}) == 4


# ---- checkpoints ---------------------------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path):
    """A function that saves a small model with a tokenizer of these special tokens and returns its folder."""

    def save(**special):
        folder = tmp_path / "-".join(special or ["none"])
        size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        LlamaForCausalLM(LlamaConfig(vocab_size=300, **size)).save_pretrained(folder)
        pairs = byte_pairs(ROWS["prompt"], 300).backend_tokenizer
        PreTrainedTokenizerFast(tokenizer_object=pairs, **special).save_pretrained(folder)
        return folder

    return save


def test_a_checkpoint_is_its_own_base_model(cache, checkpoint):
    spec = check_model(str(checkpoint(eos_token="<eos>")))
    words, model = load_base(spec, CORPUS, 3)
    assert (words.pad_token, words.bos_token) == ("<eos>", "<eos>") and model.config.vocab_size == 300
    assert torch.equal(weights(model), weights(base_model(spec, CORPUS, 4)))
    assert not cache.exists()


def test_the_special_tokens_of_a_checkpoint_are_kept(checkpoint):
    words = tokenizer(check_model(str(checkpoint(eos_token="<eos>", bos_token="<bos>", pad_token="<pad>"))), CORPUS)
    assert (words.pad_token, words.bos_token, words.eos_token) == ("<pad>", "<bos>", "<eos>")


def test_a_tokenizer_without_an_end_token_is_refused(checkpoint):
    with pytest.raises(ValueError, match="MODEL .*: expected a tokenizer with an end token; it has none"):
        tokenizer(check_model(str(checkpoint())), CORPUS)


def test_another_state_of_a_folder_is_another_checkpoint(checkpoint):
    folder = checkpoint(eos_token="<eos>")
    before = check_model(str(folder))
    assert isinstance(before, Checkpoint) and before == check_model(str(folder))
    (folder / "model.safetensors").write_bytes(b"other")
    assert check_model(str(folder)) != before


@pytest.mark.parametrize("model", ["/no/such/model", "./nothing", "owner/not-here", "~/nothing"])
def test_what_is_no_model_is_told_in_one_line(model):
    with pytest.raises(ValueError, match="MODEL .*: expected a hub id or a model folder") as error:
        check_model(model)
    assert "\n" not in str(error.value)


def test_a_folder_without_a_config_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a folder with a config.json; got none in it"):
        check_model(str(tmp_path))


def test_training_text_leaves_global_randomness_alone():
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    load_base(TINY, CORPUS, 0)
    assert (np.random.get_state()[1] == before[0]).all() and torch.equal(torch.get_rng_state(), before[1])
