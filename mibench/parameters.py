"""What an annotation says of a parameter, and the one place where values are held to it.

It says all: the type, the choices (``Literal["max", "euclidean"]``), the range (``Annotated[int, at_least(1)]``, with
short names for the common ones). :func:`settle` refuses any other value when the plug-in is built, :func:`words` says
in words what is allowed, and :func:`unusable` gives values that are not.
"""

from __future__ import annotations

import inspect
import math
import re
import reprlib
import types
import typing
from collections.abc import Iterator
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
