"""What a plug-in declares of its parameters, and the one place where their values are held to it.

A parameter's annotation says all: its type, its choices (``Literal["max", "euclidean"]``), its range
(``Annotated[int, at_least(1)]``, with short names for the common ones). :func:`check` refuses any other value when the
plug-in is built, :func:`words` says in words what is allowed, and :func:`unusable` gives values that are not.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import sys
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any, TypeAlias

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


def constructor(factory: Any) -> inspect.Signature:
    """The signature of a class's ``__init__`` without ``self``, or of a function."""
    if not inspect.isclass(factory):
        return inspect.signature(factory)
    if factory.__init__ is object.__init__:
        return inspect.Signature()
    parameters = list(inspect.signature(factory.__init__).parameters.values())[1:]
    return inspect.Signature(parameters)


@functools.cache
def declared(factory: Any) -> dict[str, Any]:
    """The annotation of each parameter, each read where it was written: a base class may lie in another module."""
    if not inspect.isclass(factory):
        return typing.get_type_hints(factory, include_extras=True)
    owner = next(c for c in factory.__mro__ if "__init__" in vars(c))
    if not getattr(vars(owner).get("__dataclass_params__"), "init", False):
        return {} if owner is object else typing.get_type_hints(vars(owner)["__init__"], include_extras=True)
    fields = {f.name for f in dataclasses.fields(owner) if f.init}
    found: dict[str, Any] = {}
    for base in reversed(owner.__mro__):
        if "__dataclass_fields__" in vars(base):
            own = {k: v for k, v in vars(base).get("__annotations__", {}).items() if k in fields}
            module = vars(sys.modules[base.__module__]) if base.__module__ in sys.modules else {}
            stand_in = types.SimpleNamespace(__annotations__=own)
            found |= typing.get_type_hints(stand_in, {**module, **_own_globals(base)}, include_extras=True)
    return found


def check(who: str, name: str, value: Any, hint: Any) -> None:
    """Refuse a value that is not what the parameter was declared to be.

    Raises
    ------
    UsageError : one sentence that names the plug-in, the parameter, the value and what is allowed.
    """
    if not _allowed(value, hint):
        raise UsageError(f"{who}: {name}={value!r}; {name} must be {words(hint)}.")


def words(hint: Any) -> str:
    """What a parameter may be: ``a whole number, at least 1``."""
    match typing.get_origin(hint):
        case typing.Annotated:
            base, *rest = typing.get_args(hint)
            plain = words(base)
            if any(isinstance(r, Length) for r in rest):
                plain = f"at least one: {plain}"
            said = ", ".join(str(r) for r in rest if isinstance(r, Range))
            return f"{plain}, {said}" if said else plain
        case typing.Literal:
            return "one of " + ", ".join(f"'{c}'" if isinstance(c, str) else str(c) for c in typing.get_args(hint))
        case types.UnionType | typing.Union:
            return " or ".join(words(h) for h in typing.get_args(hint))
        case origin if origin is tuple:
            entries = [h for h in typing.get_args(hint) if h is not Ellipsis]
            return "numbers (each " + " / ".join(words(h) for h in entries) + ")"
    known = {int: "a whole number", float: "a number", bool: "true or false", str: "a word", type(None): "none"}
    name = getattr(hint, "__name__", str(hint)).lower()
    return known.get(hint) or f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def unusable(hint: Any) -> Iterator[Any]:
    """Values that :func:`check` refuses: beyond each end of a range, no choice, of another type."""
    candidates: list[Any] = [*_beyond(hint), math.nan, -1, 0.5, True, "no such word", object(), None]
    return (value for value in candidates if not _allowed(value, hint))


def _allowed(value: Any, hint: Any) -> bool:
    match typing.get_origin(hint):
        case typing.Annotated:
            base, *rest = typing.get_args(hint)
            return _allowed(value, base) and all(_holds(value, r) for r in rest)
        case typing.Literal:
            return any(type(value) is type(choice) and value == choice for choice in typing.get_args(hint))
        case types.UnionType | typing.Union:
            return any(_allowed(value, h) for h in typing.get_args(hint))
        case origin if origin is tuple:
            entries = typing.get_args(hint)
            if not isinstance(value, (tuple, list)):
                return False
            if len(entries) == 2 and entries[1] is Ellipsis:
                return all(_allowed(v, entries[0]) for v in value)
            return len(value) == len(entries) and all(_allowed(v, h) for v, h in zip(value, entries, strict=True))
    if hint is bool:
        return isinstance(value, bool) or type(value).__name__ == "bool"  # numpy's too
    if hint is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, Real) and not isinstance(value, bool)
    if hint is type(None):
        return value is None
    return not inspect.isclass(hint) or typing.get_origin(hint) is not None or isinstance(value, hint)


def _holds(value: Any, rule: Any) -> bool:
    if isinstance(rule, Length):
        return len(value) >= rule.least
    if isinstance(rule, Range):
        return all(v in rule for v in (value if isinstance(value, (tuple, list)) else (value,)))
    return True


def _beyond(hint: Any) -> Iterator[Any]:
    """Just outside of every range that an annotation holds."""
    for rule in getattr(hint, "__metadata__", ()):
        if isinstance(rule, Length):
            yield ()
        if isinstance(rule, Range):
            ends = [rule.low - 1 if rule.with_low else rule.low, rule.high + 1 if rule.with_high else rule.high]
            whole = typing.get_args(hint)[0] is int
            yield from (int(end) if whole and math.isfinite(end) else end for end in ends)
    for part in typing.get_args(hint):
        inner = list(_beyond(part)) if not isinstance(part, (str, int)) else []
        yield from ((value,) for value in inner) if typing.get_origin(hint) is tuple else inner


def _own_globals(cls: type) -> dict[str, Any]:
    """Where the methods of a class look names up: a module that was not imported by name is found this way."""
    functions = (f for f in vars(cls).values() if isinstance(f, types.FunctionType))
    return next((f.__globals__ for f in functions if f.__module__ == cls.__module__), {})
