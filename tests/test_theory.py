"""The closed forms of `theory` against hand computation, Monte Carlo and numeric optimisation; Taylor terms exact."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lhas_utils import local_analysis, theory, theory_claims
from lhas_utils.config import ModelSpec, TrainSpec, WorldSpec
from lhas_utils.models import create, encode, symbol_tokenizer, weights
from lhas_utils.training import example_loss
from lhas_utils.worlds import skill_world

SEEDS = st.integers(0, 2**31)


def test_expansion_by_hand():
    # L = 1/2 (2 * 1 + 4) = 3, H d = (2, 2), l = 2 * 1 - 2 * 1 = 0 for g = (1, -1), q = 2 + 1 = 3
    H = np.diag([2.0, 1.0])
    L, l, q = theory.expansion([1.0, 2.0], np.zeros(2), H, [1.0, -1.0])
    assert (L, l, q) == (3.0, 0.0, 3.0)
    assert theory.quadratic_loss([0.5, 2.5], np.zeros(2), H) == 3.0 + 0.25 / 2 * 3.0


@given(SEEDS, st.floats(0.0, 10.0))
def test_expansion_is_exact_at_every_step_size(seed, eta):
    (theta, theta_star, H, g, _), *_ = theory_claims.random_instances(1, seed=seed)
    L, l, q = theory.expansion(theta, theta_star, H, g)
    assert theory.quadratic_loss(theta - eta * g, theta_star, H) == pytest.approx(
        L - eta * l + eta**2 / 2 * q, rel=1e-9, abs=1e-9
    )


@given(SEEDS, st.floats(0.01, 0.99))
def test_proposition_1_holds_below_and_fails_above_the_critical_step(seed, share):
    (instance, *_) = theory_claims.random_instances(1, seed=seed)
    eta = theory.critical_eta(*instance)
    if np.isfinite(eta):
        assert theory.proposition_1(*instance, share * eta) == (True, True)
        assert theory.proposition_1(*instance, eta / share) == (True, False)
    else:
        assert theory.proposition_1(*instance, 100 * share) == (True, True)


def test_premise_is_required():
    one = np.ones(1)
    with pytest.raises(ValueError, match="expected l_a < l_b"):
        theory.critical_eta(one, 0 * one, np.eye(1), 2 * one, one)


def test_counter_example_by_hand():
    x = theory.counter_example(2 / 7)
    assert x["gbar_b"][2] == pytest.approx(2.0)
    pair = (x["theta"], x["theta_star"], x["H_next"], x["gbar_a"], x["gbar_b"])
    assert theory.critical_eta(*pair) == pytest.approx(2 / 7)
    half = Fraction(1, 2)
    a = half * (1 - half) ** 2  # (1 - eta)^2 / 2
    b = half * ((1 - 2 * half) ** 2 + (2 * half) ** 2)  # ((1 - 2 eta)^2 + (2 eta)^2) / 2
    assert (a, b) == (Fraction(1, 8), Fraction(1, 2))
    after = [theory.quadratic_loss(x["theta"] - 0.5 * x[g], x["theta_star"], x["H_next"]) for g in ("gbar_a", "gbar_b")]
    assert after == pytest.approx([float(a), float(b)])


@given(st.floats(1e-4, 2 / 3))
def test_counter_example_flips_at_the_step_asked_for_with_equal_current_gain(eta):
    x = theory.counter_example(eta)
    pair = (x["theta"], x["theta_star"], x["H_next"], x["gbar_a"], x["gbar_b"])
    assert theory.proposition_1(*pair, 0.9 * eta) == (True, True)
    assert theory.proposition_1(*pair, 1.1 * eta) == (True, False)
    now = [theory.quadratic_loss(x["theta"] - eta * x[g], x["theta_star"], x["H_now"]) for g in ("gbar_a", "gbar_b")]
    assert now[0] == now[1]


@pytest.mark.parametrize("eta", [0, -1, 0.7, float("nan")])
def test_counter_example_says_which_step_sizes_it_can_have(eta):
    with pytest.raises(ValueError, match="expected a number in"):
        theory.counter_example(eta)


@pytest.fixture(scope="module")
def tiny():
    """A small model in double precision, the data it is measured on, and three directions."""
    world = skill_world(WorldSpec(pool_size=20, test_size=5), 1000, validation_size=6)
    tokenizer = symbol_tokenizer()
    model = create(ModelSpec(hidden=8, heads=2, layers=1), tokenizer, 1000).double().eval()
    v = torch.tensor(np.random.default_rng(0).normal(size=(3, len(weights(model)))))
    return model, encode(world.stages[1].validation, tokenizer), v / v.norm(dim=1, keepdim=True)


def test_hessian_products_agree_with_finite_differences(tiny):
    model, data, v = tiny
    before = weights(model)
    r, products = local_analysis.hvp(model, data, v)
    theta, loss = local_analysis._flat_loss(model, data)
    assert float(loss(theta)) == pytest.approx(float(example_loss(model, data).mean().detach()), rel=1e-6)

    def slope(x):
        x = x.clone().requires_grad_()
        return torch.autograd.grad(loss(x), x)[0]

    assert torch.allclose(r, slope(theta), rtol=1e-9, atol=1e-12)
    for direction, product in zip(v, products):  # the library's norms compute in single precision, hence the step
        numeric = (slope(theta + 1e-2 * direction) - slope(theta - 1e-2 * direction)) / 2e-2
        assert (product - numeric).norm() < 1e-3 * product.norm()
    assert float(products[0] @ v[1]) == pytest.approx(float(products[1] @ v[0]), rel=1e-5)
    assert torch.equal(weights(model), before)


def test_taylor_terms_predict_small_steps_to_third_order(tiny):
    model, data, v = tiny
    l, q = local_analysis.taylor_terms(model, data, v).T
    errors = []
    for eta in (0.2, 0.1):
        actual = local_analysis.actual_change(model, data, v, [eta])[:, 0]
        errors.append(abs(actual - (-eta * l + eta**2 / 2 * q)))
    assert np.all(errors[0] < 2e-4)
    assert np.median(errors[0] / errors[1]) == pytest.approx(8, rel=0.2)  # halving eta: an eighth


def test_r_squared_is_not_refitted():
    assert local_analysis.r_squared([1, 2, 3], [1, 2, 3]) == 1
    assert local_analysis.r_squared([1, 2, 3], [2, 2, 2]) == 0
    assert local_analysis.r_squared([1, 2, 3], [2, 4, 6]) == 1 - 14 / 2


def test_local_run_has_one_row_for_each_selection_arm_and_step():
    spec = local_analysis.LocalSpec(
        1000, random=3, batches=2, trained=1, world=WorldSpec(pool_size=40, test_size=4),
        model=ModelSpec(hidden=8, heads=2, layers=1, steps=2), train=TrainSpec(steps=2, batch_size=4, probe_steps=(0, 1)),
    )  # fmt: skip
    rows, picks = local_analysis.execute(spec)
    again, _ = local_analysis.execute(spec)
    assert picks is None
    pd.testing.assert_frame_equal(rows, again)
    counts = rows["arm"].value_counts()
    assert counts.to_dict() == {"sgd": 12 * len(local_analysis.ETAS), "adamw": 12, "train": 8}
    assert np.isfinite(rows[["next", "first", "now", "length", "C", "spread"]].to_numpy()).all()
    fits = local_analysis.fit_quality(rows.assign(seed=1000))
    assert len(fits) == len(local_analysis.ETAS) + 2 and fits["pairs"].between(0, 1).all()
    assert len(local_analysis.concentration_against_spread(rows.assign(seed=1000))) == 2


def test_selections_of_the_local_run_leave_global_randomness_alone():
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    list(theory_claims.random_instances(3))
    theory.simulate_transfer(np.eye(2), np.eye(2), 5, rng=np.random.default_rng(0))
    assert np.array_equal(before[0], np.random.get_state()[1]) and torch.equal(before[1], torch.get_rng_state())


@settings(max_examples=20)
@given(SEEDS)
def test_transfer_moments_agree_with_monte_carlo(seed):
    rng = np.random.default_rng(seed)
    g, root = rng.normal(size=(5, 3)), rng.normal(size=(3, 3))
    G, Sigma = g.T @ g / 5, root @ root.T
    mean, variance = theory.transfer_moments(G, Sigma)
    X = theory.simulate_transfer(G, Sigma, 40_000, rng=rng)
    assert X.mean() == pytest.approx(mean, abs=6 * np.sqrt(variance / len(X)))
    assert X.var() == pytest.approx(variance, rel=0.25)


@given(st.floats(1 / 8, 1.0))
def test_concentration_bounds_the_relative_variance(share):
    p = theory.spectrum(share, 8)
    mean, variance = theory.transfer_moments(np.diag(p), np.eye(8))
    assert p.sum() == pytest.approx(1) and p.max() == pytest.approx(share)
    assert 2 * share**2 - 1e-12 <= variance / mean**2 <= 2 * share + 1e-12


def test_transfer_by_hand_and_of_one_direction():
    assert theory.transfer_moments(np.diag([0.5, 0.5]), np.eye(2)) == (1.0, 1.0)
    mean, variance = theory.transfer_moments(np.outer([1, 2], [1, 2]), np.diag([3.0, 5.0]))
    assert (mean, variance / mean**2) == (23.0, 2.0)


def test_spectrum_says_what_shares_exist():
    with pytest.raises(ValueError, match=r"expected a number in \[1/4, 1\]"):
        theory.spectrum(0.2, 4)


def test_spectra_of_gradients_by_hand():
    g, f = np.diag([2.0, 1.0]), np.eye(2)  # p = (0.8, 0.2); X = (2, 0.5)
    out = local_analysis.spectra(g @ f.T, g @ g.T)
    assert out["C"] == pytest.approx(0.8) and out["C_normalised"] == pytest.approx(0.5)
    assert out["ipr"] == pytest.approx(0.68)
    assert out["spread"] == pytest.approx(0.75**2 / 1.25**2)
    assert out["spread_gaussian"] == pytest.approx(2 * 0.68)


@pytest.mark.parametrize("T", [2, 3, 5])
@pytest.mark.parametrize("degrees", [20, 60, 95])
def test_regret_of_equiangular_stages_in_closed_form(T, degrees):
    angle = np.deg2rad(degrees)
    optima = theory.equiangular(T, angle)
    assert np.allclose(optima @ optima.T, np.where(np.eye(T), 1, np.cos(angle)))
    out = theory.stage_model(optima, [np.eye(T)] * T)
    assert out["regret"] == pytest.approx((T - 1) * np.sin(angle / 2) ** 2)
    assert np.allclose(out["myopic"], np.eye(T), atol=1e-6)
    assert np.allclose(out["long"][-1], 1 / T, atol=1e-4)


@settings(max_examples=20)
@given(SEEDS, st.floats(0.1, 1.0), st.floats(0.0, 2.0))
def test_the_long_horizon_is_never_worse_and_no_random_mixture_beats_it(seed, kappa, alpha):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(3, 2, 2))
    optima, H = rng.normal(size=(3, 2)), root @ root.transpose(0, 2, 1)
    out = theory.stage_model(optima, H, kappa, alpha)
    assert out["regret"] >= -1e-5
    for key in ("myopic", "long"):
        assert np.allclose(out[key].sum(1), 1) and out[key].min() >= 0
    for w in rng.dirichlet(np.ones(3), size=(20, 3)):
        theta, path = np.zeros(2), []
        for row in w:
            theta = theta + kappa * (row @ optima - theta)
            path.append(theta)
        J = sum(theory.quadratic_loss(path[-1], optima[t], H[t]) for t in range(3))
        J += alpha * sum(theory.quadratic_loss(path[t], optima[t + 1], H[t + 1]) for t in range(2))
        assert J >= out["J_long"] - 1e-5 * (1 + J)


def test_regret_by_a_grid_of_mixtures():
    optima, H = np.array([[1.0, 0.0], [-0.5, 1.0]]), np.array([np.diag([1.0, 4.0]), np.diag([2.0, 1.0])])
    s = np.linspace(0, 1, 10_001)
    final = s[:, None] * optima[0] + (1 - s[:, None]) * optima[1]
    J = sum(np.einsum("ni,ij,nj->n", final - o, h, final - o) / 2 for o, h in zip(optima, H))
    out = theory.stage_model(optima, H)
    assert out["J_long"] == pytest.approx(J.min(), abs=1e-6)
    assert out["J_myopic"] == pytest.approx(theory.quadratic_loss(optima[1], optima[0], H[0]))


def test_stage_model_and_angles_say_what_they_expect():
    with pytest.raises(ValueError, match="kappa"):
        theory.stage_model(np.eye(2), [np.eye(2)] * 2, kappa=0)
    with pytest.raises(ValueError, match="expected cos"):
        theory.equiangular(3, np.pi)


def test_exact_claims_fall_as_the_notebook_says():
    assert theory_claims.small_eta("smoke")["effect"] == 1
    assert theory_claims.as_printed("smoke")["effect"] == pytest.approx(-3 / 8)
    assert theory_claims.gram_spectrum("smoke")["effect"] == 1
    assert theory_claims.spread_closed_form("smoke")["effect"] == pytest.approx(0.612053, abs=1e-6)
    assert theory_claims.spread_single_direction("smoke")["effect"] == 0
    isotropic, unequal = theory_claims.regret_grows("smoke")
    assert isotropic["effect"] > 0 > unequal["effect"]
