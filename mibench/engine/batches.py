"""Cells put together: into batches, which an estimator answers at once, and these into loads, which travel together."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from mibench.group import grouped
from mibench.task import TaskKind

from .job import Job

Load: TypeAlias = list[list[Job]]
"""Batches that one worker answers one after another in one call."""

_TRIP = 0.2  # seconds of work that a call should be worth: some hundred times what it costs to make it
_MOST_CELLS = 256  # of a load with several batches


class Loads:
    """A queue of loads: a batch each, and of those that are known to take next to no time many together.

    What a cell takes is learned from those that are done, of the estimator and of the task: sampling may cost more than
    the estimate. Which batches travel together has no influence on their answers.
    """

    def __init__(self, batches: Iterable[list[Job]], workers: int) -> None:
        self._batches, self._alone = deque(batches), deque[Load]()
        self._workers = workers
        self._seconds: dict[tuple[str, str, int], float] = {}

    def __len__(self) -> int:
        return len(self._batches) + len(self._alone)

    def popleft(self) -> Load:
        """The next load."""
        if self._alone:
            return self._alone.popleft()
        load = [self._batches.popleft()]
        share = len(self._batches) // (2 * self._workers)  # so that no worker is left alone at the end
        cells, seconds = len(load[0]), self._expected(load[0])
        while self._batches and len(load) <= share:
            batch = self._batches[0]
            cells, seconds = cells + len(batch), seconds + self._expected(batch)
            if cells > _MOST_CELLS or seconds > _TRIP:
                break
            load.append(self._batches.popleft())
        return load

    def appendleft(self, load: Load) -> None:
        """Give a load back, as the next one."""
        self._alone.appendleft(load)

    def divide(self, load: Load) -> None:
        """Give a load back that came to grief: batch by batch, or, if it is one, job by job."""
        parts = [[batch] for batch in load] if len(load) > 1 else [[[job]] for job in load[0]]
        self._alone.extendleft(reversed(parts))

    def clear(self) -> None:
        """Leave what has not been taken."""
        self._batches.clear()
        self._alone.clear()

    def took(self, load: Load, seconds: float) -> None:
        """A load is done, and the worker was at it for so long."""
        each = seconds / sum(map(len, load))
        for batch in load:
            cell = batch[0].cell
            self._seconds["estimator", cell.estimator, cell.n] = each
            self._seconds["task", cell.task, cell.n] = each

    def _expected(self, batch: Sequence[Job]) -> float:
        cell = batch[0].cell
        of = (("estimator", cell.estimator, cell.n), ("task", cell.task, cell.n))
        return len(batch) * max(self._seconds.get(key, math.inf) for key in of)


def batches(jobs: Sequence[Job], workers: int, gpu: bool = False) -> list[list[Job]]:
    """Jobs of one estimator and one shape together, whatever their tasks, as many as pays, the expensive ones first.

    A batch is no larger than the estimator can use (a training stands alone), and no larger than leaves every worker
    something to do; but what a GPU answers (``gpu``) takes hardly longer for many than for few, and stays together.
    Which cells stand side by side has no influence on their answers.
    """
    made: list[list[Job]] = []
    for alike in grouped(jobs, _shape).values():
        on_gpu = gpu and "cuda" in alike[0].estimator.capabilities.devices
        most = _max_batch(alike[0], on_gpu)
        least = 1 if on_gpu else min(workers, len(alike))
        pieces = max(math.ceil(len(alike) / most), least if most > 1 else len(alike))
        size, extra = divmod(len(alike), pieces)
        start = 0
        for piece in range(pieces):
            stop = start + size + (piece < extra)
            made.append(alike[start:stop])
            start = stop
    # long work first, so that no worker is left alone with it at the end; otherwise in the order given
    return sorted(made, key=lambda batch: -_weight(batch))


def _shape(job: Job) -> tuple[Any, ...]:
    """What the jobs of a batch have in common: the estimator, and the shape of the samples or the very task."""
    shape = [job.facts[name] for name in ("dim_x", "dim_y") if name in job.facts]
    return job.cell.estimator, job.cell.n, *(shape or [job.cell.task])


def _max_batch(job: Job, gpu: bool) -> int:
    able = job.estimator.capabilities
    return 1 if job.task.kind is TaskKind.DOWNSTREAM else max(1, (gpu and able.max_batch_gpu) or able.max_batch)


def _weight(batch: Sequence[Job]) -> float:
    """A guess at what a batch costs, for the order only: trainings, then stacks, then by sample size."""
    kind = batch[0].task.kind
    if kind is TaskKind.DOWNSTREAM:
        return math.inf
    parts = 4 if kind is TaskKind.CONSISTENCY else 1
    stack = 1000 if batch[0].estimator.capabilities.max_batch > 1 else 1
    return float(stack * parts * len(batch) * batch[0].cell.n)
