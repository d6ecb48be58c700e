"""The run: cells into batches, batches to workers, answers into the store, with word to whoever watches.

Only this process writes. A batch that times out or kills its worker is tried again cell by cell, so that one bad cell
costs nobody else an answer. Every cell ends as exactly one Result.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Protocol

from mibench.errors import MibenchError, NotInstalled
from mibench.result import Result, Status
from mibench.task import AnyTask, ConsistencyTask, DownstreamTask, Task

from .batches import batches
from .grid import Job
from .local import LocalPool
from .provenance import command, provenance
from .store import Store
from .worker import Answer


class Observer(Protocol):
    """Who is told how a run goes; progress bars and trackers are observers."""

    def started(self, jobs: Sequence[Job], done: int) -> None:
        """``jobs`` are about to run; ``done`` more were finished before."""

    def finished(self, result: Result) -> None:
        """One more cell is on disk."""

    def ended(self) -> None:
        """Nothing more comes, be it that all is done or that the run was interrupted."""


def default_workers() -> int:
    """As many worker processes as this process may use cores."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def unfinished(jobs: Sequence[Job], finished: Iterable[Result], retry: bool = False) -> list[Job]:
    """The jobs without a result: cells are recognised by id, so changed parameters and versions run again.

    Cells that lacked something not installed are tried again always, other failures only with ``retry``.
    """
    done = {
        r.cell.id for r in finished if r.status is Status.OK or (r.status is not Status.NOT_INSTALLED and not retry)
    }
    return [job for job in jobs if job.cell.id not in done]


def run_jobs(
    jobs: Sequence[Job],
    store: Store,
    *,
    workers: int,
    time_limit: float,
    memory_limit: float,
    observers: Sequence[Observer] = (),
    done: int = 0,
) -> None:
    """Answer every job and append its Result to the store.

    time_limit : seconds of wall time per cell; memory_limit : GiB per worker.

    Raises
    ------
    UsageError : the store cannot be written any more.
    KeyboardInterrupt : after the workers have been stopped; what was finished is in the store.
    """
    for observer in observers:
        observer.started(jobs, done)
    try:
        _run(jobs, store, workers, time_limit, memory_limit, observers)
    finally:
        for observer in observers:
            observer.ended()


def _run(
    jobs: Sequence[Job],
    store: Store,
    workers: int,
    time_limit: float,
    memory_limit: float,
    observers: Sequence[Observer],
) -> None:
    described = _Described()

    def finish(job: Job, answer: Answer) -> None:
        images = store.save_images(job.cell, answer.images)
        result = Result(job.cell, images=images, **described.of(job), **_fields(answer))
        store.append(result)
        for observer in observers:
            observer.finished(result)

    ready = []
    for job in jobs:
        problem = described.problem(job.task)
        if problem is None:
            ready.append(job)
        else:
            finish(job, problem)
    if not ready:
        return
    with LocalPool(min(workers, len(ready)), memory_limit) as pool:
        waiting: dict[Future[list[Answer]], list[Job]] = {}
        queue = batches(ready, workers)[::-1]
        while queue or waiting:
            # a few more than there are workers, so that none waits for the parent
            while queue and len(waiting) < workers + 2:
                batch = queue.pop()
                waiting[pool.submit(batch, time_limit)] = batch
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                batch = waiting.pop(future)
                error = future.exception()
                if error is None:
                    for job, answer in zip(batch, future.result(), strict=True):
                        finish(job, answer)
                elif len(batch) > 1:
                    queue += [[job] for job in batch]
                else:
                    finish(batch[0], pool.failure(error, time_limit))


def _fields(answer: Answer) -> dict[str, Any]:
    return {f.name: getattr(answer, f.name) for f in dataclasses.fields(Answer) if f.name != "images"}


class _Described:
    """What a Result says about its plug-ins, worked out once per plug-in: a truth may cost a quadrature."""

    def __init__(self) -> None:
        self._tasks: dict[str, dict[str, Any] | Answer] = {}
        self._provenance = {"command": command(), **provenance()}

    def problem(self, task: AnyTask) -> Answer | None:
        """Why nothing can be run on this task, or None."""
        found = self._task(task)
        return found if isinstance(found, Answer) else None

    def of(self, job: Job) -> dict[str, Any]:
        """All fields of a Result that do not depend on the answer."""
        task = self._task(job.task)
        estimator = job.estimator
        fields: dict[str, Any] = {
            "estimator_name": estimator.identity()["name"],
            "estimator_params": estimator.identity()["params"],
            "task_name": job.task.identity()["name"],
            "task_params": job.task.identity()["params"],
            "family": job.task.family,
            "kind": job.task.kind,
            "varies": job.task.varies,
            "quantity": estimator.kind,
            "role": estimator.capabilities.role,
            "reference": estimator.capabilities.reference,
            "reads_task": estimator.capabilities.reads_task,
            "provenance": {**self._provenance, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")},
        }
        if not isinstance(task, Answer):
            fields |= task
        if isinstance(job.task, DownstreamTask):
            fields |= {"group": job.task.group, "arm": job.task.arm(estimator)}
        elif isinstance(job.task, ConsistencyTask):
            fields |= {"group": job.task.group}
        return fields

    def _task(self, task: AnyTask) -> dict[str, Any] | Answer:
        if task.label not in self._tasks:
            try:
                self._tasks[task.label] = _facts(task)
            except NotInstalled as error:
                self._tasks[task.label] = Answer(Status.NOT_INSTALLED, message=str(error))
            except Exception as error:
                text = str(error) if isinstance(error, MibenchError) else f"{type(error).__name__}: {error}"
                self._tasks[task.label] = Answer(Status.ERROR, message=f"the task cannot be used: {text}")
        return self._tasks[task.label]


def _facts(task: AnyTask) -> dict[str, Any]:
    if isinstance(task, Task):
        return {
            "dim_x": int(task.dim_x),
            "dim_y": int(task.dim_y),
            "truth": float(task.mutual_information),
            "truth_error": float(task.mutual_information_error),
        }
    if isinstance(task, DownstreamTask):
        return {"metric_info": [dataclasses.asdict(metric) for metric in task.metrics]}
    return {}


class GroupTracker:
    """Hands the cells of one estimator x task x n to a tracker when the last of its seeds is finished."""

    def __init__(self, tracker: Any, store: Store, before: Iterable[Result] = ()) -> None:
        self._tracker, self._store = tracker, store
        self._missing: dict[tuple[str, str, int], int] = defaultdict(int)
        self._results: dict[tuple[str, str, int], list[Result]] = defaultdict(list)
        for result in before:
            self._results[_group(result)].append(result)

    def started(self, jobs: Sequence[Job], done: int) -> None:
        """Count the cells to come."""
        for job in jobs:
            self._missing[job.cell.estimator, job.cell.task, job.cell.n] += 1

    def finished(self, result: Result) -> None:
        """Log the group where it is complete."""
        key = _group(result)
        self._results[key].append(result)
        self._missing[key] -= 1
        if not self._missing[key]:
            self._tracker.log_group(self._results[key], self._store.directory)

    def ended(self) -> None:
        """Log what an interruption left incomplete."""
        for key, missing in self._missing.items():
            if missing and self._results[key]:
                self._tracker.log_group(self._results[key], self._store.directory)


def _group(result: Result) -> tuple[str, str, int]:
    return result.cell.estimator, result.cell.task, result.cell.n


def selection(results: Iterable[Result], jobs: Sequence[Job]) -> list[Result]:
    """The results that belong in the table of these jobs.

    Their own cells, under the names the jobs use (a task may have several); and what other estimators answered on the
    same tasks, sample sizes and seeds.
    """
    own = {job.cell.id: job.cell for job in jobs}
    points = {(job.cell.task, job.cell.n, job.cell.seed) for job in jobs}
    chosen = []
    for result in results:
        cell = result.cell
        if cell.id in own:
            chosen.append(dataclasses.replace(result, cell=own[cell.id]))
        elif (cell.task, cell.n, cell.seed) in points:
            chosen.append(result)
    return chosen
