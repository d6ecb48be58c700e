"""The leaderboard: a pure function of Results.

Which cells count, how they are put together, who is ranked. The statistics are in ``scoring``, the meaning of every
column in ``rows``, the tables beside the ranking in ``panels``. Imports neither torch nor mlflow nor any plug-in.

Rules
-----
* A failed cell, an unsupported one included, has infinite error. Cells that ended ``not_installed`` tell about the
  machine, not the estimator: they are left out and named in a note.
* Means are taken over seeds, then sample sizes, then tasks, then families, each with equal weight. Intervals are over
  families. The score is absolute: adding an entrant never moves another's.
* Only lower bounds and estimates are ranked, only among the entrants that ran on every task and sample size, so that
  nobody gains by staying away from hard tasks. Estimators that look at the task itself are yardsticks: shown, unranked.
* Independent tasks (MI = 0) count in the score as any other and have a panel of their own besides.
* Nothing is imputed; nothing is averaged over ranks; no relative error is formed at MI = 0.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mibench.group import grouped
from mibench.result import Result, Status
from mibench.task import TaskKind

from . import panels, scoring
from .schema import (
    Consistency,
    Downstream,
    Equitability,
    Failure,
    Family,
    Flag,
    Independence,
    Objective,
    Ranking,
    TaskRow,
    Unranked,
    plain,
    schema,
)

_ROUNDING = 1e-6  # nats by which an estimate without any spread may miss the truth: critics answer in float32
FALSE_ALARM = 0.05
"""On independent variables an estimate above this many nats is a false alarm."""

SCHEMA = "mibench-leaderboard/1"

_TABLES = {
    "ranking": Ranking,
    "families": Family,
    "tasks": TaskRow,
    "independence": Independence,
    "unranked": Unranked,
    "equitability": Equitability,
    "consistency": Consistency,
    "objective": Objective,
    "downstream": Downstream,
    "flags": Flag,
    "failures": Failure,
}


@dataclass(frozen=True)
class Leaderboard:
    """Plain tables; :mod:`mibench.rows` documents their columns.

    ranking : entrants by score, then those that did not run on everything, then the yardsticks.
    tasks, families : the same measures per estimator and task (and n), and per estimator and family.
    notes : sentences a reader must know, such as what was left out.
    provenance : what was recorded about the machine and the versions, each value once.
    """

    ranking: tuple[Ranking, ...] = ()
    families: tuple[Family, ...] = ()
    tasks: tuple[TaskRow, ...] = ()
    independence: tuple[Independence, ...] = ()
    unranked: tuple[Unranked, ...] = ()
    equitability: tuple[Equitability, ...] = ()
    consistency: tuple[Consistency, ...] = ()
    objective: tuple[Objective, ...] = ()
    downstream: tuple[Downstream, ...] = ()
    flags: tuple[Flag, ...] = ()
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_results(cls, results: Iterable[Result]) -> Leaderboard:
        """Compute every table; the order of the results does not matter.

        Of several results for the same estimator, task, n and seed (reruns under a new version) the last one counts.
        """
        every = usable(results)
        installed = [r for r in every if r.status is not Status.NOT_INSTALLED]
        scored = [
            r for r in installed if r.kind is TaskKind.INFORMATION and not math.isnan(r.error) and r.truth is not None
        ]
        trained = [r for r in installed if r.kind is TaskKind.DOWNSTREAM]
        ranked = [r for r in scored if r.quantity.ranked]
        ranking = _ranking(ranked)
        order = [row.estimator for row in ranking]
        rank = {name: place for place, name in enumerate(order)}
        by_rank = sorted(scored, key=lambda r: rank.get(r.cell.estimator, len(rank)))
        return cls(
            ranking=ranking,
            families=tuple(
                Family(estimator=estimator, family=family, **_summary(cells))
                for (estimator, family), cells in grouped(
                    (r for r in by_rank if r.cell.estimator in rank), lambda r: (r.cell.estimator, r.family)
                ).items()
            ),
            tasks=tuple(
                _task_row(cells)
                for cells in grouped(by_rank, lambda r: (r.cell.estimator, r.cell.task, r.cell.n)).values()
            ),
            independence=tuple(_independence(cells) for cells in _per_estimator(r for r in by_rank if r.truth == 0)),
            unranked=tuple(_unranked(cells) for cells in _per_estimator(r for r in by_rank if not r.quantity.ranked)),
            equitability=panels.equitability(by_rank),
            consistency=panels.consistency([r for r in installed if r.kind is TaskKind.CONSISTENCY]),
            objective=panels.objective(by_rank),
            downstream=panels.downstream(trained),
            flags=panels.flags(trained),
            failures=panels.failures(every),
            notes=tuple(_notes(every, ranking)),
            provenance=panels.provenance(every),
        )

    @property
    def best(self) -> Ranking | None:
        """The entrant with the highest score, or None where nothing could be ranked."""
        return next((row for row in self.ranking if row.rank == 1), None)

    def to_json(self) -> dict[str, Any]:
        """All tables as JSON-able values, with the schema: what each column means and its unit."""
        return {
            "schema": SCHEMA,
            "columns": {name: schema(row) for name, row in _TABLES.items()},
            **{name: [plain(row) for row in getattr(self, name)] for name in _TABLES},
            "notes": list(self.notes),
            "provenance": {key: list(values) for key, values in self.provenance.items()},
        }


def usable(results: Iterable[Result]) -> list[Result]:
    """One result per (estimator, task, n, seed), the last one given, in a canonical order."""
    latest = {(r.cell.estimator, r.cell.task, r.cell.n, r.cell.seed): r for r in results}
    return [latest[key] for key in sorted(latest)]


def _per_estimator(results: Iterable[Result]) -> Iterable[list[Result]]:
    return grouped(results, lambda r: r.cell.estimator).values()


def _point(result: Result) -> tuple[str, str, int]:
    return result.family, result.cell.task, result.cell.n


def _summary(cells: Sequence[Result]) -> dict[str, Any]:
    """The columns of :class:`mibench.rows.Summary` for the cells of one estimator."""
    weights = scoring.nested_weights([_point(r) for r in cells])
    errors = np.array([r.error for r in cells])
    truths = np.array([r.truth for r in cells], dtype=float)
    answered = np.isfinite(errors)
    wall, cpu = _times(cells)
    return {
        "score": scoring.mean(scoring.score(errors), weights),
        "median_error": scoring.weighted_median(np.abs(errors), weights),
        "bias": scoring.mean(errors[answered], weights[answered]) if answered.any() else None,
        "sd": _sd(cells),
        "success": scoring.mean(scoring.success(errors, truths), weights),
        "failures": scoring.mean(~answered, weights),
        "coverage": _coverage(cells),
        "wall_s": wall,
        "cpu_s": cpu,
        "cells": len(cells),
    }


def _sd(cells: Sequence[Result]) -> float | None:
    answers = grouped((r for r in cells if math.isfinite(r.error)), _point)
    repeated = {point: rs for point, rs in answers.items() if len(rs) > 1}
    if not repeated:
        return None
    spreads = [float(np.std([r.mi for r in rs], ddof=1)) for rs in repeated.values()]  # type: ignore[arg-type]
    return scoring.mean(spreads, scoring.nested_weights(list(repeated)))


def _coverage(cells: Sequence[Result]) -> float | None:
    stated = [r for r in cells if r.stderr is not None and math.isfinite(r.error)]
    if not stated:
        return None
    held = [abs(r.error) <= 1.959964 * (r.stderr or 0.0) + r.truth_error + _ROUNDING for r in stated]
    return scoring.mean(held, scoring.nested_weights([_point(r) for r in stated]))


def _times(cells: Sequence[Result]) -> tuple[float | None, float | None]:
    """Weighted medians of wall and CPU time over the cells that were worked on to their end or to the time limit."""
    timed = [r for r in cells if r.status in (Status.OK, Status.TIMEOUT)]
    if not timed:
        return None, None
    weights = scoring.nested_weights([_point(r) for r in timed])
    wall, cpu = (scoring.weighted_median([getattr(r, name) for r in timed], weights) for name in ("wall_s", "cpu_s"))
    return wall, cpu


def _statuses(cells: Sequence[Result]) -> dict[str, int]:
    return dict(Counter(str(r.status) for r in cells))


def _ranking(results: Sequence[Result]) -> tuple[Ranking, ...]:
    """Rows of the leaderboard in their final order."""
    everything = {_point(r) for r in results if not r.reads_task} or {_point(r) for r in results}
    seeds: dict[tuple[str, str, int], set[int]] = defaultdict(set)
    for r in results:
        seeds[_point(r)].add(r.cell.seed)
    expected = sum(len(seeds[point]) for point in everything)
    rows, by_family = [], {}
    for cells in _per_estimator(results):
        first = cells[0]
        families = grouped(cells, lambda r: r.family)
        means = [float(_summary(rs)["score"]) for rs in families.values()]
        interval = scoring.mean_interval(means)
        by_family[first.cell.estimator] = dict(zip(families, means, strict=True))
        row = Ranking(
            rank=None,
            estimator=first.cell.estimator,
            kind=str(first.quantity),
            # a score lies in [0, 1], so cutting the interval there loses no coverage
            low=max(0.0, interval[0]) if interval else None,
            high=min(1.0, interval[1]) if interval else None,
            tied=None,
            p_value=None,
            families=len(families),
            expected=expected,
            complete=everything <= {_point(r) for r in cells},
            reference=first.reference,
            yardstick=first.reads_task,
            statuses=_statuses(cells),
            **_summary(cells),
        )
        rows.append(row)
    rows.sort(key=lambda row: (row.yardstick, not row.complete, -row.score, row.estimator))
    entrants = [row for row in rows if row.complete and not row.yardstick]
    return tuple(_placed(entrants, by_family) + rows[len(entrants) :])


def _placed(entrants: Sequence[Ranking], by_family: Mapping[str, Mapping[str, float]]) -> list[Ranking]:
    """Entrants, best first, with their place and the test of each against the best."""
    if not entrants:
        return []
    placed = [dataclasses.replace(row, rank=1 + sum(o.score > row.score for o in entrants)) for row in entrants]
    best = by_family[entrants[0].estimator]
    if len(best) < 2 or len(entrants) < 2:
        return placed
    differences = [[best[f] - by_family[row.estimator][f] for f in best] for row in entrants[1:]]
    adjusted = scoring.holm([scoring.paired_p(d) for d in differences])
    tests = zip(placed[1:], adjusted, strict=True)
    return [
        dataclasses.replace(placed[0], tied=True),
        *(dataclasses.replace(row, p_value=float(p), tied=bool(p > 1 - scoring.CONFIDENCE)) for row, p in tests),
    ]


def _task_row(cells: Sequence[Result]) -> TaskRow:
    first = cells[0]
    answers = [r.mi for r in cells if math.isfinite(r.error)]
    return TaskRow(
        estimator=first.cell.estimator,
        kind=str(first.quantity),
        family=first.family,
        task=first.cell.task,
        n=first.cell.n,
        dim_x=first.dim_x,
        dim_y=first.dim_y,
        truth=float(first.truth or 0.0),
        truth_error=first.truth_error,
        mean=float(np.mean(answers)) if answers else None,  # type: ignore[arg-type]
        statuses=_statuses(cells),
        **_summary(cells),
    )


def _independence(cells: Sequence[Result]) -> Independence:
    answered = [r for r in cells if math.isfinite(r.error)]
    weights = scoring.nested_weights([_point(r) for r in answered])
    estimates = np.array([r.mi for r in answered], dtype=float)
    stated = [r for r in answered if r.stderr is not None]
    beyond = [r.error > 2 * (r.stderr or 0.0) + _ROUNDING for r in stated]
    return Independence(
        estimator=cells[0].cell.estimator,
        kind=str(cells[0].quantity),
        mean_abs=scoring.mean(np.abs(estimates), weights) if answered else None,
        bias=scoring.mean(estimates, weights) if answered else None,
        alarms=scoring.mean(estimates > FALSE_ALARM, weights) if answered else None,
        significant=scoring.mean(beyond, scoring.nested_weights([_point(r) for r in stated])) if stated else None,
        failures=_summary(cells)["failures"],
        cells=len(cells),
    )


def _unranked(cells: Sequence[Result]) -> Unranked:
    summary = _summary(cells)
    answered = [r for r in cells if math.isfinite(r.error)]
    weights = scoring.nested_weights([_point(r) for r in answered])
    below = [r.error < -r.truth_error for r in answered]
    points = grouped(answered, _point).values()
    means = [float(np.mean([r.mi for r in rs])) for rs in points]  # type: ignore[misc]
    return Unranked(
        estimator=cells[0].cell.estimator,
        kind=str(cells[0].quantity),
        gap=summary["bias"],
        below=scoring.mean(below, weights) if answered else None,
        correlation=panels.spearman(means, [float(rs[0].truth or 0.0) for rs in points]),
        **{name: summary[name] for name in ("sd", "failures", "wall_s", "cpu_s", "cells")},
    )


def _notes(results: Sequence[Result], ranking: Sequence[Ranking]) -> Iterable[str]:
    """What a reader must know before reading the table."""
    absent = grouped((r for r in results if r.status is Status.NOT_INSTALLED), lambda r: r.message)
    for message, cells in absent.items():
        yield f"{_count(cells, 'cell')} left out because something is not installed here: {message}"
    benchmark = [r for r in results if r.kind is TaskKind.INFORMATION and r.status is not Status.NOT_INSTALLED]
    unknown = [r for r in benchmark if r.truth is None]
    if unknown:
        names = sorted({r.cell.task for r in unknown})
        yield f"{_count(unknown, 'cell')} left out because the truth is not known: {_names(names)}."
    worst = max((r.truth_error for r in benchmark), default=0.0)
    if worst > scoring.FLOOR / 10:
        yield (
            f"The truth of some tasks is known only to within {worst:.2g} nats, "
            f"which can move the score of a cell by up to {scoring.score_uncertainty(worst):.3f}."
        )
    incomplete = [row.estimator for row in ranking if not row.complete and not row.yardstick]
    if incomplete:
        yield f"Not ranked, because results on some tasks or sample sizes are missing: {_names(incomplete)}."
    thin = [row.estimator for row in ranking if row.complete and not row.yardstick and row.cells < row.expected]
    if thin:
        yield f"Fewer seeds than others on some tasks: {_names(thin)}."
    if ranking and len({r.family for r in benchmark}) < 2:
        yield "All tasks belong to one family, so there is no interval over families and no test for a tie."


def _count(items: Sequence[Any], noun: str) -> str:
    return f"{len(items)} {noun}{'s were' if len(items) != 1 else ' was'}"


def _names(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
