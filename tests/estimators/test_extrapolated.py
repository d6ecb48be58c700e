"""What 1/n extrapolation takes away, what its error holds, and what it refuses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from mibench.estimators.discrete import PlugIn
from mibench.estimators.extrapolated import Extrapolated, bending, intercept

import mibench
from mibench.errors import Unsupported, UsageError
from mibench.estimator import Array, Capabilities, Estimate, Estimator, Kind


@dataclass(frozen=True, eq=False, repr=False)
class Biased(Estimator):
    """1 + bias / n^power, whatever the samples are."""

    bias: float = 30.0
    power: float = 1.0

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return Estimate(1 + self.bias / len(x) ** self.power)


@dataclass(frozen=True, eq=False, repr=False)
class Mean(Estimator):
    """The mean of x y, which has no bias and a standard error that is known."""

    capabilities = Capabilities(min_n=7)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        return Estimate(float((x * y).mean()))


def letters(n: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x, other = rng.integers(6, size=(2, n)).astype(float)
    return x, np.where(rng.random(n) < 0.5, x, other)


def noise(n: int, seed: int = 0) -> tuple[Array, Array]:
    x, y = np.random.default_rng(seed).standard_normal((2, n))
    return x, y


def test_a_bias_of_first_order_goes_altogether() -> None:
    found = Extrapolated(Biased()).estimate(*noise(840))  # a number that 1 to 8 divide
    assert found.mi == pytest.approx(1, abs=1e-9)
    assert found.diagnostics["all"] == pytest.approx(1 + 30 / 840)
    assert "bent" not in found.diagnostics and found.diagnostics["parts"] == 8


def test_a_slower_bias_is_noticed_and_no_error_is_stated() -> None:
    found = Extrapolated(Biased(3.0, 0.5)).estimate(*noise(840))
    assert found.diagnostics["bent"] is True and found.stderr is None
    assert found.diagnostics["slower"] == pytest.approx(1, abs=1e-9) and found.mi > 1.02


def test_the_error_holds_what_other_laws_of_the_bias_would_say() -> None:
    found = Extrapolated(Biased()).estimate(*noise(840))
    away = found.mi - found.diagnostics["slower"], found.mi - found.diagnostics["all"]
    assert found.stderr == pytest.approx(math.hypot(1.5 * away[0], away[1]), abs=1e-9)
    assert found.diagnostics["sampling_error"] == pytest.approx(0, abs=1e-9) and min(map(abs, away)) > 0.01


def test_the_error_is_that_of_the_samples() -> None:
    """The standard deviation by sqrt(n); the standard error adds the differences of the lines, which are noise here."""
    found = [Extrapolated(Mean()).estimate(*noise(1000, seed)) for seed in range(40)]
    errors = np.array([e.diagnostics["sampling_error"] for e in found])
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(1 / math.sqrt(1000), rel=0.15)
    assert all(e.stderr is None or e.stderr > error for e, error in zip(found, errors, strict=True))


def test_what_counts_letters_loses_its_bias_and_gets_an_interval_that_holds() -> None:
    truth = math.log(6) + 7 / 12 * math.log(7 / 12) + 5 / 12 * math.log(1 / 12)
    plain, found = [], []
    for seed in range(60):
        x, y = letters(300, seed)
        plain.append(PlugIn().estimate(x, y).mi - truth)
        found.append(Extrapolated(PlugIn()).estimate(x, y, seed))
    off = np.array([e.mi for e in found]) - truth
    assert np.mean(plain) == pytest.approx(25 / 600, abs=0.015)  # (m - 1)^2 / 2n
    assert abs(off.mean()) < 3 * off.std() / math.sqrt(60) < 0.4 * np.mean(plain) + 0.02
    held = [abs(wrong) < 1.96 * e.stderr for wrong, e in zip(off, found, strict=True) if e.stderr is not None]
    assert np.mean(held) >= 0.9 and len(held) >= 55


def test_what_it_is_follows_from_what_it_extrapolates() -> None:
    assert mibench.get_estimator("extrapolated[estimator=mine-ema]").kind is Kind.ESTIMATE
    assert mibench.get_estimator("extrapolated[estimator=sliced]").kind is Kind.OTHER
    able = Extrapolated(PlugIn()).capabilities
    assert able.letters and able.discrete and Extrapolated(Mean()).capabilities.min_n == 21
    with pytest.raises(UsageError, match="does not learn from samples"):
        mibench.get_estimator("extrapolated[estimator=oracle]")


def test_few_samples_are_divided_less_and_what_a_part_declines_is_declined() -> None:
    x, y = noise(120)
    assert Extrapolated(Mean()).estimate(x, y).diagnostics["parts"] == 3
    assert Extrapolated(Mean()).estimate(x[:21], y[:21]).diagnostics["parts"] == 3
    with pytest.raises(Unsupported, match="on a part of 120 samples: plug-in counts letters"):
        Extrapolated(PlugIn()).estimate(x, y)
    x = np.zeros(120)
    x[0] = 1.0
    with pytest.raises(Unsupported, match="a variable is constant there"):
        Extrapolated(Mean()).estimate(x, y)


def test_lines() -> None:
    places = np.arange(1.0, 7)
    assert intercept(places, 2 - 3 * places) == pytest.approx(2)
    assert bending(places, 2 - 3 * places) == 1.0 and bending(places[:3], places[:3] ** 2) == 1.0
    assert bending(places, places**2) < 1e-6
    noisy = np.random.default_rng(0).standard_normal((400, 6))
    assert np.mean([bending(places, values) < 0.05 for values in noisy]) == pytest.approx(0.05, abs=0.035)
