"""The training loop that doe, flow, minde and latent share, on models whose best weights are known."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from mibench.estimators.densities.folds import HeldOutEstimate
from mibench.estimators.densities.training import Learner, Pair, Schedule, fit, isolated, shrunk_moments
from torch import Tensor, nn

from mibench.estimator import Array

Losses = Callable[[list[Tensor]], list[Tensor]]


class Number(nn.Module):
    """A model that is one number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))


class Numbers(Learner):  # type: ignore[misc]
    """Models that are numbers, with any losses of them."""

    def __init__(self, start: list[float], losses: Losses, validated: Losses | None = None) -> None:
        self.models = [Number(value) for value in start]
        self.of_training, self.of_validation = losses, validated or losses
        self.seen: list[list[float]] = []

    def losses(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        self.seen.append(x[:, 0].tolist())
        return torch.stack(self.of_training([m.value for m in self.models]))

    def validated(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.stack(self.of_validation([m.value for m in self.models]))

    def value(self, losses: Array) -> Array:
        total: Array = losses.sum(1)
        return total

    def tested(self, x: Tensor, y: Tensor, generator: torch.Generator) -> HeldOutEstimate:
        raise AssertionError("training does not test")

    @property
    def values(self) -> list[float]:
        return [float(m.value.detach()) for m in self.models]


def part(n: int = 10) -> Pair:
    """Samples that are their own row numbers."""
    rows = torch.arange(n, dtype=torch.float32)[:, None]
    return rows, rows


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_moments_are_those_of_the_samples_and_always_positive_definite() -> None:
    many = torch.from_numpy(np.random.default_rng(1).multivariate_normal([1, 2], [[2, 1], [1, 3]], 200_000))
    mean, covariance = shrunk_moments(many)
    assert mean.numpy() == pytest.approx([1, 2], abs=0.02)
    assert covariance.numpy() == pytest.approx(np.array([[2, 1], [1, 3]]), abs=0.04)
    few = torch.randn(4, 10, generator=generator())
    torch.linalg.cholesky(shrunk_moments(few)[1])


def test_isolation_leaves_no_trace_and_depends_on_the_seed_alone() -> None:
    def draw(seed: int) -> tuple[float, float]:
        with isolated(np.random.default_rng(seed)) as own:
            assert torch.get_num_threads() == 1
            return float(torch.randn(())), float(torch.randn((), generator=own))

    state, threads = torch.get_rng_state(), torch.get_num_threads()
    first = draw(7)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    torch.randn(3)
    assert draw(7) == first
    assert draw(8) != first
    with pytest.raises(RuntimeError), isolated(np.random.default_rng(0)):
        raise RuntimeError
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_each_model_ends_with_its_own_best_weights(average: float) -> None:
    # training pulls both numbers from 0 to 1; validation is best at 0.3 for one of them and at 0.6 for the other
    learner = Numbers(
        [0.0, 0.0],
        lambda values: [(v - 1).square() for v in values],
        lambda values: [(v - aim).square() for v, aim in zip(values, (0.3, 0.6), strict=True)],
    )
    schedule = Schedule(
        max_steps=150, learning_rate=0.02, weight_decay=0.0, evaluations=150, patience=150, average=average
    )
    history = fit(learner, part(), part(), schedule, generator())
    assert learner.values == pytest.approx([0.3, 0.6], abs=0.03)
    assert 0 < history.best[0] < history.best[1]
    assert history.step[-1] == history.last == 150
    best = np.asarray(history.validation).argmin(axis=0)
    assert [history.step[i] for i in best] == history.best


def test_losses_of_one_model_are_summed() -> None:
    # two losses with the best weights 0.2 and 0.6 for the first model, 0.4 and 0.8 for the second
    learner = Numbers(
        [0.0, 0.0],
        lambda values: [(v - 1).square() for v in values],
        lambda values: [
            (v - aim).square() for v, pair in zip(values, ((0.2, 0.6), (0.4, 0.8)), strict=True) for aim in pair
        ],
    )
    schedule = Schedule(max_steps=150, learning_rate=0.02, weight_decay=0.0, evaluations=150, patience=150)
    fit(learner, part(), part(), schedule, generator())
    assert learner.values == pytest.approx([0.4, 0.6], abs=0.03)


def test_training_stops_when_no_model_improves() -> None:
    learner = Numbers([0.0], lambda values: [(values[0] - 1).square()], lambda values: [values[0].abs()])
    schedule = Schedule(max_steps=1000, learning_rate=0.01, weight_decay=0.0, evaluations=1000, patience=5)
    history = fit(learner, part(), part(), schedule, generator())
    assert history.best == [0]
    assert history.step[-1] == history.last == 5
    assert learner.values == [0.0]


@pytest.mark.parametrize("where", ["training", "validation"])
def test_divergence_is_noticed(where: str) -> None:
    def broken(values: list[Tensor]) -> list[Tensor]:
        return [values[0] * math.nan]

    def sound(values: list[Tensor]) -> list[Tensor]:
        return [values[0].square()]

    learner = Numbers([1.0], *((broken, sound) if where == "training" else (sound, broken)))
    assert fit(learner, part(), part(), Schedule(max_steps=100, evaluations=10), generator()).diverged


def test_every_sample_is_seen_once_per_epoch() -> None:
    learner = Numbers([0.0], lambda values: [values[0].square()])
    fit(learner, part(12), part(12), Schedule(max_steps=6, batch=4), generator(1))
    for epoch in (learner.seen[:3], learner.seen[3:]):
        assert sorted(np.concatenate(epoch).tolist()) == list(range(12))
    assert learner.seen[:3] != learner.seen[3:]
