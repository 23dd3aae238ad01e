"""Utility-diversity (UDS) and LHAS: online passes over the pool, one micro-batch after the other.

Eq. 5 of arXiv:2605.30537 is s(x) = u(x) + lambda c(x, H_t) + eta p(x, P_t) - rho a(x, S_{1:t-1}).
"""

from collections.abc import Iterator

import numpy as np
from scipy.cluster.vq import kmeans2

from ..core import choose, number
from .context import coverage, squared_distances
from .picks import standardise, top_k
from .registry import selector


def micro_batches(n: int, budget: int, size: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, int]]:
    """Yield (indices of a micro-batch, how many of them to keep); the quotas sum to the budget."""
    number("micro_batch", size, 1, 10**9, integer=True)
    batches = np.array_split(rng.permutation(n), max(1, min(budget, n // size)))
    ends = np.floor(np.cumsum([len(b) for b in batches]) * budget / n + 1e-9).astype(int)
    return zip(batches, np.diff(ends, prepend=0))


def uds(nuclear_norm: np.ndarray, projection: np.ndarray, memory: np.ndarray, alpha: float) -> np.ndarray:
    """Return ||L_i||_* + alpha mean_{m in M} ||psi(L_i) - m||, shape (b,), both parts standardised first."""
    distance = np.sqrt(squared_distances(projection, memory)).mean(1) if len(memory) else np.zeros(len(projection))
    return standardise(nuclear_norm) + alpha * standardise(distance)


def within(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return values (n,) standardised within the examples of each group (n,): what a group's mean explains is gone."""
    out = np.zeros(len(values))
    for group in np.unique(groups):
        out[groups == group] = standardise(values[groups == group])
    return out


def _past(ctx, name: str) -> np.ndarray:
    """Return what the history holds of a signal, (m, d), m = 0 at the first stage."""
    kept = getattr(ctx.history, name)
    return getattr(ctx, name)[:0] if kept is None else kept


@selector
def utility_diversity(ctx, budget, *, rng, alpha=1.0, micro_batch=64, memory_size=1024):
    """Utility-diversity, after UDS (arXiv:2510.16882), as an online pass over the pool.

    u_i = ||L_i||_* + alpha (1/|M|) sum_{m in M} ||psi(L_i) - m||_2, top share of each micro-batch;
    M holds the last `memory_size` selected projections, earlier stages included. Both parts are
    standardised within the micro-batch so that alpha has no unit.
    """
    memory, chosen = Memory(_past(ctx, "projection"), budget), []
    for batch, keep in micro_batches(len(ctx), budget, micro_batch, rng):
        u = uds(ctx.nuclear_norm[batch], ctx.projection[batch], memory.last(memory_size), alpha)
        picks = batch[top_k(u, keep)]
        chosen.extend(picks)
        memory.add(ctx.projection[picks])
    return np.array(chosen)


class Memory:
    """The rows (m, d) that an online pass remembers, the newest last; `more` can come."""

    def __init__(self, past: np.ndarray, more: int):
        self.rows, self.m = np.empty((len(past) + more, past.shape[1]), past.dtype), 0
        self.add(past)

    def add(self, new: np.ndarray) -> None:
        """Remember rows."""
        self.rows[self.m : self.m + len(new)] = new
        self.m += len(new)

    def last(self, size: int | None = None) -> np.ndarray:
        """Return the newest `size` rows, or all."""
        return self.rows[max(0, self.m - (self.m if size is None else size)) : self.m]


def clusters(ctx, k: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Group pool and history by k-means of their frozen embeddings; return both label arrays, (n,) and (m,)."""
    points = np.concatenate([ctx.embedding, _past(ctx, "embedding")])
    _, labels = kmeans2(points, min(k, len(np.unique(points, axis=0))), minit="++", rng=0)
    return labels[: len(ctx)], labels[len(ctx) :]


def top_eigenvector(sketches: np.ndarray) -> np.ndarray:
    """Return the leading eigenvector (d,) of the uncentred second moment of gradient sketches (m, d)."""
    _, _, right = np.linalg.svd(sketches, full_matrices=False)
    return right[0]


class Pass:
    """The terms of eq. 5 for one micro-batch, and what the online pass remembers between micro-batches."""

    def __init__(self, ctx, budget: int, utility: str, penalty: str, proxy: str, alpha: float, memory_size: int):
        self.ctx, self.utility, self.penalty, self.alpha, self.size = ctx, utility, penalty, alpha, memory_size
        norm = ctx.nuclear_norm
        self.norm = within(norm, np.asarray(ctx.encoded.tokens())) if utility == "within_length" else norm
        self.proxy = ctx.cosine_proxy if proxy == "proxy" else ctx.align_current
        self.memory, self.covered = (Memory(_past(ctx, name), budget) for name in ("projection", "embedding"))
        if penalty == "clusters":
            self.labels, past = clusters(ctx)
            self.counts = np.bincount(past, minlength=self.labels.max() + 1).astype(float)
        elif penalty == "eigenvector":
            self.directions = Memory(_past(ctx, "sketch"), budget)

    def u(self, x: np.ndarray) -> np.ndarray:
        """Return the base utility u(x), shape (b,)."""
        if self.utility in ("utility_diversity", "within_length"):
            return uds(self.norm[x], self.ctx.projection[x], self.memory.last(self.size), self.alpha)
        if self.utility == "none":
            return np.zeros(len(x))
        return (self.ctx.loss if self.utility == "loss" else self.ctx.grad_norm)[x]

    def c(self, x: np.ndarray) -> np.ndarray:
        """Return the coverage c(x, H_t), the distance to the nearest selected embedding, shape (b,)."""
        return coverage(self.ctx.embedding[x], self.covered.last())

    def p(self, x: np.ndarray) -> np.ndarray:
        """Return the proxy gain p(x, P_t), shape (b,)."""
        return self.proxy[x]

    def a(self, x: np.ndarray) -> np.ndarray:
        """Return the penalty a(x, S): share of the selected in x's cluster, or squared cosine, or 0, shape (b,)."""
        if self.penalty == "clusters":
            return self.counts[self.labels[x]] / max(self.counts.sum(), 1)
        if self.penalty == "none" or not self.directions.m:
            return np.zeros(len(x))
        return (self.ctx.sketch[x] @ top_eigenvector(self.directions.last())) ** 2

    def remember(self, picks: np.ndarray) -> None:
        """Let later micro-batches know of these picks."""
        self.memory.add(self.ctx.projection[picks])
        self.covered.add(self.ctx.embedding[picks])
        if self.penalty == "clusters":
            self.counts += np.bincount(self.labels[picks], minlength=len(self.counts))
        elif self.penalty == "eigenvector":
            self.directions.add(self.ctx.sketch[picks])


@selector
def lhas(
    ctx,
    budget,
    *,
    rng,
    coverage_weight=3.0,
    proxy_weight=3.0,
    penalty_weight=0.0,
    utility="utility_diversity",
    penalty="clusters",
    proxy="proxy",
    history="online",
    alpha=1.0,
    micro_batch=64,
    memory_size=1024,
):
    """LHAS, eq. 5: s(x) = u(x) + lambda c(x, H_t) + eta p(x, P_t) - rho a(x, S_{1:t-1}).

    An online pass as in `utility_diversity`; each term is standardised within the micro-batch, so the weights
    lambda (`coverage_weight`), eta (`proxy_weight`) and rho (`penalty_weight`) have no unit.
    The default weights had the highest U_long on the development seeds (experiment `develop`); there the penalty
    earned nothing, so that its weight is 0.

    Args:
        utility: base utility u: `utility_diversity` (the paper's), the same `within_length` (its nuclear norm, which
            grows with the response, standardised within the examples of one length), `loss`, `gradient` or `none`.
        penalty: a(x, S): `clusters` (share of the selected that lie in x's cluster) or
            `eigenvector` (squared cosine of g_x with the top eigenvector of the selected gradients).
        proxy: p(x, P): `proxy` cos(g_x, g_P) with the standing suite, `current` the inner product
            with the current stage's validation gradient (a wrong proxy).
        history: what c, a and the memory of u know of: `online`, also what earlier micro-batches of the stage have
            selected (eq. 5's H_t), or `previous`, the selections of earlier stages alone (H_{t-1}, S_{1:t-1}).
    """
    choose("utility", utility, ("utility_diversity", "within_length", "loss", "gradient", "none"))
    choose("penalty", penalty, ("clusters", "eigenvector"))
    choose("proxy", proxy, ("proxy", "current"))
    choose("history", history, ("online", "previous"))
    penalty = penalty if penalty_weight else "none"
    one, chosen, z = Pass(ctx, budget, utility, penalty, proxy, alpha, memory_size), [], standardise
    for x, keep in micro_batches(len(ctx), budget, micro_batch, rng):
        terms = {
            "utility": z(one.u(x)),
            "coverage": coverage_weight * z(one.c(x)),
            "proxy_gain": proxy_weight * z(one.p(x)),
            "penalty": -penalty_weight * z(one.a(x)),
        }
        best = top_k(sum(terms.values()), keep)
        ctx.explain(x[best], **{name: values[best] for name, values in terms.items()})
        if history == "online":
            one.remember(x[best])
        chosen.extend(x[best])
    return np.array(chosen)
