"""Rankings now against later: the checks of the first paper's claims that are not a plain paired contrast."""

import numpy as np
import pandas as pd

from ..analysis import correlations, differences, metrics, runs, statistics
from ..analysis.statistics import effect, exact, related
from ..runs import TABLE1, experiment
from ..worlds import WorldSpec
from . import quoted
from .contract import check

NOW, LATER = "current", "long_horizon"
EQ1 = "immediate_utility"  # U_imm as eq. 1 has it, which takes off each selector's own start
MOVE = {"exact": 0.05, "nll": 0.125, "accuracy": 0.05}  # of U_long, that the weights of LHAS may make
SETTING = ["alignment", "precursors", "noise", "budget"]  # the knobs of the regime map


def _scores(table: pd.DataFrame, *columns: str) -> list[np.ndarray]:
    """Return columns as (S, K), a row a seed that has all selectors."""
    wide = table.pivot(index="seed", columns="selector", values=list(columns)).dropna()
    return [wide[c].to_numpy() for c in columns]


@check
def gap_above_chance(profile: str, metric: str = "exact") -> dict:
    """C18: gap (eq. 3) by U_imm and U_long minus (K^2 - 1) / (3 K (K - 1)), the mean of random rankings."""
    now, later = _scores(runs("table1", profile, metric), EQ1, LATER)
    mean = (now.shape[1] + 1) / (3 * now.shape[1])
    return related(now, later, lambda a, b: metrics.myopia_gap(a, b) - mean, "gap - mean of random rankings")


def _tau(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Kendall's tau_b, 0 where one ranking has no order."""
    return np.nan_to_num(statistics.kendall(a, b))


def _over_budgets(profile: str, metric: str) -> dict[float, tuple[np.ndarray, np.ndarray]]:
    """Return U_imm and U_long, (S, K) each, by budget, of the seeds and selectors that ran at all three; or empty."""
    both = runs("table1", profile, metric), runs("budgets", profile, metric)
    if any(table.empty for table in both):
        return {}
    budgets, table = (0.1, 0.25, 0.5), pd.concat(both).drop_duplicates(["seed", "budget", "selector"])
    table = table[table["budget"].isin(budgets)]
    table = table[table.groupby("selector")["budget"].transform("nunique") == len(budgets)]
    wide = table.pivot(index="seed", columns=["budget", "selector"], values=[LATER, EQ1]).dropna().sort_index(axis=1)
    return {b: (wide[EQ1, b].to_numpy(), wide[LATER, b].to_numpy()) for b in budgets}


@check
def gap_largest_at_ten(profile: str, metric: str = "exact") -> list[dict]:
    """Q04: gap (eq. 3) by U_imm and U_long at the 10 % budget minus that at 25 and at 50 %, per seed."""
    gaps = {b: metrics.myopia_gap(*two) for b, two in _over_budgets(profile, metric).items()}
    return [effect(gaps[0.1] - gaps[b], name=f"gap at 10 % - gap at {b:.0%}") for b in gaps if b > 0.1]


@check
def order_keeps_over_budgets(profile: str, metric: str = "exact") -> list[dict]:
    """B05: Kendall's tau_b between the rankings by U_long at the 10 % budget and at 25 and 50 %, per seed."""
    of = {b: later for b, (_, later) in _over_budgets(profile, metric).items()}
    return [related(of[0.1], of[b], _tau, f"tau_b, 10 % and {b:.0%}") for b in of if b > 0.1]


@check
def negative_kendall(profile: str, metric: str = "exact") -> dict:
    """C19: minus Kendall's tau_b between the rankings now and later; 0 for a seed whose selectors all tie."""
    now, later = _scores(runs("table1", profile, metric), NOW, LATER)
    return related(-now, later, _tau, "-tau_b")


@check
def branched_rankings_disagree(profile: str, metric: str = "exact") -> dict:
    """B21: minus Kendall's tau_b between the selectors' branched gain now and what comes later, per seed."""
    table = runs("branch", profile, metric)
    now, later = _scores(table[table["selector"].isin(TABLE1)], "now", "later")
    return related(-now, later, _tau, "-tau_b")


@check
def token_ratio(profile: str, metric: str = "exact") -> list[dict]:
    """C20: tokens to adapt under Gradient over those under LHAS, minus 1, for both readings."""
    tokens = runs("table1", profile, metric).pivot(index="seed", columns="selector", values="adaptation_tokens")
    ratios = {name: tokens[name] / tokens["lhas"].clip(lower=1) - 1 for name in ("gradient", "alignment")}
    return [effect(ratio, f"tokens {name} / lhas - 1") for name, ratio in ratios.items()]


def _pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Pearson's r of (..., K), and 0 for a side without spread."""
    a, b = (x - x.mean(-1, keepdims=True) for x in (a, b))
    with np.errstate(invalid="ignore"):
        return np.nan_to_num((a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum(-1)))


@check
def concentration_forgetting(profile: str, metric: str = "exact") -> dict:
    """C29: Pearson r over selectors between concentration C(S) and forgetting."""
    return related(*_scores(runs("table1", profile, metric), "concentration", "forgetting"), _pearson, "Pearson's r")


@check
def entropy_concentration(profile: str, metric: str = "exact") -> dict:
    """C30: minus Pearson r over selectors between capability entropy and concentration."""
    entropy, concentration = _scores(runs("table1", profile, metric), "entropy", "concentration")
    return related(-entropy, concentration, _pearson, "-Pearson's r")


def regime_map(profile: str, metric: str = "exact") -> pd.DataFrame:
    """Return alignment minus Random, one row per setting and seed; empty where a profile leaves the map out.

    Those of `NOW`, `LATER` and `EQ1` are differences; the other columns are alignment's own.
    """
    table = runs("regimes", profile, metric)
    cells = [g for _, g in table.groupby(SETTING)] if len(table) else []
    of = {name: [g[g["selector"] == name] for g in cells] for name in ("alignment", "random")}
    pairs = zip(of["alignment"], of["random"])
    return pd.concat([differences(a, r, [NOW, LATER, EQ1]) for a, r in pairs]) if cells else table


def counted_once(cells: pd.DataFrame) -> pd.DataFrame:
    """Return rows of the map without a setting's doubles: where all stages are one, there are no precursors to vary."""
    again = (cells["alignment"].astype(float) == 1) & (cells["precursors"].astype(float) != WorldSpec().precursors)
    return cells[~again]


@check
def reversal_is_the_rule(profile: str, metric: str = "exact") -> list[dict]:
    """R02: share of the map's settings, `counted_once`, where alignment gains more now and less later, minus 1/2."""
    cells = regime_map(profile, metric)
    if cells.empty:
        return []
    wide = counted_once(cells).pivot(index="seed", columns=SETTING, values=[NOW, LATER])
    share = ((wide[NOW] > 0) & (wide[LATER] < 0)).mean(axis=1) - 0.5
    return [effect(share, name="share of settings - 1/2")]


@check
def weights_matter_little(profile: str, metric: str = "exact") -> list[dict]:
    """A08: `MOVE` minus |mean change of U_long| with lambda, eta or rho changed, a part each.

    Per seed MOVE - s d, d the seed's change and s the sign of its mean, so that the interval is that of the mean.
    """
    table = runs("sensitivity", profile, metric)
    if table.empty:
        return []
    complete = runs("table1", profile, metric).query("selector == 'lhas'")
    changed = differences(table[table["params"] != ""], complete, [LATER])
    groups = changed.groupby("params", sort=False)[LATER]
    return [effect(MOVE[metric] - np.sign(d.mean()) * d, name=f"{MOVE[metric]} - |change|, {w}") for w, d in groups]


@check
def best_band_differs(profile: str, metric: str = "exact") -> dict:
    """D21: U_long at the band that is best for later minus U_long at the band best for the current score.

    Both are chosen on the other seeds, so choosing adds no bias; 0 where they are the same band.
    """
    wide = runs("bands", profile, metric).pivot(index="seed", columns="params", values=[NOW, LATER])
    now, later = wide[NOW].to_numpy(), wide[LATER].to_numpy()
    others = [m.sum(0) - m if len(m) > 1 else m for m in (now, later)]
    at = [later[np.arange(len(later)), m.argmax(1)] for m in others]
    return effect(at[1] - at[0], name="band best for later - band best for the current score")


def _rho(profile: str) -> pd.DataFrame:
    """Return Spearman's rho of each selector's order with the true effects, wide: seed x (selector, target)."""
    rows = experiment("true_effect", profile)
    return rows if rows.empty else correlations(rows).pivot(index="seed", columns=["selector", "target"], values="rho")


@check
def alignment_knows_now(profile: str, metric: str = "exact") -> list[dict]:
    """E01: rho of the alignment score with the true effect on its own stage."""
    rho = _rho(profile)
    return [] if rho.empty else [effect(rho["alignment", "now"], name="rho with the effect now")]


@check
def alignment_knows_later_less(profile: str, metric: str = "exact") -> list[dict]:
    """E02: rho of the alignment score with the true effect now, minus with that on all capabilities at the end."""
    rho = _rho(profile)
    if rho.empty:
        return []
    return [effect(rho["alignment", "now"] - rho["alignment", "final"], name="rho now - rho in the end")]


@check
def lhas_knows_later(profile: str, metric: str = "exact") -> list[dict]:
    """E03: rho of LHAS's score with the final effect, minus that of its base utility and of alignment."""
    rho = _rho(profile)
    if rho.empty:
        return []
    others = ("utility_diversity", "alignment")
    return [effect(rho["lhas", "final"] - rho[other, "final"], name=f"LHAS - {other}") for other in others]


def printed_gap() -> float:
    """Return eq. 3 on the printed tables: ranks by Table 1's Current and by Table 3; 18 / 7 / 6.

    >>> round(printed_gap(), 4)
    0.4286
    """
    return float(metrics.myopia_gap(quoted.TABLE1["current"], quoted.TABLE3["25%"]))


@check
def printed_gap_column(profile: str, metric: str = "exact") -> dict:
    """Q01: minus the largest difference of the Gap column from |rank difference| / (K - 1)."""
    ranks = [t.rank(ascending=False) for t in (quoted.TABLE1["current"], quoted.TABLE3["25%"])]
    own = (ranks[0] - ranks[1]).abs() / (len(ranks[0]) - 1)
    return exact(-(own - quoted.TABLE1["gap"]).abs().max(), name="minus the largest difference")


@check
def printed_gap_above_chance(profile: str, metric: str = "exact") -> dict:
    """Q02: the printed tables' gap minus the 95 % quantile of random rankings of seven."""
    chance = np.quantile(statistics.gap_null(7), 0.95)
    return exact(printed_gap() - chance, name="printed gap - 95 % quantile of chance")


@check
def printed_approach(profile: str, metric: str = "exact") -> list[dict]:
    """Q03: how much Random and Diversity close in on Utility-diversity from 10 % to 50 % budget."""
    lead = quoted.TABLE3.loc["utility_diversity"] - quoted.TABLE3
    closer = {n: round(lead.loc[n, "10%"] - lead.loc[n, "50%"], 6) for n in ("random", "diversity")}
    return [exact(value, name=f"{n}: lead at 10 % minus lead at 50 %") for n, value in closer.items()]


@check
def printed_diversity_order(profile: str, metric: str = "exact") -> list[dict]:
    """Q05: Utility-diversity's lead over Diversity in each long-horizon column of Table 1."""
    sign = {"future_auc": 1, "forgetting": -1, "ood": 1, "worst_task": 1, "gap": -1}
    lead = quoted.TABLE1.loc["utility_diversity"] - quoted.TABLE1.loc["diversity"]
    return [exact(s * lead[c], name=f"{c}, lead over Diversity") for c, s in sign.items()]


@check
def printed_lhas_current(profile: str, metric: str = "exact") -> dict:
    """Q06: LHAS's printed Current minus Loss's: negative, so Loss is above it too."""
    printed = quoted.TABLE1["current"]
    return exact(printed["lhas"] - printed["loss"], name="LHAS - Loss, printed Current")
