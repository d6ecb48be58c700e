"""The tables of downstream tasks: their metrics arm by arm, and the yes-or-no findings about their runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mibench.estimator import Role
from mibench.group import grouped
from mibench.result import Result, Status

from . import scoring
from .schema import Downstream, Flag


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
            floor = scoring.average(_floors(runs, name))
            rows += [_arm(group, arm, arms[arm], info, reference, control, floor) for arm in ordered]
    return tuple(rows)


def flags(results: Sequence[Result]) -> tuple[Flag, ...]:
    """Yes-or-no diagnostics of downstream runs, counted per arm; only what held at least once within a group."""
    rows = []
    for group, runs in grouped(results, lambda r: r.group).items():
        found = {name for r in runs for name, value in r.diagnostics.items() if value is True}
        for name in sorted(found):
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
    low, high = scoring.mean_interval(differences) or (None, None)
    timed = [r for r in cells if r.status is Status.OK]
    return Downstream(
        group=group,
        arm=arm,
        metric=str(info["name"]),
        unit=str(info.get("unit", "")),
        better=str(info.get("better", "")),
        description=str(info.get("description", "")),
        mean=scoring.average(values.values()),
        se=scoring.finite(scoring.standard_error(list(values.values()))),
        seeds=len(values),
        failed=len(cells) - len(values),
        difference=scoring.average(differences),
        low=low,
        high=high,
        pairs=len(shared),
        control=arm == control,
        published=str((info.get("published") or {}).get(arm, "")),
        floor=floor,
        wall_s=float(np.median([r.wall_s for r in timed])) if timed else None,
        cpu_s=float(np.median([r.cpu_s for r in timed])) if timed else None,
    )


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
