"""A step of training that is recorded once and replayed: hundreds of small kernels then cost one launch.

A recording holds kernels and addresses, no Python. What a step reads and writes must therefore lie in tensors that stay
where they are, changed in place; nothing in it may ask the device for a number.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from torch import Tensor, device

T = TypeVar("T")
U = TypeVar("U")

WARM = 2
"""Steps made before one is recorded: libraries choose their kernels and take their memory at the first."""

ONE_BY_ONE = "launched one by one"

log = logging.getLogger(__name__)


class Graphs(Protocol):
    """What can record a step."""

    def apart(self, step: Callable[[], T]) -> T:
        """Make the step as it is, where that leaves no trace that a recording could stumble over."""

    def record(self, step: Callable[[], T]) -> tuple[Callable[[], object], T]:
        """A function that makes the step again, and where its outcome then lies; recording makes no step."""


class CudaGraphs:
    """CUDA graphs on one device.

    Steps are tried on the streams on which they are recorded: what libraries keep for each stream, they have then.
    """

    def __init__(self, where: device) -> None:
        self._where = where

    def apart(self, step: Callable[[], T]) -> T:
        """For the stream apart the device's other work waits, and that waits for it."""
        import torch

        with torch.cuda.device(self._where):
            here, there = torch.cuda.current_stream(), _stream(torch.cuda.current_device(), 0)
            there.wait_stream(here)
            with torch.cuda.stream(there):
                answer = _forked(step)
            here.wait_stream(there)
        return answer

    def record(self, step: Callable[[], T]) -> tuple[Callable[[], object], T]:
        """Other threads may use the device meanwhile."""
        import torch

        with torch.cuda.device(self._where):
            here, graph = torch.cuda.current_stream(), torch.cuda.CUDAGraph()
            there = _stream(torch.cuda.current_device(), 0)
            try:
                with torch.cuda.graph(graph, stream=there, capture_error_mode="thread_local"):
                    answer = _forked(step)
            except BaseException:
                torch.cuda.set_stream(here)  # torch stays on the other one where a recording cannot be ended
                _FAILED.append(graph)  # and its allocator goes on asking this
                raise
        return graph.replay, answer


_FAILED: list[Any] = []


class _Fork(threading.local):
    """Where the second of two branches of a step goes: a stream while the step is tried or recorded in this thread."""

    stream: Any = None
    taken = False


_fork = _Fork()


@functools.cache
def _stream(device: int, number: int) -> Any:
    """The streams of a device on which steps are recorded: 0 for the step, 1 for what goes beside it."""
    import torch

    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _forked(step: Callable[[], T]) -> T:
    """The step, whose branches may go beside each other, and have come together in the end."""
    import torch

    here = torch.cuda.current_stream()
    _fork.stream, _fork.taken = _stream(torch.cuda.current_device(), 1), False
    try:
        answer = step()
        if _fork.taken:  # what autograd did there last
            here.wait_stream(_fork.stream)
    finally:
        _fork.stream = None
    return answer


def beside(one: Callable[[], T], other: Callable[[], U]) -> tuple[T, U]:
    """Both, one after the other; in a step that is recorded, branches that the device may follow at the same time.

    Neither may change what the other one reads.
    """
    if _fork.stream is None:
        return one(), other()
    import torch

    here, there = torch.cuda.current_stream(), _fork.stream
    if here == there:
        return one(), other()
    _fork.taken = True
    there.wait_stream(here)
    first = one()
    with torch.cuda.stream(there):
        second = other()
    here.wait_stream(there)
    return first, second


def usual_graphs(where: device) -> Graphs | None:
    """What records steps on a device."""
    return CudaGraphs(where) if where.type == "cuda" else None


class Steps(Generic[T]):
    """Calls a step again and again: as it is at first, from a recording then, or as it is if it cannot be recorded.

    note : which of these it came to; empty before that is known.
    """

    def __init__(self, step: Callable[[], T], graphs: Graphs | None) -> None:
        self._step, self.graphs = step, graphs
        self._made = 0
        self._recording: tuple[Callable[[], object], T] | None = None
        self.note = ""

    def __call__(self) -> T:
        if self._recording is None and self.graphs is not None:
            if self._made < WARM:
                self._made += 1
                return self.graphs.apart(self._step)
            self._record(self.graphs)
        if self._recording is None:
            return self._step()
        replay, answer = self._recording
        replay()
        return answer

    def _record(self, graphs: Graphs) -> None:
        import torch

        try:
            self._recording = graphs.record(self._step)
            self.note = "replayed from a recording"
        except torch.OutOfMemoryError:  # whoever knows how to ask for less
            raise
        except Exception as error:  # a step that asks the device for a number, or a driver that records nothing
            self.graphs = None
            first = (str(error).strip().splitlines() or [""])[0]
            self.note = f"{ONE_BY_ONE}, because recording failed: {type(error).__name__}: {first[:200]}"
            log.debug("steps are %s", self.note)


class Replayed(Generic[T]):
    """A step that is given tensors of the same shapes in every call. Where steps are recorded, they are copied to where
    the recording reads them, and what is answered is overwritten by the next call."""

    def __init__(self, step: Callable[..., T], graphs: Graphs | None) -> None:
        self._step, self._graphs = step, graphs
        given: list[Tensor] = []
        self._given, self._steps = given, Steps(lambda: step(*given), graphs)

    def __call__(self, *given: Tensor) -> T:
        if self._graphs is None:
            return self._step(*given)
        if self._given:
            for place, values in zip(self._given, given, strict=True):
                place.copy_(values)
        else:
            self._given.extend(values.clone() for values in given)
        return self._steps()
