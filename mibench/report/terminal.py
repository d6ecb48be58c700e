"""The leaderboard in a terminal. Colours and widths are rich's business: no escape codes where it is not one."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from mibench.group import grouped
from mibench.leaderboard.board import Board
from mibench.result import Status
from mibench.words import listed, printable

from . import tables
from .values import Entry, Table

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod
    from rich.text import Text

_STYLES = {"best": "bold green", "better": "green", "worse": "red", "muted": "dim", "": ""}
_NARROWEST_KEY = 18
_WIDEST_PIECE = 28
_WIDEST_TEXT = 40
_MOST_FAILURES = 12
_MESSAGE = 90


def show(board: Board, console: Console, unit: str = "nats") -> None:
    """Print the ranking, what stands beside it, the failures and the notes; at the end, where one looks, who is best.

    ``unit`` is nats or bits.
    """
    for table in tables.build(board, unit):
        if table.name == "failures":
            _failures(table, console)
        elif table.brief:
            print_table(table, console)
        if table.name == "ranking":
            say(console, tables.IN_SHORT)
    for note in board.notes:
        say(console, f"Note: {note}")
    if standing := tables.standing(board):
        console.print("\n" + printable(standing), style="bold", markup=False, highlight=False)


def print_table(table: Table, console: Console) -> None:
    """The table, in blocks side by side under each other where it is wider than the terminal."""
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    console.print()
    for number, block in enumerate(_blocks(table, console.width - 2)):
        title = printable(table.title) if number == 0 else None
        grid = Grid(
            title=title and Text(title),
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        for i in block:
            column = table.columns[i]
            justify: JustifyMethod = "right" if column.numeric else "left"
            grid.add_column(Text(column.heading), justify=justify, overflow="fold", max_width=block[i])
        key = min(block, key=lambda i: (table.columns[i].numeric, i))
        for row in table.rows:
            grid.add_row(*(_styled(row[i], block[i] - 2 if i == key else None) for i in block))
        console.print(grid)
    say(console, table.note)


def _blocks(table: Table, width: int) -> list[dict[int, int]]:
    """Width by column, per block; every block repeats the first text column, which names the row and may be folded."""
    keep = [i for i, column in enumerate(table.columns) if column.narrow]
    widths = {
        i: 2 + max(len(text) for text in (table.columns[i].heading, *(r[i].text for r in table.rows))) for i in keep
    }
    key = next((i for i in keep if not table.columns[i].numeric), keep[0])
    for i in keep:
        if i != key and not table.columns[i].numeric:
            widths[i] = min(widths[i], _WIDEST_TEXT)
    room = width - sum(widths[i] for i in keep if i != key)
    whole = 2 + max(len(piece) for row in table.rows for piece in _pieces(row[key].text))
    widths[key] = min(widths[key], max(room, _NARROWEST_KEY, min(whole, _WIDEST_PIECE)))
    blocks: list[dict[int, int]] = [{}]
    for i in keep:
        if blocks[-1] and sum(blocks[-1].values()) + widths[i] > width and i != key:
            blocks.append({key: widths[key]})
        blocks[-1][i] = widths[i]
    return blocks


def _failures(table: Table, console: Console) -> None:
    from rich.text import Text

    console.print(f"\n[bold]{table.title}[/bold]")
    alike = list(grouped(table.rows, lambda row: (row[1], row[3].text, row[4].text)).items())  # a task's fault is one
    for (status, where, message), rows in alike[:_MOST_FAILURES]:
        count = sum(int(row[2].value or 0) for row in rows)
        times = "" if count == 1 else f" x{count:,}"
        names = listed([row[0].text for row in rows], 3)
        text = textwrap.shorten(message, _MESSAGE, placeholder=" …")
        told = Text.assemble(f"{names}: ", _told(status, times), f" on {where}: {text}")
        for line in told.wrap(console, console.width - 2):
            console.print(Text("  ") + line)
    if len(alike) > _MOST_FAILURES:
        console.print(f"  and {len(alike) - _MOST_FAILURES} more in the report")


def say(console: Console, text: str) -> None:
    """A remark, in the background; nothing where there is none."""
    if text:
        console.print(printable(text), style="dim", markup=False, highlight=False)


def _styled(entry: Entry, width: int | None) -> Text:
    """The entry in its colour; of a name that is wider than that, parameters begin in a new line."""
    from rich.text import Text

    lines = [""]
    for piece in [entry.text] if width is None else _pieces(entry.text):
        if width is not None and lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return Text("\n".join(lines), style=_STYLES[entry.mark])


def _pieces(name: str) -> list[str]:
    """The name of a selector and its parameters."""
    return re.split(r"(?=\[)|(?<=,)", name)


def _told(status: Entry, times: str) -> Text:
    """In red, where something went wrong."""
    from rich.text import Text

    return Text(status.text + times, style="red" if Status(str(status.value)).failed else "yellow")
