"""The tables of a report as neutral values: headings, formatted cells, marks. Terminal, Markdown and HTML render them.

Nothing is computed here but layout; the numbers and the meaning of every column come from the leaderboard.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from mibench.group import grouped
from mibench.leaderboard import schema as rows
from mibench.leaderboard import scoring
from mibench.leaderboard.board import FALSE_ALARM, Leaderboard
from mibench.result import Status

from .downstream_tables import downstream
from .values import MISSING, Column, Entry, Table, Unit, mean_over_seeds, natural, number, seconds, share

TIED = "≈"

IN_SHORT = (
    "Score, 0 to 1: area under the ECDF of |error| over log-spaced tolerances; 1: every error is below 0.01 nat, each "
    "factor of ten costs a third, a failed cell scores 0."
)
HOW_TO_READ = (
    "Score: the area under the curve of the share of estimates within a tolerance of the true mutual information, over "
    "log-spaced tolerances from 0.01 to 10 nats. 1: every error is at most 0.01 nat; each factor of ten in the error "
    "costs a third; a failed cell scores 0. Averaged over seeds, sample sizes, tasks, then families. The interval is a "
    f"95 % t interval over families; {TIED} marks what cannot be told apart from the best (paired t test over "
    "families, Holm-adjusted)."
)


def build(board: Leaderboard, unit: str = "nats") -> list[Table]:
    """Every table that has rows, in the order of a report."""
    u = Unit(unit)
    tables = [
        ranking(board, u),
        families(board),
        independence(board, u),
        unranked(board, u),
        objective(board, u),
        equitability(board, u),
        consistency(board),
        *downstream(board),
        failures(board),
    ]
    return [table for table in tables if table.rows]


def ranking(board: Leaderboard, unit: Unit) -> Table:
    """The leaderboard."""
    columns = (
        Column("#", rows.meaning(rows.Ranking, "rank")),
        Column("estimator", rows.meaning(rows.Ranking, "estimator"), numeric=False),
        Column("kind", rows.meaning(rows.Ranking, "kind"), numeric=False, narrow=False),
        _summary_column("score", "score"),
        Column("95 % interval", "t interval of the score over families."),
        _summary_column("med |err|", "median_error"),
        _summary_column("bias", "bias"),
        _summary_column("sd", "sd"),
        _summary_column("success", "success"),
        _summary_column("failed", "failures"),
        _summary_column("cover", "coverage"),
        _summary_column("wall", "wall_s"),
        _summary_column("CPU", "cpu_s"),
    )
    lines = tuple(
        (
            _place(row),
            Entry(row.estimator, row.estimator, "best" if row.rank == 1 else ""),
            Entry(row.kind, row.kind),
            Entry(f"{row.score:.3f}", row.score, "best" if row.rank == 1 else ""),
            Entry(MISSING if row.low is None else f"[{row.low:.2f}, {row.high:.2f}]", row.low),
            *_summary_entries(row, unit),
        )
        for row in board.ranking
    )
    note = f"Errors in {unit.name}; times are medians per cell. {_legend(board)}"
    return Table("ranking", "Leaderboard", note, columns, lines)


def families(board: Leaderboard) -> Table:
    """Score per estimator and family."""
    names = sorted({row.family for row in board.families})
    if len(names) < 2:
        names = []
    by_estimator = grouped(board.families, lambda row: row.estimator)
    columns = (Column("estimator", numeric=False), *(Column(name) for name in names))
    best = {
        f: max((r.score for r in board.families if r.family == f and _competes(board, r)), default=2.0) for f in names
    }
    lines = []
    for estimator, own in by_estimator.items():
        scores = {row.family: row.score for row in own}
        entrant = any(_competes(board, row) for row in own)
        cells = [_score(scores.get(f), "best" if entrant and scores.get(f) == best[f] else "") for f in names]
        lines.append((Entry(estimator, estimator), *cells))
    note = "The score within each family; the headline is the mean of these. The best entrant of a family is marked."
    return Table("families", "Score by family", note, columns, tuple(lines) if names else ())


def tasks(board: Leaderboard, family: str, unit: Unit) -> Table:
    """Mean estimate (± sd over seeds) of every estimator on the tasks of one family."""
    own = [row for row in board.tasks if row.family == family]
    estimators = list(grouped(own, lambda row: row.estimator))
    columns = (
        Column("task", numeric=False),
        Column("n"),
        Column("truth", rows.meaning(rows.TaskRow, "truth")),
        *(Column(name) for name in estimators),
    )
    lines = []
    by_cell = grouped(own, lambda row: (row.task, row.n))
    for (_, n), cells in sorted(by_cell.items(), key=lambda item: (natural(item[0][0]), item[0][1])):
        first, of = cells[0], {row.estimator: row for row in cells}
        truth = unit.entry(first.truth)
        if first.truth_error > scoring.FLOOR / 10:
            truth = Entry(f"{truth.text} ± {number(unit(first.truth_error))}", truth.value)
        entries = [_estimate(of.get(name), unit) for name in estimators]
        lines.append((Entry(first.task, first.task), Entry(f"{n:,}", n), truth, *entries))
    note = f"Mean estimate ± standard deviation over seeds, in {unit.name}; failed cells are counted in brackets."
    return Table(f"tasks-{family}", f"Estimates: {family}", note, columns, tuple(lines))


def independence(board: Leaderboard, unit: Unit) -> Table:
    """Behaviour where the mutual information is 0."""
    columns = tuple(
        Column(heading, rows.meaning(rows.Independence, name), name != "estimator", narrow=name != "cells")
        for heading, name in (
            ("estimator", "estimator"),
            ("mean |est|", "mean_abs"),
            ("mean est", "bias"),
            ("false alarms", "alarms"),
            ("> 2 std. err.", "significant"),
            ("failed", "failures"),
            ("cells", "cells"),
        )
    )
    lines = tuple(
        (
            Entry(row.estimator, row.estimator),
            unit.entry(row.mean_abs),
            unit.entry(row.bias, signed=True),
            share(row.alarms),
            share(row.significant),
            share(row.failures),
            Entry(str(row.cells), row.cells),
        )
        for row in board.independence
    )
    note = (
        f"Independent variables, MI = 0, in {unit.name}. False alarm: an estimate above {FALSE_ALARM} nat. "
        "Beside it, where an estimator states a standard error, the share of estimates above twice that error "
        "(2.3 % is right)."
    )
    return Table("independence", "Independent variables", note, columns, lines)


def unranked(board: Leaderboard, unit: Unit) -> Table:
    """Upper bounds and other quantities."""
    columns = tuple(
        Column(heading, rows.meaning(rows.Unranked, name), numeric=name not in ("estimator", "kind"))
        for heading, name in (
            ("estimator", "estimator"),
            ("kind", "kind"),
            ("mean gap", "gap"),
            ("below truth", "below"),
            ("rank corr.", "correlation"),
            ("sd", "sd"),
            ("failed", "failures"),
            ("wall", "wall_s"),
            ("CPU", "cpu_s"),
        )
    )
    lines = tuple(
        (
            Entry(row.estimator, row.estimator),
            Entry(row.kind, row.kind),
            unit.entry(row.gap, signed=True),
            share(row.below),
            Entry(number(row.correlation, signed=True), row.correlation),
            unit.entry(row.sd),
            share(row.failures),
            seconds(row.wall_s),
            seconds(row.cpu_s),
        )
        for row in board.unranked
    )
    note = (
        f"Not ranked: distance to the truth is no measure of them. Gap: the number minus the true MI in {unit.name}; "
        "an upper bound should never be below the truth. Rank correlation with the truth over tasks."
    )
    return Table("unranked", "Upper bounds and other quantities", note, columns, lines)


def objective(board: Leaderboard, unit: Unit) -> Table:
    """Objective and learning error, averaged within estimator and family."""
    columns = (
        Column("estimator", numeric=False),
        Column("family", numeric=False),
        Column("objective error", rows.meaning(rows.Objective, "objective_error")),
        Column("learning error", rows.meaning(rows.Objective, "learning_error")),
        Column("tasks", "Tasks and sample sizes averaged over."),
    )
    lines = []
    by_family = sorted(board.objective, key=lambda row: row.family)
    order = {name: place for place, name in enumerate(grouped(board.objective, lambda row: row.estimator))}
    by_family.sort(key=lambda row: order[row.estimator])
    for (estimator, family), own in grouped(by_family, lambda row: (row.estimator, row.family)).items():
        both = [(r.objective_error, r.learning_error) for r in own]
        known = [(o, le) for o, le in both if o is not None and le is not None]
        means = [sum(column) / len(known) for column in zip(*known, strict=True)] if known else [None, None]
        errors = [unit.entry(value, signed=True) for value in means]
        lines.append((Entry(estimator, estimator), Entry(family, family), *errors, Entry(str(len(known)), len(known))))
    note = (
        f"Signed, in {unit.name}. Objective error: the bound evaluated on the exact critic (the task's own log density "
        "ratio) minus the truth. Learning error: what the trained critic adds to that. Errors of opposite sign cancel."
    )
    return Table("objective", "Objective error and learning error", note, columns, tuple(lines))


def equitability(board: Leaderboard, unit: Unit) -> Table:
    """Spread over functions at equal noise: true, and as estimated."""
    estimators = list(grouped(board.equitability, lambda row: row.estimator))
    columns = (
        Column("equal noise", "Tasks that differ only in the function.", numeric=False),
        Column("n"),
        Column("true spread", rows.meaning(rows.Equitability, "true_spread")),
        *(Column(name, rows.meaning(rows.Equitability, "spread")) for name in estimators),
    )
    lines = []
    alike = grouped(board.equitability, lambda row: (row.setting, row.n))
    for (setting, n), own in sorted(alike.items(), key=lambda item: (natural(item[0][0]), item[0][1])):
        of = {row.estimator: row.spread for row in own}
        spreads = [unit.entry(of.get(name)) for name in estimators]
        lines.append((Entry(setting, setting), Entry(f"{n:,}", n), unit.entry(own[0].true_spread), *spreads))
    note = (
        f"Greatest minus least mean estimate over the functions, in {unit.name}. Mutual information itself depends on "
        "the function: a perfect estimator shows the true spread, not 0."
    )
    return Table("equitability", "Equitability", note, columns, tuple(lines))


def consistency(board: Leaderboard) -> Table:
    """Self-consistency ratios beside what they should be."""
    estimators = list(grouped(board.consistency, lambda row: row.estimator))
    columns = (
        Column("task", numeric=False),
        Column("n"),
        Column("expected", rows.meaning(rows.Consistency, "expected")),
        *(Column(name, rows.meaning(rows.Consistency, "score")) for name in estimators),
    )
    lines = []
    for (task, n), own in grouped(board.consistency, lambda row: (row.task, row.n)).items():
        of = {row.estimator: row for row in own}
        entries = [
            mean_over_seeds(of[name].score, of[name].se, of[name].failed) if name in of else mean_over_seeds(None)
            for name in estimators
        ]
        expected = Entry(number(own[0].expected), own[0].expected)
        lines.append((Entry(task, task), Entry(f"{n:,}", n), expected, *entries))
    note = "Mean ± standard error over seeds of a ratio whose true value is known though the mutual information is not."
    return Table("consistency", "Self-consistency", note, columns, tuple(lines))


def failures(board: Leaderboard) -> Table:
    """What went wrong, with the messages."""
    columns = (
        Column("estimator", numeric=False),
        Column("status", numeric=False),
        Column("cells"),
        Column("tasks", numeric=False),
        Column("what happened", numeric=False),
    )
    lines = tuple(
        (
            Entry(row.estimator, row.estimator),
            Entry(row.status.replace("_", " "), row.status),
            Entry(str(row.cells), row.cells),
            Entry(row.tasks[0] + (f" and {len(row.tasks) - 1} more" if len(row.tasks) > 1 else "")),
            Entry(row.message or MISSING),
        )
        for row in board.failures
    )
    note = f"Every cell that did not end ok. `{Status.NOT_INSTALLED.replace('_', ' ')}` does not count against anyone."
    return Table("failures", "Failures", note, columns, lines)


def _summary_column(heading: str, name: str) -> Column:
    return Column(heading, rows.meaning(rows.Summary, name))


def _summary_entries(row: rows.Summary, unit: Unit) -> Iterable[Entry]:
    yield unit.entry(row.median_error)
    yield unit.entry(row.bias, signed=True)
    yield unit.entry(row.sd)
    yield share(row.success)
    failed = share(row.failures)
    yield Entry(failed.text, failed.value, "worse" if row.failures else "")
    yield share(row.coverage)
    yield seconds(row.wall_s)
    yield seconds(row.cpu_s)


def _place(row: rows.Ranking) -> Entry:
    if row.yardstick:
        return Entry("ref", math.inf, "muted")
    if row.rank is None:
        return Entry(f"{math.floor(100 * row.cells / max(row.expected, 1))} %", 1e6 + row.cells, "muted")
    return Entry(f"{row.rank} {TIED}" if row.tied and row.rank > 1 else str(row.rank), row.rank)


def _legend(board: Leaderboard) -> str:
    parts = []
    if any(row.tied and row.rank != 1 for row in board.ranking):
        parts.append(f"{TIED} tied with the best.")
    if any(row.yardstick for row in board.ranking):
        parts.append("ref: looks at the task itself, not ranked.")
    if any(not row.complete and not row.yardstick for row in board.ranking):
        parts.append("A percentage instead of a place: the share of the cells in hand; not ranked.")
    return " ".join(parts)


def _competes(board: Leaderboard, row: rows.Family) -> bool:
    return any(r.estimator == row.estimator and not r.yardstick for r in board.ranking)


def _score(value: float | None, mark: str = "") -> Entry:
    return Entry(MISSING if value is None else f"{value:.3f}", value, mark)


def _estimate(row: rows.TaskRow | None, unit: Unit) -> Entry:
    if row is None:
        return Entry(MISSING)
    lost = sum(count for status, count in row.statuses.items() if status != Status.OK)
    if row.mean is None:
        worst = max(row.statuses, key=lambda status: row.statuses[status])
        return Entry(worst.replace("_", " "), mark="worse")
    spread = f" ± {number(unit(row.sd))}" if row.sd is not None else ""
    return Entry(number(unit(row.mean)) + spread + (f" ({lost} failed)" if lost else ""), unit(row.mean))
