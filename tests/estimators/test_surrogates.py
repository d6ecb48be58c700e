"""Surrogates have the values and the information that they should; what is made of an estimator's error on them."""

import math

import numpy as np
import pytest
from mibench.estimators.densities.surrogates import gaussian_bias, lack_of_entropy, surrogates, weakened
from mibench.estimators.ksg import KSG

from mibench.estimator import Array
from mibench.ranks import normal_scores

RNG = np.random.default_rng


def correlated(n: int, rho: float, dim: int, seed: int = 0) -> tuple[Array, Array]:
    x, noise = RNG(seed).standard_normal((2, n, dim))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def information(correlation: Array, dim_x: int) -> float:
    parts = correlation[:dim_x, :dim_x], correlation[dim_x:, dim_x:], correlation
    x, y, both = (np.linalg.slogdet(part)[1] for part in parts)
    return float(0.5 * (x + y - both))


def ksg(x: Array, y: Array) -> float:
    return float(KSG(1).estimate(x, y).mi)


@pytest.fixture
def correlation() -> Array:
    samples: Array = RNG(2).standard_normal((50, 5)) @ RNG(3).standard_normal((5, 5))
    return np.asarray(np.corrcoef(samples.T))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_weakening_gives_the_information_that_is_asked_for(correlation: Array, share: float) -> None:
    most = information(correlation, 2)
    weaker = weakened(correlation, 2, share * most)
    assert information(weaker, 2) == pytest.approx(share * most, abs=1e-6)
    assert weaker[:2, :2] == pytest.approx(correlation[:2, :2])
    assert weaker[2:, 2:] == pytest.approx(correlation[2:, 2:])
    assert np.linalg.eigvalsh(weaker).min() > 0
    assert weakened(correlation, 2, most + 1) == pytest.approx(correlation)


def test_surrogates_have_the_values_and_the_correlations(correlation: Array) -> None:
    data = RNG(0).exponential(size=(4000, 5))
    x, y = next(surrogates(data[:, :2], data[:, 2:], correlation, RNG(1)))
    assert np.sort(np.hstack([x, y]), axis=0) == pytest.approx(np.sort(data, axis=0))
    found = np.corrcoef(normal_scores(np.hstack([x, y])).T)
    assert found == pytest.approx(correlation, abs=0.05)


def test_lack_of_entropy_of_a_gaussian_beside_an_independent_one() -> None:
    covariance = np.array([[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]])
    x = RNG(0).multivariate_normal(np.zeros(3), covariance, 2000)
    independent = np.stack([RNG(i + 1).permutation(column) for i, column in enumerate(x.T)], 1)
    assert lack_of_entropy(x, independent) == pytest.approx(-0.5 * math.log(1 - 0.64), abs=0.15)
    assert lack_of_entropy(independent, x) == 0
    assert lack_of_entropy(x[:, :1], independent[:, :1]) == 0


def test_the_bias_for_gaussian_data_is_that_of_the_estimator() -> None:
    x, y = correlated(2000, 0.7, 4)
    truth = -2 * math.log(1 - 0.49)
    for bend in (np.positive, np.exp):  # the marginals matter
        true_bias = np.mean([ksg(u, bend(v)) for u, v in (correlated(2000, 0.7, 4, s) for s in range(1, 7))]) - truth
        assert gaussian_bias(ksg, x, bend(y), 4, RNG(0)) == pytest.approx(true_bias, abs=0.06)
    assert true_bias < -0.3
    # an estimator without error has none, but for the error of the correlations
    assert gaussian_bias(lambda x, y: truth, x, y, 1, RNG(0)) == pytest.approx(0, abs=0.08)


def test_independent_data_need_no_correction() -> None:
    assert gaussian_bias(ksg, *correlated(1000, 0.0, 3), 4, RNG(0)) == pytest.approx(0, abs=0.05)


def test_few_samples_in_many_dimensions_do_not_look_dependent() -> None:
    asked: list[float] = []

    def estimate(x: Array, y: Array) -> float:
        scores = normal_scores(x), normal_scores(y)
        asked.append(information(np.corrcoef(scores[0].T, scores[1].T), 8))
        return asked[-1]

    x, y = correlated(60, 0.0, 8)
    gaussian_bias(estimate, x, y, 5, RNG(0))
    samples = [correlated(60, 0.0, 8, s) for s in range(20)]
    sampling = np.mean([information(np.corrcoef(u.T, v.T), 8) for u, v in samples])
    assert np.mean(asked) < 1.3 * sampling


def test_data_on_a_manifold_are_hardly_corrected() -> None:
    # two dimensions in eight columns, where neighbours are those in two; Gaussians of the same correlations fill eight
    rng = RNG(1)
    u, v = correlated(2000, 0.9, 2)
    x, y = (np.tanh(3 * values @ rng.standard_normal((2, 8))) for values in (u, v))
    correlation = np.corrcoef(normal_scores(x).T, normal_scores(y).T)
    assert ksg(*next(surrogates(x, y, correlation, RNG(1)))) - information(correlation, 8) < -0.2
    assert abs(gaussian_bias(ksg, x, y, 2, RNG(0))) < 0.05


def test_where_there_is_nothing_to_go_by_there_is_no_correction() -> None:
    x, y = correlated(200, 0.8, 2)
    assert gaussian_bias(ksg, x, y, 0, RNG(0)) == 0
    assert gaussian_bias(ksg, np.round(x), y, 2, RNG(0)) == 0
    assert gaussian_bias(ksg, x, x, 2, RNG(0)) == 0
    assert gaussian_bias(ksg, *correlated(10, 0.8, 6), 2, RNG(0)) == 0
