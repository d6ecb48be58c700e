"""What a docstring says: paragraphs, and what each parameter means.

Parameters stand under the heading ``Parameters`` or in a paragraph of their own, one ``name : meaning`` each, further
lines indented.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_HEADING = re.compile(r"\AParameters\n-+\n")
_ENTRY = re.compile(r"[\w, ]+ : ")


@dataclass(frozen=True)
class Docs:
    """A docstring; ``parameters`` are the meanings by name, or by several names that share one (``"x, y"``)."""

    paragraphs: tuple[str, ...]
    parameters: Mapping[str, str]

    @property
    def text(self) -> str:
        """All but the parameters."""
        return "\n\n".join(self.paragraphs)

    @property
    def summary(self) -> str:
        """The first paragraph on one line."""
        return " ".join(self.paragraphs[0].split()) if self.paragraphs else ""


def documented(thing: Any) -> Docs:
    """The docstring of a class or a function; what a class does not say of a parameter, its bases may."""
    own = parse(inspect.getdoc(thing) or "")
    bases = [parse(inspect.cleandoc(base.__doc__ or "")).parameters for base in getattr(thing, "__mro__", ())[:0:-1]]
    inherited = {name: meaning for base in bases for names, meaning in base.items() for name in names.split(", ")}
    return Docs(own.paragraphs, {**inherited, **own.parameters})


def parse(text: str) -> Docs:
    """The parts of a text without common indentation."""
    paragraphs: list[str] = []
    parameters: dict[str, str] = {}
    for paragraph in filter(None, text.split("\n\n")):
        entries = dict(_entries(_HEADING.sub("", paragraph)))
        parameters |= entries
        if not entries:
            paragraphs.append(paragraph)
    return Docs(tuple(paragraphs), parameters)


def _entries(paragraph: str) -> Iterator[tuple[str, str]]:
    """Names and meanings, or nothing where the paragraph is prose."""
    entries = re.split(r"\n(?=\S)", paragraph)
    if all(map(_ENTRY.match, entries)):
        for entry in entries:
            names, meaning = entry.split(" : ", 1)
            yield names, " ".join(meaning.split())


def plain(text: str) -> str:
    """Without the marks of code."""
    return re.sub(r":\w+:`~?(.*?)`", r"\1", text).replace("``", "")
