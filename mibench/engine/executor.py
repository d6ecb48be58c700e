"""Where cells are answered: what an executor has to do, and the executors by name.

Another executor is one file and one entry in :data:`EXECUTORS`; the run does not know which one it uses.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
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


class Cluster(ABC):
    """Starts executors on other machines, once the connection to them is open; it is a :data:`StartExecutor`."""

    @classmethod
    @abstractmethod
    def at(cls, address: str, num_gpus: float | None) -> Self:
        """The cluster at an address, or the one that the name alone means; num_gpus : of each worker.

        Raises
        ------
        UsageError : what it takes is not installed, or nobody can have so many GPUs.
        """

    @abstractmethod
    def opened(self, workers: int | None, memory_limit: float, device: str | None) -> AbstractContextManager[int]:
        """Connect for as long as the block runs; the workers that there will be, as wanted or as many as fit.

        Raises
        ------
        UsageError : no connection, or no room for what is asked for.
        """

    @abstractmethod
    def __call__(self, workers: int, memory_limit: float, device: str | None) -> Executor: ...


EXECUTORS = {"local": "mibench.engine.local:LocalPool", "ray": "mibench.engine.ray:Ray"}

_ADDRESS = re.compile(r"ray://\S+|\S+:\d+")


def find_executor(executor: str | StartExecutor, num_gpus: float | None = None) -> StartExecutor:
    """The executor of a name, or the cluster at an address; what is an executor already stays.

    Raises
    ------
    UsageError : there is none of that name, or it cannot be used.
    """
    found, name = executor, executor
    if isinstance(executor, str):
        address = executor if _ADDRESS.fullmatch(executor) else ""
        name = "ray" if address else executor
        if name not in EXECUTORS:
            known = ", ".join(EXECUTORS)
            raise UsageError(f"there is no executor '{executor}'; there are: {known}, and addresses of Ray clusters.")
        module, _, attribute = EXECUTORS[name].partition(":")
        found = getattr(import_module(module), attribute)
        if isinstance(found, type) and issubclass(found, Cluster):
            return found.at(address, num_gpus)
    if not callable(found):
        raise UsageError(f"an executor is a name, an address or what makes one, not {executor!r}.")
    if num_gpus is not None:
        raise UsageError("GPUs are given to workers on a cluster alone; on one machine they share what there is.")
    return found


@contextmanager
def opened(start: StartExecutor, workers: int | None, memory_limit: float, device: str | None) -> Iterator[int | None]:
    """Connect to a cluster for as long as the block runs; the workers that there will be, None where nobody says."""
    if isinstance(start, Cluster):
        with start.opened(workers, memory_limit, device) as crew:
            yield crew
    else:
        yield workers
