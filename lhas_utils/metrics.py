"""Every metric of the paper (arXiv:2605.30537) as a function of small arrays.

R is the score matrix, shape (T+1, J): R[t, j] is the score on capability j after stage t, and
row 0 is the base model. Stage t's own score is Perf(M_t, V_t) = sum_j W[t-1, j] R[t, j] with W the
(T, J) stage mixtures; with pure stages that is the diagonal. Scores are fractions in [0, 1], or
log-likelihoods (minus the NLL), so that higher is better whatever the score.
"""

import numpy as np
import pandas as pd


def own_scores(R, W) -> np.ndarray:
    """Return Perf(M_s, V_t) for all s, t, shape (T+1, T): R W^T."""
    return np.asarray(R, float) @ np.asarray(W, float).T


def current(R, W) -> float:
    """Return the mean score on the stage just trained, (1/T) sum_t Perf(M_t, V_t) (Table 1)."""
    return float(np.diag(own_scores(R, W)[1:]).mean())


def immediate_utility(R, W) -> np.ndarray:
    """Return U_imm(pi_t) = Perf(M_t, V_t) - Perf(M_{t-1}, V_t), shape (T,) (eq. 1)."""
    P = own_scores(R, W)
    return np.diag(P[1:]) - np.diag(P[:-1])


def auc(steps, values) -> float:
    """Return the area under an adaptation curve by the trapezoid rule, divided by its length.

    >>> auc([0, 10, 20], [0.0, 1.0, 1.0])
    0.75
    """
    return float(np.trapezoid(values, steps) / (steps[-1] - steps[0]))


def tokens_to_threshold(tokens, values, threshold: float) -> tuple[float, bool]:
    """Return (tokens at which the curve first reaches `threshold`, censored).

    Linear interpolation between measurements; a curve that never arrives is censored at its last
    measurement and must be treated as such, not dropped.
    """
    tokens, values = np.asarray(tokens, float), np.asarray(values, float)
    above = np.flatnonzero(values >= threshold)
    if len(above) == 0:
        return float(tokens[-1]), True
    k = above[0]
    if k == 0:
        return float(tokens[0]), False
    share = (threshold - values[k - 1]) / (values[k] - values[k - 1])
    return float(tokens[k - 1] + share * (tokens[k] - tokens[k - 1])), False


def forgetting(R, definition: str = "chaudhry") -> float:
    """Return forgetting after the last of T pure stages; J = T and column j is stage j's capability.

    - `chaudhry`: mean over j < T of max_{j <= l < T} R[l, j] - R[T, j] (arXiv:1801.10112); rows
      before capability j was trained do not count. Negative means improvement. The default.
    - `first_minus_last`: mean of R[j, j] - R[T, j], which is -BWT.
    - `bwt`: mean of R[T, j] - R[j, j] (arXiv:1706.08840); positive is good.
    - `clipped`: like `chaudhry` but the maximum includes the last row, so never negative.

    >>> a = [[0, 0, 0], [.50, 0, 0], [.60, .70, 0], [.80, .65, .75]]
    >>> [round(forgetting(a, d), 3) for d in ("chaudhry", "bwt", "clipped", "first_minus_last")]
    [-0.075, 0.125, 0.025, -0.125]
    """
    R = np.asarray(R, float)
    T = len(R) - 1
    if T < 2:
        return 0.0
    last, first = R[T, : T - 1], np.array([R[j + 1, j] for j in range(T - 1)])
    if definition == "bwt":
        return float((last - first).mean())
    if definition == "first_minus_last":
        return float((first - last).mean())
    if definition not in ("chaudhry", "clipped"):
        raise ValueError(f"definition: expected chaudhry, bwt, first_minus_last or clipped; got {definition!r}")
    stop = T if definition == "chaudhry" else T + 1
    best = np.array([R[j + 1 : stop, j].max() for j in range(T - 1)])
    return float((best - last).mean())


def forward_transfer(R) -> float:
    """Return FWT = mean over j >= 2 of R[j-1, j] - R[0, j]; the baseline is the base model.

    The paper names the quantity and does not define it; this is arXiv:1706.08840 with M_0 in place
    of a random initialisation.
    """
    R = np.asarray(R, float)
    return float(np.mean([R[j, j] - R[0, j] for j in range(1, R.shape[1])]))


def imbalance(scores) -> float:
    """Return the standard deviation of the final capability scores (capability imbalance)."""
    return float(np.std(scores))


def gini(scores) -> float:
    """Return the Gini index sum_ij |s_i - s_j| / (2 J^2 |mean|), in [0, 1) for scores >= 0."""
    s = np.asarray(scores, float)
    return float(abs(s[:, None] - s[None]).sum() / (2 * len(s) ** 2 * abs(s.mean()))) if s.mean() else 0.0


def entropy(labels) -> float:
    """Return the entropy of cluster labels in nats, in [0, ln(number of clusters)].

    >>> round(entropy(["a", "a", "b", "b"]), 4)
    0.6931
    """
    _, counts = np.unique(np.asarray(labels), return_counts=True)
    share = counts / counts.sum()
    return float(-(share * np.log(share)).sum())


def concentration(gram, normalise: bool = False, eps: float = 1e-12) -> float:
    """Return C(S) = lambda_max(G) / (tr(G) + eps), Definition 1, from the Gram matrix <g_i, g_j>.

    The k x k Gram matrix has the non-zero spectrum of k G, so no p x p matrix is formed. With
    `normalise` every g_i is divided by its norm first: the raw value depends on gradient norms.

    >>> round(concentration(np.eye(4)), 3)
    0.25
    """
    K = np.asarray(gram, float)
    if normalise:
        norm = np.sqrt(np.maximum(np.diag(K), eps))
        K = K / norm[:, None] / norm[None]
    return float(np.linalg.eigvalsh(K)[-1] / (np.trace(K) + eps))


def drift(updates) -> float:
    """Return the cosine distance between the last stage's update and the sum of the earlier ones.

    In [0, 2]; NaN for the first stage (paper, section 3, diagnostic iii).
    """
    if len(updates) < 2:
        return float("nan")
    new, old = updates[-1].double(), sum(updates[:-1]).double()
    return float(1 - new @ old / (new.norm() * old.norm()).clamp(min=1e-12))


def myopia_gap(immediate, long) -> float:
    """Return Gap = (1/(K-1)) mean_k |rank_imm(k) - rank_long(k)| (eq. 3); ties share mean ranks.

    >>> myopia_gap([1, 2, 3], [3, 2, 1])
    0.6666666666666666
    """
    ranks = [pd.Series(np.asarray(x, float)).rank(ascending=False).to_numpy() for x in (immediate, long)]
    return float(abs(ranks[0] - ranks[1]).mean() / (len(ranks[0]) - 1))


def long_horizon_utility(R, W, aucs, ood: float, alpha=1.0, beta=1.0, gamma=1.0) -> float:
    """Return U_long (eq. 2) with means in place of sums.

    U = mean_t Perf(M_T, V_t) + alpha mean AUC_{t->t+1} - beta F_T + gamma R_ood. The paper gives no
    weights; all are 1 here. Means keep the terms on one scale whatever T is.
    """
    final = own_scores(R, W)[-1].mean()
    return float(final + alpha * np.mean(aucs) - beta * forgetting(own_scores(R, W)) + gamma * ood)


def matrix(rows: pd.DataFrame, split: str = "id", metric: str = "accuracy", capabilities=None) -> pd.DataFrame:
    """Return R (T+1, J) of one run from its tidy rows, columns in stage order."""
    part = rows[(rows["split"] == split) & (rows["metric"] == metric)]
    R = part.pivot(index="stage", columns="capability", values="value")
    return R[list(capabilities) if capabilities is not None else list(dict.fromkeys(part["capability"]))]


def probe_curves(rows: pd.DataFrame, metric: str = "accuracy") -> dict[int, pd.DataFrame]:
    """Return per probed stage the curve: step, tokens, value."""
    part = rows[rows["split"] == "probe"].pivot(index=["stage", "step"], columns="metric", values="value").reset_index()
    return {int(t): g[["step", "tokens", metric]].rename(columns={metric: "value"}) for t, g in part.groupby("stage")}


def _higher_is_better(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(value=rows["value"].where(rows["metric"] != "nll", -rows["value"]))


def summarise(rows: pd.DataFrame, W, metric: str = "accuracy") -> dict[str, float]:
    """Return every reported number of one run from its tidy rows.

    Args:
        rows: the rows of one run (see `protocol.run`).
        W: stage mixtures (T, J).
        metric: `accuracy` (token accuracy), `exact` (exact match) or `nll`, which enters with its sign
            turned: the level of a score is minus the NLL, a rise of the NLL is forgetting.
    """
    rows = _higher_is_better(rows)
    R = matrix(rows, "id", metric).to_numpy()
    final = R[-1]
    curves = list(probe_curves(rows, metric).values())
    aucs = [auc(c["step"].to_numpy(), c["value"].to_numpy()) for c in curves] or [np.nan]
    starts = [c["value"].iloc[0] for c in curves] or [np.nan]
    P = own_scores(R, W)
    ood = rows.loc[(rows["split"] == "ood") & (rows["metric"] == metric) & (rows["stage"] == rows["stage"].max()), "value"].mean()
    diagnostics = rows[rows["split"] == "diagnostic"].groupby("metric")["value"].mean()
    return {
        "current": current(R, W),
        "immediate_utility": float(immediate_utility(R, W).mean()),
        "future_auc": float(np.mean(aucs)),
        "future_auc_minus_start": float(np.mean(np.array(aucs) - starts)),
        "forgetting": forgetting(P),
        "bwt": forgetting(P, "bwt"),
        "first_minus_last": forgetting(P, "first_minus_last"),
        "ood": float(ood),
        "worst_task": float(final.min()),
        "final_average": float(final.mean()),
        "imbalance": imbalance(final),
        "gini": gini(final),
        "forward_transfer": forward_transfer(P),
        "long_horizon": long_horizon_utility(R, W, aucs, float(ood)),
    } | diagnostics.to_dict()


def adaptation_tokens(rows: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """Return per run the tokens needed to adapt to the next stage, and the censored share.

    The threshold of a seed and stage is the mean score of all runs of that seed half-way through
    the probe, so every run of a seed must reach the same value. Runs that never arrive count with
    all their tokens (a restricted mean).

    Args:
        rows: tidy rows of several runs with columns `run` and `seed`.
    """
    probe = _higher_is_better(rows[rows["split"] == "probe"])
    wide = probe.pivot(index=["seed", "stage", "step", "run"], columns="metric", values="value").reset_index()
    grid = sorted(wide["step"].unique())
    middle = wide[wide["step"] == grid[len(grid) // 2]]
    threshold = middle.groupby(["seed", "stage"])[metric].mean()
    out = []
    for (seed, stage, run), curve in wide.groupby(["seed", "stage", "run"]):
        tokens, censored = tokens_to_threshold(curve["tokens"], curve[metric], threshold[seed, stage])
        out.append((run, tokens, float(censored)))
    table = pd.DataFrame(out, columns=["run", "adaptation_tokens", "censored"])
    return table.groupby("run", as_index=False).mean()
