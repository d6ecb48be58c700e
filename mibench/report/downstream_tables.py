"""The tables of downstream tasks: arms by metrics, beside them the paired difference to the control arm."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mibench.group import grouped
from mibench.leaderboard.board import Board
from mibench.leaderboard.schema import Column, Downstream, Flag, columns

from .embedded import about
from .flat import interval
from .values import MISSING, Entry, Table, mean_over_seeds, number, seconds

_LONG = 12  # letters of a control arm's name in a heading


def downstream(board: Board) -> list[Table]:
    """One table per downstream task: arms by metrics, with paired differences to the control."""
    flags = grouped(board.flags, lambda row: row.group)
    by_group = grouped(board.downstream, lambda row: row.group)
    return [_downstream(group, own, flags.get(group, ())) for group, own in by_group.items()]


def _downstream(group: str, own: Sequence[Downstream], flags: Sequence[Flag]) -> Table:
    metrics = grouped(own, lambda row: row.metric)
    control = next((row.arm for row in own if row.control), None)
    of_row = columns(Downstream)
    headings = [of_row["arm"], of_row["seeds"]]
    for name, cells in metrics.items():
        unit = f" ({cells[0].unit})" if cells[0].unit else ""
        arrow = {"lower": " ↓", "higher": " ↑"}.get(cells[0].better, "")
        headings.append(Column(f"{name.replace('_', ' ')}{unit}{arrow}", cells[0].description))
        if control is not None and cells[0].better:
            versus = f"vs {control}" if len(control) <= _LONG else "vs control"
            headings.append(dataclasses.replace(of_row["difference"], heading=versus))
        if any(row.published for row in cells):
            headings.append(dataclasses.replace(of_row["published"], numeric=True))
    headings.append(of_row["cpu_s"])
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
    whose = tuple(about(group=group, arm=line[0].text) for line in lines)
    return Table(f"downstream-{group}", group, note, tuple(headings), tuple(lines), whose=whose)


def _difference(row: Downstream) -> Entry:
    if row.control:
        return Entry("control", 0.0, "muted")
    difference = number(row.difference, signed=True)
    if row.low is None or row.high is None:
        return Entry(difference, row.difference)
    good = (row.low > 0) == (row.better == "higher")
    separated = row.low > 0 or row.high < 0
    mark = ("better" if good else "worse") if separated and row.better else ""
    return Entry(f"{difference} {interval(row.low, row.high).text}", row.difference, mark)
