"""Analysis of the difficulty study: gain, ridge, both gaps, the bound of Prop. 4.1 and a model of the optimum.

arXiv:2605.12906 names two gaps and measures neither; here they are measured, in nats. With R the
mean NLL, S the training sample, d the trained level and D_test uniform over levels,

    R_test = Rhat_S + (R_d - Rhat_S) + (R_test - R_d) = train + generalization gap + extrapolation gap.
"""

from math import log, sqrt

import numpy as np
import pandas as pd

from . import stats
from .depth import CLIP, SIGMAS
from .depth_world import answer_tokens

LR = 1e-3  # step size of the main grid
DELTA = 0.05
_SPEC = ["skill", "base", "seed", "d", "n", "loss", "lr", "match", "trim"]
_RUN = ["examples", "updates", "tokens_seen", "tokens_distinct", "distance2"]


def per_run(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run: gains over the base and the three parts of the target NLL.

    Returns:
        DataFrame: the spec's columns; `gain` (exact match), `gain_accuracy` (tokens) and `gain_nll` (base minus
        tuned), means over levels; `train`, `heldout`, `target` NLL;
        `generalization` = heldout - train and `extrapolation` =
        target - heldout. For a mixed sample (d = 0) heldout is target.
    """
    out = []
    for _, run in rows.groupby("run", sort=True):
        first = run.iloc[0]
        who = {w: run[run["who"] == w].set_index("slice")[["exact", "accuracy", "nll"]] for w in ("base", "tuned")}
        tuned, base = (who[w].drop(index="train") for w in ("tuned", "base"))
        target, train = tuned["nll"].mean(), who["tuned"].loc["train", "nll"]
        heldout = tuned.loc[str(first["d"]), "nll"] if first["d"] else target
        measured = {
            "gain": (tuned["exact"] - base["exact"]).mean(),
            "gain_accuracy": (tuned["accuracy"] - base["accuracy"]).mean(),
            "gain_nll": (base["nll"] - tuned["nll"]).mean(),
            "train": train,
            "heldout": heldout,
            "target": target,
            "generalization": heldout - train,
            "extrapolation": target - heldout,
        }
        out.append(first[_SPEC + _RUN].to_dict() | measured)
    return pd.DataFrame(out)


def by_slice(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run and test level: spec columns, `level`, gain in `exact` and in `nll` (base - tuned)."""
    part = rows[rows["slice"] != "train"]
    keys = ["run", *_SPEC, "slice"]
    tuned = part[part["who"] == "tuned"].set_index(keys)[["exact", "nll"]]
    base = part[part["who"] == "base"].set_index(keys)[["exact", "nll"]]
    out = pd.DataFrame({"exact": tuned["exact"] - base["exact"], "nll": base["nll"] - tuned["nll"]}).reset_index()
    return out.assign(level=out["slice"].astype(int)).drop(columns="slice")


def cube(runs: pd.DataFrame, metric: str, names: tuple[str, ...], what: str) -> tuple:
    """Return (values, one axis a name...) of one metric on a complete grid of runs; a hole is an error that says `what`."""
    axes = [sorted(runs[c].unique()) for c in names]
    values = runs.set_index(list(names))[metric].reindex(pd.MultiIndex.from_product(axes)).to_numpy(float)
    if np.isnan(values).any() or not len(values):
        raise ValueError(f"{what}: expected every {' x '.join(names)}; got {len(runs)} runs")
    return values.reshape([len(a) for a in axes]), *axes


def grid(runs: pd.DataFrame, metric="gain", skill="sort", base="weak", loss="sft", match="steps", lr=LR) -> tuple:
    """Return (values (S, N, D), seeds, sizes, levels) of one metric on the untrimmed one-level runs of a setting."""
    wanted = {"skill": skill, "base": base, "loss": loss, "match": match, "lr": lr, "trim": "none"}
    part = runs[(runs["d"] > 0) & np.logical_and.reduce([runs[k] == v for k, v in wanted.items()])]
    return cube(part, metric, ("seed", "n", "d"), f"grid {wanted}")


def peak(levels, gain) -> float:
    """Return d*, where the least-squares parabola through (d, gain) is highest within the levels.

    With two levels the parabola is a line.

    >>> peak([2, 3, 4, 5], [-4, -1, 0, -1])
    4.0
    """
    fine = np.linspace(levels[0], levels[-1], 20 * (len(levels) - 1) * 5 + 1)
    fit = np.polyval(np.polyfit(levels, gain, min(2, len(levels) - 1)), fine)
    return round(float(fine[np.flatnonzero(fit >= fit.max() - 1e-12)].mean()), 6)


def ridge(runs: pd.DataFrame, **setting) -> pd.DataFrame:
    """Return the optimal difficulty d*(n) with its bootstrap interval over seeds: n, d_star, low, high, n_seeds."""
    values, _, sizes, levels = grid(runs, **setting)
    rows = [{"n": n, **stats.bootstrap(values[:, i], lambda g: peak(levels, g))} for i, n in enumerate(sizes)]
    return pd.DataFrame(rows).rename(columns={"effect": "d_star"})


def held_out_optimum(values) -> np.ndarray:
    """Return, per seed, gain at the best level minus gain at the easiest and at the hardest, shape (S, 2).

    The best level is chosen on the other seeds, so choosing adds no bias; 0 where it is an end.

    Args:
        values: gain (S, D); with S = 1 the only seed chooses for itself.
    """
    values = np.asarray(values, float)
    rest = (values.sum(0) - values) if len(values) > 1 else values
    best = values[np.arange(len(values)), rest.argmax(1)]
    return np.stack([best - values[:, 0], best - values[:, -1]], 1)


def design(d, n) -> np.ndarray:
    """Return the rows (1, x, d, d x, d^2, d^2 x), x = log2 n, of the surface `fit_surface` fits, shape (m, 6)."""
    d, x = np.asarray(d, float), np.log2(np.asarray(n, float))
    powers = np.stack([d**0, d, d**2], -1)
    return np.stack([powers, powers * x[..., None]], -1).reshape(*d.shape, 6)


def fit_surface(levels, sizes, gain) -> np.ndarray:
    """Fit gain(d, n) = sum_{k <= 2} (a_k + b_k log2 n) d^k by least squares; return the six coefficients.

    A "simple fitted model" (paper, section 8, form not given): a parabola in d whose coefficients are
    linear in log n, so d*(n) is a ratio of two lines in log n.

    Args:
        gain: (N, D), mean over seeds.
    """
    n, d = np.meshgrid(sizes, levels, indexing="ij")
    return np.linalg.lstsq(design(d.ravel(), n.ravel()), np.ravel(gain), rcond=None)[0]


def predict_optimum(coefficients, levels, n: float) -> float:
    """Return the d in the range of the levels with the highest fitted gain at n."""
    fine = np.linspace(levels[0], levels[-1], 100 * (len(levels) - 1) + 1)
    return float(fine[np.argmax(design(fine, np.full(len(fine), n)) @ coefficients)])


def leave_one_n_out(levels, sizes, gain) -> pd.DataFrame:
    """Predict d* at each n from the other n; return n, measured, surface, constant (mean d* of the others)."""
    gain, rows = np.asarray(gain, float), []
    measured = [peak(levels, g) for g in gain]
    for i, n in enumerate(sizes):
        rest = [j for j in range(len(sizes)) if j != i]
        coefficients = fit_surface(levels, [sizes[j] for j in rest], gain[rest])
        constant = float(np.mean([measured[j] for j in rest]))
        surface = predict_optimum(coefficients, levels, n)
        rows.append({"n": n, "measured": measured[i], "surface": surface, "constant": constant})
    return pd.DataFrame(rows)


def gaussian_kl(distance2: float, sigma: float) -> float:
    """Return KL(N(w, s^2 I) || N(w_0, s^2 I)) = ||w - w_0||^2 / (2 s^2) in nats."""
    return distance2 / (2 * sigma**2)


def total_variation(p: dict, q: dict) -> float:
    """Return TV = 1/2 sum_k |p_k - q_k| of two level distributions.

    The levels have disjoint supports and the generator is the same within a level, so the TV of the
    example distributions is that of the levels.

    >>> total_variation({1: 0.5, 2: 0.5}, {2: 1.0})
    0.5
    """
    return 0.5 * sum(abs(p.get(k, 0.0) - q.get(k, 0.0)) for k in {*p, *q})


def kl_levels(p: dict, q: dict) -> float:
    """Return KL(p || q) of two level distributions; infinite where q misses a level that p has."""
    return sum(v * log(v / q[k]) if q.get(k) else np.inf for k, v in p.items() if v)


def bound_terms(risk: float, distance2: float, sigma: float, n: int, tv: float, delta: float, c: float = CLIP) -> dict:
    """Return the terms of Prop. 4.1 and their sum.

    E[R_test] <= E[Rhat_S] + C sqrt((KL + ln(1/delta) + 5/2 ln n + 8) / (2n - 1)) + C TV(D_test, D_train).

    Args:
        risk: E_posterior of the clipped empirical risk, in [0, c].
    """
    kl = gaussian_kl(distance2, sigma)
    complexity = c * sqrt((kl + log(1 / delta) + 2.5 * log(n) + 8) / (2 * n - 1))
    return {"risk": risk, "kl": kl, "complexity": complexity, "shift": c * tv, "bound": risk + complexity + c * tv}


def bounds(rows: pd.DataFrame, delta: float = DELTA) -> pd.DataFrame:
    """Evaluate Prop. 4.1 on every run that sampled its posterior; the sigma with the lowest bound is kept.

    delta is split over the sigmas (union bound), so the best of them still holds with probability
    1 - delta. The empirical risk is taken on the first 256 examples of S. Returns `bound_terms` with
    skill, base, seed, d, n, sigma and `observed`, the posterior's clipped risk on D_test.
    """
    out = []
    for _, run in rows[rows["who"] == "posterior"].groupby("run", sort=True):
        first, candidates = run.iloc[0], []
        levels = [s for s in run["slice"].unique() if s != "train"]
        tv = total_variation({s: 1 / len(levels) for s in levels}, {str(first["d"]): 1.0})
        for sigma, part in run.groupby("sigma"):
            nll = part.set_index("slice")["nll"]
            terms = bound_terms(nll["train"], first["distance2"], sigma, first["examples"], tv, delta / len(SIGMAS))
            candidates.append({"sigma": sigma, **terms, "observed": nll.drop("train").mean()})
        out.append(first[["skill", "base", "seed", "d", "n"]].to_dict() | min(candidates, key=lambda c: c["bound"]))
    return pd.DataFrame(out)


def measures(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the difficulty of each level by four measures: knob, answer tokens, base NLL, failure rate.

    Returns:
        DataFrame skill, base, seed, level, tokens, nll, failure (1 - exact match of the base).
    """
    base = rows[(rows["who"] == "base") & (rows["slice"] != "train")]
    base = base.drop_duplicates(["skill", "base", "seed", "slice"])
    out = base[["skill", "base", "seed", "nll"]].assign(level=base["slice"].astype(int), failure=1 - base["exact"])
    return out.assign(tokens=[answer_tokens(s, d) for s, d in zip(out["skill"], out["level"])]).reset_index(drop=True)
