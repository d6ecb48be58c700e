"""Gaussian formulas: closed forms, the exact bias, standard errors, invariances."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from mibench.estimators.gaussian import CCA, GaussianCopula, gaussian_bias, variance_at_independence

from mibench.errors import DataError, Unsupported
from mibench.estimator import Array, Estimator
from mibench.ranks import normal_scores
from mibench.registry import estimators


def gaussian(n: int, dim_x: int, dim_y: int, rho: float, seed: int) -> tuple[Array, Array]:
    """min(dim_x, dim_y) pairs of coordinates with correlation rho, the rest independent."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, dim_x)), rng.standard_normal((n, dim_y))
    pairs = min(dim_x, dim_y)
    y[:, :pairs] = rho * x[:, :pairs] + np.sqrt(1 - rho**2) * y[:, :pairs]
    return x, y


def by_determinants(x: Array, y: Array) -> float:
    """1/2 log(det S_x det S_y / det S), the Gaussian formula without canonical correlations."""
    s = np.cov(np.hstack([x, y]).T)
    p = x.shape[1]
    log_x, log_y, log_xy = (np.linalg.slogdet(part)[1] for part in (s[:p, :p], s[p:, p:], s))
    return float(0.5 * (log_x + log_y - log_xy))


@pytest.mark.parametrize(("p", "q"), [(1, 1), (2, 3), (5, 1), (10, 10)])
def test_is_the_determinant_formula_less_the_bias(p: int, q: int) -> None:
    x, y = gaussian(60, p, q, 0.6, seed=p)
    estimate = CCA().estimate(x, y)
    assert estimate.mi == pytest.approx(by_determinants(x, y) - gaussian_bias(60, p, q), abs=1e-10)
    assert estimate.diagnostics["rank_x"] == p
    assert estimate.diagnostics["rank_y"] == q


@pytest.mark.parametrize(("n", "p", "q", "rho"), [(20, 2, 2, 0.0), (100, 3, 5, 0.5), (200, 10, 10, 0.7)])
def test_unbiased_and_its_sampling_error_is_the_spread(n: int, p: int, q: int, rho: float) -> None:
    truth = -0.5 * min(p, q) * np.log(1 - rho**2)
    answers = [CCA().estimate(*gaussian(n, p, q, rho, seed)) for seed in range(400)]
    values = np.array([a.mi for a in answers])
    assert abs(values.mean() - truth) < 4 * values.std() / 20
    stated = np.sqrt(np.mean([a.diagnostics["sampling_error"] ** 2 for a in answers]))
    assert stated == pytest.approx(values.std(), rel=0.2)


def test_bias_and_variance_at_independence() -> None:
    values = np.array([by_determinants(*gaussian(25, 3, 2, 0.0, seed)) for seed in range(3000)])
    assert abs(values.mean() - gaussian_bias(25, 3, 2)) < 4 * values.std() / np.sqrt(3000)
    assert values.var() == pytest.approx(variance_at_independence(25, 3, 2), rel=0.12)


@pytest.mark.parametrize("estimator", [CCA(), GaussianCopula()], ids=str)
def test_truth_within_its_sampling_error(estimator: Estimator) -> None:
    for rho in (0.0, 0.5, 0.95):
        estimate = estimator.estimate(*gaussian(3000, 2, 3, rho, seed=1))
        assert abs(estimate.mi + np.log(1 - rho**2)) < 4 * estimate.diagnostics["sampling_error"]


def test_invariance_under_linear_maps() -> None:
    rng = np.random.default_rng(2)
    x, y = gaussian(100, 3, 2, 0.7, seed=2)
    mi = CCA().estimate(x, y).mi
    mixed = x @ rng.standard_normal((3, 3)) * 1e6 + 4.0
    assert CCA().estimate(mixed, y).mi == pytest.approx(mi, abs=1e-8)
    assert CCA().estimate(y, x).mi == pytest.approx(mi, abs=1e-10)
    copies = np.hstack([x, x @ rng.standard_normal((3, 2)), np.ones((100, 1))])
    assert CCA().estimate(copies, y).mi == pytest.approx(mi, abs=1e-8)


def test_copula_is_invariant_under_monotone_maps_and_exact_for_its_model() -> None:
    x, y = gaussian(2000, 2, 2, 0.8, seed=3)
    mi = GaussianCopula().estimate(x, y).mi
    assert GaussianCopula().estimate(np.exp(3 * x), y**3).mi == pytest.approx(mi, abs=1e-12)
    assert mi == pytest.approx(-np.log(1 - 0.64), abs=0.1)
    assert CCA().estimate(np.exp(3 * x), y**3).mi < mi - 0.5


def test_normal_scores_are_quantiles_of_the_ranks() -> None:
    from scipy.stats import norm

    np.testing.assert_allclose(normal_scores(np.array([[3.0], [1.0], [2.0]]))[:, 0], norm.ppf([0.75, 0.25, 0.5]))
    np.testing.assert_allclose(normal_scores(np.array([[1.0], [1.0]])), 0.0, atol=1e-12)


def test_a_function_of_each_other_is_infinite_and_said() -> None:
    x, _ = gaussian(50, 2, 2, 0.0, seed=4)
    estimate = CCA().estimate(x, x @ [[1.0, 2.0], [3.0, 4.0]])
    assert estimate.mi == np.inf
    assert estimate.diagnostics["linearly_dependent"]


def test_what_it_refuses_and_says() -> None:
    x, y = gaussian(10, 5, 5, 0.0, seed=5)
    with pytest.raises(Unsupported, match="10 samples are too few for 5"):
        CCA().estimate(x, y)
    with pytest.raises(DataError, match="constant"):
        CCA().estimate(np.ones(10), y)
    assert CCA().estimate(np.round(gaussian(99, 1, 1, 0.5, 6)[0]), np.arange(99.0)).diagnostics["ties"] > 0.8


def test_it_says_where_single_values_decide() -> None:
    x, y = gaussian(2000, 1, 1, 0.0, seed=7)
    assert "outliers" not in CCA().estimate(x, y).diagnostics
    x[:20], y[:20] = -9999.0, -9999.0
    estimate = CCA().estimate(x, y)
    assert estimate.mi > 5  # at most 0.056 is possible: 1 % of the rows
    assert estimate.diagnostics["outliers"] > 100


def test_names() -> None:
    assert estimators.create("cca") == estimators.create("gaussian") == CCA()
    assert estimators.create("gaussian").label == "gaussian"
    assert estimators.create("gaussian-copula") == GaussianCopula()


@pytest.mark.parametrize(
    "name", ["gaussian-copula", "copula-ksg", "extrapolated", "gmm", "jmi", "genie", "kde", "edge", "vine"]
)
def test_what_takes_long_to_import_is_not_imported(name: str) -> None:
    """Ranks and the F distribution come without scipy.stats, which takes longer to import than these to answer."""
    code = (
        "import sys, numpy as np; from mibench.registry import estimators; "
        f"e = estimators.create('{name}'); e.warm_up(); "
        "x, y = np.random.default_rng(0).standard_normal((2, 200, 1)); e.estimate(x, x + y); "
        "print('scipy.stats' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False"
