"""Cells on a Ray cluster: one actor for each worker, on whatever nodes have room, and a queue here that feeds them.

An actor holds a worker process with all limits (:mod:`mibench.engine.station`), so a cell ends there as it does on one
machine. What Ray itself loses, a node with its actors, is no fault of a plug-in: the cell goes to another actor, and a
new one is asked for in place of the lost. A cluster that was not started here is left as it was found.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Self, TypeVar

from mibench import runtime
from mibench.errors import MibenchError, UsageError
from mibench.result import Status

from . import sameness
from .executor import Cluster, Lost
from .parcels import Packer, Parcel
from .room import Node, Request, crew, room
from .station import Greeting, Station, without

T = TypeVar("T")

_REACH = 10.0  # seconds that a head may take to accept a connection
_LOOK_EVERY = 5.0  # seconds between looks at a cluster that says nothing
_PATIENCE = 60.0  # seconds that a run waits for a node without a word
_TRIES = 5  # nodes that may be lost under a call, or actors that may die at their start, one after the other
_GOODBYE = 3.0  # seconds for actors to end their workers
_STORE = 2**28  # bytes of shared memory of a cluster that is started here: answers are small
_LONGEST = 300  # characters of what Ray says
_CLIENT = "ray://"


class Ray(Cluster):
    """A Ray cluster: the one at an address, or that of ``RAY_ADDRESS``, or one on this machine for the run alone.

    address : ``host:port`` of its head, or ``ray://host:port`` of its client server; num_gpus : GPUs of each worker, or
    the share of one; by default a whole one where it trains on ``cuda``, and none otherwise.
    """

    def __init__(self, address: str = "", num_gpus: float | None = None) -> None:
        self._address, self._num_gpus = address, num_gpus
        Request(gpus=num_gpus or 0.0)

    @classmethod
    def at(cls, address: str, num_gpus: float | None) -> Self:
        """As in :class:`Cluster`."""
        if importlib.util.find_spec("ray") is None:
            raise UsageError("Ray is not installed here; pip install 'mibench[ray]' does it.")
        if address.startswith(_CLIENT) and importlib.util.find_spec("grpc") is None:
            raise UsageError(f"an address with {_CLIENT} needs Ray's client; pip install 'mibench[ray]' installs it.")
        return cls(address, num_gpus)

    @contextmanager
    def opened(self, workers: int | None, memory_limit: float, device: str | None) -> Iterator[int]:
        """As in :class:`Cluster`."""
        request = self._request(memory_limit, device)
        with self._connected(workers):
            yield crew(_nodes(), request, workers)

    def __call__(self, workers: int, memory_limit: float, device: str | None) -> RayPool:
        return RayPool(workers, self._request(memory_limit, device), device or runtime.device())

    def _request(self, memory_limit: float, device: str | None) -> Request:
        trains_on = device or runtime.device()
        if re.match(r"cuda:", trains_on):
            raise UsageError(f"on a cluster each worker sees GPUs of its own: say cuda instead of {trains_on}.")
        usual = 1.0 if trains_on == "cuda" else 0.0
        return Request(usual if self._num_gpus is None else self._num_gpus, memory_limit)

    @contextmanager
    def _connected(self, workers: int | None) -> Iterator[None]:
        if _ray().is_initialized():
            if self._address:
                raise UsageError("this process is connected to Ray already; executor='ray' uses that connection.")
            yield
            return
        environment = dict(os.environ)
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._connect(workers)
            _restore(handlers)  # Ray's own would end the process without a word
            yield
        finally:
            _ray().shutdown()  # ends what was started here, and nothing else
            _restore(handlers)
            for name in os.environ.keys() - environment.keys():
                if name.startswith("RAY_"):
                    del os.environ[name]

    def _connect(self, workers: int | None) -> None:
        address = self._address or os.environ.get("RAY_ADDRESS", "")
        where = f"to the Ray cluster at {address}" if address not in ("", "local") else "to a Ray cluster of one's own"
        given: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address in ("", "local"):
            from .runner import default_workers

            given |= {"address": "local", "num_cpus": max(workers or 0, default_workers()), "include_dashboard": False}
            given["object_store_memory"] = _STORE
        else:
            _reach(address, where)
            given["address"] = address
        logging.getLogger("ray").setLevel(logging.ERROR)
        heard: list[str] = []
        try:
            with _overheard(heard):
                _ray().init(**given)
        except SystemExit:  # a SIGTERM on the way
            raise KeyboardInterrupt from None
        except Exception as error:
            raise UsageError(f"cannot connect {where}: {heard[-1] if heard else _said(error)}.") from error


class RayStation(Station):
    """A station in an actor."""

    def __init__(self, memory_limit: float, device: str, data_dir: str) -> None:
        ray = _ray()
        without(os.path.dirname(ray.__file__))  # workers have psutil of their own
        super().__init__(ray.util.get_node_ip_address(), ray.get, memory_limit, device, data_dir)


@dataclass
class _Work:
    """A call that somebody waits for."""

    parcel: Parcel
    time_limit: float
    cells: int
    future: Future[Any] = field(default_factory=Future)
    tries: int = 0


@dataclass(eq=False)
class _Post:
    """An actor, and the node it is on as soon as that is known."""

    actor: Any
    node: str = ""


class RayPool:
    """So many actors with a worker each; use it as a context manager while the cluster is connected.

    One thread decides everything: what others have to tell is put into its queue.
    """

    def __init__(self, workers: int, request: Request, device: str) -> None:
        self._request, self._device = request, device
        self._known = sameness.versions(), sameness.engine()
        self._packer = Packer(lambda pickled: _ray().put(pickled))
        self._queue: deque[_Work] = deque()
        self._idle: deque[_Post] = deque()
        self._posts: set[_Post] = set()
        self._problem: MibenchError | None = None
        self._deaths, self._heard, self._warned = 0, time.monotonic(), False
        self._events: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        for _ in range(workers):
            self._post()
        self._thread = threading.Thread(target=self._decide, name="mibench-ray", daemon=True)
        self._thread.start()

    def submit(self, call: Callable[[], T], time_limit: float, cells: int = 1) -> Future[T]:
        """As in :class:`Executor`."""
        try:
            work = _Work(self._packer.pack(call), time_limit, cells)
        except Lost as lost:
            unsent: Future[T] = Future()
            unsent.set_exception(lost)
            return unsent
        self._events.put(partial(self._add, work))
        return work.future

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End all workers with what they run, and the actors."""
        self._events.put(None)
        self._thread.join()
        with suppress(Exception):  # a cluster that is gone has nothing left to end
            ends = [post.actor.close.remote() for post in self._posts if post.node]
            if ends:
                _ray().wait(ends, num_returns=len(ends), timeout=_GOODBYE)
        for post in self._posts:
            with suppress(Exception):
                _ray().kill(post.actor)

    # In the thread ---------------------------------------------------------------------------------------------------

    def _decide(self) -> None:
        while True:
            try:
                event = self._events.get(timeout=_LOOK_EVERY)
            except Empty:
                event = self._look
            if event is None:
                return
            try:
                event()
                self._hand_out()
            except Exception as error:
                self._fail(error if isinstance(error, MibenchError) else MibenchError(f"Ray failed: {_said(error)}."))

    def _add(self, work: _Work) -> None:
        self._queue.append(work)
        if self._problem:
            self._fail(self._problem)

    def _hand_out(self) -> None:
        while self._queue and self._idle:
            work = self._queue.popleft()
            if not work.tries and not work.future.set_running_or_notify_cancel():
                continue
            work.tries += 1
            post = self._idle.popleft()
            self._ask(post.actor.answer.remote(work.parcel, work.time_limit, work.cells), self._back, post, work)

    def _ask(self, asked: Any, then: Callable[..., None], *about: Any) -> None:
        """Call ``then`` in this thread, with what was asked about and what came of it."""
        asked.future().add_done_callback(lambda done: self._events.put(partial(then, *about, done)))

    def _post(self) -> None:
        """One more actor: it is at work as soon as a node has room for it."""
        actor = (
            _ray()
            .remote(RayStation)
            .options(
                num_cpus=self._request.cpus,
                num_gpus=self._request.gpus,
                max_restarts=0,
                max_concurrency=2,  # its end is heard while it waits for an answer
                scheduling_strategy="SPREAD",
            )
        )
        post = _Post(actor.remote(self._request.memory, self._device, str(runtime.data_dir())))
        self._posts.add(post)
        self._ask(post.actor.hello.remote(*self._known), self._greeted, post)

    def _replace(self, post: _Post) -> None:
        self._posts.discard(post)
        self._post()

    def _greeted(self, post: _Post, done: Future[Greeting]) -> None:
        error = done.exception()
        if error is None:
            greeting = done.result()
            if greeting.problem:
                raise UsageError(greeting.problem)
            post.node, self._deaths, self._heard = greeting.node, 0, time.monotonic()
            self._idle.append(post)
            return
        self._deaths += 1
        if self._deaths >= _TRIES:
            raise MibenchError(f"no worker can be started on the cluster: {_said(error)}.")
        self._replace(post)

    def _back(self, post: _Post, work: _Work, done: Future[Any]) -> None:
        error = done.exception()
        self._heard = time.monotonic()
        if error is None or isinstance(error, (Lost, MibenchError)):  # Ray's client raises answers that are exceptions
            self._idle.append(post)
            self._settle(work, error or done.result())
            return
        self._replace(post)
        if work.tries < _TRIES:
            self._queue.appendleft(work)
        else:
            message = f"the node that answered it was lost {_TRIES} times: {_said(error)}."
            work.future.set_exception(Lost(Status.CRASH, message, by_chance=True))

    def _settle(self, work: _Work, found: Any) -> None:
        if isinstance(found, MibenchError):
            work.future.set_exception(found)
            raise found
        if isinstance(found, Lost):
            work.future.set_exception(found)
        else:
            work.future.set_result(found)

    def _look(self) -> None:
        """Nobody has said anything for a while: is there anybody?"""
        if not self._queue or any(post.node for post in self._posts):
            return
        waited = time.monotonic() - self._heard
        if waited > _PATIENCE and not room(_nodes(), self._request):
            raise MibenchError(
                "no node of the cluster is left that has room for a worker; the same command takes up from here."
            )
        if waited > _PATIENCE and not self._warned:
            self._warned = True
            logging.getLogger(__name__).warning("the cluster is busy with other work; waiting for room on it.")

    def _fail(self, problem: MibenchError) -> None:
        """All that is asked for ends like this from now on."""
        self._problem = problem
        while self._queue:
            work = self._queue.popleft()
            if work.tries or work.future.set_running_or_notify_cancel():
                work.future.set_exception(problem)


def _ray() -> Any:
    """Ray, which is large: it is imported where it is asked for."""
    import ray

    return ray


def _nodes() -> list[Node]:
    return [
        Node(
            node["NodeManagerAddress"],
            node["Resources"].get("CPU", 0.0),
            node["Resources"].get("GPU", 0.0),
            node["Resources"].get("memory", 0.0) / 2**30,
        )
        for node in _ray().nodes()
        if node["Alive"]
    ]


def _reach(address: str, where: str) -> None:
    """Ray itself would try for a minute, and then end this process.

    Raises
    ------
    UsageError : nobody answers at the address.
    """
    host, _, port = address.removeprefix(_CLIENT).partition("/")[0].rpartition(":")
    if not port.isdigit():  # such as "auto": Ray knows where
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACH).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UsageError(f"cannot connect {where}: {reason.lower()}.") from None


@contextmanager
def _overheard(heard: list[str]) -> Iterator[None]:
    """Meanwhile nothing is shown on stderr; what Ray's native code has complained of there is told afterwards."""
    sys.stderr.flush()
    shown = os.dup(2)
    with tempfile.TemporaryFile() as instead:
        os.dup2(instead.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(shown, 2)
            os.close(shown)
            instead.seek(0)
            said = re.findall(r"^\[.*\] [\w.]+:\d+: (.+)$", instead.read().decode(errors="replace"), re.MULTILINE)
            heard += [line[:_LONGEST].rstrip(". ") for line in said]


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _said(error: BaseException) -> str:
    """What an error tells, of a bounded length: Ray's messages are a page long."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    telling = [line for line in lines if re.match(r"[\w.]+Error: ", line)]
    said = telling[-1] if telling else " ".join(lines) if lines[0].endswith(":") else lines[0]
    return said[:_LONGEST].rstrip(".: ")
