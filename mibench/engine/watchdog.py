"""The eye that a worker process keeps on its own memory, its clock and its parent: it ends itself, and at once."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import threading
from os import _exit as exit_now  # by names of their own, should a plug-in change the modules
from time import monotonic, process_time, sleep

OOM_EXIT, TIMEOUT_EXIT, CHILDREN_EXIT = 87, 88, 89
"""The exit codes of a worker that went beyond its memory, its time, or the number of its child processes."""

MOST_CHILDREN = 250
"""Child processes of a worker, their own included."""

_SPARE = 0.03  # of the machine's memory
_LOOK_EVERY = 0.1  # seconds between looks
_LATE = 0.5  # seconds without a look that want an explanation
_CHILDREN_EVERY = 10  # looks between looks at child processes, which cost more


class Watchdog:
    """Harmless until it is started: then the process ends where it outlives its parent, its memory or its time.

    Time in which the process was stopped, or the whole machine suspended, does not count: nobody looked, and nothing
    was computed.
    """

    def __init__(self) -> None:
        self._deadline = math.inf
        self._absent = 0.0
        self._looked: tuple[float, float] | None = None  # wall and CPU time at the last look

    def allow(self, seconds: float) -> None:
        """From now on, so many seconds; infinity while nothing is asked of an estimator."""
        self._deadline = self.now() + seconds

    def now(self) -> float:
        """A monotonic clock, in seconds, that stands still while this process does."""
        return monotonic() - self._absent - self._missed()

    def _missed(self) -> float:
        """How much of the time since the last look this process was not there."""
        if self._looked is None:
            return 0.0
        wall, cpu = monotonic() - self._looked[0], process_time() - self._looked[1]
        # a computation that keeps the thread from looking uses the processor
        return max(0.0, wall - max(cpu, _LOOK_EVERY)) if wall > _LATE else 0.0

    def start(self, memory_limit: float, parent: int) -> None:
        """Watch from a thread; memory_limit : GiB of resident memory, that of child processes included."""
        with contextlib.suppress(OSError, AttributeError):  # not Linux: the thread notices a moment later
            # PR_SET_PDEATHSIG: the kernel kills this process with its parent, even in the middle of a long computation
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        threading.Thread(target=self._watch, args=(memory_limit * 2**30, parent), daemon=True).start()

    def _watch(self, limit: float, parent: int) -> None:
        import psutil

        own = psutil.Process()
        looks = children = 0
        threads = _threads()
        while True:
            self._absent += self._missed()
            self._looked = monotonic(), process_time()
            looks += 1
            now = _threads()
            if looks % _CHILDREN_EVERY == 0 or now > threads + MOST_CHILDREN:
                threads = now
                with contextlib.suppress(psutil.Error):
                    found = own.children(recursive=True)
                    if len(found) > MOST_CHILDREN:
                        exit_now(CHILDREN_EXIT)
                    # memory that a child shares with this process is counted here
                    children = sum(child.memory_full_info().uss for child in found)
            if own.memory_info().rss + children > limit:
                exit_now(OOM_EXIT)
            if self.now() > self._deadline:
                exit_now(TIMEOUT_EXIT)
            if os.getppid() != parent:
                exit_now(1)
            sleep(_LOOK_EVERY)


def _threads() -> int:
    """How many threads there are on the machine; cheap, where it can be known at all."""
    try:
        with open("/proc/loadavg", "rb") as file:
            return int(file.read().split()[3].partition(b"/")[2])
    except OSError:  # not Linux
        return 0


def memory_is_short() -> bool:
    """Whether the whole machine has next to no memory left, so that an allocation fails through no fault of a cell."""
    import psutil

    memory = psutil.virtual_memory()
    return bool(memory.available < _SPARE * memory.total)


watchdog = Watchdog()
"""That of this process."""
