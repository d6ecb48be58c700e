"""Local nonuniformity correction: volumes by definition, strong dependence, no harm elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from mibench.estimators.ksg import KSG2
from mibench.estimators.lnc import LEVEL, LNC, evenly_spread, log_volume_ratio

from mibench.errors import Unsupported

from .conftest import correlated


def test_volumes_of_known_neighbourhoods() -> None:
    # four neighbours on the diagonal y = x, and two across it at a tenth of the distance
    along, across = np.array([1.0, 1.0]) / np.sqrt(2), np.array([1.0, -1.0]) / np.sqrt(2)
    around = np.array([along, -along, 0.5 * along, -0.5 * along, 0.1 * across, -0.1 * across])
    # box: half-widths 1 and 0.1; rectangle: half-widths 1 / sqrt(2) in x and in y
    assert log_volume_ratio(around, (1, 1)) == pytest.approx(np.log(0.1) - np.log(0.5))
    # one extent for all of x: 1 / sqrt(2) squared as well
    assert log_volume_ratio(around, (2, 0)) == pytest.approx(np.log(0.1) - np.log(0.5))
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((2, 2)))[0]
    assert log_volume_ratio(around * 7, (1, 1)) == pytest.approx(log_volume_ratio(around, (1, 1)))
    box_only = log_volume_ratio(around @ rotation, (1, 1)) + np.log(np.abs(around @ rotation).max(0)).sum()
    assert box_only == pytest.approx(np.log(0.1))


def test_threshold_is_the_quantile_of_even_neighbourhoods() -> None:
    fresh = np.random.default_rng(5).uniform(-1, 1, (20_000, 8, 3))
    share = (log_volume_ratio(fresh, (2, 1)) < evenly_spread(8, 2, 1)).mean()
    assert share == pytest.approx(LEVEL, abs=4 * np.sqrt(2 * LEVEL / 20_000))


@pytest.mark.parametrize(("dim", "rho"), [(1, 0.99999), (2, 0.999)])
def test_strong_dependence(dim: int, rho: float) -> None:
    x, y = correlated(1000, rho, dim, seed=1)
    truth = -0.5 * dim * np.log(1 - rho**2)
    error, uncorrected = (abs(e.estimate(x, y).mi - truth) for e in (LNC(), KSG2(10)))
    assert error < 0.5
    assert error < uncorrected / 2


def test_no_harm_under_weak_dependence_or_none() -> None:
    for dim, rho in ((1, 0.0), (1, 0.6), (2, 0.0)):
        x, y = correlated(2000, rho, dim, seed=2)
        assert LNC().estimate(x, y).mi == pytest.approx(-0.5 * dim * np.log(1 - rho**2), abs=0.06)


def test_strips_within_x_alone_are_no_information() -> None:
    rng = np.random.default_rng(3)
    z = rng.standard_normal((1000, 2))
    x = np.column_stack([z[:, 0], z[:, 0] + 0.02 * z[:, 1]])
    assert abs(LNC().estimate(x, rng.standard_normal(1000)).mi) < 0.25  # 1.5 without the correction of x itself


def test_without_corrections_it_is_ksg2() -> None:
    x, y = correlated(300, 0.9, 2, seed=4)
    estimate = LNC(alpha=0.0).estimate(x, y)
    assert estimate.mi == pytest.approx(KSG2(10).estimate(x, y).mi, abs=1e-10)
    assert estimate.diagnostics["corrected"] == 0


def test_duplicates_and_ties() -> None:
    x, y = correlated(300, 0.9, 1, seed=5)
    many = LNC().estimate(np.repeat(x, 15, axis=0), np.repeat(y, 15, axis=0))
    assert many.mi == pytest.approx(np.log(300), abs=0.1)
    assert np.isfinite(LNC().estimate(np.round(x), y).mi)
    assert LNC().estimate(np.round(x), y).diagnostics["ties"] > 0.9


def test_what_it_refuses() -> None:
    x, y = correlated(60, 0.5, 5, seed=6)
    with pytest.raises(Unsupported, match="more neighbours than the 5 \\+ 5 dimensions"):
        LNC().estimate(x, y)
    assert np.isfinite(LNC(k=12).estimate(x, y).mi)
