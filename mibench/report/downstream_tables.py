"""The tables of downstream tasks: what was better than the control, and arms by metrics with paired differences."""

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
    """What was better than the control, where there are several tasks, and one table per task: arms by metrics."""
    flags = grouped(board.flags, lambda row: row.group)
    by_group = grouped(board.downstream, lambda row: row.group)
    every = [_downstream(group, own, flags.get(group, ())) for group, own in by_group.items()]
    return [overview(board), *every] if len(every) > 1 else every


def overview(board: Board) -> Table:
    """One line per task: by its first metric, which arms are better than the control and which are worse."""
    meaning = "Arms whose 95 % interval excludes 0, and the mean paired difference to the control."
    headings = (
        Column("task", numeric=False),
        Column("metric", "The first metric of the task that has a better direction.", numeric=False),
        Column("control", "Mean of the control arm over seeds."),
        Column("better", meaning, numeric=False),
        Column("worse", meaning, numeric=False),
        Column(
            "undecided",
            "Arms whose interval reaches 0, or that have none: one seed, or fewer than six that all differ alike.",
            numeric=False,
        ),
    )
    lines, whose = [], []
    for group, own in grouped(headlines(board), lambda row: row.group).items():
        control = next(row for row in own if row.control)
        of = grouped((row for row in own if row.difference is not None), verdict)
        named = [_named(of.get(name, ()), own[0].better, name) for name in ("better", "worse", "")]
        lines.append((Entry(group, group), Entry(_heading(control)), Entry(number(control.mean), control.mean), *named))
        whose.append(about(group=group, arm=control.arm))
    note = (
        "Each task by its first metric. Better and worse: the 95 % t interval of the paired difference over seeds "
        "excludes 0. Each interval stands for itself: where nothing differs, one comparison in twenty looks decided."
    )
    title = "Better than the control"
    return Table("downstream", title, note, headings, tuple(lines), whose=tuple(whose))


def headlines(board: Board) -> list[Downstream]:
    """The rows of the first metric that has a better direction, of every task whose control has a value of it."""
    rows = []
    for own in grouped((r for r in board.downstream if r.better), lambda row: row.group).values():
        known = [row.metric for row in own if row.control and row.mean is not None]
        rows += [row for row in own if row.metric == known[0]] if known else []
    return rows


def verdict(row: Downstream) -> str:
    """``better`` or ``worse`` than the control where the interval of the difference excludes 0, else nothing.

    Without an interval (one seed, or a few whose differences are equal) nothing is decided.
    """
    if row.low is None or row.high is None or not row.better or row.low <= 0 <= row.high:
        return ""
    return "better" if (row.low > 0) == (row.better == "higher") else "worse"


def _named(rows: Sequence[Downstream], better: str, mark: str) -> Entry:
    """The arms with their differences, the best first."""
    ordered = sorted(rows, key=lambda row: (row.difference or 0.0) * (-1 if better == "higher" else 1))
    told = "; ".join(f"{row.arm} {number(row.difference, signed=True)}" for row in ordered)
    return Entry(told or MISSING, None, mark if told and mark else "muted")


def _heading(row: Downstream) -> str:
    arrow = {"lower": " ↓", "higher": " ↑"}.get(row.better, "")
    return f"{row.metric.replace('_', ' ')}{f' ({row.unit})' if row.unit else ''}{arrow}"


def _downstream(group: str, own: Sequence[Downstream], flags: Sequence[Flag]) -> Table:
    metrics = grouped(own, lambda row: row.metric)
    control = next((row.arm for row in own if row.control), None)
    compared = {row.metric for row in own if row.control and row.better and row.mean is not None}
    of_row = columns(Downstream)
    headings = [of_row["arm"], of_row["seeds"]]
    for name, cells in metrics.items():
        headings.append(Column(_heading(cells[0]), cells[0].description))
        if name in compared:
            versus = f"vs {control}" if len(control or "") <= _LONG else "vs control"
            headings.append(dataclasses.replace(of_row["difference"], heading=versus, beneath=True))
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
            if name in compared:
                line.append(_difference(row))
            if any(other.published for other in metrics[name]):
                line.append(Entry(row.published or MISSING))
        lines.append((*line, seconds(first.cpu_s)))
    note = "Mean ± standard error over seeds"
    if control is not None:
        note += (
            f"; with it the paired difference to the control arm, {control}, with its 95 % t interval over the seeds "
            "that both have, marked where the interval excludes 0; a few seeds that all differ alike have no interval"
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
    return Entry(f"{difference} {interval(row.low, row.high).text}", row.difference, verdict(row))
