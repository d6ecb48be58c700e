"""What the metrics say of perfect, collapsed and shifted samplers, each against a slow and obvious twin."""

import numpy as np
import pytest
from mibench.tasks.downstream import data, metrics

from mibench.estimator import Array

rng = np.random.default_rng(0)
PLANES = {"grid25": data.grid25(), "ring": data.ring(), "spiral": data.spiral()}


@pytest.mark.parametrize(("name", "quality"), [("grid25", 98.889), ("ring", 98.889), ("spiral", 99.73)])
def test_perfect_sampler_reaches_every_floor(name: str, quality: float) -> None:
    """Within 3 sd: 1 - exp(-9/2) around a point of the plane, 2 Phi(3) - 1 around a curve; plug-in KL (K - 1) / 2N."""
    plane, n = PLANES[name], 26_000
    counts = plane.count(plane.sample(n, np.random.default_rng(1)))
    assert counts.captured == plane.modes
    assert counts.high_quality == pytest.approx(quality, abs=4 * 100 * np.sqrt(0.011 / n))
    # 2N KL is chi-squared with K - 1 degrees of freedom
    freedom = plane.modes - 1
    for kl in (counts.kl_to_uniform, counts.kl_from_uniform):
        assert kl == pytest.approx(freedom / (2 * n), abs=4 * np.sqrt(2 * freedom) / (2 * n))


def test_floor_of_the_thousand_modes_of_stacked_digits() -> None:
    mode = data.modes_of(np.random.default_rng(2).integers(10, size=(26_000, 3)))
    counts = metrics.count_modes(mode, np.ones(len(mode), bool), 1_000)
    assert counts.captured == 1_000
    assert counts.kl_to_uniform == pytest.approx(0.0192, abs=4 * np.sqrt(2 * 999) / 52_000)


def test_collapsed_sampler() -> None:
    plane = data.grid25()
    counts = plane.count(np.repeat(plane.centres[3:4], 1_000, axis=0))
    assert (counts.captured, counts.high_quality) == (1, 100.0)
    assert counts.kl_to_uniform == pytest.approx(np.log(25))
    q = np.full(25, 0.5)
    q[3] += 1_000
    assert counts.kl_from_uniform == pytest.approx(-np.mean(np.log(25 * q / q.sum())))


def test_shifted_sampler_has_balance_but_no_quality() -> None:
    plane = data.grid25()
    counts = plane.count(plane.sample(5_000, np.random.default_rng(3)) + np.array([0.5, 0.0]))
    assert (counts.captured, counts.high_quality) == (0, 0.0)
    assert counts.kl_to_uniform < 0.01


def test_two_modes_with_known_weights() -> None:
    counts = metrics.count_modes(np.repeat([0, 1], [75, 25]), np.repeat([True, False], [75, 25]), 2)
    assert (counts.captured, counts.high_quality) == (1, 75.0)
    assert counts.kl_to_uniform == pytest.approx(np.log(2) + 0.75 * np.log(0.75) + 0.25 * np.log(0.25))


def test_nearest_mode_is_the_nearest() -> None:
    plane = data.ring()
    points = rng.normal(size=(200, 2)) * 2
    distance, mode = plane.nearest(points)
    every = np.linalg.norm(points[:, None] - plane.centres, axis=2)
    np.testing.assert_array_equal(mode, every.argmin(axis=1))
    np.testing.assert_allclose(distance, every.min(axis=1) / plane.std)


def test_spiral_pieces_have_equal_length() -> None:
    plane = data.spiral()
    piece = np.arange(len(plane.centres)) * plane.modes // len(plane.centres)
    assert (np.bincount(piece) == len(plane.centres) // plane.modes).all()
    steps = np.linalg.norm(np.diff(plane.centres, axis=0), axis=1)
    assert steps.max() / steps.min() < 1.01


def test_modes_of_stacks_are_numbers_with_these_digits() -> None:
    assert data.modes_of(np.array([[7, 0, 3], [0, 4, 2]])).tolist() == [703, 42]


def test_energy_distance_is_the_mean_over_all_pairs() -> None:
    x, y = rng.normal(size=(30, 2, 2)), rng.normal(size=(40, 2, 2)) + 1

    def mean(a: Array, b: Array) -> float:
        return float(np.mean([np.linalg.norm(p - q) for p in a for q in b]))

    slow = 2 * mean(x, y) - mean(x, x) - mean(y, y)
    assert metrics.energy_distance(x, y) == pytest.approx(slow)
    assert metrics.energy_distance(x, x) == pytest.approx(0.0, abs=1e-12)


def test_energy_distance_orders_perfect_shifted_and_collapsed() -> None:
    plane = data.grid25()
    real, perfect = (plane.sample(2_000, np.random.default_rng(seed)) for seed in (4, 5))
    shifted = metrics.energy_distance(perfect + 1.0, real)
    collapsed = metrics.energy_distance(np.repeat(perfect[:1], 2_000, axis=0), real)
    assert metrics.energy_distance(perfect, real) < 0.02 < shifted < collapsed


def test_ssim_against_windows_one_by_one() -> None:
    x, y = rng.random((2, 3, 1, 9, 10))
    y = 0.5 * x + 0.5 * y
    found = []
    for a, b in zip(x[:, 0], y[:, 0], strict=True):
        for i in range(3):
            for j in range(4):
                u, v = a[i : i + 7, j : j + 7].ravel(), b[i : i + 7, j : j + 7].ravel()
                cov = np.cov(u, v)
                luminance = (2 * u.mean() * v.mean() + 1e-4) / (u.mean() ** 2 + v.mean() ** 2 + 1e-4)
                found.append(luminance * (2 * cov[0, 1] + 9e-4) / (cov[0, 0] + cov[1, 1] + 9e-4))
    assert metrics.ssim(x, y) == pytest.approx(np.mean(found))
    assert metrics.ssim(x, x) == pytest.approx(1.0)
    assert metrics.ssim(x, 1 - x) < 0 < metrics.ssim(x, y) < 1


def test_error_agreement_and_likelihood() -> None:
    x = np.zeros((2, 1, 2, 2))
    assert metrics.squared_error(x, x + np.array([1.0, 2.0])[:, None, None, None]) == pytest.approx((4 + 16) / 2)
    assert metrics.agreement(np.array([[1, 0], [1, 1]]), np.array([[1, 1], [1, 1]])) == 75.0
    p = np.array([[0.9, 0.1], [0.5, 0.5]])
    assert metrics.negative_log_likelihood(p, np.array([1, 0])) == pytest.approx(-(np.log(0.1) + np.log(0.5)) / 2)
    assert np.isfinite(metrics.negative_log_likelihood(np.array([[1.0, 0.0]]), np.array([1])))
