"""A worker process as it was before a call: what can be put back is, and for the rest the process is given up.

Whatever one plug-in leaves behind (another directory, a changed function of numpy, threads, children, an alarm that
rings in the middle of somebody else's cell) would be taken for the fault of those that come after it.
"""

from __future__ import annotations

import contextlib
import gc
import locale
import os
import signal
import sys
import threading
import zlib
from collections.abc import Iterator, Mapping
from operator import is_
from types import ModuleType
from typing import Any

_WATCHED = (
    *("builtins", "json", "math", "os", "os.path", "pickle", "random", "signal", "struct", "subprocess", "sys"),
    *("threading", "time", "zlib", "cloudpickle", "numpy", "numpy.linalg", "numpy.random"),
)
"""Modules whose public names stand for the same things after a call; beside them all of mibench with its classes."""

_CHANGING = frozenset({"last_type", "last_value", "last_traceback", "last_exc", "exc_info", "path"})  # of sys
_HANDLED = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD, signal.SIGPIPE),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU, signal.SIGSEGV),
)
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_FILES_MORE = 256  # open files beyond those at the start
_MEMORY = 2**30  # bytes that any process may keep
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Pristine:
    """What this process is like now; memory_limit : bytes, of which a process may keep half from call to call."""

    def __init__(self, memory_limit: float) -> None:
        import numpy as np

        self._memory = max(memory_limit / 2, _MEMORY)
        self._names = [(vars(owner), *_split(public)) for owner, public in _watched()]
        self._recursion, self._switches = sys.getrecursionlimit(), sys.getswitchinterval()
        self._environment, self._directory, self._path = dict(os.environ), _directory(), list(sys.path)
        self._umask, self._errors = os.umask(0), np.geterr()
        os.umask(self._umask)
        self._handlers = {number: signal.getsignal(number) for number in _HANDLED}
        self._state, self._files = _state(), _open_files()

    def restore(self) -> bool:
        """Put back what can be put back; whether the process is as it was, and so fit for another call."""
        try:
            self._put_back()
            return (
                self._as_named()
                and _state() == self._state
                and threading.active_count() <= self._state[0]
                and not _has_children()
                and _open_files() <= self._files + _FILES_MORE
                and _resident() <= self._memory
            )
        except Exception:  # something that this takes for granted is gone
            return False

    def _put_back(self) -> None:
        import numpy as np

        for timer in _TIMERS:
            signal.setitimer(timer, 0)
        for number, handler in self._handlers.items():
            if signal.getsignal(number) is not handler and handler is not None:
                signal.signal(number, handler)
        sys.setrecursionlimit(self._recursion)
        sys.setswitchinterval(self._switches)
        sys.settrace(None)
        sys.setprofile(None)
        gc.enable()
        os.umask(self._umask)
        if _directory() != self._directory:
            os.chdir(self._directory)
        if os.environ != self._environment:
            os.environ.clear()
            os.environ.update(self._environment)
        # what was added stays: a module that was imported may need it for what it imports later
        sys.path += [entry for entry in self._path if entry not in sys.path]
        np.seterr(**self._errors)

    def _as_named(self) -> bool:
        return all(all(map(is_, map(names.get, keys), values)) for names, keys, values in self._names)


def _watched() -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Modules and classes with their public names, and what these stand for."""
    for name, module in list(sys.modules.items()):
        if not isinstance(module, ModuleType):
            continue
        own = name.partition(".")[0] == __package__.partition(".")[0]
        if own or name in _WATCHED:
            names = {key: value for key, value in vars(module).items() if key[0] != "_" and key not in _CHANGING}
            yield module, names
            for cls in (c for c in names.values() if own and isinstance(c, type) and c.__module__ == name):
                yield cls, {key: value for key, value in vars(cls).items() if key[:4] != "_abc"}


def _split(names: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    return tuple(names), tuple(names.values())


def _state() -> tuple[Any, ...]:
    """What nobody but a plug-in would have changed."""
    import resource

    limits = [getattr(resource, name) for name in ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE")]
    limits += [resource.RLIMIT_NOFILE, resource.RLIMIT_STACK]
    return (
        threading.active_count(),
        tuple(map(resource.getrlimit, limits)),
        tuple((found.st_dev, found.st_ino) for found in map(os.fstat, (0, 1, 2))),
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None,
        os.getpriority(os.PRIO_PROCESS, 0),
        signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        locale.setlocale(locale.LC_ALL),
    )


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return ""


def _has_children() -> bool:
    """Whether a child process runs on; those that have ended are forgotten."""
    with contextlib.suppress(ChildProcessError):
        while os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG):
            pass
        return True
    return False


def _open_files() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:  # not Linux
        return 0


def _resident() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return 0


def reseed(call: bytes) -> None:
    """Global generators start afresh with each call, so that none knows what another drew from them."""
    import random

    import numpy as np

    seed = zlib.crc32(call)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    if "torch" in sys.modules:
        import torch

        torch.manual_seed(seed)
