"""One estimator on the page: what is known of it, its place, its tasks and its failures."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mibench.group import grouped
from mibench.leaderboard.board import Board
from mibench.leaderboard.schema import TaskRow, columns
from mibench.registry import estimators
from mibench.result import Result

from .docstring import documented, plain
from .embedded import about
from .flat import measured, measures
from .style import anchors
from .tables import failures_of
from .values import Entry, Table, Unit, natural

_REFERENCE = re.compile(r"\b(?:doi:\s*)?(10\.\d{4,9}/[^\s,;]*[^\s,;.)])|\barXiv:\s*(\d{4}\.\d{4,5})", re.IGNORECASE)


@dataclass(frozen=True)
class Portrait:
    """What is shown of one estimator.

    about : the first sentence of its documentation; citation : pieces of text, each with the address that it links to.
    Both are empty where the plug-in is not installed here. trains : whether it left training curves.
    """

    name: str
    anchor: str
    about: str
    citation: Sequence[tuple[str, str]]
    parameters: str
    version: str
    trains: bool
    tasks: Table
    failures: Table


def portraits(board: Board, unit: Unit) -> list[Portrait]:
    """Those of all estimators that were ranked or stand beside, in the order of the ranking."""
    ran = grouped(board.ran, lambda r: r.cell.estimator)
    rows = grouped(board.tasks, lambda row: row.estimator)
    return [_portrait(name, at, ran[name], rows[name], board, unit) for name, at in anchors("estimator", rows).items()]


def linked(citation: str) -> list[tuple[str, str]]:
    """The text in pieces, each with an address or none: those of the DOI and arXiv numbers that it names."""
    pieces, end = [], 0
    for match in _REFERENCE.finditer(citation):
        address = f"https://doi.org/{match[1]}" if match[1] else f"https://arxiv.org/abs/{match[2]}"
        pieces += [(citation[end : match.start()], ""), (match.group(), address)]
        end = match.end()
    return [piece for piece in [*pieces, (citation[end:], "")] if piece[0]]


def _portrait(
    name: str, anchor: str, ran: Sequence[Result], rows: Sequence[TaskRow], board: Board, unit: Unit
) -> Portrait:
    factory: Callable[..., Any] | None = estimators.known(ran[0].estimator_name)
    citation = getattr(factory, "citation", "")
    return Portrait(
        name,
        anchor,
        plain(documented(factory).summary) if factory else "",
        linked(citation) if isinstance(citation, str) else [],
        _written(ran[0].estimator_params),
        ", ".join(sorted({r.estimator_version for r in ran if r.estimator_version})),
        any(r.curve and r.truth is not None for r in ran),
        _tasks(name, rows, unit),
        failures_of([row for row in board.failures if row.estimator == name], unit, f"failures-{name}"),
    )


def _written(params: Mapping[str, Any]) -> str:
    """All parameters, defaults included; a nested plug-in by its name."""
    values = {k: v.get("name", v) if isinstance(v, Mapping) else v for k, v in params.items()}
    return ", ".join(f"{k}={v}" for k, v in values.items())


def _tasks(name: str, rows: Sequence[TaskRow], unit: Unit) -> Table:
    """Every task and sample size."""
    headings = (*(columns(TaskRow)[name] for name in ("task", "n", "truth")), *measured())
    ordered = sorted(rows, key=lambda row: (natural(row.task), row.n))
    lines = [
        (Entry(row.task, row.task), Entry(f"{row.n:,}", row.n), unit.entry(row.truth), *measures(row, unit))
        for row in ordered
    ]
    note = f"Mean estimate ± standard deviation over seeds, in {unit.name}."
    whose = tuple(about(estimator=name, task=row.task, n=row.n) for row in ordered)
    return Table(f"of-{name}", f"{name}, task by task", note, headings, tuple(lines), whose=whose)
