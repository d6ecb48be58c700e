"""Where estimators and tasks are found by name: one generic registry, three ways in.

* a decorator in the file that defines the plug-in (``@estimators.register("ksg")``),
* entry points in the group ``mibench.plugins``: modules that register on import (mibench's own come in this way),
* ``--include file.py``, for a file that is not installed.

The registry knows no plug-in by name.
"""

from __future__ import annotations

import fnmatch
import importlib.util
import inspect
import logging
import sys
import threading
import typing
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, dataclass_transform

from . import declarations, parameters
from .discovery import discover
from .endings import outlived
from .errors import MibenchError, UsageError
from .estimator import Estimator
from .plugin import Plugin, require_complete
from .selector import format_selector, parse_selector
from .sources import described, remedy, source_file
from .surroundings import left_as_found
from .task import AnyTask
from .words import OWN_FILE, nearest

P = TypeVar("P", bound=Plugin)
F = TypeVar("F", bound=Callable[..., Any])

_GLOB = frozenset("*?")
_LONG = 10.0  # seconds of importing before the user is told of what


class Registry(Generic[P]):
    """Plug-ins of one kind by name.

    A registered factory is a class, whose instances are then known by that name, or a function of keyword parameters
    that builds one (an *alias*, such as a published task name for a composed task).
    """

    def __init__(self, kind: str, contract: type[Plugin] | tuple[type[Plugin], ...] = Plugin) -> None:
        self.kind, self._contract = kind, contract
        self._factories: dict[str, Callable[..., P]] = {}
        self._sources: dict[str, str] = {}

    def register(self, name: str) -> Callable[[F], F]:
        """Decorator: make a class or function known under ``name``.

        Raises
        ------
        UsageError : the name is taken (both places are named) or could not be written as a selector, or nothing can be
            made of the class or function.
        """
        if not name or any(c in name for c in "[]()=, *?"):
            raise UsageError(
                f"'{name}' cannot be the name of an estimator or a task: "
                "brackets, commas, '=' and blanks are selector syntax."
            )

        def decorate(factory: F) -> F:
            source = _source(factory)
            if name in self._factories:
                raise UsageError(f"{self.kind} '{name}' is defined twice: in {self._sources[name]} and in {source}.")
            if inspect.isclass(factory):
                self._require_contract(name, factory)
                _as_dataclass(factory)
                require_complete(factory)
                factory.registered_name = name  # type: ignore[attr-defined]
            declarations.require_named(name, factory)
            self._factories[name] = factory
            self._sources[name] = source
            return factory

        return decorate

    def _require_contract(self, name: str, cls: type) -> None:
        if not issubclass(cls, self._contract):
            wanted = self._contract if isinstance(self._contract, tuple) else (self._contract,)
            classes = " or ".join(f"mibench.{one.__name__}" for one in wanted)
            raise UsageError(
                f"{cls.__name__} cannot be the {self.kind} '{name}', because it is derived from no {classes}; "
                f"`mibench new {self.kind} NAME` writes one to begin with."
            )

    def names(self) -> list[str]:
        """All registered names, in order of registration."""
        discover()
        return list(self._factories)

    def factory(self, name: str) -> Callable[..., P]:
        """The class or function behind a name.

        Raises
        ------
        UsageError : unknown name; the message offers the nearest ones.
        """
        discover()
        if name not in self._factories:
            known = f"`mibench ls {self.kind}s` lists the {len(self._factories)} known ones;"
            raise UsageError(f"unknown {self.kind} '{name}'; {nearest(name, self._factories) or known} {OWN_FILE}")
        return self._factories[name]

    def known(self, name: str) -> Callable[..., P] | None:
        """The class or function behind a name, or None."""
        discover()
        return self._factories.get(name)

    def defined_in(self, module: str) -> dict[str, Callable[..., P]]:
        """What a module, or any module of a package, has registered so far."""
        return {n: f for n, f in self._factories.items() if f"{f.__module__}.".startswith(f"{module}.")}

    def classes(self, package: str) -> dict[str, type[Any]]:
        """The classes that a package has registered so far by their own names: what it has to export."""
        return {f.__name__: f for f in self.defined_in(package).values() if inspect.isclass(f)}

    def forget(self, module: str) -> None:
        """Drop what a module has registered."""
        for name in self.defined_in(module):
            del self._factories[name], self._sources[name]

    def source(self, name: str) -> str:
        """Where a name was registered: ``file:line``."""
        self.factory(name)
        return self._sources[name]

    def create(self, selector: str, **overrides: Any) -> P:
        """Build the plug-in that a selector describes; keyword arguments take precedence over its parameters.

        Raises
        ------
        UsageError : unknown name or parameter, a value of the wrong type, or one the plug-in refuses.
        """
        name, params = parse_selector(selector)
        factory = self.factory(name)
        given = {**params, **overrides}
        typed = self._typed(name, factory, given)
        try:
            with outlived():
                plugin = factory(**typed)
        except (MibenchError, KeyboardInterrupt):
            raise
        except BaseException as error:  # a constructor may call sys.exit()
            raise UsageError(f"the {self.kind} '{name}' cannot be made: {described(error)}.") from error
        if not isinstance(plugin, self._contract):
            raise UsageError(f"'{name}' gives a {type(plugin).__name__}, which is no {self.kind}.")
        return plugin if inspect.isclass(factory) else plugin.aliased(format_selector(name, given))

    def select(self, patterns: str | P | Iterable[str | P]) -> list[P]:
        """All plug-ins that names, selectors, globs (``gauss*``) and instances describe, each once, in order."""
        if isinstance(patterns, (str, Plugin)):
            patterns = [patterns]
        chosen: dict[str, P] = {}
        for pattern in patterns:
            for plugin in self._matching(pattern) if isinstance(pattern, str) else [pattern]:
                if not isinstance(plugin, self._contract):
                    raise UsageError(f"{plugin!r} is no {self.kind}.")
                chosen.setdefault(plugin.label, plugin)
        return list(chosen.values())

    def _matching(self, pattern: str) -> list[P]:
        name, params = parse_selector(pattern)
        if not _GLOB & set(name):
            return [self.create(pattern)]
        names = fnmatch.filter(self.names(), name)
        if not names:
            raise UsageError(f"no {self.kind} matches '{name}'; `mibench ls {self.kind}s` lists the known ones.")
        return [self.create(format_selector(n, params)) for n in names]

    def _typed(self, name: str, factory: Callable[..., P], params: dict[str, Any]) -> dict[str, Any]:
        """The parameters as the factory's annotations want them."""
        signature, hints = declarations.constructor(factory), declarations.declared(factory)
        typed = {}
        for key, value in params.items():
            if key not in signature.parameters:
                known = ", ".join(signature.parameters) or "none"
                raise UsageError(f"{self.kind} '{name}' has no parameter '{key}'; it has: {known}.")
            typed[key] = _convert(name, key, value, hints.get(key, Any))
        missing = [k for k, p in signature.parameters.items() if p.default is p.empty and k not in typed]
        if missing:
            hint = f"{name}[{missing[0]}=...]."
            if not inspect.isclass(factory):
                hint += f" A function builds the {self.kind} from parameters; what computes or draws is a class: "
                hint += f"`mibench new {self.kind} NAME` writes one."
            raise UsageError(f"{self.kind} '{name}' needs a value for {', '.join(missing)}: {hint}")
        return typed


estimators: Registry[Estimator] = Registry("estimator", Estimator)
tasks: Registry[AnyTask] = Registry("task", typing.get_args(AnyTask))


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def register_estimator(name: str) -> Callable[[F], F]:
    """Decorator: make an estimator known under ``name``. Annotated class attributes become its parameters.

    A class without an ``__init__`` of its own becomes a frozen dataclass; a function of keyword parameters that builds
    an estimator becomes an alias.

    Raises
    ------
    UsageError : the name is taken (both places are named) or could not be written as a selector.
    """
    return estimators.register(name)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def register_task(name: str) -> Callable[[F], F]:
    """Decorator: make a task known under ``name``; everything else as in :func:`register_estimator`."""
    return tasks.register(name)


def include(path: str | Path) -> None:
    """Import a Python file that registers plug-ins, by its path. Whatever it does, it does with the user's rights.

    Raises
    ------
    UsageError : no such file, it fails on import, or the annotations of its parameters cannot be read.
    """
    path = source_file(Path(path))
    name = f"mibench_include_{path.stem}"
    while name in sys.modules and getattr(sys.modules[name], "__file__", None) != str(path):
        name += "_"  # another file of this name
    if name in sys.modules:
        return
    discover()
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"cannot include '{path}': it is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _supervised(path):
            spec.loader.exec_module(module)
        for factory in [*estimators.defined_in(name).values(), *tasks.defined_in(name).values()]:
            declarations.declared(factory)
    except BaseException as error:  # a module may call sys.exit()
        estimators.forget(name)
        tasks.forget(name)
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt) or (isinstance(error, UsageError) and str(path) in str(error)):
            raise
        if isinstance(error, UsageError):
            raise UsageError(f"cannot include '{path}': {error}") from None
        raise UsageError(f"cannot include '{path}': {described(error)}.{remedy(path, error)}") from error
    # worker processes cannot import this module by name, so its classes travel by value
    import cloudpickle

    cloudpickle.register_pickle_by_value(module)


def registered_by(path: str | Path) -> set[str]:
    """The names of the plug-ins that a file has registered when it was included."""
    file = str(source_file(Path(path)))
    begun = [name for name in list(sys.modules) if name.startswith("mibench_include_")]
    own = [name for name in begun if getattr(sys.modules[name], "__file__", None) == file]
    return {name for module in own for kind in (estimators, tasks) for name in kind.defined_in(module)}


@contextmanager
def _supervised(path: Path) -> Iterator[None]:
    """While a file is imported: it cannot end this process as if all were done, and it is named where it takes long."""
    said = f"'{path}' has been importing for {_LONG:g} s; Ctrl-C gives up."
    timer = threading.Timer(_LONG, logging.getLogger(__name__).warning, [said])
    timer.daemon = True
    timer.start()
    try:
        with outlived(), left_as_found(path):
            yield
    finally:
        timer.cancel()


def _convert(who: str, name: str, value: Any, hint: Any) -> Any:
    """``value`` as type ``hint``; selectors become plug-ins where the hint asks for one."""
    plugin = next((t for t in parameters.types_in(hint) if issubclass(t, Plugin)), None)
    if plugin is not None:
        value = _built(value, estimators if issubclass(plugin, Estimator) else tasks)
    elif value is None and "none" in typing.get_args(hint):
        value = "none"  # a choice of that name, not the absence of one
    elif not isinstance(value, bool) and not parameters.allowed(value, hint):
        from pydantic import ConfigDict, TypeAdapter, ValidationError

        config = ConfigDict(arbitrary_types_allowed=True, coerce_numbers_to_str=True)
        with suppress(ValidationError):
            value = TypeAdapter(hint, config=config).validate_python(value)
    return parameters.settle(who, name, value, hint)


def _built(value: Any, registry: Registry[Any]) -> Any:
    if isinstance(value, (tuple, list)):
        return tuple(_built(entry, registry) for entry in value)
    return registry.create(value) if isinstance(value, str) else value


def _as_dataclass(cls: type) -> None:
    """Parameters declared as annotated class attributes become the constructor's, unless the class has one."""
    if "__init__" in vars(cls):
        if cls.__hash__ is None:  # taken by a dataclass decorator that was not told otherwise
            cls.__hash__ = Plugin.__hash__
        return
    # a parameter without a default may stand for a property that the contract demands, and is no default itself
    required = [
        name
        for name in vars(cls).get("__annotations__", {})
        if name not in vars(cls) and isinstance(getattr(cls, name, None), property)
    ]
    for name in required:
        setattr(cls, name, field())
    dataclass(frozen=True, eq=False, repr=False)(cls)
    for name in required:
        setattr(cls, name, None)
    if required:
        cls.__abstractmethods__ = cls.__abstractmethods__ - set(required)  # type: ignore[attr-defined]


def _source(factory: Any) -> str:
    factory = vars(factory).get("made_of", factory)  # a class that was made of another is written where that is
    try:
        return f"{inspect.getsourcefile(factory)}:{inspect.getsourcelines(factory)[1]}"
    except (OSError, TypeError):
        return f"module {getattr(factory, '__module__', '?')}"
