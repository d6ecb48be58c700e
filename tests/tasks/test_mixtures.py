"""Mixtures: every quadrature against another route to the same integral."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mibench.tasks._mixture import Mixture
from mibench.tasks.gaussian import Gauss
from mibench.tasks.mixtures import (
    AIShape,
    ConcentricGaussians,
    Galaxy,
    GaussianMixture,
    SparseWithInliers,
    Waves,
    XShape,
)
from mibench.tasks.numerics.quadrature import mixture_information, panels
from scipy import integrate, stats

from mibench.estimator import Array
from mibench.registry import tasks
from mibench.task import Task

PUBLISHED = [name for name in tasks.names() if isinstance(tasks.create(name), Mixture)]


@pytest.mark.parametrize("name", PUBLISHED)
def test_stated_errors(name: str) -> None:
    task = tasks.create(name)
    assert isinstance(task, Task)
    assert 0 < task.mutual_information_error < 1e-7


def entropy_of_two(mean: float) -> float:
    """h of 1/2 N(-mean, 1) + 1/2 N(mean, 1)."""

    def integrand(v: float) -> float:
        p = 0.5 * (stats.norm.pdf(v - mean) + stats.norm.pdf(v + mean))
        return -p * math.log(p)

    return 2 * integrate.quad(integrand, 0, mean + 12, points=[mean], epsabs=1e-12, limit=200)[0]


@pytest.mark.parametrize("distance", [0.5, 3.0])
def test_galaxy_from_entropies_along_the_means(distance: float) -> None:
    # in the plane the two balls differ along one line only; across it they are standard normal
    half = 0.5 * distance
    expected = (
        entropy_of_two(math.sqrt(2) * half)
        + entropy_of_two(half)
        - entropy_of_two(math.sqrt(3) * half)
        - 0.5 * math.log(2 * math.pi * math.e)
    )
    assert Galaxy(distance=distance).mutual_information == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("rho", [0.3, 0.9])
def test_crossing_bars_by_their_logarithm_of_cosh(rho: float) -> None:
    # with u, v standard normal along and across the rising bar, x y = ((1 + rho) u^2 - (1 - rho) v^2) / 2
    nodes, weights = panels(np.linspace(-10, 10, 161), 12)
    weights = weights * stats.norm.pdf(nodes)
    product = 0.5 * ((1 + rho) * nodes[:, None] ** 2 - (1 - rho) * nodes**2)
    argument = rho * product / (1 - rho**2)
    log_cosh = np.logaddexp(argument, -argument) - math.log(2)
    expected = -0.5 * math.log1p(-(rho**2)) - rho**2 / (1 - rho**2) + weights @ log_cosh @ weights
    assert XShape(rho).mutual_information == pytest.approx(expected, abs=1e-9)


def information_by_panels(means: Array, covariances: Array, width: float, order: int) -> float:
    """h(X) + h(Y) - h(X, Y) with Gauss-Legendre panels and scipy's densities."""
    spread = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    low, high = (means - 8.5 * spread).min(axis=0), (means + 8.5 * spread).max(axis=0)
    rules = [panels(np.linspace(a, b, math.ceil((b - a) / width) + 1), order) for a, b in zip(low, high, strict=True)]
    entropies = []
    for axis, (nodes, weights) in enumerate(rules):
        p = np.mean([stats.norm.pdf(nodes, m[axis], s[axis]) for m, s in zip(means, spread, strict=True)], axis=0)
        entropies.append(-weights @ (p * np.log(np.maximum(p, 1e-300))))
    (x, wx), (y, wy) = rules
    points = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    p = np.mean([stats.multivariate_normal(m, c).pdf(points) for m, c in zip(means, covariances, strict=True)], axis=0)
    joint = -wx @ (p * np.log(np.maximum(p, 1e-300))) @ wy
    return float(entropies[0] + entropies[1] - joint)


@pytest.mark.parametrize(
    ("task", "width", "tolerance"),
    [(AIShape(), 0.06, 1e-7), (Waves(), 0.25, 1e-9), (Galaxy(), 0.5, 1e-9), (Waves(count=4), 0.25, 1e-9)],
    ids=lambda v: getattr(v, "label", None),
)
def test_plane_mixtures_from_entropies(task: GaussianMixture, width: float, tolerance: float) -> None:
    means, covariances = task.in_plane()
    expected = information_by_panels(means, covariances, width, order=6)
    assert task.mutual_information == pytest.approx(expected, abs=tolerance)


def test_plane_quadrature_is_exact_for_one_gaussian() -> None:
    task = Gauss(mutual_information=1.3)
    cov = np.array([[[1, task.rho], [task.rho, 1]]])
    value, error = mixture_information(np.zeros((1, 2)), cov)
    assert value == pytest.approx(1.3, abs=1e-11)
    assert error < 1e-9


@pytest.mark.parametrize(("dim", "count"), [(1, 2), (3, 5), (5, 10), (25, 5)])
def test_concentric_from_the_entropy_of_the_component(dim: int, count: int) -> None:
    def integrand(r: float) -> float:
        p = np.array([stats.chi.pdf(r / k, dim) / k for k in range(1, count + 1)])
        posterior = p / p.sum()
        posterior = posterior[posterior > 0]
        return float(p.mean() * -(posterior * np.log(posterior)).sum())

    end = count * (math.sqrt(dim) + 9)
    uncertainty = integrate.quad(integrand, 1e-12, end, limit=500, epsabs=1e-9)[0]
    assert ConcentricGaussians(dim, count).mutual_information == pytest.approx(math.log(count) - uncertainty, abs=1e-7)


def test_concentric_information_is_below_that_of_the_component() -> None:
    values = [ConcentricGaussians(dim, 5).mutual_information for dim in (1, 3, 25, 2000)]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(math.log(5), abs=1e-3)
    assert ConcentricGaussians(3, 1).mutual_information == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("fraction", "rho"), [(0.2, 0.8), (0.5, 0.8), (0.5, -0.5)])
def test_inliers_by_an_integral_over_both_pairs(fraction: float, rho: float) -> None:
    nodes, weights = panels(np.arange(0, 80, 0.5), 8)
    exponential = weights * np.exp(-nodes)

    def mean(up: float, down: float) -> float:
        pointwise = -math.log1p(-rho * rho) + up * nodes[:, None] - down * nodes
        return float(exponential @ np.log((1 - fraction) * np.exp(pointwise) + fraction) @ exponential)

    # a pair is (u, v) = (x + y, x - y) / sqrt(2) with variances 1 + rho and 1 - rho; two pairs make exponentials
    expected = (1 - fraction) * mean(rho, rho) + fraction * mean(rho / (1 + rho), rho / (1 - rho))
    assert SparseWithInliers(fraction=fraction, rho=rho).mutual_information == pytest.approx(expected, abs=1e-9)


def test_inliers_do_not_depend_on_the_dimension_and_dilute() -> None:
    few, many = SparseWithInliers(2, 7), SparseWithInliers(25, 25)
    assert few.mutual_information == many.mutual_information
    values = [SparseWithInliers(fraction=f).mutual_information for f in (1e-9, 0.2, 0.5, 1 - 1e-9)]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(-math.log(0.36), abs=1e-6)
    assert values[-1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("task", [Galaxy(), Waves()], ids=["galaxy", "waves"])
def test_maps_of_mixtures_are_undone(task: GaussianMixture) -> None:
    x = np.random.default_rng(0).normal(scale=5, size=(500, 2))
    np.testing.assert_allclose(task.backward(task.forward(x)), x, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("task", [XShape(), AIShape(), Galaxy(), Waves()], ids=lambda t: t.label)
def test_samples_have_the_moments_of_the_components(task: GaussianMixture) -> None:
    n = 50_000
    x, y = task.sample(n, seed=4)
    z = np.hstack([task.backward(x), y])
    means, covariances = task.components
    mean = means.mean(axis=0)
    second = (covariances + means[:, :, None] * means[:, None, :]).mean(axis=0)
    assert (np.abs(z.mean(axis=0) - mean) < 4.5 * z.std(axis=0) / math.sqrt(n)).all()
    fourth = (z**2).T @ z**2 / n
    assert (np.abs(z.T @ z / n - second) < 4.5 * np.sqrt((fourth - (z.T @ z / n) ** 2) / n)).all()
