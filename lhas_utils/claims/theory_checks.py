"""The checks of claims T01 ..: closed forms of `analysis.theory`, and the runs of the experiment `local`."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..analysis import concentration_against_spread, fit_quality, theory
from ..analysis.statistics import effect, exact
from ..runs import experiment
from .contract import check


def random_instances(count: int = 200, p: int = 4, seed: int = 0) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield (theta, theta*, H, gbar_a, gbar_b), shapes (p,) and (p, p), with random PSD H, so that l_a < l_b."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        root = rng.normal(size=(p, p))
        theta, theta_star, a, b = rng.normal(size=(4, p))
        H = root @ root.T
        if theory.expansion(theta, theta_star, H, a)[1] > theory.expansion(theta, theta_star, H, b)[1]:
            a, b = b, a
        yield theta, theta_star, H, a, b


@check
def small_eta(profile: str, metric: str = "exact") -> dict:
    """T01: share of 200 random instances in which Prop. 1 holds at 99 % of the critical step size."""
    held = []
    for instance in random_instances():
        eta = min(0.99 * theory.critical_eta(*instance), 1.0)
        held.append(theory.proposition_1(*instance, eta) == (True, True))
    return exact(np.mean(held), name="share of instances")


@check
def as_printed(profile: str, metric: str = "exact") -> dict:
    """T02: L(theta'_a) - L(theta'_b) of the counter-example at eta = 1/2; Prop. 1 says positive."""
    x = theory.counter_example()
    a, b = (theory.quadratic_loss(x["theta"] - 0.5 * x[g], x["theta_star"], x["H_next"]) for g in ("gbar_a", "gbar_b"))
    return exact(a - b, name="L(a) - L(b)")


@check
def gram_spectrum(profile: str, metric: str = "exact") -> dict:
    """T03: share of eigenvalues of G that the k x k Gram matrix / k gives, to 1e-10 of the trace."""
    g = np.random.default_rng(0).normal(size=(6, 40)) * np.linspace(0.2, 2, 40)
    full, small = np.linalg.eigvalsh(g.T @ g / 6)[-6:], np.linalg.eigvalsh(g @ g.T / 6)
    return exact(np.mean(abs(full - small) < 1e-10 * np.trace(g @ g.T)), name="share of agreeing eigenvalues")


_PRINTED_C = (0.63, 0.25)  # Table 2, Gradient and LHAS


@check
def spread_closed_form(profile: str, metric: str = "exact") -> dict:
    """T08: difference of Var X / (E X)^2 between the paper's printed C of Gradient and of LHAS, 16 dimensions."""
    mean_var = [theory.transfer_moments(np.diag(theory.spectrum(C, 16)), np.eye(16)) for C in _PRINTED_C]
    high, low = (var / mean**2 for mean, var in mean_var)
    return exact(high - low, name="relative variance at C = 0.63 - at 0.25")


@check
def spread_single_direction(profile: str, metric: str = "exact") -> dict:
    """T09: the same for the projection on the mean gradient alone, which is a rank-one G in both cases."""
    ratios = []
    for C in _PRINTED_C:
        gbar = np.sqrt(theory.spectrum(C, 16))
        mean, var = theory.transfer_moments(np.outer(gbar, gbar), np.eye(16))
        ratios.append(var / mean**2)
    return exact(round(ratios[0] - ratios[1], 12), name="relative variance at C = 0.63 - at 0.25")


@check
def regret_grows(profile: str, metric: str = "exact") -> list[dict]:
    """T11: smallest increase of the regret between angles 15 degrees apart, by curvature."""
    optima = [np.array([[1, 0], [np.cos(a), np.sin(a)]]) for a in np.deg2rad(np.arange(0, 181, 15))]
    out = []
    for name, H in (("isotropic curvature", np.eye(2)), ("curvature 1 and 10", np.diag([1.0, 10.0]))):
        regret = [theory.stage_model(o, [H, H])["regret"] for o in optima]
        out.append(exact(np.diff(regret).min(), name=name))
    return out


def _fits(profile: str, arm: str, eta: float | None = None) -> pd.DataFrame:
    fits = fit_quality(experiment("local", profile))
    return fits[(fits["arm"] == arm) & ((fits["eta"] == eta) if eta else True)]


@check
def first_order_small(profile: str, metric: str = "exact") -> dict:
    """T04: R^2 of the first-order prediction of the next stage's loss change, one step of eta = 0.001."""
    return effect(_fits(profile, "sgd", 0.001)["first"], name="R^2")


@check
def equal_gain_pairs(profile: str, metric: str = "exact") -> dict:
    """T05: share of pairs of nearly equal current gain ordered as Prop. 1 says, eta = 0.001, minus 1/2."""
    return effect(_fits(profile, "sgd", 0.001)["pairs"] - 0.5, name="share of pairs - 1/2")


@check
def training_step(profile: str, metric: str = "exact") -> list[dict]:
    """T06: one AdamW step of the protocol: R^2 of the first order, and the order of pairs minus 1/2."""
    fits = _fits(profile, "adamw")
    return [
        effect(fits["first"], name="R^2", smallest=0.5),
        effect(fits["pairs"] - 0.5, name="order of pairs", smallest=0.2),
    ]


@check
def whole_stage(profile: str, metric: str = "exact") -> dict:
    """T07: Spearman correlation of the first-order prediction with the change after a whole stage."""
    return effect(_fits(profile, "train")["spearman"], name="Spearman's rho")


@check
def whole_stage_by_the_mean_gradient(profile: str, metric: str = "exact") -> list[dict]:
    """T12: Spearman correlation of <gbar_S, r>, as a gradient step has it, with the change after a whole stage."""
    rows = experiment("local", profile)
    after = rows[rows["arm"] == "train"].set_index(["seed", "subset"])["next"]
    step = rows[rows["arm"] == "sgd"]
    first = step[step["eta"] == step["eta"].min()].set_index(["seed", "subset"])["first"]
    pairs = [g for _, g in pd.concat([first, after], axis=1).dropna().groupby("seed")]
    rho = [g["first"].corr(g["next"], "spearman") for g in pairs]
    return [effect(rho, name="Spearman's rho")] if rho else []


@check
def spread_measured(profile: str, metric: str = "exact") -> list[dict]:
    """T10: Spearman correlation of C(S) with the spread of transfer, among selections of one size."""
    table = concentration_against_spread(experiment("local", profile))
    return [effect(g["rho"], name=f"selections of {size} size") for size, g in table.groupby("size")]
