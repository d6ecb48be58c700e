"""Cells put together into batches: what one worker process answers in one call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mibench.group import grouped
from mibench.task import TaskKind

from .grid import Job


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
