"""Lists and information cards for the terminal; ``catalogue`` and ``cards`` say what is in them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mibench.group import grouped
from mibench.task import TaskKind
from mibench.words import counted

from .cards import Card, Parameter
from .catalogue import EstimatorRow, GridRow, TaskRow, dimensions

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Row = EstimatorRow | TaskRow | GridRow

_LEAST = 28  # columns that a description needs


def show_list(rows: Sequence[Row], console: Console) -> None:
    """Print rows under the headings of their groups."""
    from rich.text import Text

    widest = max((len(row.name) for row in rows), default=0)
    for group, own in grouped(rows, lambda row: row.group).items():
        if group:
            console.print(Text(f"\n{group}", style="bold"))
        if tasks := [row for row in own if isinstance(row, TaskRow)]:
            _show_tasks(tasks, console)
            continue
        table = _bare()
        table.add_column(min_width=min(widest, 36), max_width=48, overflow="fold")
        if isinstance(own[0], EstimatorRow):
            table.add_column(min_width=14, no_wrap=True)
        table.add_column(overflow="fold")
        for row in own:
            if not isinstance(row, TaskRow):
                table.add_row(Text(row.name, style="cyan"), *_cells(row))
        console.print(table)
    console.print(Text(_advice(rows), style="dim"))


def _show_tasks(rows: Sequence[TaskRow], console: Console) -> None:
    """Tasks of a family, one a line: what does not fit of a description, or was just said, is left out."""
    from rich.text import Text

    cells = [(row.name, dimensions(row), _known(row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    room = console.width - sum(width + 2 for width in widths if width)
    before = ""
    for row, (name, size, known) in zip(rows, cells, strict=True):
        said = row.remark or row.summary
        short = _shortened(said, room) if said != before else ""
        before = said
        line = Text(name.ljust(widths[0] + 2), style="cyan")
        for text, width in ((size, widths[1]), (known, widths[2])):
            line.append(text.rjust(width) + "  " if width else "", style="default")
        line.append(short, style="yellow" if row.remark else "default")
        line.rstrip()
        console.print(line, soft_wrap=True)


def _known(row: TaskRow) -> str:
    """The truth as a list shows it."""
    if row.kind is not TaskKind.INFORMATION:
        return ""
    return "n/a" if row.mutual_information is None else f"{row.mutual_information:.4f} nats"


def _shortened(text: str, room: int) -> str:
    """As many whole words as there is room for; a few would say nothing."""
    return "" if room < _LEAST else textwrap.shorten(text, room, break_on_hyphens=False, placeholder=" ...")


def show_card(card: Card, console: Console) -> None:
    """Print everything about one plug-in or grid."""
    from rich.text import Text

    console.print(Text.assemble((card.name, "bold cyan"), f"  {card.what}"))
    if card.text:
        console.print()
        console.print(Text(_flowing(card.text)))
    console.print()
    _pairs(card.facts, console)
    if card.parameters:
        console.print(Text("\nparameters", style="bold"))
        table = _bare()
        for width in (None, 30, None):
            table.add_column(overflow="fold", max_width=width)
        for parameter in card.parameters:
            given = parameter.value is not None and parameter.value != parameter.default
            said = "required" if parameter.default is None else f"default {parameter.default}"
            note = Text(f"{parameter.value}  ({said})" if given else said)
            meaning = _meaning(parameter, [p.name for p in card.parameters if p.meaning == parameter.meaning])
            allowed = _allowed(parameter)
            told = Text.assemble(meaning, (f" ({allowed})" if meaning and allowed else allowed, "dim"))
            table.add_row(Text(parameter.name, style="cyan"), note, told)
        console.print(table)
    for name, rows in card.tables.items():
        console.print(Text(f"\n{name}", style="bold"))
        shown = [{key: _written(value) for key, value in row.items() if value not in ("", [], {}, ())} for row in rows]
        if all({"name", "description"} <= row.keys() for row in shown):
            console.print(_named(shown))
            continue
        for number, row in enumerate(shown):
            if number:
                console.print()
            _pairs(row, console)
    if card.source:
        console.print(Text(f"\n{card.source}", style="dim"), soft_wrap=True)


def _named(rows: Sequence[Mapping[str, str]]) -> Table:
    """Whatever has a name and a description, one a line; what else is said of it stands in brackets."""
    from rich.text import Text

    table = _bare()
    for row in rows:
        rest = "; ".join(f"{key}: {value}" for key, value in row.items() if key not in ("name", "description"))
        said = row["description"].removesuffix(".")
        table.add_row(Text(row["name"], style="cyan"), Text.assemble(said, (f" ({rest})" if rest else "", "dim")))
    return table


def _meaning(parameter: Parameter, alike: Sequence[str]) -> str:
    """What it means; where several share a meaning, the first tells it of all of them."""
    if not parameter.meaning or len(alike) == 1:
        return parameter.meaning.removesuffix(".")
    if parameter.name != alike[0]:
        return f"see {alike[0]}"
    return f"{', '.join(alike)}: {parameter.meaning.removesuffix('.')}"


def _allowed(parameter: Parameter) -> str:
    """What it may be, where the meaning does not name every choice already."""
    choices = re.fullmatch(r"one of ('[^']*'(?:, '[^']*')*)", parameter.type)
    named = choices and all(f'"{name}"' in parameter.meaning for name in re.findall(r"'([^']*)'", choices[1]))
    return "" if named else parameter.type


def _flowing(text: str) -> str:
    """Paragraphs as one line each, for any width; what is indented or listed stays as it was written."""
    paragraphs = text.split("\n\n")
    as_written = re.compile(r"^(\s|[*-] )", re.MULTILINE)
    return "\n\n".join(part if as_written.search(part) else " ".join(part.split("\n")) for part in paragraphs)


def _cells(row: EstimatorRow | GridRow) -> list[Any]:
    from rich.text import Text

    if isinstance(row, EstimatorRow):
        return [Text(row.kind), Text(row.summary)]
    sizes = f"n {' '.join(f'{n:,}' for n in row.n)}; " if row.n else ""
    return [Text(f"{row.description} ({sizes}{counted(row.seeds, 'seed')})")]


def _advice(rows: Sequence[Row]) -> str:
    nouns = {EstimatorRow: "estimator", TaskRow: "task", GridRow: "grid"}
    noun = nouns[type(rows[0])] if rows else "name"
    return f"\n{counted(len(rows), noun)}; `mibench info NAME` tells more."


def _pairs(facts: Mapping[str, str], console: Console) -> None:
    from rich.text import Text

    table = _bare()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in facts.items():
        table.add_row(Text(label, style="bold"), Text(text))
    console.print(table)


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(f"{item:,}" if isinstance(item, int) else str(item) for item in value)
    return str(value)


def _bare() -> Table:
    from rich.table import Table

    return Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False, expand=False)
