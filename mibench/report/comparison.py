"""A comparison of two sets of results, for a terminal and as Markdown for the summary page of a CI run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mibench.leaderboard import changes
from mibench.leaderboard.changes import Comparison, Verdict
from mibench.leaderboard.schema import meaning

from .values import MISSING, Column, Entry, Table, Unit, number

if TYPE_CHECKING:
    from rich.console import Console

_MOST_ROWS = 10  # of tables that say where to look; JSON has them all
_MOST_NAMES = 6


def show(comparison: Comparison, console: Console, unit: str = "nats") -> None:
    """Print the tables, what was left out, and the verdict last; ``unit`` is nats or bits."""
    from .terminal import print_table, say

    for table in build(comparison, unit):
        print_table(table, console)
    for note in notes(comparison):
        say(console, f"Note: {note}")
    headline, *reasons = verdict(comparison)
    style = "bold red" if comparison.worse else "bold"
    console.print(f"\n{headline}", style=style, markup=False, highlight=False)
    for reason in reasons:
        console.print(f"  {reason}", markup=False, highlight=False)


def markdown(comparison: Comparison, title: str, unit: str = "nats") -> str:
    """The same as GitHub-flavoured Markdown, the verdict first."""
    from .markdown import pipes

    headline, *reasons = verdict(comparison)
    parts = [f"## {title}", f"**{headline}**", "\n".join(f"* {reason}" for reason in reasons)]
    for table in build(comparison, unit):
        parts += [f"### {table.title}", table.note, pipes(table)]
    parts += [f"> {note}" for note in notes(comparison)]
    return "\n\n".join(part for part in parts if part) + "\n"


def verdict(comparison: Comparison) -> list[str]:
    """Whether there is a regression, and every reason for it."""
    worse = comparison.worse
    estimators, cells = _count(len(comparison.changes), "estimator"), _count(comparison.cells, "cell")
    if not comparison.answered:
        return ["Nothing could be compared."]
    if not worse:
        return [f"No regression: {estimators} on {cells} that both have."]
    are = "is" if len(worse) == 1 else "are"
    headline = f"Regression: {len(worse)} of {estimators} {are} worse on {cells} that both have."
    return [headline, *(f"{row.estimator}: {'; '.join(row.reasons)}" for row in worse)]


def build(comparison: Comparison, unit: str = "nats") -> list[Table]:
    """Every table that has rows."""
    u = Unit(unit)
    tables = [
        _estimators(comparison, u),
        _points(comparison.points, u),
        _failures(comparison.failures),
        _metrics(comparison.metrics),
    ]
    return [table for table in tables if table.rows]


def notes(comparison: Comparison) -> Iterable[str]:
    """What a reader must know: what was left out, and what else differs between the two sides."""
    for row in comparison.left_out:
        yield (
            f"{_count(row.cells, 'cell')} not compared, {row.reason}: {_names(row.estimators)}; "
            f"tasks: {_names(row.tasks)}."
        )
    for change in comparison.changes:
        if change.settings:
            yield f"{change.estimator} changed: {'; '.join(change.settings)}."
    differing = [f"{key.removeprefix('versions.')} {a} → {b}" for key, (a, b) in comparison.environment.items()]
    if differing:
        yield f"The sides were measured with different versions or machines: {'; '.join(differing)}."
    if not comparison.like_with_like:
        yield "CPU times are not like with like: machines differ, or the sizes of the batches that cells were run in."


def _estimators(comparison: Comparison, unit: Unit) -> Table:
    row_type = changes.EstimatorChange

    def column(heading: str, name: str, numeric: bool = True) -> Column:
        return Column(heading, meaning(row_type, name), numeric)

    columns = [
        column("estimator", "estimator", numeric=False),
        column("verdict", "verdict", numeric=False),
        column("score BASE", "base_score"),
        column("NEW", "new_score"),
        column("difference", "difference"),
        Column("95 % interval", "t interval of the difference over families."),
        column("|err| BASE", "base_error"),
        column("NEW", "new_error"),
        column("fail now", "broken"),
        column("work now", "mended"),
        column("CPU", "cpu_ratio"),
        Column("cells", meaning(row_type, "cells"), narrow=False),
    ]
    lines = [
        (
            Entry(row.estimator, row.estimator),
            _verdict(row.verdict),
            Entry(number(row.base_score), row.base_score),
            Entry(number(row.new_score), row.new_score),
            Entry(number(row.difference, signed=True), row.difference, _mark(row.verdict)),
            _interval(row.low, row.high),
            unit.entry(row.base_error),
            unit.entry(row.new_error),
            Entry(str(row.broken or MISSING), row.broken, "worse" if row.broken else ""),
            Entry(str(row.mended or MISSING), row.mended, "better" if row.mended else ""),
            Entry(MISSING if row.cpu_ratio is None else f"× {row.cpu_ratio:.2f}", row.cpu_ratio),
            Entry(str(row.cells), row.cells),
        )
        for row in comparison.changes
    ]
    note = (
        f"Worse: a score that fell by more than {comparison.tolerance:g}, or a cell that fails now. Unchanged: every "
        f"answer is the same. Scores are the leaderboard's, on the cells that both have. |err|: mean |error| in "
        f"{unit.name}, where both have an answer. CPU: NEW over BASE."
    )
    return _without_empty(Table("changes", "NEW against BASE", note, tuple(columns), tuple(lines)))


def _points(rows: Sequence[changes.PointChange], unit: Unit) -> Table:
    columns = _columns(changes.PointChange, "estimator", "task", "n", "base_error", "new_error", "growth", "seeds")
    lines = tuple(
        (
            Entry(row.estimator, row.estimator),
            Entry(row.task, row.task),
            Entry(f"{row.n:,}", row.n),
            unit.entry(row.base_error),
            unit.entry(row.new_error),
            unit.entry(row.growth, signed=True),
            Entry(str(row.seeds), row.seeds),
        )
        for row in rows[:_MOST_ROWS]
    )
    note = f"Mean |error| over seeds, in {unit.name}.{_more(rows)}"
    return Table("points", "Where the error grew most", note, columns, lines)


def _failures(rows: Sequence[changes.NewFailure]) -> Table:
    columns = _columns(changes.NewFailure, "estimator", "task", "n", "seeds", "status", "message")
    lines = tuple(
        (
            Entry(row.estimator, row.estimator),
            Entry(row.task, row.task),
            Entry(f"{row.n:,}" if row.n else MISSING, row.n),
            Entry(", ".join(map(str, row.seeds))),
            Entry(row.status, row.status, "worse"),
            Entry(row.message or MISSING),
        )
        for row in rows[:_MOST_ROWS]
    )
    return Table("failures", "Cells that fail now", _more(rows).strip(), columns, lines)


def _metrics(rows: Sequence[changes.MetricChange]) -> Table:
    """Metrics that moved, those with a verdict first."""
    order = list(Verdict)
    moved = [row for row in rows if row.verdict != Verdict.UNCHANGED]
    moved.sort(key=lambda row: order.index(Verdict(row.verdict)))
    columns = (
        *_columns(changes.MetricChange, "estimator", "task", "metric", "verdict", "base", "new", "difference"),
        Column("95 % interval", "t interval of the paired difference over seeds."),
        *_columns(changes.MetricChange, "seeds"),
    )
    lines = tuple(
        (
            Entry(row.estimator, row.estimator),
            Entry(row.task, row.task),
            Entry(f"{row.metric} {'↓' if row.better == 'lower' else '↑'}", row.metric),
            _verdict(row.verdict),
            Entry(number(row.base), row.base),
            Entry(number(row.new), row.new),
            Entry(number(row.difference, signed=True), row.difference, _mark(row.verdict)),
            _interval(row.low, row.high),
            Entry(str(row.seeds), row.seeds),
        )
        for row in moved[: 2 * _MOST_ROWS]
    )
    note = (
        f"Means over the seeds that both have; {len(rows) - len(moved)} of {len(rows)} are unchanged and not shown. "
        "Worse or better: beyond the tolerance, by a paired t test over seeds (5 % level, Holm-adjusted)."
    )
    note += _more(moved, 2 * _MOST_ROWS)
    return Table("metrics", "Metrics of downstream and consistency tasks", note, columns, lines)


_HEADINGS = {"base_error": "BASE", "new_error": "NEW", "base": "BASE", "new": "NEW", "message": "what happened"}
_WORDS = ("estimator", "task", "metric", "verdict", "status", "message")


def _columns(row: type, *names: str) -> tuple[Column, ...]:
    return tuple(Column(_HEADINGS.get(name, name), meaning(row, name), name not in _WORDS) for name in names)


def _verdict(word: str) -> Entry:
    return Entry(word, word, _mark(word) or ("muted" if word == Verdict.UNCHANGED else ""))


def _mark(word: str) -> str:
    return str(word) if word in (Verdict.WORSE, Verdict.BETTER) else ""


def _interval(low: float | None, high: float | None) -> Entry:
    if low is None or high is None:
        return Entry(MISSING)
    return Entry(f"[{number(low, signed=True)}, {number(high, signed=True)}]", low)


def _without_empty(table: Table) -> Table:
    """The table without columns that say nothing, as scores where only downstream tasks were run."""
    keep = [i for i in range(len(table.columns)) if any(row[i].text != MISSING for row in table.rows)]
    columns = tuple(table.columns[i] for i in keep)
    return Table(table.name, table.title, table.note, columns, tuple(tuple(row[i] for i in keep) for row in table.rows))


def _more(rows: Sequence[Any], most: int = _MOST_ROWS) -> str:
    return f" {len(rows) - most} more: see --json." if len(rows) > most else ""


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
