"""A record: one Result as a line of JSON with a checksum, and what a line is that cannot be read.

What is read is either what was written or an exception. Values that no report could show (a number that is not finite,
text that no encoding can write, a field of another type) make a line unreadable, whoever wrote it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from mibench.result import ENUMS, SCHEMA, Cell, Result, Status

_CHECKSUM = re.compile(rb',"checksum":"([0-9a-f]{8})"}')
_TORN = b"#torn\n"
_LARGEST = 1e100  # whose square and sums are still finite, so that tables and figures can be made of it
_DEEPEST = 24  # levels of nesting in a record


class Damaged(ValueError):
    """The line is not what was written."""


class Later(ValueError):
    """The line is whole, but this version of mibench does not understand it: a later one wrote it."""


class Torn(ValueError):
    """A kill in the middle of a write left the line; nobody was told that its cell was finished."""


class End(NamedTuple):
    """How a cell ended: what has to be known of it to tell whether it is run again."""

    status: Status
    again: int


def ends(results: Iterable[Result]) -> dict[str, End]:
    """How cells ended, by their ids; of several results of one the last counts."""
    return {result.cell.id: End(result.status, result.again) for result in results}


def encode(result: Result) -> bytes:
    """The line of a result."""
    try:
        return sealed(result.fields())
    except (ValueError, TypeError):
        return sealed(result.to_json())  # there is something in it that JSON does not have


def sealed(record: Mapping[str, Any]) -> bytes:
    """The line of some fields of a result, with the checksum by which it is seen whether they have changed.

    Raises
    ------
    ValueError, TypeError : there is something in it that JSON does not have.
    """
    text = _written(record)[:-1].encode()
    return text + b',"checksum":"%08x"}\n' % zlib.crc32(text)


_written = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def decode(line: bytes) -> Result:
    """The result in a line. Records of earlier versions have no checksum.

    Raises
    ------
    Damaged, Later, Torn : there is none that can be read.
    """
    if line.endswith(_TORN):
        raise Torn
    checksum = _CHECKSUM.search(line)
    # of a record with a checksum nothing may follow it, and all before it is what was written
    if checksum and (line[checksum.end() :].strip(b"\r\n") or _sum(line, checksum) != int(checksum[1], 16)):
        raise Damaged
    try:
        record = json.loads(line)
        if isinstance(record, dict) and _whole(record.get("schema", 1)) and record.get("schema", 1) > SCHEMA:
            raise Later
        if checksum is None and not _was_without(record):
            raise ValueError("what is left of a record with a checksum")
        return _read(record, texts=b"\\u" in line)
    except Later:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        if checksum is None and not line.endswith(b"\n"):
            raise Torn from error
        raise Later if checksum else Damaged from error


def end_of_torn(line: bytes) -> bytes:
    """What the next writer adds to a last line without an end, so that its neighbour is not spoilt."""
    try:
        decode(line)
    except Torn:
        return _TORN
    except ValueError:
        pass
    return b"\n"


def recorded(result: Result, read: Callable[[bytes], Result] = decode) -> tuple[Result, bytes]:
    """The result with its line, or in its place an error of the same cell where ``read`` could not read it back."""
    try:
        line = encode(result)
        read(line)
    except (ValueError, TypeError, OverflowError, RecursionError):
        message = "its answer cannot be recorded: a value in it is not finite, too large or not of the type asked for."
        result = Result(result.cell, Status.ERROR, message=message)
        line = encode(result)
    return result, line


def readable(result: Result) -> bool:
    """Whether the record of a result could be read back."""
    return recorded(result)[0] is result


def readable_members(members: Mapping[str, Any]) -> dict[str, Any] | None:
    """Some of the fields of a record as those of a Result; None where one is not what a record may hold."""
    if not _sound(members, texts=False):
        return None
    if any(name in _FIELDS and not _FIELDS[name](value) for name, value in members.items()):
        return None
    if any(members.get(name, 0) < 0 for name in ("dim_x", "dim_y")):
        return None
    try:
        return {name: ENUMS[name](value) if name in ENUMS else value for name, value in members.items()}
    except ValueError:
        return None


def _was_without(record: Mapping[str, Any]) -> bool:
    """Whether a record has ever been without a checksum: one of the first schema, or one that was published.

    What was published leaves out what a reader fills in by itself, and says what was asked and what that has cost.
    """
    if not record.keys() <= _KNOWN:
        return False
    if record.get("schema", 1) < 2:
        return True
    said = any(value == _UNSAID[name] for name, value in record.items() if name not in ("schema", "status"))
    return not said and "task_name" in record and ("wall_s" in record or record["status"] != Status.OK)


def _sum(line: bytes, checksum: re.Match[bytes]) -> int:
    return zlib.crc32(line[: checksum.start()])


def _read(record: Any, texts: bool) -> Result:
    """A record as a Result. texts : whether there may be texts in it that no encoding can write.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError : a value that has no place in a record.
    """
    if not _sound(record, texts):
        raise ValueError("a value that no report can show")
    result = Result.from_json(record)
    for name, fits in _FIELDS.items():
        if not fits(getattr(result, name)):
            raise TypeError(name)
    cell = result.cell
    if not (_text(cell.estimator) and _text(cell.task) and _text(cell.id) and _whole(cell.n) and _whole(cell.seed)):
        raise TypeError("cell")
    if cell.n < 0 or cell.seed < 0 or min(result.dim_x, result.dim_y, result.wall_s, result.cpu_s) < 0:
        raise ValueError("a number that cannot be negative")
    return result


def _sound(value: Any, texts: bool, depth: int = 0) -> bool:
    if isinstance(value, dict):
        return depth < _DEEPEST and all(_sound(k, texts) and _sound(v, texts, depth + 1) for k, v in value.items())
    if isinstance(value, list):
        return depth < _DEEPEST and all(_sound(v, texts, depth + 1) for v in value)
    if isinstance(value, str):
        return not texts or _writable(value)
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or value.bit_length() <= 64


def _writable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST


def _mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _metrics(value: Any) -> bool:
    """The Metrics of a task, as dicts."""
    return isinstance(value, (list, tuple)) and all(
        _mapping(info)
        and all(_text(info.get(name, "")) for name in ("unit", "description"))
        and all(_text(info.get(name)) for name in ("name", "better"))
        and _texts(info.get("published", {}))
        for info in value
    )


def _texts(value: Any) -> bool:
    return _mapping(value) and all(map(_text, value.values()))


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "str": _text,
    "int": _whole,
    "bool": lambda value: isinstance(value, bool),
    "float": _number,
    "float | None": lambda value: value is None or _number(value),
    "Mapping[str, Any]": _mapping,
    "Mapping[str, str]": _texts,
    "Mapping[str, float]": lambda value: _mapping(value) and all(map(_number, value.values())),
    "Mapping[str, Sequence[Any]]": lambda value: (
        _mapping(value) and all(isinstance(v, (list, tuple)) for v in value.values())
    ),
    "Sequence[Mapping[str, Any]]": _metrics,
}
_KNOWN = {"schema", *(f.name for f in dataclasses.fields(Result))}
_UNSAID = Result(Cell("", "", 0, 0, ""), Status.OK).to_json()
_FIELDS = {f.name: _TYPES[str(f.type)] for f in dataclasses.fields(Result) if str(f.type) in _TYPES}
"""What each field holds, by its annotation; the rest are enumerations, which refuse what they do not know."""
