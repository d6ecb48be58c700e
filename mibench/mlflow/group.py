"""A tracker as an observer of a run: it is told of an estimator on a task when the last of its seeds is finished."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

from mibench.engine.provenance import command
from mibench.engine.reading import Records, files_at, has_results
from mibench.group import grouped
from mibench.result import Result
from mibench.words import heading

from .tracking import Tracker
from .uri import artifact_root

if TYPE_CHECKING:
    from mibench.engine.job import Job

Group: TypeAlias = tuple[str, str, int]
"""Estimator, task and sample size."""


class GroupTracker:
    """Hands the cells of one estimator x task x n to a tracker when they are complete; use it as a context manager.

    uri : the MLflow tracking URI; directory : the folder of the results, whose earlier records belong to the groups.
    patience : seconds to wait at the end until everything is written; what is left then is for `mibench sync`.
    """

    def __init__(self, uri: str, directory: Path, patience: float = math.inf) -> None:
        self._tracker, self._directory = Tracker(uri, artifact_root=artifact_root(uri)), directory
        self._patience = patience
        self._missing: dict[Group, int] = defaultdict(int)
        self._results: dict[Group, list[Result]] = defaultdict(list)
        self._logged: set[Group] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        """Wait until everything is written, but not where the run was interrupted: `mibench sync` catches up."""
        if error is None:
            self._tracker.close(self._patience)

    def started(self, jobs: Sequence[Job], done: int) -> None:
        """Count the cells to come, and recall those that were finished before."""
        for job in jobs:
            self._missing[job.cell.estimator, job.cell.task, job.cell.n] += 1
        if self._missing and has_results(self._directory):
            for file in files_at(self._directory):
                for result, _ in Records(file):
                    if (key := _group(result)) in self._missing:
                        self._results[key].append(result)

    def finished(self, result: Result) -> None:
        """Log the group where it is complete."""
        key = _group(result)
        self._results[key].append(result)
        self._missing[key] -= 1
        if not self._missing[key]:
            self._log(key, self._results.pop(key))

    def ended(self) -> None:
        """Log what an interruption left incomplete."""
        for key, missing in self._missing.items():
            if missing and self._results.get(key):
                self._log(key, self._results[key])

    def summarize(self, results: Sequence[Result], files: Mapping[str, Path]) -> None:
        """Write the summary with the files of a report, and before it what an interruption kept from being logged."""
        for key, group in grouped(results, _group).items():
            if key not in self._logged:
                self._log(key, group)
        self._tracker.log_summary(heading(self._directory), results, files, {"command": command()})

    def _log(self, key: Group, results: Sequence[Result]) -> None:
        self._logged.add(key)
        latest = {result.cell.id: result for result in results}  # a cell that is retried has two
        self._tracker.log_group(list(latest.values()), self._directory)


def _group(result: Result) -> Group:
    return result.cell.estimator, result.cell.task, result.cell.n
