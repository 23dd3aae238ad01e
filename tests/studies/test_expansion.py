"""The Taylor terms of the next stage's loss: against finite differences, small steps and hand computation."""

import numpy as np
import pandas as pd
import pytest
import torch

from lhas_utils.analysis import concentration_against_spread, fit_quality
from lhas_utils.core import ModelSpec, TrainSpec, paths
from lhas_utils.learning import create, encode, example_loss, weights, word_level
from lhas_utils.runs.cache import chosen
from lhas_utils.studies import ETAS, LocalSpec, expansion
from lhas_utils.worlds import WorldSpec, skill_world
from lhas_utils.worlds.symbols import DIALECT


@pytest.fixture(scope="module")
def tiny():
    """A small model in double precision, the data it is measured on, and three directions."""
    world = skill_world(WorldSpec(pool_size=20, test_size=5), 1000, validation_size=6)
    tokenizer = word_level(DIALECT)
    model = create(ModelSpec(hidden=8, heads=2, layers=1), tokenizer, 1000).double().eval()
    v = torch.tensor(np.random.default_rng(0).normal(size=(3, len(weights(model)))))
    return model, encode(world.stages[1].validation, tokenizer), v / v.norm(dim=1, keepdim=True)


def test_hessian_products_agree_with_finite_differences(tiny):
    model, data, v = tiny
    before = weights(model)
    r, products = expansion.hvp(model, data, v)
    theta, loss = expansion._flat_loss(model, data)
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
    l, q = expansion.taylor_terms(model, data, v).T
    errors = []
    for eta in (0.2, 0.1):
        actual = expansion.actual_change(model, data, v, [eta])[:, 0]
        errors.append(abs(actual - (-eta * l + eta**2 / 2 * q)))
    assert np.all(errors[0] < 2e-4)
    assert np.median(errors[0] / errors[1]) == pytest.approx(8, rel=0.2)  # halving eta: an eighth


def test_local_run_has_one_row_for_each_selection_arm_and_step(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "MODELS", tmp_path)
    spec = LocalSpec(
        1000,
        random=3,
        batches=2,
        trained=1,
        world=WorldSpec(pool_size=40, test_size=4),
        model=ModelSpec(hidden=8, heads=2, layers=1, steps=2),
        train=TrainSpec(steps=2, batch_size=4, probe_steps=(0, 1)),
    )
    rows, picks = expansion.execute(spec, chosen(spec))
    again, _ = expansion.execute(spec, chosen(spec))
    assert picks is None
    pd.testing.assert_frame_equal(rows, again)
    counts = rows["arm"].value_counts()
    assert counts.to_dict() == {"sgd": 12 * len(ETAS), "adamw": 12, "train": 8}
    assert np.isfinite(rows[["next", "first", "now", "length", "C", "spread"]].to_numpy()).all()
    fits = fit_quality(rows.assign(seed=1000))
    assert len(fits) == len(ETAS) + 2 and fits["pairs"].between(0, 1).all()
    assert len(concentration_against_spread(rows.assign(seed=1000))) == 2


def test_spectra_of_gradients_by_hand():
    g, f = np.diag([2.0, 1.0]), np.eye(2)  # p = (0.8, 0.2); X = (2, 0.5)
    out = expansion.spectra(g @ f.T, g @ g.T)
    assert out["C"] == pytest.approx(0.8) and out["C_normalised"] == pytest.approx(0.5)
    assert out["ipr"] == pytest.approx(0.68)
    assert out["spread"] == pytest.approx(0.75**2 / 1.25**2)
    assert out["spread_gaussian"] == pytest.approx(2 * 0.68)


def test_the_model_is_left_as_it_was(tiny):
    model, data, v = tiny
    before = weights(model)
    expansion.taylor_terms(model, data, v)
    expansion.actual_change(model, data, v, [0.1, 0.2])
    assert torch.equal(weights(model), before) and all(p.grad is None for p in model.parameters())


def test_a_run_needs_every_selector_but_random():
    assert "random" not in LocalSpec(0).selectors and "alignment" in LocalSpec(0).selectors
    assert len(set(LocalSpec(0).selectors)) == 7
