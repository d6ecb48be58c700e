"""Two sides' errors on the same samples: their means, and what the difference between them is worth.

Seeds of a task are averaged first, so that a task counts once however many samples of it there are. The interval is
Student's, over tasks: they are not independent of each other, so that it describes these tasks and no population.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

SAME = 1e-9
"""Nats up to which two errors are the same number, rounded otherwise."""


@dataclass(frozen=True)
class Paired:
    """Mean |errors| in nats of two sides, and of the second less the first.

    tasks : on which both answered at least once.
    samples : which both answered.
    theirs, ours : mean over tasks of the mean |error| over their samples.
    difference : ours - theirs.
    half : half the width of the 95 % interval of the difference; infinite for one task.
    nearer : tasks on which ours is smaller; two that compute the same are not.
    """

    tasks: int
    samples: int
    theirs: float
    ours: float
    difference: float
    half: float
    nearer: int


def paired(errors: Mapping[Hashable, Sequence[tuple[float, float]]]) -> Paired | None:
    """Compare |errors| (theirs, ours) of each task's samples; None where there is no task with samples."""
    answered = [samples for samples in errors.values() if samples]
    if not answered:
        return None
    each = np.array([np.mean(samples, axis=0) for samples in answered])
    difference = each[:, 1] - each[:, 0]
    tasks = len(each)
    half = math.inf
    if tasks > 1:
        half = float(stats.t.ppf(0.975, tasks - 1) * difference.std(ddof=1) / math.sqrt(tasks))
    theirs, ours = (float(value) for value in each.mean(0))
    samples = sum(map(len, answered))
    return Paired(tasks, samples, theirs, ours, float(difference.mean()), half, int((difference < -SAME).sum()))
