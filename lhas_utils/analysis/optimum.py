"""The difficulty study: gains, both gaps, whether fine-tuning gains at all, and the optimal difficulty of a seed.

arXiv:2605.12906 names two gaps and measures neither; here they are measured. With R a risk, the NLL or the failure
rate 1 - exact match, S the training sample, R_d on held-out data of the trained level, D_test uniform over levels,

    R_test = Rhat_S + (R_d - Rhat_S) + (R_test - R_d) = train + generalization gap + extrapolation gap.
"""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..runs import experiment
from ..worlds import LEVEL_WORLDS
from .statistics import interval

SPEC = ["skill", "base", "seed", "d", "n", "loss", "lr", "match", "trim"]
MEASURED = ["examples", "updates", "tokens_seen", "tokens_distinct", "distance2"]
RISKS = {"exact": lambda s: 1 - s["exact"], "nll": lambda s: s["nll"]}  # metric -> risk of scores


def by_slice(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run and test level: spec columns, `level`, gain in `exact` and in `nll` (base - tuned)."""
    part = rows[rows["slice"] != "train"]
    keys = ["run", *SPEC, "slice"]
    tuned, base = (part[part["who"] == w].set_index(keys)[["exact", "nll"]] for w in ("tuned", "base"))
    out = pd.DataFrame({"exact": tuned["exact"] - base["exact"], "nll": base["nll"] - tuned["nll"]}).reset_index()
    return out.assign(level=out["slice"].astype(int)).drop(columns="slice")


def _span(skill: str, d: int) -> tuple[int, ...]:
    """Return the tested levels that training data of level d are of; a family of questions has one at a time."""
    return LEVEL_WORLDS[skill].span(d) if skill in LEVEL_WORLDS else (d,)


def per_run(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run: gains over the base and the three parts of the target risk, in both metrics.

    Args:
        rows: tidy rows of the experiment `difficulty`, `opworld` or `llm_difficulty`.

    Returns:
        DataFrame: the spec's columns, what the run used, `before` (the base's exact match, mean over levels), and for
        each metric m in exact (failure rate) and nll (nats) `train_m`, `heldout_m` (the tested levels that the
        training data span), `target_m` (all tested levels), `generalization_m` = heldout - train, `extrapolation_m` =
        target - heldout, and `gain_m`, the base's target minus the tuned model's. For a mixed sample (d = 0) heldout
        is target.
    """
    out = rows.drop_duplicates("run").set_index("run")[[*SPEC, *MEASURED]].sort_index()
    one = out.loc[out["d"] > 0, ["skill", "d"]].itertuples()
    own = [(run, str(level)) for run, skill, d in one for level in _span(skill, d)]
    for metric, risk in RISKS.items():
        risks = risk(rows).set_axis(pd.MultiIndex.from_frame(rows[["run", "slice"]]))
        tuned, base = (risks[(rows["who"] == w).to_numpy()] for w in ("tuned", "base"))
        train = tuned.xs("train", level="slice")
        tuned, base = (r.drop(index="train", level="slice") for r in (tuned, base))
        target, start = (r.groupby("run").mean() for r in (tuned, base))
        heldout = tuned.loc[own].groupby("run").mean().reindex(out.index).where(out["d"] > 0, target)
        found = {"train": train, "heldout": heldout, "target": target, "gain": start - target}
        found |= {"generalization": heldout - train, "extrapolation": target - heldout}
        out = out.assign(**{f"{name}_{metric}": values for name, values in found.items()})
        if metric == "exact":
            out["before"] = 1 - start
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
    metric: str = "gain_exact",
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


def best_cell(levels: ArrayLike, gain: ArrayLike) -> float:
    """Return d*, the trained level with the highest gain; of equal ones the easiest.

    >>> best_cell([2, 3, 5], [0.1, 0.4, 0.4])
    3.0
    """
    return float(levels[int(np.argmax(gain))])


def vertex(levels: ArrayLike, gain: ArrayLike) -> float:
    """Return d*, the top of the parabola through the best cell and its two neighbours.

    The best cell itself at an edge of the levels, where it has one neighbour, and on a plateau of three.

    >>> vertex([2, 3, 4, 5], [-4, -1, 0, -1])
    4.0
    """
    i = int(np.argmax(gain))
    if i in (0, len(levels) - 1):
        return float(levels[i])
    x, y = np.asarray(levels, float)[i - 1 : i + 2], np.asarray(gain, float)[i - 1 : i + 2]
    left, right = np.diff(y) / np.diff(x)
    if left == right:
        return float(x[1])
    slope = (left * (x[2] - x[1]) + right * (x[1] - x[0])) / (x[2] - x[0])  # of the parabola at the best cell
    return float(x[1] + slope * (x[2] - x[0]) / (2 * (left - right)))


ESTIMATORS: dict[str, Callable[[ArrayLike, ArrayLike], float]] = {"best cell": best_cell, "vertex": vertex}


def at_edge(gain: ArrayLike) -> np.ndarray:
    """Tell where the best cell is the first or the last: the optimum is censored, it may lie beyond the levels.

    Args:
        gain: (..., D). Returns bools (...).
    """
    best = np.argmax(gain, -1)
    return (best == 0) | (best == np.shape(gain)[-1] - 1)


def optima(levels: ArrayLike, gain: ArrayLike, estimator: str = "best cell") -> np.ndarray:
    """Return d* of each curve in levels, shape (...); a censored one (`at_edge`) is its edge.

    A difference of two optima is 0 where both are at one edge, whatever the true one is; where one is at an edge, or
    they are at opposite ones, it has the right sign and is no larger than the true one.

    Args:
        gain: (..., D). estimator: one of `ESTIMATORS`.
    """
    return np.apply_along_axis(lambda g: ESTIMATORS[estimator](levels, g), -1, np.asarray(gain, float))


def ridge(runs: pd.DataFrame, **setting: object) -> pd.DataFrame:
    """Return the optimal difficulty d*(n): mean over seeds by each estimator, with its 95 % interval.

    Returns:
        DataFrame n, estimator, d_star, low, high, at_edge (censored seeds) and n_seeds.
    """
    values, seeds, sizes, levels = grid(runs, **setting)
    rows = []
    for i, n in enumerate(sizes):
        edges = int(at_edge(values[:, i]).sum())
        for name in ESTIMATORS:
            rows.append((n, name, *interval(optima(levels, values[:, i], name)), edges, len(seeds)))
    return pd.DataFrame(rows, columns=["n", "estimator", "d_star", "low", "high", "at_edge", "n_seeds"])


def with_a_peak(ridges: pd.DataFrame, gains: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a ridge whose gains differ from level to level; where all are equal there is no optimum.

    Args:
        ridges: columns skill, base, n and others. gains: columns skill, base, n, d, gain (means over seeds).
    """
    each = gains.groupby(["skill", "base", "n"])["gain"]
    peak = (each.max() > each.min()).rename("peak")
    return ridges[ridges.join(peak, on=["skill", "base", "n"])["peak"].to_numpy(bool)].reset_index(drop=True)


def held_out_best(values: ArrayLike) -> np.ndarray:
    """Return, per seed, the gain of the cell that is best on the mean of the other seeds, shape (S,).

    Choosing on the others adds no bias to the mean, but the values hang together, so that a t interval of them is too
    narrow where cells are alike (`statistics.somewhere` asks jointly). A single seed chooses for itself.

    Args:
        values: gains (S, ...).
    """
    values = np.asarray(values, float).reshape(len(values), -1)
    rest = (values.sum(0) - values) if len(values) > 1 else values
    return values[np.arange(len(values)), rest.argmax(1)]


def held_out_optimum(values: ArrayLike) -> np.ndarray:
    """Return, per seed, gain at the best level (`held_out_best`) minus at the easiest and at the hardest, (S, 2).

    Args:
        values: gains (S, D).
    """
    values = np.asarray(values, float)
    return held_out_best(values)[:, None] - values[:, [0, -1]]


def leave_one_n_out(levels: ArrayLike, sizes: Sequence[int], gain: ArrayLike) -> pd.DataFrame:
    """Predict d* at each n from the other n, by a line in log2 n or without any movement.

    A "simple fitted model" (paper, section 8, form not given): d*(n) = a + b log2 n by least squares.

    Args:
        gain: (N, D) of one seed, or a mean over seeds; d* is the `vertex`.

    Returns:
        DataFrame n, measured, line, constant (mean d* of the others) and nearest (d* of the n next in log2 n; of two
        equally near ones their mean).
    """
    measured, x, rows = optima(levels, gain, "vertex"), np.log2(np.asarray(sizes, float)), []
    for i, n in enumerate(sizes):
        rest = np.arange(len(sizes)) != i
        line = np.polyval(np.polyfit(x[rest], measured[rest], 1 if len(sizes) > 2 else 0), x[i])
        inside, away = float(np.clip(line, levels[0], levels[-1])), abs(x - x[i])
        near = measured[rest & np.isclose(away, away[rest].min())].mean()
        rows.append(
            {"n": n, "measured": measured[i], "line": inside, "constant": measured[rest].mean(), "nearest": near}
        )
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
