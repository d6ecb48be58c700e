"""The ranking: who is complete, who stands where, and how far from the best."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mibench.group import grouped
from mibench.result import Result, Status

from . import scoring, units
from .schema import Family, Ranking
from .summary import Point, Weighted, point, statuses, summary

Scores = Mapping[str, Mapping[units.Unit, float]]
"""By estimator and unit."""


def family_rows(results: Sequence[Result]) -> list[Family]:
    """One row per estimator and family."""
    cells = grouped(results, lambda r: (r.cell.estimator, r.family))
    return [Family(estimator=estimator, family=family, **summary(own)) for (estimator, family), own in cells.items()]


def ranking(results: Sequence[Result]) -> tuple[Ranking, ...]:
    """The rows in their final order: entrants by score, then those that did not run on everything, then yardsticks."""
    everything = {point(r) for r in results if not r.reads_task} or {point(r) for r in results}
    seeds: dict[Point, set[int]] = defaultdict(set)
    for r in results:
        seeds[point(r)].add(r.cell.seed)
    expected = sum(len(seeds[where]) for where in everything)
    of = grouped(results, lambda r: r.cell.estimator)
    complete = {name for name, cells in of.items() if everything <= {point(r) for r in cells}}
    entrants = [r for r in results if r.cell.estimator in complete and not r.reads_task]
    over = units.over(entrants or results)
    scores = {name: units.scores(cells, over) if over else {} for name, cells in of.items()}
    rows = []
    for name, cells in of.items():
        interval = units.interval(scores[name], over)
        row = Ranking(
            rank=None,
            estimator=name,
            kind=str(cells[0].quantity),
            # a score lies in [0, 1], so cutting the interval there loses no coverage
            low=max(0.0, interval[0]) if interval else None,
            high=min(1.0, interval[1]) if interval else None,
            tied=None,
            p_value=None,
            to_best=None,
            to_best_low=None,
            to_best_high=None,
            over=over,
            families=len({r.family for r in cells}),
            expected=expected,
            complete=name in complete,
            reference=cells[0].reference,
            yardstick=cells[0].reads_task,
            statuses=statuses(cells),
            **_taken(cells),
            **summary(cells),
        )
        rows.append(row)
    rows.sort(key=lambda row: (row.yardstick, not row.complete, -row.score, row.estimator))
    ranked = [row for row in rows if row.complete and not row.yardstick]
    return tuple(_placed(ranked, scores, over) + rows[len(ranked) :])


def _placed(entrants: Sequence[Ranking], scores: Scores, over: units.Over | None) -> list[Ranking]:
    """Entrants, best first, with their place and the difference of each to the best."""
    if not entrants:
        return []
    placed = [dataclasses.replace(row, rank=1 + sum(o.score > row.score for o in entrants)) for row in entrants]
    if over is None or len(entrants) < 2:
        return placed
    columns, strata = units.columns([scores[row.estimator] for row in entrants], over)
    adjusted = scoring.holm([scoring.paired_p(columns[:, 0] - other, strata) for other in columns.T[1:]])
    tests = zip(placed[1:], adjusted, strict=True)
    tested = [
        dataclasses.replace(placed[0], tied=True),
        *(dataclasses.replace(row, p_value=float(p), tied=bool(p > 1 - scoring.CONFIDENCE)) for row, p in tests),
    ]
    mean, half = scoring.differences(columns, 0, strata)
    low, high = np.clip([mean - half, mean + half], -1.0, 1.0)  # where differences of scores lie; NaN stays NaN
    return [
        dataclasses.replace(row, to_best=d, to_best_low=scoring.finite(a), to_best_high=scoring.finite(b))
        for row, d, a, b in zip(tested, mean.tolist(), low.tolist(), high.tolist(), strict=True)
    ]


def half_widths(rows: Sequence[Ranking], results: Sequence[Result]) -> Iterator[tuple[str, str, float]]:
    """Of every pair that is ranked, how far the simultaneous 95 % interval of its difference reaches; NaN: none."""
    names = [row.estimator for row in rows if row.rank is not None]
    if len(names) < 2 or rows[0].over is None:
        return
    over = units.Over(rows[0].over)
    of = grouped(results, lambda r: r.cell.estimator)
    columns, strata = units.columns([units.scores(of[name], over) for name in names], over)
    for i, name in enumerate(names[:-1]):
        half = scoring.differences(columns, i, strata)[1]
        yield from ((name, other, float(half[j])) for j, other in enumerate(names[i + 1 :], i + 1))


def _taken(cells: Sequence[Result]) -> dict[str, Any]:
    """What an estimator took on, and how it did there: to decline is no wrong answer."""
    every = Weighted(cells)
    declined = np.fromiter((r.status is Status.UNSUPPORTED for r in cells), np.bool_, len(cells))
    taken = every.among(~declined)
    return {
        "taken": len({r.family for r in taken.cells}),
        "score_taken": taken.average(scoring.score(taken.column("error"))),
        "declined": every.average(declined) or 0.0,
        "failed": every.average(np.isinf(every.column("error")) & ~declined) or 0.0,
    }
