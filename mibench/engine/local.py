"""Worker processes on this machine, each with a pipe of its own, so that the end of one disturbs no other.

A worker is a fresh interpreter, neither forked (a fork after torch has started threads can hang) nor spawned by
multiprocessing (which runs the user's main module again, and imports from the working directory). It finds modules
where this process does, but the standard library first. All clocks are monotonic.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import sysconfig
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from multiprocessing import Pipe
from queue import SimpleQueue
from typing import Any, Self, TypeAlias, TypeVar, cast

from mibench import runtime
from mibench.errors import MibenchError, UsageError
from mibench.result import Status

from .devices import assigned
from .executor import Lost
from .plain import described
from .process import NUMBER
from .watchdog import CHILDREN_EXIT, MOST_CHILDREN, OOM_EXIT, TIMEOUT_EXIT

T = TypeVar("T")
Place: TypeAlias = tuple[str | None, dict[str, str]]

_START_UP = 120.0  # seconds that loading libraries and compiling may take
_STARTS = 5  # workers that may die in a row before they are given the call
_STARTS_KILLED = 100  # the same, of those that somebody kills
_KILLS = 5  # looks for processes that were left behind
_KEPT = 500  # bytes of a worker's output
_LEAST = 100 << 20  # bytes of a worker that has loaded what every one loads
_LOOK_EVERY = 1.0  # seconds between looks at a silent process
_WHOLE = 60.0  # seconds that an answer may take to come through the pipe once it has begun
_NONSENSE = "something other than its answer came from the worker process."
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_MARK = "MIBENCH_WORKER"  # in the environment of a worker and of all that it starts
_FROM_OUTSIDE = frozenset(-s for s in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT))
# exit codes after signals that somebody sends: a user, a system that goes down, a queue that takes a node back
_BOOT = """import json, sys
settings = json.loads(sys.argv.pop())
sys.path[:] = settings.pop("path")
from mibench.engine.process import serve
serve(**settings)"""


class LocalPool:
    """So many worker processes, and a thread for each that waits for it; use it as a context manager.

    memory_limit : GiB that each may use; device : the torch device of their trainings, None for the usual one.
    """

    def __init__(self, workers: int, memory_limit: float, device: str | None = None) -> None:
        _require_room(workers)
        self._settings: dict[str, Any] = {
            "memory_limit": memory_limit,
            "data_dir": str(runtime.data_dir()),
            "parent": os.getpid(),
        }
        self._lock, self._stopped = threading.Lock(), False
        self._workers: set[_Worker] = set()
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._threads = ThreadPoolExecutor(workers, "mibench-worker")
        for place in assigned(device, workers):
            self._idle.put(self._start(place))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what still runs, and end all workers."""
        with self._lock:
            self._stopped = True
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.end()

    def submit(self, call: Callable[[], T], time_limit: float, cells: int = 1) -> Future[T]:
        """As in :class:`Executor`."""
        return self._threads.submit(self._answer, call, time_limit, cells)

    def _answer(self, call: Callable[[], T], time_limit: float, cells: int) -> T:
        import cloudpickle

        try:
            pickled = cloudpickle.dumps(call)
        except BaseException as error:  # in this thread it is not an interrupt of the user's
            raise Lost(Status.ERROR, f"it cannot be sent to another process: {described(error)}") from None
        worker = self._idle.get()
        try:
            ends: Counter[bool] = Counter()
            while ends[False] < _STARTS and ends[True] < _STARTS_KILLED:
                if worker.takes(pickled):
                    return cast(T, self._awaited(worker, time_limit, cells))
                code, said = worker.end(), worker.last_words
                ends[code in _FROM_OUTSIDE] += 1
                worker = self._start(worker.place)
            why = f"the last of {ends.total()} ended with exit code {code}{f' ({said})' if said else ''}"
            raise MibenchError(f"no worker process can be started: {why}.")
        finally:
            self._idle.put(worker)

    def _awaited(self, worker: _Worker, time_limit: float, cells: int) -> Any:
        # the worker keeps the limit itself; it is killed from outside where it has become deaf to its own clock
        answer = worker.answer(_START_UP + 2 * time_limit * cells)
        if isinstance(answer, Lost):
            raise answer
        if not isinstance(answer, _Ended):
            return answer
        if answer.stopped:
            message = "the worker process was stopped from outside, and did not go on."
            raise Lost(Status.TIMEOUT, message, time_limit, by_chance=True)
        if answer.code in (None, TIMEOUT_EXIT):
            # a worker computes in one thread, so its CPU time is at most the wall time
            raise Lost(Status.TIMEOUT, f"stopped at the time limit of {time_limit:g} s.", time_limit)
        if answer.code == OOM_EXIT:
            raise Lost(Status.OOM, f"used more than {self._settings['memory_limit']:g} GiB of memory.")
        if answer.code == CHILDREN_EXIT:
            raise Lost(Status.CRASH, f"started more than {MOST_CHILDREN} processes.")
        how = f"by signal {-answer.code}" if answer.code < 0 else f"with exit code {answer.code}"
        said = f", and said last: {worker.last_words}" if worker.last_words else ""
        message = f"the worker process ended {how}{said}."
        raise Lost(Status.CRASH, message, by_chance=answer.code in _FROM_OUTSIDE)

    def _start(self, place: Place) -> _Worker:
        with self._lock:
            if self._stopped:
                raise CancelledError
            self._workers = {worker for worker in self._workers if not worker.ended}
            try:
                worker = _Worker(self._settings, place)
            except OSError as error:  # too many processes or open files, or no memory
                raise MibenchError(f"no worker process can be started: {error.strerror or error}.") from error
            self._workers.add(worker)
            return worker


class _Ended:
    """In the place of an answer: the process is gone, by its own doing unless ``code`` is None.

    stopped : it was given no time, as by SIGSTOP.
    """

    def __init__(self, code: int | None, stopped: bool = False) -> None:
        self.code, self.stopped = code, stopped


class _Worker:
    """A process and the pipe to it; ``place`` is its device and what its environment says of that."""

    def __init__(self, settings: dict[str, Any], place: Place) -> None:
        self.place = place
        device, environment = place
        self._pipe, theirs = Pipe()
        self._mark = uuid.uuid4().hex
        path = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), sysconfig.get_config_var("DESTSHARED")]
        path += [os.path.abspath(entry) for entry in sys.path]
        given = {
            **settings,
            "device": device,
            "path": list(dict.fromkeys(filter(None, path))),
            "descriptor": theirs.fileno(),
        }
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, json.dumps(given)],
                env={**os.environ, **_ONE_THREAD, **environment, _MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,  # what plug-ins print is no result, and would tear the progress bar
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a group of its own, children included
            )
        self._call, self._cut_short = 0, False
        self._said = b""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def ended(self) -> bool:
        """Whether :meth:`end` was called."""
        return self._pipe.closed

    @property
    def last_words(self) -> str:
        """The last line that the process printed; nothing else of its output is kept."""
        self._listener.join(_LOOK_EVERY)  # unless a child of it still holds the other end
        lines = self._said.decode(errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "")
        return "".join(c if c.isprintable() else " " for c in last).strip().rstrip(".")

    def _listen(self) -> None:
        assert self._process.stdout
        with contextlib.suppress(OSError, ValueError), self._process.stdout as output:
            while said := os.read(output.fileno(), 2**16):
                self._said = (self._said + said)[-_KEPT:]

    def takes(self, pickled: bytes) -> bool:
        """Hand over a call; False where the process is dead, or dies before it has taken the call."""
        self._call += 1
        try:
            with self._in_time(_START_UP):  # more than the pipe holds waits for a process that reads
                self._pipe.send_bytes(self._number() + pickled)
            return self._speaks(_START_UP) and self._received() == self._number()
        except (OSError, EOFError):
            return False

    def answer(self, patience: float) -> Any:
        """What the call gave, or how the process ended; after so many seconds it is killed."""
        try:
            received = b""
            while self._of_earlier_call(received):  # from a process that it has left behind
                if not self._speaks(patience):
                    stopped = self._stopped()
                    self.end()
                    return _Ended(None, stopped)
                received = self._received()
        except (OSError, EOFError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LOOK_EVERY)  # its own exit code tells more than the kill that may follow
            return Lost(Status.CRASH, _NONSENSE) if self._cut_short else _Ended(self.end())
        if received.startswith(self._number()):
            with contextlib.suppress(Exception):  # bytes in its middle may be somebody else's
                return pickle.loads(received[NUMBER:])
        self.end()
        return Lost(Status.CRASH, _NONSENSE)

    def _number(self) -> bytes:
        return self._call.to_bytes(NUMBER, "big")

    def _of_earlier_call(self, received: bytes) -> bool:
        return int.from_bytes(received[:NUMBER], "big") < self._call

    def _received(self) -> bytes:
        """What comes through the pipe; the process is killed where that has begun and does not end."""
        with self._in_time(_WHOLE):
            return self._pipe.recv_bytes()

    @contextlib.contextmanager
    def _in_time(self, seconds: float) -> Iterator[None]:
        """What goes through the pipe in the block is cut short after so many seconds, with whoever holds its end."""

        def cut() -> None:
            self._cut_short = True
            self.kill()
            kill_marked(self._mark)

        timer = threading.Timer(seconds, cut)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def kill(self) -> None:
        """Kill the process and its children."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> int:
        """Kill what is left, and the exit code; again does nothing."""
        if not self.ended:
            self.kill()
            self._pipe.close()
            self._process.wait()
            kill_marked(self._mark)
        return self._process.wait()

    def _speaks(self, seconds: float) -> bool:
        """Whether something, or the end of the process, comes through the pipe in so many seconds.

        A process that somebody has stopped is waited for as long as one that starts, and no longer.
        """
        left, stopped, looked = seconds, 0.0, time.monotonic()
        while not self._pipe.poll(max(0.0, min(_LOOK_EVERY, left))):
            if self._process.poll() is not None and not self._pipe.poll():
                raise EOFError  # a child of it may still hold the pipe
            # while this process was stopped, or the machine suspended, nobody waited
            now = time.monotonic()
            passed, looked = min(now - looked, 2 * _LOOK_EVERY), now
            left -= passed
            stopped = stopped + passed if self._stopped() else 0.0
            if left <= 0 or stopped > _START_UP:
                return False
        return True

    def _stopped(self) -> bool:
        """Whether somebody has sent it SIGSTOP."""
        import psutil

        with contextlib.suppress(psutil.Error):
            return bool(psutil.Process(self._process.pid).status() == psutil.STATUS_STOPPED)
        return False


def _require_room(workers: int) -> None:
    """Refuse more processes than the machine has memory for, before it must kill some of somebody's.

    Raises
    ------
    UsageError : so many are too many.
    """
    import psutil

    total = psutil.virtual_memory().total
    if workers * _LEAST > total:
        raise UsageError(
            f"{workers:,} workers need {workers * _LEAST / 2**30:,.0f} GiB of memory at least, and this machine has "
            f"{total / 2**30:,.0f}: ask for fewer."
        )


def kill_marked(mark: str) -> None:
    """Kill the processes that a worker has left behind, those that became daemons too; where that can be seen."""
    sought = f"{_MARK}={mark}".encode()
    for _ in range(_KILLS):
        found = [pid for pid in filter(str.isdigit, _listed("/proc")) if sought in _read(f"/proc/{pid}/environ")]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # not Linux
        return []


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:  # it has ended, or is somebody else's
        return b""
