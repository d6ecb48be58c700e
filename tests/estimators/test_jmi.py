"""Kernels of ranks: the sums by definition, the greatest value, and what the ranks leave unchanged."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from mibench.estimators.jmi import JMI, WIDEST, log_ratios, ranks
from mibench.estimators.neighbours.kernel_sums import kernel_sums
from scipy.stats import multivariate_normal

from mibench.estimator import Array

from .conftest import correlated


@pytest.mark.parametrize(("n", "dim_x", "dim_y"), [(50, 1, 1), (300, 1, 1), (257, 3, 2)])
def test_sums_by_definition(n: int, dim_x: int, dim_y: int) -> None:
    """Across tiles, for every bandwidth of the ladder, without the sample's own kernel."""
    rng = np.random.default_rng(n)
    x, y = rng.random((n, dim_x)), rng.random((n, dim_y))
    found = kernel_sums(x, y, 0.7, 9)
    for step in range(9):
        variance = 0.7**2 / 2**step
        of_x, of_y = (np.exp(-((v[:, None] - v) ** 2).sum(-1) / (2 * variance)) for v in (x, y))
        for kernel in (of_x, of_y):
            np.fill_diagonal(kernel, 0.0)
        expected = of_x.sum(1), of_y.sum(1), (of_x * of_y).sum(1)
        np.testing.assert_allclose(found[:, step], expected, rtol=1e-9)


def test_narrow_kernels_of_samples_far_from_each_other_are_not_taken_for_information() -> None:
    """In many dimensions every sample is alone: what is left of its densities would else cancel to log n."""
    rng = np.random.default_rng(6)
    x, y = rng.random((2, 200, 20))
    assert (log_ratios(x, y, 0.01, 3) == -np.inf).all()
    assert JMI().estimate(x, y).mi < 0.05
    assert np.isfinite(log_ratios(x[:, :1], y[:, :1], 0.01, 3)).all()


def test_the_log_ratio_is_that_of_densities() -> None:
    u, v = (ranks(values) for values in correlated(80, 0.6))
    both = np.hstack([u, v])

    def density(values: Array, i: int) -> float:
        others = np.delete(values, i, 0)
        return float(np.mean(multivariate_normal(values[i], 0.2**2 * np.eye(values.shape[1])).pdf(others)))

    expected = [np.log(density(both, i) / (density(u, i) * density(v, i))) for i in range(80)]
    np.testing.assert_allclose(log_ratios(u, v, 0.2, 1)[0], expected, atol=1e-9)


def test_the_answer_is_the_greatest_over_bandwidths() -> None:
    x, y = correlated(400, 0.8, seed=1)
    found = JMI().estimate(x, y)
    u, v = ranks(x), ranks(y)
    others = [log_ratios(u, v, WIDEST * 2**-power, 1).mean() for power in np.arange(0, 8, 0.25)]
    assert found.mi >= max(others) - 1e-3
    assert found.mi == pytest.approx(log_ratios(u, v, found.diagnostics["bandwidth"], 1).mean(), abs=1e-4)


def test_only_ranks_count() -> None:
    x, y = correlated(300, 0.7, dim=2, seed=2)
    mi = JMI().estimate(x, y).mi
    assert JMI().estimate(np.exp(x), np.sinh(y)).mi == mi
    assert JMI().estimate(y, x).mi == pytest.approx(mi, abs=1e-12)


def test_truths() -> None:
    for rho, below, above in ((0.0, 0.01, 0.02), (0.6, 0.06, 0.04), (0.95, 0.12, 0.05)):
        truth = -0.5 * math.log(1 - rho**2)
        found = JMI().estimate(*correlated(1500, rho, seed=3)).mi
        assert truth - below < found < truth + above
    x = np.random.default_rng(4).integers(4, size=1000)
    assert JMI().estimate(x, x).mi == pytest.approx(math.log(4), abs=0.01)  # letters: all that there is


def test_independent_samples_share_less_than_with_any_fixed_narrow_kernel() -> None:
    found = [JMI().estimate(*correlated(300, 0.0, seed=seed)).mi for seed in range(20)]
    assert -0.01 < np.mean(found) < 0.01 and max(found) < 0.05


def test_memory_grows_with_the_samples_and_not_with_their_pairs() -> None:
    x, y = correlated(4000, 0.5)
    JMI().warm_up()
    tracemalloc.start()
    JMI(steps=8).estimate(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6  # all pairs would be 128 MB
