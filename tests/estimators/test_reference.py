"""The yardsticks: zero answers 0, the oracle answers the truth and nothing else."""

from __future__ import annotations

import pickle
from typing import ClassVar

import numpy as np
import pytest
from mibench.estimators.reference import Oracle, Zero

from mibench.errors import DataError, Unsupported
from mibench.estimator import Array
from mibench.registry import estimators
from mibench.task import Task


class Fair(Task):
    """A task made for this test: one bit shared."""

    family: ClassVar[str] = "test"
    dim_x = dim_y = 1

    @property
    def mutual_information(self) -> float:
        return float(np.log(2))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        bits = rng.integers(0, 2, (n, 1)).astype(float)
        return bits, bits


def test_zero_is_zero_for_every_usable_sample() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((10, 3))
    assert Zero().estimate(x, x).mi == 0.0
    with pytest.raises(DataError, match="paired"):
        Zero().estimate(x, x[:5])


def test_the_oracle_answers_the_truth_of_the_task_it_is_bound_to() -> None:
    task = Fair()
    x, y = task.sample(10)
    oracle = Oracle().bind(task)
    assert oracle.estimate(x, y).mi == np.log(2)
    assert oracle.estimate(x, y).stderr == 0.0
    assert pickle.loads(pickle.dumps(oracle)).estimate(x, y).mi == np.log(2)
    with pytest.raises(Unsupported, match="reads the truth from a task"):
        Oracle().estimate(x, y)
    with pytest.raises(DataError):
        oracle.estimate(x, y[:3])


def test_both_are_reference_rows_and_only_the_oracle_reads_the_task() -> None:
    zero, oracle = estimators.create("zero"), estimators.create("oracle")
    assert zero.capabilities.reference
    assert oracle.capabilities.reference
    assert (zero.capabilities.reads_task, oracle.capabilities.reads_task) == (False, True)
    assert zero.bind(Fair()) is zero
