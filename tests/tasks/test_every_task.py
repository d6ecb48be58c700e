"""What holds for every registered task with a known truth, whatever its family."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import mibench.tasks
import numpy as np
import pytest
from scipy.special import expit

from mibench.errors import NotInstalled, UsageError
from mibench.registry import tasks
from mibench.task import ConsistencyTask, DownstreamTask, Task

CONTINUOUS = {
    "additive",
    "beyond_normal",
    "circle",
    "concatenate",
    "gaussian",
    "highdim",
    "independent",
    "loggamma",
    "maps",
    "mixtures",
    "staircase",
    "student",
    "transforms",
}


def built_in(name: str) -> bool:
    return Path(tasks.source(name).rpartition(":")[0]).is_relative_to(Path(mibench.tasks.__path__[0]))


def module(name: str) -> str:
    return Path(tasks.source(name).rpartition(":")[0]).stem


NAMES = [name for name in tasks.names() if built_in(name)]
MINE = [name for name in NAMES if module(name) in CONTINUOUS]


@pytest.mark.parametrize("name", NAMES)
def test_names_cost_no_sampling_and_round_trip(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a name, a list or an info drew samples")

    monkeypatch.setattr(np.random, "default_rng", refuse)
    task = tasks.create(name)
    assert task.label == name
    assert task.family
    plain = type(task)(**task.params)  # without the alias it is written as it is made
    assert tasks.create(plain.label) == task
    assert pickle.loads(pickle.dumps(task)) == task
    if isinstance(task, Task):
        if name != "embeddings-file-channel":  # the user's file decides
            assert min(task.dim_x, task.dim_y) >= 1
        assert task.construction
        assert task.has_density in (True, False)


@pytest.mark.parametrize("name", MINE)
def test_continuous_task(name: str) -> None:
    task = tasks.create(name)
    assert isinstance(task, Task)
    x, y = task.sample(4000, seed=7)
    again_x, again_y = tasks.create(name).sample(4000, seed=7)
    other_x, _ = task.sample(4000, seed=8)
    assert x.shape == (4000, task.dim_x)
    assert y.shape == (4000, task.dim_y)
    assert x.dtype == y.dtype == np.float64
    np.testing.assert_array_equal(x, again_x)
    np.testing.assert_array_equal(y, again_y)
    assert (x != other_x).any()
    assert np.isfinite(x).all()
    assert np.isfinite(y).all()
    assert task.citation
    assert not task.discrete
    assert task.has_density
    kept_x, kept_y = x.copy(), y.copy()
    ratio = task.log_density_ratio(x, y)
    np.testing.assert_array_equal(x, kept_x)
    np.testing.assert_array_equal(y, kept_y)
    assert ratio.shape == (4000,)
    assert np.isfinite(ratio).all()
    # pointwise: a pair's value does not depend on the pairs beside it
    np.testing.assert_allclose(task.log_density_ratio(x[5:9], y[5:9]), ratio[5:9], rtol=1e-9, atol=1e-9)
    assert not np.isnan(task.log_density_ratio(x, y[::-1])).any()
    assert gap_between_joint_and_product(task, 4000) < 4.5
    with pytest.raises(UsageError, match="n must be at least 1"):
        task.sample(0)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_truth_is_the_mean_of_the_pointwise_information(name: str) -> None:
    task = tasks.create(name)
    if isinstance(task, (ConsistencyTask, DownstreamTask)):
        pytest.skip("has no mutual information of its own")
    if not task.has_density:
        pytest.skip("does not know its density")
    n = min(200_000, 20_000_000 // (task.dim_x + task.dim_y + 1))
    try:
        x, y = task.sample(n, seed=2024)
    except NotInstalled as missing:
        pytest.skip(str(missing))
    ratio = task.log_density_ratio(x, y)
    stderr = ratio.std() / math.sqrt(n)
    assert abs(ratio.mean() - task.mutual_information) <= 4 * stderr + task.mutual_information_error + 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("name", MINE)
def test_density_ratio_is_one_of_joint_to_product(name: str) -> None:
    task = tasks.create(name)
    assert isinstance(task, Task)
    assert gap_between_joint_and_product(task, 200_000) < 4


def gap_between_joint_and_product(task: Task, n: int) -> float:
    """E_p[g(r)] less E_q[r g(r)] in standard errors, for g = 1 / (1 + r), which keeps both within 0 and 1."""
    x, y = task.sample(2 * n, seed=5)
    joint = expit(-task.log_density_ratio(x[:n], y[:n]))
    product = expit(task.log_density_ratio(x[n:], np.roll(y[n:], 1, axis=0)))
    stderr = math.sqrt((joint.var() + product.var()) / n)
    return float(abs(joint.mean() - product.mean()) / (stderr + 1e-12))
