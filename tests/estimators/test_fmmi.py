"""The velocity of Gaussian variables carries one distribution to the other, and its divergence is the information."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from mibench.estimators.densities.fmmi import FMMI
from mibench.estimators.densities.training import isolated
from mibench.estimators.densities.velocity import FlowMatching, GaussianVelocity, Velocity, _partners

from mibench.errors import Unsupported, UsageError

from .conftest import correlated

SPAN = (-4.0, 7.0)


def mixed(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    both = torch.from_numpy(rng.standard_normal((n, 5)) @ rng.standard_normal((5, 5)) + 1.0).float()
    return both[:, :3], both[:, 3:]


def differentiated(function: Callable[..., torch.Tensor], at: torch.Tensor) -> torch.Tensor:
    """The matrix of derivatives."""
    jacobian: Any = torch.autograd.functional.jacobian
    found: torch.Tensor = jacobian(function, at)
    return found


def randomized(x: torch.Tensor, y: torch.Tensor) -> Velocity:
    with isolated(np.random.default_rng(0)) as generator, torch.no_grad():
        model = Velocity(x, y, SPAN, 16, 1)
        for p in model.parameters():
            p += 0.3 * torch.randn(p.shape, generator=generator)
    return model


def test_coordinates_have_variance_one_and_are_independent_given_x() -> None:
    x, y = mixed(20_000)
    model = GaussianVelocity(x, y)
    goal = model.coordinates(y)
    np.testing.assert_allclose(torch.cov(goal.T), np.eye(2), atol=1e-3)
    left = goal - torch.nn.functional.linear(x, model.slopes) - model.shift
    np.testing.assert_allclose(torch.cov(left.T), torch.diag(model.variances), atol=1e-3)
    np.testing.assert_allclose(torch.cov(torch.cat([left, x], 1).T)[:2, 2:], 0, atol=2e-2)


def test_the_known_part_is_the_information_of_the_moments() -> None:
    x, y = mixed(1000)
    covariance = np.cov(torch.cat([x, y], 1).numpy().T)
    logs = [np.linalg.slogdet(block)[1] for block in (covariance, covariance[:3, :3], covariance[3:, 3:])]
    assert GaussianVelocity(x, y).information == pytest.approx(0.5 * (logs[1] + logs[2] - logs[0]), abs=0.01)


def test_the_integral_of_the_divergence_is_the_known_part() -> None:
    """By automatic differentiation at one point (the velocity is linear) and the trapezoidal rule over L."""
    x, y = mixed(1000)
    model = GaussianVelocity(x, y)
    levels = torch.linspace(-14, 14, 2801)
    divergence = []
    for level in levels:
        jacobian = differentiated(lambda z, at=level: model(z[None], x[:1], at.view(1, 1))[0][0], torch.zeros(2))
        divergence.append(float(jacobian.trace() * torch.sigmoid(level) * torch.sigmoid(-level)))
    total = np.trapezoid(divergence, levels.numpy())
    assert -total == pytest.approx(model.information, rel=1e-3)


def test_the_velocity_carries_independent_to_dependent_ones() -> None:
    """Heun's method along the flow, for one x: standard normal values become those of y given x."""
    x, y = mixed(2000)
    model = GaussianVelocity(x, y)
    at = x[:1].expand(4000, 3)
    z = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    times = torch.linspace(1e-4, 1 - 1e-4, 401)
    logits = torch.logit(times)[:, None, None]
    for i in range(400):
        step = times[i + 1] - times[i]
        first = model(z, at, logits[i])[0]
        z = z + 0.5 * step * (first + model(z + step * first, at, logits[i + 1])[0])
    mean = torch.nn.functional.linear(x[:1], model.slopes) + model.shift
    np.testing.assert_allclose(z.mean(0), mean[0], atol=0.06)
    np.testing.assert_allclose(torch.cov(z.T), torch.diag(model.variances), atol=0.06)


def test_the_velocity_is_the_mean_of_all_that_pass() -> None:
    """No linear function of the point and of x explains what is left of y - y'."""
    x, y = (torch.from_numpy(v).float() for v in correlated(40_000, 0.9, 1))
    model = GaussianVelocity(x, y)
    goal = model.coordinates(y)
    for level in (-1.0, 0.5, 3.0):
        t = torch.sigmoid(torch.tensor(level))
        z = (1 - t) * goal.roll(1, 0) + t * goal
        left = (goal - goal.roll(1, 0) - model(z, x, torch.full((len(x), 1), level))[0])[:, 0]
        seen = torch.stack([z[:, 0], x[:, 0], torch.ones(len(x))], 1)
        slopes = torch.linalg.lstsq(seen, left[:, None]).solution[:, 0]
        assert float((seen @ slopes).std()) < 0.02


def test_the_divergence_is_the_trace_of_the_jacobian() -> None:
    x, y = mixed(50)
    model = randomized(x, y)
    z, log_time = model.gaussian.coordinates(y), torch.linspace(-2, 4, 50)[:, None]
    traces = []
    for i in range(50):
        jacobian = differentiated(lambda v, i=i: model.corrected(v[None], x[[i]], log_time[[i]])[1][0], z[i])
        traces.append(float(jacobian.trace()))
    with isolated(np.random.default_rng(0)):
        learner = FlowMatching(x, y, SPAN, 16, 1, 4, 2)
    with torch.no_grad():
        exact = model.divergence(z, x, log_time, learner._directions(z, torch.Generator()))
    np.testing.assert_allclose(exact.numpy(), traces, rtol=1e-3, atol=1e-5)
    learner.probes = 1  # fewer than coordinates: random signs, right on average
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        many = torch.stack([model.divergence(z, x, log_time, learner._directions(z, generator)) for _ in range(400)])
    assert many.std(0).max() > 1e-3
    np.testing.assert_allclose(many.mean(0).numpy(), traces, atol=5 * float(many.std(0).max()) / 20)


def test_no_sample_is_its_own_partner() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        rows = _partners(37, generator)
        assert (rows != torch.arange(37)).all()
        assert sorted(rows.tolist()) == list(range(37))


@pytest.mark.parametrize(("rho", "dim"), [(0.0, 2), (0.9, 2), (0.999, 1)])
def test_gaussian_truths(rho: float, dim: int) -> None:
    found = FMMI(max_steps=300).estimate(*correlated(2000, rho, dim, seed=3))
    assert found.stderr is None
    assert found.mi == pytest.approx(-0.5 * dim * math.log(1 - rho**2), abs=0.12)


def test_the_bias_of_the_moments_is_taken_off() -> None:
    answers = [FMMI(max_steps=1).estimate(*correlated(300, 0.0, 6, seed)).mi for seed in range(10)]
    assert abs(float(np.mean(answers))) < 0.04  # 36 / 360 nats are what 180 training samples show
    assert FMMI(max_steps=1).estimate(*correlated(30, 0.0, 20)).mi >= -0.01


def test_folds_give_a_sampling_error() -> None:
    found = FMMI(max_steps=30, folds=3).estimate(*correlated(300, 0.8, 1))
    assert found.stderr is None and 0 < found.diagnostics["sampling_error"] < 0.5


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="lower end first"):
        FMMI(span=(3.0, -3.0))
    x, y = correlated(200, 0.5, 2)
    with pytest.raises(Unsupported, match="no density"):
        FMMI(max_steps=5).estimate(np.hstack([x, y[:, :1]]), np.hstack([y, y.sum(1, keepdims=True)]))
