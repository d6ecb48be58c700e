"""What several of the densities and of the estimators made of them have in common: each must integrate, begin at the
Gaussian, reach its closed form, and decline what has no density."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import pytest
import torch
from mibench.estimators.densities.autoregressive import MixtureDensity
from mibench.estimators.densities.beginnings import random_shifts, starting_at_zero
from mibench.estimators.densities.fmmi import FMMI
from mibench.estimators.densities.kernels import KernelMixture
from mibench.estimators.densities.knife import KNIFE
from mibench.estimators.densities.mime import MIME
from mibench.estimators.densities.ndoe import NDoE
from mibench.estimators.densities.remedi import REMEDI
from mibench.estimators.densities.trained import Trained
from mibench.estimators.densities.training import isolated, shrunk_moments
from scipy.stats import multivariate_normal

from mibench.errors import Unsupported

from .conftest import correlated

Density: TypeAlias = type[MixtureDensity] | type[KernelMixture]
densities = pytest.mark.parametrize("density", [MixtureDensity, KernelMixture])


@densities
@pytest.mark.parametrize(("hidden", "components"), [((), 1), ((16,), 3), ((16, 16), 8)])
def test_the_density_integrates_to_one(density: Density, hidden: tuple[int, ...], components: int) -> None:
    with isolated(np.random.default_rng(0)) as generator, torch.no_grad():
        model = density(2, 1, hidden, components)
        for p in model.parameters():
            p += 0.3 * torch.randn(p.shape, generator=generator)
    axis = torch.linspace(-14, 14, 561)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        total = model(grid, torch.full((len(grid), 1), 0.7)).double().exp().sum() * float(axis[1] - axis[0]) ** 2
    assert float(total) == pytest.approx(1, abs=1e-3)


@densities
@pytest.mark.parametrize("hidden", [(), (8,)])
def test_one_component_starts_as_the_gaussian_conditional_density(density: Density, hidden: tuple[int, ...]) -> None:
    """Whether there is a network or not: it starts at zero."""
    rng = np.random.default_rng(2)
    samples = rng.standard_normal((200, 5)) @ rng.standard_normal((5, 5)) + rng.standard_normal(5)
    both = torch.from_numpy(samples).float()
    mean, covariance = (moment.numpy() for moment in shrunk_moments(both))
    joint = multivariate_normal(mean, covariance).logpdf(samples)
    context = multivariate_normal(mean[:2], covariance[:2, :2]).logpdf(samples[:, :2])
    model = density(3, 2, hidden, 1).start_at_gaussian(both[:, 2:], both[:, :2])
    assert model(both[:, 2:], both[:, :2]).detach().numpy() == pytest.approx(joint - context, abs=2e-3)


@pytest.mark.parametrize(
    "estimator",
    [KNIFE(max_steps=200), REMEDI(max_steps=200), MIME(max_steps=200), NDoE(max_steps=300)],
    ids=lambda e: str(e.registered_name),
)
@pytest.mark.parametrize(("rho", "dim"), [(0.0, 2), (0.9, 2), (0.999, 1)])
def test_gaussian_truths(estimator: Trained, rho: float, dim: int) -> None:
    found = estimator.estimate(*correlated(2000, rho, dim, seed=3))
    assert found.stderr is None
    within = (0.05 if isinstance(estimator, KNIFE) else 0.06) + 4 * found.diagnostics["sampling_error"]
    assert found.mi == pytest.approx(-0.5 * dim * math.log(1 - rho**2), abs=within)


@pytest.mark.parametrize("kind", [KNIFE, REMEDI, NDoE, FMMI])
def test_columns_that_follow_from_one_another_are_declined(kind: type[KNIFE | NDoE | FMMI]) -> None:
    x, y = correlated(200, 0.5, 2)
    with pytest.raises(Unsupported, match="no density"):
        kind(max_steps=5).estimate(np.hstack([x, y[:, :1]]), np.hstack([y, y.sum(1, keepdims=True)]))
    assert math.isfinite(kind(max_steps=5).estimate(np.hstack([x, np.ones((200, 1))]), y).mi)


def test_the_variable_that_is_described_comes_last() -> None:
    x, y = correlated(50, 0.5, 2)
    wide = np.hstack([x, y[:, :1] ** 2, np.zeros((50, 1))])
    for target, last in (("smaller", y), ("y", y), ("x", wide[:, :3])):
        np.testing.assert_array_equal(KNIFE(target=target).oriented(wide, y)[1], last)
    np.testing.assert_array_equal(KNIFE().oriented(x, y)[1], y)


def test_networks_begin_at_nothing_and_shifts_move_every_row() -> None:
    network = starting_at_zero(3, 2, (8, 8))
    assert not network(torch.randn(20, 3)).any()
    assert torch.autograd.grad(network(torch.randn(20, 3)).sum(), network[-1].weight)[0].any()
    shifts = random_shifts(6, 9, torch.Generator().manual_seed(0))
    assert sorted(shifts) == [1, 2, 3, 4, 5]
