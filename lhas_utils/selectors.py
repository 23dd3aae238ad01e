"""The selectors. Each is its formula and little else.

A selector is `select(ctx, budget, *, rng) -> indices`: `budget` different integers in
[0, len(ctx.pool)). `ctx` is a `SelectionContext`: signals are computed when first asked for.
The paper is arXiv:2605.30537; its section 4 names the seven selectors of Table 1.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from scipy.cluster.vq import kmeans2

from .config import _number, choose
from .context import coverage, squared_distances


def top_k(score, k: int) -> np.ndarray:
    """Return the indices of the k highest scores, highest first; ties keep pool order.

    >>> top_k([0.1, 0.9, 0.9], 2)
    array([1, 2])
    """
    score = np.asarray(score, float)
    if np.isnan(score).any():
        raise ValueError(f"score: expected numbers; got NaN for example {np.flatnonzero(np.isnan(score))[0]}")
    return np.argsort(-score, kind="stable")[:k]


def standardise(x) -> np.ndarray:
    """Return (x - mean) / sd, or zeros where all values are equal; a value that is not finite is an error."""
    x = np.asarray(x, float)
    if not np.isfinite(x).all():
        raise ValueError(f"standardise: expected finite numbers; got {x[~np.isfinite(x)][0]} at {np.flatnonzero(~np.isfinite(x))[0]}")
    sd = x.std()
    return (x - x.mean()) / sd if sd > 1e-12 * max(1.0, abs(x).max()) else np.zeros_like(x)


def random(ctx, budget, *, rng):
    """Random: uniform without replacement."""
    return rng.choice(len(ctx), size=budget, replace=False)


def loss(ctx, budget, *, rng):
    """Loss: highest current NLL l_i."""
    return top_k(ctx.loss, budget)


def gradient(ctx, budget, *, rng):
    """Gradient: largest per-example gradient norm ||g_i||."""
    return top_k(ctx.grad_norm, budget)


def alignment(ctx, budget, *, rng):
    """Gradient, the paper's other reading: largest first-order gain <g_i, g_V> on the current stage."""
    return top_k(ctx.align_current, budget)


def less(ctx, budget, *, rng):
    """LESS-style (arXiv:2402.04333): highest cos(g_i, g_V), so that long or hard examples gain nothing by their norm.

    Without LESS's warm-up, checkpoints and Adam moments: one gradient, at the model that selects.
    """
    return top_k(ctx.align_current / np.maximum(ctx.grad_norm, 1e-12), budget)


def datamodel(ctx, budget, *, rng, ridge=0.1):
    """Datamodel-style, after TRAK (arXiv:2303.14186): tau = (K + r I)^{-1} G g_V, K_ij = <g_i, g_j>.

    The ridge regression that predicts the current stage's loss from the examples' gradients, in its
    dual form; G g_V is exact, K comes from the sketches, r = `ridge` tr(K) / n. One checkpoint.
    """
    _number("ridge", ridge, 1e-6, 1e6)
    g = ctx.sketch * ctx.grad_norm[:, None]
    K = g @ g.T
    r = ridge * max(np.trace(K) / len(ctx), 1e-12)
    return top_k(np.linalg.solve(K + r * np.eye(len(ctx)), ctx.align_current), budget)


def diversity(ctx, budget, *, rng):
    """Diversity: farthest-first traversal of the frozen embeddings (Gonzalez 1985).

    j_1 is the example nearest the centroid (a fixed start), then
    j_{k+1} = argmax_i min_{j in S_k} ||phi_i - phi_j||; a 2-approximation of k-center.
    """
    phi = ctx.embedding
    chosen = [int(squared_distances(phi, phi.mean(0, keepdims=True)).argmin())]
    nearest = np.full(len(phi), np.inf)
    while len(chosen) < budget:
        nearest = np.minimum(nearest, ((phi - phi[chosen[-1]]) ** 2).sum(1))
        nearest[chosen] = -1.0
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)


def quality(ctx, budget, *, rng):
    """Quality: highest external quality score."""
    return top_k(ctx.quality, budget)


def _stream(n: int, budget: int, micro_batch: int, rng):
    """Yield (micro-batch indices, how many of them to keep); the quotas sum to the budget."""
    _number("micro_batch", micro_batch, 1, 10**9, integer=True)
    batches = np.array_split(rng.permutation(n), max(1, min(budget, n // micro_batch)))
    ends = np.floor(np.cumsum([len(b) for b in batches]) * budget / n + 1e-9).astype(int)
    return zip(batches, np.diff(ends, prepend=0))


def _uds(nuclear_norm, projection, memory, alpha):
    """Return ||L_i||_* + alpha mean_{m in M} ||psi(L_i) - m||, both standardised first."""
    distance = np.sqrt(squared_distances(projection, memory)).mean(1) if len(memory) else np.zeros(len(projection))
    return standardise(nuclear_norm) + alpha * standardise(distance)


def utility_diversity(ctx, budget, *, rng, alpha=1.0, micro_batch=64, memory_size=1024):
    """Utility-diversity, after UDS (arXiv:2510.16882), as an online pass over the pool.

    u_i = ||L_i||_* + alpha (1/|M|) sum_{m in M} ||psi(L_i) - m||_2, top share of each micro-batch;
    M holds the last `memory_size` selected projections, earlier stages included. Both parts are
    standardised within the micro-batch so that alpha has no unit.
    """
    memory = ctx.projection[:0] if ctx.history.projection is None else ctx.history.projection
    chosen = []
    for batch, keep in _stream(len(ctx), budget, micro_batch, rng):
        u = _uds(ctx.nuclear_norm[batch], ctx.projection[batch], memory[-memory_size:], alpha)
        picks = batch[top_k(u, keep)]
        chosen.extend(picks)
        memory = np.concatenate([memory, ctx.projection[picks]])[-memory_size:]
    return np.array(chosen)


def clusters(ctx, k: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Group pool and history by k-means of their frozen embeddings; return both label arrays."""
    seen = ctx.embedding[:0] if ctx.history.embedding is None else ctx.history.embedding
    points = np.concatenate([ctx.embedding, seen])
    _, labels = kmeans2(points, min(k, len(np.unique(points, axis=0))), minit="++", rng=0)
    return labels[: len(ctx)], labels[len(ctx) :]


def top_eigenvector(sketches) -> np.ndarray:
    """Return the leading eigenvector of the uncentred second moment of gradient sketches."""
    _, _, right = np.linalg.svd(sketches, full_matrices=False)
    return right[0]


def lhas(ctx, budget, *, rng, coverage_weight=3.0, proxy_weight=3.0, penalty_weight=0.3, utility="utility_diversity", penalty="clusters", proxy="proxy", alpha=1.0, micro_batch=64, memory_size=1024):
    """LHAS, eq. 5: s(x) = u(x) + lambda c(x, H_t) + eta p(x, P_t) - rho a(x, S_{1:t-1}).

    An online pass as in `utility_diversity`; each term is standardised, so the weights lambda
    (`coverage_weight`), eta (`proxy_weight`) and rho (`penalty_weight`) have no unit. The history
    grows within the stage. The default weights had the highest U_long on the development seeds
    (`experiments.chosen_weights`).

    Args:
        utility: base utility u: `utility_diversity` (the paper's), `loss`, `gradient` or `none`.
        penalty: a(x, S): `clusters` (share of the selected that lie in x's cluster) or
            `eigenvector` (squared cosine of g_x with the top eigenvector of the selected gradients).
        proxy: p(x, P): `proxy` cos(g_x, g_P) with the standing suite, `current` the inner product
            with the current stage's validation gradient (a wrong proxy).
    """
    choose("utility", utility, ("utility_diversity", "loss", "gradient", "none"))
    choose("penalty", penalty, ("clusters", "eigenvector"))
    choose("proxy", proxy, ("proxy", "current"))
    n = len(ctx)
    p = ctx.cosine_proxy if proxy == "proxy" else ctx.align_current
    labels, past = clusters(ctx)
    counts = np.bincount(past, minlength=labels.max() + 1).astype(float)
    memory = ctx.projection[:0] if ctx.history.projection is None else ctx.history.projection
    covered = ctx.embedding[:0] if ctx.history.embedding is None else ctx.history.embedding
    directions = ctx.sketch[:0] if ctx.history.sketch is None else ctx.history.sketch
    chosen = []
    for batch, keep in _stream(n, budget, micro_batch, rng):
        u = {
            "utility_diversity": lambda: _uds(ctx.nuclear_norm[batch], ctx.projection[batch], memory[-memory_size:], alpha),
            "loss": lambda: ctx.loss[batch],
            "gradient": lambda: ctx.grad_norm[batch],
            "none": lambda: np.zeros(len(batch)),
        }[utility]()
        c = coverage(ctx.embedding[batch], covered)
        if penalty == "clusters":
            a = counts[labels[batch]] / max(counts.sum(), 1)
        else:
            a = (ctx.sketch[batch] @ top_eigenvector(directions)) ** 2 if len(directions) else np.zeros(len(batch))
        terms = {
            "utility": standardise(u),
            "coverage": coverage_weight * standardise(c),
            "proxy": proxy_weight * standardise(p[batch]),
            "penalty": -penalty_weight * standardise(a),
        }
        best = top_k(sum(terms.values()), keep)
        picks = batch[best]
        ctx.explain(picks, **{name: values[best] for name, values in terms.items()})
        chosen.extend(picks)
        counts += np.bincount(labels[picks], minlength=len(counts))
        memory = np.concatenate([memory, ctx.projection[picks]])[-memory_size:]
        covered = np.concatenate([covered, ctx.embedding[picks]])
        directions = np.concatenate([directions, ctx.sketch[picks]])
    return np.array(chosen)


def facility_location(ctx, budget, *, rng):
    """Facility location: greedy on f(S) = sum_i max_{j in S} s_ij, s = (1 + cosine) / 2.

    Greedy reaches 1 - 1/e of the optimum (Nemhauser 1978).
    """
    phi = ctx.embedding / np.maximum(np.linalg.norm(ctx.embedding, axis=1, keepdims=True), 1e-12)
    similarity = ((1 + phi @ phi.T) / 2).astype(np.float32)
    covered, chosen = np.zeros(len(phi), np.float32), []
    for _ in range(budget):
        gain = np.maximum(similarity - covered, 0).sum(1)
        gain[chosen] = -1
        chosen.append(int(gain.argmax()))
        covered = np.maximum(covered, similarity[chosen[-1]])
    return np.array(chosen)


def el2n(ctx, budget, *, rng):
    """EL2N (arXiv:2107.07075): highest token mean of ||p - onehot||."""
    return top_k(ctx.el2n, budget)


def easy(ctx, budget, *, rng):
    """Easiest first: lowest difficulty, ties in random order."""
    return top_k(-ctx.difficulty + 1e-6 * rng.random(len(ctx)), budget)


def difficulty_band(ctx, budget, *, rng, centre=0.5):
    """Difficulty band: the examples whose difficulty is nearest `centre`, ties in random order."""
    _number("centre", centre, 0, 1)
    return top_k(-abs(ctx.difficulty - centre) + 1e-6 * rng.random(len(ctx)), budget)


def shuffled(ctx, budget, *, rng):
    """Control: the gradient-norm scores dealt to the wrong examples. Must not beat Random."""
    return top_k(rng.permutation(ctx.grad_norm), budget)


def oracle(ctx, budget, *, rng):
    """Control: knows which examples are clean and no duplicates; spreads over tasks evenly."""
    pool = ctx.pool.to_pandas()
    good = (pool["clean"] & ~pool["duplicate"]).to_numpy()
    _, task = np.unique(pool["task"].astype(str), return_inverse=True)
    order = rng.permutation(len(ctx))
    turn = np.empty(len(ctx))
    for t in range(task.max() + 1):
        mine = order[(task[order] == t) & good[order]]
        turn[mine] = np.arange(len(mine))
    turn[~good] = len(ctx) + rng.permutation((~good).sum())
    return top_k(-turn, budget)


PAPER = ("random", "loss", "gradient", "diversity", "quality", "utility_diversity", "lhas")
SELECTORS: dict[str, Callable] = {
    f.__name__: f
    for f in (
        random, loss, gradient, alignment, less, datamodel, diversity, facility_location, quality, el2n, utility_diversity, lhas,
        easy, difficulty_band, shuffled, oracle,
    )
}  # fmt: skip


def get(name: str, **params) -> Callable:
    """Return a registered selector with its parameters bound; unknown names and parameters are errors."""
    function = SELECTORS[choose("selector", name, SELECTORS)]
    known = [k for k in (function.__kwdefaults__ or {})]
    for key in params:
        choose(f"parameter of selector {name!r}", key, known or ["(none)"])
    return partial(function, **params) if params else function


def checked(select: Callable, ctx, budget: int, rng) -> np.ndarray:
    """Call a selector and return its sorted picks; raise a `ValueError` in words if they are not valid.

    Expected: `budget` distinct integers in [0, n), with 1 <= budget <= n.
    """
    n = len(ctx)
    name = getattr(select, "__name__", getattr(getattr(select, "func", None), "__name__", "selector"))
    if isinstance(budget, bool) or not isinstance(budget, (int, np.integer)) or not 1 <= budget <= n:
        raise ValueError(f"budget: expected an integer in [1, {n}] (the pool has {n} examples); got {budget!r}")
    picks = select(ctx, budget, rng=rng)
    picks = picks.numpy() if isinstance(picks, torch.Tensor) else np.asarray(picks)
    if picks.shape != (budget,):
        raise ValueError(f"{name}: expected {budget} indices in an array of shape ({budget},); got shape {picks.shape}")
    if not np.issubdtype(picks.dtype, np.integer):
        raise ValueError(f"{name}: expected integer indices; got dtype {picks.dtype}")
    if picks.min() < 0 or picks.max() >= n:
        raise ValueError(f"{name}: expected indices in [0, {n}); got {picks.min()} to {picks.max()}")
    if len(np.unique(picks)) < budget:
        raise ValueError(f"{name}: expected no index twice; got {budget - len(np.unique(picks))} repeated")
    return np.sort(picks)
