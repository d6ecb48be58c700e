"""Steps of a GAN that are replayed: the operations that reached the processor once, again and again, without Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import pytest
import torch
from mibench.tasks.downstream import training
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _python_dispatch

from mibench.graphs import WARM, Replayed
from mibench.registry import estimators, tasks
from mibench.task import Outcome

T = TypeVar("T")
Mode: Any = _python_dispatch.TorchDispatchMode  # which has no types


def _held(thing: Any, seen: set[int]) -> Iterator[Tensor]:
    """The tensors that a step can reach: through what its code refers to, lists, and objects of torch and mibench."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, Tensor):
        yield thing
    elif isinstance(thing, Mapping):
        for value in thing.values():
            yield from _held(value, seen)
    elif isinstance(thing, list | tuple):
        for value in thing:
            yield from _held(value, seen)
    elif hasattr(thing, "__self__"):
        yield from _held(thing.__self__, seen)
    elif getattr(thing, "__closure__", None):
        for cell in thing.__closure__:
            yield from _held(cell.cell_contents, seen)
    elif type(thing).__module__.startswith(("torch.nn", "torch.optim", "mibench.tasks")) and hasattr(thing, "__dict__"):
        yield from _held(vars(thing), seen)


def brief(name: str, steps: int) -> dict[str, int]:
    """So many steps, and few samples in the end where that is for the task to say."""
    return {"steps": steps} | {key: 100 for key in ("generated",) if key in tasks.create(name).params}


class Tape:
    """Recordings of operations on the CPU."""

    def __init__(self) -> None:
        self.made = self.replayed = 0

    def apart(self, step: Callable[[], T]) -> T:
        self.made += 1
        return step()

    def record(self, step: Callable[[], Any]) -> tuple[Callable[[], object], Any]:
        before = [(t, t.detach().clone()) for t in _held(step, set())]
        tape = make_fx(lambda: step())()
        answer = {name: torch.empty_like(value) for name, value in tape().items()}
        with torch.no_grad():  # two steps were made; recording is to make none
            for t, value in before:
                t.copy_(value)

        def replay() -> None:
            self.replayed += 1
            for name, value in tape().items():
                answer[name].copy_(value)

        return replay, answer


@pytest.mark.usefixtures("scored_on_little")
@pytest.mark.parametrize(
    ("name", "estimator", "changes"),
    [
        ("gan-ring", "none", {}),
        ("gan-ring", "mine-ema", {}),
        ("gan-25gaussians", "nwj", {"clipping": "placebo"}),
        ("gan-stacked-digits", "mine-ema", {"generator_steps": 2, "generator": (16,), "discriminator": (16,)}),
        ("bigan-25gaussians", "none", {"variant": "alice-l2"}),
        ("bigan-25gaussians", "nwj", {"clipping": "placebo"}),
        ("bigan-digits", "mine-ema", {"hidden": (16,)}),
    ],
)
def test_an_adversarial_training_answers_what_it_does_step_by_step(
    name: str, estimator: str, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    task: Any = tasks.create(name, **brief(name, 12), **changes)

    def trained() -> Outcome:
        return task.train_one(estimators.create(estimator).bound(), 7)  # type: ignore[no-any-return]

    expected, tape = trained(), Tape()
    monkeypatch.setattr(training, "usual_graphs", lambda device: tape)
    found = trained()
    assert (tape.made, tape.replayed) == (WARM, 12 - WARM)
    for curves in (found.curves, expected.curves):  # of tensors that a recording leaves on a GPU, not here
        curves.pop("bound_on_batch", None)  # type: ignore[attr-defined]
    assert found.curves == expected.curves
    assert found.metrics == expected.metrics


class Unasked(Mode):  # type: ignore[misc]
    """Refuses what a recording cannot hold: to tell the host a number, and results whose size depends on numbers."""

    refused = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero", "equal", "repeat_interleave")

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(name in str(operation) for name in self.refused):
            raise AssertionError(f"{operation} cannot be recorded")
        return operation(*args, **(kwargs or {}))


class Watched:
    """Records nothing: watches steps."""

    seen = 0

    def apart(self, step: Callable[[], T]) -> T:
        return step()

    def record(self, step: Callable[[], T]) -> tuple[Callable[[], object], T]:
        with Unasked():
            answer = step()
        self.seen += 1
        return lambda: None, answer


@pytest.mark.usefixtures("scored_on_little")
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("gan-ring", {}),
        ("gan-ring", {"clipping": "placebo"}),
        ("gan-ring", {"clipping": "unclipped"}),
        ("gan-spiral", {"codes": 0, "generator_steps": 2}),
        ("bigan-25gaussians", {}),
    ],
)
@pytest.mark.parametrize("estimator", ["none", "mine-ema", "nwj", "infonce", "club", "l1out"])
def test_a_step_asks_for_nothing(
    name: str, changes: dict[str, Any], estimator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task: Any = tasks.create(name, **brief(name, 4), **changes)
    watched = Watched()
    monkeypatch.setattr(training, "usual_graphs", lambda device: watched)
    task.train_one(estimators.create(estimator).bound(), 7)
    assert watched.seen == 1


def test_what_is_given_lies_where_the_recording_reads_it() -> None:
    places = set()

    def step(a: Tensor, b: Tensor) -> dict[str, Tensor]:
        places.add((a.data_ptr(), b.data_ptr()))
        return {"sum": a + b}

    tape = Tape()
    replayed = Replayed(step, tape)
    for i in range(6):
        assert replayed(torch.tensor(float(i)), torch.tensor(10.0))["sum"] == 10 + i
    assert tape.replayed == 6 - WARM and len(places) == 1


def test_without_recordings_a_step_gets_what_was_given() -> None:
    given = torch.ones(2)
    assert Replayed(lambda values: values, None)(given) is given
