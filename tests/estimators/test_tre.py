"""Waymarks, the telescope of their ratios, and what training adds to the Gaussian that it starts from."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mibench.estimators.critics.copula import GaussianRatio
from mibench.estimators.critics.telescoping import TRE
from mibench.estimators.critics.waymarks import PARTNERS, STRONGEST, WaymarkCritic, mixing
from mibench.estimators.learned import Assignment

from mibench.estimator import Array, Kind, rng_for


def gaussian(n: int, rho: Array, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng([4, seed])
    x = rng.standard_normal((n, len(rho)))
    y = rho * x + np.sqrt(1 - rho**2) * rng.standard_normal(x.shape)
    return x @ np.linalg.qr(rng.standard_normal((len(rho),) * 2))[0], y


def information(rho: Array) -> float:
    return float(-0.5 * np.log(1 - rho**2).sum())


def assigned(n: int, rho: Array, estimator: TRE) -> Assignment:
    x, y = gaussian(n, rho)
    return Assignment(x, y, estimator.splits(n, 0)[0], rng_for(0))


@pytest.mark.parametrize("strongest", [0.0, 0.99, 1 - 1e-6])
def test_waymarks_are_equally_far_apart(strongest: float) -> None:
    a = mixing(np.array([0.3 * strongest, strongest]), 6)
    assert a[0] == pytest.approx(1) and a[-1] == 0 and (np.diff(a) < 0).all()
    left = -0.5 * np.log1p(-((max(strongest, STRONGEST) * a) ** 2))
    np.testing.assert_allclose(np.diff(left), -left[0] / 6, rtol=1e-6)


def test_untrained_critics_add_up_to_the_ratio_of_gaussian_variables() -> None:
    estimator = TRE(ratios=5)
    a = assigned(400, np.array([0.95, 0.6, 0.1]), estimator)
    data = {k: torch.from_numpy(v) for k, v in estimator.prepared(a).items()}
    critic = estimator.architecture(3, 3)
    theta = critic.layout.initial([np.random.default_rng(i) for i in range(5)])
    rows, _ = estimator._rows([data], "test")
    with torch.no_grad():
        total = critic.at_joint(critic.layout.unpack(theta), rows).double().sum(0)
    u, v = data["x test"][:, 3:6].numpy(), data["y test"][:, 3:].numpy()
    rho = data["rho"].numpy()
    nothing = np.zeros(0)
    expected = GaussianRatio(np.eye(3), np.eye(3), rho, nothing, nothing).terms(u[:, : len(rho)], v[:, : len(rho)])
    np.testing.assert_allclose(total, expected.sum(1), atol=1e-4)


def test_where_one_ratio_ends_the_next_begins() -> None:
    """The product pairs of a critic are mixed as the joint pairs of the next one are, and those of the first not."""
    critic = WaymarkCritic((2, 2), 2, (8, 8), "silu")
    one = critic.layout.unpack(critic.layout.initial([np.random.default_rng(0)]))
    for name in one:  # a critic whose score shows how y is mixed
        one[name].normal_(generator=torch.Generator().manual_seed(3))
    x, y, other = torch.randn(3, 1, 6, 2, generator=torch.Generator().manual_seed(4))
    canonical = torch.cat([y, y], -1), torch.cat([other, other], -1)

    def row(begin: float, end: float) -> torch.Tensor:
        ends = torch.tensor([begin, end]).expand(1, 6, 2)
        # correlations of 0, so that nothing is known and only the mixture counts
        return torch.cat([x, x, torch.zeros_like(x), ends, canonical[0]], -1)

    first = critic.score_matrix(one, row(1.0, 0.6), canonical[1])
    second = critic.pairs(one, row(0.6, 0.2), canonical[1].roll(-1, 1))
    assert first.shape == (1, 6, PARTNERS)
    torch.testing.assert_close(first[..., 0], second)
    unmixed = critic.pairs(one, row(1.0, 0.6), canonical[1])
    torch.testing.assert_close(unmixed, critic.at_joint(one, row(1.0, 0.6)))


def test_it_is_an_estimate_that_comes_from_a_classifier() -> None:
    assert TRE().kind is Kind.ESTIMATE and TRE().bound().registered_name == "demi"


@pytest.mark.parametrize(("rho", "share"), [(np.zeros(3), 0.0), (np.full(8, 0.97), 0.07)])
def test_gaussian_truths(rho: Array, share: float) -> None:
    """Nothing, and 11 nats, which no critic of 2,000 samples sees at once."""
    found = TRE(max_steps=200).estimate(*gaussian(2000, rho, seed=1))
    assert found.mi == pytest.approx(information(rho), abs=0.06 + share * information(rho))


def test_it_learns_what_is_not_gaussian() -> None:
    rng = np.random.default_rng(2)
    x, noise = rng.standard_normal((2, 3000, 1))
    y = np.where(rng.random((3000, 1)) < 0.5, 1, -1) * 0.95 * x + math.sqrt(1 - 0.95**2) * noise
    found = TRE(ratios=4).estimate(x, y)
    # I(X; Y, sign) less what y does not tell of the sign: between 1.16 - ln 2 and 1.16 nats
    assert 0.4 < found.mi < 1.0 and abs(np.corrcoef(x[:, 0], y[:, 0])[0, 1]) < 0.1


def test_a_stack_answers_what_one_answers() -> None:
    problems = [gaussian(300, np.array([0.8, 0.2]), seed) for seed in range(2)]
    quick = TRE(ratios=3, max_steps=60, folds=2)
    together = quick.estimate_batch([x for x, _ in problems], [y for _, y in problems], [0, 1])
    for seed, ((x, y), fused) in enumerate(zip(problems, together, strict=True)):
        assert quick.estimate(x, y, seed).mi == pytest.approx(fused.mi, abs=1e-4)
