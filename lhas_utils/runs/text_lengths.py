"""How long the reader's texts are in tokens, the limit that suits them, and what a limit cuts."""

import numpy as np
import pandas as pd
from datasets import DatasetDict

from ..learning import encode

SAMPLE, CHUNK = 400, 50  # rows of a skill that are measured; rows encoded at a time
WHOLE = 0.95  # share of a skill's examples that the default limit keeps whole
LOW, STEP, MANY = 32, 16, 2**20
WARN = 0.10  # share cut of a skill that calls for another limit


def lengths(corpus: DatasetDict, words) -> pd.DataFrame:
    """Return skill, prompt and response of a sample of the training rows: tokens as the model reads them.

    Args:
        corpus: the reader's data. words: the tokenizer; control tokens and those of a chat template count.
    """
    train, parts = corpus["train"], []
    skills = np.array(train["skill"])
    for skill in dict.fromkeys(skills.tolist()):
        own = np.flatnonzero(skills == skill)
        own = own[np.linspace(0, len(own) - 1, min(SAMPLE, len(own))).astype(int)]
        for rows in np.array_split(own, -(-len(own) // CHUNK)):
            encoded = encode(train.select(rows), words, MANY)
            whole, response = encoded.last() + 1, encoded.tokens()
            parts.append(pd.DataFrame({"skill": skill, "prompt": whole - response, "response": response}))
    return pd.concat(parts, ignore_index=True)


def limit_for(measured: pd.DataFrame, most: int) -> int:
    """Return the smallest multiple of 16, from 32 to `most`, that keeps 95 % of every skill's examples whole.

    >>> limit_for(pd.DataFrame({"skill": "a", "prompt": [40, 40], "response": [9, 10]}), 256)
    64
    """
    whole = (measured["prompt"] + measured["response"]).groupby(measured["skill"])
    need = max(np.quantile(tokens, WHOLE, method="inverted_cdf") for _, tokens in whole)
    return int(np.clip(-(-need // STEP) * STEP, LOW, most))


def cut(measured: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Return the share of prompts and of responses that a limit cuts, a row a skill.

    A response is cut beyond the larger of half of the limit and what its prompt leaves, a prompt beyond what its
    response leaves (`learning.encode`).
    """
    room = np.maximum(limit // 2, limit - measured["prompt"])
    response = np.minimum(measured["response"], room)
    lost = pd.DataFrame({"prompt": measured["prompt"] > limit - response, "response": measured["response"] > room})
    return lost.groupby(measured["skill"], sort=False).mean()


def cut_line(measured: pd.DataFrame, limit: int) -> str:
    """Return what a limit cuts in words: the shares of each skill, with a warning above a tenth."""
    shares = cut(measured, limit)
    if not shares.to_numpy().any():
        return f"length: at most {limit} tokens an example, which cuts none"
    parts = [f"{skill} {row['prompt']:.0%}/{row['response']:.0%}" for skill, row in shares.iterrows()]
    line = f"length: at most {limit} tokens an example; prompts/responses cut: {', '.join(parts)}"
    if shares["response"].max() > WARN:
        loser, need = shares["response"].idxmax(), limit_for(measured, MANY)
        line += (
            f"\n  WARNING: what is cut is never learnt; {loser} loses most; LENGTH={need} would keep {WHOLE:.0%} whole"
        )
    return line
