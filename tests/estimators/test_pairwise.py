"""The compiled loops of the joint critic against the same network in plain matrix products."""

from typing import Any

import numpy as np
import pytest
import torch
from mibench.estimators.critics import pairwise
from mibench.estimators.critics.critics import COMPILED_FROM, CriticStack, build
from mibench.estimators.critics.networks import ACTIVATIONS, Parameters
from torch import Tensor

Problem = tuple[CriticStack, Parameters, Tensor, Tensor]
every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)


def slow(critic: CriticStack, p: Parameters, u: Tensor, v: Tensor) -> Tensor:
    """All pairs one by one, as the critic itself has them elsewhere."""
    scores: Tensor = critic.pairs(p, u.unsqueeze(-3), v.unsqueeze(-2))
    return scores


def problem(
    hidden: tuple[int, ...],
    activation: str,
    rows: int,
    columns: int,
    matrices: tuple[int, ...] = (),
    models: int = 3,
    dtype: torch.dtype = torch.float32,
) -> Problem:
    critic = build("joint", (3, 2), hidden, 0, activation)
    theta = critic.layout.initial([np.random.default_rng(i) for i in range(models)])
    generator = torch.Generator().manual_seed(1)
    theta = (theta + 0.5 * torch.randn(theta.shape, generator=generator)).to(dtype)
    p = {name: view.detach().requires_grad_() for name, view in critic.layout.unpack(theta).items()}
    u = torch.randn(models, *matrices, columns, hidden[0], generator=generator, dtype=dtype, requires_grad=True)
    v = torch.randn(models, *matrices, rows, hidden[0], generator=generator, dtype=dtype, requires_grad=True)
    return critic, p, u, v


def gradients(scores: Tensor, p: Parameters, u: Tensor, v: Tensor) -> tuple[Tensor, ...]:
    weights = torch.linspace(-1, 2, scores.numel(), dtype=scores.dtype).cos().reshape(scores.shape)
    behind = [view for name, view in p.items() if ".joint." in name]
    return torch.autograd.grad((weights * scores).sum(), [u, v, *behind])


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """How often the compiled loops were asked."""
    calls: list[Any] = []
    plain = pairwise.score_matrices

    def counted(*given: Any) -> Tensor:
        calls.append(given)
        scores: Tensor = plain(*given)
        return scores

    monkeypatch.setattr(pairwise, "score_matrices", counted)
    return calls


@every_activation
@pytest.mark.parametrize("hidden", [(16, 8), (5, 7, 3), (1,), (33, 2)], ids=str)
@pytest.mark.parametrize(("rows", "columns", "matrices"), [(3, 40, ()), (2, 300, (2,)), (4, 128, (2, 1))])
def test_scores_and_gradients_are_those_of_matrix_products(
    activation: str, hidden: tuple[int, ...], rows: int, columns: int, matrices: tuple[int, ...], runs: list[Any]
) -> None:
    critic, p, u, v = problem(hidden, activation, rows, columns, matrices)
    found, expected = critic.score_matrix(p, u, v), slow(critic, p, u, v)
    assert runs
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    for a, b in zip(gradients(found, p, u, v), gradients(expected, p, u, v), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4 * float(1 + b.abs().max()))


@every_activation
def test_activations_hold_far_from_zero(activation: str) -> None:
    values = torch.cat([torch.linspace(-100, 100, 2001), torch.tensor([0.0, 1e-6, -1e-6])])[:, None]
    one, zero = torch.ones(1, 1, 1), torch.zeros(1, 1, 1)
    u = values[None, None].requires_grad_()
    exact = values.detach().double().requires_grad_()
    scores = pairwise.score_matrices(u, torch.zeros(1, 1, 1, 1), [one, zero], activation)
    expected = ACTIVATIONS[activation](exact)
    torch.testing.assert_close(scores.ravel().double(), expected.ravel(), rtol=1e-5, atol=1e-6)
    slopes = [torch.autograd.grad(f.sum(), given)[0].ravel().double() for f, given in ((scores, u), (expected, exact))]
    torch.testing.assert_close(*slopes, rtol=1e-5, atol=2e-6)


@every_activation
def test_what_is_not_a_number_stays_so(activation: str) -> None:
    critic, p, u, v = problem((4, 3), activation, 2, COMPILED_FROM)
    spoilt = u.detach().clone()
    spoilt[1, 7, 2] = torch.nan
    wrong = critic.score_matrix(p, spoilt, v).isnan()
    assert wrong[1, :, 7].all()
    assert wrong.sum() == 2


def test_a_model_answers_the_same_alone() -> None:
    critic, p, u, v = problem((16, 8), "silu", 5, 200)
    alone = critic.score_matrix({name: view[1:2] for name, view in p.items()}, u[1:2], v[1:2])
    assert torch.equal(critic.score_matrix(p, u, v)[1:2], alone)


def test_views_that_are_not_contiguous_are_taken_as_they_are() -> None:
    critic, p, u, v = problem((6, 4), "tanh", 3, 50)
    strided = u.mT.contiguous().mT
    assert not strided.is_contiguous()
    torch.testing.assert_close(critic.score_matrix(p, strided, v.roll(1, 0).roll(-1, 0)), critic.score_matrix(p, u, v))


def test_few_columns_and_double_precision_take_the_matrix_products(runs: list[Any]) -> None:
    for columns, dtype in ((COMPILED_FROM - 1, torch.float32), (COMPILED_FROM, torch.float64)):
        critic, p, u, v = problem((6, 4), "relu", 3, columns, dtype=dtype)
        assert torch.equal(critic.score_matrix(p, u, v), slow(critic, p, u, v))
    assert not runs
