"""The histogram estimator: plug-in and correction by definition, discrete variables, invariances, its error."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from mibench.estimators.histogram import Histogram, entropy

from mibench.errors import Unsupported

from .conftest import correlated


def by_definition(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
    """From entropies of tuples, each with its terms of Chao, Wang & Jost (2013), eq. 7a, summed one by one."""

    def entropy(rows: list[Any]) -> float:
        counts = list(Counter(rows).values())
        n, once, twice = len(rows), counts.count(1), counts.count(2)
        seen = sum(c / n * sum(1 / r for r in range(c, n)) for c in counts)
        if once == 0:
            return seen
        mean = 2 * twice / ((n - 1) * once + 2 * twice) if twice else 2 / ((n - 1) * (once - 1) + 2)
        terms = np.arange(n, n + int(60 / mean))
        return float(seen + once / n * ((1 - mean) ** (terms - n + 1) / terms).sum())

    of_x, of_y = [tuple(row) for row in x], [tuple(row) for row in y]
    return entropy(of_x) + entropy(of_y) - entropy(list(zip(of_x, of_y, strict=True)))


@pytest.mark.parametrize(("n", "k", "keep"), [(1000, 10, 0.7), (1000, 26, 1.0), (1000, 50, 0.7), (1000, 50, 0.0)])
def test_codes_of_categories_whatever_they_are(n: int, k: int, keep: float) -> None:
    """Truth: y equals a function of x with this probability, and is drawn anew otherwise."""
    same, other = keep + (1 - keep) / k, (1 - keep) / k
    truth = np.log(k) + same * np.log(same) + (k - 1) * (other * np.log(other) if other else 0.0)
    for estimator in (Histogram(), Histogram(bins=k)):
        values = []
        for seed in range(4):
            rng = np.random.default_rng(seed)
            x = rng.integers(0, k, n)
            y = np.where(rng.random(n) < keep, rng.permutation(k)[x], rng.integers(0, k, n))
            values.append(estimator.estimate(x, y).mi)
        assert np.mean(values) == pytest.approx(truth, abs=0.07)  # 0.76 at independence, by occupied cells alone
    if keep:
        assert Histogram().estimate(rng.permutation(k)[x], y).mi == pytest.approx(values[-1], abs=1e-12)


def test_the_entropy_of_categories_that_half_the_samples_have_not_met() -> None:
    rng = np.random.default_rng(5)
    for p in (np.full(100, 0.01), rng.dirichlet(np.ones(100))):
        found = [entropy(np.unique(rng.choice(100, 60, p=p), return_counts=True)[1]) for _ in range(200)]
        truth = -(p * np.log(p)).sum()
        assert np.mean(found) == pytest.approx(truth, abs=0.1)  # the plug-in answer is 0.5 below


@pytest.mark.parametrize("dim", [1, 2])
def test_discrete_variables_are_taken_as_they_are(dim: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (400, dim))
    y = np.where(rng.random((400, dim)) < 0.5, x, rng.integers(0, 4, (400, dim)))
    estimate = Histogram(bins=5).estimate(x, y)
    assert estimate.mi == pytest.approx(by_definition(x, y), abs=1e-6)
    assert estimate.diagnostics["ties"] > 0.9
    assert Histogram(bins=5).estimate(-7.5 * x, y).mi == pytest.approx(estimate.mi, abs=1e-12)


@pytest.mark.parametrize("bins", [2, 7])
def test_bins_by_definition(bins: int) -> None:
    x, y = correlated(300, 0.7, 1, seed=1)
    ranks = [np.argsort(np.argsort(v[:, 0])) for v in (x, y)]
    quantiles = [(r * bins / 300 + 1e-9).astype(int)[:, None] for r in ranks]
    # at n = 300 and 7 bins the edges fall between samples, save for rounding of the edge itself
    assert Histogram(bins=bins).estimate(x, y).mi == pytest.approx(by_definition(*quantiles), abs=0.04)
    widths = [np.minimum((v - v.min()) / np.ptp(v) * bins, bins - 1).astype(int) for v in (x, y)]
    wide = Histogram(bins=bins, spacing="width").estimate(x, y).mi
    assert wide == pytest.approx(by_definition(*widths), abs=1e-6)


def test_truth_and_independence() -> None:
    for rho in (0.0, 0.5, 0.9):
        estimate = Histogram().estimate(*correlated(10_000, rho, 1, seed=2))
        assert estimate.mi == pytest.approx(-0.5 * np.log(1 - rho**2), abs=0.03)


def test_correction_removes_the_bias_at_independence() -> None:
    values = [Histogram(bins=6).estimate(*correlated(500, 0.0, 1, seed)) for seed in range(200)]
    mi = np.array([v.mi for v in values])
    assert abs(mi.mean()) < 4 * mi.std() / np.sqrt(200)
    assert np.sqrt(np.mean([v.diagnostics["sampling_error"] ** 2 for v in values])) == pytest.approx(mi.std(), rel=0.25)
    uncorrected = mi.mean() + 25 / 1000
    assert uncorrected > 0.02


def test_sampling_error_under_dependence_is_the_spread() -> None:
    values = [Histogram(bins=5).estimate(*correlated(1000, 0.7, 1, seed)) for seed in range(150)]
    errors = [v.diagnostics["sampling_error"] for v in values]
    assert np.mean(errors) == pytest.approx(np.std([v.mi for v in values]), rel=0.25)


def test_a_standard_error_is_stated_of_what_is_not_binned() -> None:
    rng = np.random.default_rng(4)
    x = rng.integers(4, size=2000)
    y = (x + rng.integers(3, size=2000)) % 4
    as_it_is = Histogram().estimate(x, y)
    assert as_it_is.stderr is not None and "sampling_error" not in as_it_is.diagnostics
    assert as_it_is.mi == pytest.approx(np.log(4) - np.log(3), abs=4 * as_it_is.stderr)
    for binned in (Histogram(bins=3).estimate(x, y), Histogram().estimate(x + rng.random(2000), y)):
        assert binned.stderr is None and binned.diagnostics["sampling_error"] > 0
    seldom = Histogram(bins=40).estimate(rng.integers(40, size=200), rng.integers(40, size=200))
    assert seldom.stderr is None and seldom.diagnostics["sampling_error"] > 0


def test_quantile_bins_are_invariant_under_monotone_maps() -> None:
    x, y = correlated(500, 0.8, 2, seed=3)
    mi = Histogram().estimate(x, y).mi
    # edges lie between samples and are interpolated, so that a sample may change sides
    assert Histogram().estimate(np.exp(x), y**3).mi == pytest.approx(mi, abs=0.03)
    assert Histogram().estimate(y, x).mi == pytest.approx(mi, abs=1e-12)


def test_what_it_refuses() -> None:
    x, y = correlated(50, 0.5, 3, seed=4)
    with pytest.raises(Unsupported, match="1 or 2 dimensions, not 3 and 1"):
        Histogram().estimate(x, y[:, :1])
