"""Rows that follow one another in time are noticed, independent ones are not."""

import numpy as np
import pytest

import mibench
from mibench.estimator import Array
from mibench.samples.order import autocorrelation, in_both


def series(phi: float, n: int, seed: int, dim: int = 1) -> Array:
    """X_t = phi X_(t-1) + noise, after its beginning is forgotten; the lag-1 correlation is phi."""
    noise = np.random.default_rng(seed).standard_normal((n + 500, dim))
    values = noise.copy()
    for t in range(1, len(values)):
        values[t] += phi * values[t - 1]
    return values[500:]


@pytest.mark.parametrize("phi", [-0.5, 0.3, 0.9])
def test_the_lag_of_a_known_series(phi: float) -> None:
    values = series(phi, 20_000, 0)[:, 0]
    assert autocorrelation(values, ranked=False) == pytest.approx(phi, abs=0.02)
    # the rank correlation of normal pairs with correlation phi (Pearson 1907)
    assert autocorrelation(values) == pytest.approx(6 / np.pi * np.arcsin(phi / 2), abs=0.02)
    assert autocorrelation(np.exp(values)) == autocorrelation(values)


def test_independent_rows_are_left_alone() -> None:
    for seed in range(200):
        x, y = np.random.default_rng(seed).standard_normal((2, 300, 3))
        assert in_both(x, y) is None


@pytest.mark.parametrize("values", [[1, 1, 1, 1], [3, 2, -1, 1], [-9, 5, 0.1, 0.1]])
def test_two_rare_events_that_meet_are_chance_and_storms_are_not(values: list[float]) -> None:
    events = np.zeros(1500)
    events[[10, 11, 500, 900]] = values
    assert autocorrelation(events, ranked=False) is None
    storms = np.zeros(1500)
    storms[(np.arange(50, 1500, 400)[:, None] + np.arange(5)).ravel()] = 1
    assert autocorrelation(storms, ranked=False) == pytest.approx(0.8, abs=0.02)


def test_it_takes_both_variables_and_names_the_weaker() -> None:
    x, y = series(0.9, 2000, 0), series(0.5, 2000, 1)
    free = np.random.default_rng(2).standard_normal((2000, 1))
    assert in_both(x, free) is None and in_both(free, y) is None
    assert in_both(x, y) == autocorrelation(y[:, 0])
    assert in_both(np.sort(x, axis=0), y) is None  # the order was made, and tells nothing


def test_an_estimate_says_so() -> None:
    x, y = series(0.98, 2000, 0), series(0.98, 2000, 1)
    assert mibench.estimate(x, y, "cca").diagnostics["autocorrelation"] == pytest.approx(0.98, abs=0.02)
    order = np.random.default_rng(0).permutation(2000)
    assert "autocorrelation" not in mibench.estimate(x[order], y[order], "cca").diagnostics
