"""The integral over noise levels with exact scores gives the exact information; so do the parts of the network."""

import math

import numpy as np
import pytest
import torch
from mibench.estimators.densities.diffusion import (
    CENTRE,
    SCALE,
    GaussianDenoiser,
    ScoreDistance,
    ScoreNetwork,
    information,
    levels,
    noised,
    training_levels,
)
from mibench.estimators.densities.minde import MINDE
from mibench.estimators.densities.training import isolated, shrunk_moments
from torch import Tensor

from mibench.estimator import Array

from .conftest import correlated

SPAN = (-7.0, 8.0)


def gap(conditional: Tensor, marginal: Tensor, log_snr: Tensor) -> Tensor:
    """What two scores say of the expected noise: E[e | z] = -sigma s(z)."""
    return torch.sigmoid(-log_snr).sqrt() * (marginal - conditional)


class GaussianScores:
    """The scores of z for jointly Gaussian x and y, from the covariance of (z, y) by the textbook formula."""

    def __init__(self, covariance: Array, dim: int) -> None:
        s = torch.from_numpy(covariance)
        self.dim, self.own, self.cross, self.other = dim, s[:dim, :dim], s[:dim, dim:], s[dim:, dim:]

    def marginal(self, z: Tensor, log_snr: Tensor) -> Tensor:
        return self._score(z, log_snr, self.own)

    def conditional(self, z: Tensor, log_snr: Tensor, y: Tensor) -> Tensor:
        slopes = torch.linalg.solve(self.other, self.cross.T).T
        mean = torch.sigmoid(log_snr).sqrt() * (y @ slopes.T)
        return self._score(z - mean, log_snr, self.own - slopes @ self.cross.T)

    def gap(self, x: Tensor, y: Tensor, log_snr: Tensor, noise: Tensor) -> Tensor:
        z = noised(x, noise, log_snr)
        return gap(self.conditional(z, log_snr, y), self.marginal(z, log_snr), log_snr)

    def _score(self, z: Tensor, log_snr: Tensor, covariance: Tensor) -> Tensor:
        snr = torch.sigmoid(log_snr)[..., None]
        noisy = snr * covariance + (1 - snr) * torch.eye(self.dim)
        score: Tensor = -torch.linalg.solve(noisy, z[..., None])[..., 0]
        return score


def gaussian_samples(n: int, dim_x: int, dim_y: int) -> tuple[Tensor, Tensor, Array, float]:
    rng = np.random.default_rng(4)
    root = rng.standard_normal((dim_x + dim_y,) * 2)
    s = root @ root.T / (dim_x + dim_y) + 0.2 * np.eye(dim_x + dim_y)
    both = torch.from_numpy(rng.multivariate_normal(np.zeros(dim_x + dim_y), s, n))
    log_det = [np.linalg.slogdet(part)[1] for part in (s[:dim_x, :dim_x], s[dim_x:, dim_x:], s)]
    return both[:, :dim_x], both[:, dim_x:], s, 0.5 * (log_det[0] + log_det[1] - log_det[2])


@pytest.mark.parametrize(("dim_x", "dim_y"), [(1, 1), (3, 2)])
def test_exact_gaussian_scores_give_the_exact_information(dim_x: int, dim_y: int) -> None:
    x, y, s, truth = gaussian_samples(4000, dim_x, dim_y)
    scores = GaussianScores(s, dim_x)
    drawn = levels(x, (-12.0, 12.0), 20, torch.Generator().manual_seed(0))
    found = information([scores.gap(x, y, *draw) for draw in drawn], (-12.0, 12.0))
    stderr = float(found.std()) / math.sqrt(len(found))
    assert float(found.mean()) == pytest.approx(truth, abs=4 * stderr)
    assert stderr < 0.03 * truth


def test_the_integrand_is_the_derivative_of_the_information_with_the_noisy_variable() -> None:
    # I(Z; Y) of the noised variable falls from I(X; Y) to 0: the rate at L is its slope there
    rho, level, step = 0.8, torch.tensor(0.7), 1e-3
    x, y = (torch.from_numpy(values) for values in correlated(200_000, rho, 1))
    scores = GaussianScores(np.array([[1, rho], [rho, 1]]), 1)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    rate = information([scores.gap(x, y, level.expand(len(x), 1), noise)], (0.0, 1.0))

    def noisy_information(at: float) -> float:
        return -0.5 * math.log(1 - rho**2 / (1 + math.exp(-at)))

    slope = (noisy_information(0.7 + step) - noisy_information(0.7 - step)) / (2 * step)
    assert float(rate.mean()) == pytest.approx(slope, abs=4 * float(rate.std()) / math.sqrt(len(rate)))


def test_exact_scores_of_a_mixture_give_its_information() -> None:
    # y is correlated with x or with -x: both are standard normal and uncorrelated
    rho, n = 0.9, 20_000
    rng = np.random.default_rng(1)
    values = correlated(n, rho, 1)
    x = torch.from_numpy(values[0])
    y = torch.from_numpy(np.where(rng.random((n, 1)) < 0.5, 1, -1) * values[1])

    def conditional(z: Tensor, log_snr: Tensor, y: Tensor) -> Tensor:
        alpha, variance = torch.sigmoid(log_snr).sqrt(), 1 - torch.sigmoid(log_snr) * rho**2
        mean = alpha * rho * y
        return (mean * torch.tanh(z * mean / variance) - z) / variance

    drawn = levels(x, SPAN, 10, torch.Generator().manual_seed(0))
    noisy = [(noised(x, noise, level), level) for level, noise in drawn]
    found = information([gap(conditional(z, level, y), -z, level) for z, level in noisy], SPAN)
    axis = np.linspace(-6, 6, 1201)
    a, b = np.meshgrid(axis, axis)
    either = [np.exp(-(a**2 - 2 * r * a * b + b**2) / (2 * (1 - r**2))) for r in (rho, -rho)]
    p = np.add(*either) / (4 * np.pi * math.sqrt(1 - rho**2))
    q = np.exp(-(a**2 + b**2) / 2) / (2 * np.pi)
    truth = float((p * np.log(p / q)).sum() * (axis[1] - axis[0]) ** 2)
    assert float(found.mean()) == pytest.approx(truth, abs=4 * float(found.std()) / math.sqrt(n) + 1e-3)


def test_levels_cover_the_span_evenly() -> None:
    drawn = levels(torch.zeros(100, 2), SPAN, 4, torch.Generator().manual_seed(0))
    every = torch.cat([level for level, _ in drawn], 1).double()
    assert (torch.histc(every, 100, *SPAN) == 4).all()
    apart = every.sort(1).values.diff(dim=1)
    assert apart.numpy() == pytest.approx(np.full((100, 3), 15 / 4), abs=1e-4)


def test_noise_preserves_the_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, 100_000, 1, generator=generator)
    for level in (-5.0, 0.0, 5.0):
        z = noised(x, noise, torch.full((len(x), 1), level))
        assert float(z.var()) == pytest.approx(1, abs=0.02)
        assert float((z * x).mean() / (z * noise).mean()) == pytest.approx(math.exp(level / 2), rel=0.1)


def test_the_gaussian_denoiser_is_the_conditional_expectation() -> None:
    rng = np.random.default_rng(3)
    both = torch.from_numpy(rng.standard_normal((300, 5)) @ rng.standard_normal((5, 5)) + 1).float()
    x, y = both[:, :2], both[:, 2:]
    log_snr = torch.linspace(-4, 4, 300)[:, None]
    z = noised(x, torch.randn(x.shape, generator=torch.Generator().manual_seed(1)), log_snr)
    mean, s = (moment.numpy() for moment in shrunk_moments(both))
    found = GaussianDenoiser(x, y)(z, log_snr, y).numpy()
    for i in range(0, 300, 37):  # the joint Gaussian of (x, z, y), conditioned by the textbook formula
        snr = 1 / (1 + math.exp(-float(log_snr[i])))
        a = np.vstack([math.sqrt(snr) * np.eye(5)[:2], np.eye(5)[2:]])
        seen = a @ s @ a.T + np.diag([1 - snr] * 2 + [0] * 3)
        observed = np.concatenate([z[i].numpy(), y[i].numpy()]) - a @ mean
        assert found[i] == pytest.approx(mean[:2] + (s @ a.T)[:2] @ np.linalg.solve(seen, observed), abs=2e-3)


def test_training_levels_follow_a_logistic_distribution_cut_to_the_span() -> None:
    drawn = torch.cat([training_levels(500, SPAN, torch.Generator().manual_seed(i)) for i in range(100)])[:, 0]
    assert SPAN[0] <= float(drawn.min()) < SPAN[0] + 1
    assert SPAN[1] - 1 < float(drawn.max()) <= SPAN[1]

    def below(level: float) -> float:
        return 1 / (1 + math.exp((CENTRE - level) / SCALE))

    total = below(SPAN[1]) - below(SPAN[0])
    for level in (-2.0, 0.0, 1.0, 4.0):
        share = (below(level) - below(SPAN[0])) / total
        assert float((drawn < level).double().mean()) == pytest.approx(share, abs=2e-3)
    assert training_levels(10, (5.0, 6.0), torch.Generator()).numpy() == pytest.approx(np.full((10, 1), 5.5), abs=0.5)


def test_the_untrained_network_has_the_scores_of_gaussians() -> None:
    x, y = (torch.from_numpy(v).float() for v in correlated(3000, 0.8, 2))
    with isolated(np.random.default_rng(0)), torch.no_grad():
        learner = ScoreDistance(x, y, SPAN, 16, 1, 10)
        answer = learner.tested(x, y, torch.Generator().manual_seed(0))
        without, given = learner.validated(x, y)
        assert torch.equal(learner.validated(x, y), torch.stack([without, given]))
    assert answer.mi == pytest.approx(-math.log(1 - 0.64), abs=0.05)
    assert answer.facts["error_difference"] == pytest.approx(-math.log(1 - 0.64), abs=0.1)
    assert without > given
    z, level = noised(x, torch.ones_like(x), torch.zeros(3000, 1)), torch.zeros(3000, 1)
    expected = GaussianDenoiser(x, y).noise(z, level, y)
    assert torch.allclose(learner.model(z, level, y)[1], expected, atol=1e-5)


def test_what_is_expected_without_y_does_not_see_it() -> None:
    x, y = (torch.from_numpy(v).float() for v in correlated(50, 0.8, 2))
    network = ScoreNetwork(x, y, SPAN, 16, 2)
    with torch.no_grad():
        for p in network.parameters():
            p.normal_(generator=torch.Generator().manual_seed(0))
        one, other = (network(x, torch.zeros(50, 1), values) for values in (y, -3 * y))
        assert torch.equal(one[0], other[0])
        assert not torch.equal(one[1], other[1])
        # the same pass, row by row, whatever the other half of it holds
        alone = network.correction(torch.cat([x, y, torch.ones(50, 1)], -1), torch.zeros(50, 1))
        assert torch.allclose(one[1] - network.with_y.noise(x, torch.zeros(50, 1), y), alone, atol=1e-4)


def test_gaussian_and_independent_samples() -> None:
    minde = MINDE(max_steps=100, width=64)
    estimate = minde.estimate(*correlated(2000, 0.8, 2))
    assert estimate.stderr is None
    assert estimate.mi == pytest.approx(-math.log(1 - 0.64), abs=0.06 + 3 * estimate.diagnostics["sampling_error"])
    assert estimate.diagnostics["error_difference"] == pytest.approx(estimate.mi, abs=0.15)
    assert minde.estimate(*correlated(2000, 0.0, 2)).mi == pytest.approx(0, abs=0.03)


def test_the_smaller_variable_is_the_target() -> None:
    x, y = correlated(200, 0.8, 2)
    small = MINDE(max_steps=10, width=16)
    assert small.estimate(x, y[:, :1]).mi == MINDE(max_steps=10, width=16, target="y").estimate(x, y[:, :1]).mi
    assert small.estimate(x[:, :1], y).mi == MINDE(max_steps=10, width=16, target="x").estimate(x[:, :1], y).mi


@pytest.mark.slow
def test_curved_dependence_is_learned() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(-1, 1, (5000, 1))
    y = x**2 + 0.1 * rng.standard_normal((5000, 1))  # no correlation
    log_ratios_mean = MINDE().estimate(x, y).mi
    # I = h(Y) - h(noise), with h(Y) by quadrature over x
    grid = np.linspace(-0.6, 1.6, 4401)
    points = (np.arange(4000) + 0.5) / 4000
    p = np.exp(-(((grid[:, None] - points**2) / 0.1) ** 2) / 2).mean(1) / (0.1 * math.sqrt(2 * math.pi))
    entropy = -float((p * np.log(np.maximum(p, 1e-300))).sum() * (grid[1] - grid[0]))
    truth = entropy - 0.5 * math.log(2 * math.pi * math.e * 0.01)
    assert log_ratios_mean == pytest.approx(truth, rel=0.1)
