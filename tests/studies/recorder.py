"""Who received which examples: wrappers of the calls through which data reach a model or a selector."""

from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from types import ModuleType, SimpleNamespace

import pytest

from lhas_utils.core import ModelSpec
from lhas_utils.learning import Encoded, create, weights, word_level
from lhas_utils.studies.stages import Encodings, encodings
from lhas_utils.worlds import World
from lhas_utils.worlds.symbols import DIALECT

WORDS = word_level(DIALECT)


@cache
def prepared(knobs, seed: int) -> tuple[World, Encodings]:
    """Return the world of a seed and its tensors."""
    world = knobs.build(seed)
    return world, encodings(world, WORDS, 64)


def base(seed: int = 0):
    """Return a tiny untrained model that reads SkillWorld."""
    return create(ModelSpec(hidden=16, layers=1, heads=2), WORDS, seed).eval()


def texts(data, words=WORDS) -> list[str]:
    """Return each example of a data set, or of its tensors, as the text that the model reads."""
    if not isinstance(data, Encoded):
        return [f"<bos> {p} <sep> {r} <eos>" for p, r in zip(data["prompt"], data["response"])]
    ends = (data.last() + 1).tolist()
    return [" ".join(words.convert_ids_to_tokens(ids[:end].tolist())) for ids, end in zip(data.input_ids, ends)]


def mark(model) -> str:
    """Return a digest of all weights of a model: two states with the same mark are the same model."""
    return blake2b(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()


class Recorder:
    """Keeps, in order, what a module's `fit`, `score` and `SelectionContext` receive; they do their work as ever.

    Attributes:
        events: of every call `what`, `data` (texts) and `model` (mark); of `fit` also its options, the weights
            before and after, and the tokens it returned; of `score` the result; of `SelectionContext` all it is given.
    """

    def __init__(self, patch: pytest.MonkeyPatch, module: ModuleType, words=WORDS):
        self.events, self.words = [], words
        for name in ("fit", "score", "score_decoded", "SelectionContext"):
            if hasattr(module, name):
                patch.setattr(module, name, getattr(self, f"_{name.lower()}")(getattr(module, name)))

    def of(self, what: str) -> list[SimpleNamespace]:
        """Return the events of one kind."""
        return [e for e in self.events if e.what == what]

    def _keep(self, what: str, model, data, **more) -> SimpleNamespace:
        event = SimpleNamespace(what=what, data=texts(data, self.words), model=mark(model), **more)
        self.events.append(event)
        return event

    def _fit(self, fit: Callable) -> Callable:
        def recorded(model, data, batches, lr, **options):
            event = self._keep("fit", model, data, lr=lr, options=dict(options), before=weights(model))
            event.batches = [list(map(int, b)) for b in batches]
            event.tokens = fit(model, data, batches, lr, **options)
            event.after, event.left = weights(model), mark(model)
            return event.tokens

        return recorded

    def _score(self, score: Callable, what: str = "score") -> Callable:
        def recorded(model, data):
            event = self._keep(what, model, data)
            event.result = score(model, data)
            return event.result

        return recorded

    def _score_decoded(self, score: Callable) -> Callable:
        return self._score(score, "score_decoded")

    def _selectioncontext(self, make: Callable) -> Callable:
        def recorded(model, frozen, pool, encoded, validation, proxy, history, stage):
            sets = {"pool": pool, "validation": validation, "proxy": proxy}
            past = None if history.embedding is None else history.embedding.copy()
            more = {k: texts(v, self.words) for k, v in sets.items()}
            self._keep("context", model, encoded, frozen=mark(frozen), stage=stage, history=past, **more)
            return make(model, frozen, pool, encoded, validation, proxy, history, stage)

        return recorded
