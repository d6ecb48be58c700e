"""Whatever a plug-in says as values that JSON can hold, of bounded size: no record is lost to an odd diagnostic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

_LONGEST = 2_000  # characters of a text
_MOST = 100_000  # values in all, that is a few megabytes
_CHARACTERS = 40  # of a text that count as one value
_DEEPEST = 12  # levels; a cycle ends there at the latest


def sentence(said: object) -> str:
    """A message of bounded length that can be encoded, whatever ``str`` of the object does."""
    try:
        text = str(said)
    except BaseException as error:
        return f"a {type(said).__name__} that cannot be printed ({type(error).__name__})"
    text = str.strip(text).encode("utf-8", "replace").decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … ({len(text):,} characters)"


def described(error: BaseException) -> str:
    """``ValueError: no such thing``, whatever an exception does when it is asked what it is."""
    try:
        name, said = type(error).__name__, sentence(error)
    except BaseException:
        return "an exception that does not say what it is"
    return f"{name}: {said}" if said else name


def plain(value: Any) -> Any:
    """Numbers, texts, lists and dicts of them; arrays and sets become lists, anything else what it prints as."""
    return _plain(value, _Seen(), 0)


class _Seen:
    """How many values there were so far; a long text counts as several."""

    def __init__(self) -> None:
        self.values = 0

    def told(self, said: object) -> str:
        text = sentence(said)
        self.values += len(text) // _CHARACTERS
        return text


def _plain(value: Any, seen: _Seen, depth: int) -> Any:
    seen.values += 1
    if seen.values > _MOST or depth > _DEEPEST:
        return "…"
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        # no reader of JSON takes more than 64 bits for granted, and Python itself prints only so many digits
        return int(value) if value.bit_length() <= 64 else f"an integer of {value.bit_length()} bits"
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping):
        told = {}
        for key, v in value.items():
            if seen.values > _MOST:
                break
            told[seen.told(key)] = _plain(v, seen, depth + 1)
        return told
    if isinstance(value, (set, frozenset)):
        if len(value) > _MOST:
            return f"a set of {len(value)} values"
        return _listed(sorted(value, key=sentence), seen, depth)
    if isinstance(value, (list, tuple)):
        return _listed(value, seen, depth)
    if hasattr(value, "tolist") and getattr(value, "nbytes", 0) <= 8 * _MOST:  # numpy and torch
        try:
            return _plain(value.tolist(), seen, depth + 1)
        except Exception:
            return seen.told(value)
    return seen.told(value)


def _listed(values: Iterable[Any], seen: _Seen, depth: int) -> list[Any]:
    found = []
    for value in values:
        found.append(_plain(value, seen, depth + 1))
        if found[-1] == "…":
            break
    return found


def series(curve: Any) -> dict[str, list[Any]] | None:
    """The curve of an estimate: named lists of numbers, all of one length; None where it is something else."""
    named = _named_lists(curve)
    if named is None or len({len(values) for values in named.values()}) > 1:
        return None
    fit = all(_number(value) for values in named.values() for value in values) and _steps(*named.get("step", ()))
    return named if fit else None


def pairs(curve: Any) -> dict[str, list[Any]] | None:
    """The curves of a training: named lists of (step, value) pairs; None where it is something else."""
    named = _named_lists(curve)
    if named is None:
        return None
    points = [point for values in named.values() for point in values]
    fit = all(
        isinstance(point, list) and len(point) == 2 and _steps(point[0]) and _number(point[1]) for point in points
    )
    return named if fit else None


def _named_lists(curve: Any) -> dict[str, list[Any]] | None:
    fits = isinstance(curve, dict) and all(isinstance(values, list) for values in curve.values())
    return curve if fits else None


def _number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _steps(*values: Any) -> bool:
    return all(_number(value) and math.isfinite(value) for value in values)
