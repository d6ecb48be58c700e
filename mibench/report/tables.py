"""The tables of a report as neutral values: headings, formatted cells, marks. Terminal, Markdown and HTML render them.

Nothing is computed here but layout; the numbers and the meaning of every column come from the leaderboard.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mibench.group import grouped
from mibench.leaderboard import scoring
from mibench.leaderboard.board import Board
from mibench.leaderboard.panels import FALSE_ALARM
from mibench.leaderboard.schema import (
    Column,
    Consistency,
    Equitability,
    Failure,
    Family,
    Independence,
    Objective,
    Ranking,
    TaskRow,
    Unranked,
    columns,
)
from mibench.leaderboard.units import Over
from mibench.result import Status
from mibench.words import counted, listed

from .downstream_tables import downstream, headlines, verdict
from .embedded import about
from .flat import flat
from .values import MISSING, Entry, Table, Unit, mean_over_seeds, natural, number, share

Line = tuple[Entry, ...]

_NAMED = 3  # of those that cannot be told apart from the best
_MOST_BEST = 3  # entrants of a family that are marked as the best of it

IN_SHORT = (
    "Score, 0 to 1: area under the ECDF of |error| over log-spaced tolerances; 1: every error is below 0.01 nat, each "
    "factor of ten costs a third, a failed cell scores 0."
)
_HOW_TO_READ = (
    "Score: the area under the curve of the share of estimates within a tolerance of the true mutual information, over "
    "log-spaced tolerances from 0.01 to 10 nats. 1: every error is at most 0.01 nat; each factor of ten in the error "
    "costs a third; a failed cell scores 0. Averaged over seeds, sample sizes, tasks, then families. {intervals}"
    "The place is by the score over all cells; a cell that an estimator declines as unsupported counts 0 there, and "
    "beside it stand the families that it takes and its score on what it took."
)


def how_to_read(board: Board) -> str:
    """What the columns of the ranking mean, in a paragraph."""
    over = board.over and (
        f"The interval is a 95 % t interval over {board.over.named}. To the best: the difference in score to the first "
        f"row, with intervals from paired differences over {board.over.named} that hold for all pairs together; where "
        "one reaches 0, the two cannot be told apart. "
    )
    return _HOW_TO_READ.format(intervals=over or "")


def build(board: Board, unit: str = "nats") -> list[Table]:
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
        failures(board, u),
    ]
    return [table for table in tables if table.rows]


def ranking(board: Board, unit: Unit) -> Table:
    """The leaderboard."""
    headings, lines = flat(
        Ranking,
        board.ranking,
        unit,
        *ranking_columns(board),
        rank=place,
        estimator=lambda row: Entry(row.estimator, row.estimator, _best(row)),
        score=lambda row: Entry(number(row.score), row.score, _best(row)),
        failed=lambda row: Entry(share(row.failed).text, row.failed, "worse" if row.failed else ""),
        to_best=_to_best,
        taken=lambda row: Entry(f"{row.taken} of {row.families}", row.taken),
    )
    note = f"Errors in {unit.name}; times are medians per cell. {_legend(board)}"
    whose = tuple(about(estimator=row.estimator) for row in board.ranking)
    return Table("ranking", "Leaderboard", note, headings, lines, whose=whose)


def ranking_columns(board: Board) -> list[str]:
    """What of the ranking is shown, in order: what an estimator takes only where one declined something."""
    beside_score = ["to_best", "taken", "score_taken", "failed"]
    names = [name for name, c in columns(Ranking).items() if c.heading and name not in beside_score]
    after = names.index("low") + 1
    names = [*names[:after], *beside_score, *names[after:]]
    left_out = set() if any(row.declined for row in board.ranking) else {"taken", "score_taken"}
    if not any(row.to_best for row in board.ranking):
        left_out.add("to_best")
    return [name for name in names if name not in left_out]


def standing(board: Board) -> str:
    """What the ranking says, or what the downstream tasks say where nobody is ranked, in one or two sentences."""
    if board.best is None:
        return _beside_control(board)
    text = f"{board.best.estimator} scores highest, {board.best.score:.3f}."
    where = (board.over or Over.FAMILIES).where
    ranked = [row for row in board.ranking if row.rank is not None]
    if board.best.to_best is None or len(ranked) < 2:
        return text
    silent = [row.estimator for row in ranked if not row.statuses.get(Status.OK)]
    close = [name for name in board.close if name not in silent]
    others = len(ranked) - 1 - len(silent)
    if close and len(close) == others > _NAMED:
        text = f"{text} None of the {others} others can be told apart from it {where}."
    elif close:
        text = f"{text} {_named(close)} cannot be told apart from it {where}."
    elif others:
        text = f"{text} Every other can be told apart from it {where}."
    return f"{text} {_named(silent)} answered nothing." if silent else text


def _beside_control(board: Board) -> str:
    """How often an arm of a downstream task did better than the control, and how often worse."""
    tasks = grouped(headlines(board), lambda row: row.group)
    if not tasks:
        return ""
    found = [{verdict(row) for row in rows} for rows in tasks.values()]
    better, worse = (sum(what in verdicts for verdicts in found) for what in ("better", "worse"))
    where = f"On {better or 'none'} of {counted(len(tasks), 'downstream task')} an arm is better than the control"
    return f"{where}, on {worse or 'none'} one is worse: by the first metric of each, 95 % intervals over seeds."


def _named(names: Sequence[str]) -> str:
    """The first of them, and how many more."""
    shown = list(names[:_NAMED])
    if len(names) > len(shown):
        return f"{', '.join(shown)} and {len(names) - len(shown)} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def families(board: Board) -> Table:
    """Score per estimator and family."""
    names = sorted({row.family for row in board.families})
    if len(names) < 2:
        names = []
    by_estimator = grouped(board.families, lambda row: row.estimator)
    headings = (Column("estimator", numeric=False), *map(Column, names))
    best = {f: _best_of([r.score for r in board.families if r.family == f and _competes(board, r)]) for f in names}
    lines = []
    for estimator, own in by_estimator.items():
        scores = {row.family: row.score for row in own}
        entrant = any(_competes(board, row) for row in own)
        cells = [_score(scores.get(f), "best" if entrant and scores.get(f) == best[f] else "") for f in names]
        lines.append((Entry(estimator, estimator), *cells))
    note = (
        "The score within each family; the headline is the mean of these. The best entrants of a family are marked, "
        "unless they are many."
    )
    if not names:
        return Table("families", "Score by family", note, headings, ())
    whose = tuple(about(estimator=estimator) for estimator in by_estimator)
    where = (None, *(about(family=name) for name in names))
    return Table(
        "families", "Score by family", note, headings, tuple(lines), brief=False, heat=True, whose=whose, where=where
    )


def _best_of(scores: Sequence[float]) -> float:
    """The greatest, or NaN where so many have it that a mark would say nothing."""
    first = max(scores, default=math.nan)
    return first if scores.count(first) <= _MOST_BEST else math.nan


def tasks(board: Board, family: str, unit: Unit) -> Table:
    """Mean estimate (± sd over seeds) of every estimator on the tasks of one family."""
    own = [row for row in board.tasks if row.family == family]
    estimators = list(grouped(own, lambda row: row.estimator))
    headings = (*(columns(TaskRow)[name] for name in ("task", "n", "truth")), *map(Column, estimators))
    lines: list[Line] = []
    by_cell = grouped(own, lambda row: (row.task, row.n))
    for (_, n), cells in sorted(by_cell.items(), key=lambda item: (natural(item[0][0]), item[0][1])):
        first, of = cells[0], {row.estimator: row for row in cells}
        truth = unit.entry(first.truth)
        if first.truth_error > scoring.FLOOR / 10:
            truth = Entry(f"{truth.text} ± {number(unit(first.truth_error))}", truth.value)
        entries = [_estimate(of.get(name), unit) for name in estimators]
        lines.append((Entry(first.task, first.task), Entry(f"{n:,}", n), truth, *entries))
    note = f"Mean estimate ± standard deviation over seeds, in {unit.name}; failed cells are counted in brackets."
    whose = tuple(about(task=line[0].text, n=line[1].value) for line in lines)
    where = (None, None, None, *(about(estimator=name) for name in estimators))
    if len(lines) < len(estimators):
        headings, lines = _turned(headings, lines)
        whose, where = ("", *(about(estimator=name) for name in estimators)), (None, *whose)
    return Table(f"tasks-{family}", f"Estimates: {family}", note, headings, tuple(lines), whose=whose, where=where)


def _turned(headings: Sequence[Column], lines: Sequence[Sequence[Entry]]) -> tuple[tuple[Column, ...], list[Line]]:
    """A row per estimator instead of a column, where that is the narrower table; the truth is its first row."""
    tasks = [Column(f"{task.text} · {n.text}", less=True) for task, n, *_ in lines]
    rows = [(Entry(headings[i].heading), *(line[i] for line in lines)) for i in range(2, len(headings))]
    return (Column("estimator", numeric=False), *tasks), rows


def independence(board: Board, unit: Unit) -> Table:
    """Behaviour where the mutual information is 0."""
    note = (
        f"Independent variables, MI = 0, in {unit.name}. False alarm: an estimate above {FALSE_ALARM} nat. "
        "Beside it, where an estimator states a standard error, the share of estimates above twice that error "
        "(2.3 % is right)."
    )
    whose = tuple(about(estimator=row.estimator, truth=0) for row in board.independence)
    shown = flat(Independence, board.independence, unit, alarms=_alarms)
    return Table("independence", "Independent variables", note, *shown, whose=whose)


def _alarms(row: Independence) -> Entry:
    """A share says little without the number of cells that it is of."""
    of = f" of {row.cells:,}" if row.alarms is not None and not row.failures else ""
    return Entry(share(row.alarms).text + of, row.alarms)


def unranked(board: Board, unit: Unit) -> Table:
    """Upper bounds and other quantities."""
    note = (
        f"Not ranked: distance to the truth is no measure of them. Gap: the number minus the true MI in {unit.name}; "
        "an upper bound should never be below the truth. Rank correlation with the truth over tasks."
    )
    whose = tuple(about(estimator=row.estimator) for row in board.unranked)
    shown = flat(Unranked, board.unranked, unit)
    return Table("unranked", "Upper bounds and other quantities", note, *shown, whose=whose)


def objective(board: Board, unit: Unit) -> Table:
    """Objective and learning error, averaged within estimator and family."""
    names = ("estimator", "family", "objective_error", "learning_error")
    headings = (*(columns(Objective)[name] for name in names), Column("tasks", "Tasks and sample sizes averaged over."))
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
    whose = tuple(about(estimator=line[0].text, family=line[1].text) for line in lines)
    title = "Objective error and learning error"
    return Table("objective", title, note, headings, tuple(lines), brief=False, whose=whose)


def equitability(board: Board, unit: Unit) -> Table:
    """Spread over functions at equal noise: true, and as estimated."""
    estimators = list(grouped(board.equitability, lambda row: row.estimator))
    of_row = columns(Equitability)
    headings = (
        *(of_row[name] for name in ("setting", "n", "true_spread")),
        *(Column(name, of_row["spread"].meaning) for name in estimators),
    )
    lines, whose = [], []
    alike = grouped(board.equitability, lambda row: (row.setting, row.n))
    for (setting, n), own in sorted(alike.items(), key=lambda item: (natural(item[0][0]), item[0][1])):
        of = {row.estimator: row.spread for row in own}
        spreads = [unit.entry(of.get(name)) for name in estimators]
        lines.append((Entry(setting, setting), Entry(f"{n:,}", n), unit.entry(own[0].true_spread), *spreads))
        whose.append(about(task=sorted({task for row in own for task in row.tasks}), n=n))
    where = (None, None, None, *(about(estimator=name) for name in estimators))
    note = (
        f"Greatest minus least mean estimate over the functions, in {unit.name}. Mutual information itself depends on "
        "the function: a perfect estimator shows the true spread, not 0."
    )
    return Table(
        "equitability", "Equitability", note, headings, tuple(lines), brief=False, whose=tuple(whose), where=where
    )


def consistency(board: Board) -> Table:
    """Self-consistency ratios beside what they should be."""
    estimators = list(grouped(board.consistency, lambda row: row.estimator))
    of_row = columns(Consistency)
    headings = (
        *(of_row[name] for name in ("task", "n", "expected")),
        *(Column(name, of_row["score"].meaning) for name in estimators),
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
    whose = tuple(about(task=line[0].text, n=line[1].value) for line in lines)
    where = (None, None, None, *(about(estimator=name) for name in estimators))
    return Table("consistency", "Self-consistency", note, headings, tuple(lines), whose=whose, where=where)


def failures(board: Board, unit: Unit) -> Table:
    """What was not answered, with the messages."""
    return failures_of(board.failures, unit)


def failures_of(rows: Sequence[Failure], unit: Unit, name: str = "failures") -> Table:
    """The same of some rows."""
    headings, lines = flat(
        Failure,
        rows,
        unit,
        *("estimator", "status", "cells", "tasks", "message"),
        status=lambda row: Entry(row.status.replace("_", " "), row.status),
        tasks=lambda row: Entry(listed(row.tasks, 1)),
    )
    note = (
        f"Every cell that did not end ok. `{Status.UNSUPPORTED}` is what an estimator declines by itself, and "
        f"`{Status.NOT_INSTALLED.replace('_', ' ')}` does not count against anyone."
    )
    whose = tuple(about(estimator=row.estimator, status=row.status, message=row.message) for row in rows)
    return Table(name, "Not answered", note, headings, lines, whose=whose)


def place(row: Ranking) -> Entry:
    """The place of an entrant, or why there is none."""
    if row.yardstick:
        return Entry("ref", math.inf, "muted")
    if row.rank is None:
        return Entry(f"{math.floor(100 * row.cells / max(row.expected, 1))} %", 1e6 + row.cells, "muted")
    return Entry(str(row.rank), row.rank)


def _to_best(row: Ranking) -> Entry:
    """The difference and its interval, if it has one; that of the best to itself says nothing."""
    if row.to_best is None or row.rank == 1:
        return Entry(MISSING, row.to_best)
    if row.to_best_low is None or row.to_best_high is None:
        return Entry(_signed(row.to_best, 3), row.to_best)
    ends = (_signed(end, 2) for end in (row.to_best_low, row.to_best_high))
    return Entry(f"{_signed(row.to_best, 3)} [{', '.join(ends)}]", row.to_best)


def _signed(value: float, digits: int) -> str:
    """With a minus that is as wide as a digit; what rounds to nothing has no sign."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def _best(row: Ranking) -> str:
    return "best" if row.rank == 1 else ""


def _legend(board: Board) -> str:
    parts = []
    if any(row.yardstick for row in board.ranking):
        parts.append("ref: looks at the task itself, not ranked.")
    if any(not row.complete and not row.yardstick for row in board.ranking):
        parts.append("A percentage instead of a place: the share of the cells in hand; not ranked.")
    return " ".join(parts)


def _competes(board: Board, row: Family) -> bool:
    return any(r.estimator == row.estimator and not r.yardstick for r in board.ranking)


def _score(value: float | None, mark: str = "") -> Entry:
    return Entry(MISSING if value is None else f"{value:.3f}", value, mark)


def _estimate(row: TaskRow | None, unit: Unit) -> Entry:
    if row is None:
        return Entry(MISSING)
    lost = sum(count for status, count in row.statuses.items() if status != Status.OK)
    if row.mean is None:
        worst = max(row.statuses, key=lambda status: row.statuses[status])
        return Entry(worst.replace("_", " "), mark="worse")
    return mean_over_seeds(unit(row.mean), unit(row.sd), lost)
