"""The run: tasks are asked for their facts, cells put into batches, batches handed to an executor, answers stored.

Only this process writes, and no code of a task runs in it. A batch that times out or kills its worker is tried again
cell by cell, so that one bad cell costs nobody else an answer. Every cell ends as exactly one Result.
"""

from __future__ import annotations

import dataclasses
import math
import os
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from typing import Any, Protocol, TypeVar

from mibench.group import grouped
from mibench.result import Cell, Result, Status
from mibench.task import TaskKind

from .batches import Load, Loads, batches
from .executor import Executor, Lost
from .job import Job
from .layout import Reader
from .plan import Plan
from .records import End, recorded
from .store import Store
from .worker import Answer, Facts, answer_all, describe

T = TypeVar("T")
W = TypeVar("W")

_FACTS = 120.0  # seconds that a task may need to work out its truth, if a cell may not take longer


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


def unfinished(jobs: Iterable[Job] | Plan, ended: Mapping[str, End], retry: bool = False) -> list[Job]:
    """The jobs that have not ended for good: cells are recognised by id, so changed parameters and versions run again.

    Cells that lacked something not installed are tried again always, those whose surroundings failed in two more runs,
    other failures only with ``retry``.
    """
    if isinstance(jobs, Plan):  # most are done for good, and need not be made
        jobs = jobs.without({id for id, end in ended.items() if end.status is Status.OK and not end.again})
    todo = []
    for job in jobs:
        end = ended.get(job.cell.id)
        if end is None or (retry and end.status is not Status.OK) or not end.status.final:
            todo.append(job)
        elif end.again > 0:
            todo.append(dataclasses.replace(job, again=end.again - 1))
    return todo


def run_jobs(
    jobs: Sequence[Job],
    store: Store,
    start: Callable[[int], Executor],
    *,
    workers: int,
    time_limit: float,
    provenance: Mapping[str, Any],
    observers: Sequence[Observer] = (),
    done: int = 0,
    time_budget: float = math.inf,
    gpu: bool = False,
) -> int:
    """Answer every job and append its Result to the store; the number of cells that were not handed out any more.

    start : makes an executor of so many workers; time_limit : seconds of wall time per cell; time_budget : seconds
    after which no more cells are handed out (those that have begun are finished); gpu : whether workers train on one.

    Raises
    ------
    UsageError : the store cannot be written any more.
    KeyboardInterrupt : after the workers have been stopped; what was finished is in the store.
    """
    end = time.monotonic() + time_budget
    for observer in observers:
        observer.started(jobs, done)
    try:
        left = len(jobs)
        if not jobs:
            return left
        with start(min(workers, len(jobs))) as executor:
            reader = Reader()
            for answers in _answers(jobs, executor, workers, time_limit, end, gpu):
                stamped = {**provenance, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
                records = [recorded(_kept(found, store, stamped), reader.decode) for found in answers]
                store.write(line for _, line in records)
                left -= len(records)
                for result, _ in records:
                    for observer in observers:
                        observer.finished(result)
        return left
    finally:
        for observer in observers:
            observer.ended()


def _kept(found: Answer, store: Store, provenance: Mapping[str, Any]) -> Result:
    images = store.save_images(found.result.cell, found.images) if found.images else {}
    own = found.result.provenance  # what a worker on another machine says of it
    return dataclasses.replace(found.result, images=images, provenance={**provenance, **own} if own else provenance)


def _answers(
    jobs: Sequence[Job], executor: Executor, workers: int, time_limit: float, end: float, gpu: bool
) -> Iterator[list[Answer]]:
    ready: list[Job] = []
    for alike, facts in _described(jobs, executor, workers, max(time_limit, _FACTS), end):
        told = list(_told(alike, facts))
        if facts.problem is None:
            ready += told
        else:
            yield [_without(job, facts.problem) for job in told]

    def submit(load: Load) -> Future[tuple[list[Answer], float]]:
        return executor.submit(partial(answer_all, load, time_limit), time_limit, sum(map(len, load)))

    queue = Loads(batches(ready, workers, gpu), workers)
    for load, found in _outcomes(queue, submit, workers, end):
        if not isinstance(found, Lost):
            answers, seconds = found
            queue.took(load, seconds)
            yield answers
        elif len(load) > 1 or len(load[0]) > 1:
            queue.divide(load)
        else:
            yield [_without(load[0][0], found)]


def _described(
    jobs: Sequence[Job], executor: Executor, workers: int, seconds: float, end: float
) -> Iterator[tuple[Sequence[Job], Facts]]:
    """The jobs of each task with its facts. Asked of the executor, because whatever is a plug-in's may do harm."""

    def submit(alike: Sequence[Job]) -> Future[Facts]:
        task, estimators = alike[0].task, {job.cell.estimator: job.estimator for job in alike}
        arms = list(estimators.values()) if task.kind is TaskKind.DOWNSTREAM else ()
        return executor.submit(partial(describe, task, arms, seconds), seconds)

    tasks = grouped(jobs, lambda job: job.cell.task)
    for alike, found in _outcomes(deque(tasks.values()), submit, workers, end):
        if isinstance(found, Lost):
            message = f"the task cannot be used: {found.message}"
            found = Facts({}, problem=Lost(found.status, message, by_chance=found.by_chance))
        yield alike, found


def _told(jobs: Iterable[Job], facts: Facts) -> Iterator[Job]:
    """The jobs of a task with all that is known of it; those of one estimator share it."""
    known: dict[tuple[int, str], dict[str, Any]] = {}
    for job in jobs:
        label = job.cell.estimator
        if (own := known.get((id(job.facts), label))) is None:
            arm = {"arm": facts.arms[label]} if facts.arms else {}
            own = known[id(job.facts), label] = {**job.facts, **facts.fields, **arm}
        yield Job(job.cell, job.estimator, job.task, own, job.again)


def _without(job: Job, lost: Lost) -> Answer:
    # no answer: what the cell cost is what it was allowed
    cost = {"wall_s": lost.seconds, "cpu_s": lost.seconds}
    return Answer(job.result(lost.status, message=lost.message, again=job.again if lost.by_chance else 0, **cost))


class _Queue(Protocol[W]):
    """What is to be done: a deque, or :class:`Loads`."""

    def __len__(self) -> int: ...
    def popleft(self) -> W: ...
    def appendleft(self, work: W, /) -> None: ...
    def clear(self) -> None: ...


def _outcomes(
    queue: _Queue[W], submit: Callable[[W], Future[T]], workers: int, end: float
) -> Iterator[tuple[W, T | Lost]]:
    """Each work in the queue, which may grow meanwhile, and what came of it; what is lost by chance is tried again.

    end : on the monotonic clock, when what has not begun is left.
    """
    waiting: dict[Future[T], W] = {}
    again: dict[int, W] = {}
    while queue or waiting:
        left = end - time.monotonic()
        if left <= 0:
            queue.clear()
            waiting = {future: work for future, work in waiting.items() if not future.cancel()}
        # a few more than there are workers, so that none waits for this process
        while queue and len(waiting) < workers + 2:
            work = queue.popleft()
            waiting[submit(work)] = work
        patience = left if 0 < left < threading.TIMEOUT_MAX else None
        for future in wait(waiting, patience, FIRST_COMPLETED).done:
            work = waiting.pop(future)
            try:
                found: T | Lost = future.result()
            except Lost as lost:
                if lost.by_chance and id(work) not in again:
                    again[id(work)] = work
                    queue.appendleft(work)
                    continue
                found = lost
            yield work, found


def selection(results: Sequence[Result], plan: Plan) -> list[Result]:
    """The results that belong in the table of a plan.

    Its own cells, under the names that it uses (a task may have several); and what other estimators answered on the
    same tasks, sample sizes and seeds.
    """
    places = {result.cell.id: place for place, result in enumerate(results)}
    named: dict[int, Cell] = {}
    for job in plan:
        place = places.get(job.cell.id)
        if place is not None:
            named[place] = results[place].cell if job.cell == results[place].cell else job.cell
    seeds: dict[tuple[str, int], set[int]] = defaultdict(set)
    for point in plan.points:
        seeds[point.task.label, point.n].update(point.seeds)
    chosen = []
    for place, result in enumerate(results):
        cell = result.cell
        if place in named:
            same = named[place] is cell
            chosen.append(result if same else dataclasses.replace(result, cell=named[place]))
        elif cell.seed in seeds.get((cell.task, cell.n), ()):
            chosen.append(result)
    return chosen
