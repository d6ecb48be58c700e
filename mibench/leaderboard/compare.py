"""What changed between two sets of results: a pure function of both. ``mibench compare`` prints it.

Cells are paired by what was asked: estimator, task, n and seed as their labels say, not by version, because a new
version is what is put to the test. Only what both sets hold is compared, so both scores of an estimator are the
leaderboard's on the same cells; what is left out is counted and named.

An estimator is *worse*, and the gate fails, if

* its score falls by more than the tolerance (:data:`TOLERANCE` says where the default comes from),
* a cell that had an answer has none now,
* a metric of a downstream task moves in the wrong direction by more than the tolerance times its size, in a paired t
  test over seeds, Holm-adjusted over all metrics that moved at all (so one seed alone never fails it),
* it is a reference whose answers are known and it misses them, which is an error of the harness, or
* a limit is given and its CPU time grows beyond it. Time never counts otherwise.

What vanished, an estimator or a task, fails the gate where completeness is asked for; else it is told.

Imports neither torch nor mlflow nor any plug-in.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mibench.errors import UsageError
from mibench.estimator import Role
from mibench.group import grouped
from mibench.result import Result, Status
from mibench.task import TaskKind
from mibench.words import counted

from . import scoring, units
from .board import provenance, usable
from .changes import Comparison, EstimatorChange, MetricChange, NewFailure, PointChange, Verdict
from .pairing import NOISE, Pair, equal, left_out, lost, paired

TOLERANCE = 0.02
"""The fall of a score that is a regression: every error grows by 15 %, or one perfect cell in fifty fails.

Unchanged code on the same machine moves no score at all. Other instructions of the processor send the training of a
critic along another path: on the preset ``quick``, with one seed, that moved scores by up to 0.007. New seeds, which
bring new data besides, move a difference of two scores there by 0.007 to 0.015 (standard deviation, three seeds).
"""
CLOCK = 1e-3
"""Seconds: shorter CPU times count as this one, because they measure the interpreter and not the estimator."""

DEVIATION = "deviation"
"""The metric made of a consistency task: |score - expected|."""


def compare(
    base: Iterable[Result],
    new: Iterable[Result],
    tolerance: float = TOLERANCE,
    max_slowdown: float | None = None,
    complete: bool = False,
) -> Comparison:
    """Compare NEW with BASE; the order of the results does not matter.

    Parameters
    ----------
    base, new : results; of several for the same estimator, task, n and seed the last one counts.
    tolerance : the fall of a score that is a regression; for metrics, the change relative to their size.
    max_slowdown : the growth of the CPU time that is a regression, as a ratio; None to leave time out of it.
    complete : whether an answer of BASE of which NEW has no cell is a regression.

    Raises
    ------
    UsageError : a negative tolerance.
    """
    if not tolerance >= 0:
        raise UsageError(f"the tolerance must be 0 or more, not {tolerance}.")
    old, fresh = usable(base), usable(new)
    pairs, left = paired(old, fresh)
    metrics = _judged(_metrics(pairs, left), tolerance)
    settings = _changed_settings(pairs)
    of = grouped(metrics, lambda row: row.estimator)
    changes = [
        _change(name, own, of.get(name, ()), settings.get(name, ()), tolerance, max_slowdown)
        for name, own in grouped(pairs, lambda p: p.new.cell.estimator).items()
    ]
    order = list(Verdict)
    environment = _environment(old, fresh)
    return Comparison(
        changes=tuple(sorted(changes, key=lambda c: (order.index(Verdict(c.verdict)), c.difference or 0, c.estimator))),
        points=_points(pairs),
        failures=_failures(pairs),
        metrics=metrics,
        left_out=tuple(left_out(reason, cells) for reason, cells in left.items()),
        cells=len(pairs),
        answered=sum(p.base.status is Status.OK or p.new.status is Status.OK for p in pairs),
        tolerance=tolerance,
        max_slowdown=max_slowdown,
        lost=lost(old, fresh),
        complete=complete,
        environment=environment,
        like_with_like=not any(key.startswith("machine.") for key in environment)
        and all(p.base.batch_size == p.new.batch_size for p in pairs),
    )


def _change(
    estimator: str,
    pairs: Sequence[Pair],
    metrics: Sequence[MetricChange],
    settings: Sequence[str],
    tolerance: float,
    max_slowdown: float | None,
) -> EstimatorChange:
    scored = [p for p in pairs if p.ranked]
    numbers = _scores(scored) if scored else {}
    broken, mended = sum(p.broken for p in pairs), sum(p.mended for p in pairs)
    ratio = _cpu_ratio(pairs)
    same = all(p.same for p in pairs)
    difference = 0.0 if same else numbers.get("difference") or 0.0  # equal answers can still differ in the last bits
    reasons = []
    if difference < -tolerance:
        reasons.append(f"its score fell by {-difference:.3f}, more than {tolerance:g}")
    if broken:
        reasons.append(f"{counted(broken, 'cell')} that had an answer failed")
    reasons += [f"{m.metric} is worse on {m.task}" for m in metrics if m.verdict == Verdict.WORSE]
    reasons += _of_the_harness(scored, numbers.get("new_score"))
    if max_slowdown is not None and ratio is not None and ratio > max_slowdown:
        reasons.append(f"it takes {ratio:.3g} times the CPU time, more than {max_slowdown:g}")
    if reasons:
        verdict = Verdict.WORSE
    elif difference > tolerance or mended or any(m.verdict == Verdict.BETTER for m in metrics):
        verdict = Verdict.BETTER
    else:
        verdict = Verdict.UNCHANGED if same else Verdict.CHANGED
    return EstimatorChange(
        estimator=estimator,
        verdict=verdict,
        reasons=tuple(reasons),
        broken=broken,
        mended=mended,
        cpu_ratio=ratio,
        cells=len(pairs),
        settings=tuple(settings),
        **{key: numbers.get(key) for key in _NUMBERS},
    )


def _of_the_harness(scored: Sequence[Pair], new_score: float | None) -> Iterator[str]:
    """What is wrong with a reference whose answers are known."""
    role = scored[0].new.role if scored else None
    if role is Role.CEILING and (new_score or 0.0) < 1 - NOISE:
        yield "it answers the truth and does not score 1: an error of the harness"
    if role is Role.FLOOR and not all(equal(p.new.mi, 0.0) for p in scored if p.new.status is Status.OK):
        yield "it must answer 0 and does not: an error of the harness"


_NUMBERS = ("base_score", "new_score", "difference", "low", "high", "over", "base_error", "new_error")


def _scores(pairs: Sequence[Pair]) -> dict[str, Any]:
    """The leaderboard's score on both sides, the difference with its interval, and the mean errors."""
    weights = scoring.nested_weights([p.point for p in pairs])
    errors = np.abs([[p.base.error, p.new.error] for p in pairs])
    scores = scoring.score(errors)
    base, new = (scoring.mean(scores[:, side], weights) for side in (0, 1))
    over = units.over(p.new for p in pairs)
    each = [units.scores([getattr(p, side) for p in pairs], over) if over else {} for side in ("base", "new")]
    interval = units.interval({unit: each[1][unit] - each[0][unit] for unit in each[1]}, over)
    both = np.isfinite(errors).all(axis=1)
    mean_errors = [scoring.mean(errors[both, side], weights[both]) if both.any() else None for side in (0, 1)]
    low, high = (max(-1.0, interval[0]), min(1.0, interval[1])) if interval else (None, None)
    return dict(zip(_NUMBERS, (base, new, new - base, low, high, over, *mean_errors), strict=True))


def _cpu_ratio(pairs: Sequence[Pair]) -> float | None:
    """The median in logarithms, so that exchanging BASE and NEW inverts it."""
    timed = [p for p in pairs if p.answered]
    if not timed:
        return None
    logs = [math.log(max(p.new.cpu_s, CLOCK) / max(p.base.cpu_s, CLOCK)) for p in timed]
    return math.exp(scoring.weighted_median(logs, scoring.nested_weights([p.point for p in timed])))


def _points(pairs: Sequence[Pair]) -> tuple[PointChange, ...]:
    answered = [p for p in pairs if p.answered and p.ranked]
    rows = []
    for (estimator, (family, task, n)), own in grouped(answered, lambda p: (p.new.cell.estimator, p.point)).items():
        base, new = (float(np.mean(np.abs([getattr(p, side).error for p in own]))) for side in ("base", "new"))
        if new > base and not equal(base, new):
            rows.append(
                PointChange(
                    estimator=estimator,
                    family=family,
                    task=task,
                    n=n,
                    base_error=base,
                    new_error=new,
                    growth=new - base,
                    seeds=len(own),
                )
            )
    return tuple(sorted(rows, key=lambda row: (-row.growth, row.estimator, row.task, row.n)))


def _failures(pairs: Sequence[Pair]) -> tuple[NewFailure, ...]:
    failed = grouped(
        (p.new for p in pairs if p.broken),
        lambda r: (r.cell.estimator, r.cell.task, r.cell.n, str(r.status), r.message),
    )
    return tuple(
        NewFailure(estimator=e, task=t, n=n, status=s, message=m, seeds=tuple(r.cell.seed for r in cells))
        for (e, t, n, s, m), cells in failed.items()
    )


def _metrics(pairs: Sequence[Pair], left: dict[str, list[Result]]) -> list[MetricChange]:
    """Every metric whose better direction is declared, not yet judged; those without one are left out."""
    rows = []
    answered = [p for p in pairs if p.answered and p.new.kind is not TaskKind.INFORMATION]
    for (estimator, task, n), own in grouped(
        answered, lambda p: (p.new.cell.estimator, p.new.cell.task, p.new.cell.n)
    ).items():
        for name, info in _declared(own).items():
            found = [(old, new, p) for p in own for old, new in [(_value(p.base, name), _value(p.new, name))]]
            both = [(old, new) for old, new, _ in found if old is not None and new is not None]
            if info.get("better") not in ("lower", "higher"):
                left[f"metric '{name}', of which no better direction is declared"] += [p.new for *_, p in found]
                continue
            if len(both) < len(found):
                left[f"metric '{name}', which is not in both"] += [p.new for o, f, p in found if None in (o, f)]
            if both:
                base, new = np.array(both).T
                about: dict[str, Any] = {"estimator": estimator, "task": task, "n": n, "metric": name}
                about |= {"unit": str(info.get("unit", "")), "better": str(info["better"])}
                rows.append(MetricChange(**about, **_moved(base, new)))
    return rows


def _moved(base: scoring.Floats, new: scoring.Floats) -> dict[str, Any]:
    """What the values of a metric, seed by seed, say of its change."""
    low, high = scoring.mean_interval(new - base) or (None, None)
    return {
        "verdict": Verdict.UNCHANGED if all(map(equal, base, new)) else Verdict.CHANGED,
        "base": float(base.mean()),
        "new": float(new.mean()),
        "difference": float((new - base).mean()),
        "low": low,
        "high": high,
        "p_value": scoring.paired_p(new - base) if len(base) > 1 else None,
        "seeds": len(base),
    }


def _judged(rows: Sequence[MetricChange], tolerance: float) -> tuple[MetricChange, ...]:
    """Verdicts for the metrics that moved, with p-values adjusted for their number."""
    moved = {i: r.p_value for i, r in enumerate(rows) if r.verdict == Verdict.CHANGED and r.p_value is not None}
    adjusted = dict(zip(moved, scoring.holm(list(moved.values())), strict=True))
    judged = []
    for i, row in enumerate(rows):
        p = float(adjusted[i]) if i in adjusted else None
        far = abs(row.difference) > tolerance * max(abs(row.base), abs(row.new))
        verdict = row.verdict
        if far and p is not None and p < 1 - scoring.CONFIDENCE:
            verdict = Verdict.BETTER if (row.difference > 0) == (row.better == "higher") else Verdict.WORSE
        judged.append(dataclasses.replace(row, verdict=verdict, p_value=p))
    return tuple(judged)


def _declared(pairs: Sequence[Pair]) -> dict[str, Mapping[str, Any]]:
    """The metrics of a task by name, as it declares them; those that NEW does not declare as BASE did."""
    if pairs[0].new.kind is TaskKind.CONSISTENCY:
        return {DEVIATION: {"better": "lower"}}
    described = {str(i["name"]): i for side in ("base", "new") for p in pairs for i in getattr(p, side).metric_info}
    recorded = {name for p in pairs for r in (p.base, p.new) for name in r.metrics}
    return {name: described.get(name, {}) for name in sorted(recorded)}


def _value(result: Result, metric: str) -> float | None:
    if metric == DEVIATION and result.kind is TaskKind.CONSISTENCY:
        score, expected = result.metrics.get("score"), result.metrics.get("expected")
        return None if score is None or expected is None else abs(score - expected)
    return result.metrics.get(metric)


def _changed_settings(pairs: Sequence[Pair]) -> dict[str, list[str]]:
    """By estimator: what its name stands for now and did not before.

    The id of a cell is a hash of the estimator and of the task. So where an estimator kept its id, the task is the
    same; and where the id of another one differs on that task, that estimator is not.
    """
    steady = {p.new.cell.task for p in pairs if p.base.cell.id == p.new.cell.id}
    changed: dict[str, list[str]] = {}
    for name, own in grouped(pairs, lambda p: p.new.cell.estimator).items():
        old, new = own[0].base.estimator_params, own[0].new.estimator_params
        found = [
            f"{key} {_written(old.get(key))} → {_written(new.get(key))}"
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key)
        ]
        versions = own[0].base.estimator_version, own[0].new.estimator_version
        if all(versions) and versions[0] != versions[1]:
            found.append("version {} → {}".format(*versions))
        moved = [p for p in own if p.base.cell.id != p.new.cell.id]
        if moved and not found:
            sure = any(p.new.cell.task in steady for p in moved)
            found = ["another version" if sure else "another version of it or of its tasks"]
        if found:
            changed[name] = found
    return changed


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _environment(base: Sequence[Result], new: Sequence[Result]) -> dict[str, tuple[str, str]]:
    """What of the versions and the machines differs, where both sides recorded it."""
    old, fresh = provenance(base), provenance(new)
    telling = ("mibench", "python", "machine.system", "machine.cpu", "machine.device")
    return {
        key: (", ".join(old[key]), ", ".join(fresh[key]))
        for key in old
        if key in fresh and old[key] != fresh[key] and (key in telling or key.startswith("versions."))
    }
