"""Sliced mutual information: its definition by quadrature, its bounds, its randomness."""

from __future__ import annotations

import numpy as np
import pytest
from mibench.estimators.gaussian import CCA
from mibench.estimators.ksg import KSG
from mibench.estimators.sliced import Sliced

from mibench.estimator import Kind
from mibench.registry import estimators

from .conftest import correlated


def test_mean_over_directions_of_a_gaussian() -> None:
    """With covariance rho I between two planes, the slices correlate by rho times the cosine of their angle."""
    rho, angles = 0.9, np.linspace(0, 2 * np.pi, 10_000, endpoint=False)
    truth = np.mean(-0.5 * np.log(1 - (rho * np.cos(angles)) ** 2))
    x, y = correlated(5000, rho, 2, seed=1)
    estimate = Sliced(slices=600, estimator=CCA()).estimate(x, y)
    assert abs(estimate.mi - truth) < 4 * estimate.diagnostics["sd_over_slices"] / np.sqrt(600) + 0.01
    with_ksg = Sliced(slices=60).estimate(x, y)
    assert abs(with_ksg.mi - truth) < 4 * with_ksg.diagnostics["sd_over_slices"] / np.sqrt(60) + 0.02


def test_one_dimension_on_each_side_is_the_inner_estimate() -> None:
    x, y = correlated(200, 0.8, 1, seed=2)
    estimate = Sliced().estimate(x, y)
    assert estimate.mi == pytest.approx(KSG().estimate(x, y).mi, abs=1e-9)
    assert estimate.diagnostics["slices"] == 1


def test_below_the_mutual_information_and_zero_at_independence() -> None:
    x, y = correlated(1000, 0.8, 3, seed=3)
    assert 0.02 < Sliced(50).estimate(x, y).mi < CCA().estimate(x, y).mi / 2
    assert abs(Sliced(50).estimate(*correlated(1000, 0.0, 3, seed=3)).mi) < 0.03


def test_the_seed_decides_the_directions() -> None:
    x, y = correlated(100, 0.8, 2, seed=4)
    sliced = Sliced(5)
    assert sliced.estimate(x, y, 1).mi == sliced.estimate(x, y, 1).mi
    assert sliced.estimate(x, y, 1).mi != sliced.estimate(x, y, 2).mi


def test_it_is_another_quantity() -> None:
    sliced = estimators.create("sliced[slices=7,estimator=ksg[k=5]]")
    assert sliced == Sliced(7, KSG(5))
    assert sliced.kind is Kind.OTHER
