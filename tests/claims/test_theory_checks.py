"""The exact checks of Prop. 1 and App. B."""

import numpy as np
import pytest
import torch

from lhas_utils.analysis import theory
from lhas_utils.claims import theory_checks


def test_exact_claims_fall_as_the_notebook_says():
    assert theory_checks.small_eta("smoke")["effect"] == 1
    assert theory_checks.as_printed("smoke")["effect"] == pytest.approx(-3 / 8)
    assert theory_checks.gram_spectrum("smoke")["effect"] == 1
    assert theory_checks.spread_closed_form("smoke")["effect"] == pytest.approx(0.612053, abs=1e-6)
    assert theory_checks.spread_single_direction("smoke")["effect"] == 0
    isotropic, unequal = theory_checks.regret_grows("smoke")
    assert isotropic["effect"] > 0 > unequal["effect"]


def test_instances_and_simulation_leave_global_randomness_alone():
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    list(theory_checks.random_instances(3))
    theory.simulate_transfer(np.eye(2), np.eye(2), 5, rng=np.random.default_rng(0))
    assert np.array_equal(before[0], np.random.get_state()[1]) and torch.equal(before[1], torch.get_rng_state())
