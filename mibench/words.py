"""Counted nouns, lists of names and near misses, as sentences want them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def plural(noun: str, number: int) -> str:
    """The noun as it stands after a number: ``cell``, ``cells``, ``families``."""
    if number == 1:
        return noun
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def counted(number: int, noun: str) -> str:
    """``1 cell``, ``2,000 cells``."""
    return f"{number:,} {plural(noun, number)}"


def listed(names: Sequence[str], most: int = 6) -> str:
    """``a, b, c``; where there are more than ``most``, how many more."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean 'ksg' or 'ksg2'?``, or nothing where no known name is close."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else ""
