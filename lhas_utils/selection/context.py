"""What a selector may look at: signals on first use, and the history of earlier selections."""

from functools import cached_property

import numpy as np
from datasets import Dataset

from ..learning import Encoded
from . import signals


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ||a_i - b_j||^2, shape (n, m), never negative."""
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T, 0)


def coverage(candidates: np.ndarray, history: np.ndarray | None) -> np.ndarray:
    """Return c(x, H) = min_{h in H} ||phi(x) - phi(h)||, shape (n,); all 1 for an empty H."""
    if history is None or len(history) == 0:
        return np.ones(len(candidates))
    return np.sqrt(squared_distances(candidates, history).min(1))


class History:
    """What earlier selections of the run left behind (H_{t-1} of the paper).

    Attributes:
        embedding: (m, d) frozen embeddings of everything selected so far, oldest first.
        sketch: (m, 1024) gradient sketches at the time of selection, empty if never computed.
        projection: (m, 1024) projected logits at the time of selection, likewise.
    """

    def __init__(self):
        self.embedding = self.sketch = self.projection = None

    def __len__(self):
        return 0 if self.embedding is None else len(self.embedding)

    def append(self, ctx: "SelectionContext", indices: np.ndarray) -> None:
        """Remember a selection; only signals that the selector asked for are kept."""
        for name in ("embedding", "sketch", "projection"):
            if name == "embedding" or ctx.computed(name):
                new, old = getattr(ctx, name)[indices], getattr(self, name)
                setattr(self, name, new if old is None else np.concatenate([old, new]))


class SelectionContext:
    """What a selector may look at: the pool, the model's signals on it, and the history.

    Signals (n = pool size): `loss`, `el2n`, `nuclear_norm`, `grad_norm`, `align_current`,
    `align_proxy`, `cosine_proxy`, `quality`, `difficulty`, `coverage` all (n,); `embedding` (n, d);
    `projection`, `sketch` (n, 1024).

    Attributes:
        model, frozen: M_{t-1}, which selects, and M_0, whose embeddings never change; only to be looked at.
        pool, encoded: D_t as a data set and as tensors, n examples.
        validation, proxy: the current stage's validation set and the standing proxy P_t as tensors.
        history: what earlier stages selected. stage: t, from 0.
        terms: what `explain` kept.
    """

    def __init__(
        self,
        model,
        frozen,
        pool: Dataset,
        encoded: Encoded,
        validation: Encoded,
        proxy: Encoded,
        history: History,
        stage: int,
    ):
        if len(pool) == 0:
            raise ValueError(f"pool of stage {stage}: expected at least one example; got an empty pool")
        self.model, self.frozen, self.pool, self.encoded = model, frozen, pool, encoded
        self.validation, self.proxy, self.history, self.stage = validation, proxy, history, stage
        self.terms: dict[str, list] = {}

    def __len__(self):
        return len(self.pool)

    def computed(self, name: str) -> bool:
        """Tell whether a signal has been computed."""
        source = {"projection": "_forward"}.get(name, name)
        return source in self.__dict__

    def compute(self, *names: str) -> None:
        """Compute signals now rather than when they are first asked for."""
        for name in names:
            getattr(self, name)

    def explain(self, indices: np.ndarray, **terms: np.ndarray) -> None:
        """Keep the terms of the score of each pick, so that the choice can be explained."""
        for name, values in {"index": indices, **terms}.items():
            self.terms.setdefault(name, []).extend(np.asarray(values).tolist())

    def _checked(self, name: str, values) -> np.ndarray:
        bad = np.flatnonzero(~np.isfinite(np.asarray(values, float)).reshape(len(self), -1).all(1))
        if len(bad):
            got = f"{len(bad)} that are not, the first for example {bad[0]}"
            raise ValueError(f"signal {name!r} at stage {self.stage}: expected finite numbers; got {got}")
        return values

    @cached_property
    def _forward(self):
        return {k: self._checked(k, v) for k, v in signals.forward_signals(self.model, self.encoded).items()}

    @cached_property
    def _backward(self):
        current = signals.mean_gradient(self.model, self.validation)
        proxy = signals.mean_gradient(self.model, self.proxy)
        out = signals.gradient_signals(self.model, self.encoded, {"align_current": current, "align_proxy": proxy})
        out["proxy_norm"] = float(proxy.norm())
        return {k: v if k == "proxy_norm" else self._checked(k, v) for k, v in out.items()}

    @property
    def loss(self):
        """l_i, mean NLL of the response in nats, shape (n,)."""
        return self._forward["loss"]

    @property
    def el2n(self):
        """Token mean of ||p - onehot||_2, shape (n,), in [0, sqrt 2]."""
        return self._forward["el2n"]

    @property
    def nuclear_norm(self):
        """||L_i||_* of the response logits, shape (n,)."""
        return self._forward["nuclear_norm"]

    @property
    def projection(self):
        """Projected response logits, shape (n, 1024)."""
        return self._forward["projection"]

    @property
    def grad_norm(self):
        """||g_i||_2, shape (n,)."""
        return self._backward["grad_norm"]

    @property
    def align_current(self):
        """<g_i, g_V>, g_V the mean gradient on the current stage's validation set, shape (n,)."""
        return self._backward["align_current"]

    @property
    def align_proxy(self):
        """<g_i, g_P>, g_P the mean gradient on the standing proxy P_t, shape (n,)."""
        return self._backward["align_proxy"]

    @property
    def cosine_proxy(self):
        """cos(g_i, g_P), shape (n,), in [-1, 1]."""
        return self.align_proxy / np.maximum(self.grad_norm * self._backward["proxy_norm"], 1e-12)

    @cached_property
    def sketch(self):
        """Count-sketch of g_i / ||g_i||, shape (n, 1024)."""
        return self._checked("sketch", signals.sketches(self.model, self.encoded))

    @cached_property
    def embedding(self):
        """Frozen embedding, shape (n, d): the pool's column `embedding` where it has one, otherwise by M_0."""
        own = "embedding" in self.pool.column_names
        values = self._column("embedding") if own else signals.embedding(self.frozen, self.encoded)
        return self._checked("embedding", values)

    @cached_property
    def quality(self):
        """External quality score of the pool, shape (n,)."""
        return self._checked("quality", self._column("quality"))

    @cached_property
    def difficulty(self):
        """Difficulty of each example as the data say it, shape (n,), in (0, 1]."""
        return self._checked("difficulty", self._column("difficulty"))

    def _column(self, name):
        if name not in self.pool.column_names:
            got = ", ".join(self.pool.column_names)
            raise ValueError(f"pool of stage {self.stage}: expected a column {name!r}; got {got}")
        return np.asarray(self.pool[name], float)

    @cached_property
    def coverage(self):
        """Distance to the nearest embedding in the history, shape (n,); all 1 while it is empty."""
        return coverage(self.embedding, self.history.embedding)
