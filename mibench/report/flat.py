"""Tables whose rows are those of the board: headings, units and signs are taken from the schema."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mibench.leaderboard.schema import Column, TaskRow, columns
from mibench.result import Status

from .values import MISSING, Entry, Unit, mean_over_seeds, number, seconds, share

Row = TypeVar("Row")
Flat = tuple[tuple[Column, ...], tuple[tuple[Entry, ...], ...]]


def flat(
    row_type: type[Row], rows: Sequence[Row], unit: Unit, /, *names: str, **written: Callable[[Row], Entry]
) -> Flat:
    """The columns and the lines of a table.

    names : the columns; those that have a heading, in the order of the JSON file, where none are given.
    written : how the entries of a column are made, by its name, where the schema does not say it all.
    """
    every = columns(row_type)
    shown = {name: every[name] for name in names or [name for name, column in every.items() if column.heading]}

    def entry(row: Row, name: str) -> Entry:
        return written[name](row) if name in written else _entry(row, name, shown[name], unit)

    return tuple(shown.values()), tuple(tuple(entry(row, name) for name in shown) for row in rows)


def measured() -> tuple[Column, ...]:
    """The columns of :func:`measures`."""
    of = columns(TaskRow)
    estimate, answered = Column("estimate", of["mean"].meaning), Column("answered", "Cells with an answer.")
    return estimate, of["median_error"], of["score"], answered, of["cpu_s"]


def measures(row: TaskRow, unit: Unit, best: bool = False) -> tuple[Entry, ...]:
    """How an estimator did on a task at one sample size; ``best``: nobody's median error is smaller."""
    answered = row.statuses.get(Status.OK, 0)
    return (
        Entry(MISSING) if row.mean is None else mean_over_seeds(unit(row.mean), unit(row.sd)),
        unit.entry(row.median_error, mark="best" if best else ""),
        Entry(f"{row.score:.3f}", row.score),
        Entry(f"{answered} of {row.cells}", answered, "worse" if answered < row.cells else ""),
        seconds(row.cpu_s),
    )


def interval(low: float | None, high: float | None, signed: bool = True) -> Entry:
    """``[+0.100, +0.300]``; that of a score, which has no sign, to two decimals."""
    if low is None or high is None:
        return Entry(MISSING)
    ends = (number(end, signed=True) if signed else f"{end:.2f}" for end in (low, high))
    return Entry(f"[{', '.join(ends)}]", low)


def _entry(row: Any, name: str, column: Column, unit: Unit) -> Entry:
    value = getattr(row, name)
    if column.to:
        return interval(value, getattr(row, column.to), column.signed)
    match column.unit:
        case "nats":
            return unit.entry(value, column.signed)
        case "share":
            return share(value)
        case "s":
            return seconds(value)
    match value:
        case str():
            return Entry(value, value) if value else Entry(MISSING)
        case int():
            return Entry(f"{value:,}", value)
        case tuple() | list():
            return Entry(", ".join(map(str, value)))
    return Entry(number(value, column.signed), value)
