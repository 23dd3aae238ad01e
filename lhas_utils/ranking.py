"""Rankings now against later: the checks of `claims.yml` that are not a plain paired contrast.

Each check returns effect, low, high, n_seeds, signed so that positive is what the claim says.
"""

import numpy as np
import pandas as pd

from . import experiments, metrics, quoted, stats
from .true_effect import correlations

NOW, LATER = "immediate_utility", "long_horizon"


def over_seeds(runs: pd.DataFrame, columns: list[str], statistic, **more) -> dict:
    """Return a statistic of the selectors' mean metrics with its paired `stats.bootstrap` over seeds.

    Args:
        runs: one row per run.
        columns: metrics; `statistic` receives one array (K selectors,) for each.
        statistic: function of those arrays.
    """
    wide = runs.pivot(index="seed", columns="selector", values=columns).dropna()
    return stats.bootstrap(np.stack([wide[c] for c in columns], 1), lambda means: statistic(*means), **more)


def _table1(profile: str) -> pd.DataFrame:
    return experiments.runs("table1", profile)


def gap_above_chance(profile: str) -> dict:
    """Return gap (eq. 3) minus (K^2 - 1) / (3 K (K - 1)), the mean of random rankings."""
    runs = _table1(profile)
    K = runs["selector"].nunique()
    return over_seeds(runs, [NOW, LATER], lambda a, b: metrics.myopia_gap(a, b) - (K + 1) / (3 * K), name="gap - mean of random rankings")


def negative_kendall(profile: str) -> dict:
    """Return minus Kendall's tau_b between the rankings now and later."""
    return over_seeds(_table1(profile), [NOW, LATER], lambda a, b: -stats.kendall(a, b), name="-tau_b")


def token_ratio(profile: str) -> list[dict]:
    """Return mean tokens to adapt under Gradient over those under LHAS, minus 1, for both readings."""
    runs = _table1(profile)
    out = []
    for name in ("gradient", "alignment"):
        pair = runs[runs["selector"].isin([name, "lhas"])]  # columns in alphabetical order: name, lhas
        said = f"tokens {name} / lhas - 1"
        out.append(over_seeds(pair, ["adaptation_tokens"], lambda tokens: tokens[0] / max(tokens[1], 1.0) - 1, name=said))
    return out


def _pearson(a, b) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def concentration_forgetting(profile: str) -> dict:
    """Return Pearson r over selectors between concentration C(S) and forgetting."""
    return over_seeds(_table1(profile), ["concentration", "forgetting"], _pearson, name="Pearson's r")


def entropy_concentration(profile: str) -> dict:
    """Return minus Pearson r over selectors between capability entropy and concentration."""
    return over_seeds(_table1(profile), ["entropy", "concentration"], lambda a, b: -_pearson(a, b), name="-Pearson's r")


def differences(runs: pd.DataFrame, against: pd.DataFrame, metrics=(NOW, LATER)) -> pd.DataFrame:
    """Return `runs` with each metric minus that of `against` at the same seed; seeds without it are dropped.

    Args:
        runs: one row per run, of any conditions.
        against: one row per run, at most one a seed.
    """
    base = against.set_index("seed")[list(metrics)]
    kept = runs[runs["seed"].isin(base.index)].copy()
    kept[list(metrics)] -= base.loc[kept["seed"]].to_numpy()
    return kept


SETTING = ["alignment", "precursors", "noise", "budget"]  # the knobs of the regime map


def regime_map(profile: str) -> pd.DataFrame:
    """Return alignment minus Random, one row per setting and seed; empty where a profile leaves the map out."""
    runs = experiments.runs("regimes", profile)
    parts = [differences(g[g["selector"] == "alignment"], g[g["selector"] == "random"]) for _, g in runs.groupby(SETTING)] if len(runs) else []
    return pd.concat(parts) if parts else runs


def reversal_is_the_rule(profile: str) -> list[dict]:
    """Return the share of the map's settings where alignment gains more now and less later, minus 1/2."""
    cells = regime_map(profile)
    if cells.empty:
        return []
    wide = cells.pivot(index="seed", columns=SETTING, values=[NOW, LATER])
    values = np.stack([wide[NOW], wide[LATER]], 1)
    return [stats.bootstrap(values, lambda v: ((v[0] > 0) & (v[1] < 0)).mean() - 0.5, name="share of settings - 1/2")]


def weights_matter_little(profile: str) -> list[dict]:
    """Return 0.05 minus the largest |change of U_long| over lambda, eta, rho at a third and at three times."""
    runs = experiments.runs("sensitivity", profile)
    if runs.empty:
        return []
    complete = experiments.runs("table1", profile).query("selector == 'lhas'")
    d = differences(runs[runs["params"] != ""], complete, [LATER]).pivot(index="seed", columns="params", values=LATER)
    return [stats.bootstrap(d, lambda mean: 0.05 - abs(mean).max(), name="0.05 - largest change")]


def best_band_differs(profile: str) -> dict:
    """Return U_long at the band that is best for later minus U_long at the band best for U_imm.

    Both are chosen on the other seeds, so choosing adds no bias; 0 where they are the same band.
    """
    wide = experiments.runs("bands", profile).pivot(index="seed", columns="params", values=[NOW, LATER])
    now, later = wide[NOW].to_numpy(), wide[LATER].to_numpy()
    others = [m.sum(0) - m if len(m) > 1 else m for m in (now, later)]
    seeds = np.arange(len(later))
    return stats.effect(later[seeds, others[1].argmax(1)] - later[seeds, others[0].argmax(1)], name="band best for later - band best for now")


def _rho(profile: str) -> pd.DataFrame:
    """Return Spearman's rho of each selector's order with the true effects, wide: seed x (selector, target)."""
    rows = experiments.experiment("true_effect", profile)
    return rows if rows.empty else correlations(rows).pivot(index="seed", columns=["selector", "target"], values="rho")


def alignment_knows_now(profile: str) -> list[dict]:
    """Return rho of the alignment score with the true effect on its own stage."""
    rho = _rho(profile)
    return [] if rho.empty else [stats.effect(rho["alignment", "now"], name="rho with the effect now")]


def alignment_knows_later_less(profile: str) -> list[dict]:
    """Return rho of the alignment score with the true effect now, minus with that on all capabilities at the end."""
    rho = _rho(profile)
    return [] if rho.empty else [stats.effect(rho["alignment", "now"] - rho["alignment", "final"], name="rho now - rho in the end")]


def lhas_knows_later(profile: str) -> list[dict]:
    """Return rho of LHAS's score with the final effect, minus that of its base utility and of alignment."""
    rho = _rho(profile)
    if rho.empty:
        return []
    return [stats.effect(rho["lhas", "final"] - rho[other, "final"], name=f"LHAS - {other}") for other in ("utility_diversity", "alignment")]


def printed_gap() -> float:
    """Return eq. 3 on the printed tables: ranks by Table 1's Current and by Table 3; 18 / 7 / 6.

    >>> round(printed_gap(), 4)
    0.4286
    """
    return metrics.myopia_gap(quoted.TABLE1["current"], quoted.TABLE3["25%"])


def printed_gap_column(profile: str) -> dict:
    """Return minus the largest difference of the Gap column from |rank difference| / (K - 1)."""
    ranks = [t.rank(ascending=False) for t in (quoted.TABLE1["current"], quoted.TABLE3["25%"])]
    own = (ranks[0] - ranks[1]).abs() / (len(ranks[0]) - 1)
    return stats.exact(-(own - quoted.TABLE1["gap"]).abs().max(), name="minus the largest difference")


def printed_gap_above_chance(profile: str) -> dict:
    """Return the printed tables' gap minus the 95 % quantile of random rankings of seven."""
    return stats.exact(printed_gap() - np.quantile(stats.gap_null(7), 0.95), name="printed gap - 95 % quantile of chance")


def printed_approach(profile: str) -> list[dict]:
    """Return how much Random and Diversity close in on Utility-diversity from 10 % to 50 % budget."""
    lead = quoted.TABLE3.loc["utility_diversity"] - quoted.TABLE3
    return [stats.exact(round(lead.loc[n, "10%"] - lead.loc[n, "50%"], 6), name=f"{n}: lead at 10 % minus lead at 50 %") for n in ("random", "diversity")]


def printed_budget_ranks(profile: str) -> dict:
    """Return eq. 3 at 10 % minus eq. 3 at 50 % with the one printed Current column."""
    gaps = [metrics.myopia_gap(quoted.TABLE1["current"], quoted.TABLE3[b]) for b in ("10%", "50%")]
    return stats.exact(gaps[0] - gaps[1], name="gap at 10 % - gap at 50 %")


def printed_diversity_order(profile: str) -> list[dict]:
    """Return Utility-diversity's lead over Diversity in each long-horizon column of Table 1."""
    sign = {"future_auc": 1, "forgetting": -1, "ood": 1, "worst_task": 1, "gap": -1}
    lead = quoted.TABLE1.loc["utility_diversity"] - quoted.TABLE1.loc["diversity"]
    return [stats.exact(s * lead[c], name=f"{c}, lead over Diversity") for c, s in sign.items()]


def printed_lhas_current(profile: str) -> dict:
    """Return LHAS's printed Current minus Loss's: negative, so Loss is above it too."""
    return stats.exact(quoted.TABLE1.loc["lhas", "current"] - quoted.TABLE1.loc["loss", "current"], name="LHAS - Loss, printed Current")
