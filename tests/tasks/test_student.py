"""Student-t: entropies and densities against scipy's, the correction for the shared scale, marginals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from mibench.tasks.gaussian import Multinormal, MultinormalDense
from mibench.tasks.student import Student, student_identity, student_information
from scipy import integrate, stats

from mibench.estimator import Array
from mibench.registry import tasks
from mibench.task import Task

COVARIANCE = np.array([[2.0, 0.6, 0.3], [0.6, 1.0, 0.2], [0.3, 0.2, 0.5]])


def multivariate_t(shape: Array, dof: float) -> Any:
    return stats.multivariate_t(shape=shape, df=dof)  # type: ignore[arg-type]  # the stubs know whole numbers only


@pytest.mark.parametrize("dof", [0.7, 1.0, 2.0, 5.0, 30.0])
def test_information_is_that_of_the_entropies(dof: float) -> None:
    task = Student(base=Multinormal(COVARIANCE, dim_x=1), dof=dof)

    def entropy(shape: Array) -> float:
        return float(multivariate_t(shape, dof).entropy())

    expected = entropy(COVARIANCE[:1, :1]) + entropy(COVARIANCE[1:, 1:]) - entropy(COVARIANCE)
    assert task.mutual_information == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("dof", [1.0, 3.0])
def test_correction_by_integration(dof: float) -> None:
    # bivariate: the density depends on the radius alone
    log_density = multivariate_t(np.eye(2), dof).logpdf

    def integrand(t: float) -> float:
        r = math.exp(t)
        value = float(log_density([r, 0.0]))
        return -2 * math.pi * r * r * math.exp(value) * value

    joint = integrate.quad(integrand, -30, 60, limit=500, epsabs=1e-11)[0]
    expected = 2 * stats.t(dof).entropy() - joint
    assert student_information(1, 1, dof) == pytest.approx(expected, abs=1e-8)


def test_correction_does_not_depend_on_the_covariance() -> None:
    base = MultinormalDense(dim_x=3, dim_y=2, rho=0.7)
    gained = Student(base=base, dof=3.0).mutual_information - base.mutual_information
    assert gained == pytest.approx(student_identity(3, 2, 3.0).mutual_information, rel=1e-12)


def test_correction_vanishes_as_the_tails_become_normal() -> None:
    corrections = [student_information(3, 3, dof) for dof in (1, 2, 5, 20, 1000)]
    assert corrections == sorted(corrections, reverse=True)
    assert 0 < corrections[-1] < 1e-4


@pytest.mark.parametrize("dof", [1.0, 4.0])
def test_log_density_ratio_is_that_of_the_densities(dof: float) -> None:
    task = Student(base=Multinormal(COVARIANCE, dim_x=1), dof=dof)
    x, y = task.sample(200, seed=1)
    expected = (
        multivariate_t(COVARIANCE, dof).logpdf(np.hstack([x, y]))
        - multivariate_t(COVARIANCE[:1, :1], dof).logpdf(x)
        - multivariate_t(COVARIANCE[1:, 1:], dof).logpdf(y)
    )
    np.testing.assert_allclose(task.log_density_ratio(x, y), expected, rtol=1e-9, atol=1e-9)


def test_marginals_are_student() -> None:
    x, y = student_identity(2, 1, 3.0).sample(20_000, seed=2)
    for column in (x[:, 0], x[:, 1], y[:, 0]):
        assert stats.kstest(column, stats.t(3).cdf).pvalue > 1e-4


def test_the_scale_is_shared() -> None:
    x, y = student_identity(1, 1, 1.0).sample(20_000, seed=3)
    assert stats.spearmanr(np.abs(x[:, 0]), np.abs(y[:, 0])).statistic > 0.2
    assert abs(stats.spearmanr(x[:, 0], y[:, 0]).statistic) < 0.03


def test_high_dimensional_information_includes_the_shared_scale() -> None:
    task = tasks.create("highdim-student[mutual_information=5.0,dim=64,pairs=3,dof=3.0]")
    assert isinstance(task, Task)
    assert task.mutual_information == pytest.approx(5.0, rel=1e-12)
