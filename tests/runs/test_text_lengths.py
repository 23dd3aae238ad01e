"""What a limit of tokens cuts, by hand, and as `encode` really cuts it."""

import pandas as pd
import pytest
from datasets import Dataset, DatasetDict

from lhas_utils.learning import byte_pairs, encode
from lhas_utils.runs import text_lengths
from lhas_utils.runs.text_lengths import cut, cut_line, lengths, limit_for


def table(*rows):
    return pd.DataFrame(rows, columns=["skill", "prompt", "response"])


def test_the_limit_keeps_95_percent_of_every_skill_whole():
    short, long = [("a", 10, 10)] * 95, [("a", 10, 900)] * 5
    assert limit_for(table(*short, *long), 256) == 32, "the smallest there is"
    assert limit_for(table(*short, *long, ("b", 50, 45)), 256) == 96, "the longest skill decides; 95 becomes 96"
    assert limit_for(table(("b", 50, 46)), 256) == 96 and limit_for(table(("b", 50, 47)), 256) == 112
    assert limit_for(table(("b", 500, 500)), 256) == 256


def test_shares_cut_by_hand():
    found = cut(table(("a", 10, 10), ("a", 10, 20), ("a", 10, 30), ("a", 30, 10), ("b", 90, 90)), 32)
    # 10 + 20 <= 32; 10 + 30 > 32: the response keeps max(16, 22) = 22; 30 + 10 > 32: it stays, the prompt keeps 22
    assert found.loc["a"].tolist() == [1 / 4, 1 / 4]
    assert found.loc["b"].tolist() == [1, 1]


def test_the_words_warn_above_a_tenth():
    assert cut_line(table(("a", 1, 2)), 32) == "length: at most 32 tokens an example, which cuts none"
    few = table(*[("a", 5, 5)] * 19, ("a", 5, 90))
    assert cut_line(few, 32) == "length: at most 32 tokens an example; prompts/responses cut: a 0%/5%"
    said = cut_line(pd.concat([few, table(("b", 5, 90))]), 32)
    assert (
        "a 0%/5%, b 0%/100%\n  WARNING: what is cut is never learnt; b loses most; LENGTH=96 would keep 95% whole"
        in said
    )


def test_lengths_and_cuts_are_those_of_encode(monkeypatch):
    texts = [("a", "ask " * k, "tell " * m) for k, m in ((1, 1), (9, 2), (2, 9), (30, 30), (3, 40), (40, 3))]
    data = Dataset.from_pandas(pd.DataFrame(texts, columns=["skill", "prompt", "response"]))
    words = byte_pairs([*data["prompt"], *data["response"]], 300)
    monkeypatch.setattr(text_lengths, "CHUNK", 2)
    found = lengths(DatasetDict(train=data), words)
    assert len(found) == 6 and found["skill"].unique().tolist() == ["a"]
    whole = encode(data, words, 10_000)
    assert found["response"].tolist() == whole.tokens().tolist()
    limit = 32
    short = encode(data, words, limit)
    lost = (short.tokens() < whole.tokens()).tolist()
    prompts = ((short.last() - short.tokens()) < (whole.last() - whole.tokens())).tolist()
    shares = cut(found, limit).loc["a"]
    assert shares.tolist() == [pytest.approx(sum(prompts) / 6), pytest.approx(sum(lost) / 6)]
    monkeypatch.setattr(text_lengths, "SAMPLE", 3)
    assert len(lengths(DatasetDict(train=data), words)) == 3
