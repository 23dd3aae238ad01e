"""A context of random signals, and picks from it by name."""

from types import SimpleNamespace

import numpy as np
import torch
from datasets import Dataset

from lhas_utils import selection
from lhas_utils.learning import IGNORE, Encoded
from lhas_utils.selection import History, SelectionContext, checked, coverage

SIGNALS = (
    "loss",
    "el2n",
    "nuclear_norm",
    "grad_norm",
    "align_current",
    "align_proxy",
    "cosine_proxy",
    "quality",
    "difficulty",
)


class Stub:
    """A context with random signals: what the docstring of `SelectionContext` promises, nothing more."""

    explain = SelectionContext.explain

    def __init__(self, n: int, seed: int = 0, ties: bool = False, past: int = 0):
        rng = np.random.default_rng(seed)

        def draw(*shape):
            return np.full(shape, 0.5) if ties else rng.random(shape)

        for name in SIGNALS:
            setattr(self, name, draw(n))
        self.embedding, self.projection, self.sketch = draw(n, 4), draw(n, 6), draw(n, 6)
        self.history, self.stage, self.terms = History(), 0, {}
        lengths = np.arange(n) % 3 + 2  # tokens of the responses
        labels = torch.where(torch.arange(5) < torch.as_tensor(lengths)[:, None], 1, IGNORE)
        self.encoded = Encoded(torch.ones(n, 5, dtype=torch.long), labels)
        if past:
            self.history.embedding = draw(past, 4)
            self.history.projection, self.history.sketch = draw(past, 6), draw(past, 6)
        self.coverage = coverage(self.embedding, self.history.embedding)
        self.encoded = SimpleNamespace(tokens=lambda: torch.from_numpy(1 + np.arange(n) % 4))
        self.pool = Dataset.from_dict(
            {
                "skill": ["s"] * n,
                "task": [f"task {i % 3}" for i in range(n)],
                "prompt": [f"p{i}" for i in range(n)],
                "response": ["r"] * n,
                "kind": ["own"] * n,
                "clean": (rng.random(n) < 0.8).tolist(),
                "duplicate": (rng.random(n) < 0.2).tolist(),
                "quality": self.quality,
                "difficulty": self.difficulty,
            }
        )

    def __len__(self):
        return len(self.pool)


def pick(name, ctx, budget, seed=0, **params):
    return checked(selection.get(name, **params), ctx, budget, np.random.default_rng(seed))


def points(*x):
    ctx = Stub(len(x))
    ctx.embedding = np.array(x, float).reshape(len(x), -1)
    return ctx
