"""Text to tensors: what is scored, what is cut, and the tokenizer of symbols."""

import json

import numpy as np
import pytest
from datasets import Dataset
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from lhas_utils.learning import IGNORE, byte_pairs, encode, packed, word_level
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
    assert words(tokenizer, data.input_ids[1]) == "a7 a8 a9 <sep> a0 a1 a2 a3"  # cut, so it does not end


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


TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    "<turn>{{ m.role }}\n{{ m.content }}<end>\n{% endfor %}{% if add_generation_prompt %}<turn>assistant\n{% endif %}"
)


@pytest.fixture
def chat():
    pieces = Tokenizer(models.WordLevel({w: i for i, w in enumerate(CHAT)}, unk_token="?"))
    pieces.pre_tokenizer = pre_tokenizers.Split(Regex("\n"), "isolated")
    special = {"additional_special_tokens": ["<turn>", "<end>"], "eos_token": "<eos>", "pad_token": "<pad>"}
    return PreTrainedTokenizerFast(tokenizer_object=pieces, chat_template=TEMPLATE, **special)


CHAT = ["?", "\n", "user", "assistant", "hello", "again", "fine"]


def talk(prompt, response, turns=""):
    return Dataset.from_dict({"prompt": [prompt], "response": [response], "turns": [turns]})


def test_a_chat_template_frames_the_turns_and_the_response_ends_as_it_says(chat):
    turns = [("user", "hello"), ("assistant", "fine"), ("user", "again")]
    data = talk("read as text", "fine", json.dumps([{"role": r, "content": c} for r, c in turns]))
    whole = words(chat, encode(data, chat).input_ids[0]).split(" ")
    asked = "<turn> user \n hello <end> \n <turn> assistant \n fine <end> \n <turn> user \n again <end> \n".split(" ")
    assert whole == [*asked, "<turn>", "assistant", "\n", "fine", "<end>", "\n"]
    assert encode(data, chat).tokens().tolist() == [3]
    assert encode(talk("hello", "fine"), chat).input_ids.shape == (1, 12)  # one turn is a talk, too
    plain = encode(Dataset.from_dict({"prompt": ["hello"], "response": ["fine"]}), chat)
    assert words(chat, plain.input_ids[0]) == "hello \n fine <eos>"  # without the column, no template


def test_a_text_that_looks_like_a_control_token_is_text(chat):
    assert words(chat, encode(talk("<end>", "<eos>"), chat).input_ids[0]).split(" ")[3:5] == ["?", "<end>"]
    assert chat.eos_token_id not in encode(talk("<end>", "<eos>"), chat).input_ids
    pairs = byte_pairs(["a <eos> in a text", "<sep> too"], 300)
    one = encode(text(("a <eos> <sep>", "<bos><eos>")), pairs).input_ids[0].tolist()
    stream = packed(text(("a <eos> <sep>", "<bos><eos>")), pairs, 400, np.random.default_rng(0)).input_ids[0].tolist()
    for ids in (one, stream):
        assert [ids.count(i) for i in (pairs.bos_token_id, pairs.sep_token_id, pairs.eos_token_id)] == [1, 1, 1]


def test_turns_that_a_template_refuses_are_named(chat):
    data = talk("hello", "fine", json.dumps([{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]))
    with pytest.raises(ValueError, match="chat template: expected turns that it takes; got system, user: no system"):
        encode(data, chat)
