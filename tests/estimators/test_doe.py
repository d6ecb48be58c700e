"""Densities that integrate to one, closed forms for Gaussians, and the difference of entropies on known problems."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from mibench.estimators.densities.autoregressive import EntropyDifference, MixtureDensity
from mibench.estimators.densities.doe import DoE
from mibench.estimators.densities.training import Schedule, fit, isolated

from mibench.estimator import Array

from .conftest import correlated


def rho_for(mi: float, dim: int) -> float:
    return math.sqrt(1 - math.exp(-2 * mi / dim))


def randomized(dim: int, context: int, hidden: tuple[int, ...], components: int) -> MixtureDensity:
    with isolated(np.random.default_rng(0)) as generator, torch.no_grad():
        model = MixtureDensity(dim, context, hidden, components)
        for p in model.parameters():
            p += 0.3 * torch.randn(p.shape, generator=generator)
    return model


def test_each_coordinate_sees_those_before_it_and_the_context_only() -> None:
    model = randomized(3, 2, (32, 32), 4)
    v, u = torch.full((1, 3), 0.3), torch.full((1, 2), -0.7)

    def parameters(v: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        """Network outputs and linear means by coordinate."""
        seen = torch.cat([v, u], -1)
        assert model.network is not None
        linear = (seen @ (model.linear * model.mask).T).reshape(3, -1)
        return torch.cat([model.network(seen).reshape(3, -1), linear], 1).sum(1)

    jacobian: Any = torch.autograd.functional.jacobian
    by_v, by_u = jacobian(parameters, (v, u))
    depends = by_v[:, 0] != 0
    assert torch.equal(depends, torch.ones(3, 3).tril(-1).bool())
    assert (by_u != 0).all()


def test_the_mixture_starts_close_to_the_gaussian() -> None:
    v, u = (torch.from_numpy(values).float() for values in correlated(4000, 0.8, 2))
    gaussian, mixture = (MixtureDensity(2, 2, (), k).start_at_gaussian(v, u)(v, u).mean().detach() for k in (1, 8))
    assert float(mixture) == pytest.approx(float(gaussian), abs=0.05)


@pytest.mark.slow
def test_trained_linear_regressions_reach_the_closed_form() -> None:
    x, y = correlated(500, 0.7, 2)
    u, v = torch.from_numpy(x).float(), torch.from_numpy(y).float()
    learner = EntropyDifference(u, v, (), 1)
    for model in (learner.marginal, learner.conditional):
        with torch.no_grad():
            for p in model.parameters():
                p.zero_()
    schedule = Schedule(max_steps=600, batch=500, learning_rate=0.05, weight_decay=0.0, patience=100)
    fit(learner, (u, v), (u, v), schedule, torch.Generator())
    with torch.no_grad():
        entropy_y, entropy_y_given_x = learner.validated(u, v).tolist()
        assert learner.tested(u, v, torch.Generator()).mi == pytest.approx(entropy_y - entropy_y_given_x, abs=1e-5)
    s = np.cov(np.hstack([x, y]).T)
    log_det = [np.linalg.slogdet(part)[1] for part in (s[:2, :2], s[2:, 2:], s)]
    assert entropy_y - entropy_y_given_x == pytest.approx(0.5 * (log_det[0] + log_det[1] - log_det[2]), abs=2e-3)


def test_one_nat_of_gaussians_in_five_dimensions() -> None:
    estimate = DoE(max_steps=200).estimate(*correlated(4000, rho_for(1, 5), 5))
    assert estimate.mi == pytest.approx(1, abs=0.05 + 3 * estimate.diagnostics["sampling_error"])
    assert estimate.diagnostics["samples"]["test"] == 800


def test_no_ceiling_at_high_information() -> None:
    estimate = DoE(max_steps=100).estimate(*correlated(3000, rho_for(8, 10), 10))
    assert estimate.mi == pytest.approx(8, rel=0.05)


def test_dependence_without_correlation_is_found() -> None:
    rng = np.random.default_rng(5)
    x, y = correlated(3000, 0.95, 1)
    estimate = DoE(max_steps=200).estimate(x, np.where(rng.random((3000, 1)) < 0.5, 1, -1) * y)
    # half of the samples reflected: by quadrature 0.6225 nats
    assert estimate.mi == pytest.approx(mixture_information(0.95), abs=0.12)


def mixture_information(rho: float) -> float:
    axis = np.linspace(-6, 6, 2001)
    x, y = np.meshgrid(axis, axis)

    def density(r: float) -> Array:
        normal: Array = np.exp(-(x**2 - 2 * r * x * y + y**2) / (2 * (1 - r**2))) / (2 * np.pi * np.sqrt(1 - r**2))
        return normal

    p, q = (density(rho) + density(-rho)) / 2, density(0.0)
    return float((p * np.log(p / q)).sum() * (axis[1] - axis[0]) ** 2)


def test_monotone_maps_of_columns_change_nothing() -> None:
    x, y = correlated(300, 0.8, 2)
    doe = DoE(max_steps=20)  # but for the interpolation between the ranks of training samples
    assert doe.estimate(x, y).mi == pytest.approx(doe.estimate(np.exp(x), y**3).mi, abs=0.02)


def test_the_smaller_variable_is_the_target() -> None:
    x, y = correlated(300, 0.8, 1)
    embedded = np.hstack([x, x**2, np.sin(x)])  # has no density in three dimensions
    doe = DoE(max_steps=100)
    assert doe.estimate(embedded, y).mi == pytest.approx(0.51, abs=0.25)
    assert doe.estimate(embedded, y).mi == DoE(max_steps=100, target="y").estimate(embedded, y).mi
    assert doe.estimate(y, embedded).mi == DoE(max_steps=100, target="x").estimate(y, embedded).mi
