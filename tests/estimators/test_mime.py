"""The reference is the Gaussian that it claims to be; nothing is to be learned where it is right, and the rest is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mibench.estimators.densities.bridges import (
    JOINT,
    PRODUCT,
    REFERENCE,
    REFERENCE_PRODUCT,
    Bridged,
    GaussianReference,
    Logits,
)
from mibench.estimators.densities.mime import MIME
from mibench.estimators.densities.training import isolated, shrunk_moments
from scipy.stats import multivariate_normal

from .conftest import correlated


def mixed(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two columns of x and three of y, all dependent."""
    rng = np.random.default_rng(seed)
    both = torch.from_numpy(rng.standard_normal((n, 5)) @ rng.standard_normal((5, 5)) + 1.0).float()
    return both[:, :2], both[:, 2:]


def test_the_known_ratio_is_that_of_normal_densities() -> None:
    x, y = mixed(300)
    reference = GaussianReference(x, y)
    mean, covariance = (moment.numpy() for moment in shrunk_moments(torch.cat([x, y], 1)))
    joint = multivariate_normal(mean, covariance).logpdf(torch.cat([x, y], 1).numpy())
    of_x = multivariate_normal(mean[:2], covariance[:2, :2]).logpdf(x.numpy())
    of_y = multivariate_normal(mean[2:], covariance[2:, 2:]).logpdf(y.numpy())
    found = reference.log_ratio(x, y, reference.residual(x, y))
    np.testing.assert_allclose(found.numpy(), joint - of_x - of_y, atol=2e-3)


def test_references_have_the_moments_and_residuals_are_white() -> None:
    x, y = mixed(300)
    reference = GaussianReference(x, y)
    drawn = reference.sample(200_000, torch.Generator().manual_seed(0))
    mean, covariance = shrunk_moments(torch.cat([x, y], 1))
    scale = covariance.diagonal().sqrt()
    np.testing.assert_allclose(torch.cat(drawn, 1).mean(0), mean, atol=0.02 * float(scale.max()))
    np.testing.assert_allclose(torch.cov(torch.cat(drawn, 1).T) / torch.outer(scale, scale),
                               covariance / torch.outer(scale, scale), atol=0.02)  # fmt: skip
    residual = reference.residual(*drawn)
    np.testing.assert_allclose(torch.cov(torch.cat([residual, drawn[0]], 1).T)[:3, :3], np.eye(3), atol=0.02)
    truth = -0.5 * float(
        torch.logdet(covariance) - torch.logdet(covariance[:2, :2]) - torch.logdet(covariance[2:, 2:])
    )  # fmt: skip
    assert -truth * -1 == pytest.approx(float(reference.log_ratio(*drawn, residual).mean()), abs=0.02 * truth + 0.02)


def test_logits_of_the_exact_ratios_are_probabilities() -> None:
    """With what the networks are to learn in place, the classes are told as well as Bayes tells them: the share of
    each class among pairs to which it is given so much probability is that much."""
    x, y = (torch.from_numpy(v).float() for v in correlated(20_000, 0.8, 1))
    with isolated(np.random.default_rng(0)):
        learner = Bridged(x, y, (8,), 1)  # Gaussian samples: the networks have nothing to add
    classes = learner._classes(x, y, torch.Generator().manual_seed(0))
    assert [len(a) for a, _ in classes] == [len(b) for _, b in classes] == [20_000] * 4
    with torch.no_grad():
        given = torch.stack([torch.softmax(learner.model(*pairs), -1) for pairs in classes])  # class, pair, probability
    for label in (JOINT, REFERENCE, PRODUCT, REFERENCE_PRODUCT):
        for low in (0.0, 0.1, 0.2, 0.3, 0.4):
            within = (given[..., label] >= low) & (given[..., label] < low + 0.1)
            if within.sum() > 2000:
                expected = float(given[..., label][within].mean())
                assert float(within[label].sum() / within.sum()) == pytest.approx(expected, abs=0.03)


def test_the_ratio_of_the_products_is_a_sum() -> None:
    x, y = mixed(100)
    with isolated(np.random.default_rng(0)) as generator, torch.no_grad():
        model = Logits(x, y, (8,))
        for p in model.parameters():
            p += 0.5 * torch.randn(p.shape, generator=generator)
        logits = [model(x[[i]], y[[j]])[0, PRODUCT] for i, j in ((0, 0), (1, 1), (0, 1), (1, 0))]
    assert float(logits[0] + logits[1]) == pytest.approx(float(logits[2] + logits[3]), abs=1e-4)


def test_the_start_is_the_copula_and_validation_repeats_itself() -> None:
    x, y = mixed(200)
    with isolated(np.random.default_rng(0)), torch.no_grad():
        learner = Bridged(x, y, (8,), 2)
        reference = learner.model.reference
        expected = reference.log_ratio(x, y, reference.residual(x, y))
        np.testing.assert_allclose(learner.model.log_ratio(x, y), expected, atol=1e-5)
        assert torch.equal(learner.validated(x, y), learner.validated(x, y))
        assert float(learner.validated(x, y)) < math.log(4)


def test_dependence_without_correlation_is_learned() -> None:
    """Y = +-X with noise: the copula knows nothing of it. The truth is by quadrature over X of the entropy of Y."""
    rng, rho = np.random.default_rng(0), 0.95
    x = rng.standard_normal((4000, 1))
    y = rho * x * rng.choice([-1, 1], x.shape) + math.sqrt(1 - rho**2) * rng.standard_normal(x.shape)
    axis = np.linspace(-8, 8, 1601)
    step, scale = axis[1] - axis[0], math.sqrt(1 - rho**2)
    density = 0.5 * sum(
        np.exp(-0.5 * ((axis[:, None] - s * rho * axis) / scale) ** 2) / math.sqrt(2 * math.pi) / scale for s in (-1, 1)
    )
    normal = np.exp(-0.5 * axis**2) / math.sqrt(2 * math.pi)
    inside = -np.where(density > 0, density * np.log(np.maximum(density, 1e-300)), 0).sum(0) * step
    truth = 0.5 * math.log(2 * math.pi * math.e) - float((normal * inside).sum() * step)
    found = MIME().estimate(x, y)
    assert found.mi == pytest.approx(truth, abs=0.1)


def test_increasing_functions_of_the_columns_change_next_to_nothing() -> None:
    x, y = correlated(500, 0.7, 2)
    plain, changed = (MIME(max_steps=60).estimate(*pair).mi for pair in ((x, y), (np.exp(x), y**3)))
    assert changed == pytest.approx(plain, abs=0.02)
