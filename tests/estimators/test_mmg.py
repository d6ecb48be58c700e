"""Levels drawn where they matter keep the integral; the gap of exact predictions is the information; its stretching."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mibench.estimators.densities.diffusion import GaussianDenoiser, noised
from mibench.estimators.densities.error_gap import BINS, EVERYWHERE, ErrorGap, Levels, Terms, gap_of, shares, stretching
from mibench.estimators.densities.mmg import MMG
from torch import Tensor

from .conftest import correlated

SPAN = (-9.0, 9.0)


def uneven() -> Levels:
    spread = torch.linspace(1.0, 4.0, BINS)
    return Levels(spread / spread.sum(), SPAN)


def test_levels_have_their_density() -> None:
    levels = uneven()
    drawn = levels.at((torch.arange(90_000) + 0.5) / 90_000)
    assert drawn.min() >= SPAN[0] and drawn.max() <= SPAN[1]
    share = torch.bincount(levels.bins(drawn), minlength=BINS) / len(drawn)
    np.testing.assert_allclose(share, levels.shares, atol=2e-4)
    within = (drawn - SPAN[0]) / levels.width % 1  # even within each bin
    assert float(within.mean()) == pytest.approx(0.5, abs=2e-3)


def test_weighted_means_are_integrals() -> None:
    levels = uneven()
    drawn = levels.at((torch.arange(90_000) + 0.5) / 90_000)
    weights = levels.weights(levels.bins(drawn))
    assert float(weights.mean()) == pytest.approx(SPAN[1] - SPAN[0], rel=1e-3)
    assert float((weights * torch.exp(-drawn.square())).mean()) == pytest.approx(math.sqrt(math.pi), rel=5e-3)


def exact_terms(rho: float, n: int, levels: Levels, wrong: float = 0.0, scale: float = 1.0) -> list[Terms]:
    """What exact predictions of Gaussian variables give, the one with y short of or beyond the other by ``scale``.

    wrong : the standard deviation of an error of the prediction with y that has nothing to do with anything.
    """
    x, y = (torch.from_numpy(v).float() for v in correlated(n, rho, 1))
    without, given = GaussianDenoiser(x), GaussianDenoiser(x, y)
    generator, found = torch.Generator().manual_seed(1), []
    for _ in range(12):
        log_snr = levels.at(torch.rand(n, generator=generator))
        noise = torch.randn(x.shape, generator=generator)
        at = log_snr[:, None]
        z = noised(x, noise, at)
        expected = without.noise(z, at)
        gap = scale * (given.noise(z, at, y) - expected) + wrong * torch.randn(x.shape, generator=generator)
        numbers = gap.square().sum(-1), (gap * (noise - expected)).sum(-1)
        found.append(Terms(levels.bins(log_snr), *(v.double() for v in numbers)))
    return found


def integral(found: list[Terms], levels: Levels, factors: Tensor) -> tuple[float, float]:
    terms = 0.5 * torch.stack([levels.weights(t.bins) * gap_of(t, factors) for t in found]).mean(0)
    return float(terms.mean()), float(terms.std()) / math.sqrt(len(terms))


@pytest.mark.parametrize("levels", [uneven(), Levels(torch.full((BINS,), 1 / BINS), SPAN)])
def test_the_gap_of_exact_predictions_is_the_information(levels: Levels) -> None:
    truth = -0.5 * math.log(1 - 0.9**2)
    mi, stderr = integral(exact_terms(0.9, 20_000, levels), levels, torch.ones(BINS).double())
    assert mi == pytest.approx(truth, abs=4 * stderr + 2e-3)  # the span is not endless
    assert stderr < 0.02


def test_what_falls_short_is_stretched() -> None:
    """Predictions that are short by a factor lose nothing once that factor is known, where the plain gap loses."""
    levels = uneven()
    short = exact_terms(0.9, 20_000, levels, scale=0.6)
    factors = stretching(short)
    assert float(factors[BINS // 3 : 2 * BINS // 3].mean()) == pytest.approx(1 / 0.6, rel=0.05)
    truth = -0.5 * math.log(1 - 0.9**2)
    plain, _ = integral(short, levels, torch.ones(BINS).double())
    stretched, stderr = integral(short, levels, factors)
    assert plain == pytest.approx((1 - 0.4**2) * truth, abs=0.03)
    assert stretched == pytest.approx(truth, abs=4 * stderr + 0.01)


def test_errors_of_the_prediction_never_add() -> None:
    """Noise in the prediction with y makes the squared distance greater, and the gap smaller or leaves it."""
    levels = uneven()
    found = exact_terms(0.5, 20_000, levels, wrong=0.3)
    truth = -0.5 * math.log(1 - 0.5**2)
    distance = 0.5 * float(torch.stack([levels.weights(t.bins) * t.distance for t in found]).mean())
    mi, stderr = integral(found, levels, stretching(found))
    assert distance > truth + 0.5
    assert 0 < mi < truth + 4 * stderr


def test_levels_of_a_test_lie_where_the_gap_spreads_and_some_everywhere() -> None:
    found = exact_terms(0.9, 5_000, uneven())
    share = shares(found, torch.ones(BINS).double())
    assert float(share.sum()) == pytest.approx(1, abs=1e-6)
    assert float(share.min()) >= EVERYWHERE / BINS and float(share.max()) > 2 / BINS
    nothing = [Terms(t.bins, 0 * t.distance, 0 * t.product) for t in found]
    np.testing.assert_allclose(shares(nothing, torch.ones(BINS).double()), 1 / BINS, rtol=1e-6)
    np.testing.assert_allclose(stretching(nothing), 1.0)


def test_training_moves_its_levels_to_where_the_distance_is() -> None:
    x, y = (torch.from_numpy(v).float() for v in correlated(512, 0.99, 1))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        learner = ErrorGap(x, y, (-7.0, 8.0), 16, 1, 4, 0.5)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        with torch.no_grad():
            learner.losses(x, y, generator)
    share = learner.known / learner.known.sum()
    # of strongly dependent variables there is nothing to know where z is nearly all noise
    assert float(share[: BINS // 4].sum()) < 0.15 < float(share[BINS // 2 :].sum())


def test_estimates() -> None:
    quick = MMG(max_steps=250)
    for rho, dim in ((0.0, 2), (0.9, 2)):
        found = quick.estimate(*correlated(2000, rho, dim, seed=3))
        truth = -0.5 * dim * math.log(1 - rho**2)
        assert found.mi == pytest.approx(truth, abs=0.05 + 4 * found.diagnostics["sampling_error"])
        assert {"score_distance", "samples"} <= found.diagnostics.keys()
