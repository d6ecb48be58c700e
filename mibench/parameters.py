"""What a plug-in declares of its parameters, and the one place where their values are held to it.

A parameter's annotation says all: its type, its choices (``Literal["max", "euclidean"]``), its range
(``Annotated[int, at_least(1)]``, with short names for the common ones). :func:`settle` refuses any other value when the
plug-in is built, :func:`words` says in words what is allowed, and :func:`unusable` gives values that are not.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import math
import re
import reprlib
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from numbers import Integral, Real
from typing import Annotated, Any, TypeAlias

import numpy as np

from .errors import UsageError


@dataclass(frozen=True)
class Range:
    """An interval of numbers; of a tuple, every entry must lie in it. NaN lies in none."""

    low: float = -math.inf
    high: float = math.inf
    with_low: bool = False
    with_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value >= self.low if self.with_low else value > self.low
        return bool(above and (value <= self.high if self.with_high else value < self.high))

    def __str__(self) -> str:
        low = f"at least {self.low:g}" if self.with_low else f"greater than {self.low:g}"
        high = f"at most {self.high:g}" if self.with_high else f"less than {self.high:g}"
        ends = [low] * (self.low > -math.inf) + [high] * (self.high < math.inf)
        return " and ".join(ends) or "finite"


@dataclass(frozen=True)
class Length:
    """How many entries a tuple has at least."""

    least: int


def at_least(low: float) -> Range:
    """low <= value, and finite."""
    return Range(low, with_low=True)


def above(low: float) -> Range:
    """low < value, and finite."""
    return Range(low)


def between(low: float, high: float) -> Range:
    """low <= value <= high."""
    return Range(low, high, True, True)


def inside(low: float, high: float) -> Range:
    """low < value < high."""
    return Range(low, high)


Count: TypeAlias = Annotated[int, at_least(1)]
Positive: TypeAlias = Annotated[float, above(0)]
NotNegative: TypeAlias = Annotated[float, at_least(0)]
Share: TypeAlias = Annotated[float, between(0, 1)]
Inner: TypeAlias = Annotated[float, inside(0, 1)]
Correlation: TypeAlias = Annotated[float, inside(-1, 1)]
Finite: TypeAlias = Annotated[float, Range()]
Widths: TypeAlias = Annotated[tuple[Annotated[int, at_least(1)], ...], Length(1)]
"""The widths of the layers of a network."""


# Values --------------------------------------------------------------------------------------------------------------


def settle(who: str, name: str, value: Any, hint: Any) -> Any:
    """The value as the parameter was declared: a list as a tuple, an integer as a float, numpy's numbers as Python's.

    Raises
    ------
    UsageError : one sentence that names the plug-in, the parameter, the value and what is allowed.
    """
    try:
        return _settled(value, hint)
    except (ValueError, OverflowError):
        shown = " ".join(reprlib.repr(value).split())
        raise UsageError(f"{who}: {name}={shown}; {name} must be {words(hint)}.") from None


def allowed(value: Any, hint: Any) -> bool:
    """Whether a parameter declared so may have this value."""
    try:
        _settled(value, hint)
    except (ValueError, OverflowError):
        return False
    return True


def words(hint: Any, length: str = "any length") -> str:
    """What a parameter may be: ``a whole number, at least 1``; ``length`` says how long a tuple is."""
    origin, parts = _taken_apart(hint)
    if origin is Annotated:
        least = [f"{rule.least} or more" for rule in parts[1:] if isinstance(rule, Length)]
        return ", ".join([words(parts[0], *least), *(str(rule) for rule in parts[1:] if isinstance(rule, Range))])
    if inspect.isclass(origin) and issubclass(origin, Enum):
        parts = tuple(choice.value for choice in origin)
        origin = typing.Literal
    if origin is typing.Literal:
        return "one of " + ", ".join(f"'{c}'" if isinstance(c, str) else str(c) for c in parts)
    if origin is typing.Union:
        each = [words(part) for part in parts]
        return (", or " if any("," in said for said in each) else " or ").join(each)
    if origin is tuple and ... in parts:
        return f"a tuple of {length}, each {words(parts[0])}"
    if origin is tuple and parts:
        return f"a tuple ({'; '.join(map(words, parts))})"
    known = {int: "a whole number", float: "a number", bool: "true or false", str: "a word", types.NoneType: "none"}
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", getattr(origin, "__name__", str(origin))).lower()
    return known.get(origin) or f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def unusable(hint: Any) -> Iterator[Any]:
    """Values that :func:`settle` refuses: beyond each end of a range, no choice, of another type."""
    candidates = [*_beyond(hint), math.nan, -1, 0.5, True, "no such word", object(), None]
    return (value for value in candidates if not allowed(value, hint))


def types_in(hint: Any) -> Iterator[type]:
    """The classes that an annotation is made of."""
    origin, parts = _taken_apart(hint)
    if inspect.isclass(origin):
        yield origin
    if origin is not typing.Literal:
        for part in parts:
            yield from types_in(part)


def _settled(value: Any, hint: Any) -> Any:
    """As :func:`settle`, with a ValueError that says nothing."""
    origin, parts = _taken_apart(hint)
    plain = value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value
    if origin is Annotated:
        settled = _settled(value, parts[0])
        if all(_holds(settled, rule) for rule in parts[1:]):
            return settled
    elif origin is typing.Literal:
        if any(type(choice) is type(plain) and choice == plain for choice in parts):
            return plain
    elif origin is typing.Union:
        found = []
        for part in parts:
            with suppress(ValueError, OverflowError):
                found.append(_settled(value, part))
        for settled in [settled for settled in found if type(settled) is type(plain)] + found:
            return settled
    elif origin is tuple:
        if isinstance(plain, (tuple, list)):
            hints = parts[:1] * len(plain) if ... in parts else parts or (Any,) * len(plain)
            return tuple(_settled(entry, of) for entry, of in zip(plain, hints, strict=True))
    elif origin in (int, float):
        if isinstance(plain, Integral if origin is int else Real) and not isinstance(plain, bool):
            return origin(plain)
    elif origin in (bool, str, types.NoneType):
        if isinstance(plain, origin):
            return plain
    elif origin is Any or not inspect.isclass(origin) or getattr(origin, "_is_protocol", False):
        plain = plain if isinstance(value, np.generic) else value
        return tuple(plain) if isinstance(plain, list) else plain  # whatever it is; a list could change
    elif isinstance(value, origin):
        return value
    raise ValueError


def _holds(value: Any, rule: Any) -> bool:
    if isinstance(rule, Length):
        return len(value) >= rule.least
    if isinstance(rule, Range):
        return all(entry in rule for entry in (value if isinstance(value, tuple) else (value,)))
    return True


def _beyond(hint: Any) -> Iterator[Any]:
    """Just outside of every range that an annotation holds."""
    origin, parts = _taken_apart(hint)
    for rule in parts[1:] if origin is Annotated else ():
        if isinstance(rule, Length):
            yield ()
        if isinstance(rule, Range):
            ends = (rule.low - 1 if rule.with_low else rule.low), (rule.high + 1 if rule.with_high else rule.high)
            yield from (int(end) if parts[0] is int and math.isfinite(end) else end for end in ends)
    if origin is not typing.Literal:
        for part in parts:
            for value in _beyond(part):
                yield (value,) * (1 if ... in parts else len(parts)) if origin is tuple else value


def _taken_apart(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """What an annotation is and what it is made of; both kinds of union are one."""
    hint = getattr(hint, "__value__", hint)  # an alias made by a `type` statement
    origin = typing.get_origin(hint) or hint
    return typing.Union if origin is types.UnionType else origin, typing.get_args(hint)


# Declarations --------------------------------------------------------------------------------------------------------


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
        name: _settled(default, hint) if allowed(default, hint) else default
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
