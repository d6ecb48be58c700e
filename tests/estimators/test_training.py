"""The training loop, splits and scales that doe, flow, minde and latent share."""

import math

import numpy as np
import pytest
import torch
from mibench.estimators._training import Schedule, fit, isolated, shrunk_moments, split
from torch import nn

from mibench.errors import Unsupported, UsageError


def test_splits_are_disjoint_and_complete() -> None:
    parts = split(101, 3, 0.2, 0.3)
    assert sorted(np.concatenate(parts).tolist()) == list(range(101))
    assert parts.sizes == {"train": 51, "validation": 20, "test": 30}
    assert not np.array_equal(parts.test, split(101, 4, 0.2, 0.3).test)


def test_split_refuses_what_leaves_a_part_empty() -> None:
    with pytest.raises(UsageError, match="sum is below 1"):
        split(100, 0, 0.5, 0.5)
    with pytest.raises(Unsupported, match="too few"):
        split(5, 0, 0.2, 0.2)


def test_moments_are_those_of_the_samples_and_always_positive_definite() -> None:
    many = torch.from_numpy(np.random.default_rng(1).multivariate_normal([1, 2], [[2, 1], [1, 3]], 200_000))
    mean, covariance = shrunk_moments(many)
    assert mean.numpy() == pytest.approx([1, 2], abs=0.02)
    assert covariance.numpy() == pytest.approx(np.array([[2, 1], [1, 3]]), abs=0.04)
    few = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
    torch.linalg.cholesky(shrunk_moments(few)[1])


def test_isolation_leaves_no_trace_and_depends_on_the_seed_alone() -> None:
    def draw(seed: int) -> tuple[float, float]:
        with isolated(seed) as generator:
            assert torch.get_num_threads() == 1
            return float(torch.randn(())), float(torch.randn((), generator=generator))

    state, threads = torch.get_rng_state(), torch.get_num_threads()
    first = draw(7)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    torch.randn(3)
    assert draw(7) == first
    assert draw(8) != first
    with pytest.raises(RuntimeError), isolated(0):
        raise RuntimeError
    assert torch.get_num_threads() == threads


class Number(nn.Module):
    """A model that is one number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_each_model_ends_with_its_own_best_weights(average: float) -> None:
    # training pulls both numbers from 0 to 1; validation is best at 0.3 for one of them and at 0.6 for the other
    models = [Number(0.0), Number(0.0)]
    schedule = Schedule(
        max_steps=150, learning_rate=0.02, weight_decay=0.0, evaluations=150, patience=150, average=average
    )

    def losses(rows: torch.Tensor) -> torch.Tensor:
        return torch.stack([(m.value - 1).square() for m in models])

    def validate() -> torch.Tensor:
        return torch.stack([(m.value - aim).square() for m, aim in zip(models, (0.3, 0.6), strict=True)])

    history = fit(models, losses, validate, 10, schedule, torch.Generator().manual_seed(0))
    assert [float(m.value.detach()) for m in models] == pytest.approx([0.3, 0.6], abs=0.03)
    assert 0 < history.best[0] < history.best[1]
    assert history.step[-1] == 150
    best = np.asarray(history.validation).argmin(axis=0)
    assert [history.step[i] for i in best] == history.best


def test_training_stops_when_no_model_improves() -> None:
    model = Number(0.0)
    schedule = Schedule(max_steps=1000, learning_rate=0.01, weight_decay=0.0, evaluations=1000, patience=5)
    history = fit(
        [model], lambda rows: (model.value - 1).square()[None], lambda: model.value.abs()[None], 10, schedule,
        torch.Generator(),
    )  # fmt: skip
    assert history.best == [0]
    assert history.step[-1] == 5
    assert float(model.value.detach()) == 0.0


def test_divergence_is_an_answer_of_nan() -> None:
    model = Number(1.0)
    schedule = Schedule(max_steps=100, evaluations=10)
    history = fit(
        [model], lambda rows: (model.value * math.nan)[None], lambda: model.value[None], 10, schedule, torch.Generator()
    )
    assert history.diverged
    assert math.isnan(history.estimate(np.ones(3), lambda losses: losses[:, 0], {}).mi)


def test_every_sample_is_seen_once_per_epoch() -> None:
    model, seen = Number(0.0), []

    def losses(rows: torch.Tensor) -> torch.Tensor:
        seen.append(rows.tolist())
        return model.value[None].square()

    fit(
        [model], losses, lambda: model.value[None], 12, Schedule(max_steps=6, batch=4), torch.Generator().manual_seed(1)
    )
    for epoch in (seen[:3], seen[3:]):
        assert sorted(np.concatenate(epoch).tolist()) == list(range(12))
    assert seen[:3] != seen[3:]


def test_a_schedule_that_trains_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="max_steps = 0"):
        Schedule(max_steps=0)
    with pytest.raises(UsageError, match="average"):
        Schedule(max_steps=1, average=1.0)
