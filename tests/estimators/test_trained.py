"""What doe, flow, minde and latent share: splits, cross-fitting, the samples that they take, and their documents."""

import inspect
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mibench.estimators.densities.doe import DoE
from mibench.estimators.densities.flow import Flow
from mibench.estimators.densities.folds import FoldResult, HeldOutEstimate, merged
from mibench.estimators.densities.latent import LatentMI
from mibench.estimators.densities.minde import MINDE
from mibench.estimators.densities.trained import Trained
from mibench.estimators.learned import Learned, Split
from torch import Tensor

import mibench
from mibench.declarations import constructor
from mibench.errors import Unsupported, UsageError
from mibench.estimator import Estimator
from mibench.registry import estimators

from .conftest import correlated

CLASSES = [cls for cls in map(estimators.factory, estimators.names()) if isinstance(cls, type)]
LEARNED = [cls for cls in CLASSES if issubclass(cls, Learned)]
QUICK: list[Trained] = [
    DoE(max_steps=30, hidden=(16,)),
    Flow(max_steps=20, transforms=2, hidden=(16,)),
    MINDE(max_steps=20, width=16),
    LatentMI(max_steps=30, hidden=(16,)),
]


each = pytest.mark.parametrize("estimator", QUICK, ids=lambda e: e.registered_name)


# The samples ---------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("estimator", [*QUICK, estimators.create("nwj[max_steps=20]")], ids=repr)
def test_torch_is_left_as_it_was(estimator: Estimator) -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(2)
    try:
        estimator.estimate(*correlated(100, 0.8, 2))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), state)


@each
def test_divergence_is_nan(estimator: Trained) -> None:
    wild = type(estimator)(**{**estimator.params, "learning_rate": 1e30, "max_steps": 60, "average": 0.0})
    assert math.isnan(wild.estimate(*correlated(200, 0.8, 2)).mi)


# Cross-fitting -------------------------------------------------------------------------------------------------------


@each
def test_folds_test_every_sample_once(estimator: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = correlated(203, 0.8, 2)
    tested: list[int] = []

    def learner(self: Trained, u: Tensor, v: Tensor) -> Any:
        """Notes the test samples of each training, known by their values."""
        made = plain(self, u, v)
        answer = made.tested

        def noted(u: Tensor, v: Tensor, generator: torch.Generator) -> HeldOutEstimate:
            tested.extend(int(i) for i in np.searchsorted(marks, u[:, 0].double().numpy()))
            return answer(u, v, generator)

        made.tested = noted
        return made

    plain = type(estimator).learner
    monkeypatch.setattr(type(estimator), "learner", learner)
    x[:, 0] = np.argsort(np.argsort(x[:, 0])) / 256  # exact in single precision
    marks = np.sort(x[:, 0])
    params = {**estimator.params, "folds": 3, "standardize": "none", "max_steps": 2}
    if "target" in params:
        params["target"] = "y" if isinstance(estimator, DoE) else "x"
    estimate = type(estimator)(**params).estimate(x, y)
    assert sorted(tested) == list(range(203))
    assert estimate.stderr is None
    assert estimate.diagnostics["sampling_error"] > 0
    assert len(estimate.diagnostics["best_steps"]) == 3 * (2 if isinstance(estimator, DoE) else 1)


def result(mi: float, stderr: float | None, best: int = 0, **facts: object) -> FoldResult:
    return FoldResult(HeldOutEstimate(mi, stderr, facts), {"step": [1.0]}, 10 + best, [best])


def split_of(test: int) -> Split:
    return Split(np.arange(5), np.arange(2), np.arange(test))


def test_folds_count_by_their_samples() -> None:
    parts = [split_of(30), split_of(10)]
    estimate = merged([result(1.0, 0.4, 1, gap=2.0, sizes=[1]), result(3.0, 0.8, 2, gap=4.0, sizes=[1])], parts, {})
    assert estimate.mi == pytest.approx(1.5)
    assert estimate.stderr is None
    assert estimate.diagnostics == {
        "samples": {"train": 5, "validation": 2, "test": 30},
        "steps": 12,
        "best_steps": [1, 2],
        "gap": pytest.approx(2.5),
        "sizes": [1],
        "sampling_error": pytest.approx(math.hypot(0.75 * 0.4, 0.25 * 0.8)),
    }
    assert merged([result(1.0, 0.4)], parts[:1], {}).diagnostics["sampling_error"] == pytest.approx(0.4)


def test_without_standard_errors_the_spread_between_folds_is_one() -> None:
    numbers = [1.0, 3.0, 2.5, 0.5]
    estimate = merged([result(mi, None) for mi in numbers], [split_of(20)] * 4, {})
    assert estimate.diagnostics["sampling_error"] == pytest.approx(np.std(numbers, ddof=1) / 2)
    assert "sampling_error" not in merged([result(1.0, None)], [split_of(20)], {}).diagnostics


def test_equal_folds_have_the_error_of_the_mean_of_all_contributions() -> None:
    rng = np.random.default_rng(0)
    terms = rng.standard_normal((4, 250))
    terms -= terms.mean(1, keepdims=True)  # or the spread between the folds would count as well
    folds = [FoldResult(HeldOutEstimate.mean(t), {}, 1, [1]) for t in terms]
    estimate = merged(folds, [split_of(250)] * 4, {})
    assert estimate.mi == pytest.approx(terms.mean())
    error = HeldOutEstimate.mean(terms.ravel()).stderr
    assert estimate.diagnostics["sampling_error"] == pytest.approx(error, rel=5e-3)


def test_one_diverged_fold_makes_the_answer_nan() -> None:
    estimate = merged([result(1.0, 0.1), FoldResult(None, {}, 3, [0])], [split_of(5)] * 2, {"ties": 0.5})
    assert math.isnan(estimate.mi)
    assert estimate.stderr is None and "sampling_error" not in estimate.diagnostics
    assert estimate.diagnostics["diverged"] is True
    assert estimate.diagnostics["ties"] == 0.5


def test_folds_agree_with_a_single_split() -> None:
    x, y = correlated(1000, 0.8, 2)
    doe = DoE(max_steps=60, hidden=(32,), folds=4)
    estimate = doe.estimate(x, y)
    error = estimate.diagnostics["sampling_error"]
    assert estimate.mi == pytest.approx(-math.log(1 - 0.64), abs=0.03 + 4 * error)
    single = DoE(max_steps=60, hidden=(32,)).estimate(x, y)
    # five times as many samples are tested
    assert error == pytest.approx(single.diagnostics["sampling_error"] / math.sqrt(5), rel=0.4)


# Hyperparameters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LEARNED, ids=lambda cls: cls.registered_name)
def test_every_hyperparameter_is_documented(kind: type[Learned]) -> None:
    entries = [e for c in kind.__mro__ for e in re.findall(r"^([\w, ]+) : ", inspect.cleandoc(c.__doc__ or ""), re.M)]
    assert set(constructor(kind).parameters) <= {name for entry in entries for name in entry.split(", ")}


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("doe[validation=0.5,test=0.5]", "nothing to train on"),
        ("minde[span=(3 -3)]", "lower end first"),
        ("doe[folds=1]", "folds"),
        ("nwj[folds=1]", "folds"),
        ("nwj[folds=3,validation=0]", "folds need a validation part"),
    ],
)
def test_hyperparameters_that_do_not_go_together(selector: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        estimators.create(selector)


def test_one_file_is_enough_for_an_estimator_that_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inherited annotations are read where they were written: the file need not import what they name."""
    for known in ("_factories", "_sources"):  # what is registered here is forgotten again
        monkeypatch.setattr(estimators, known, dict(getattr(estimators, known)))
    for name, base in {"critic": "critics.base.FreeCritic", "density": "densities.trained.Trained"}.items():
        module, cls = f"mibench.estimators.{base}".rsplit(".", 1)
        text = f"""
from mibench import register_estimator
from mibench.estimators.critics.bounds import NWJ
from {module} import {cls}

@register_estimator("one-file-{name}")
class OneFile({cls}):
    \"\"\"No more than this.\"\"\"

    strength: float = 2.0

    def bound(self):
        return NWJ()

    def learner(self, x, y):
        raise NotImplementedError
"""
        path = tmp_path / f"one_file_{name}.py"
        path.write_text(text, encoding="utf-8")
        mibench.include(path)
        made = estimators.create(f"one-file-{name}[strength=3,standardize=rank,batch=32]")
        assert made.params["strength"] == 3.0
        with pytest.raises(UsageError, match="standardize"):
            estimators.create(f"one-file-{name}[standardize=ranks]")
    x, y = correlated(100, 0.8, 1)
    assert math.isfinite(estimators.create("one-file-critic[max_steps=5]").estimate(x, y).mi)


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


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("estimator", "dim"), [(DoE(), 5), (Flow(), 5), (LatentMI(), 5), (LatentMI(), 10)], ids=repr)
def test_default_accuracy_on_ten_thousand_samples(estimator: Trained, dim: int, seed: int) -> None:
    x, y = correlated(10_000, math.sqrt(1 - math.exp(-2 / dim)), dim, seed)
    assert estimator.estimate(x, y, seed).mi == pytest.approx(1, abs=0.1)
