"""The schema of a comparison of two sets of results: one class per table, one field per column. See ``compare``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mibench.words import counted, listed

from .schema import column, lower_end, plain, schema, upper_end

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

    estimator: str = column(
        "The estimator, with the hyperparameters that differ from its defaults.", heading="estimator"
    )
    verdict: str = column(
        "worse: fails the gate; better: the score rose by more than the tolerance, a cell that failed has an answer, "
        "or a metric improved; changed: within the tolerance; unchanged: equal up to floating-point noise.",
        heading="verdict",
    )
    reasons: Sequence[str] = column("Why it is worse.")
    base_score: float | None = column("Score in BASE, on the common cells.", heading="score BASE")
    new_score: float | None = column("Score in NEW, on the common cells.", heading="NEW")
    difference: float | None = column("Score in NEW minus score in BASE.", heading="difference", signed=True)
    low: float | None = lower_end("the difference, from paired scores")
    high: float | None = upper_end("the difference, from paired scores")
    over: str | None = column(
        "What that interval is over. families: other kinds of data; tasks: other tasks of these families; seeds: other "
        "samples of these tasks; None where nothing was repeated."
    )
    base_error: float | None = column(
        "Mean |error| in BASE, over the cells with an answer in both.", "nats", "|err| BASE"
    )
    new_error: float | None = column("Mean |error| in NEW, over the cells with an answer in both.", "nats", "NEW")
    broken: int = column("Cells with an answer in BASE and none in NEW.", heading="fail now")
    mended: int = column("Cells with an answer in NEW and none in BASE.", heading="work now")
    cpu_ratio: float | None = column(
        "Median over cells of CPU time in NEW over CPU time in BASE; times below a millisecond count as one.",
        heading="CPU",
    )
    cells: int = column("Cells that both hold.", heading="cells", narrow=False)
    settings: Sequence[str] = column("Hyperparameters that changed under the same name, and a change of version.")

    def __str__(self) -> str:
        if self.base_score is None or self.new_score is None:
            return f"{self.estimator}: {self.verdict}"
        scores = f"{self.base_score:.3f} → {self.new_score:.3f} ({self.new_score - self.base_score:+.3f})"
        return f"{self.estimator}: {self.verdict}, score {scores}"


@dataclass(frozen=True, kw_only=True)
class PointChange:
    """Growth of the error of one estimator on one task at one sample size."""

    estimator: str = column("The estimator.", heading="estimator")
    family: str = column("The family of the task.")
    task: str = column("The task.", heading="task")
    n: int = column("Number of samples.", heading="n")
    base_error: float = column("Mean |error| in BASE over the seeds with an answer in both.", "nats", "BASE")
    new_error: float = column("Mean |error| in NEW over the same seeds.", "nats", "NEW")
    growth: float = column("Mean |error| in NEW minus that in BASE.", "nats", "growth", signed=True)
    seeds: int = column("Seeds with an answer in both.", heading="seeds")


@dataclass(frozen=True, kw_only=True)
class NewFailure:
    """Cells of one estimator and task that had an answer and have none now."""

    estimator: str = column("The estimator.", heading="estimator")
    task: str = column("The task.", heading="task")
    n: int = column("Number of samples; 0 for a downstream task.", heading="n")
    status: str = column("How the cells ended.", heading="status")
    message: str = column("What happened.", heading="what happened")
    seeds: Sequence[int] = column("Seeds of the cells.", heading="seeds")


@dataclass(frozen=True, kw_only=True)
class MetricChange:
    """One metric of one estimator on one downstream or consistency task, over the seeds that have it in both."""

    estimator: str = column("The estimator in the loss.", heading="estimator")
    task: str = column("The task.", heading="task")
    n: int = column("Number of samples; 0 for a downstream task.")
    metric: str = column("The metric; `deviation` is |ratio - expected ratio| of a consistency task.", heading="metric")
    unit: str = column("The unit of the metric.")
    better: str = column("Which direction is better: lower or higher.")
    verdict: str = column("worse or better only beyond the tolerance and seed noise.", heading="verdict")
    base: float = column("Mean over seeds in BASE.", heading="BASE")
    new: float = column("Mean over the same seeds in NEW.", heading="NEW")
    difference: float = column("Mean paired difference, NEW minus BASE.", heading="difference", signed=True)
    low: float | None = lower_end("the paired difference")
    high: float | None = upper_end("the paired difference")
    p_value: float | None = column("The Holm-adjusted p-value of the paired t test; none where nothing was tested.")
    seeds: int = column("Seeds with the metric in both.", heading="seeds")


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Cells that are not compared, for one reason."""

    reason: str = column("Why.")
    cells: int = column("How many cells.")
    estimators: Sequence[str] = column("Of which estimators, those with the most cells first.")
    tasks: Sequence[str] = column("On which tasks, likewise.")


_MOST_SHOWN = 10

_TABLES = {
    "changes": EstimatorChange,
    "points": PointChange,
    "failures": NewFailure,
    "metrics": MetricChange,
    "left_out": LeftOut,
}


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """Plain tables; the fields of their rows are documented columns.

    changes : one row per estimator, the worst first.
    points : where |error| grew, the most first.
    cells, answered : how many cells both sets hold, and how many of these have an answer in either.
    lost : those with the answers that BASE has and NEW was not asked for, or could not be for want of a package.
    complete : whether such a loss fails the gate.
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
    lost: LeftOut | None = None
    complete: bool = False
    environment: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    like_with_like: bool = True

    @property
    def worse(self) -> tuple[EstimatorChange, ...]:
        """The estimators for which the gate fails."""
        return tuple(row for row in self.changes if row.verdict == Verdict.WORSE)

    @property
    def regression(self) -> bool:
        """Whether the gate fails."""
        return bool(self.worse) or (self.complete and self.lost is not None)

    @property
    def sentences(self) -> list[str]:
        """Whether there is a regression, and every reason for it."""
        estimators, cells = counted(len(self.changes), "estimator"), counted(self.cells, "cell")
        lost = ""
        if self.lost:
            lost = (
                f"{counted(self.lost.cells, 'answer')} of BASE {'is' if self.lost.cells == 1 else 'are'} missing in NEW"
            )
            lost += f", of {listed(self.lost.estimators)}"
        if not self.answered and not self.regression:
            return ["Nothing could be compared."]
        if not self.regression:
            return [f"No regression: {estimators} on {cells} that both have{f'; {lost}' if lost else ''}."]
        if not self.worse:
            return [f"Regression: {lost}."]
        are = "is" if len(self.worse) == 1 else "are"
        headline = f"Regression: {len(self.worse)} of {estimators} {are} worse on {cells} that both have."
        reasons = [f"{row.estimator}: {'; '.join(row.reasons)}" for row in self.worse]
        return [headline, *reasons, *[lost] * bool(lost)]

    def __repr__(self) -> str:
        """The verdict, and what became of the first estimators: at most a dozen lines."""
        lines = [self.sentences[0], *(f"  {row}" for row in self.changes[:_MOST_SHOWN])]
        more = len(self.changes) - _MOST_SHOWN
        return "\n".join(lines + [f"  and {counted(more, 'more estimator')}"] * (more > 0))

    def to_json(self) -> dict[str, Any]:
        """All tables as JSON-able values, with the schema: what each column means and its unit."""
        return {
            "schema": SCHEMA,
            "regression": self.regression,
            "cells": self.cells,
            "answered": self.answered,
            "tolerance": self.tolerance,
            "max_slowdown": self.max_slowdown,
            "complete": self.complete,
            "lost": plain(self.lost) if self.lost else None,
            "environment": {key: {"base": old, "new": new} for key, (old, new) in self.environment.items()},
            "like_with_like": self.like_with_like,
            **{name: [plain(row) for row in getattr(self, name)] for name in _TABLES},
            "columns": {name: schema(row) for name, row in _TABLES.items()},
        }
