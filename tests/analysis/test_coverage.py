"""How often intervals hold the mean, and that the one in use is the best of those that are always finite."""

import numpy as np
import pytest
import scipy.stats

from lhas_utils.analysis import coverage, statistics

DRAWS = 1500


@pytest.fixture(scope="module")
def table():
    return coverage.table(DRAWS, seed=1)


def test_the_interval_in_use_is_the_nearest_to_95_percent_at_12_seeds_of_those_that_are_finite(table):
    rng = np.random.default_rng(0)
    finite = [m for m in coverage.METHODS if coverage.finite(m, 3, rng=rng)]
    assert finite == ["t", "percentile bootstrap"]
    away = {m: abs(table.loc[(m, 12)] - 0.95).max().round(2) for m in finite}
    chosen = min(away, key=away.get)  # the first of equals is the simplest
    x = rng.normal(size=12)
    ends = np.concatenate(coverage.METHODS[chosen](x[None], rng))
    assert statistics.interval(x)[1:] == pytest.approx(ends)


def test_percentile_bootstraps_are_too_narrow_and_t_is_right_for_normal_data(table):
    assert table.shape == (9, 4) and table.stack().between(0.7, 1).all()
    percentile = table.loc["percentile bootstrap", "normal"]
    assert percentile.is_monotonic_increasing and percentile[5] < 0.88 and percentile[12] < 0.94
    assert table.loc["t", "normal"].to_numpy() == pytest.approx([0.95] * 3, abs=0.02)
    assert table.loc[("t", 12), "skewed"] < 0.93 < table.loc[("studentised bootstrap", 12), "skewed"]


def test_coverage_by_hand():
    """Of two values x, y the t interval is m -+ 12.7 |x - y| / 2; all methods miss where all values are equal."""
    x = np.array([[0.0, 2.0], [1.0, 1.0]])
    low, high = coverage.student(x)
    assert low == pytest.approx([1 - 12.706205, 1.0], abs=1e-5) and high == pytest.approx(
        [1 + 12.706205, 1.0], abs=1e-5
    )
    rng = np.random.default_rng(0)
    low, high = coverage.percentile(x, rng)
    assert (low[0], high[0]) == (0.0, 2.0) and low[1] == high[1] == 1.0


def test_the_percentile_bootstrap_is_that_of_the_library():
    x = np.random.default_rng(0).normal(size=8)
    rng = np.random.default_rng(1)
    found = scipy.stats.bootstrap((x,), np.mean, n_resamples=20_000, method="percentile", rng=rng).confidence_interval
    ends = np.mean([np.ravel(coverage.percentile(x[None], rng)) for _ in range(40)], 0)
    assert ends == pytest.approx(found, abs=0.03)


def test_the_studentised_bootstrap_by_its_definition():
    x = np.random.default_rng(3).exponential(size=10)
    low, high = (e[0] for e in coverage.studentised(x[None], np.random.default_rng(4)))
    picks = np.random.default_rng(4).integers(10, size=(1, coverage.RESAMPLES, 10))[0]
    again = x[picks]
    t = np.sort((again.mean(1) - x.mean()) / (again.std(1, ddof=1) / 10**0.5))
    ends = [t[int(np.ceil(q * len(t))) - 1] for q in (0.975, 0.025)]
    error = x.std(ddof=1) / 10**0.5
    assert (low, high) == pytest.approx([x.mean() - error * end for end in ends])
    assert x.mean() - low < high - x.mean()  # long on the side of the tail


def test_coverage_is_repeatable_and_names_what_it_does_not_know():
    first, again, other = (coverage.coverage("t", "heavy", 5, 300, rng=np.random.default_rng(s)) for s in (0, 0, 1))
    assert first == again != other
    with pytest.raises(ValueError, match="method: expected one of t, .*; got 'z'"):
        coverage.coverage("z", "normal", 5, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="distribution: expected one of normal, .*; got 'cauchy'"):
        coverage.coverage("t", "cauchy", 5, rng=np.random.default_rng(0))


@pytest.mark.parametrize("name", coverage.DISTRIBUTIONS)
def test_distributions_have_the_mean_that_they_say(name):
    draw, mean = coverage.DISTRIBUTIONS[name]
    x = draw(np.random.default_rng(0), (100_000,))
    assert x.mean() == pytest.approx(mean, abs=0.02)
