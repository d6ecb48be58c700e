"""Archimedean copulas: truths by quadrature over the square, densities by differences of C, samples by their law."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mibench.tasks.archimedean import Archimedean
from mibench.tasks.numerics.generators import GENERATORS, frank_tau, joe_tau, log_geometric
from scipy import integrate, special, stats

COPULAS = sorted(GENERATORS)


def distribution(copula: str, theta: float, u: float, v: float) -> float:
    """C(u, v) as Nelsen's table 4.1 has it."""
    if copula == "clayton":
        return float((u**-theta + v**-theta - 1) ** (-1 / theta))
    if copula == "gumbel":
        return math.exp(-(((-math.log(u)) ** theta + (-math.log(v)) ** theta) ** (1 / theta)))
    if copula == "frank":
        return -math.log1p(math.expm1(-theta * u) * math.expm1(-theta * v) / math.expm1(-theta)) / theta
    a, b = (1 - u) ** theta, (1 - v) ** theta
    return float(1 - (a + b - a * b) ** (1 / theta))


@pytest.mark.parametrize("copula", COPULAS)
@pytest.mark.parametrize("tau", [0.01, 0.25, 0.5, 0.8])
def test_truth_by_quadrature_over_the_square(copula: str, tau: float) -> None:
    """The trapezoidal rule in normal scores, where the density's corners do no harm."""
    task = Archimedean(copula, tau)
    z = np.linspace(-8.2, 8.2, 1201)
    weights = stats.norm.pdf(z) * (z[1] - z[0])
    u, v = (grid.ravel() for grid in np.meshgrid(stats.norm.cdf(z), stats.norm.cdf(z)))
    log_c = task.log_density_ratio(u[:, None], v[:, None])
    mass = np.exp(log_c) * np.outer(weights, weights).ravel()
    assert mass.sum() == pytest.approx(1, abs=1e-9)
    assert float(mass @ log_c) == pytest.approx(task.mutual_information, abs=1e-8)


@pytest.mark.parametrize("copula", COPULAS)
@pytest.mark.parametrize("tau", [0.05, 0.5, 0.8])
def test_density_is_the_mixed_derivative_of_the_distribution(copula: str, tau: float) -> None:
    task, h = Archimedean(copula, tau), 2e-4
    for u, v in ((0.3, 0.35), (0.5, 0.5), (0.12, 0.1), (0.8, 0.83)):
        corners = [[distribution(copula, task.generator.theta, u + a, v + b) for b in (-h, h)] for a in (-h, h)]
        derivative = (corners[1][1] - corners[1][0] - corners[0][1] + corners[0][0]) / (4 * h * h)
        ratio = float(task.log_density_ratio(np.array([[u]]), np.array([[v]]))[0])
        assert ratio == pytest.approx(math.log(derivative), abs=1e-3)


@pytest.mark.parametrize("copula", COPULAS)
def test_pairs_far_out_have_a_finite_density_and_those_that_cannot_be_told_apart_none_that_is_nan(copula: str) -> None:
    ends = np.array([0.0, 1e-300, 1e-12, 0.5, 1 - 1e-12, 1.0])
    u, v = (grid.reshape(-1, 1) for grid in np.meshgrid(ends, ends))
    for tau in (1e-4, 0.3, 0.99):
        ratio = Archimedean(copula, tau).log_density_ratio(u, v)
        assert np.isfinite(ratio).all()
        np.testing.assert_allclose(ratio.reshape(6, 6), ratio.reshape(6, 6).T, rtol=1e-9, atol=1e-9)


def test_frank_is_symmetric_about_the_centre_and_the_others_are_not() -> None:
    u, v = np.random.default_rng(1).random((2, 500, 1))
    for copula in COPULAS:
        task = Archimedean(copula, 0.5)
        gap = np.abs(task.log_density_ratio(u, v) - task.log_density_ratio(1 - u, 1 - v))
        assert (gap.max() < 1e-9) == (copula == "frank")


@pytest.mark.parametrize("copula", COPULAS)
@pytest.mark.parametrize("tau", [0.01, 0.3, 0.6, 0.9])
def test_samples_have_uniform_margins_and_the_tau_that_was_asked_for(copula: str, tau: float) -> None:
    n = 20_000
    x, y = Archimedean(copula, tau, 2).sample(n, seed=5)
    for i in range(2):
        for values in (x[:, i], y[:, i]):
            assert values.min() > 0 and values.max() < 1
            assert stats.kstest(values, "uniform").pvalue > 1e-4
        # no bivariate law has a greater standard error of Kendall's tau than this
        error = math.sqrt(2 * (1 - tau**2) / n)
        assert stats.kendalltau(x[:, i], y[:, i]).statistic == pytest.approx(tau, abs=4 * error)
    for one, other in ((x[:, 0], y[:, 1]), (x[:, 1], y[:, 0]), (x[:, 0], x[:, 1])):
        assert stats.kendalltau(one, other).pvalue > 1e-4


@pytest.mark.parametrize("copula", COPULAS)
@pytest.mark.parametrize("tau", [0.3, 0.8])
def test_samples_fall_below_every_point_as_often_as_the_distribution_says(copula: str, tau: float) -> None:
    n, task = 50_000, Archimedean(copula, tau)
    x, y = task.sample(n, seed=6)
    for u, v in ((0.01, 0.01), (0.05, 0.3), (0.5, 0.5), (0.9, 0.7), (0.99, 0.99)):
        expected = distribution(copula, task.generator.theta, u, v)
        found = float(((x <= u) & (y <= v)).mean())
        assert found == pytest.approx(expected, abs=4.5 * math.sqrt(expected * (1 - expected) / n))


@pytest.mark.parametrize("theta", [0.01, 2.0, 3.5, 30.0, 400.0])
def test_tau_of_frank_by_the_debye_function(theta: float) -> None:
    debye = integrate.quad(lambda t: t / math.expm1(t), 0, theta, epsabs=1e-14, limit=200, points=[min(theta, 5) / 2])
    assert frank_tau(theta) == pytest.approx(1 - 4 / theta * (1 - debye[0] / theta), abs=1e-9)


@pytest.mark.parametrize("theta", [1.0, 1.5, 1.9, 2.1, 10.0, 300.0])
def test_tau_of_joe_in_digammas(theta: float) -> None:
    expected = 1 + 2 / (2 - theta) * float(special.psi(2) - special.psi(2 / theta + 1))
    assert joe_tau(theta) == pytest.approx(expected, abs=1e-12)


def test_tau_of_joe_where_the_digammas_fail() -> None:
    assert joe_tau(2.0) == pytest.approx(1 - float(special.polygamma(1, 2)), abs=1e-14)


def test_number_of_trials_is_geometric() -> None:
    rng = np.random.default_rng(3)
    for chance in (1.0, 0.7, 0.05):
        trials = np.exp(log_geometric(np.full(50_000, math.log(chance)), rng))
        np.testing.assert_allclose(trials, np.rint(trials), rtol=1e-12)
        spread = math.sqrt(1 - chance) / chance
        assert trials.mean() == pytest.approx(1 / chance, abs=4 * spread / math.sqrt(50_000) + 1e-12)
    # of chances that no number holds, the waiting time times the chance is exponential
    waiting = log_geometric(np.full(20_000, -2000.0), rng) - 2000.0
    assert stats.kstest(np.exp(waiting), "expon").pvalue > 1e-4


@pytest.mark.parametrize("copula", COPULAS)
def test_information_rises_with_tau_from_nothing_and_pairs_add(copula: str) -> None:
    truths = [Archimedean(copula, tau).mutual_information for tau in (1e-4, 0.01, 0.1, 0.3, 0.6, 0.9, 0.99)]
    assert 0 < truths[0] < 2e-7
    assert sorted(truths) == truths
    five = Archimedean(copula, 0.3, 5)
    assert five.mutual_information == pytest.approx(5 * truths[3], rel=1e-12)
    assert five.mutual_information_error < 1e-10
