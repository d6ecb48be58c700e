"""One task on the page: what it is, where it comes from, what is known of it, and how every estimator did on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mibench.errors import MibenchError
from mibench.group import grouped
from mibench.leaderboard.board import Board
from mibench.leaderboard.schema import Column, TaskRow, columns
from mibench.registry import tasks
from mibench.task import Task

from .docstring import plain
from .embedded import about
from .flat import measured, measures
from .portraits import linked
from .style import anchors
from .values import Entry, Table, Unit, natural, number


@dataclass(frozen=True)
class TaskCard:
    """What is shown of one task.

    construction : how its samples come about; citation : pieces of text, each with the address that it links to.
    Both are empty where the plug-in is not installed here.
    """

    name: str
    anchor: str
    family: str
    construction: str
    citation: Sequence[tuple[str, str]]
    facts: Sequence[tuple[str, str]]
    estimators: Table


def task_cards(board: Board, unit: Unit) -> list[TaskCard]:
    """Those of all tasks whose mutual information is known, family by family."""
    rows = grouped(board.tasks, lambda row: row.task)
    names = sorted(rows, key=lambda name: (rows[name][0].family, natural(name)))
    entrants = {row.estimator for row in board.ranking if not row.yardstick}
    return [_card(name, at, rows[name], entrants, unit) for name, at in anchors("task", names).items()]


def _card(name: str, anchor: str, rows: Sequence[TaskRow], entrants: Collection[str], unit: Unit) -> TaskCard:
    construction, citation = _told(name)
    sizes, truths = sorted({row.n for row in rows}), sorted({row.truth for row in rows})
    error = max(row.truth_error for row in rows)
    true = " to ".join(dict.fromkeys(number(unit(value)) for value in (truths[0], truths[-1])))
    facts = [
        ("mutual information", f"{true} {unit.name}" + (f", known to within {error:.1g} nats" if error else "")),
        ("dimensions", f"{rows[0].dim_x} + {rows[0].dim_y}"),
        ("samples", ", ".join(f"{n:,}" for n in sizes)),
    ]
    table = _estimators(name, rows, entrants, unit)
    return TaskCard(name, anchor, rows[0].family, construction, linked(citation), facts, table)


def _told(name: str) -> tuple[str, str]:
    """Its construction and its source; nothing where the plug-in is not here or has changed since."""
    try:
        task = tasks.create(name)
        if isinstance(task, Task):
            return plain(" ".join(task.construction.split())), task.citation
    except MibenchError:
        pass
    return "", ""


def _estimators(name: str, rows: Sequence[TaskRow], entrants: Collection[str], unit: Unit) -> Table:
    """Every estimator, in the order of the ranking, at every sample size."""
    headings = (Column("estimator", numeric=False), columns(TaskRow)["n"], *measured())
    competing = grouped((row for row in rows if row.estimator in entrants), lambda row: row.n)
    least = {n: min(row.median_error for row in own) for n, own in competing.items()}
    lines, whose = [], []
    for row in rows:
        best = row.estimator in entrants and row.median_error == least[row.n]
        named = Entry(row.estimator, row.estimator), Entry(f"{row.n:,}", row.n)
        lines.append((*named, *measures(row, unit, best)))
        whose.append(about(estimator=row.estimator, task=row.task, n=row.n))
    note = f"Mean estimate ± standard deviation over seeds, in {unit.name}."
    return Table(f"on-{name}", f"{name}, estimator by estimator", note, headings, tuple(lines), whose=tuple(whose))
