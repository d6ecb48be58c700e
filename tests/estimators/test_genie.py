"""Weights that cancel every polynomial, corrected sums beside slow ones, and closed forms that ranks do not change."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mibench.estimators.genie import GENIE, RATIO, cancelling, corrected
from mibench.estimators.jmi import JMI, WIDEST, ranks

from mibench.estimator import Array

from .conftest import correlated


@pytest.mark.parametrize(("bandwidths", "terms"), [(1, 2), (2, 1), (3, 2), (7, 2), (7, 4)])
def test_weights_leave_a_constant_and_take_powers_away(bandwidths: int, terms: int) -> None:
    widths = 0.07 * RATIO ** np.arange(bandwidths)
    weights = cancelling(widths, terms)
    assert weights.sum() == pytest.approx(1)
    kept = min(terms, bandwidths - 1)
    coefficients = np.array([0.8, -3.0, 2.0, 5.0, -1.0])[: kept + 1]
    polynomial = sum(c * widths**i for i, c in enumerate(coefficients))
    assert weights @ polynomial == pytest.approx(0.8)


def test_no_other_weights_have_a_lower_sum_of_squares() -> None:
    widths = RATIO ** np.arange(7.0)
    weights = cancelling(widths, 2)
    conditions = widths ** np.arange(3)[:, None]
    allowed = np.linalg.svd(conditions)[2][3:]  # what may be added without breaking a condition
    np.testing.assert_allclose(conditions @ allowed.T, 0, atol=1e-9)
    np.testing.assert_allclose(allowed @ weights, 0, atol=1e-12)


def slow(u: Array, v: Array, width: float) -> tuple[float, float]:
    """The same by loops over all pairs, one sample after the other."""
    n, total, noise = len(u), 0.0, 0.0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        logs, halves = [], []
        for columns in (np.hstack([u, v]), u, v):
            kernels = np.array([math.exp(-((columns[j] - columns[i]) ** 2).sum() / (2 * width**2)) for j in others])
            density = kernels.mean()
            logs.append(math.log(density))
            halves.append(0.5 * kernels.var() / density**2 / len(others))
        total += logs[0] - logs[1] - logs[2] + halves[0] - halves[1] - halves[2]
        noise += halves[0]
    return total / n, noise / n


def test_all_bandwidths_at_once_are_each_by_itself() -> None:
    u, v = (ranks(values) for values in correlated(60, 0.7, 2))
    ratios, noise = corrected(u, v, 6)
    for step in range(6):
        expected = slow(u, v, WIDEST * RATIO**-step)
        assert (ratios[step], noise[step]) == pytest.approx(expected, rel=1e-6)


def test_the_correction_removes_what_few_samples_do_to_the_logarithm() -> None:
    """The mean log of a density from few kernels is below that from many; the correction brings the two together."""
    width = WIDEST * RATIO**-8
    means = {}
    for n, draws in ((250, 24), (4000, 2)):
        plain, better = [], []
        for seed in range(draws):
            u, v = (ranks(values) for values in correlated(n, 0.0, 1, seed))
            ratios, noise = corrected(u, v, 9)
            better.append(ratios[8])
            plain.append(ratios[8] - noise[8])
        means[n] = np.mean(plain), np.mean(better)
    plain, better = (abs(means[250][i] - means[4000][i]) for i in (0, 1))
    assert width == pytest.approx(1 / 16)
    assert plain > 0.02 and better < 0.4 * plain


@pytest.mark.parametrize(("rho", "dim", "within"), [(0.0, 1, 0.03), (0.5, 1, 0.05), (0.9, 1, 0.06), (0.8, 2, 0.2)])
def test_gaussian_truths(rho: float, dim: int, within: float) -> None:
    truth = -0.5 * dim * math.log(1 - rho**2)
    errors = [GENIE().estimate(*correlated(2000, rho, dim, seed)).mi - truth for seed in range(3)]
    assert abs(float(np.mean(errors))) < within


def test_less_is_lost_than_by_one_bandwidth() -> None:
    truth = -0.5 * math.log(1 - 0.99**2)
    samples = [correlated(500, 0.99, 1, seed) for seed in range(4)]
    one, many = (float(np.mean([e.estimate(*s).mi for s in samples])) - truth for e in (JMI(), GENIE()))
    assert one < -0.1 and abs(many) < 0.6 * abs(one)


def test_increasing_functions_of_the_columns_change_nothing() -> None:
    x, y = correlated(300, 0.7, 2)
    plain = GENIE().estimate(x, y)
    assert GENIE().estimate(np.exp(3 * x), np.sinh(y)).mi == plain.mi
    assert plain.diagnostics["bandwidths"] == 7


@pytest.mark.parametrize("n", [4, 5, 20])
@pytest.mark.parametrize("dim", [1, 30])
def test_few_samples_in_many_dimensions_have_a_finite_answer(n: int, dim: int) -> None:
    assert math.isfinite(GENIE().estimate(*correlated(n, 0.5, dim)).mi)


def test_equal_values_have_a_finite_answer() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (300, 1))
    found = GENIE().estimate(x, (x + rng.integers(0, 2, (300, 1))) % 3)
    assert math.isfinite(found.mi) and found.diagnostics["ties"] > 0.9
