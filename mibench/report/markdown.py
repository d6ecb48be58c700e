"""The leaderboard as Markdown, for files, pull requests and the step summary of a CI run."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mibench.leaderboard.board import Board
from mibench.words import printable

from . import tables
from .excerpt import rows_of
from .values import Entry, Table, recorded

_MOST_ROWS, _MOST_VALUES = 500, 20


def render(board: Board, title: str, unit: str = "nats", figures: Sequence[tuple[str, str]] = ()) -> str:
    """The whole report as GitHub-flavoured Markdown.

    Parameters
    ----------
    unit : nats or bits.
    figures : (caption, relative path) of the pictures to show at the end.
    """
    parts = [f"# {escaped(title)}", escaped(tables.standing(board))]
    if board.ranking:
        parts += [tables.how_to_read(board)]
    parts += [f"> {prose(note)}" for note in board.notes]
    for table in tables.build(board, unit):
        table = rows_of(table, _MOST_ROWS, "leaderboard.json")
        parts += [f"## {escaped(table.title)}", prose(table.note), pipes(table)]
    if figures:
        parts += ["## Figures", *(f"![{escaped(caption)}]({path})" for caption, path in figures)]
    if board.provenance:
        lines = [f"* {escaped(key)}: {escaped(value)}" for key, value in recorded(board.provenance, _MOST_VALUES)]
        parts += ["## Provenance", "\n".join(lines)]
    return "\n\n".join(part for part in parts if part) + "\n"


def pipes(table: Table) -> str:
    """The table itself, without its title and note."""
    lines = [
        [escaped(column.heading) for column in table.columns],
        ["---:" if column.numeric else "---" for column in table.columns],
        *([_bold(entry) for entry in row] for row in table.rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _bold(entry: Entry) -> str:
    return f"**{escaped(entry.text)}**" if entry.mark == "best" else escaped(entry.text)


def escaped(text: str) -> str:
    """Text that stays text: no HTML, no emphasis, no link, and neither a line nor a cell ends in it."""
    text = " ".join(printable(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*|#~]|\b_|_\b|(?<=\])\(|(?<=\]):)", r"\\\1", text)
    return text.replace("://", ":&#47;&#47;").replace("www.", "www&#46;")


def prose(text: str) -> str:
    """A sentence of ours, with `code`, in which names and messages of others may stand."""
    parts = re.split(r"`([^`|]+)`", text)
    return "".join(f"`{' '.join(printable(part).split())}`" if i % 2 else _within(part) for i, part in enumerate(parts))


def _within(part: str) -> str:
    """``escaped``, with the blanks that part it from its neighbours."""
    before, after = (" " if end.isspace() else "" for end in (part[:1], part[-1:]))
    return f"{before}{escaped(part)}{after}" if part.strip() else before
