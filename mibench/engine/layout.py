"""The layout in which this version writes a record, read without parsing again what thousands of lines have in common.

A line is cut where the layout has a boundary. If every piece is a valid list of members by itself, the object is the
sum of its pieces, for a list of valid members has one meaning only; where a piece is not, or is not what the layout
has there, the line is left to :func:`mibench.engine.records.decode`. So a cut in a wrong place costs time and no truth.
What describes the estimator and the task, the provenance, and what an answer leaves empty recur: each is parsed once,
and the Results share it.
"""

from __future__ import annotations

import functools
import json
import re
import sys
import zlib
from typing import Any

from mibench.result import SCHEMA, Cell, Result, Status

from .records import End, decode, readable_members

_TEXT = r'"([^"\\\x00-\x1f]*)"'
_WHOLE = r"(0|[1-9]\d{0,17})"
_EXPONENT = r"e(?:-\d+|\+?[0-7]?\d)"  # together with 20 digits far below what is too large for a record
_POSITIVE = rf"(?:0|[1-9]\d{{0,19}})(?:\.\d+(?:{_EXPONENT})?|{_EXPONENT})"
_REAL = rf"(-?{_POSITIVE})"
_REAL_OR_NULL = rf"(?:null|{_REAL})"
_BEGINNING = re.compile(
    rf'\{{"schema":{SCHEMA},"cell":\{{"estimator":{_TEXT},"task":{_TEXT},"n":{_WHOLE},"seed":{_WHOLE},"id":{_TEXT}\}},'
    rf'"status":"(\w+)","mi":{_REAL_OR_NULL},"stderr":{_REAL_OR_NULL},"truth":{_REAL_OR_NULL},"truth_error":{_REAL},'
)
_MIDDLE = re.compile(
    rf'"wall_s":({_POSITIVE}),"cpu_s":({_POSITIVE}),"batch_size":{_WHOLE},"message":{_TEXT},"again":{_WHOLE},(?="diagnostics":)'
)
_END = re.compile(rf',"time":{_TEXT}\}}$')
_CHECKSUM = re.compile(rb',"checksum":"([0-9a-f]{8})"}\n')
_LENGTH = len(b',"checksum":"00000000"}\n')
_LABEL = ',"checksum":"'
_DESCRIBED = (
    "estimator_name", "estimator_params", "task_name", "task_params", "estimator_version", "task_version", "kind",
    "quantity", "role", "varies", "reference", "reads_task", "family", "dim_x", "dim_y",
)  # fmt: skip
_ANSWERED = ("diagnostics", "curve", "group", "arm", "metrics", "metric_info", "images")
_STATUSES: dict[str, Status] = {str(status): status for status in Status}
# the groups of the two patterns, and what stands between and after them
_Pieces = tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...], tuple[Any, ...], dict[str, Any]]
_MOST = 20_000  # pieces that are remembered
_LONGEST = 2_000  # characters of one


class Reader:
    """Reads lines as :func:`decode` does, and remembers what recurs."""

    def __init__(self) -> None:
        self._described: dict[str, tuple[Any, ...]] = {}
        self._answered: dict[str, tuple[Any, ...]] = {}
        self._origins: dict[str, dict[str, Any]] = {}

    def decode(self, line: bytes) -> Result:
        """The result in a line.

        Raises
        ------
        Damaged, Later, Torn : there is none that can be read.
        """
        found = self._in_layout(line)
        return decode(line) if found is None else _made(*found)

    def end(self, line: bytes) -> tuple[str, End]:
        """The id of the cell in a line and how it ended: a third of the work, a fifth of the memory of the result.

        Raises
        ------
        Damaged, Later, Torn : there is none that can be read.
        """
        found = self._in_layout(line)
        if found is None:
            result = decode(line)
            return result.cell.id, End(result.status, result.again)
        (_, _, _, _, id, status, *_), (*_, again), *_ = found
        return id, _end(status, again)

    def _in_layout(self, line: bytes) -> _Pieces | None:
        checksum = _CHECKSUM.fullmatch(line, len(line) - _LENGTH)
        if checksum is None or not line.isascii() or (b"\\" in line and b"\\u" in line):
            return None
        if zlib.crc32(memoryview(line)[: checksum.start()]) != int(checksum[1], 16):
            return None
        text = line[: checksum.start()].decode("ascii")
        beginning = _BEGINNING.match(text)
        cut = text.find(',"wall_s":')
        middle = _MIDDLE.match(text, cut + 1)
        origin = text.rfind(',"provenance":{')
        if beginning is None or middle is None or origin < middle.end() or beginning.end() > cut:
            return None
        described = self._members(self._described, _DESCRIBED, text[beginning.end() : cut])
        answered = self._members(self._answered, _ANSWERED, text[middle.end() : origin])
        provenance = self._origin(text[origin + len(',"provenance":') :])
        if described is None or answered is None or provenance is None:
            return None
        if beginning[6] not in _STATUSES:
            return None
        return beginning.groups(), middle.groups(), described, answered, provenance

    def _members(self, known: dict[str, tuple[Any, ...]], names: tuple[str, ...], text: str) -> tuple[Any, ...] | None:
        found = known.get(text)
        if found is None:
            members = _object("{" + text + "}")
            if members is None or tuple(members) != names or (read := readable_members(members)) is None:
                return None
            found = tuple(read[name] for name in names)
            _remember(known, text, found)
        return found

    def _origin(self, text: str) -> dict[str, Any] | None:
        found = self._origins.get(text)
        if found is None:
            time = _END.search(text)
            shared = self._origins.get(before := text[: time.start()] + "}") if time else None
            if time and shared is not None:
                found = {**shared, "time": time[1]}
            elif (members := _object(text)) is None or readable_members({"provenance": members}) is None:
                return None
            else:
                found = members
                if time and (alone := _object(before)) is not None:
                    _remember(self._origins, before, alone)
            _remember(self._origins, text, found)
        return found


def _made(
    beginning: tuple[Any, ...],
    middle: tuple[Any, ...],
    described: tuple[Any, ...],
    answered: tuple[Any, ...],
    provenance: dict[str, Any],
) -> Result:
    estimator, task, n, seed, id, status, mi, stderr, truth, error = beginning
    wall, cpu, batch_size, message, again = middle
    cell = Cell(sys.intern(estimator), sys.intern(task), _whole(n), _whole(seed), id)
    numbers: Any = [None if number is None else float(number) for number in (mi, stderr, truth, error)]
    cost = float(wall), float(cpu), _whole(batch_size), message, _whole(again)
    values: Any = *numbers, *described, *cost, *answered, provenance
    return Result(cell, _STATUSES[status], *values)


@functools.lru_cache(1_000)
def _end(status: str, again: str) -> End:
    return End(_STATUSES[status], int(again))


_small = tuple(range(100_001)).__getitem__


def _whole(text: str) -> int:
    """A whole number; of the small ones there is one each."""
    return _small(int(text)) if len(text) < 6 else int(text)


def _object(text: str) -> dict[str, Any] | None:
    """A JSON object whose names differ; None of anything else."""
    if _LABEL in text:
        return None
    try:
        found = json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name that is given twice")
    return made


def _remember(known: dict[str, Any], text: str, found: Any) -> None:
    if len(text) > _LONGEST:
        return
    if len(known) >= _MOST:
        known.clear()
    known[text] = found
