"""The schema of a comparison of two sets of results: one class per table, one field per column. See ``compare``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .schema import column, plain, schema

SCHEMA = "mibench-comparison/1"


class Verdict(StrEnum):
    """What became of an estimator, or of one of its metrics."""

    WORSE = "worse"
    BETTER = "better"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, kw_only=True)
class EstimatorChange:
    """One estimator on the cells that both sets of results hold. Kinds that are not ranked have no score or error."""

    estimator: str = column("The estimator, with the hyperparameters that differ from its defaults.")
    verdict: str = column(
        "worse: fails the gate; better: the score rose by more than the tolerance, a cell that failed has an answer, "
        "or a metric improved; changed: within the tolerance; unchanged: equal up to floating-point noise."
    )
    reasons: Sequence[str] = column("Why it is worse.")
    base_score: float | None = column("Score in BASE, on the common cells.")
    new_score: float | None = column("Score in NEW, on the common cells.")
    difference: float | None = column("Score in NEW minus score in BASE.")
    low: float | None = column("Lower end of the 95 % t interval of the difference, paired by family, over families.")
    high: float | None = column("Upper end of the 95 % t interval of the difference, paired by family, over families.")
    base_error: float | None = column("Mean |error| in BASE, over the cells with an answer in both.", "nats")
    new_error: float | None = column("Mean |error| in NEW, over the cells with an answer in both.", "nats")
    broken: int = column("Cells with an answer in BASE and none in NEW.")
    mended: int = column("Cells with an answer in NEW and none in BASE.")
    cpu_ratio: float | None = column(
        "Median over cells of CPU time in NEW over CPU time in BASE; times below a millisecond count as one."
    )
    cells: int = column("Cells that both hold.")
    settings: Sequence[str] = column("Hyperparameters that changed under the same name, and a change of version.")


@dataclass(frozen=True, kw_only=True)
class PointChange:
    """Growth of the error of one estimator on one task at one sample size."""

    estimator: str = column("The estimator.")
    family: str = column("The family of the task.")
    task: str = column("The task.")
    n: int = column("Number of samples.")
    base_error: float = column("Mean |error| in BASE over the seeds with an answer in both.", "nats")
    new_error: float = column("Mean |error| in NEW over the same seeds.", "nats")
    growth: float = column("Mean |error| in NEW minus that in BASE.", "nats")
    seeds: int = column("Seeds with an answer in both.")


@dataclass(frozen=True, kw_only=True)
class NewFailure:
    """Cells of one estimator and task that had an answer and have none now."""

    estimator: str = column("The estimator.")
    task: str = column("The task.")
    n: int = column("Number of samples; 0 for a downstream task.")
    status: str = column("How the cells ended.")
    message: str = column("What happened.")
    seeds: Sequence[int] = column("Seeds of the cells.")


@dataclass(frozen=True, kw_only=True)
class MetricChange:
    """One metric of one estimator on one downstream or consistency task, over the seeds that have it in both."""

    estimator: str = column("The estimator in the loss.")
    task: str = column("The task.")
    n: int = column("Number of samples; 0 for a downstream task.")
    metric: str = column("The metric; `deviation` is |ratio - expected ratio| of a consistency task.")
    unit: str = column("The unit of the metric.")
    better: str = column("Which direction is better: lower or higher.")
    verdict: str = column("worse or better only beyond the tolerance and seed noise.")
    base: float = column("Mean over seeds in BASE.")
    new: float = column("Mean over the same seeds in NEW.")
    difference: float = column("Mean paired difference, NEW minus BASE.")
    low: float | None = column("Lower end of the 95 % t interval of the paired difference.")
    high: float | None = column("Upper end of the 95 % t interval of the paired difference.")
    p_value: float | None = column("The Holm-adjusted p-value of the paired t test; none where nothing was tested.")
    seeds: int = column("Seeds with the metric in both.")


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Cells that are not compared, for one reason."""

    reason: str = column("Why.")
    cells: int = column("How many cells.")
    estimators: Sequence[str] = column("Of which estimators, those with the most cells first.")
    tasks: Sequence[str] = column("On which tasks, likewise.")


_TABLES = {
    "changes": EstimatorChange,
    "points": PointChange,
    "failures": NewFailure,
    "metrics": MetricChange,
    "left_out": LeftOut,
}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Plain tables; the fields of their rows are documented columns.

    changes : one row per estimator, the worst first.
    points : where |error| grew, the most first.
    cells, answered : how many cells both sets hold, and how many of these have an answer in either.
    environment : versions and machines that differ, as (in BASE, in NEW) by key.
    like_with_like : whether CPU times come from the same kind of machine and from batches of the same size.
    """

    changes: tuple[EstimatorChange, ...]
    points: tuple[PointChange, ...]
    failures: tuple[NewFailure, ...]
    metrics: tuple[MetricChange, ...]
    left_out: tuple[LeftOut, ...]
    cells: int
    answered: int
    tolerance: float
    max_slowdown: float | None
    environment: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    like_with_like: bool = True

    @property
    def worse(self) -> tuple[EstimatorChange, ...]:
        """The estimators for which the gate fails."""
        return tuple(row for row in self.changes if row.verdict == Verdict.WORSE)

    def to_json(self) -> dict[str, Any]:
        """All tables as JSON-able values, with the schema: what each column means and its unit."""
        return {
            "schema": SCHEMA,
            "regression": bool(self.worse),
            "cells": self.cells,
            "answered": self.answered,
            "tolerance": self.tolerance,
            "max_slowdown": self.max_slowdown,
            "environment": {key: {"base": old, "new": new} for key, (old, new) in self.environment.items()},
            "like_with_like": self.like_with_like,
            **{name: [plain(row) for row in getattr(self, name)] for name in _TABLES},
            "columns": {name: schema(row) for name, row in _TABLES.items()},
        }
