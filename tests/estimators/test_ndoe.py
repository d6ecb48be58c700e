"""A flow whose densities integrate to one with x and without, whose slopes are derivatives, and its Gaussian start."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from mibench.estimators.densities.block_flow import BlockFlow, BlockLinear
from mibench.estimators.densities.ndoe import NDoE
from mibench.estimators.densities.training import isolated, shrunk_moments
from scipy.stats import multivariate_normal

from .conftest import correlated


def differentiated(function: Callable[..., torch.Tensor], at: torch.Tensor) -> torch.Tensor:
    """The matrix of derivatives."""
    jacobian: Any = torch.autograd.functional.jacobian
    found: torch.Tensor = jacobian(function, at)
    return found


def samples(n: int, dim: int, context: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(2)
    both = rng.standard_normal((n, dim + context)) @ rng.standard_normal((dim + context, dim + context)) + 0.5
    values = torch.from_numpy(both / both.std(0)).float()
    return values[:, context:], values[:, :context]


def randomized(dim: int, context: int, hidden: tuple[int, ...] = (16, 16), units: int = 4) -> BlockFlow:
    v, u = samples(300, dim, context)
    with isolated(np.random.default_rng(0)) as generator, torch.no_grad():
        model = BlockFlow(v, u, hidden, units)
        for name, p in model.named_parameters():
            if name != "mean":
                p += 0.3 * torch.randn(p.shape, generator=generator)
        model.layers[-1].log_norm += 4.0  # the network counts
    return model


@pytest.mark.parametrize("given", [False, True])
def test_the_density_integrates_to_one(given: bool) -> None:
    model = randomized(2, 1)
    axis = torch.linspace(-16, 16, 801)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        density = model(grid, torch.full((len(grid), 1), 0.7) if given else None)
    assert float(density.double().exp().sum()) * float(axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=2e-3)


def test_blocks_see_those_before_them_and_increase_in_their_own() -> None:
    with isolated(np.random.default_rng(0)):
        layer = BlockLinear(3, 2, 4, start=0.3)
    values = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    out, inside = layer(values)
    jacobian = differentiated(lambda v: layer(v[None])[0][0], values[0])
    blocks = jacobian.view(3, 4, 3, 2)
    for i in range(3):
        assert not blocks[i, :, i + 1 :].any()
        np.testing.assert_allclose(blocks[i, :, i].detach(), inside[i].exp().detach(), rtol=1e-5)
        assert (blocks[i, :, :i] != 0).all()
    np.testing.assert_allclose(jacobian.norm(dim=1), math.exp(0.3), rtol=1e-5)
    assert out.shape == (5, 12)


@pytest.mark.parametrize("given", [False, True])
def test_slopes_are_derivatives(given: bool) -> None:
    model = randomized(3, 2)
    v, u = samples(4, 3, 2)
    for i in range(4):
        context = u[[i]] if given else None
        jacobian = differentiated(lambda r, c=context: model._network(r[None], c)[0][0], v[i])
        np.testing.assert_allclose(jacobian.triu(1).detach(), 0, atol=1e-6)
        _, log_slope = model._network(v[[i]], context)
        np.testing.assert_allclose(jacobian.diagonal().detach(), log_slope[0].exp().detach(), rtol=1e-4)


def test_it_starts_near_the_gaussian_densities_with_u_and_without() -> None:
    v, u = samples(400, 3, 2)
    both = torch.cat([u, v], 1)
    mean, covariance = (moment.numpy() for moment in shrunk_moments(both))
    joint = multivariate_normal(mean, covariance).logpdf(both.numpy())
    context = multivariate_normal(mean[:2], covariance[:2, :2]).logpdf(u.numpy())
    alone = multivariate_normal(mean[2:], covariance[2:, 2:]).logpdf(v.numpy())
    with isolated(np.random.default_rng(0)), torch.no_grad():
        model = BlockFlow(v, u, (8, 8), 4)
        np.testing.assert_allclose(float(model(v, u).mean()), (joint - context).mean(), atol=0.15)
        np.testing.assert_allclose(float(model(v).mean()), alone.mean(), atol=0.15)


def test_what_comes_from_u_is_left_out_without_it() -> None:
    model = randomized(2, 1)
    v, u = samples(50, 2, 1)
    with torch.no_grad():
        before, given = model(v), model(v, u)
        for part in (*model.streams, *model.moves):
            part.weight += 1.0
        model.white_given += 0.1
        assert torch.equal(model(v), before)
        assert not torch.allclose(model(v, u), given)


def test_the_target_may_be_either_variable() -> None:
    x, y = correlated(400, 0.8, 2)
    wide = np.hstack([y, np.random.default_rng(5).standard_normal((400, 3))])
    found = {target: NDoE(max_steps=60, target=target).estimate(x, wide).mi for target in ("x", "smaller", "y")}
    assert found["smaller"] == found["x"] != found["y"]
