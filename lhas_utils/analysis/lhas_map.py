"""Where LHAS pays: paired differences in every cell of the map, and a word for each."""

import numpy as np
import pandas as pd
from scipy import stats

from ..core import choose
from ..runs import ARMS, CELLS, as_text
from .statistics import holm, somewhere
from .summary import summary

KNOBS = tuple(CELLS)
QUANTITIES = ("long_horizon", "current", "future_auc", "forgetting")
LESS = ("forgetting",)  # quantities of which less is better
OPPONENTS = tuple(arm for arm in ARMS if arm != "lhas")
PAIRS = tuple(("lhas", arm) for arm in OPPONENTS) + tuple((arm, "random") for arm in OPPONENTS if arm != "random")
SMALLEST = {"exact": 0.02, "nll": 0.05, "accuracy": 0.01}  # smallest difference of interest of one score
WORDS = ("pays", "costs", "equivalent", "open")


def smallest(quantity: str, metric: str = "exact") -> float:
    """Return the smallest difference of interest; U_long, a sum of four terms, has twice that of one score."""
    return SMALLEST[choose("metric", metric, SMALLEST)] * (2 if quantity == "long_horizon" else 1)


def map_runs(rows: pd.DataFrame, metric: str = "exact") -> pd.DataFrame:
    """Return `summary` of the map's rows with the column `arm`."""
    arms = {(name, as_text(params)): arm for arm, (name, params) in ARMS.items()}
    runs = summary(rows, metric)
    return runs.assign(arm=[arms[pair] for pair in zip(runs["selector"], runs["params"])])


def differences_by_cell(runs: pd.DataFrame, pairs=PAIRS) -> pd.DataFrame:
    """Return a - b at the same cell and seed for pairs of arms, one row per pair, cell and seed.

    Args:
        runs: of `map_runs`.
        pairs: arms (a, b); a pair of which an arm has no runs is left out.

    Returns:
        DataFrame a, b, `KNOBS`, seed, and `QUANTITIES`, each the difference of a and b.
    """
    of = {arm: part.set_index([*KNOBS, "seed"])[[*QUANTITIES]] for arm, part in runs.groupby("arm")}
    found = {(a, b): (of[a] - of[b]).dropna() for a, b in pairs if a in of and b in of}
    return pd.concat(found, names=["a", "b"]).reset_index()


def cell_words(intervals: pd.DataFrame, metric: str = "exact") -> pd.DataFrame:
    """Judge every cell of the map from its 95 % t interval.

    With n seeds the interval's half-width is t_{.975, n-1} se, which gives se, the paired t test's
    p = 2 P(T > |mean| / se) and the 90 % interval mean +- t_{.95, n-1} se. Holm adjusts p over the cells of one pair
    and quantity. The word is `pays` or `costs` for an adjusted p below 0.05, by the sign of what a gains; else
    `equivalent` where the 90 % interval lies within +-`smallest`; else `open`. Fewer than two seeds say nothing.

    Args:
        intervals: columns a, b, `KNOBS`, metric (the quantity), mean, low, high, n_seeds.
        metric: score in which the quantities were measured.

    Returns:
        The same rows with p, p_holm and word.
    """
    out, n = intervals.reset_index(drop=True), intervals["n_seeds"].to_numpy()
    mean, half = out["mean"].to_numpy(), (out["high"] - out["low"]).to_numpy() / 2
    many = np.where(n > 1, n - 1, 1)
    error = half / stats.t.ppf(0.975, many)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(error > 0, 2 * stats.t.sf(abs(mean) / error, many), np.where(mean == 0, 1.0, 0.0))
    out["p"] = np.where(n > 1, p, 1.0)
    out["p_holm"] = out.groupby(["a", "b", "metric"])["p"].transform(holm)
    limit = out["metric"].map(lambda quantity: smallest(quantity, metric))
    within = (n > 1) & (abs(mean) + stats.t.ppf(0.95, many) * error < limit)
    gain = np.where(out["metric"].isin(LESS), -mean, mean)
    told = np.where(gain > 0, "pays", "costs")
    out["word"] = np.where(out["p_holm"] < 0.05, told, np.where(within, "equivalent", "open"))
    return out


def tally(words: pd.DataFrame, quantity: str = "long_horizon") -> pd.DataFrame:
    """Return in how many cells each pair pays, costs, is equivalent or open: rows `a - b`, columns `WORDS`."""
    part = words[words["metric"] == quantity]
    pairs = (part["a"] + " - " + part["b"]).rename("pair")
    return pd.crosstab(pairs, part["word"]).reindex(columns=[*WORDS], fill_value=0)


def verdict(words: pd.DataFrame, b: str, a: str = "lhas", quantity: str = "long_horizon") -> str:
    """Return in words in how many cells of the map a is better than b, worse, equivalent, and not told apart.

    Raises:
        ValueError: for a pair that is not on the map.
    """
    part = words[(words["metric"] == quantity) & (words["a"] == a) & (words["b"] == b)]
    if part.empty:
        known = ", ".join(dict.fromkeys(words["a"] + " - " + words["b"]))
        raise ValueError(f"verdict: expected a pair of the map, {known}; got {a} - {b}")
    counts = {word: int((part["word"] == word).sum()) for word in WORDS}
    name, other = ({"lhas": "LHAS"}.get(arm, arm) for arm in (a, b))
    other = f"itself {other}" if other.startswith("with") else other
    told = f"better in {counts['pays']}, worse in {counts['costs']} of {len(part)} cells"
    rest = f"equivalent in {counts['equivalent']}, open in {counts['open']}"
    return f"{name} against {other}: {told} ({rest}; Holm over the cells)."


def pays_somewhere(runs: pd.DataFrame, a: str, b: str, quantity: str = "long_horizon") -> dict:
    """Return the `statistics.somewhere` effect of a - b over the cells of the map: positive where a gains somewhere."""
    wide = differences_by_cell(runs, [(a, b)]).pivot(index="seed", columns=[*KNOBS], values=quantity).to_numpy()
    return somewhere(-wide if quantity in LESS else wide, name=f"{quantity}: {a} - {b}, somewhere on the map")
