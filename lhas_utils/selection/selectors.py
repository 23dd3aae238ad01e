"""The selectors. Each is its formula and little else.

A selector is `select(ctx, budget, *, rng) -> indices`: `budget` different integers in
[0, len(ctx.pool)). `ctx` is a `SelectionContext`: signals are computed when first asked for.
The paper is arXiv:2605.30537; its section 4 names the seven selectors of Table 1.
"""

import numpy as np

from ..core import number
from .context import squared_distances
from .picks import top_k
from .registry import selector


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


@selector
def quality(ctx, budget, *, rng):
    """Quality: highest external quality score."""
    return top_k(ctx.quality, budget)


@selector
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
