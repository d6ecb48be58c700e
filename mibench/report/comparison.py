"""A comparison of two sets of results, for a terminal and as Markdown for the summary page of a CI run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mibench.leaderboard.changes import Comparison, EstimatorChange, MetricChange, NewFailure, PointChange, Verdict
from mibench.leaderboard.units import Over
from mibench.words import counted, listed

from .flat import flat
from .values import MISSING, Entry, Table, Unit, number

if TYPE_CHECKING:
    from rich.console import Console

_MOST_ROWS = 10  # of tables that say where to look; JSON has them all


def show(comparison: Comparison, console: Console, unit: str = "nats") -> None:
    """Print the tables, what was left out, and the verdict last; ``unit`` is nats or bits."""
    from .terminal import print_table, say

    for table in build(comparison, unit):
        print_table(table, console)
    for note in notes(comparison):
        say(console, f"Note: {note}")
    headline, *reasons = comparison.sentences
    style = "bold red" if comparison.regression else "bold"
    console.print(f"\n{headline}", style=style, markup=False, highlight=False)
    for reason in reasons:
        console.print(f"  {reason}", markup=False, highlight=False)


def markdown(comparison: Comparison, title: str, unit: str = "nats") -> str:
    """The same as GitHub-flavoured Markdown, the verdict first."""
    from .markdown import escaped, pipes, prose

    headline, *reasons = comparison.sentences
    parts = [
        f"## {escaped(title)}",
        f"**{escaped(headline)}**",
        "\n".join(f"* {escaped(reason)}" for reason in reasons),
    ]
    for table in build(comparison, unit):
        parts += [f"### {escaped(table.title)}", prose(table.note), pipes(table)]
    parts += [f"> {prose(note)}" for note in notes(comparison)]
    return "\n\n".join(part for part in parts if part) + "\n"


def build(comparison: Comparison, unit: str = "nats") -> list[Table]:
    """Every table that has rows."""
    u = Unit(unit)
    tables = [
        _estimators(comparison, u),
        _points(comparison.points, u),
        _failures(comparison.failures, u),
        _metrics(comparison.metrics, u),
    ]
    return [table for table in tables if table.rows]


def notes(comparison: Comparison) -> Iterable[str]:
    """What a reader must know: what was left out, and what else differs between the two sides."""
    for row in comparison.left_out:
        yield (
            f"{counted(row.cells, 'cell')} not compared, {row.reason}: {listed(row.estimators)}; "
            f"tasks: {listed(row.tasks)}."
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
    headings, lines = flat(
        EstimatorChange,
        comparison.changes,
        unit,
        *("estimator", "verdict", "base_score", "new_score", "difference", "low", "base_error", "new_error"),
        *("broken", "mended", "cpu_ratio", "cells"),
        verdict=_verdict,
        difference=_difference,
        broken=lambda row: Entry(str(row.broken or MISSING), row.broken, "worse" if row.broken else ""),
        mended=lambda row: Entry(str(row.mended or MISSING), row.mended, "better" if row.mended else ""),
        cpu_ratio=lambda row: Entry(MISSING if row.cpu_ratio is None else f"× {row.cpu_ratio:.2f}", row.cpu_ratio),
    )
    note = (
        f"Worse: a score that fell by more than {comparison.tolerance:g}, or a cell that fails now. Unchanged: every "
        f"answer is the same. Scores are the leaderboard's, on the cells that both have. |err|: mean |error| in "
        f"{unit.name}, where both have an answer. CPU: NEW over BASE."
    )
    over = {Over(row.over).named for row in comparison.changes if row.over and row.low is not None}
    note += f" The 95 % interval is over {listed(sorted(over))}." if over else ""
    return _without_empty(Table("changes", "NEW against BASE", note, headings, lines))


def _points(rows: Sequence[PointChange], unit: Unit) -> Table:
    names = ("estimator", "task", "n", "base_error", "new_error", "growth", "seeds")
    note = f"Mean |error| over seeds, in {unit.name}.{_more(rows)}"
    return Table("points", "Where the error grew most", note, *flat(PointChange, rows[:_MOST_ROWS], unit, *names))


def _failures(rows: Sequence[NewFailure], unit: Unit) -> Table:
    headings, lines = flat(
        NewFailure,
        rows[:_MOST_ROWS],
        unit,
        *("estimator", "task", "n", "seeds", "status", "message"),
        n=lambda row: Entry(f"{row.n:,}" if row.n else MISSING, row.n),
        status=lambda row: Entry(row.status, row.status, "worse"),
    )
    return Table("failures", "Cells that fail now", _more(rows).strip(), headings, lines)


def _metrics(rows: Sequence[MetricChange], unit: Unit) -> Table:
    """Metrics that moved, those with a verdict first."""
    order = list(Verdict)
    moved = [row for row in rows if row.verdict != Verdict.UNCHANGED]
    moved.sort(key=lambda row: order.index(Verdict(row.verdict)))
    headings, lines = flat(
        MetricChange,
        moved[: 2 * _MOST_ROWS],
        unit,
        *("estimator", "task", "metric", "verdict", "base", "new", "difference", "low", "seeds"),
        metric=lambda row: Entry(f"{row.metric} {'↓' if row.better == 'lower' else '↑'}", row.metric),
        verdict=_verdict,
        difference=_difference,
    )
    note = (
        f"Means over the seeds that both have; {len(rows) - len(moved)} of {len(rows)} are unchanged and not shown. "
        "Worse or better: beyond the tolerance, by a paired t test over seeds (5 % level, Holm-adjusted)."
    )
    note += _more(moved, 2 * _MOST_ROWS)
    return Table("metrics", "Metrics of downstream and consistency tasks", note, headings, lines)


def _verdict(row: EstimatorChange | MetricChange) -> Entry:
    return Entry(row.verdict, row.verdict, _mark(row) or ("muted" if row.verdict == Verdict.UNCHANGED else ""))


def _difference(row: EstimatorChange | MetricChange) -> Entry:
    return Entry(number(row.difference, signed=True), row.difference, _mark(row))


def _mark(row: EstimatorChange | MetricChange) -> str:
    return str(row.verdict) if row.verdict in (Verdict.WORSE, Verdict.BETTER) else ""


def _without_empty(table: Table) -> Table:
    """The table without columns that say nothing, as scores where only downstream tasks were run."""
    keep = [i for i in range(len(table.columns)) if any(row[i].text != MISSING for row in table.rows)]
    columns = tuple(table.columns[i] for i in keep)
    return dataclasses.replace(table, columns=columns, rows=tuple(tuple(row[i] for i in keep) for row in table.rows))


def _more(rows: Sequence[Any], most: int = _MOST_ROWS) -> str:
    return f" {len(rows) - most} more: see --json." if len(rows) > most else ""
