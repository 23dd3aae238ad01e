"""The selectors. Each is its formula and little else.

A selector is `select(ctx, budget, *, rng) -> indices`: `budget` different integers in
[0, len(ctx.pool)). `ctx` is a `SelectionContext`: signals are computed when first asked for.
The paper is arXiv:2605.30537; its section 4 names the seven selectors of Table 1.
"""

import heapq

import numpy as np

from ..core import number
from .context import squared_distances
from .picks import farthest_first, top_k
from .registry import selector

PART = 10_000  # examples whose similarities are held at once


@selector
def random(ctx, budget, *, rng):
    """Random: uniform without replacement."""
    return rng.choice(len(ctx), size=budget, replace=False)


def turns(rng: np.random.Generator, groups) -> np.ndarray:
    """Return each example's place in a random order of its own group, shape (n,), from 0."""
    order, turn = rng.permutation(len(groups)), np.empty(len(groups))
    _, group = np.unique(np.asarray(groups, str), return_inverse=True)
    for g in range(group.max() + 1):
        mine = order[group[order] == g]
        turn[mine] = np.arange(len(mine))
    return turn


@selector
def balanced(ctx, budget, *, rng):
    """Balanced random: random within each task, as many of each task as there are, up to equal shares."""
    return top_k(-turns(rng, ctx.pool["task"]) - rng.random(len(ctx)), budget)


@selector
def length(ctx, budget, *, rng):
    """Length: longest responses (arXiv:2402.04833), ties in random order."""
    return top_k(ctx.encoded.tokens().numpy() + rng.random(len(ctx)), budget)


@selector
def loss(ctx, budget, *, rng):
    """Loss: highest current NLL l_i."""
    return top_k(ctx.loss, budget)


@selector
def gradient(ctx, budget, *, rng):
    """Gradient: largest per-example gradient norm ||g_i||."""
    return top_k(ctx.grad_norm, budget)


@selector
def alignment(ctx, budget, *, rng):
    """Gradient, the paper's other reading: largest first-order gain <g_i, g_V> on the current stage."""
    return top_k(ctx.align_current, budget)


@selector
def less(ctx, budget, *, rng):
    """LESS-style (arXiv:2402.04333): highest cos(g_i, g_V), so that long or hard examples gain nothing by their norm.

    Without LESS's warm-up, checkpoints and Adam moments: one gradient, at the model that selects.
    """
    return top_k(ctx.align_current / np.maximum(ctx.grad_norm, 1e-12), budget)


@selector
def datamodel(ctx, budget, *, rng, ridge=0.1):
    """Datamodel-style, after TRAK (arXiv:2303.14186): tau = (K + r I)^{-1} G g_V, K_ij = <g_i, g_j>.

    The ridge regression that predicts the current stage's loss from the examples' gradients, in its
    dual form; G g_V is exact, K comes from the sketches, r = `ridge` tr(K) / n. One checkpoint.
    """
    number("ridge", ridge, 1e-6, 1e6)
    g = ctx.sketch * ctx.grad_norm[:, None]
    K = g @ g.T
    r = ridge * max(np.trace(K) / len(ctx), 1e-12)
    return top_k(np.linalg.solve(K + r * np.eye(len(ctx)), ctx.align_current), budget)


@selector
def diversity(ctx, budget, *, rng):
    """Diversity: farthest-first traversal of the frozen embeddings (Gonzalez 1985).

    j_1 is the example nearest the centroid (a fixed start), then
    j_{k+1} = argmax_i min_{j in S_k} ||phi_i - phi_j||; a 2-approximation of k-center (`farthest_first`).
    """
    phi = ctx.embedding
    first = squared_distances(phi, phi.mean(0, keepdims=True)).argmin()
    return farthest_first(phi, int(first), budget)


@selector
def quality(ctx, budget, *, rng):
    """Quality: highest external quality score."""
    return top_k(ctx.quality, budget)


@selector
def facility_location(ctx, budget, *, rng):
    """Facility location: greedy on f(S) = sum_i max_{j in S} s_ij, s = (1 + cosine) / 2.

    Greedy reaches 1 - 1/e of the optimum (Nemhauser 1978). A pool of more than `PART` examples is dealt at random
    into parts, each of which picks its share greedily: the parts' sum of f reaches 1 - 1/e of the best for these parts,
    memory PART^2.
    """
    n = len(ctx)
    phi = (ctx.embedding / np.maximum(np.linalg.norm(ctx.embedding, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    parts = np.array_split(rng.permutation(n), -(-n // PART)) if n > PART else [np.arange(n)]
    ends = np.floor(np.cumsum([len(part) for part in parts]) * budget / n + 1e-9).astype(int)
    return np.concatenate([part[lazy_greedy(phi[part], k)] for part, k in zip(parts, np.diff(ends, prepend=0))])


def lazy_greedy(phi: np.ndarray, budget: int) -> np.ndarray:
    """Return the greedy picks of facility location among unit vectors phi (n, d), in their order.

    Gains only fall as the selection grows, so an old gain is an upper bound, and few are computed anew (Minoux 1978).
    """
    similarity = phi @ phi.T
    similarity += 1
    similarity /= 2
    covered, chosen = np.zeros(len(phi), np.float32), []
    bounds = [(-gain, i) for i, gain in enumerate(similarity.sum(1).tolist())]
    heapq.heapify(bounds)
    while len(chosen) < budget:
        _, i = heapq.heappop(bounds)
        gain = float(np.maximum(similarity[i] - covered, 0).sum())
        if bounds and (-gain, i) > bounds[0]:
            heapq.heappush(bounds, (-gain, i))
        else:
            chosen.append(i)
            np.maximum(covered, similarity[i], out=covered)
    return np.array(chosen, int)


@selector
def el2n(ctx, budget, *, rng):
    """EL2N (arXiv:2107.07075): highest token mean of ||p - onehot||."""
    return top_k(ctx.el2n, budget)


@selector
def easy(ctx, budget, *, rng):
    """Easiest first: lowest difficulty, ties in random order."""
    return top_k(-ctx.difficulty + 1e-6 * rng.random(len(ctx)), budget)


@selector
def difficulty_band(ctx, budget, *, rng, centre=0.5):
    """Difficulty band: the examples whose difficulty is nearest `centre`, ties in random order."""
    number("centre", centre, 0, 1)
    return top_k(-abs(ctx.difficulty - centre) + 1e-6 * rng.random(len(ctx)), budget)


@selector
def shuffled(ctx, budget, *, rng):
    """Control: the gradient-norm scores dealt to the wrong examples. Must not beat Random."""
    return top_k(rng.permutation(ctx.grad_norm), budget)


@selector
def oracle(ctx, budget, *, rng):
    """Control: knows which examples are clean and no duplicates; spreads over tasks evenly."""
    pool = ctx.pool.to_pandas()
    good = (pool["clean"] & ~pool["duplicate"]).to_numpy()
    turn = len(ctx) + rng.permutation(len(ctx))
    turn[good] = turns(rng, pool["task"][good]) + rng.random(good.sum())
    return top_k(-turn, budget)
