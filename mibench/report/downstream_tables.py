"""The tables of downstream tasks: arms by metrics, beside them the paired difference to the control arm."""

from __future__ import annotations

from collections.abc import Sequence

from mibench.group import grouped
from mibench.leaderboard import schema as rows
from mibench.leaderboard.board import Leaderboard

from .values import MISSING, Column, Entry, Table, mean_over_seeds, number, seconds

_LONG = 12  # letters of a control arm's name in a heading


def downstream(board: Leaderboard) -> list[Table]:
    """One table per downstream task: arms by metrics, with paired differences to the control."""
    flags = grouped(board.flags, lambda row: row.group)
    by_group = grouped(board.downstream, lambda row: row.group)
    return [_downstream(group, own, flags.get(group, ())) for group, own in by_group.items()]


def _downstream(group: str, own: Sequence[rows.Downstream], flags: Sequence[rows.Flag]) -> Table:
    metrics = grouped(own, lambda row: row.metric)
    control = next((row.arm for row in own if row.control), None)
    columns = [Column("arm", numeric=False), Column("seeds")]
    for name, cells in metrics.items():
        unit = f" ({cells[0].unit})" if cells[0].unit else ""
        arrow = {"lower": " ↓", "higher": " ↑"}.get(cells[0].better, "")
        columns.append(Column(f"{name.replace('_', ' ')}{unit}{arrow}", cells[0].description))
        if control is not None and cells[0].better:
            versus = f"vs {control}" if len(control) <= _LONG else "vs control"
            columns.append(Column(versus, rows.meaning(rows.Downstream, "difference")))
        if any(row.published for row in cells):
            columns.append(Column("published", rows.meaning(rows.Downstream, "published")))
    columns.append(Column("CPU", rows.meaning(rows.Downstream, "cpu_s")))
    lines = []
    for arm, cells in grouped(own, lambda row: row.arm).items():
        of, first = {row.metric: row for row in cells}, cells[0]
        failed = f" ({first.failed} failed)" if first.failed else ""
        line = [Entry(arm, arm), Entry(f"{first.seeds}{failed}", first.seeds)]
        for name in metrics:
            row = of[name]
            line.append(mean_over_seeds(row.mean, row.se))
            if control is not None and row.better:
                line.append(_difference(row))
            if any(other.published for other in metrics[name]):
                line.append(Entry(row.published or MISSING))
        lines.append((*line, seconds(first.cpu_s)))
    note = "Mean ± standard error over seeds"
    if control is not None:
        note += (
            f"; beside it the paired difference to the control arm, {control}, with its 95 % t interval over the seeds "
            "that both have, marked where the interval excludes 0"
        )
    floors = {name.replace("_", " "): cells[0].floor for name, cells in metrics.items()}
    perfect = [f"{name} {number(floor)}" for name, floor in floors.items() if floor is not None]
    note += f". A perfect model scores: {', '.join(perfect)}." if perfect else "."
    for flag, arms in grouped(flags, lambda row: row.flag).items():
        counts = "; ".join(f"{row.arm} in {row.seeds} of {row.runs}" for row in arms)
        note += f" {flag.replace('_', ' ').capitalize()}: {counts}."
    return Table(f"downstream-{group}", group, note, tuple(columns), tuple(lines))


def _difference(row: rows.Downstream) -> Entry:
    if row.control:
        return Entry("control", 0.0, "muted")
    if row.low is None or row.high is None:
        return Entry(number(row.difference, signed=True), row.difference)
    separated = row.low > 0 or row.high < 0
    good = (row.low > 0) == (row.better == "higher")
    mark = ("better" if good else "worse") if separated and row.better else ""
    interval = f"[{number(row.low, signed=True)}, {number(row.high, signed=True)}]"
    return Entry(f"{number(row.difference, signed=True)} {interval}", row.difference, mark)
