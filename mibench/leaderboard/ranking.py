"""The ranking: who is complete, who stands where, and how far from the best."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mibench.group import grouped
from mibench.result import Result, Status

from . import scoring
from .schema import Family, Ranking
from .summary import Point, Weighted, point, statuses, summary

Scores = Mapping[str, Mapping[str, float]]
"""By estimator and family."""


def family_rows(results: Sequence[Result]) -> list[Family]:
    """One row per estimator and family."""
    cells = grouped(results, lambda r: (r.cell.estimator, r.family))
    return [Family(estimator=estimator, family=family, **summary(own)) for (estimator, family), own in cells.items()]


def ranking(results: Sequence[Result], families: Sequence[Family]) -> tuple[Ranking, ...]:
    """The rows in their final order: entrants by score, then those that did not run on everything, then yardsticks."""
    everything = {point(r) for r in results if not r.reads_task} or {point(r) for r in results}
    seeds: dict[Point, set[int]] = defaultdict(set)
    for r in results:
        seeds[point(r)].add(r.cell.seed)
    expected = sum(len(seeds[where]) for where in everything)
    scores = {
        name: {row.family: row.score for row in rows} for name, rows in grouped(families, lambda f: f.estimator).items()
    }
    rows = []
    for name, cells in grouped(results, lambda r: r.cell.estimator).items():
        interval = scoring.mean_interval(list(scores[name].values()))
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
            families=len(scores[name]),
            expected=expected,
            complete=everything <= {point(r) for r in cells},
            reference=cells[0].reference,
            yardstick=cells[0].reads_task,
            statuses=statuses(cells),
            **_taken(cells),
            **summary(cells),
        )
        rows.append(row)
    rows.sort(key=lambda row: (row.yardstick, not row.complete, -row.score, row.estimator))
    entrants = [row for row in rows if row.complete and not row.yardstick]
    return tuple(_placed(entrants, scores) + rows[len(entrants) :])


def _placed(entrants: Sequence[Ranking], scores: Scores) -> list[Ranking]:
    """Entrants, best first, with their place and the difference of each to the best."""
    if not entrants:
        return []
    placed = [dataclasses.replace(row, rank=1 + sum(o.score > row.score for o in entrants)) for row in entrants]
    best = scores[entrants[0].estimator]
    if len(best) < 2 or len(entrants) < 2:
        return placed
    columns = np.array([[scores[row.estimator][f] for row in entrants] for f in best])
    adjusted = scoring.holm([scoring.paired_p(columns[:, 0] - other) for other in columns.T[1:]])
    tests = zip(placed[1:], adjusted, strict=True)
    tested = [
        dataclasses.replace(placed[0], tied=True),
        *(dataclasses.replace(row, p_value=float(p), tied=bool(p > 1 - scoring.CONFIDENCE)) for row, p in tests),
    ]
    mean, half = scoring.differences(columns, 0)
    low, high = np.clip([mean - half, mean + half], -1.0, 1.0)  # where differences of scores lie; NaN stays NaN
    return [
        dataclasses.replace(row, to_best=d, to_best_low=scoring.finite(a), to_best_high=scoring.finite(b))
        for row, d, a, b in zip(tested, mean.tolist(), low.tolist(), high.tolist(), strict=True)
    ]


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
