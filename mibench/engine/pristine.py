"""A worker process as it was before a batch: what can be put back is, and for the rest the process is given up.

Whatever one plug-in leaves behind (another directory, a changed function of numpy, threads, children, an alarm that
rings in the middle of somebody else's cell) would be taken for the fault of those that come after it.
"""

from __future__ import annotations

import contextlib
import locale
import os
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from mibench.surroundings import WATCHED, Names, Surroundings

_LATER = frozenset(
    {
        *("numba", "scipy.integrate", "scipy.linalg", "scipy.optimize", "scipy.sparse", "scipy.spatial"),
        *("scipy.spatial.distance", "scipy.special", "scipy.stats", "torch", "torch.autograd", "torch.distributions"),
        *("torch.linalg", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.optim", "torch.random"),
    }
)
"""Modules that are loaded when somebody wants them, and watched from then on."""

_FILES_MORE = 256  # open files beyond those at the start
_MEMORY = 2**30  # bytes that any process may keep
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Pristine:
    """What this process is like now; memory_limit : bytes, of which a process may keep half from call to call."""

    def __init__(self, memory_limit: float) -> None:
        self._memory = max(memory_limit / 2, _MEMORY)
        self._hooked = False
        sys.addaudithook = self._noting(sys.addaudithook)  # type: ignore[assignment]
        self._names = Names(WATCHED)
        sys.meta_path.insert(0, _Watching(self._names))
        self._surroundings = Surroundings()
        self._environment = dict(os.environ)
        self._state, self._files = _state(), _open_files()

    def restore(self) -> bool:
        """Put back what can be put back; whether the process is as it was, and so fit for somebody else."""
        try:
            self._put_back()
            return (
                self._names.hold()
                and not self._hooked
                and _state() == self._state
                and threading.active_count() <= self._state[0]
                and not _has_children()
                and _open_files() <= self._files + _FILES_MORE
                and _resident() <= self._memory
                and _torch_as_new()
            )
        except Exception:  # something that this takes for granted is gone
            return False

    def _put_back(self) -> None:
        self._surroundings.put_back()
        if "faulthandler" in sys.modules:
            sys.modules["faulthandler"].cancel_dump_traceback_later()  # which may end the process
        if os.environ != self._environment:
            os.environ.clear()
            os.environ.update(self._environment)
        time.tzset()

    def _noting(self, add: Callable[[Any], None]) -> Callable[[Any], None]:
        """Hooks for audits stay for good, and may do anything."""

        def addaudithook(hook: Any) -> None:
            self._hooked = True
            add(hook)

        return addaudithook


class _Watching:
    """A finder that finds nothing by itself: what others find is watched once it is loaded."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """As the import system asks for it."""
        if name not in _LATER:
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((found for found in others if found is not None), None)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                self._names.watch(name)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


_kept: Pristine | None = None


def keep(memory_limit: float) -> None:
    """From now on this process is a worker, to be as it is now before every batch; memory_limit : bytes."""
    global _kept
    _kept = Pristine(memory_limit)


def as_it_was() -> bool:
    """Put back what can be; False where something in this worker stays changed. What is no worker stays as it is."""
    return _kept is None or _kept.restore()


def reseed(what: bytes) -> None:
    """In a worker, global generators start afresh, so that none knows what another drew from them."""
    if _kept is None:
        return
    import random

    import numpy as np

    seed = zlib.crc32(what)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    if "torch" in sys.modules:
        import torch

        torch.manual_seed(seed)


def _torch_as_new() -> bool:
    """Undo what a plug-in may have changed of torch, and keep it to one thread; whether that is all."""
    if "torch" not in sys.modules:
        return True
    import torch

    # critics are small, and estimates run side by side in processes: more threads would only be in the way
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    if torch.get_default_device().type != "cpu":
        torch.set_default_device(None)
    if torch.are_deterministic_algorithms_enabled():  # to say so loads much of torch
        torch.use_deterministic_algorithms(False)
    torch.set_flush_denormal(False)
    torch.set_float32_matmul_precision("highest")
    torch.autograd.set_detect_anomaly(False)
    torch.backends.mkldnn.enabled = True  # type: ignore[assignment]
    torch.backends.cudnn.benchmark = False
    hooked = torch.nn.modules.module._has_any_global_hook()  # type: ignore[no-untyped-call]
    modes = torch._C._len_torch_function_stack() + torch._C._len_torch_dispatch_stack()
    return not (torch.is_inference_mode_enabled() or torch.is_autocast_enabled("cpu") or hooked or modes)


def _state() -> tuple[Any, ...]:
    """What nobody but a plug-in would have changed."""
    import resource

    limits = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
    root = os.stat("/")
    return (
        threading.active_count(),
        tuple(map(resource.getrlimit, limits)),
        tuple((found.st_dev, found.st_ino) for found in map(os.fstat, (0, 1, 2))),
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None,
        os.getpriority(os.PRIO_PROCESS, 0),
        os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else None,
        signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        locale.setlocale(locale.LC_ALL),
        (os.getresuid(), os.getresgid()) if hasattr(os, "getresuid") else (),
        (root.st_dev, root.st_ino),
        _arithmetic(),
    )


def _arithmetic() -> tuple[float, ...]:
    """Sums and quotients that come out otherwise where numbers are rounded in another way, or the smallest taken for 0.

    A library that was compiled for speed switches that for a whole thread as soon as it is loaded.
    """
    one, small = float("1"), float("1e-308")
    return one + 2.0**-53 * 1.5, one - 2.0**-55, -one - 2.0**-55, small / 4.0


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
