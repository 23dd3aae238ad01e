"""The difficulty study: gains, both gaps, the optimal difficulty, and a model of it.

arXiv:2605.12906 names two gaps and measures neither; here they are measured, in nats. With R the mean NLL, S the
training sample, d the trained level and D_test uniform over levels,

    R_test = Rhat_S + (R_d - Rhat_S) + (R_test - R_d) = train + generalization gap + extrapolation gap.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..runs import experiment
from ..worlds import LEVEL_WORLDS
from .statistics import bootstrap

SPEC = ["skill", "base", "seed", "d", "n", "loss", "lr", "match", "trim"]
MEASURED = ["examples", "updates", "tokens_seen", "tokens_distinct", "distance2"]


def by_slice(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run and test level: spec columns, `level`, gain in `exact` and in `nll` (base - tuned)."""
    part = rows[rows["slice"] != "train"]
    keys = ["run", *SPEC, "slice"]
    tuned, base = (part[part["who"] == w].set_index(keys)[["exact", "nll"]] for w in ("tuned", "base"))
    out = pd.DataFrame({"exact": tuned["exact"] - base["exact"], "nll": base["nll"] - tuned["nll"]}).reset_index()
    return out.assign(level=out["slice"].astype(int)).drop(columns="slice")


def per_run(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run: gains over the base and the three parts of the target NLL.

    Args:
        rows: tidy rows of the experiment `difficulty` or `opworld`.

    Returns:
        DataFrame: the spec's columns and what the run used; `before` (the base's exact match), `gain` (exact match),
        `gain_accuracy` (tokens) and `gain_nll` (base minus tuned), means over levels; `train`, `heldout`, `target`
        NLL; `generalization` = heldout - train and `extrapolation` = target - heldout. For a mixed sample (d = 0)
        heldout is target.
    """
    scores = rows.set_index(["run", "slice"])[["exact", "accuracy", "nll"]]
    tuned, base = (scores[(rows["who"] == w).to_numpy()] for w in ("tuned", "base"))
    train = tuned.xs("train", level="slice")["nll"]
    tuned, base = (s.drop(index="train", level="slice") for s in (tuned, base))
    gain, means = (tuned - base).groupby("run").mean(), tuned["nll"].groupby("run").mean()
    spec = rows.drop_duplicates("run").set_index("run")[[*SPEC, *MEASURED]].sort_index()
    own = tuned["nll"].reindex(pd.MultiIndex.from_arrays([spec.index, spec["d"].astype(str)]))
    heldout = means.where(spec["d"] == 0, own.to_numpy())
    out = spec.assign(
        before=base["exact"].groupby("run").mean(),
        gain=gain["exact"],
        gain_accuracy=gain["accuracy"],
        gain_nll=-gain["nll"],
        train=train,
        heldout=heldout,
        target=means,
        generalization=heldout - train,
        extrapolation=means - heldout,
    )
    return out.reset_index(drop=True)


@cache
def _kept(profile: str, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = experiment(name, profile)
    return rows, per_run(rows) if len(rows) else rows


def difficulty_rows(profile: str, name: str = "difficulty") -> pd.DataFrame:
    """Return the tidy rows of `difficulty` or `opworld`; empty where a profile leaves it out."""
    return _kept(profile, name)[0].copy()


def difficulty_runs(profile: str, name: str = "difficulty") -> pd.DataFrame:
    """Return one row per run of `difficulty` or `opworld` (`per_run`); empty where a profile leaves it out."""
    return _kept(profile, name)[1].copy()


def cube(runs: pd.DataFrame, metric: str, names: Sequence[str], what: str) -> tuple:
    """Return (values, one axis a name...) of one metric on a complete grid of runs.

    Raises:
        ValueError: for a hole in the grid; it says `what` the grid is.
    """
    axes = [sorted(runs[c].unique()) for c in names]
    values = runs.set_index(list(names))[metric].reindex(pd.MultiIndex.from_product(axes)).to_numpy(float)
    if np.isnan(values).any() or not len(values):
        raise ValueError(f"{what}: expected every {' x '.join(names)}; got {len(runs)} runs")
    return values.reshape([len(a) for a in axes]), *axes


def grid(
    runs: pd.DataFrame,
    metric: str = "gain",
    skill: str = "sort",
    base: str = "weak",
    loss: str = "sft",
    match: str = "steps",
    lr: float | None = None,
) -> tuple:
    """Return (values (S, N, D), seeds, sizes, levels) of one metric on the untrimmed one-level runs of a setting.

    Args:
        runs: one row per run (`per_run`).
        lr: step size; needed where the setting was run at several.

    Raises:
        ValueError: for a hole in the grid.
    """
    wanted = {"skill": skill, "base": base, "loss": loss, "match": match, "trim": "none"}
    wanted |= {} if lr is None else {"lr": lr}
    part = runs[(runs["d"] > 0) & np.logical_and.reduce([runs[k] == v for k, v in wanted.items()])]
    return cube(part, metric, ("seed", "n", "d"), f"grid {wanted}")


def peak(levels: ArrayLike, gain: ArrayLike) -> float:
    """Return d*, where the least-squares parabola through (d, gain) is highest within the levels.

    With two levels the parabola is a line.

    >>> peak([2, 3, 4, 5], [-4, -1, 0, -1])
    4.0
    """
    fine = np.linspace(levels[0], levels[-1], 20 * (len(levels) - 1) * 5 + 1)
    fit = np.polyval(np.polyfit(levels, gain, min(2, len(levels) - 1)), fine)
    return round(float(fine[np.flatnonzero(fit >= fit.max() - 1e-12)].mean()), 6)


def ridge(runs: pd.DataFrame, **setting: object) -> pd.DataFrame:
    """Return the optimal difficulty d*(n) with its bootstrap interval over seeds: n, d_star, low, high, n_seeds."""
    values, _, sizes, levels = grid(runs, **setting)
    rows = [{"n": n, **bootstrap(values[:, i], lambda g: peak(levels, g))} for i, n in enumerate(sizes)]
    return pd.DataFrame(rows).rename(columns={"effect": "d_star"})


def held_out_optimum(values: ArrayLike) -> np.ndarray:
    """Return, per seed, gain at the best level minus gain at the easiest and at the hardest, shape (S, 2).

    The best level is chosen on the other seeds, so choosing adds no bias; 0 where it is an end.

    Args:
        values: gain (S, D); with S = 1 the only seed chooses for itself.
    """
    values = np.asarray(values, float)
    rest = (values.sum(0) - values) if len(values) > 1 else values
    best = values[np.arange(len(values)), rest.argmax(1)]
    return np.stack([best - values[:, 0], best - values[:, -1]], 1)


def design(d: ArrayLike, n: ArrayLike) -> np.ndarray:
    """Return the rows (1, x, d, d x, d^2, d^2 x), x = log2 n, of the surface `fit_surface` fits, shape (m, 6)."""
    d, x = np.asarray(d, float), np.log2(np.asarray(n, float))
    powers = np.stack([d**0, d, d**2], -1)
    return np.stack([powers, powers * x[..., None]], -1).reshape(*d.shape, 6)


def fit_surface(levels: ArrayLike, sizes: ArrayLike, gain: ArrayLike) -> np.ndarray:
    """Fit gain(d, n) = sum_{k <= 2} (a_k + b_k log2 n) d^k by least squares; return the six coefficients.

    A "simple fitted model" (paper, section 8, form not given): a parabola in d whose coefficients are
    linear in log n, so d*(n) is a ratio of two lines in log n.

    Args:
        gain: (N, D), mean over seeds.
    """
    n, d = np.meshgrid(sizes, levels, indexing="ij")
    return np.linalg.lstsq(design(d.ravel(), n.ravel()), np.ravel(gain), rcond=None)[0]


def predict_optimum(coefficients: np.ndarray, levels: ArrayLike, n: float) -> float:
    """Return the d in the range of the levels with the highest fitted gain at n."""
    fine = np.linspace(levels[0], levels[-1], 100 * (len(levels) - 1) + 1)
    return float(fine[np.argmax(design(fine, np.full(len(fine), n)) @ coefficients)])


def leave_one_n_out(levels: ArrayLike, sizes: Sequence[int], gain: ArrayLike) -> pd.DataFrame:
    """Predict d* at each n from the other n; return n, measured, surface, constant (mean d* of the others)."""
    gain, rows = np.asarray(gain, float), []
    measured = [peak(levels, g) for g in gain]
    for i, n in enumerate(sizes):
        rest = [j for j in range(len(sizes)) if j != i]
        surface = predict_optimum(fit_surface(levels, [sizes[j] for j in rest], gain[rest]), levels, n)
        constant = float(np.mean([measured[j] for j in rest]))
        rows.append({"n": n, "measured": measured[i], "surface": surface, "constant": constant})
    return pd.DataFrame(rows)


def measures(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the difficulty of each level by four measures: knob, answer tokens, base NLL, failure rate.

    Returns:
        DataFrame skill, base, seed, level, tokens, nll, failure (1 - exact match of the base).
    """
    base = rows[(rows["who"] == "base") & (rows["slice"] != "train")]
    base = base.drop_duplicates(["skill", "base", "seed", "slice"])
    out = base[["skill", "base", "seed", "nll"]].assign(level=base["slice"].astype(int), failure=1 - base["exact"])
    tokens = [LEVEL_WORLDS[s].answer_tokens(d) for s, d in zip(out["skill"], out["level"])]
    return out.assign(tokens=tokens).reset_index(drop=True)
