"""Which parameters a class or a function takes, and how each was declared: with what annotation, with what default."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from .errors import UsageError
from .parameters import allowed, settle


def constructor(factory: Any) -> inspect.Signature:
    """The signature of a class's ``__init__`` without ``self``, or of a function."""
    if not inspect.isclass(factory):
        return inspect.signature(factory)
    if factory.__init__ is object.__init__:
        return inspect.Signature()
    parameters = list(inspect.signature(factory.__init__).parameters.values())[1:]
    made: dict[str, Any] = {f.name: f.default_factory for f in _fields(factory) if callable(f.default_factory)}
    return inspect.Signature([p.replace(default=made[p.name]()) if p.name in made else p for p in parameters])


def _fields(cls: type) -> tuple[dataclasses.Field[Any], ...]:
    """Those that the constructor of a class takes, where it is one that a dataclass has made."""
    owner = next(c for c in cls.__mro__ if "__init__" in vars(c))
    made = getattr(vars(owner).get("__dataclass_params__"), "init", False)
    return tuple(f for f in dataclasses.fields(owner) if f.init) if made else ()


def arguments(factory: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter of a call, given or default, as it was declared.

    Raises
    ------
    UsageError : a parameter that is unknown or missing, or a value that it cannot have.
    """
    who, signature, hints, usual = _name(factory), constructor(factory), declared(factory), defaults(factory)
    require_named(who, factory)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise UsageError(f"{who}: {error}.") from None
    return {
        name: copy.copy(usual[name])  # which may be a list
        if name not in given or given[name] is parameter.default
        else settle(who, name, given[name], hints.get(name, Any))
        for name, parameter in signature.parameters.items()
    }


def require_named(who: str, factory: Any) -> None:
    """Refuse a class or function whose parameters no selector could give.

    Raises
    ------
    UsageError : ``*args``, ``**kwargs`` or a parameter without a name that a caller may use.
    """
    for parameter in constructor(factory).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise UsageError(f"{who}: '{parameter}' has no value that a selector could give; name every parameter.")


@functools.cache
def defaults(factory: Any) -> dict[str, Any]:
    """Every default as its parameter was declared; one that the declaration does not allow, as it was written."""
    given = {k: (p.default, declared(factory).get(k, Any)) for k, p in constructor(factory).parameters.items()}
    return {
        name: settle(_name(factory), name, default, hint) if allowed(default, hint) else default
        for name, (default, hint) in given.items()
        if default is not inspect.Parameter.empty
    }


def declared(factory: Any) -> dict[str, Any]:
    """The annotation of each parameter, read where it was written: a base class may lie in another module.

    What was read stays with the class, and so is known wherever the class goes without its module.

    Raises
    ------
    UsageError : an annotation names what does not exist when the program runs.
    """
    if "_declared" not in vars(factory):
        factory._declared = {k: _read(factory, k, hint, names) for k, hint, names in _written(factory)}
    found: dict[str, Any] = vars(factory)["_declared"]
    return found


def _written(factory: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Each parameter with its annotation as it was written and the names that are known there."""
    if inspect.isclass(factory):
        owner = next(c for c in factory.__mro__ if "__init__" in vars(c))
        if fields := {f.name for f in _fields(factory)}:
            for base in reversed(owner.__mro__):
                if "__dataclass_fields__" in vars(base):
                    names = _names(base)
                    yield from ((k, v, names) for k, v in inspect.get_annotations(base).items() if k in fields)
            return
        factory = vars(owner)["__init__"]
    if inspect.isfunction(factory):
        annotations = inspect.get_annotations(factory)
        yield from ((k, v, factory.__globals__) for k, v in annotations.items() if k != "return")


def _names(cls: type) -> dict[str, Any]:
    """The names that the module of a class knows, or, where that was not imported by name, those its methods know."""
    if cls.__module__ in sys.modules:
        return vars(sys.modules[cls.__module__])
    methods = (f for f in vars(cls).values() if inspect.isfunction(f) and f.__module__ == cls.__module__)
    return next((f.__globals__ for f in methods), {})


def _read(factory: Any, name: str, annotation: Any, names: dict[str, Any]) -> Any:
    stand_in = types.SimpleNamespace(__annotations__={name: annotation})
    try:
        return typing.get_type_hints(stand_in, names, include_extras=True)[name]
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise UsageError(
            f"{_name(factory)}: the annotation {annotation!r} of {name} cannot be read ({error}); "
            "import what it names at run time, not only under TYPE_CHECKING."
        ) from None


def _name(factory: Any) -> str:
    return str(vars(factory).get("registered_name") or factory.__name__)
