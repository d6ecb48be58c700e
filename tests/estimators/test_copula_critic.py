"""The critic that starts from a Gaussian copula: the ratio, the start, the rest."""

import math

import numpy as np
import pytest
import torch
from mibench.estimators.critics.bounds import DonskerVaradhan
from mibench.estimators.critics.copula import RIDGES, GaussianRatio, MixedRatio, chosen, spherical, whitening
from mibench.estimators.critics.critics import build
from mibench.estimators.critics.evaluation import contributions
from mibench.estimators.critics.offset import OffsetCritic
from mibench.estimators.critics.residual import CopulaCritic
from mibench.estimators.gaussian import gaussian_bias, gaussian_information
from mibench.estimators.learned import Assignment, splits
from scipy.stats import chi2, multivariate_normal

from mibench.estimator import Array, rng_for
from mibench.ranks import normal_scores


def gaussian(n: int, rho: Array, seed: int = 0, extra: int = 0) -> tuple[Array, Array]:
    """Pairs with these correlations, rotated at random; y has ``extra`` columns that know nothing."""
    rng = np.random.default_rng([8, seed])
    x = rng.standard_normal((n, len(rho)))
    y = np.hstack([rho * x + np.sqrt(1 - rho**2) * rng.standard_normal(x.shape), rng.standard_normal((n, extra))])
    rotations = (np.linalg.qr(rng.standard_normal((values.shape[1],) * 2))[0] for values in (x, y))
    return x @ next(rotations), y @ next(rotations)


# The ratio -----------------------------------------------------------------------------------------------------------


def test_the_ratio_is_that_of_the_fitted_gaussian() -> None:
    x, y = gaussian(500, np.array([0.9, 0.4]), extra=1)
    ratio = GaussianRatio.fitted(x, y)
    both = np.hstack([x, y])

    def log_density(values: Array) -> Array:
        density: Array = multivariate_normal(values.mean(0), np.cov(values.T, bias=True)).logpdf(values)
        return density

    expected = log_density(both) - log_density(x) - log_density(y)
    np.testing.assert_allclose(ratio.terms(*ratio.variables(x, y)).sum(1), expected, atol=1e-9)
    u, v = ratio.embeddings(x, y)
    np.testing.assert_allclose((u * v).sum(1), expected, atol=1e-9)


def test_its_mean_is_the_plug_in_estimate() -> None:
    x, y = gaussian(300, np.array([0.8, 0.5, 0.1]))
    ratio = GaussianRatio.fitted(x, y)
    mean = ratio.terms(*ratio.variables(x, y)).sum(1).mean()
    assert mean == pytest.approx(gaussian_information(x, y).mi + gaussian_bias(300, 3, 3), abs=1e-9)


def test_a_ridge_shrinks_every_correlation() -> None:
    x, y = gaussian(200, np.full(5, 0.6), extra=20)
    found = [GaussianRatio.fitted(x, y, ridge).rho for ridge in (0.0, 0.1, 1.0)]
    assert (found[0] > found[1]).all()
    assert (found[1] > found[2]).all()


@pytest.mark.parametrize("weight", [0.3, 0.99, 1 - 1e-6])
def test_a_share_of_the_pairs_may_be_dependent(weight: float) -> None:
    x, y = gaussian(100, np.array([0.9, 0.4]))
    ratio = GaussianRatio.fitted(x, y)
    r = np.exp(ratio.terms(*ratio.variables(x, y)).sum(1))
    u, v = MixedRatio(ratio, weight).embeddings(x, y)
    found = np.logaddexp(0, (u[:, :-1] * v[:, :-1]).sum(1)) + v[:, -1]
    np.testing.assert_allclose(found, np.log(1 - weight + weight * r), atol=1e-9)


def test_as_many_components_are_chosen_as_carry_information() -> None:
    x, y = gaussian(4000, np.array([0.8, 0.7, *[0.0] * 30]))
    ratio, value = chosen((x[:2000], y[:2000]), (x[2000:], y[2000:]))
    assert len(ratio.gaussian.rho) == 2
    assert value == pytest.approx(-0.5 * math.log((1 - 0.8**2) * (1 - 0.7**2)), abs=0.1)
    half = np.random.default_rng(0).random((4000, 1)) < 0.5
    mixed, _ = chosen((x[:2000], np.where(half, y, y[::-1])[:2000]), (x[2000:], np.where(half, y, y[::-1])[2000:]))
    assert mixed.weight < 0.9


def test_spheres_are_normal_and_keep_their_directions() -> None:
    rng = np.random.default_rng(1)
    tails = rng.standard_normal((999, 4)) / np.sqrt(rng.chisquare(1, (999, 1)))
    train = np.arange(999)
    found = spherical(tails, train)
    squares = np.sort((found[:, :4] ** 2).sum(1))
    np.testing.assert_allclose(squares, chi2.ppf(np.arange(1, 1000) / 1000, 4))
    white = (tails - tails.mean(0)) @ whitening(tails - tails.mean(0), RIDGES[0])
    cosines = (white * found[:, :4]).sum(1) / np.linalg.norm(white, axis=1) / np.sqrt((found[:, :4] ** 2).sum(1))
    np.testing.assert_allclose(cosines, 1)
    np.testing.assert_array_equal(found[:, 4], normal_scores(np.linalg.norm(white, axis=1)[:, None])[:, 0])


# The start -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["separable", "joint", "bilinear"])
def test_all_pairs_are_each_pair(kind: str) -> None:
    learned = build(kind, (3, 2), (40, 8), 4, "silu")
    critic = OffsetCritic(learned, (3, 2), 5)
    theta = learned.layout.initial([np.random.default_rng(i) for i in range(2)])
    theta += 0.3 * torch.randn(theta.shape, generator=torch.Generator().manual_seed(0))
    x, y = (torch.randn(2, 9, width, generator=torch.Generator().manual_seed(width)) for width in (8, 7))
    p = learned.layout.unpack(theta)
    matrix = critic.score_matrix(p, *critic.embed(p, x, y))
    for j in range(9):
        one = x[:, j : j + 1].expand_as(x)
        torch.testing.assert_close(matrix[:, :, j], critic(p, one, y), rtol=1e-4, atol=1e-4)
        given = (one[..., 3:-1] * y[..., 2:-1]).sum(-1).exp().log1p() + y[..., -1]
        torch.testing.assert_close(critic(p, one, y), learned(p, one[..., :3], y[..., :2]) + given)


@pytest.mark.parametrize("correlations", [(0.9,), (0.7, 0.5), (0.0,)])
def test_the_untrained_critic_has_the_value_of_the_ratio(correlations: tuple[float, ...]) -> None:
    x, y = gaussian(400, np.array(correlations))
    estimator = CopulaCritic()
    split = splits(400, estimator.shares, 5, rng_for(0))[0]
    data = {k: torch.from_numpy(v)[None] for k, v in estimator.prepared(Assignment(x, y, split, rng_for(0))).items()}
    critic = estimator.architecture(x.shape[1], y.shape[1])
    theta = critic.layout.initial([rng_for(0)])
    found = contributions(DonskerVaradhan(), critic, theta, data["x test"], data["y test"]).mean().item()

    candidates = []
    u, v = normal_scores(x), normal_scores(y)
    for a, b in ((u, v), (spherical(u, split.train), spherical(v, split.train))):
        ratio, value = chosen((a[split.train], b[split.train]), (a[split.validation], b[split.validation]))
        rows = [(a[[i]], b[[j]]) for i in split.test for j in split.test]
        exact = [
            math.log1p(ratio.weight * math.expm1(ratio.gaussian.terms(*ratio.gaussian.variables(*row)).sum()))
            for row in rows
        ]
        matrix = np.array(exact).reshape(len(split.test), -1)
        others = matrix[~np.eye(len(matrix), dtype=bool)]
        candidates.append((value, np.diag(matrix).mean() - np.log(np.exp(others).mean())))
    assert found == pytest.approx(max(candidates)[1], abs=1e-5)


# The whole -----------------------------------------------------------------------------------------------------------


def test_increasing_functions_of_the_columns_change_nothing() -> None:
    x, y = gaussian(300, np.array([0.8, 0.3]))
    estimator = CopulaCritic()
    assert estimator.estimate(np.exp(x), y**3).mi == estimator.estimate(x, y).mi


@pytest.mark.parametrize("dim", [1, 6])
def test_no_alarm_where_nothing_is(dim: int) -> None:
    rng = np.random.default_rng(dim)
    xs, ys = rng.standard_normal((2, 6, 500, dim))
    for found in CopulaCritic(max_steps=200).estimate_batch(list(xs), list(ys), range(6)):
        assert found.stderr is not None
        assert found.mi < min(0.03, 2 * found.stderr + 1e-9)


def test_a_gaussian_copula_is_found_at_once_and_kept() -> None:
    rho = np.full(10, math.sqrt(1 - math.exp(-0.4)))
    x, y = gaussian(2000, rho)
    start = CopulaCritic(max_steps=1, learning_rate=1e-9).estimate(x, y)
    found = CopulaCritic().estimate(x, y)
    for one in (start, found):
        assert one.stderr is not None
        assert one.mi == pytest.approx(2.0, abs=0.1 + 2 * one.stderr)
    assert found.diagnostics["samples"] == {"train": 1440, "validation": 160, "test": 400}


def test_the_network_learns_what_no_gaussian_has() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal(2000)
    y = np.where(rng.random(2000) < 0.5, 1, -1) * 0.9 * x + math.sqrt(1 - 0.81) * rng.standard_normal(2000)
    assert 0.3 < CopulaCritic().estimate(x, y).mi < 0.5  # 0.408


def test_the_error_holds_the_spread_of_the_folds() -> None:
    x, y = gaussian(400, np.array([0.9]))
    estimator = CopulaCritic(max_steps=20)
    trained = list(estimator._train(estimator._assignments(x, y, 0)))
    means = np.array([critic.terms.mean() for critic in trained])
    stderr = estimator.estimate(x, y).stderr
    assert stderr is not None
    assert stderr >= means.std(ddof=1) / math.sqrt(5) - 1e-12


@pytest.mark.parametrize("standardize", ["robust", "standard", "none"])
def test_other_margins(standardize: str) -> None:
    x, y = gaussian(500, np.array([0.9]))
    found = CopulaCritic(standardize=standardize, max_steps=20).estimate(x, y)
    assert found.mi == pytest.approx(-0.5 * math.log(1 - 0.81), abs=0.2)


def test_few_samples_of_many_columns_that_repeat_and_stand_still() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((2, 100, 128))
    x[:, 1], x[:, 2], y[:, 3] = x[:, 0], 5, np.round(y[:, 3])
    found = CopulaCritic(max_steps=20).estimate(x, y)
    assert abs(found.mi) < 0.5
