"""The leaderboard as Markdown, for files, pull requests and the step summary of a CI run."""

from __future__ import annotations

from collections.abc import Sequence

from mibench.leaderboard.board import Board

from . import tables
from .values import Table


def render(board: Board, title: str, unit: str = "nats", figures: Sequence[tuple[str, str]] = ()) -> str:
    """The whole report as GitHub-flavoured Markdown.

    Parameters
    ----------
    unit : nats or bits.
    figures : (caption, relative path) of the pictures to show at the end.
    """
    parts = [f"# {title}", tables.standing(board)]
    if board.ranking:
        parts += [tables.HOW_TO_READ]
    parts += [f"> {note}" for note in board.notes]
    for table in tables.build(board, unit):
        parts += [f"## {table.title}", table.note, pipes(table)]
    if figures:
        parts += ["## Figures", *(f"![{caption}]({path})" for caption, path in figures)]
    if board.provenance:
        lines = [f"* {key}: {', '.join(values)}" for key, values in board.provenance.items()]
        parts += ["## Provenance", "\n".join(lines)]
    return "\n\n".join(part for part in parts if part) + "\n"


def pipes(table: Table) -> str:
    """The table itself, without its title and note."""
    lines = [
        [column.heading for column in table.columns],
        ["---:" if column.numeric else "---" for column in table.columns],
        *([f"**{entry.text}**" if entry.mark == "best" else entry.text for entry in row] for row in table.rows),
    ]
    return "\n".join("| " + " | ".join(_escaped(text) for text in line) + " |" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
