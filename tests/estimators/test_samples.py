"""What estimators share: means of contributions and their standard errors, and how many samples an instance takes."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from mibench.estimators._samples import outliers, pooled, standardized, tamed, ties
from mibench.estimators.ksg import prepared

from mibench import runtime
from mibench.engine.job import Job
from mibench.engine.worker import answer
from mibench.registry import estimators, tasks
from mibench.result import Cell, Status


def test_the_mean_is_over_all_and_the_spread_is_that_within_the_parts() -> None:
    parts = [np.array([1.0, 3.0]), np.array([10.0, 12.0, 14.0])]
    mean, stderr = pooled(parts)
    assert mean == pytest.approx(8.0)
    # squared deviations 1 + 1 and 4 + 0 + 4, over 5 - 2 degrees of freedom
    assert stderr == pytest.approx(math.sqrt(10 / 3 / 5))


def test_one_part_is_the_textbook_standard_error() -> None:
    values = np.random.default_rng(0).standard_normal(50)
    assert pooled([values]) == pytest.approx((values.mean(), values.std(ddof=1) / math.sqrt(50)))


@pytest.mark.parametrize(
    ("values", "mean"), [([0.0, -math.inf], -math.inf), ([-math.inf, math.inf], math.nan), ([1e200, -1e200], 0.0)]
)
def test_infinite_contributions_say_so_without_a_warning(values: list[float], mean: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, stderr = pooled([np.array(values), np.array([1.0, 2.0, -3.0])])
    assert found == pytest.approx(mean, nan_ok=True)
    assert not math.isfinite(stderr)


def test_an_estimator_whose_contributions_are_infinite_says_so_without_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mibench.estimators.critics import evaluation

    original = evaluation.contributions

    def broken(*args: object) -> object:
        terms = original(*args)
        terms[..., 0] = -math.inf
        return terms

    monkeypatch.setattr(evaluation, "contributions", broken)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = estimators.create("nwj[max_steps=2]").estimate(x, x + rng.standard_normal((40, 1)))
    assert found.mi == -math.inf
    assert found.stderr is None


@pytest.mark.parametrize(
    ("selector", "least"),
    [
        ("ksg", 4),
        ("ksg[k=50]", 51),
        ("ksg2[k=1]", 4),
        ("mixed-ksg[k=7]", 8),
        ("lnc", 11),
        ("lnc[k=30]", 31),
        ("sliced[estimator=ksg[k=50]]", 51),
    ],
)
def test_more_neighbours_take_more_samples(selector: str, least: int) -> None:
    estimator = estimators.create(selector)
    assert estimator.capabilities.min_n == pickle.loads(pickle.dumps(estimator)).capabilities.min_n == least
    task = tasks.create("gauss")
    enough, few = (answer([Job(Cell.of(estimator, task, n, 0), estimator, task)])[0].result for n in (least, least - 1))
    assert enough.status is Status.OK
    assert few.status is Status.UNSUPPORTED
    assert few.message == f"{selector} needs at least {least} samples, not {least - 1}."
    assert estimators.create(selector.partition("[")[0]).capabilities.min_n < 12  # the class has not changed


def test_ordinary_columns_are_scaled_by_their_standard_deviation_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    for values in (rng.normal(3e5, 2.0, (400, 3)), rng.exponential(size=(400, 1)), rng.standard_t(5, (400, 2))):
        centred = values - values.mean(axis=0)
        np.testing.assert_array_equal(tamed(values), centred / centred.std(axis=0))
        assert outliers(values, values) == {}
    half_zeros = np.maximum(rng.standard_normal((400, 1)), 2.5)
    np.testing.assert_array_equal(tamed(half_zeros), standardized(half_zeros))


def test_a_column_with_outliers_is_ranked() -> None:
    x = np.random.default_rng(1).standard_normal((1000, 2))
    x[5, 0] = 1e9
    assert outliers(x, x[:, 1:])["outliers"] == pytest.approx(1e9 / math.sqrt(1000), rel=0.1)
    assert outliers(x[:, 1:], x) == outliers(x, x[:, 1:])
    scaled = tamed(x)
    np.testing.assert_array_equal(np.argsort(scaled, axis=0), np.argsort(x, axis=0))
    np.testing.assert_array_equal(scaled[:, 1], standardized(x)[:, 1])
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=0.02)


def test_wild_samples_load_nothing_that_warming_up_did_not() -> None:
    program = """
import sys
import numpy as np
from mibench.registry import estimators
estimator = estimators.create("ksg")
estimator.warm_up()
before = set(sys.modules)
estimator.estimate(*np.random.default_rng(0).standard_cauchy((2, 50, 1)))
print(sorted(name for name in set(sys.modules) - before if name.startswith("scipy.")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_before_a_gpu_samples_are_looked_at_in_threads_to_the_same_end() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((400, 9)), rng.standard_t(1, (400, 5))
    for values in (x, x.round(2)):
        here = prepared(values, y, True), ties(values, y)
        with runtime.using(device="cuda"):
            there = prepared(values, y, True), ties(values, y)
        for found, expected in zip(there[0], here[0], strict=True):
            np.testing.assert_equal(found, expected)
        assert there[1] == here[1]
    assert here[1]["ties"] > 0 and "outliers" in here[0].diagnostics
