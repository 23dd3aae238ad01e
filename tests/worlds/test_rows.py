"""Rows in every shape that people bring, by hand, and every sentence about a row that cannot be read."""

import json

import pytest

from lhas_utils.worlds.rows import Columns, Unusable, read_row


def read(row, **columns):
    return read_row("f, line 3", row, Columns(**columns))[0]


def pair(row, **columns):
    out = read(row, **columns)
    return out["prompt"], out["response"]


USER, REPLY = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
SHAPES = {
    "plain": ({"prompt": "q", "response": "a"}, "q", "a"),
    "alpaca": ({"instruction": "Do", "input": "this", "output": "a"}, "Do\n\nthis", "a"),
    "alpaca without input": ({"instruction": "Do", "input": "", "output": "a", "text": "Below is"}, "Do", "a"),
    "dolly": ({"instruction": "q", "context": "c", "response": "a", "category": "open_qa"}, "q\n\nc", "a"),
    "orca": ({"id": "1", "system_prompt": "Be brief.", "question": "q", "response": "a"}, "Be brief.\n\nq", "a"),
    "empty system": ({"system": "", "question": "q", "response": "a"}, "q", "a"),
    "completion": ({"prompt": "q", "completion": "a"}, "q", "a"),
    "gsm8k": ({"question": "q", "answer": "1+1\n#### 2"}, "q", "1+1\n#### 2"),
    "math": ({"problem": "p", "solution": "s", "answer": "2"}, "p", "s"),
    "metamath": ({"query": "q", "response": "a", "original_question": "o"}, "q", "a"),
    "input and output": ({"input": "q", "output": "a"}, "q", "a"),
    "inputs and targets": ({"inputs": "q", "targets": "a"}, "q", "a"),
    "capitals": ({"Question": "q", " Answer ": "a"}, "q", "a"),
    "a null before": ({"prompt": None, "instruction": "q", "response": None, "output": "a"}, "q", "a"),
    "numbers": ({"question": "q", "answer": 12}, "q", "12"),
    "truths": ({"question": "q", "answer": False}, "q", "False"),
    "passages in a list": ({"question": "q", "context": ["c", "d"], "answer": "a"}, "q\n\nc\nd", "a"),
    "choices": ({"question": "q", "choices": ["x", "y"], "answer": 1}, "q\n\nx\ny", "1"),
    "labelled choices": (
        {"question": "q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answer": "B"},
        "q\n\nA. x\nB. y",
        "B",
    ),
    "options by letter": ({"question": "q", "options": {"A": "x", "B": "y"}, "answer": "B"}, "q\n\nA. x\nB. y", "B"),
    "context of another shape": ({"question": "q", "context": {"ids": [1]}, "answer": "a"}, "q", "a"),
    "messages beside an answer": ({"messages": [USER, REPLY], "answer": "x"}, "q", "a"),
    "messages": ({"messages": [USER, REPLY]}, "q", "a"),
    "messages with system": ({"messages": [{"role": "system", "content": "s"}, USER, REPLY]}, "s\n\nq", "a"),
    "prompt and messages": ({"prompt": "q", "messages": [USER, REPLY]}, "q", "a"),
    "sharegpt": ({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}, "q", "a"),
    "sharegpt, system beside": (
        {"system": "s", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        "s\n\nq",
        "a",
    ),
    "lima": ({"conversations": ["q", "a"], "source": "x"}, "q", "a"),
    "parts of content": ({"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, REPLY]}, "q", "a"),
    "trl": ({"prompt": [USER], "completion": [REPLY]}, "q", "a"),
    "several turns": (
        {"messages": [USER, REPLY, {"role": "user", "content": "more"}, {"role": "assistant", "content": "b"}]},
        "User: q\n\nAssistant: a\n\nUser: more",
        "b",
    ),
    "a last turn without answer": ({"messages": [USER, REPLY, USER]}, "q", "a"),
    "squad": (
        {"title": "t", "context": "c", "question": "q", "answers": {"text": ["a", "b"], "answer_start": [1]}},
        "q\n\nc",
        "a",
    ),
    "several right answers": ({"question": "q", "answer": ["a", "b"]}, "q", "a"),
    "squad in a cell": ({"question": "q", "answers": '{"text": ["a"], "answer_start": [3]}'}, "q", "a"),
    "choices in a cell": (
        {"question": "q", "choices": "{'text': ['x', 'y'], 'label': ['A', 'B']}", "answer": "B"},
        "q\n\nA. x\nB. y",
        "B",
    ),
    "messages in a cell": ({"messages": json.dumps([USER, REPLY])}, "q", "a"),
    "messages in a cell of pandas": ({"messages": str([USER, REPLY])}, "q", "a"),
    "trl in a cell": ({"prompt": json.dumps([USER]), "completion": json.dumps([REPLY])}, "q", "a"),
    "text in brackets": ({"prompt": "[1, 2]", "answer": "[2, 1]"}, "[1, 2]", "[2, 1]"),
    "code in braces": ({"prompt": '{"a": 1}', "completion": "{1, 2}"}, '{"a": 1}', "{1, 2}"),
    "history": (
        {"instruction": "more", "input": "", "output": "b", "history": [["q", "a"]]},
        "User: q\n\nAssistant: a\n\nUser: more",
        "b",
    ),
}


@pytest.mark.parametrize("row, prompt, response", SHAPES.values(), ids=SHAPES)
def test_shapes(row, prompt, response):
    assert pair(row) == (prompt, response)


def test_columns_that_are_named():
    row = {"title": "t", "body": "b", "reply": "r", "prompt": "no", "response": "no", "topic": " Big  Bang "}
    assert pair(row, prompt="Title", response="reply") == ("t", "r")
    assert pair(row, prompt="title + body", response="reply") == ("t\n\nb", "r")
    assert read(row, skill="topic")["skill"] == "big bang", "blanks and case make no skill"
    assert read(row, skill="Mine")["skill"] == "Mine", "no column: the one skill of all"
    with pytest.raises(ValueError, match=r"f, line 3: expected a column 'titel', as named; got 'title', 'body'"):
        read(row, prompt="titel")


def test_used_columns_are_told():
    row = {"instruction": "Do", "input": "", "output": "a", "text": "Below", "category": "x", "task": "t"}
    assert read_row("f", row)[1] == {"instruction", "output", "category", "task"}
    assert "context" not in read_row("f", {"question": "q", "context": {"ids": [1]}, "answer": "a"})[1]
    assert read_row("f", row | {"input": "this"})[1] == {"instruction", "input", "output", "category", "task"}


@pytest.mark.parametrize(
    "value, skill", [("North ", "north"), (3, "3"), (["north", "geo"], "north"), ("", None), ([None], None)]
)
def test_a_skill_is_text_a_number_or_the_first_of_a_list(value, skill):
    assert read({"prompt": "q", "response": "a", "category": value})["skill"] == skill


def test_turns_are_kept_where_they_are_more_than_a_question():
    assert read({"prompt": "q", "response": "a"})["turns"] == ""
    system = {"role": "system", "content": "Größe"}
    assert json.loads(read({"messages": [system, USER, REPLY, USER, REPLY]})["turns"]) == [system, USER, REPLY, USER]
    assert json.loads(read({"system_prompt": "s", "question": "q", "response": "a"})["turns"])[0]["role"] == "system"


def test_preference_data_say_how_to_convert_them():
    both = {"prompt": "q", "chosen": "good", "rejected": "bad"}
    with pytest.raises(ValueError, match="preference data.*: RESPONSE=chosen trains on the chosen ones"):
        read(both)
    assert pair(both, response="chosen") == ("q", "good")
    talks = {"chosen": [USER, REPLY], "rejected": [USER, REPLY]}
    with pytest.raises(ValueError, match="RESPONSE=chosen"):
        read(talks)
    assert pair(talks, response="chosen") == ("q", "a") == pair(talks | {"prompt": "q"}, response="chosen")
    with pytest.raises(ValueError, match=r"preference data.*: jq -c .*FILE > NAME\.jsonl keeps the chosen"):
        read({"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"})


@pytest.mark.parametrize(
    "row, words",
    [
        ([1, 2], "expected a JSON object; got list"),
        ({}, "expected a 'prompt' .*got only an empty object"),
        ({"response": "r"}, "expected a 'prompt' .*got only 'response'; PROMPT=COLUMN names another"),
        ({"prompt": "p", "reply": "r"}, "expected a 'response' .*got only 'prompt', 'reply'; RESPONSE=COLUMN"),
        ({"text": "### Human: q"}, "expected a 'prompt' .*got only 'text'"),
        ({"prompt": "p", "response": {"a": 1}}, "expected 'response' to be text; got "),
        ({"prompt": "p", "answers": {"spans": ["a"]}}, "expected 'answers' to be text"),
        ({"prompt": {"a": 1}, "response": "r"}, "expected 'prompt' to be text"),
        ({"messages": "[...]"}, "expected 'messages' to be a list of turns; got '\\[...\\]'"),
        ({"messages": [{"who": "me"}]}, "expected 'messages' to hold turns with role and content; got {'who'"),
        ({"prompt": "p", "response": "r", "category": {"a": 1}}, "expected 'category' to be text or a number"),
        ({"prompt": "p", "response": "r", "quality": "good"}, "expected 'quality' to be a number.*'good'"),
        ({"prompt": "p", "response": "r", "quality": float("nan")}, "expected 'quality' .*nan"),
        ({"prompt": "p", "response": "r", "quality": True}, "expected 'quality' .*True"),
        ({"prompt": "p", "response": "r", "difficulty": 3}, r"expected 'difficulty' to be a number in \[0, 1\]; got 3"),
    ],
)
def test_a_row_of_another_shape_is_said_with_its_place(row, words):
    with pytest.raises(ValueError, match=f"^f, line 3: {words}") as error:
        read(row)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "row, reason",
    [
        ({"prompt": " ", "response": "r"}, "the prompt is blank"),
        ({"prompt": "p", "response": None}, "the response is blank"),
        ({"instruction": "p", "input": "i", "output": ""}, "the response is blank"),
        ({"prompt": "p \ud83d", "response": "r"}, "half a character"),
        ({"prompt": "p", "response": "\udc00"}, "half a character"),
        ({"messages": [USER]}, "no assistant turn"),
        ({"messages": [REPLY]}, "no user turn before the last assistant turn"),
        ({"messages": []}, "no assistant turn"),
        ({"question": "q", "answers": {"text": [], "answer_start": []}}, "the response is blank"),
        ({"prompt": "p", "messages": None}, "no assistant turn"),
    ],
)
def test_a_row_that_cannot_be_used_has_a_reason(row, reason):
    with pytest.raises(Unusable, match=reason):
        read(row)


def test_quality_and_difficulty_may_be_written_as_text():
    out = read({"prompt": "p", "response": "r", "quality": "0.5", "difficulty": 1})
    assert (out["quality"], out["difficulty"]) == (0.5, 1.0)
    assert read({"prompt": "p", "response": "r", "quality": ""})["quality"] is None
