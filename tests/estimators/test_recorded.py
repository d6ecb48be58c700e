"""Steps that are replayed from a recording: the answers of steps made one by one, and the same steps where that fails.

The recordings here are of the operations that reach the processor (torch.fx), replayed without any Python of the
trainer in between, as a CUDA graph replays kernels: what a step computes in Python would be missed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

import numpy as np
import pytest
import torch
from mibench.estimators.critics import recorded, trainer
from mibench.estimators.critics.bounds import BA, NWJ, SMILE, TUBA, InfoNCE, MovingAverageDV
from mibench.estimators.critics.critics import build
from mibench.estimators.critics.recorded import RecordedStack
from mibench.estimators.critics.stack import AdamW, Optimisation, Stack
from mibench.estimators.critics.trainer import Fit
from mibench.estimators.densities import stacked as densities
from mibench.estimators.densities.training import History, Pair, Pure, Schedule, isolated
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from mibench.bound import Bound
from mibench.graphs import WARM, Steps
from mibench.registry import estimators

T = TypeVar("T")

HOW = Optimisation(
    learning_rate=2e-2,
    schedule="one-cycle",
    warmup=0.2,
    weight_decay=1.0,
    clip=1.0,
    batch=64,
    negatives=32,
    max_steps=60,
    max_epochs=1000,
    interval=10,
    patience=3,
    by_value=True,
)


class Tape:
    """Recordings of operations on the CPU. ``made`` and ``replayed`` count steps, ``operations`` those of one step."""

    def __init__(self) -> None:
        self.made = self.replayed = self.recordings = self.operations = 0

    def apart(self, step: Callable[[], T]) -> T:
        self.made += 1
        return step()

    def record(self, step: Callable[[], Any]) -> tuple[Callable[[], object], Any]:
        self.recordings += 1
        owner = step.__self__  # type: ignore[attr-defined]
        tensors = list(_held(owner))
        before = [t.clone() for t in tensors]
        tape = make_fx(lambda: step())()
        self.operations = len(tape.graph.nodes)
        with torch.no_grad():  # tracing made the step; recording is to make none
            for t, value in zip(tensors, before, strict=True):
                t.copy_(value)
        answer = tuple(torch.empty_like(t) for t in tape() or ())
        with torch.no_grad():
            for t, value in zip(tensors, before, strict=True):
                t.copy_(value)

        def replay() -> None:
            self.replayed += 1
            for t, value in zip(answer, tape() or (), strict=True):
                t.copy_(value)

        return replay, answer


def _held(thing: object) -> Iterator[Tensor]:
    """The tensors of a stack, of its weights and of their optimisers."""
    if isinstance(thing, Tensor):
        yield thing
    elif isinstance(thing, Stack | densities.Stack | densities.Weights | AdamW):
        for value in vars(thing).values():
            yield from _held(value)
    elif isinstance(thing, list):
        for value in thing:
            yield from _held(value)


def samples(models: int, n: int, dim: int = 2) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((models, n, dim))
    y = 0.8 * x + 0.6 * rng.standard_normal((models, n, dim))
    return torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y, dtype=torch.float32)


def trained(kind: Callable[..., Stack], bound: Bound, how: Optimisation = HOW, models: int = 3, **options: Any) -> Fit:
    """As :func:`trainer.fit`, by a stack of this kind."""
    architecture = "gaussian" if bound.conditional else "separable"
    critic = build(architecture, (2, 2), (8, 8), 4, "silu", bound.offset, bound.second)
    rngs = [np.random.default_rng(s) for s in range(models)]
    return trainer.trained(kind(critic, bound, how, samples(models, 300), samples(models, 100), rngs, **options))


def assert_same(found: Fit, expected: Fit) -> None:
    """To the last bit."""
    assert torch.equal(found.theta, expected.theta)
    assert found.steps == expected.steps
    assert found.diverged == expected.diverged
    np.testing.assert_equal(found.curves, expected.curves)


BOUNDS = [MovingAverageDV(), NWJ(), InfoNCE(), SMILE(), TUBA(), BA()]


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda b: type(b).__name__)
def test_a_recording_answers_what_steps_one_by_one_do(bound: Bound) -> None:
    tape = Tape()
    found = trained(RecordedStack, bound, graphs=tape)
    assert_same(found, trained(Stack, bound))
    assert tape.replayed > 4 * tape.made > 0
    assert found.note == "replayed from a recording"


def test_without_recordings_the_steps_are_the_same() -> None:
    found = trained(RecordedStack, MovingAverageDV())
    assert_same(found, trained(Stack, MovingAverageDV()))
    assert found.note == "launched one by one"


@pytest.mark.parametrize("clip", [0.0, 0.5])
@pytest.mark.parametrize("negatives", [8, "all"])
def test_for_other_settings_too(clip: float, negatives: Any) -> None:
    how = Optimisation(**{**vars(HOW), "clip": clip, "negatives": negatives, "schedule": "constant", "by_value": False})
    assert_same(trained(RecordedStack, NWJ(), how, graphs=Tape()), trained(Stack, NWJ(), how))


def test_critics_that_stopped_leave_when_they_are_half_and_change_nothing() -> None:
    how = Optimisation(**{**vars(HOW), "patience": 1, "learning_rate": 0.1, "interval": 5})
    tape = Tape()
    found = trained(RecordedStack, MovingAverageDV(), how, models=8, graphs=tape)
    assert_same(found, trained(Stack, MovingAverageDV(), how, models=8))
    assert len(set(found.steps)) > 2  # they did stop at different times
    assert 1 < tape.recordings < len(set(found.steps)) + 1


@pytest.mark.parametrize("name", ["minde[width=16]", "doe[hidden=(16)]", "flow[hidden=(16)]", "latent[hidden=(16)]"])
def test_densities_and_codes_are_replayed_too(name: str) -> None:
    schedule = Schedule(80, batch=32, learning_rate=0.03, evaluations=20, patience=2, average=0.5)
    estimator: Any = estimators.create(name)

    def trained(graphs: Tape | None, size: int = 6) -> tuple[list[History], list[Tensor]]:
        x, y = samples(size, 100)
        held_out: Pair = x[:, :40].flip(1), y[:, :40].flip(1)
        learners: list[Pure] = []
        generators = []
        for seed, pair in enumerate(zip(x, y, strict=True)):
            with isolated(np.random.default_rng(seed)) as generator:
                learners.append(estimator.learner(*pair))
                generators.append(generator)
        found = densities.fit_stack(learners, (x, y), held_out, schedule, generators, graphs)
        return found, [p.detach() for learner in learners for model in learner.models for p in model.parameters()]

    alone = Tape()
    trained(alone, 1)
    tape = Tape()
    found, weights = trained(tape)
    expected, same = trained(None)
    assert all(map(torch.equal, weights, same))
    for history, other in zip(found, expected, strict=True):
        assert history.note == "replayed from a recording" and other.note == "launched one by one"
        history.note = other.note
        np.testing.assert_equal(vars(history), vars(other))
    assert tape.replayed > tape.made and len({history.last for history in found}) > 1
    assert 0 < tape.operations == alone.operations  # six cost as many launches as one


class Nosy(MovingAverageDV):  # type: ignore[misc]
    """Asks for a number in every step, which no recording can."""

    def loss(self, joint: Tensor, product: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        loss, state = super().loss(joint, product, state)
        return loss * (1.0 if float(loss.detach().sum()) < 1e9 else 0.5), state


def test_what_cannot_be_recorded_is_made_as_it_is() -> None:
    found = trained(RecordedStack, Nosy(), graphs=Tape())
    assert_same(found, trained(Stack, Nosy()))
    assert "one by one, because recording failed" in found.note


def test_warm_ups_then_one_recording() -> None:
    class Counted:
        calls: ClassVar[list[str]] = []

        def apart(self, step: Callable[[], T]) -> T:
            self.calls.append("apart")
            return step()

        def record(self, step: Callable[[], T]) -> tuple[Callable[[], object], T]:
            self.calls.append("record")
            answer = step()
            return lambda: self.calls.append("replay"), answer

    steps = Steps(lambda: 7, Counted())
    assert [steps() for _ in range(WARM + 3)] == [7] * (WARM + 3)
    assert Counted.calls == ["apart"] * WARM + ["record"] + ["replay"] * 3


def test_the_host_asks_the_device_for_nothing_between_validations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way to wait for a device goes through these; a step on the CPU uses none of them either."""
    stack_of: list[RecordedStack] = []

    class Watched(RecordedStack):  # type: ignore[misc]
        def advance(self, step: int) -> None:
            stack_of.append(self)
            with monkeypatch.context() as patch:
                for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__", "nonzero"):
                    patch.setattr(Tensor, name, _refused(name))
                patch.setattr(torch, "nonzero", _refused("nonzero"))
                super().advance(step)

    trained(Watched, MovingAverageDV())
    assert stack_of


def _refused(name: str) -> Callable[..., Any]:
    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError(f"Tensor.{name} waits for the device")

    return refuse


def test_batches_are_drawn_ahead_and_no_further_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    original = Stack.drawn

    def counted(self: Stack, numbers: Any) -> Any:
        drawn.append(len(numbers))
        return original(self, numbers)

    monkeypatch.setattr(trainer.Stack, "drawn", counted)
    monkeypatch.setattr(recorded, "SHARE", 2)
    how = Optimisation(**{**vars(HOW), "patience": 1000, "max_steps": 150})
    found = trained(RecordedStack, NWJ(), how)
    assert_same(found, trained(Stack, NWJ(), how))
    per_bulk = 4 * 16  # batches of 64 in 300 samples, epochs in a bulk
    assert sorted(drawn) == sorted([2, 1, 3] * -(-150 // per_bulk))


@pytest.mark.skipif("not torch.cuda.is_available()", reason="needs a GPU")
def test_on_a_gpu_the_answers_are_close_and_steps_are_replayed() -> None:
    from mibench import runtime
    from mibench.registry import estimators

    x, y = (v[0].numpy() for v in samples(1, 2000))
    estimator = estimators.create("mine-ema")
    here = estimator.estimate(x, y, 0)
    with runtime.using(device="cuda"):
        there = estimator.estimate(x, y, 0)
    assert there.mi == pytest.approx(here.mi, abs=0.03)
    assert there.diagnostics["steps are"] == "replayed from a recording", os.environ.get("CUDA_VISIBLE_DEVICES")
