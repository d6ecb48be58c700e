"""The eye that a worker process keeps on its own memory, its clock and its parent: it ends itself, and at once."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import threading
import time

OOM_EXIT, TIMEOUT_EXIT = 87, 88
"""The exit codes of a worker that went beyond its memory or its time."""

_SPARE = 0.03  # of the machine's memory
_LOOK_EVERY = 0.1  # seconds between looks
_CHILDREN_EVERY = 10  # looks between looks at child processes, which cost more


class Watchdog:
    """Harmless until it is started: then the process ends where it outlives its parent, its memory or its time."""

    def __init__(self) -> None:
        self._deadline = math.inf  # monotonic

    def allow(self, seconds: float) -> None:
        """From now on, so many seconds; infinity while nothing is asked of an estimator."""
        self._deadline = time.monotonic() + seconds

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
        while True:
            looks += 1
            if looks % _CHILDREN_EVERY == 0:
                with contextlib.suppress(psutil.Error):
                    # memory that a child shares with this process is counted here
                    children = sum(child.memory_full_info().uss for child in own.children(recursive=True))
            if own.memory_info().rss + children > limit:
                os._exit(OOM_EXIT)
            if time.monotonic() > self._deadline:
                os._exit(TIMEOUT_EXIT)
            if os.getppid() != parent:
                os._exit(1)
            time.sleep(_LOOK_EVERY)


def memory_is_short() -> bool:
    """Whether the whole machine has next to no memory left, so that an allocation fails through no fault of a cell."""
    import psutil

    memory = psutil.virtual_memory()
    return bool(memory.available < _SPARE * memory.total)


watchdog = Watchdog()
"""That of this process."""
