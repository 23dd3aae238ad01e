"""How well a cheap number tells a measured one: Taylor terms, update concentration, scores, whole worlds."""

from math import comb

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from ..studies import FRESH, START, TARGETS
from .statistics import by_chance, pair_signs


def r_squared(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Return 1 - sum (y - yhat)^2 / sum (y - mean y)^2, no refit; in (-inf, 1]."""
    y, predicted = np.asarray(actual, float), np.asarray(predicted, float)
    return float(1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def fit_quality(rows: pd.DataFrame) -> pd.DataFrame:
    """Return per run, arm and step size how well the Taylor terms tell the next stage's loss change.

    Args:
        rows: rows of the experiment `local`.

    Returns:
        DataFrame seed, arm, eta, length (mean), first and second (R^2 against the identity line), spearman (first
        order against actual) and pairs: the share of pairs of selections with nearly equal current gain (the closest
        tenth) that the inner product orders as the actual loss does, which is what Prop. 1 says of them.
    """
    out = []
    for (seed, arm, eta), g in rows.groupby(["seed", "arm", "eta"], sort=False):
        i, j = np.triu_indices(len(g), 1)
        first, after, now = (g[c].to_numpy() for c in ("first", "next", "now"))
        gap = abs(now[i] - now[j])
        near = gap <= np.quantile(gap, 0.1)
        same = (np.sign(first[i] - first[j]) == np.sign(after[i] - after[j]))[near]
        fit = {"first": r_squared(after, first), "second": r_squared(after, g["second"])}
        order = {"spearman": g["first"].corr(g["next"], "spearman"), "pairs": same.mean()}
        out.append({"seed": seed, "arm": arm, "eta": eta, "length": g["length"].mean()} | fit | order)
    return pd.DataFrame(out)


def concentration_against_spread(rows: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's rho of C(S) with the spread of transfer among selections of one size, per seed.

    Args:
        rows: rows of the experiment `local`.

    Returns:
        DataFrame seed, size (batch or budget), rho, rho_gaussian (of the spread with its Gaussian prediction).
    """
    one = rows[rows["arm"] == "adamw"]
    size = pd.Series(np.where(one["kind"] == "batch", "batch", "budget"), one.index, name="size")
    groups = one.groupby([one["seed"], size])[["C", "spread", "spread_gaussian"]]
    rho = {key: g.corr("spearman")["spread"] for key, g in groups}
    table = [(*key, r["C"], r["spread_gaussian"]) for key, r in rho.items()]
    return pd.DataFrame(table, columns=["seed", "size", "rho", "rho_gaussian"])


def _rho(a: pd.Series, b: pd.Series) -> float:
    """Return Spearman's rho, and 0 for a side without any order."""
    return float(stats.spearmanr(a, b).statistic) if a.nunique() > 1 and b.nunique() > 1 else 0.0


def correlations(rows: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's rho of every selector's order with every effect: seed, selector, target, rho.

    `selector` is also `reliability`: the two half estimates' rho r, stepped up to the whole by Spearman-Brown,
    2 r / (1 + r); and `effect now`: how far the true effect now tells the later ones.

    Args:
        rows: rows of the experiment `true_effect`; a selector's order is the column `order_NAME`.
    """
    orders = {c: c.removeprefix("order_") for c in rows if c.startswith("order_")}
    out = []
    for seed, g in rows.groupby("seed"):
        for target in TARGETS:
            r = max(_rho(g[f"{target}_odd"], g[f"{target}_even"]), 0.0)
            out.append((seed, "reliability", target, 2 * r / (1 + r)))
            out += [(seed, name, target, _rho(g[column], g[target])) for column, name in orders.items()]
            if target != "now":
                out.append((seed, "effect now", target, _rho(g["now"], g[target])))
    return pd.DataFrame(out, columns=["seed", "selector", "target", "rho"])


def ordered_alike(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """Return the share of pairs of entries that two score vectors (..., K) order alike, a tie in one counting 1/2.

    >>> float(ordered_alike([1, 2, 3], [1, 3, 2])), float(ordered_alike([1, 1], [1, 2]))
    (0.6666666666666666, 0.5)
    """
    x, y = (pair_signs(np.round(scores, 12)) for scores in (a, b))  # the rounding of a mean breaks no tie
    return ((1 + x * y) / 2).mean(-1)


def decided(cheap: pd.DataFrame, real: pd.DataFrame, quantity: str) -> tuple[np.ndarray, pd.DataFrame]:
    """Return (mean score of each selector in a cheap world (1, K), scores on the real model, seed x selector).

    No training and RS2 are no selectors: that any training beats none and that most of a pool beats a quarter of it
    would be decided alike by any two worlds.

    Args:
        cheap, real: one row a seed and selector (`branched`); selectors that are in both are taken.
        quantity: a column of both.

    Raises:
        ValueError: fewer than two selectors in common, or fewer than two seeds of the real model.
    """
    shared = set(cheap["selector"]) - {START, FRESH}
    names = [s for s in dict.fromkeys(real["selector"]) if s in shared]
    if len(names) < 2:
        raise ValueError(f"decision_accuracy: expected two selectors in both worlds; got {', '.join(names) or 'none'}")
    told, seen = (t.pivot(index="seed", columns="selector", values=quantity)[names] for t in (cheap, real))
    if len(seen) < 2:
        raise ValueError(f"decision_accuracy: expected two seeds of the real model; got {len(seen)}")
    return told.mean().to_numpy()[None], seen


def decision_accuracy(cheap: pd.DataFrame, real: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Return, per seed of the real model, the share of pairs of selectors that a cheap world orders as it does.

    The cheap world's order is that of its mean over seeds (`ordered_alike`); .5 is chance. `others` is the same with
    the mean of the real model's other seeds in place of the cheap world: how well the real model tells itself.

    Args:
        cheap, real, quantity: as in `decided`, which says what is refused.

    Returns:
        DataFrame seed, accuracy, others, pairs, and p: `by_chance`, one number for all seeds.
    """
    told, seen = decided(cheap, real, quantity)
    rest = (seen.sum() - seen) / (len(seen) - 1)
    out = {"accuracy": ordered_alike(told, seen), "others": ordered_alike(rest, seen)}
    counts = {"pairs": comb(seen.shape[1], 2), "p": by_chance(told, seen, ordered_alike)}
    return pd.DataFrame(out, seen.index).reset_index().assign(**counts)
