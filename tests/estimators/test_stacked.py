"""Models trained side by side answer what they answer alone: here on the CPU, where both ways can be taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from mibench.estimators.densities import stacked
from mibench.estimators.densities.folds import HeldOutEstimate
from mibench.estimators.densities.stacked import Stack, fit_stack
from mibench.estimators.densities.trained import Trained
from mibench.estimators.densities.training import Learner, Pure, Schedule, fit
from torch import Tensor, nn

from mibench.estimator import Array, Estimate, Estimator
from mibench.registry import estimators

SMALL = {
    "minde": "max_steps=60,width=16",
    "doe": "max_steps=60,hidden=(16)",
    "flow": "max_steps=60,transforms=2,hidden=(16)",
    "latent": "max_steps=60,hidden=(16)",
    "knife": "max_steps=60,hidden=(16)",
    "ndoe": "max_steps=60,hidden=(16)",
    "fmmi": "max_steps=60,width=16",
}
OTHERS = [
    "flow[max_steps=20,layers=spline,transforms=2,hidden=(16)]",
    "minde[max_steps=30,width=16,average=0.0,batch=30]",
]
SELECTORS = [f"{name}[{params}]" for name, params in SMALL.items()]
TRAINED = [n for n in estimators.names() if isinstance(c := estimators.factory(n), type) and issubclass(c, Trained)]


def problem(seed: int, n: int = 120, dims: tuple[int, int] = (1, 2)) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, dims[0])), rng.standard_normal((n, dims[1]))
    return x, y + x[:, :1]


def side_by_side(
    estimator: Estimator, problems: list[tuple[Array, Array]], monkeypatch: pytest.MonkeyPatch
) -> list[Estimate]:
    """As on a GPU."""
    with monkeypatch.context() as patch:
        patch.setattr(Trained, "_stacks", True)
        xs, ys = zip(*problems, strict=True)
        return estimator.estimate_batch(xs, ys, range(len(problems)))


def assert_close(found: Estimate, expected: Estimate) -> None:
    """The same steps, and the same numbers up to what the order of sums makes of a short training."""
    note = found.diagnostics.pop("steps are")  # type: ignore[attr-defined]
    assert note == "launched one by one"
    assert found.mi == pytest.approx(expected.mi, abs=1e-4)
    assert found.curve.keys() == expected.curve.keys()
    for name, series in expected.curve.items():
        assert found.curve[name] == pytest.approx(series, abs=1e-4)
    assert found.diagnostics.keys() == expected.diagnostics.keys()
    for name, value in expected.diagnostics.items():
        assert found.diagnostics[name] == (pytest.approx(value, abs=1e-4) if isinstance(value, float) else value)


@pytest.mark.parametrize("selector", [*SELECTORS, *OTHERS])
def test_nobody_sees_who_is_trained_beside_it(selector: str, monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = estimators.create(selector)
    problems = [problem(seed) for seed in range(5)]
    alone = [estimator.estimate(x, y, seed) for seed, (x, y) in enumerate(problems)]
    for found, expected in zip(side_by_side(estimator, problems, monkeypatch), alone, strict=True):
        assert_close(found, expected)
    assert len({e.diagnostics["steps"] for e in alone}) > 1 or "max_steps=20" in selector  # they stop by themselves


def test_folds_are_trained_side_by_side_and_problems_of_several_shapes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = estimators.create("doe[max_steps=40,hidden=(16),folds=3]")
    problems = [problem(0), problem(1, 121), problem(2), problem(3, dims=(2, 2))]
    alone = [estimator.estimate(x, y, seed) for seed, (x, y) in enumerate(problems)]
    sizes = []

    def counted(*given: Any) -> Any:
        sizes.append(len(given[0]))
        return fit_stack(*given)

    monkeypatch.setattr(stacked, "fit_stack", counted)
    for found, expected in zip(side_by_side(estimator, problems, monkeypatch), alone, strict=True):
        assert_close(found, expected)
    assert sizes == [6, 3, 3]


def test_a_stack_too_large_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = estimators.create(SELECTORS[0])
    problems = [problem(seed) for seed in range(5)]
    alone = [estimator.estimate(x, y, seed) for seed, (x, y) in enumerate(problems)]

    def cramped(*given: Any) -> Any:
        if len(given[0]) > 2:
            fit_stack(*given)  # what was begun has drawn numbers
            raise torch.OutOfMemoryError("CUDA out of memory")
        return fit_stack(*given)

    monkeypatch.setattr(stacked, "fit_stack", cramped)
    for found, expected in zip(side_by_side(estimator, problems, monkeypatch), alone, strict=True):
        assert_close(found, expected)


@pytest.mark.parametrize("name", TRAINED)
def test_what_is_stacked_is_pure_and_what_is_not_is_not(name: str) -> None:
    estimator: Any = estimators.create(f"{name}[{SMALL.get(name, 'max_steps=5')}]")
    x, y = (torch.from_numpy(v).float() for v in problem(0))
    kind = type(estimator.learner(x, y))
    pure = all(getattr(kind, method) is getattr(Pure, method, None) for method in ("losses", "validated"))
    by_itself = kind.follower is Learner.follower  # nothing learns after it
    assert (pure and by_itself) == (estimator.capabilities.max_batch_gpu > 0)


# Answers of the processor --------------------------------------------------------------------------------------------

STORED = {
    "minde[max_steps=60,width=16]": 0.385143076783667,
    "doe[max_steps=60,hidden=(16)]": 0.41459573805332184,
    "flow[max_steps=60,transforms=2,hidden=(16)]": 0.35420564262108256,
    "latent[max_steps=60,hidden=(16)]": 0.7154038050615386,
    "knife[max_steps=60,hidden=(16)]": 0.4233461250861486,
    "ndoe[max_steps=60,hidden=(16)]": 0.4142304718494415,
    "fmmi[max_steps=60,width=16]": 0.5464972054132708,
    "mmg[max_steps=60,width=16]": 0.3578226245517213,
    "mime[max_steps=60,hidden=(16)]": 0.36254040091298523,
    "remedi[max_steps=60,hidden=(16)]": 0.425337294737498,
}


@pytest.mark.parametrize("selector", STORED)
def test_answers_on_the_processor_are_what_they_were(selector: str) -> None:
    assert estimators.create(selector).estimate(*problem(3, 300), 3).mi == pytest.approx(STORED[selector], abs=1e-4)


# The loop, on models whose best weights are known --------------------------------------------------------------------


class Number(Pure):  # type: ignore[misc]
    """One number that follows the mean of its batches of x, and some noise."""

    def __init__(self) -> None:
        self.models = [nn.ParameterDict({"value": torch.zeros(())})]

    @property
    def number(self) -> Tensor:
        number: Tensor = self.models[0]["value"]
        return number

    def given(self, x: Tensor, y: Tensor, *drawn: Tensor) -> Tensor:
        return (self.number - x.mean() + 0.1 * drawn[0]).square()

    def drawn(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        return (torch.randn(1, generator=generator),)

    def drawn_once(self, x: Tensor) -> tuple[Tensor, ...]:
        return (torch.zeros(1),)

    def tested(self, x: Tensor, y: Tensor, generator: torch.Generator) -> HeldOutEstimate:
        raise AssertionError("training does not test")


SCHEDULE = Schedule(
    max_steps=90, batch=4, learning_rate=0.1, weight_decay=0.01, evaluations=30, patience=3, average=0.5
)


def numbers(size: int) -> tuple[Tensor, Tensor]:
    """Training samples around 0, 1, 2 ... and validation samples somewhat lower."""
    x = torch.randn(size, 13, 1, generator=torch.Generator().manual_seed(0)) + torch.arange(size)[:, None, None]
    return x, x[:, :5] - 0.3


def generators(size: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(size)]


def test_generators_are_left_as_by_a_training_alone() -> None:
    size, (x, held_out) = 6, numbers(6)
    alone, together = generators(size), generators(size)
    learners = [Number() for _ in range(size)]
    histories = fit_stack(learners, (x, x), (held_out, held_out), SCHEDULE, together)
    for s in range(size):
        learner = Number()
        expected = fit(learner, (x[s], x[s]), (held_out[s], held_out[s]), SCHEDULE, alone[s])
        torch.testing.assert_close(learners[s].number, learner.number, atol=1e-5, rtol=0)
        assert (histories[s].last, histories[s].best) == (expected.last, expected.best)
        assert torch.equal(alone[s].get_state(), together[s].get_state())
    assert len({history.last for history in histories}) > 2


@pytest.mark.parametrize("where", ["training", "validation"])
def test_one_that_diverges_takes_nobody_with_it(where: str) -> None:
    x, held_out = numbers(3)
    (x if where == "training" else held_out)[1] = math.nan
    learners = [Number() for _ in range(3)]
    histories = fit_stack(learners, (x, x), (held_out, held_out), SCHEDULE, generators(3))
    assert [history.diverged for history in histories] == [False, True, False]
    assert histories[0].last > histories[1].last
    for s in (0, 2):
        learner = Number()
        fit(learner, (x[s], x[s]), (held_out[s], held_out[s]), SCHEDULE, generators(3)[s])
        torch.testing.assert_close(learners[s].number, learner.number, atol=1e-5, rtol=0)


def test_the_host_asks_the_device_for_nothing_between_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    advance, asked = Stack.advance, []

    def watched(self: Stack, step: int) -> None:
        asked.append(step)
        with monkeypatch.context() as patch:
            for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__", "nonzero"):
                patch.setattr(Tensor, name, _refused(name))
            advance(self, step)

    monkeypatch.setattr(Stack, "advance", watched)
    x, held_out = numbers(2)
    fit_stack([Number(), Number()], (x, x), (held_out, held_out), SCHEDULE, generators(2))
    assert asked


def _refused(name: str) -> Callable[..., Any]:
    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError(f"Tensor.{name} waits for the device")

    return refuse
