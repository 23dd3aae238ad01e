"""Every metric of the paper (arXiv:2605.30537) as a function of small arrays.

R is the score matrix, shape (T+1, J): R[t, j] is the score on capability j after stage t, and row 0 is the base
model. Stage t's own score is Perf(M_t, V_t) = sum_j W[t-1, j] R[t, j] with W the (T, J) stage mixtures; with pure
stages that is the diagonal. Scores are fractions in [0, 1], or log-likelihoods (minus the NLL), so that higher is
better whatever the score.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from ..selection import concentration as concentration
from ..selection import drift as drift
from ..selection import entropy as entropy


def own_scores(R: ArrayLike, W: ArrayLike) -> np.ndarray:
    """Return Perf(M_s, V_t) for all s, t, shape (T+1, T): R W^T.

    Raises:
        ValueError: R is not (T+1) x J for the T x J stage mixtures W.
    """
    R, W = np.asarray(R, float), np.asarray(W, float)
    if R.ndim != 2 or W.ndim != 2 or R.shape != (len(W) + 1, W.shape[1]):
        wanted = f"expected (T+1) x J for W of shape {W.shape} (T x J); the first row is the base model"
        raise ValueError(f"score matrix R: {wanted}; got shape {R.shape}")
    return R @ W.T


def _square(R: ArrayLike) -> np.ndarray:
    """Return a score matrix of T pure stages, one column each."""
    R = np.asarray(R, float)
    if R.ndim != 2 or len(R) != R.shape[1] + 1:
        wanted = "expected (T+1) x T, a column a stage and the base model in the first row"
        raise ValueError(f"score matrix R: {wanted}; got shape {R.shape}")
    return R


def current(R: ArrayLike, W: ArrayLike) -> float:
    """Return the mean score on the stage just trained, (1/T) sum_t Perf(M_t, V_t) (Table 1)."""
    return float(np.diag(own_scores(R, W)[1:]).mean())


def start(R: ArrayLike, W: ArrayLike) -> float:
    """Return the mean score before a stage, (1/T) sum_t Perf(M_{t-1}, V_t); current = start + mean U_imm (eq. 1)."""
    return float(np.diag(own_scores(R, W)[:-1]).mean())


def immediate_utility(R: ArrayLike, W: ArrayLike) -> np.ndarray:
    """Return U_imm(pi_t) = Perf(M_t, V_t) - Perf(M_{t-1}, V_t), shape (T,) (eq. 1)."""
    P = own_scores(R, W)
    return np.diag(P[1:]) - np.diag(P[:-1])


def auc(steps: ArrayLike, values: ArrayLike) -> float:
    """Return the area under an adaptation curve by the trapezoid rule, divided by its length.

    >>> auc([0, 10, 20], [0.0, 1.0, 1.0])
    0.75
    """
    return float(np.trapezoid(values, steps) / (steps[-1] - steps[0]))


def tokens_to_threshold(tokens: ArrayLike, values: ArrayLike, threshold: float) -> tuple[float, bool]:
    """Return (tokens at which the curve first reaches `threshold`, censored).

    Linear interpolation between measurements; a curve that never arrives is censored at its last measurement.
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


def forgetting(R: ArrayLike, definition: str = "chaudhry") -> float:
    """Return forgetting after the last of T pure stages; J = T and column j is stage j's capability.

    - `chaudhry`: mean over j < T of max_{j <= l < T} R[l, j] - R[T, j] (arXiv:1801.10112). Negative: improvement.
    - `first_minus_last`: mean of R[j, j] - R[T, j], which is -BWT.
    - `bwt`: mean of R[T, j] - R[j, j] (arXiv:1706.08840); positive is good.
    - `clipped`: like `chaudhry` but the maximum includes the last row, so never negative.

    Raises:
        ValueError: for another definition, or another shape than (T+1) x T.

    >>> a = [[0, 0, 0], [.50, 0, 0], [.60, .70, 0], [.80, .65, .75]]
    >>> [round(forgetting(a, d), 3) for d in ("chaudhry", "bwt", "clipped", "first_minus_last")]
    [-0.075, 0.125, 0.025, -0.125]
    """
    R = _square(R)
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


def forward_transfer(R: ArrayLike) -> float:
    """Return FWT = mean over j >= 2 of R[j-1, j] - R[0, j]; the baseline is the base model; 0 for one stage.

    The paper does not define it; this is arXiv:1706.08840 with M_0 in place of a random initialisation.
    """
    R = _square(R)
    return float(np.mean([R[j, j] - R[0, j] for j in range(1, R.shape[1])] or [0.0]))


def imbalance(scores: ArrayLike) -> float:
    """Return the standard deviation of the final capability scores (capability imbalance)."""
    return float(np.std(scores))


def gini(scores: ArrayLike) -> float:
    """Return the Gini index sum_ij |s_i - s_j| / (2 J^2 |mean|), in [0, 1) for scores >= 0."""
    s = np.asarray(scores, float)
    return float(abs(s[:, None] - s[None]).sum() / (2 * len(s) ** 2 * abs(s.mean()))) if s.mean() else 0.0


def myopia_gap(immediate: ArrayLike, long: ArrayLike) -> np.ndarray:
    """Return Gap = (1/(K-1)) mean_k |rank_imm(k) - rank_long(k)| (eq. 3) of scores (..., K); ties share mean ranks.

    >>> float(myopia_gap([1, 2, 3], [3, 2, 1]).round(3))
    0.667
    """
    immediate, long = (rankdata(-np.asarray(x, float), axis=-1) for x in (immediate, long))
    return abs(immediate - long).mean(-1) / (long.shape[-1] - 1)


def long_horizon_utility(
    R: ArrayLike,
    W: ArrayLike,
    aucs: Sequence[float],
    ood: float,
    alpha: float = 1.0,
    beta: float = 1.0,
    gamma: float = 1.0,
) -> float:
    """Return U_long (eq. 2) with means in place of sums.

    U = mean_t Perf(M_T, V_t) + alpha mean AUC_{t->t+1} - beta F_T + gamma R_ood; the paper gives no weights.
    """
    P = own_scores(R, W)
    return float(P[-1].mean() + alpha * np.mean(aucs) - beta * forgetting(P) + gamma * ood)


def _values(rows: pd.DataFrame, split: str, metric: str, columns: str) -> pd.DataFrame:
    """Return one metric of one run, a row a stage, with `columns` in their order of appearance."""
    part = rows[(rows["split"] == split) & (rows["metric"] == metric)]
    (i, stages), (j, names) = pd.factorize(part["stage"], sort=True), pd.factorize(part[columns])
    if len(part) != len(stages) * len(names):
        whole = f"{len(stages)} stages x {len(names)} values of {columns}"
        raise ValueError(f"rows of one run, {metric} of {split}: expected {whole}; got {len(part)} rows")
    values = np.full((len(stages), len(names)), np.nan)
    values[i, j] = part["value"]
    return pd.DataFrame(values, pd.Index(stages, name="stage"), pd.Index(names, name=columns))


def matrix(
    rows: pd.DataFrame, split: str = "id", metric: str = "accuracy", capabilities: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return R (T+1, J) of one run from its tidy rows, columns in stage order.

    Raises:
        ValueError: for rows of several runs, or with a hole.
    """
    R = _values(rows, split, metric, "capability")
    return R if capabilities is None else R[list(capabilities)]


def mixtures(rows: pd.DataFrame) -> pd.DataFrame:
    """Return W (T, J) of one run, the stage mixtures: rows of the split `mixture`, columns in stage order.

    Raises:
        ValueError: where the rows have no such split, as rows written by an older version.
    """
    if not (rows["split"] == "mixture").any():
        found = ", ".join(sorted(rows["split"].unique()))
        raise ValueError(f"rows: expected the split `mixture` (stage weights); got {found}; compute the runs again")
    return _values(rows, "mixture", "weight", "capability")


def probe_curves(rows: pd.DataFrame, metric: str = "accuracy") -> dict[int, pd.DataFrame]:
    """Return per probed stage the curve: step, tokens, value."""
    part = rows[rows["split"] == "probe"].pivot(index=["stage", "step"], columns="metric", values="value").reset_index()
    curves = part.rename(columns={metric: "value"})
    return {int(t): g[["step", "tokens", "value"]] for t, g in curves.groupby("stage")}


def higher_is_better(rows: pd.DataFrame) -> pd.DataFrame:
    """Return tidy rows with the sign of the NLL turned."""
    return rows.assign(value=rows["value"].where(rows["metric"] != "nll", -rows["value"]))


def summarise(rows: pd.DataFrame, metric: str = "accuracy") -> dict[str, float]:
    """Return every reported number of one run from its tidy rows.

    Args:
        rows: the rows of one run; the stage mixtures are those of its split `mixture`.
        metric: `accuracy` (token accuracy), `exact` (exact match) or `nll`, which enters with its sign turned: the
            level of a score is minus the NLL, a rise of the NLL is forgetting.
    """
    rows = higher_is_better(rows)
    table, W = matrix(rows, "id", metric), mixtures(rows)
    R, W = table.to_numpy(), W[table.columns].to_numpy()
    final, P = R[-1], own_scores(R, W)
    probe = _values(rows, "probe", metric, "step").sort_index(axis=1)
    aucs = np.array([auc(probe.columns, curve) for curve in probe.to_numpy()] or [np.nan])
    starts = probe.iloc[:, 0].to_numpy() if len(probe) else np.nan
    ood = rows[(rows["split"] == "ood") & (rows["metric"] == metric)]
    ood = float(ood.loc[ood["stage"] == rows["stage"].max(), "value"].mean())
    return {
        "current": current(R, W),
        "start": start(R, W),
        "immediate_utility": float(immediate_utility(R, W).mean()),
        "future_auc": float(np.mean(aucs)),
        "future_auc_minus_start": float(np.mean(aucs - starts)),
        "forgetting": forgetting(P),
        "bwt": forgetting(P, "bwt"),
        "first_minus_last": forgetting(P, "first_minus_last"),
        "ood": ood,
        "worst_task": float(final.min()),
        "final_average": float(final.mean()),
        "capability_imbalance": imbalance(final),
        "gini": gini(final),
        "forward_transfer": forward_transfer(P),
        "long_horizon": long_horizon_utility(R, W, aucs, ood),
    } | rows[rows["split"] == "diagnostic"].groupby("metric")["value"].mean().to_dict()


def adaptation_tokens(rows: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """Return per run the tokens needed to adapt to the next stage, and the censored share.

    The threshold of a seed and stage is the mean score of all runs of that seed half-way through the probe. Runs
    that never arrive count with all their tokens (a restricted mean).

    Args:
        rows: tidy rows of several runs with columns `run` and `seed`.

    Returns:
        DataFrame run, adaptation_tokens, censored (share of the probed stages); no number where one stage is all.
    """
    if not (rows["split"] == "probe").any():
        return pd.DataFrame({"run": rows["run"].unique(), "adaptation_tokens": np.nan, "censored": np.nan})
    probe = higher_is_better(rows[rows["split"] == "probe"])
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
