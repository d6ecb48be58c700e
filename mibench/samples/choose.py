"""Which columns are meant: names, numbers and ranges as people type them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase

from mibench.errors import UsageError
from mibench.words import listed, nearest

_PART = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,]*?))\s*(?:,|$)')
_RANGE = re.compile(r"(\d+)-(\d*)")


def choose(asked: str, names: Sequence[str], named: bool, where: str) -> list[int]:
    """The numbers (from 0) of the columns that ``asked`` means.

    asked : names, numbers and ranges ``2-5`` (both ends included) or ``2-``, separated by commas. A name in quotation
        marks is a name and nothing else, ``#3`` is never a name; ``gene*`` means all names that begin so (``*`` and
        ``?`` as in names of files), ``height:age`` the columns from the one to the other; a name that stands for
        several columns of an archive (``x`` for ``x[0]``, ``x[1]``) gives them all.
    named : the names are the file's own, not merely the numbers of the columns.
    """
    parts = [(asked, False)] if asked in names and named else _parts(asked, where)
    chosen = [i for text, quoted in parts for i in _one(text, quoted, names, named, where)]
    if not chosen:
        raise UsageError(f"no column of {where} is named: give names, numbers or ranges, such as 'height,3,5-7'.")
    twice, often = Counter(chosen).most_common(1)[0]
    if often > 1:
        raise UsageError(f"column '{names[twice]}' of {where} is asked for twice in '{asked}'.")
    return chosen


def _parts(asked: str, where: str) -> list[tuple[str, bool]]:
    parts, at = [], 0
    while at < len(asked):
        found = _PART.match(asked, at)
        if found is None:
            raise UsageError(f"cannot read '{asked}' as columns of {where}: separate them by commas.")
        quoted = found[1] is not None
        parts.append((found[1].replace('""', '"') if quoted else found[2], quoted))
        at = found.end()
    return [(text, quoted) for text, quoted in parts if text or quoted]


def _one(text: str, quoted: bool, names: Sequence[str], named: bool, where: str) -> list[int]:
    by_name = [i for i, name in enumerate(names) if name == text] if named and not text.startswith("#") else []
    if not by_name and named:
        by_name = [i for i, name in enumerate(names) if name.startswith(f"{text}[") and name.endswith("]")]
        if by_name:
            return by_name
    if len(by_name) > 1:
        raise UsageError(f"{len(by_name)} columns of {where} are called '{text}': give their numbers, {by_name}.")
    by_number = [] if quoted else _numbers(text.removeprefix("#"), len(names), where, bool(by_name))
    if by_name and by_number and by_name != by_number:
        raise UsageError(
            f"'{text}' is the name of column {by_name[0]} of {where} and the number of another: "
            f"write '\"{text}\"' for the name, '#{text}' for the number."
        )
    if found := by_name or by_number or ([] if quoted or not named else _by_pattern(text, names)):
        return found
    near = nearest(text, names) if named else ""
    shown = listed(names, 12) if named else f"0 to {len(names) - 1}, no names"
    raise UsageError(f"{where} has no column '{text}'; it has {shown}{f'; {near}' if near else '.'}")


def _by_pattern(text: str, names: Sequence[str]) -> list[int]:
    """The columns that ``gene*`` or ``height:age`` means; nothing where ``text`` is neither."""
    if "*" in text or "?" in text:
        return [i for i, name in enumerate(names) if fnmatchcase(name, text.replace("[", "[[]"))]
    ends = [(text[:at], text[at + 1 :]) for at, letter in enumerate(text) if letter == ":"]
    known = [sorted(map(names.index, pair)) for pair in ends if set(pair) <= set(names)]
    return list(range(known[0][0], known[0][1] + 1)) if len(known) == 1 else []


def _numbers(text: str, count: int, where: str, known: bool) -> list[int]:
    """The columns of a number or a range; nothing where ``text`` is neither, or is a known name beyond the numbers."""
    if re.fullmatch(r"[0-9]{1,9}", text):
        return [int(text)] if int(text) < count else []
    found = _RANGE.fullmatch(text)
    if found is None or known or not text.isascii():
        return []
    first, last = int(found[1]), int(found[2]) if found[2] else count - 1
    if not first <= last < count:
        raise UsageError(f"{where} has columns 0 to {count - 1}; the range '{text}' does not lie within.")
    return list(range(first, last + 1))
