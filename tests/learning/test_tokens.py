"""Text to tensors: what is scored, what is cut, and the tokenizer of symbols."""

import numpy as np
import pytest
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from lhas_utils.learning import IGNORE, encode, word_level
from lhas_utils.worlds.symbols import DIALECT


@pytest.fixture(scope="module")
def tokenizer():
    return word_level(DIALECT)


def text(*pairs) -> Dataset:
    return Dataset.from_dict({"prompt": [p for p, _ in pairs], "response": [r for _, r in pairs]})


def words(tokenizer, ids) -> str:
    return " ".join(tokenizer.convert_ids_to_tokens(ids.tolist()))


def test_encode_puts_the_loss_on_the_response_and_its_end(tokenizer):
    data = encode(text(("copy a1 a2", "a1 a2"), ("sort a9", "a9")), tokenizer)
    assert words(tokenizer, data.input_ids[0]) == "<bos> copy a1 a2 <sep> a1 a2 <eos>"
    assert words(tokenizer, data.input_ids[1]) == "<bos> sort a9 <sep> a9 <eos> <pad> <pad>"
    assert (data.labels[0] != IGNORE).tolist() == [False] * 5 + [True] * 3
    assert (data.labels[1] != IGNORE).tolist() == [False] * 4 + [True] * 2 + [False] * 2
    labelled = data.labels != IGNORE
    assert (data.labels[labelled] == data.input_ids[labelled]).all()
    assert data.tokens().tolist() == [3, 2]
    assert data.last().tolist() == [7, 5]


def test_take_trims_to_the_longest_that_is_taken(tokenizer):
    data = encode(text(("copy a1 a2", "a1 a2"), ("sort a9", "a9")), tokenizer)
    short = data.take([1])
    assert len(short) == 1 and short.input_ids.shape == short.labels.shape == (1, 6)
    assert data.take(np.array([1, 0])).input_ids.tolist() == data.input_ids[[1, 0]].tolist()


def test_encode_cuts_the_beginning_of_a_long_prompt_then_the_end_of_its_response(tokenizer):
    long = " ".join(f"a{i}" for i in range(10))
    data = encode(text((long, "b1 b2"), (long, long)), tokenizer, max_length=8)
    assert words(tokenizer, data.input_ids[0]) == "a6 a7 a8 a9 <sep> b1 b2 <eos>"
    assert words(tokenizer, data.input_ids[1]) == "a7 a8 a9 <sep> a0 a1 a2 <eos>"


def test_encode_does_without_the_special_tokens_a_tokenizer_lacks():
    plain = Tokenizer(models.WordLevel({"<eos>": 0, "x": 1, "y": 2}, unk_token="<eos>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    bare = PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<eos>", pad_token="<eos>")
    data = encode(text(("x", "y"), ("x x x", "y")), bare)
    assert data.input_ids.tolist() == [[1, 2, 0, 0, 0], [1, 1, 1, 2, 0]]  # the prompts are still there
    assert data.tokens().tolist() == [2, 2]  # padding with the end token carries no loss


def test_without_a_separator_a_prompt_ends_in_a_line_break():
    letters = Tokenizer(models.WordLevel({"<eos>": 0, "x": 1, "y": 2, "\n": 3}, unk_token="<eos>"))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    bare = PreTrainedTokenizerFast(tokenizer_object=letters, eos_token="<eos>", pad_token="<eos>")
    assert encode(text(("x", "y")), bare).input_ids.tolist() == [[1, 3, 2, 0]]


def test_encode_says_that_there_is_nothing_to_encode(tokenizer):
    with pytest.raises(ValueError, match="expected at least one example"):
        encode(text(), tokenizer)


def test_every_symbol_is_one_token_and_comes_back(tokenizer):
    assert len(tokenizer) == len(set(tokenizer.get_vocab().values())) == 79
    ids = tokenizer("guard reverse a0 e9 <refuse>", add_special_tokens=False)["input_ids"]
    assert len(ids) == 5 and len(set(ids)) == 5
    assert tokenizer.convert_ids_to_tokens(ids) == ["guard", "reverse", "a0", "e9", "<refuse>"]
