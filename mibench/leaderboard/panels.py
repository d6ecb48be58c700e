"""The tables beside the ranking: task by task, independence, what is not ranked, equitability, consistency, and the
objective against the learning error. Each function takes Results and returns rows (see ``schema``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mibench.estimator import Role
from mibench.group import grouped
from mibench.result import Result, Status
from mibench.selector import format_selector

from . import scoring
from .schema import Consistency, Equitability, Independence, Objective, TaskRow, Unranked
from .summary import ROUNDING, Weighted, estimates, point, statuses, summary

FALSE_ALARM = 0.05
"""On independent variables an estimate above this many nats is a false alarm."""


def task_row(cells: Sequence[Result]) -> TaskRow:
    """One estimator on one task at one sample size."""
    first = cells[0]
    return TaskRow(
        estimator=first.cell.estimator,
        kind=str(first.quantity),
        family=first.family,
        task=first.cell.task,
        n=first.cell.n,
        dim_x=first.dim_x,
        dim_y=first.dim_y,
        truth=_truth(cells),
        truth_error=first.truth_error,
        mean=scoring.average(estimates(cells)),
        statuses=statuses(cells),
        **summary(cells),
    )


def independence(cells: Sequence[Result]) -> Independence:
    """One estimator where the mutual information is 0, so that its estimate is its error."""
    every = Weighted(cells)
    answered = every.answered
    stated = answered.where(lambda r: r.stderr is not None)
    return Independence(
        estimator=cells[0].cell.estimator,
        kind=str(cells[0].quantity),
        mean_abs=answered.mean(lambda r: abs(r.error)),
        bias=answered.mean(lambda r: r.error),
        alarms=answered.mean(lambda r: r.error > FALSE_ALARM),
        significant=stated.mean(lambda r: r.error > 2 * (r.stderr or 0.0) + ROUNDING),
        failures=every.mean(lambda r: math.isinf(r.error)) or 0.0,
        cells=len(cells),
    )


def unranked(cells: Sequence[Result]) -> Unranked:
    """An upper bound or another quantity beside the truth."""
    measured = summary(cells)
    answered = Weighted(cells).answered
    points = grouped(answered.cells, point).values()
    return Unranked(
        estimator=cells[0].cell.estimator,
        kind=str(cells[0].quantity),
        gap=measured["bias"],
        below=answered.mean(lambda r: r.error < -r.truth_error),
        correlation=scoring.spearman([float(np.mean(estimates(rs))) for rs in points], [_truth(rs) for rs in points]),
        **{name: measured[name] for name in ("sd", "failures", "wall_s", "cpu_s", "cells")},
    )


def equitability(results: Sequence[Result]) -> tuple[Equitability, ...]:
    """Spread over functions of the same noise: of the mean estimates, and of the truths they should show."""
    cells = [r for r in results if r.varies and r.varies in r.task_params]
    rows = []
    for (estimator, n, setting), same in grouped(cells, lambda r: (r.cell.estimator, r.cell.n, _setting(r))).items():
        functions = grouped(same, lambda r: str(r.task_params[r.varies]))
        if len(functions) < 2:
            continue
        truths = [_truth(rs) for rs in functions.values()]
        # spreads are compared over the same functions, so one without an answer leaves the spread unknown
        means = [scoring.average(estimates(rs)) for rs in functions.values()]
        known = [m for m in means if m is not None]
        whole = len(known) == len(means)
        rows.append(
            Equitability(
                estimator=estimator,
                setting=setting,
                n=n,
                functions=len(functions),
                spread=max(known) - min(known) if whole else None,
                true_spread=max(truths) - min(truths),
                sd=float(np.std(known, ddof=1)) if whole else None,
                true_sd=float(np.std(truths, ddof=1)),
                error=float(np.mean(np.abs(np.subtract(known, truths)))) if whole else None,
                tasks=tuple(sorted({r.cell.task for r in same})),
            )
        )
    return tuple(rows)


def consistency(results: Sequence[Result]) -> tuple[Consistency, ...]:
    """Mean ratio beside the expected one, per estimator, task and n."""
    rows = []
    for (task, n, estimator), cells in grouped(results, lambda r: (r.cell.task, r.cell.n, r.cell.estimator)).items():
        scores = [float(r.metrics["score"]) for r in cells if r.status is Status.OK and "score" in r.metrics]
        expected = next((float(r.metrics["expected"]) for r in cells if "expected" in r.metrics), math.nan)
        mean = scoring.average(scores)
        rows.append(
            Consistency(
                estimator=estimator,
                task=task,
                n=n,
                score=mean,
                se=scoring.finite(scoring.standard_error(scores)),
                expected=expected,
                deviation=None if mean is None else scoring.finite(mean - expected),
                seeds=len(scores),
                failed=len(cells) - len(scores),
            )
        )
    return tuple(rows)


def objective(results: Sequence[Result]) -> tuple[Objective, ...]:
    """Each estimator beside its own bound on the exact critic, where both were run."""
    exact = grouped((r for r in results if r.role is Role.OBJECTIVE), _inner)
    if not exact:
        return ()
    rows = []
    for (identity, task, n), trained in grouped((r for r in results if r.role is not Role.OBJECTIVE), _own).items():
        twin = exact.get((identity, task, n))
        if twin is None:
            continue
        values = {r.cell.seed: float(r.mi) for r in twin if r.status is Status.OK and r.mi is not None}
        learned = {r.cell.seed: float(r.mi) for r in trained if r.status is Status.OK and r.mi is not None}
        if not values and not learned:
            continue  # nothing to compare, as where a data set is missing
        both = sorted(values.keys() & learned.keys())
        truth = _truth(trained)
        rows.append(
            Objective(
                estimator=trained[0].cell.estimator,
                family=trained[0].family,
                task=task,
                n=n,
                truth=truth,
                exact=scoring.average(values.values()),
                trained=scoring.average(learned.values()),
                objective_error=scoring.average(v - truth for v in values.values()),
                learning_error=scoring.average(learned[s] - values[s] for s in both),
                seeds=len(both),
            )
        )
    return tuple(rows)


def _truth(cells: Sequence[Result]) -> float:
    return float(cells[0].truth or 0.0)


def _setting(result: Result) -> str:
    """A task without the parameter whose values are compared: ``name[noise=0.3]``."""
    return format_selector(result.task_name, {k: v for k, v in result.task_params.items() if k != result.varies})


def _own(result: Result) -> tuple[str, str, int]:
    return _key(result.estimator_name, result.estimator_params), result.cell.task, result.cell.n


def _inner(result: Result) -> tuple[str, str, int]:
    """The estimator that an evaluation of the objective alone stands for: its only nested plug-in."""
    nested = [v for v in result.estimator_params.values() if isinstance(v, Mapping) and "params" in v]
    key = _key(str(nested[0]["name"]), nested[0]["params"]) if nested else ""
    return key, result.cell.task, result.cell.n


def _key(name: str, params: Mapping[str, Any]) -> str:
    return json.dumps([name, dict(params)], sort_keys=True)
