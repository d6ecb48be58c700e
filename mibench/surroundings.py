"""What code finds around it in a process, taken down so that it can be put back after somebody else's code has run.

A plug-in may leave another directory, signals that nobody hears, a limit of recursion that nothing fits into, or a
function of the standard library that is another one: all of that would be taken for the fault of what comes after it.
"""

from __future__ import annotations

import contextlib
import decimal
import gc
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import is_
from types import FunctionType, ModuleType
from typing import Any

from .words import listed

log = logging.getLogger(__name__)

_HANDLED = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD, signal.SIGPIPE),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU, signal.SIGSEGV),
)
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_TRACERS: tuple[tuple[Callable[[], Any], Callable[[Any], None]], ...] = (
    (sys.gettrace, sys.settrace),
    (sys.getprofile, sys.setprofile),
    (threading.gettrace, threading.settrace),
    (threading.getprofile, threading.setprofile),
)
_CHANGING = frozenset({"last_type", "last_value", "last_traceback", "last_exc", "exc_info", "path", "manual_seed"})
"""Names of sys that stand for something else now and then, and one that torch changes itself."""
_IMPORTS = frozenset({"__import__", "__build_class__"})  # of builtins
WATCHED = (
    *("abc", "bisect", "builtins", "collections", "contextlib", "copy", "copyreg", "dataclasses", "enum", "functools"),
    *("hashlib", "heapq", "io", "itertools", "json", "json.decoder", "json.encoder", "math", "operator", "os"),
    *("os.path", "pathlib", "pickle", "random", "re", "signal", "statistics", "struct", "subprocess", "sys"),
    *("tempfile", "threading", "time", "types", "warnings", "zlib", "numpy", "numpy.fft", "numpy.linalg"),
    *("numpy.random", "cloudpickle"),
)
"""Modules in which no library that we know changes anything (torch does in ``inspect``)."""

_METHODS = frozenset({FunctionType, staticmethod, classmethod, property})
_CLASSES = frozenset({*WATCHED, "torch.nn"})
"""Modules in whose classes no library changes a method (torch does in ``torch.optim``, zuko in others)."""
_CONSTANT = frozenset({"builtins", "os", "sys"})  # other modules may keep in a name what they found out


class Surroundings:
    """Settings of this process as they are now."""

    def __init__(self) -> None:
        self._recursion, self._switches = sys.getrecursionlimit(), sys.getswitchinterval()
        self._directory, self._path = directory(), list(sys.path)
        self._umask = os.umask(0)
        os.umask(self._umask)
        self._handlers = {number: signal.getsignal(number) for number in _HANDLED}
        self._filters, self._callbacks = list(warnings.filters), list(gc.callbacks)
        finders: tuple[list[Any], ...] = (sys.meta_path, sys.path_hooks)
        self._finders = [(found, list(found)) for found in finders]
        self._patience = sys.modules["socket"].getdefaulttimeout() if "socket" in sys.modules else None
        self._errors = sys.modules["numpy"].geterr() if "numpy" in sys.modules else None
        self._timers = {timer: signal.getitimer(timer) for timer in _TIMERS}
        self._tracers = [get() for get, _ in _TRACERS]
        self._collects, self._thresholds = gc.isenabled(), gc.get_threshold()
        self._digits = sys.get_int_max_str_digits()
        self._decimal = decimal.getcontext().copy()
        self._main = threading.current_thread() is threading.main_thread()

    def put_back(self) -> None:
        """Make everything what it was."""
        if self._main:  # others may not
            for timer, running in self._timers.items():
                if not any(running) and any(signal.getitimer(timer)):
                    signal.setitimer(timer, 0)
            for number, handler in self._handlers.items():
                if signal.getsignal(number) is not handler and handler is not None:
                    signal.signal(number, handler)
        sys.setrecursionlimit(self._recursion)
        sys.setswitchinterval(self._switches)
        for (get, trace), before in zip(_TRACERS, self._tracers, strict=True):
            if get() is not before:
                trace(before)
        (gc.enable if self._collects else gc.disable)()
        gc.set_threshold(*self._thresholds)
        sys.set_int_max_str_digits(self._digits)
        decimal.setcontext(self._decimal.copy())
        gc.callbacks[:] = self._callbacks
        os.umask(self._umask)
        if directory() != self._directory:
            os.chdir(self._directory)
        warnings.filters[:] = self._filters  # type: ignore[index]
        for finders, before in [*self._finders, (sys.path, self._path)]:
            # what was added stays: a module that was imported may need it for what it imports later
            finders += [finder for finder in before if finder not in finders]
        if "socket" in sys.modules:
            sys.modules["socket"].setdefaulttimeout(self._patience)
        if self._errors is not None:
            sys.modules["numpy"].seterr(**self._errors)


class Names:
    """What the public names of some modules stand for, and methods of their classes; modules : beside all of mibench.

    Only names that there are now are watched: what is added later is nobody's harm.
    """

    def __init__(self, modules: Iterable[str]) -> None:
        self._known: dict[str, tuple[Any, Mapping[str, Any], tuple[str, ...], tuple[Any, ...]]] = {}
        self._loaded = tuple(sys.modules), tuple(sys.modules.values())
        own = [name for name in sys.modules if name.partition(".")[0] == __package__]
        for name in dict.fromkeys([*modules, *own]):
            self.watch(name)

    def watch(self, name: str) -> None:
        """A module more, if it is loaded."""
        module = sys.modules.get(name)
        if not isinstance(module, ModuleType):
            return
        own = name.partition(".")[0] == __package__
        public = {k: v for k, v in vars(module).items() if (k[:1] != "_" and k not in _CHANGING) or k in _IMPORTS}
        if not own and name not in _CONSTANT:
            public = {k: v for k, v in public.items() if callable(v) or isinstance(v, ModuleType)}
        self._take(name, module, public)
        classes = [c for c in public.values() if isinstance(c, type)]
        if own:
            for cls in (c for c in classes if c.__module__ == name):
                self._take(f"{name}.{cls.__name__}", cls, {k: v for k, v in vars(cls).items() if k[:4] != "_abc"})
        elif name in _CLASSES:
            for cls in (c for c in classes if c.__module__.partition(".")[0] == name.partition(".")[0]):
                self._take(f"{name}.{cls.__name__}", cls, {k: v for k, v in vars(cls).items() if type(v) in _METHODS})

    def _take(self, name: str, owner: Any, names: Mapping[str, Any]) -> None:
        if names:
            self._known[name] = owner, vars(owner), tuple(names), tuple(names.values())

    def hold(self) -> bool:
        """Whether every name stands for what it did, and that of every module for the same module."""
        names, modules = self._loaded
        return all(map(is_, map(sys.modules.get, names), modules)) and all(
            all(map(is_, map(names.get, keys), values)) for _, names, keys, values in self._known.values()
        )

    def put_back(self) -> list[str]:
        """Make every name stand for what it did; those that did not any more."""
        return list(self._put_back())

    def _put_back(self) -> Iterator[str]:
        for name, module in zip(*self._loaded, strict=True):
            if sys.modules.get(name) is not module:
                sys.modules[name] = module
                yield name
        for name, (owner, names, keys, values) in self._known.items():
            for key, value in zip(keys, values, strict=True):
                if names.get(key) is not value:
                    setattr(owner, key, value)
                    yield f"{name}.{key}"


def directory() -> str:
    """Where this process is; nothing where that was deleted."""
    try:
        return os.getcwd()
    except OSError:
        return ""


@contextlib.contextmanager
def left_as_found(whose: object) -> Iterator[None]:
    """While somebody's code is imported in this process. What it changes of others, beside the environment, is undone.

    Worker processes do not import what is included, so there no such change would be seen; whose : for the warning.
    """
    found, names, timed = Surroundings(), Names(WATCHED), "faulthandler" in sys.modules
    try:
        with _streams_kept():
            yield
    finally:
        changed = names.put_back()
        found.put_back()
        if not timed and "faulthandler" in sys.modules:
            sys.modules["faulthandler"].cancel_dump_traceback_later()  # which may end the process
        for name, number in (("stdout", 1), ("stderr", 2)):
            if getattr(getattr(sys, name), "closed", False):  # the object, and not the file
                setattr(sys, name, open(number, "w", 1, errors="backslashreplace", closefd=False))  # noqa: SIM115
        if changed:
            log.warning("'%s' changes %s; that is undone, because workers would not see it.", whose, listed(changed))


@contextlib.contextmanager
def _streams_kept() -> Iterator[None]:
    """Within this block standard streams may be closed or replaced: afterwards they are what they were.

    Where one stays closed, the next file that is opened takes its number, and gets to hold what is printed.
    """
    objects = sys.stdin, sys.stdout, sys.stderr
    kept: dict[int, int] = {}
    for number in (0, 1, 2):
        with contextlib.suppress(OSError):
            kept[number] = os.dup(number)
    try:
        yield
    finally:
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)
        sys.stdin, sys.stdout, sys.stderr = objects
