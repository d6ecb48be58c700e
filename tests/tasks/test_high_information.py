"""The wrapped Gaussian and the mixture of correlations: their maps, and the integral by other routes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mibench.tasks._mixture import GaussianMixture
from mibench.tasks.gaussian import Gauss
from mibench.tasks.high_information import PairedMixture, Wrapped
from mibench.tasks.mixtures import XShape
from mibench.tasks.numerics.quadrature import mixture_information
from mibench.tasks.student import student_information
from scipy.stats import multivariate_normal

from mibench.engine.grid import expand, load_grid
from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.registry import tasks
from mibench.task import Task


def test_wrapped_is_a_product_with_the_triangular_matrix() -> None:
    task = Wrapped(Gauss(dim=6, rho=0.7))
    matrix = np.tril(np.ones((6, 6)))
    matrix /= matrix.sum(axis=1, keepdims=True)
    x, y = task.sample(200, seed=1)
    u, v = task.base.sample(200, seed=1)
    np.testing.assert_allclose(x, np.tanh(u) @ matrix, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(y, np.exp(v) @ matrix, rtol=1e-13)


def test_wrapped_is_undone_in_64_dimensions() -> None:
    task = Wrapped(Gauss(dim=64, rho=0.7))
    x, y = task.sample(5000, seed=2)
    u, v = task.base.sample(5000, seed=2)
    np.testing.assert_allclose(task.backward(x, "x"), u, atol=1e-10)
    np.testing.assert_allclose(task.backward(y, "y"), v, atol=1e-10)
    assert task.mutual_information == pytest.approx(-32 * math.log(1 - 0.49), rel=1e-12)


def test_what_wrapped_never_gives_has_a_density_ratio_all_the_same() -> None:
    task = Wrapped()
    assert not np.isnan(task.log_density_ratio(np.full((1, 4), 50.0), np.full((1, 4), -50.0))).any()


@pytest.mark.parametrize(
    ("shifts", "rhos"), [((-0.2, -0.1, 0.0, 0.3, 0.4), (-0.3, 0.5, 0.2, 0.4, 0.9)), ((1.0, -2.0), (0.6, -0.8))]
)
def test_one_pair_by_the_trapezoidal_rule_in_the_plane(shifts: tuple[float, ...], rhos: tuple[float, ...]) -> None:
    task = PairedMixture(1, shifts, rhos)
    expected, error = mixture_information(*task.components)
    assert task.mutual_information == pytest.approx(expected, abs=error + task.mutual_information_error + 1e-10)


def test_special_cases_in_closed_form() -> None:
    assert PairedMixture(3, (0.7,), (0.8,)).mutual_information == pytest.approx(
        Gauss(dim=3, rho=0.8).mutual_information
    )
    same = PairedMixture(5, (0.1, 0.1, 0.1), (0.5, 0.5, 0.5))
    assert same.mutual_information == pytest.approx(Gauss(dim=5, rho=0.5).mutual_information, abs=1e-9)
    opposite = PairedMixture(1, (0.0, 0.0), (0.9, -0.9))
    assert opposite.mutual_information_error < 2e-5
    assert opposite.mutual_information == pytest.approx(
        XShape(0.9).mutual_information, abs=opposite.mutual_information_error
    )
    # far apart, each component adds its own, and X and Y tell which it is
    apart = PairedMixture(2, (-50.0, 50.0), (0.5, -0.8))
    within = 0.5 * (Gauss(dim=2, rho=0.5).mutual_information + Gauss(dim=2, rho=0.8).mutual_information)
    assert apart.mutual_information == pytest.approx(within + math.log(2), abs=1e-9)


@pytest.mark.parametrize("dim", [2, 4, 16, 64])
def test_the_mean_of_the_density_ratio(dim: int) -> None:
    task = PairedMixture(dim)
    assert isinstance(task, GaussianMixture)
    assert 0 < task.mutual_information_error < 1e-7
    x, y = task.sample(20_000, seed=dim)
    ratio = task.log_density_ratio(x, y)
    assert task.mutual_information == pytest.approx(float(ratio.mean()), abs=4 * float(ratio.std()) / math.sqrt(20_000))
    means, covariances = task.components
    few = slice(0, 20)

    def log_density(values: Array, part: slice) -> Array:
        each = [
            multivariate_normal.pdf(values, mean[part], covariance[part, part])
            for mean, covariance in zip(means, covariances, strict=True)
        ]
        density: Array = np.log(np.mean(each, axis=0))
        return density

    joint = log_density(np.hstack([x, y])[few], slice(None))
    apart = log_density(x[few], slice(0, dim)) + log_density(y[few], slice(dim, None))
    np.testing.assert_allclose(ratio[few], joint - apart, rtol=1e-7, atol=1e-8)


def test_shifts_and_correlations_come_in_pairs() -> None:
    with pytest.raises(UsageError, match="3 shifts and 2 rhos"):
        PairedMixture(2, (0.0, 0.1, 0.2), (0.5, 0.6))


def test_the_preset_is_the_published_grid() -> None:
    """Truths at 64 + 64 as read off the figure of the paper, to 0.1."""
    found = {job.cell.task for job in expand(load_grid("high_information"))}
    assert len(found) == 20
    largest = [task for label in sorted(found) if isinstance(task := tasks.create(label), Task) and task.dim_x == 64]
    expected = {"wrapped": 21.55, "paired-mixture": 14.3, "student": 23.5, "warped": 21.55}
    assert {task.family: task.mutual_information for task in largest} == pytest.approx(expected, abs=0.1)
    for dim in (4, 64):
        student = tasks.create(f"student[base=gauss[dim={dim},rho=0.7],dof=1.0]")
        assert isinstance(student, Task)
        own = Gauss(dim=dim, rho=0.7).mutual_information + student_information(dim, dim, 1.0)
        assert student.mutual_information == pytest.approx(own)
