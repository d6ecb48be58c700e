"""What doe, flow, minde and latent share: splits, cross-fitting, the samples that they take, and their documents."""

import inspect
import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from mibench.estimators.critics.splits import Split
from mibench.estimators.densities.doe import DoE
from mibench.estimators.densities.flow import Flow
from mibench.estimators.densities.latent import LatentMI
from mibench.estimators.densities.minde import MINDE
from mibench.estimators.densities.trained import Answer, Outcome, Trained, merged

from mibench.errors import DataError, Unsupported, UsageError
from mibench.estimator import Array
from mibench.parameters import constructor

FOUR = DoE, Flow, MINDE, LatentMI
QUICK: list[Trained] = [
    DoE(max_steps=30, hidden=(16,)),
    Flow(max_steps=20, transforms=2, hidden=(16,)),
    MINDE(max_steps=20, width=16),
    LatentMI(max_steps=30, hidden=(16,)),
]


def correlated(n: int, rho: float, dim: int, seed: int = 0) -> tuple[Array, Array]:
    x, noise = np.random.default_rng(seed).standard_normal((2, n, dim))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def each(function: Callable) -> Callable:
    return pytest.mark.parametrize("estimator", QUICK, ids=lambda e: e.registered_name)(function)


# The samples ---------------------------------------------------------------------------------------------------------


@each
def test_a_hundred_samples(estimator: Trained) -> None:
    x, y = correlated(100, 0.8, 2)
    estimate = estimator.estimate(x, y)
    assert math.isfinite(estimate.mi)
    assert sum(estimate.diagnostics["samples"].values()) == 100
    least = estimator.capabilities.min_n
    assert math.isfinite(estimator.estimate(x[:least, 0], y[:least, 0]).mi)
    with pytest.raises(DataError, match="too few"):
        estimator.estimate(x[: least - 1], y[: least - 1])


@each
def test_kinds_of_arrays(estimator: Trained) -> None:
    x, y = (np.round(1000 * values) for values in correlated(100, 0.8, 2))
    expected = estimator.estimate(x, y).mi
    assert math.isfinite(expected)
    frozen = [values.copy(order="F") for values in (x, y)]
    for values in frozen:
        values.flags.writeable = False
    for u, v in (
        frozen,
        [values.astype(np.int64) for values in (x, y)],
        [values.astype(np.float32) for values in (x, y)],
        [np.repeat(values, 2, axis=0)[::2] for values in (x, y)],
    ):
        assert estimator.estimate(u, v).mi == expected


@each
def test_discrete_columns_are_answered_and_said(estimator: Trained) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (300, 1))
    y = np.where(rng.random((300, 1)) < 0.8, x, rng.integers(0, 3, (300, 1)))
    estimate = estimator.estimate(x, y)
    assert math.isfinite(estimate.mi)
    assert estimate.diagnostics["ties"] > 0.9
    mixed = np.hstack([x, rng.standard_normal((300, 1))])
    assert math.isfinite(estimator.estimate(mixed, rng.standard_normal((300, 2)) + x).mi)
    assert "ties" not in estimator.estimate(*correlated(100, 0.8, 2)).diagnostics


@each
def test_a_column_that_is_constant_in_the_training_part(estimator: Trained) -> None:
    x, y = correlated(100, 0.8, 2)
    rare = np.zeros((100, 1))
    rare[3] = 1.0
    assert math.isfinite(estimator.estimate(np.hstack([x, rare]), y).mi)


@each
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_samples_that_are_no_numbers(estimator: Trained, bad: float) -> None:
    x, y = correlated(100, 0.8, 2)
    x[5, 1] = bad
    with pytest.raises(DataError, match="row 5, column 1"):
        estimator.estimate(x, y)


# Cross-fitting -------------------------------------------------------------------------------------------------------


@each
def test_folds_test_every_sample_once(estimator: Trained) -> None:
    x, y = correlated(203, 0.8, 2)
    tested: list[int] = []

    class Recorded(type(estimator)):  # type: ignore[misc]
        """Notes the test samples of each training, known by their values."""

        def problem(self, u, v):
            made = super().problem(u, v)
            plain = made.tested

            def noted(u, v, generator):
                tested.extend(int(i) for i in np.searchsorted(marks, u[:, 0].double().numpy()))
                return plain(u, v, generator)

            made.tested = noted
            return made

    x[:, 0] = np.argsort(np.argsort(x[:, 0])) / 256  # exact in single precision
    marks = np.sort(x[:, 0])
    params = {**estimator.params, "folds": 3, "standardize": "none", "max_steps": 2}
    if "target" in params:
        params["target"] = "y" if isinstance(estimator, DoE) else "x"
    estimate = Recorded(**params).estimate(x, y)
    assert sorted(tested) == list(range(203))
    assert estimate.stderr is not None
    assert estimate.stderr > 0
    assert len(estimate.diagnostics["best_steps"]) == 3 * (2 if isinstance(estimator, DoE) else 1)


def outcome(mi: float, stderr: float | None, best: int = 0, **facts: object) -> Outcome:
    return Outcome(Answer(mi, stderr, facts), {"step": [1.0]}, 10 + best, [best])


def split_of(test: int) -> Split:
    return Split(np.arange(5), np.arange(2), np.arange(test))


def test_folds_count_by_their_samples() -> None:
    parts = [split_of(30), split_of(10)]
    estimate = merged([outcome(1.0, 0.4, 1, gap=2.0, sizes=[1]), outcome(3.0, 0.8, 2, gap=4.0, sizes=[1])], parts, {})
    assert estimate.mi == pytest.approx(1.5)
    assert estimate.stderr == pytest.approx(math.hypot(0.75 * 0.4, 0.25 * 0.8))
    assert estimate.diagnostics == {
        "samples": {"train": 5, "validation": 2, "test": 30},
        "steps": 12,
        "best_steps": [1, 2],
        "gap": pytest.approx(2.5),
        "sizes": [1],
    }
    assert merged([outcome(1.0, 0.4)], parts[:1], {}).stderr == pytest.approx(0.4)


def test_without_standard_errors_the_spread_between_folds_is_one() -> None:
    numbers = [1.0, 3.0, 2.5, 0.5]
    estimate = merged([outcome(mi, None) for mi in numbers], [split_of(20)] * 4, {})
    assert estimate.stderr == pytest.approx(np.std(numbers, ddof=1) / 2)
    assert merged([outcome(1.0, None)], [split_of(20)], {}).stderr is None


def test_equal_folds_have_the_error_of_the_mean_of_all_contributions() -> None:
    rng = np.random.default_rng(0)
    terms = rng.standard_normal((4, 250))
    terms -= terms.mean(1, keepdims=True)  # or the spread between the folds would count as well
    folds = [Outcome(Answer.mean(t), {}, 1, [1]) for t in terms]
    estimate = merged(folds, [split_of(250)] * 4, {})
    assert estimate.mi == pytest.approx(terms.mean())
    assert estimate.stderr == pytest.approx(Answer.mean(terms.ravel()).stderr, rel=5e-3)


def test_one_diverged_fold_makes_the_answer_nan() -> None:
    estimate = merged([outcome(1.0, 0.1), Outcome(None, {}, 3, [0])], [split_of(5)] * 2, {"ties": 0.5})
    assert math.isnan(estimate.mi)
    assert estimate.stderr is None
    assert estimate.diagnostics["diverged"] is True
    assert estimate.diagnostics["ties"] == 0.5


def test_folds_agree_with_a_single_split() -> None:
    x, y = correlated(1000, 0.8, 2)
    doe = DoE(max_steps=60, hidden=(32,), folds=4)
    estimate = doe.estimate(x, y)
    assert estimate.stderr is not None
    assert estimate.mi == pytest.approx(-math.log(1 - 0.64), abs=0.03 + 4 * estimate.stderr)
    single = DoE(max_steps=60, hidden=(32,)).estimate(x, y)
    assert single.stderr is not None
    # five times as many samples are tested
    assert estimate.stderr == pytest.approx(single.stderr / math.sqrt(5), rel=0.4)


# Hyperparameters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FOUR)
def test_every_hyperparameter_is_documented(kind: type[Trained]) -> None:
    text = inspect.getdoc(kind) or ""
    entries = [line.split(" : ")[0] for line in text.splitlines() if " : " in line and not line.startswith(" ")]
    documented = [name for entry in entries for name in entry.split(", ")]
    assert sorted(documented) == sorted(constructor(kind).parameters)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_steps": 0}, "max_steps = 0"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"batch": 0}, "batch"),
        ({"max_epochs": 0}, "max_epochs"),
        ({"patience": 0}, "patience"),
        ({"average": 1.0}, "average"),
        ({"validation": 0.5, "test": 0.5}, "sum is below 1"),
        ({"validation": 0.0}, "greater than 0"),
        ({"folds": 1}, "folds = 1"),
        ({"folds": -2}, "folds = -2"),
        ({"standardize": "ranks"}, "standardize 'ranks'"),
    ],
)
@pytest.mark.parametrize("kind", FOUR)
def test_bad_hyperparameters(kind: type[Trained], params: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        kind(**params)


def test_more_folds_than_the_samples_allow() -> None:
    with pytest.raises(Unsupported, match="too few"):
        DoE(folds=10).estimate(*correlated(30, 0.8, 1))
    with pytest.raises(Unsupported, match="fewer folds than 20"):
        Flow(folds=20).estimate(*correlated(100, 0.8, 3))


def test_small_samples_train_for_so_many_epochs() -> None:
    x, y = correlated(100, 0.8, 1)
    short = DoE(max_epochs=7, hidden=(16,), patience=100)
    assert short.estimate(x, y).diagnostics["steps"] == 7  # a batch is all of the 60 training samples
    assert DoE(max_epochs=7, hidden=(16,), patience=100, batch=20).estimate(x, y).diagnostics["steps"] == 21
    assert DoE(max_steps=5, hidden=(16,), patience=100).estimate(x, y).diagnostics["steps"] == 5


def test_no_torch_until_asked() -> None:
    code = (
        "import sys; from mibench.estimators.densities import doe, flow, minde, latent;"
        "[e() for e in (doe.DoE, flow.Flow, minde.MINDE, latent.LatentMI)]; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
