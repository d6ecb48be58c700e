"""One invocation of `mibench run`: resume, run with progress and tracking, report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mibench.group import grouped

from .grid import Job
from .progress import progress
from .provenance import command
from .runner import GroupTracker, Observer, default_workers, run_jobs, selection, unfinished
from .store import FILE, Results, Store

if TYPE_CHECKING:
    from rich.console import Console

    from mibench.mlflow.tracking import Tracker


@dataclass(frozen=True)
class Finished:
    """A run that has come to its end: its results, the files of its report, and the tracker that may still be writing.

    The results are those on the grid's tasks, sample sizes and seeds, by whatever estimators the folder holds: an
    estimator that is run alone later stands beside those that ran before.
    """

    results: Results
    written: dict[str, Path]
    tracker: Tracker | None

    def close(self) -> None:
        """Wait until the tracker is done."""
        if self.tracker is not None:
            self.tracker.close()


def execute(
    jobs: Sequence[Job],
    directory: Path,
    *,
    title: str,
    unit: str,
    workers: int | None,
    time_limit: float,
    memory_limit: float,
    retry: bool,
    tracker: Tracker | None,
    console: Console,
) -> Finished:
    """Run what is not finished yet, then write the report; progress goes to ``console``.

    Raises
    ------
    UsageError : the folder cannot be written. KeyboardInterrupt : interrupted; what was finished is on disk.
    """
    workers = workers or default_workers()
    with Store(directory) as store:
        before = store.results()
        todo = unfinished(jobs, before, retry)
        done = len(jobs) - len(todo)
        earlier = f" ({done} finished before)" if done else ""
        crew = f"{workers} worker{'s' if workers != 1 else ''}"
        line = f"{len(jobs)} cells{earlier}, {crew}; results go to {directory / FILE}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
        observers: list[Observer] = [progress(console, workers)]
        if tracker is not None:
            observers.append(GroupTracker(tracker, store, before))
        if todo:
            run_jobs(
                todo,
                store,
                workers=workers,
                time_limit=time_limit,
                memory_limit=memory_limit,
                observers=observers,
                done=done,
            )
        results = Results(selection(store.results(), jobs), directory)
        written = results.report(directory, title, unit)
    if tracker is not None:
        _log(tracker, title, results, written, resumed=done > 0)
    return Finished(results, written, tracker)


def _log(tracker: Tracker, title: str, results: Results, written: dict[str, Path], resumed: bool) -> None:
    """The summary; after a resumed run also whatever an interruption kept from being logged (the rest is a no-op)."""
    if resumed:
        for group in grouped(results, lambda r: (r.cell.estimator, r.cell.task, r.cell.n)).values():
            tracker.log_group(group, results.directory)
    tracker.log_summary(title, results, written, {"command": command()})
