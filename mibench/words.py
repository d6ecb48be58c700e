"""Counted nouns, lists of names, titles and near misses, as sentences want them."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Text without control characters, half characters and turns of direction: ``\x1b`` is written out.

    Names and messages are other people's; a terminal would do as it is told by them.
    """
    return _CONTROL.sub(lambda match: repr(match.group())[1:-1], text)


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


def heading(directory: Path) -> str:
    """The title of what is told of the results in a folder."""
    return f"mibench: {printable(Path(os.path.realpath(directory)).name)}"


OWN_FILE = "what a file of your own defines is known with --include FILE."
"""For those who ask for a plug-in that is not known."""


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean 'ksg' or 'ksg2'?``, or nothing where no known name is close."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else ""
