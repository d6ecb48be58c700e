"""Mixtures of kernels beside scipy's, their samples, and entropies that a critic brings back to the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mibench.estimators.densities.correction import CorrectedEntropies, Critic, Terms
from mibench.estimators.densities.kernels import KernelEntropies, KernelMixture
from mibench.estimators.densities.remedi import REMEDI
from mibench.estimators.densities.training import isolated
from scipy.stats import multivariate_normal, norm

from mibench.estimator import Array

from .conftest import correlated


def randomized(dim: int, context: int, hidden: tuple[int, ...], components: int) -> KernelMixture:
    with isolated(np.random.default_rng(0)) as generator, torch.no_grad():
        model = KernelMixture(dim, context, hidden, components)
        for p in model.parameters():
            p += 0.3 * torch.randn(p.shape, generator=generator)
    return model


# The density ---------------------------------------------------------------------------------------------------------


def slow(model: KernelMixture, v: Array, u: Array) -> Array:
    """The density row by row and kernel by kernel, with covariances that are inverses of precisions."""
    found = []
    for v_i, u_i in zip(v, u, strict=True):
        row = torch.from_numpy(u_i[None]).float()
        weights, means, widths = (p[0].detach().double().numpy() for p in model.kernels(1, row))
        share = np.exp(weights - weights.max())
        density = 0.0
        for k in range(model.components):
            lower = np.tril(model.lower[k].detach().double().numpy(), -1)
            factor = np.diag(np.exp(-widths[k])) @ (np.eye(len(v_i)) + lower)
            mean = model.linear.detach().double().numpy() @ u_i + means[k]
            density += share[k] / share.sum() * multivariate_normal(mean, np.linalg.inv(factor.T @ factor)).pdf(v_i)
        found.append(math.log(density))
    return np.array(found)


@pytest.mark.parametrize(("hidden", "components"), [((), 1), ((), 4), ((16,), 3)])
def test_the_density_is_that_of_a_mixture_of_normal_ones(hidden: tuple[int, ...], components: int) -> None:
    model = randomized(3, 2, hidden, components)
    v, u = np.random.default_rng(1).standard_normal((20, 3)), np.random.default_rng(2).standard_normal((20, 2))
    with torch.no_grad():
        found = model(torch.from_numpy(v).float(), torch.from_numpy(u).float())
    np.testing.assert_allclose(found.numpy(), slow(model, v, u), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dim", [1, 3])
def test_many_kernels_start_close_to_the_gaussian(dim: int) -> None:
    v, u = (torch.from_numpy(values).float() for values in correlated(4000, 0.8, dim))
    with isolated(np.random.default_rng(0)):
        gaussian, mixture = (
            KernelMixture(dim, dim, (), k).start_at_gaussian(v, u)(v, u).mean().detach() for k in (1, 16)
        )
    assert float(mixture) == pytest.approx(float(gaussian), abs=0.08)


@pytest.mark.parametrize("dim", [1, 2])
def test_samples_have_the_density(dim: int) -> None:
    """The mean of a function over samples is its integral against the density."""
    model = randomized(dim, 1, (16,), 4)
    u = torch.full((40_000, 1), 0.4)
    drawn = model.sample(len(u), u, torch.Generator().manual_seed(0)).double()
    axis = torch.linspace(-14, 14, 561).double()
    grid = axis[:, None] if dim == 1 else torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        density = model(grid.float(), torch.full((len(grid), 1), 0.4)).double().exp() * float(axis[1] - axis[0]) ** dim
    for function in (lambda z: z[:, 0], lambda z: z.square().sum(-1), lambda z: torch.sin(2 * z).prod(-1)):
        terms = function(drawn)
        error = float(terms.std()) / math.sqrt(len(terms))
        assert float(terms.mean()) == pytest.approx(float(density @ function(grid)), abs=4 * error)


def test_samples_without_a_context() -> None:
    model = randomized(2, 0, (), 3)
    drawn = model.sample(50, None, torch.Generator().manual_seed(1))
    assert drawn.shape == (50, 2) and not drawn.requires_grad


# The correction ------------------------------------------------------------------------------------------------------


class Normal(torch.nn.Module):
    """A density N(0, scale^2) that gives samples."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, v: torch.Tensor, u: torch.Tensor | None = None) -> torch.Tensor:
        """log q."""
        log_density: torch.Tensor = -0.5 * (v / self.scale).square() - math.log(self.scale * math.sqrt(2 * math.pi))
        return log_density.sum(-1)

    def sample(self, n: int, u: torch.Tensor | None, generator: torch.Generator) -> torch.Tensor:
        """n draws."""
        return self.scale * torch.randn(n, 1, generator=generator)


def test_the_exact_critic_leaves_the_entropy_whatever_the_density() -> None:
    """T = log p / q + constant makes of the cross-entropy with N(0, 2^2) the entropy of N(0, 1)."""
    generator = torch.Generator().manual_seed(0)
    v, q = torch.randn(50_000, 1, generator=generator), Normal(2.0)

    def score(values: torch.Tensor) -> torch.Tensor:
        ratio: torch.Tensor = Normal(1.0)(values) - q(values) + 3.0
        return ratio

    terms = Terms(q(v), score(v), score(q.sample(len(v), None, generator)))
    assert float(-terms.log_density.mean()) == pytest.approx(math.log(2 * math.sqrt(2 * math.pi)) + 1 / 8, abs=0.01)
    assert float(terms.entropy) == pytest.approx(norm.entropy(), abs=0.02)
    assert float(terms.contributions.mean()) == pytest.approx(-float(terms.entropy), abs=1e-5)


def test_contributions_say_how_the_entropy_scatters() -> None:
    q, found, said = Normal(1.5), [], []
    for seed in range(100):
        generator = torch.Generator().manual_seed(seed)
        v = torch.randn(400, 1, generator=generator)
        drawn = torch.stack([0.3 * q.sample(400, None, generator)[:, 0].square().neg() for _ in range(2)])
        terms = Terms(q(v), -0.3 * v[:, 0].square(), torch.logsumexp(drawn, 0) - math.log(2))
        found.append(float(terms.entropy))
        said.append(float(terms.contributions.std()) / math.sqrt(400))
    assert np.mean(said) == pytest.approx(np.std(found), rel=0.3)


def test_a_critic_starts_at_nothing_and_sees_whitened_residuals() -> None:
    x, y = (torch.from_numpy(v).float() for v in correlated(4000, 0.8, 2))
    with isolated(np.random.default_rng(0)):
        critic = Critic(y, x, (8,))
        trained = KernelEntropies(x, y, (), 1)
        learner = CorrectedEntropies(x, y, trained, (8,), 3)
    assert not critic(y, x).any()
    seen = torch.nn.functional.linear(torch.cat([y, x], 1), critic.white) - critic.shift
    np.testing.assert_allclose(torch.cov(torch.cat([seen, x], 1).T)[:2, :2], np.eye(2), atol=0.1)
    with torch.no_grad():
        assert torch.equal(learner.validated(x, y), learner.validated(x, y))
        np.testing.assert_allclose(learner.validated(x, y), trained.validated(x, y), atol=1e-5)


def test_the_densities_stay_as_they_are_while_the_critics_learn() -> None:
    x, y = (torch.from_numpy(v).float() for v in correlated(200, 0.5, 1))
    with isolated(np.random.default_rng(0)):
        trained = KernelEntropies(x, y, (8,), 2)
        learner = CorrectedEntropies(x, y, trained, (8,), 2)
    learner.losses(x, y, torch.Generator().manual_seed(0)).sum().backward()
    assert all(p.grad is None for model in trained.models for p in model.parameters())
    assert any(p.grad is not None for model in learner.models for p in model.parameters())


# Estimates -----------------------------------------------------------------------------------------------------------


def test_a_critic_finds_what_one_kernel_lacks() -> None:
    """Y = 2 sign(X) and a little noise: two humps that depend on X, which one kernel, linear in x, smears."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4000, 1))
    y = 2 * np.sign(x) + 0.2 * rng.standard_normal(x.shape)
    found = REMEDI(components=1, hidden=(), standardize="standard").estimate(x, y)
    plain = abs(found.diagnostics["uncorrected"] - math.log(2))
    assert plain > 0.15
    assert abs(found.mi - math.log(2)) < 0.6 * plain


def test_the_curve_is_that_of_the_critics_and_steps_are_of_both() -> None:
    found = REMEDI(max_steps=20, hidden=(8,), critic=(8,), patience=100).estimate(*correlated(300, 0.8, 1))
    assert found.diagnostics["steps"] == 40
    assert len(found.diagnostics["best_steps"]) == 4
    assert found.curve["step"][-1] == 20
