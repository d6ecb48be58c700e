"""Gaussian tasks: closed forms against determinants, densities against scipy's, samples against their covariance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mibench.tasks.additive import AdditiveUniform
from mibench.tasks.gaussian import Gauss, Gaussian, Multinormal, MultinormalDense, MultinormalSparse
from mibench.tasks.highdim import HighDimGauss
from mibench.tasks.staircase import Staircase
from scipy import stats

from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.registry import tasks
from mibench.task import Task


def paired(dim_x: int, dim_y: int, pairs: int, rho: float) -> Array:
    cov = np.eye(dim_x + dim_y)
    for i in range(pairs):
        cov[i, dim_x + i] = cov[dim_x + i, i] = rho
    return cov


def dense(dim: int, rho: float) -> Array:
    return (1 - rho) * np.eye(dim) + rho


def rho_of(nats_per_pair: float) -> float:
    return math.sqrt(1 - math.exp(-2 * nats_per_pair))


FACTOR = np.random.default_rng(1).standard_normal((5, 5))
ANY = FACTOR @ FACTOR.T + 0.1 * np.eye(5)
COVARIANCES = [
    (Multinormal(ANY, dim_x=2), ANY),
    (Gauss(), paired(1, 1, 1, rho_of(1.0))),
    (Gauss(mutual_information=3.0, dim=4), paired(4, 4, 4, rho_of(0.75))),
    (Gauss(rho=-0.9, dim=2), paired(2, 2, 2, -0.9)),
    (Gauss(rho=0.0), np.eye(2)),
    (MultinormalSparse(), paired(3, 3, 2, 0.8)),
    (MultinormalSparse(dim_x=5, dim_y=2, pairs=1, mutual_information=1.5), paired(5, 2, 1, rho_of(1.5))),
    (MultinormalDense(dim_x=3, dim_y=4), dense(7, 0.5)),
    (MultinormalDense(dim_x=1, dim_y=6, rho=0.9), dense(7, 0.9)),
    (MultinormalDense(dim_x=2, dim_y=2, rho=0.0), np.eye(4)),
    (Staircase(mutual_information=10.0), paired(20, 20, 20, rho_of(0.5))),
    (HighDimGauss(mutual_information=4.0, dim=9, pairs=2), paired(9, 9, 2, rho_of(2.0))),
]
BY_LABEL = pytest.mark.parametrize(
    ("task", "cov"), COVARIANCES, ids=[t.label.partition("(")[0] for t, _ in COVARIANCES]
)


def determinants(cov: Array, dim_x: int) -> float:
    x, y, xy = (np.linalg.slogdet(c)[1] for c in (cov[:dim_x, :dim_x], cov[dim_x:, dim_x:], cov))
    return float(0.5 * (x + y - xy))


@BY_LABEL
def test_information_is_that_of_the_determinants(task: Gaussian, cov: Array) -> None:
    assert task.mutual_information == pytest.approx(determinants(cov, task.dim_x), rel=1e-10, abs=1e-12)


@BY_LABEL
def test_log_density_ratio_is_that_of_the_densities(task: Gaussian, cov: Array) -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 50, 30))
    x, y, k = x[:, : task.dim_x], y[:, : task.dim_y], task.dim_x
    expected = (
        stats.multivariate_normal(cov=cov).logpdf(np.hstack([x, y]))
        - stats.multivariate_normal(cov=cov[:k, :k]).logpdf(x)
        - stats.multivariate_normal(cov=cov[k:, k:]).logpdf(y)
    )
    np.testing.assert_allclose(task.log_density_ratio(x, y), expected, rtol=1e-7, atol=1e-9)


@BY_LABEL
def test_samples_have_the_covariance(task: Gaussian, cov: Array) -> None:
    n = 20_000
    z = np.hstack(task.sample(n, seed=3))
    second, fourth = z.T @ z / n, (z**2).T @ z**2 / n
    errors = (second - cov) / np.sqrt((fourth - second**2) / n)
    assert np.abs(errors).max() < 5  # of up to 820 entries
    assert np.abs(z.mean(axis=0)).max() < 5 / math.sqrt(n)


def test_whatever_holds_a_covariance_it_is_one_value() -> None:
    assert Multinormal([[2, 1], [1, 2]]) == Multinormal(np.array([[2.0, 1.0], [1.0, 2.0]]))
    task = Multinormal(ANY, dim_x=2)
    assert (task.dim_x, task.dim_y) == (2, 3)
    assert tasks.create(task.label) == task


def test_determinants_may_overflow() -> None:
    cov = 1e6 * paired(120, 120, 1, 0.8)
    assert Multinormal(cov, dim_x=120).mutual_information == pytest.approx(-0.5 * math.log(0.36), rel=1e-9)


def test_units_do_not_matter() -> None:
    scale = np.diag([1e-8, 1.0, 1e9])
    cov = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, -0.3], [0.2, -0.3, 1.0]])
    plain, scaled = Multinormal(cov), Multinormal(scale @ cov @ scale)
    assert scaled.mutual_information == pytest.approx(plain.mutual_information, rel=1e-12)


@pytest.mark.parametrize("nats", [0.0, 0.01, 1.0, 5.0, 12.0])
def test_information_as_the_parameter(nats: float) -> None:
    for task in (
        Gauss(mutual_information=nats, dim=3),
        MultinormalSparse(mutual_information=nats, pairs=3),
        MultinormalDense(dim_x=3, dim_y=2, mutual_information=nats),
        MultinormalDense(dim_x=1, dim_y=1, mutual_information=nats),
    ):
        assert task.mutual_information == pytest.approx(nats, rel=1e-5, abs=1e-14)


@pytest.mark.parametrize(
    ("default", "asked"),
    [
        (Gauss(), {"mutual_information": 1.0}),
        (MultinormalSparse(), {"rho": 0.8}),
        (MultinormalDense(), {"rho": 0.5}),
        (AdditiveUniform(), {"mutual_information": 1.0}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_asked_stays_as_it_is_and_what_follows_is_a_number(default: Task, asked: dict[str, float]) -> None:
    """A parameter that is not given is none in the name and the identity; the attribute is what the task has."""
    either = [name for name in ("mutual_information", "rho", "eps") if name in default.params]
    assert [default.params[name] for name in either] == [None, None]
    for name, value in asked.items():
        given = type(default)(**asked)
        assert getattr(default, name) == getattr(given, name) == value
        assert given.params[name] == value
        assert given != default
    for name in either:
        assert type(getattr(default, name)) is float
        twin = type(default)(**{name: getattr(default, name)})
        assert twin.mutual_information == pytest.approx(default.mutual_information, rel=1e-12)
        for other in either:
            with pytest.raises(AttributeError):
                setattr(twin, other, 0.1)


def test_nearly_deterministic_pairs_keep_their_noise() -> None:
    task = Gauss(mutual_information=20.0)
    x, y = task.sample(50_000, seed=1)
    noise = (y - x)[:, 0] * math.exp(20.0)  # y = rho x + exp(-20) noise with rho = 1 but for 1e-18
    assert abs(noise.std() - 1) < 0.02
    ratio = task.log_density_ratio(x, y)
    assert abs(ratio.mean() - 20) < 4 * ratio.std() / math.sqrt(len(x))


def test_a_covariance_that_holds_no_numbers_is_refused() -> None:
    with pytest.raises(UsageError, match="covariance must be a tuple"):
        Multinormal("diagonal")
