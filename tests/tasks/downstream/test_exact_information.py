"""Informations by closed form against quadrature and against each other; capacities against known values and bounds."""

import math

import numpy as np
import pytest
from mibench.tasks.downstream import exact_information as known
from scipy import integrate, stats
from scipy.special import ndtri

from mibench.estimator import Array


def even(count: int) -> Array:
    return np.full(count, 1.0 / count)


def normal_levels(count: int) -> Array:
    """Quantiles of the standard normal at the middles of equal steps, scaled to unit variance."""
    z = ndtri((np.arange(count) + 0.5) / count)
    return np.asarray(z / z.std())


def test_two_antipodal_points_against_an_integral() -> None:
    def integrand(y: float) -> float:
        return float(stats.norm.pdf(y - 1.0) * -math.log(0.5 * (1.0 + math.exp(-2.0 * y))))

    exact, _ = integrate.quad(integrand, -12, 14, epsabs=1e-12)
    assert known.noisy_information(np.array([-1.0, 1.0]), even(2), 1.0) == pytest.approx(exact, abs=1e-9)


def test_a_bit_behind_noise_is_two_antipodal_points() -> None:
    points = known.noisy_information(np.array([-1.3, 1.3]), even(2), 1.0)
    assert known.bit_information(1.3) == pytest.approx(points, abs=1e-12)
    assert known.bit_information(0.0) == pytest.approx(0.0, abs=1e-12)
    assert known.bit_information(20.0) == pytest.approx(math.log(2.0))
    small = 0.01  # of which the information is half the square, to fourth order
    assert known.bit_information(small) == pytest.approx(small**2 / 2, abs=small**4)


def test_noisy_information_of_a_uniform_input_against_its_density() -> None:
    def density(y: float) -> float:
        return float(0.5 * (stats.norm.cdf(y + 1.0, scale=0.3) - stats.norm.cdf(y - 1.0, scale=0.3)))

    entropy, _ = integrate.quad(lambda y: -density(y) * math.log(max(density(y), 1e-300)), -4, 4, epsabs=1e-12)
    exact = entropy - 0.5 * math.log(2 * math.pi * math.e * 0.09)
    levels = (2.0 * np.arange(2_000) + 1.0) / 2_000 - 1.0
    assert known.noisy_information(levels, even(2_000), 0.3) == pytest.approx(exact, abs=1e-6)


def test_noisy_information_is_scale_and_shift_invariant_and_at_most_the_entropy() -> None:
    levels, weights = np.array([0.0, 1.0, 5.0]), np.array([0.2, 0.5, 0.3])
    value = known.noisy_information(levels, weights, 0.5)
    assert known.noisy_information(3.0 * levels + 7.0, weights, 1.5) == pytest.approx(value, abs=1e-10)
    assert value < -float(weights @ np.log(weights))
    assert known.noisy_information(100.0 * levels, weights, 0.5) == pytest.approx(-float(weights @ np.log(weights)))


@pytest.mark.parametrize("snr", [0.5, 10.0])
def test_gaussian_inputs_reach_the_capacities_and_others_do_not(snr: float) -> None:
    z = math.sqrt(snr) * normal_levels(8_192)
    uniform = math.sqrt(3.0 * snr) * ((2.0 * np.arange(2_048) + 1.0) / 2_048 - 1.0)

    def plain(values: Array) -> float:
        return float(known.noisy_information(values, even(len(values)), 1.0))

    def fading(values: Array) -> float:
        return float(known.fading_information(values, even(len(values))))

    for capacity, information in ((known.awgn_capacity(snr), plain), (known.fading_capacity(snr), fading)):
        assert information(z) == pytest.approx(capacity, abs=2e-4)
        assert information(z) < capacity
        assert information(uniform) < capacity - 3e-4


def test_fading_capacity_is_its_integral_and_below_the_channel_without_fading() -> None:
    exact, _ = integrate.quad(lambda t: math.exp(-t) * 0.5 * math.log1p(10.0 * t), 0, 60)
    assert known.fading_capacity(10.0) == pytest.approx(exact, abs=1e-10)
    assert known.fading_capacity(10.0) < known.awgn_capacity(10.0)  # Jensen
    h, weights = known.fading_rule()
    assert float(weights @ (0.5 * np.log1p(10.0 * h**2))) == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize(("peak", "points"), [(1.0, 2), (1.6, 2), (2.0, 3), (2.5, 3), (4.0, 4), (5.0, 5)])
def test_the_best_input_under_a_peak_meets_its_optimality_condition(peak: float, points: int) -> None:
    """KL(p(y | x) || p(y)) never exceeds the information: no input whatever does better (Smith 1971)."""
    best = known.peak_capacity(peak)
    assert len(best.levels) == points
    assert 0 <= best.high - best.low + 1e-9 < 1e-6
    assert best.probabilities.sum() == pytest.approx(1.0)
    assert np.abs(best.levels).max() == pytest.approx(peak)
    np.testing.assert_allclose(best.levels, -best.levels[::-1], atol=1e-9)
    assert best.low < min(known.awgn_capacity(peak**2), math.log(points))


def test_blahut_arimoto_finds_capacities_known_in_closed_form() -> None:
    e, lost = 0.1, 0.3
    symmetric = known.blahut_arimoto(np.array([[1 - e, e], [e, 1 - e]]), 1e-10)
    erasure = known.blahut_arimoto(np.array([[1 - lost, lost, 0.0], [0.0, lost, 1 - lost]]), 1e-10)
    z = known.blahut_arimoto(np.array([[1.0, 0.0], [0.5, 0.5]]), 1e-10)
    assert symmetric.low == pytest.approx(known.symmetric_information(0.5, e), abs=1e-8)
    assert erasure.low == pytest.approx(known.erasure_information(0.5, lost), abs=1e-8)
    assert z.low == pytest.approx(math.log(1.25), abs=1e-6)  # the Z-channel with 1/2
    assert z.probabilities[1] == pytest.approx(0.4, abs=1e-4)


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5])
def test_binary_channels_against_their_tables(p: float) -> None:
    e = 0.15
    for channel, value in (
        (np.array([[1 - e, e], [e, 1 - e]]), known.symmetric_information(p, e)),
        (np.array([[1 - e, e, 0.0], [0.0, e, 1 - e]]), known.erasure_information(p, e)),
    ):
        joint = np.array([1 - p, p])[:, None] * channel
        product = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
        seen = joint > 0
        assert value == pytest.approx(float((joint[seen] * np.log(joint[seen] / product[seen])).sum()), abs=1e-12)


def test_gaussian_information_of_pairs_and_under_invertible_maps() -> None:
    rho = np.array([0.9, 0.4])
    covariance = np.block([[np.eye(2), np.diag(rho)], [np.diag(rho), np.eye(2)]])
    value = known.gaussian_information(covariance, 2)
    assert value == pytest.approx(known.of_correlations(rho))
    rng = np.random.default_rng(0)
    both = np.zeros((4, 4))
    both[:2, :2], both[2:, 2:] = rng.standard_normal((2, 2)), rng.standard_normal((2, 2))
    assert known.gaussian_information(both @ covariance @ both.T, 2) == pytest.approx(value)
    assert known.gaussian_information(np.ones((2, 2)), 1) == math.inf
    with pytest.raises(ValueError, match="singular"):
        known.gaussian_information(np.diag([0.0, 1.0]), 1)


def test_water_filling_spends_all_and_beats_random_splits() -> None:
    gains, rng = np.array([9.0, 1.0, 0.1]), np.random.default_rng(0)
    powers = known.water_filling(gains, 2.0)
    assert powers.sum() == pytest.approx(2.0)
    assert powers[2] == 0.0
    splits = 2.0 * rng.dirichlet(np.ones(3), size=2_000)
    assert np.log1p(gains * powers).sum() >= np.log1p(gains * splits).sum(axis=1).max()
    np.testing.assert_allclose(known.water_filling(np.ones(3), 3.0), 1.0)


@pytest.mark.parametrize("utility", [0.2, 0.5, 1.0, 2.0])
def test_least_leakage_is_below_every_code_and_reached_by_one(utility: float) -> None:
    r = np.array([0.8, 0.5])
    c, s = math.sqrt(1 - math.exp(-2 * utility)), math.exp(-utility)
    own = np.diag(1 - r**2) + np.outer(r, r)

    def leakage(a: Array) -> float:
        across = c * r + s * np.sqrt(1 - r**2) * a
        return float(known.gaussian_information(np.block([[np.eye(1), across[None]], [across[:, None], own]]), 1))

    least = known.least_leakage(r, utility)
    rng = np.random.default_rng(1)
    directions = rng.standard_normal((3_000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    assert min(leakage(a[:2]) for a in directions) >= least - 1e-12
    q = r / np.sqrt(1 - r**2)
    a = -min(1.0, c * float(np.linalg.norm(q)) / s) * q / np.linalg.norm(q)
    assert leakage(a) == pytest.approx(least, abs=1e-12)
    assert (least == 0) == (c * np.linalg.norm(q) <= s)
