"""The tables beside the ranking: equitability, consistency, objective against learning error, downstream tasks,
failures and provenance.

Each function takes Results and returns rows (see ``rows``); what is ranked, and how, is decided in ``leaderboard``.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mibench.estimator import Role
from mibench.group import grouped
from mibench.result import Result, Status
from mibench.selector import format_selector

from . import scoring
from .schema import Consistency, Downstream, Equitability, Failure, Flag, Objective

ESTIMATE, REFERENCE = "estimate", "reference"
"""Metrics of a downstream task: the bound's own value in nats, and the same information by an independent route."""


def equitability(results: Sequence[Result]) -> tuple[Equitability, ...]:
    """Spread over functions of the same noise: of the mean estimates, and of the truths they should show."""
    cells = [r for r in results if r.varies and r.varies in r.task_params]
    rows = []
    for (estimator, n, setting), same in grouped(cells, lambda r: (r.cell.estimator, r.cell.n, _setting(r))).items():
        functions = grouped(same, lambda r: str(r.task_params[r.varies]))
        if len(functions) < 2:
            continue
        truths = [float(rs[0].truth or 0.0) for rs in functions.values()]
        # spreads are compared over the same functions, so one without an answer leaves the spread unknown
        means = [_mean(r.mi for r in rs if r.status is Status.OK and r.mi is not None) for rs in functions.values()]
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
            )
        )
    return tuple(rows)


def consistency(results: Sequence[Result]) -> tuple[Consistency, ...]:
    """Mean ratio beside the expected one, per estimator, task and n."""
    rows = []
    for (task, n, estimator), cells in grouped(results, lambda r: (r.cell.task, r.cell.n, r.cell.estimator)).items():
        answered = [r for r in cells if r.status is Status.OK and "score" in r.metrics]
        scores = [float(r.metrics["score"]) for r in answered]
        expected = next((float(r.metrics["expected"]) for r in cells if "expected" in r.metrics), math.nan)
        mean = float(np.mean(scores)) if scores else None
        rows.append(
            Consistency(
                estimator=estimator,
                task=task,
                n=n,
                score=mean,
                se=_finite(scoring.standard_error(scores)),
                expected=expected,
                deviation=None if mean is None else _finite(mean - expected),
                seeds=len(answered),
                failed=len(cells) - len(answered),
            )
        )
    return tuple(rows)


def objective(results: Sequence[Result]) -> tuple[Objective, ...]:
    """Each estimator beside its own bound on the exact critic, where both were run."""
    exact = grouped((r for r in results if r.role is Role.OBJECTIVE), _inner)
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
        first, truth = trained[0], float(trained[0].truth or 0.0)
        rows.append(
            Objective(
                estimator=first.cell.estimator,
                family=first.family,
                task=task,
                n=n,
                truth=truth,
                exact=_mean(values.values()),
                trained=_mean(learned.values()),
                objective_error=_mean(v - truth for v in values.values()),
                learning_error=_mean(learned[s] - values[s] for s in both),
                seeds=len(both),
            )
        )
    return tuple(rows)


def downstream(results: Sequence[Result]) -> tuple[Downstream, ...]:
    """Every metric of every arm: mean ± standard error, and the paired difference to the control arm."""
    rows = []
    for group, runs in grouped(results, lambda r: r.group).items():
        arms = grouped(runs, lambda r: r.arm or r.cell.estimator)
        controls = [arm for arm, cells in arms.items() if cells[0].role is Role.CONTROL]
        # the plain control has the estimator's own name; variants of it (say, another penalty) have longer ones
        control = min(controls, key=lambda arm: (arm != arms[arm][0].estimator_name, controls.index(arm)), default=None)
        ordered = sorted(arms, key=lambda arm: (arm != control, arm not in controls, arm))
        for name, info in _metrics(runs).items():
            reference = _values(arms[control], name) if control is not None else {}
            floor = _mean(_floors(runs, name))
            rows += [_arm(group, arm, arms[arm], info, reference, control, floor) for arm in ordered]
    return tuple(rows)


def flags(results: Sequence[Result]) -> tuple[Flag, ...]:
    """Yes-or-no diagnostics of downstream runs, counted per arm; only what held at least once within a group."""
    rows = []
    for group, runs in grouped(results, lambda r: r.group).items():
        held = {name for r in runs for name, value in r.diagnostics.items() if value is True}
        for name in sorted(held):
            for arm, cells in grouped((r for r in runs if name in r.diagnostics), lambda r: r.arm).items():
                seeds = sum(r.diagnostics[name] is True for r in cells)
                rows.append(Flag(group=group, arm=arm, flag=name, seeds=seeds, runs=len(cells)))
    return tuple(rows)


def _arm(
    group: str,
    arm: str,
    cells: Sequence[Result],
    info: Mapping[str, Any],
    reference: Mapping[int, float],
    control: str | None,
    floor: float | None,
) -> Downstream:
    values = _values(cells, str(info["name"]))
    shared = sorted(values.keys() & reference.keys()) if arm != control else []
    differences = [values[seed] - reference[seed] for seed in shared]
    interval = scoring.mean_interval(differences)
    timed = [r for r in cells if r.status is Status.OK]
    return Downstream(
        group=group,
        arm=arm,
        metric=str(info["name"]),
        unit=str(info.get("unit", "")),
        better=str(info.get("better", "")),
        description=str(info.get("description", "")),
        mean=_mean(values.values()),
        se=_finite(scoring.standard_error(list(values.values()))),
        seeds=len(values),
        failed=len(cells) - len(values),
        difference=_mean(differences),
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        pairs=len(shared),
        control=arm == control,
        published=str((info.get("published") or {}).get(arm, "")),
        floor=floor,
        wall_s=float(np.median([r.wall_s for r in timed])) if timed else None,
        cpu_s=float(np.median([r.cpu_s for r in timed])) if timed else None,
    )


def failures(results: Sequence[Result]) -> tuple[Failure, ...]:
    """Everything that did not end ``ok``, grouped, the most frequent first."""
    failed = [r for r in results if r.status is not Status.OK]
    rows = [
        Failure(
            estimator=estimator,
            status=status,
            message=message,
            cells=len(cells),
            tasks=tuple(sorted({r.cell.task for r in cells})),
        )
        for (estimator, status, message), cells in grouped(
            failed, lambda r: (r.cell.estimator, str(r.status), r.message)
        ).items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.cells, row.estimator, row.status, row.message)))


def provenance(results: Iterable[Result]) -> dict[str, tuple[str, ...]]:
    """Each value that was recorded, once, under its key; nested keys are joined by dots."""
    seen: dict[str, dict[str, None]] = defaultdict(dict)
    for result in results:
        for key, value in _flat(result.provenance):
            seen[key][value] = None
    return {key: tuple(sorted(values)) for key, values in sorted(seen.items())}


def spearman(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Rank correlation, or None where either side has fewer than three different values."""
    if len(set(a)) < 3 or len(set(b)) < 3:
        return None
    return _finite(float(np.corrcoef(_ranks(a), _ranks(b))[0, 1]))


def _ranks(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of theirs. (Importing scipy.stats for this takes a second.)"""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle: npt.NDArray[np.float64] = np.cumsum(counts) - (counts - 1) / 2
    return middle[where]


def _setting(result: Result) -> str:
    """An equitability task without its function: ``name[noise=0.3]``."""
    return format_selector(result.task_name, {k: v for k, v in result.task_params.items() if k != result.varies})


def _own(result: Result) -> tuple[str, str, int]:
    return _key(result.estimator_name, result.estimator_params), result.cell.task, result.cell.n


def _inner(result: Result) -> tuple[str, str, int]:
    """The estimator that an exact-critic evaluation stands for: its only nested plug-in."""
    nested = [v for v in result.estimator_params.values() if isinstance(v, Mapping) and "params" in v]
    key = _key(str(nested[0]["name"]), nested[0]["params"]) if nested else ""
    return key, result.cell.task, result.cell.n


def _key(name: str, params: Mapping[str, Any]) -> str:
    return json.dumps([name, dict(params)], sort_keys=True)


def _metrics(runs: Iterable[Result]) -> dict[str, Mapping[str, Any]]:
    """The metrics of a group in the order the task gives, then those it does not describe."""
    described = {str(info["name"]): info for r in runs for info in r.metric_info}
    return described | {name: {"name": name} for r in runs for name in r.metrics if name not in described}


def _values(cells: Iterable[Result], metric: str) -> dict[int, float]:
    return {r.cell.seed: float(r.metrics[metric]) for r in cells if r.status is Status.OK and metric in r.metrics}


def _floors(runs: Iterable[Result], metric: str) -> Iterable[float]:
    for r in runs:
        floors = r.diagnostics.get("floor")
        if isinstance(floors, Mapping) and isinstance(floors.get(metric), (int, float)):
            yield float(floors[metric])


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for key, value in record.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None and value != "":
            yield f"{prefix}{key}", str(value)


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return float(np.mean(listed)) if listed else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
