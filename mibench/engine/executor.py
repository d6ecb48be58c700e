"""Where cells are answered: what an executor has to do, and the executors by name.

Another executor is one file and one entry in :data:`EXECUTORS`; the run does not know which one it uses.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from typing import Protocol, Self, TypeAlias, TypeVar

from mibench.errors import UsageError
from mibench.result import Status

T = TypeVar("T")


class Lost(Exception):
    """A call that gave no answer. It travels from the worker, or is made where a worker is missed.

    status, message : how the cells of the call end; seconds : what they cost, where that is known.
    by_chance : the process was killed from outside, as far as anyone can see, or the machine had no memory left:
    another try may succeed.
    """

    def __init__(self, status: Status, message: str, seconds: float = 0.0, by_chance: bool = False) -> None:
        super().__init__(status, message, seconds, by_chance)
        self.status, self.message, self.seconds, self.by_chance = status, message, seconds, by_chance


class Executor(Protocol):
    """Worker processes, or whatever else can call a function; used as a context manager, whose end ends all calls."""

    def submit(self, call: Callable[[], T], time_limit: float, cells: int = 1) -> Future[T]:
        """Make the call in a process that may crash, hang or run out of memory without harm to this one.

        The call works through ``cells`` cells of at most ``time_limit`` seconds each and keeps that limit itself as
        long as it can; the executor ends those that cannot. Where there is no answer, the future raises :class:`Lost`.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


StartExecutor: TypeAlias = Callable[[int, float, str | None], Executor]
"""Makes an executor of so many workers, with so many GiB of memory each, that train on a torch device (None: any)."""

EXECUTORS = {"local": "mibench.engine.local:LocalPool"}


def find_executor(executor: str | StartExecutor) -> StartExecutor:
    """The executor of a name; what is one already stays.

    Raises
    ------
    UsageError : there is none of that name.
    """
    if not isinstance(executor, str):
        return executor
    if executor not in EXECUTORS:
        raise UsageError(f"there is no executor '{executor}'; there are: {', '.join(EXECUTORS)}.")
    module, _, name = EXECUTORS[executor].partition(":")
    found: StartExecutor = getattr(import_module(module), name)
    return found
