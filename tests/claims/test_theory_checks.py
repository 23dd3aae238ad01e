"""The exact checks of Prop. 1 and App. B."""

import pytest

from lhas_utils.claims import theory_checks


def test_exact_claims_fall_as_the_notebook_says():
    assert theory_checks.small_eta("smoke")["effect"] == 1
    assert theory_checks.as_printed("smoke")["effect"] == pytest.approx(-3 / 8)
    assert theory_checks.gram_spectrum("smoke")["effect"] == 1
    assert theory_checks.spread_closed_form("smoke")["effect"] == pytest.approx(0.612053, abs=1e-6)
    assert theory_checks.spread_single_direction("smoke")["effect"] == 0
    isotropic, unequal = theory_checks.regret_grows("smoke")
    assert isotropic["effect"] > 0 > unequal["effect"]
