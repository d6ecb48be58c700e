"""Recordings, without a GPU: in which order streams are asked for what, and what a failure leaves behind."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from mibench import graphs
from mibench.graphs import ONE_BY_ONE, CudaGraphs, Steps, beside

DEVICE = torch.device("cuda")


class Card:
    """A GPU that writes down what streams are asked for; ``here`` is the current one, 0 its usual one."""

    def __init__(self) -> None:
        self.here, self.told, self._numbers = Stream(self, 0), list[Any](), itertools.count(1)
        self.broken = False

    def new(self, device: int) -> Stream:
        return Stream(self, next(self._numbers))

    def set_stream(self, stream: Stream) -> None:
        self.here = stream

    @contextlib.contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        before, self.here = self.here, stream
        yield
        self.here = before

    @contextlib.contextmanager
    def graph(self, graph: Any, stream: Stream, capture_error_mode: str) -> Iterator[None]:
        """As torch's: where a recording cannot be ended, the stream stays the current one."""
        before, self.here = self.here, stream
        self.told.append("begin")
        try:
            yield
        finally:
            self.told.append("end")
            if self.broken:
                raise RuntimeError("operation failed due to a previous error during capture")
            self.here = before


class Stream:
    def __init__(self, card: Card, number: int) -> None:
        self.card, self.number = card, number

    def wait_stream(self, other: Stream) -> None:
        self.card.told.append((self.number, "waits for", other.number))


class Graph:
    def replay(self) -> None:
        """Nothing to do."""


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[Card]:
    made = Card()
    parts = {"Stream": made.new, "stream": made.stream, "graph": made.graph, "CUDAGraph": Graph}
    parts |= {"set_stream": made.set_stream, "current_stream": lambda: made.here, "current_device": lambda: 0}
    for name, part in {**parts, "device": lambda where: contextlib.nullcontext()}.items():
        monkeypatch.setattr(torch.cuda, name, part)
    graphs._stream.cache_clear()
    yield made
    graphs._stream.cache_clear()
    graphs._FAILED.clear()


def forked(card: Card) -> Callable[[], tuple[int, int]]:
    """A step of two branches, which says on which streams they went."""
    return lambda: beside(lambda: card.here.number, lambda: card.here.number)


def test_a_step_is_tried_where_it_is_recorded(card: Card) -> None:
    steps = Steps(forked(card), CudaGraphs(DEVICE))
    assert [steps() for _ in range(4)] == [(1, 2)] * 4  # tried, tried, recorded, replayed
    assert steps.note == "replayed from a recording"
    inside = [(2, "waits for", 1), (1, "waits for", 2), (1, "waits for", 2)]  # the last for what autograd adds
    tried = [(1, "waits for", 0), *inside, (0, "waits for", 1)]
    assert card.told == [*tried, *tried, "begin", *inside, "end"]
    assert card.here.number == 0


def test_a_step_without_branches_has_one_stream(card: Card) -> None:
    CudaGraphs(DEVICE).apart(lambda: None)
    assert card.told == [(1, "waits for", 0), (0, "waits for", 1)]


def test_branches_within_a_branch_are_one(card: Card) -> None:
    found = CudaGraphs(DEVICE).apart(lambda: beside(lambda: 0, forked(card)))
    assert found == (0, (2, 2))


def test_otherwise_branches_come_one_after_the_other(card: Card) -> None:
    CudaGraphs(DEVICE).apart(forked(card))
    card.told.clear()
    done: list[str] = []
    assert beside(lambda: done.append("one"), lambda: done.append("other")) == (None, None)
    assert done == ["one", "other"] and not card.told


def test_what_fails_leaves_the_usual_stream(card: Card) -> None:
    card.broken = True
    steps = Steps(forked(card), CudaGraphs(DEVICE))
    assert [steps() for _ in range(3)] == [(1, 2), (1, 2), (0, 0)]
    assert steps.note.startswith(f"{ONE_BY_ONE}, because recording failed: RuntimeError: operation failed")
    assert card.here.number == 0 and len(graphs._FAILED) == 1


def test_who_has_no_memory_left_hears_of_it(card: Card) -> None:
    def recorded(step: Callable[[], Any]) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    usual = CudaGraphs(DEVICE)
    usual.record = recorded  # type: ignore[method-assign]
    steps = Steps(lambda: 1, usual)
    assert [steps(), steps()] == [1, 1]
    with pytest.raises(torch.OutOfMemoryError):
        steps()
