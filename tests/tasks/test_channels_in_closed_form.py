"""Additive noise, circles, log-gamma pairs, concatenation, independence: truths by integration, marginals by name."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from mibench.tasks.additive import AdditiveUniform, UniformChannel
from mibench.tasks.circle import Circle
from mibench.tasks.concatenate import Concatenate
from mibench.tasks.gaussian import Gauss
from mibench.tasks.independent import MARGINALS, Independent
from mibench.tasks.loggamma import LogGamma
from scipy import integrate, special, stats

from mibench.registry import tasks
from mibench.task import Task

# a uniform variable and noise


@pytest.mark.parametrize("eps", [0.01, 0.1, 0.4, 0.5, 0.6, 0.75, 3.0])
def test_additive_uniform_by_integration(eps: float) -> None:
    def entropy_term(y: float) -> float:
        p = (min(1.0, y + eps) - max(0.0, y - eps)) / (2 * eps)
        return -p * math.log(p) if p > 0 else 0.0

    pieces = pairwise(sorted({-eps, eps, 1 - eps, 1 + eps}))
    entropy = sum(integrate.quad(entropy_term, a, b, epsabs=1e-12)[0] for a, b in pieces)
    task = AdditiveUniform(eps=eps)
    assert task.mutual_information == pytest.approx(entropy - math.log(2 * eps), abs=1e-9)


@pytest.mark.parametrize("nats", [1e-3, 0.3, 0.5, 0.7, 1.0, 5.0, 20.0])
def test_additive_uniform_by_its_information(nats: float) -> None:
    task = AdditiveUniform(mutual_information=nats)
    assert AdditiveUniform(eps=task.eps).mutual_information == pytest.approx(nats, rel=1e-12)


def test_additive_uniform_off_its_support() -> None:
    task = AdditiveUniform(eps=0.1)
    x, y = np.array([[0.5], [0.5], [1.5]]), np.array([[0.55], [0.7], [1.45]])
    assert list(np.isneginf(task.log_density_ratio(x, y))) == [False, True, True]
    x, y = task.sample(200_000, seed=1)
    assert np.isfinite(task.log_density_ratio(x, y)).all()


@pytest.mark.parametrize("noise", [1e-4, 0.01, 0.3, 1.0, 20.0])
def test_uniform_channel_by_integration(noise: float) -> None:
    def entropy_term(y: float) -> float:
        p = float(special.ndtr(y / noise) - special.ndtr((y - 1) / noise))
        return -p * math.log(p) if p > 0 else 0.0

    reach = 12 * noise
    pieces = pairwise(sorted({-reach, 0.5, *(min(0.5, k * noise) for k in (-6, -3, -1, 0, 1, 3, 6, 12))}))
    entropy = 2 * sum(integrate.quad(entropy_term, a, b, epsabs=1e-13)[0] for a, b in pieces)
    task = UniformChannel(noise=noise)
    expected = entropy - 0.5 * math.log(2 * math.pi * math.e * noise**2)
    assert task.mutual_information == pytest.approx(expected, abs=1e-9)


# circles


@pytest.mark.parametrize("kappa", [0.3, 2.0, 50.0])
def test_circle_by_integration(kappa: float) -> None:
    def term(angle: float) -> float:
        p = stats.vonmises.pdf(angle, kappa)
        return p * math.log(2 * math.pi * p)

    expected = integrate.quad(term, -math.pi, math.pi, epsabs=1e-12, limit=200)[0]
    assert Circle(mutual_information=expected).kappa == pytest.approx(kappa, rel=1e-7)


@pytest.mark.parametrize("winding", [1, 2, 5])
@pytest.mark.parametrize("nats", [0.0, 1e-3, 1.0, 8.0, 15.0])
def test_circle_density(winding: int, nats: float) -> None:
    task = Circle(mutual_information=nats, winding=winding)
    x, y = task.sample(20_000, seed=1)
    np.testing.assert_allclose((x**2).sum(axis=1), 1)
    np.testing.assert_allclose((y**2).sum(axis=1), 1)
    ratio = task.log_density_ratio(x, y)
    assert abs(ratio.mean() - nats) <= 4 * ratio.std() / math.sqrt(len(x)) + 1e-12
    assert stats.kstest(np.arctan2(y[:, 1], y[:, 0]), stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-4


def test_a_circle_gone_round_twice_is_uncorrelated() -> None:
    x, y = Circle(mutual_information=5.0, winding=2).sample(20_000, seed=1)
    assert np.abs(x.T @ y / len(x)).max() < 4 * 0.5 / math.sqrt(len(x))


# log-gamma


@pytest.mark.parametrize("nats", [0.05, 1.0, 3.0])
def test_log_gamma_from_entropies(nats: float) -> None:
    task = LogGamma(mutual_information=nats)
    theta = task.theta
    # information does not see the logarithm: E has the Lomax density theta / (1 + e)^(theta + 1)
    entropy = float(stats.lomax(theta).entropy())
    log_g, _ = integrate.quad(
        lambda t: t * math.exp(theta * t - math.exp(t) - special.gammaln(theta)),
        -60 / theta,
        8,
        limit=500,
        points=[-2, 0],
    )
    assert entropy - (1 - log_g) == pytest.approx(nats, abs=1e-6)


def test_log_gamma_marginals() -> None:
    task = LogGamma(mutual_information=1.0, dim=2)
    x, y = task.sample(20_000, seed=2)
    for column in x.T:
        assert stats.kstest(column, stats.loggamma(task.theta).cdf).pvalue > 1e-4
    for column in y.T:
        assert stats.kstest(np.exp(column), stats.lomax(task.theta).cdf).pvalue > 1e-4


def test_log_gamma_pairs_add() -> None:
    one, five = LogGamma(mutual_information=0.6), LogGamma(mutual_information=3.0, dim=5)
    assert five.theta == pytest.approx(one.theta, rel=1e-12)


# side by side


def test_concatenation_adds() -> None:
    first, second = Gauss(mutual_information=2.0, dim=2), tasks.create("half-cube[base=multinormal-sparse]")
    assert isinstance(second, Task)
    task = Concatenate(first, second)
    assert (task.dim_x, task.dim_y) == (5, 5)
    assert task.mutual_information == first.mutual_information + second.mutual_information
    x, y = task.sample(20_000, seed=3)
    expected = first.log_density_ratio(x[:, :2], y[:, :2]) + second.log_density_ratio(x[:, 2:], y[:, 2:])
    np.testing.assert_array_equal(task.log_density_ratio(x, y), expected)
    cross = np.corrcoef(np.hstack([x[:, :2], y[:, :2]]).T, np.hstack([x[:, 2:], y[:, 2:]]).T)[:4, 4:]
    assert np.abs(cross).max() < 4.5 / math.sqrt(len(x))


def test_concatenation_states_the_errors_of_its_parts() -> None:
    task = Concatenate(UniformChannel(), UniformChannel(noise=0.1))
    assert task.mutual_information_error == 2 * UniformChannel().mutual_information_error
    assert task.has_density


# independence


@pytest.mark.parametrize("marginal", MARGINALS)
def test_independent_variables_are(marginal: str) -> None:
    task = Independent(dim_x=2, marginal=marginal)
    x, y = task.sample(5000, seed=1)
    assert x.shape == y.shape == (5000, 2)
    assert np.isfinite(x).all()
    for i in range(2):
        for j in range(2):
            assert abs(stats.spearmanr(x[:, i], y[:, j]).statistic) < 4.5 / math.sqrt(5000)
            assert abs(stats.spearmanr(np.abs(x[:, i]), np.abs(y[:, j])).statistic) < 4.5 / math.sqrt(5000)
    assert stats.ks_2samp(x[:, 0], y[:, 0]).pvalue > 1e-4
    assert task.mutual_information == 0
    assert (task.log_density_ratio(x, y) == 0).all()


MARGINAL_LAWS = {
    "gaussian": stats.norm(),
    "uniform": stats.uniform(),
    "exponential": stats.expon(),
    "laplace": stats.laplace(),
    "log-normal": stats.lognorm(1),
    "student": stats.t(3),
    "cauchy": stats.cauchy(),
    "equicorrelated": stats.norm(),
    "joint-student": stats.t(2),
}


@pytest.mark.parametrize("marginal", MARGINAL_LAWS)
def test_independent_marginals(marginal: str) -> None:
    x, y = Independent(dim_x=3, marginal=marginal).sample(10_000, seed=2)
    for column in (*x.T, *y.T):
        assert stats.kstest(column, MARGINAL_LAWS[marginal].cdf).pvalue > 1e-5


def test_independent_sides_may_differ() -> None:
    task = Independent(dim_x=3, dim_y=1, marginal="ring", marginal_y="cauchy")
    x, y = task.sample(20_000, seed=1)
    assert (x.shape[1], y.shape[1]) == (3, 1)
    assert abs(np.linalg.norm(x, axis=1).std() - 0.1) < 0.005
    assert stats.kstest(y[:, 0], stats.cauchy().cdf).pvalue > 1e-4
