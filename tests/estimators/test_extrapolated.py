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


def test_a_slower_bias_is_noticed_and_lies_within_the_error() -> None:
    found = Extrapolated(Biased(3.0, 0.5)).estimate(*noise(840))
    assert found.diagnostics["bent"] is True
    assert found.diagnostics["slower"] == pytest.approx(1, abs=1e-9)
    assert found.mi > 1.02 and found.stderr == pytest.approx(found.mi - 1, abs=1e-9)


def test_the_error_is_that_of_the_samples() -> None:
    """Beside the difference of the two lines, which is noise here, it is the standard deviation by sqrt(n)."""
    found = [Extrapolated(Mean()).estimate(*noise(1000, seed)) for seed in range(40)]
    errors = [e.stderr**2 - (e.mi - e.diagnostics["slower"]) ** 2 for e in found if e.stderr is not None]
    assert np.sqrt(np.mean(errors)) == pytest.approx(1 / math.sqrt(1000), rel=0.15)


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
    assert np.mean(np.abs(off) < 1.96 * np.array([e.stderr for e in found])) >= 0.85


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
