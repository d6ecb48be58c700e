"""The Gaussian pair of flows is a density with the right Jacobian; what the formula on its latent variables gives."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from mibench.estimators.densities.flow import Flow
from mibench.estimators.densities.gaussianizing import GaussianPair, Layers
from mibench.estimators.densities.training import shrunk_moments
from mibench.estimators.gaussian import gaussian_information
from scipy.stats import multivariate_normal

from mibench.errors import Unsupported

from .conftest import correlated


def pair(dims: tuple[int, int], layers: Layers, noise: float) -> GaussianPair:
    """A model with random parameters."""
    generator = torch.Generator().manual_seed(3)
    model = GaussianPair(dims, layers, 2, (16,))
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(noise * torch.randn(p.shape, generator=generator))
    return model


@pytest.mark.parametrize("layers", ["affine", "spline"])
def test_the_density_integrates_to_one(layers: Layers) -> None:
    model = pair((1, 1), layers, 0.3)
    axis = torch.linspace(-12, 12, 801)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        total = model(grid[:, :1], grid[:, 1:]).double().exp().sum() * float(axis[1] - axis[0]) ** 2
    assert float(total) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("layers", ["affine", "spline"])
def test_the_jacobian_is_that_of_the_latent_variables(layers: Layers) -> None:
    model = pair((2, 3), layers, 0.4)
    x, y = torch.tensor([[0.3, -1.1]]), torch.tensor([[0.8, -0.2, 1.5]])
    jacobian: Any = torch.autograd.functional.jacobian
    a, b = jacobian(lambda x, y: model.latent(x, y)[:2], (x, y))
    assert float(a[1].abs().max()) == float(b[0].abs().max()) == 0  # each flow sees its own variable only
    expected = torch.linalg.slogdet(a[0].reshape(2, 2))[1] + torch.linalg.slogdet(b[1].reshape(3, 3))[1]
    assert float(model.latent(x, y)[2].detach()) == pytest.approx(float(expected), abs=1e-4)


def test_it_begins_as_the_gaussian_of_the_samples() -> None:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((100, 5)) @ rng.standard_normal((5, 5))
    samples -= samples.mean(0)
    samples[:, :2] = np.linalg.qr(samples[:, :2])[0] * 10  # x is standard already: its flow is the identity yet
    both = torch.from_numpy(samples).float()
    model = GaussianPair((2, 3), "affine", 2, (8,)).start_at_gaussian(both[:, :2], both[:, 2:])
    mean, covariance = (moment.numpy() for moment in shrunk_moments(both))
    joint = multivariate_normal(mean, covariance).logpdf(samples)
    own = multivariate_normal(mean[:2], covariance[:2, :2]).logpdf(samples[:, :2])
    standard = multivariate_normal(np.zeros(2)).logpdf(samples[:, :2])
    found = model(both[:, :2], both[:, 2:]).detach().numpy()
    assert found == pytest.approx(joint - own + standard, abs=2e-3)


def test_gaussian_samples_give_their_closed_form() -> None:
    x, y = correlated(3000, 0.7, 3)
    estimate = Flow(max_steps=60).estimate(x, y)
    error = estimate.diagnostics["sampling_error"]
    assert estimate.mi == pytest.approx(-1.5 * math.log(1 - 0.49), abs=0.03 + 3 * error)


def test_the_cubic_transform_agrees_with_the_gaussian() -> None:
    x, y = correlated(2000, 0.8, 2)
    turned = (y @ np.array([[0.8, -0.6], [0.6, 0.8]])) ** 3
    plain, cubic = (Flow(max_steps=100).estimate(x, values).mi for values in (y, turned))
    assert cubic == pytest.approx(plain, abs=0.06)
    assert gaussian_information(x, turned).mi < plain - 0.1
    same = Flow(max_steps=10).estimate(x, y).mi  # but for the interpolation between the ranks of training samples
    assert Flow(max_steps=10).estimate(x, y**3).mi == pytest.approx(same, abs=0.01)


def test_splines_undo_a_bend_that_is_left_in_the_data() -> None:
    x, y = correlated(2000, 0.9, 1)
    bent = np.sinh(1.2 * y) / 3
    flow = Flow(layers="spline", max_steps=150, transforms=2, hidden=(16,), standardize="none")
    truth = -0.5 * math.log(1 - 0.81)
    before = gaussian_information(x, bent).mi
    assert before < truth - 0.1
    assert flow.estimate(x, bent).mi > (before + truth) / 2


def test_dependence_without_correlation_is_not_seen() -> None:
    rng = np.random.default_rng(1)
    # 0.22 nats by a common scale; monotone maps of either variable stay uncorrelated
    scale = 1 / np.sqrt(rng.chisquare(1, (2000, 1)))
    x, y = scale * rng.standard_normal((2, 2000, 1))
    estimate = Flow(max_steps=60).estimate(x, y)
    assert estimate.mi == pytest.approx(0, abs=0.03)


def test_too_many_dimensions_for_the_held_out_samples() -> None:
    with pytest.raises(Unsupported, match=r"20 held-out samples .* more than 150 samples"):
        Flow().estimate(*correlated(100, 0.5, 15))
