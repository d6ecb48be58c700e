"""Kernel density estimates: the sums by definition, the cancellation for Gaussians, leaving one out, invariances."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from mibench.estimators.kde import KDE, log_density
from scipy.stats import multivariate_normal

from mibench.errors import Unsupported

from .conftest import correlated


@pytest.mark.parametrize("dim", [1, 3])
def test_density_by_definition(dim: int) -> None:
    x, _ = correlated(60, 0.5, dim, seed=dim)
    x[:, 0] *= 100
    covariance = np.atleast_2d(np.cov(x.T, bias=True)) * 0.4**2
    expected = [
        np.log(np.mean([multivariate_normal.pdf(x[i], x[j], covariance) for j in range(60) if j != i]))
        for i in range(60)
    ]
    # log_density leaves out the factor (2 pi)^(-dim / 2), which cancels
    np.testing.assert_allclose(log_density(x, 0.4) - dim * np.log(2 * np.pi) / 2, expected, atol=1e-9)


def test_samples_far_from_all_others_have_a_finite_density() -> None:
    x = np.append(np.linspace(-1, 1, 50), 1e6)[:, None]
    assert np.isfinite(log_density(x, 1e-3)).all()


@pytest.mark.parametrize("marginals", ["normal", "raw"])
def test_truth_of_gaussians(marginals: Literal["normal", "raw"]) -> None:
    for rho in (0.0, 0.6, 0.95):
        estimate = KDE(marginals=marginals).estimate(*correlated(2000, rho, 1, seed=1))
        assert estimate.mi == pytest.approx(-0.5 * np.log(1 - rho**2), abs=0.06)


def test_narrow_kernels_do_not_report_information_where_there_is_none() -> None:
    x, y = correlated(500, 0.0, 1, seed=2)
    # with the sample's own kernel this would tend to log n = 6.2
    assert KDE(bandwidth=0.2).estimate(x, y).mi < 0.1


def test_heavy_tails() -> None:
    rng = np.random.default_rng(3)
    x, y = correlated(2000, 0.5, 1, seed=3)
    scale = np.sqrt(rng.chisquare(3, (2000, 1)) / 3)
    # bivariate Student t with 3 degrees of freedom: Gaussian information plus the constant of Calsaverini & Vicente
    from scipy.special import digamma, gammaln

    nu = 3
    constant = (
        2 * gammaln((nu + 1) / 2) - gammaln(nu / 2) - gammaln((nu + 2) / 2)
        + (nu + 2) / 2 * digamma((nu + 2) / 2) + nu / 2 * digamma(nu / 2) - (nu + 1) * digamma((nu + 1) / 2)
    )  # fmt: skip
    truth = -0.5 * np.log(0.75) + constant
    assert KDE().estimate(x / scale, y / scale).mi == pytest.approx(truth, abs=0.08)


def test_invariances() -> None:
    x, y = correlated(300, 0.8, 2, seed=4)
    mi = KDE().estimate(x, y).mi
    assert KDE().estimate(np.exp(x), y**3).mi == pytest.approx(mi, abs=1e-9)
    assert KDE().estimate(y, x).mi == pytest.approx(mi, abs=1e-9)
    raw = KDE(marginals="raw")
    mixing = np.array([[1.0, 2.0], [-3.0, 0.5]])
    assert raw.estimate(x @ mixing + 5, y).mi == pytest.approx(raw.estimate(x, y).mi, abs=1e-9)


def test_what_it_refuses() -> None:
    x, y = correlated(50, 0.5, 1, seed=5)
    with pytest.raises(Unsupported, match="linearly dependent"):
        KDE(marginals="raw").estimate(x, 2 * x)
    with pytest.raises(Unsupported, match="linearly dependent"):
        KDE().estimate(np.hstack([x, x]), y)
