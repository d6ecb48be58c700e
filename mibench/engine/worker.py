"""The inside of a worker process: a batch of cells comes in, one Answer per cell goes out.

Whatever an estimator or a task raises becomes a status. What cannot be caught here (a hang, a crash, memory beyond the
limit) ends the process, and the parent draws its conclusions.
"""

from __future__ import annotations

import ctypes
import math
import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mibench.errors import MibenchError, NotInstalled, Unsupported
from mibench.result import Status
from mibench.task import ConsistencyTask, DownstreamTask, Outcome, Task

if TYPE_CHECKING:
    from mibench.estimator import Array, Estimate, Estimator

    from .grid import Job

OOM_EXIT, TIMEOUT_EXIT = 87, 88
"""The exit codes of a worker that went beyond its memory or its time."""

_LOOK_EVERY = 0.1  # seconds between looks at memory and clock
_deadline = [math.inf]  # monotonic time at which this process has to be done with what it is doing


@dataclass(frozen=True)
class Answer:
    """What a worker found out about one cell; see :class:`mibench.result.Result` for the fields."""

    status: Status = Status.OK
    mi: float | None = None
    stderr: float | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0
    batch_size: int = 1
    message: str = ""
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    curve: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    images: Mapping[str, bytes] = field(default_factory=dict)


def initialize(memory_limit: float, environment: Mapping[str, str]) -> None:
    """Prepare this process: one thread, no reaction to Ctrl-C (the parent decides), an eye on memory and the parent.

    memory_limit : GiB of resident memory beyond which the process ends itself with :data:`OOM_EXIT`.
    """
    from threadpoolctl import threadpool_limits

    os.environ.update(environment)
    threadpool_limits(1)  # for libraries that were loaded before they could read the environment
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    threading.Thread(target=_watch, args=(memory_limit * 2**30, os.getppid()), daemon=True).start()


def answer_batch(pickled: bytes, seconds: float) -> list[Answer]:
    """Answer a pickled list of jobs that share their estimator and the shape of their samples, in their order.

    seconds : how long a cell may take, from when its sample is there; after that the process ends itself.
    """
    import cloudpickle

    jobs: list[Job] = cloudpickle.loads(pickled)
    _one_thread()
    try:
        return answer(jobs, seconds)
    finally:
        _deadline[0] = math.inf


def answer(jobs: Sequence[Job], seconds: float = math.inf) -> list[Answer]:
    """Answer jobs in this process. A batch that fails together is tried again one by one, so each gets its own."""
    answers = _answer(jobs, seconds * len(jobs))
    if len(jobs) > 1 and answers is None:
        return [a for job in jobs for a in answer([job], seconds)]
    return answers or []


def _answer(jobs: Sequence[Job], seconds: float) -> list[Answer] | None:
    """The answers, or None where several jobs failed together and it is not known whose fault it was."""
    task = jobs[0].task
    _deadline[0] = time.monotonic() + seconds  # for the samples; the clock starts again when they are there
    try:
        if isinstance(task, DownstreamTask):
            return _train(jobs, _Clock(seconds))
        if isinstance(task, ConsistencyTask):
            return _consistent(jobs, seconds)
        return _estimate(jobs, seconds)
    except Exception as error:
        return None if len(jobs) > 1 else [_failed(error)]


def _estimate(jobs: Sequence[Job], seconds: float) -> list[Answer]:
    samples = [_task(job).sample(job.cell.n, job.cell.seed) for job in jobs]
    bound = [job.estimator.bind(_task(job)) for job in jobs]
    _check_capabilities(jobs[0].estimator, *samples[0])
    _warm_up(bound[0])
    seeds = [job.cell.seed for job in jobs]
    clock = _Clock(seconds)
    if jobs[0].estimator.capabilities.reads_task:
        estimates = [e.estimate(x, y, seed) for e, (x, y), seed in zip(bound, samples, seeds, strict=True)]
    else:
        estimates = bound[0].estimate_batch([x for x, _ in samples], [y for _, y in samples], seeds)
    cost = clock.share(len(jobs))
    return [replace(_of(estimate), **cost) for estimate in estimates]


def _consistent(jobs: Sequence[Job], seconds: float) -> list[Answer]:
    """Each part of every problem is estimated, parts of one shape together, and the task scores its own."""
    estimator = jobs[0].estimator
    parts = [(i, part) for i, job in enumerate(jobs) for part in job.task.parts(job.cell.n, job.cell.seed)]  # type: ignore[union-attr]
    shapes: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, (_, (x, y)) in enumerate(parts):
        _check_capabilities(estimator, x, y)
        shapes[x.shape + y.shape].append(index)
    _warm_up(estimator)
    clock = _Clock(seconds)
    found: dict[int, Estimate] = {}
    for alike in shapes.values():
        xs, ys = [parts[i][1][0] for i in alike], [parts[i][1][1] for i in alike]
        seeds = [jobs[parts[i][0]].cell.seed for i in alike]
        found.update(zip(alike, estimator.estimate_batch(xs, ys, seeds), strict=True))
    cost = clock.share(len(jobs))
    answers = []
    for i, job in enumerate(jobs):
        own = [found[index] for index, (owner, _) in enumerate(parts) if owner == i]
        task = job.task
        assert isinstance(task, ConsistencyTask)
        answers.append(replace(_scored(task, [estimate.mi for estimate in own]), **cost))
    return answers


def _scored(task: ConsistencyTask, estimates: Sequence[float]) -> Answer:
    diagnostics = {"estimates": [float(mi) for mi in estimates]}
    expected = {"expected": float(task.expected)}
    if not all(math.isfinite(mi) for mi in estimates):
        reason = "an estimate on one of the parts is not finite."
        return Answer(Status.NONFINITE, message=reason, metrics=expected, diagnostics=diagnostics)
    score = float(task.score(estimates))
    if not math.isfinite(score):
        reason = "the ratio of the estimates is not finite."
        return Answer(Status.NONFINITE, message=reason, metrics=expected, diagnostics=diagnostics)
    return Answer(metrics={"score": score, **expected}, diagnostics=diagnostics)


def _train(jobs: Sequence[Job], clock: _Clock) -> list[Answer]:
    task = jobs[0].task
    assert isinstance(task, DownstreamTask)
    outcomes = task.train(jobs[0].estimator, [job.cell.seed for job in jobs])
    cost = clock.share(len(jobs))
    return [replace(_trained(task, outcome), **cost) for outcome in outcomes]


def _trained(task: DownstreamTask, outcome: Outcome) -> Answer:
    metrics = {name: float(value) for name, value in outcome.metrics.items() if math.isfinite(value)}
    kept: dict[str, Any] = {"curve": outcome.curves, "images": outcome.images, "diagnostics": outcome.diagnostics}
    lost = sorted(outcome.metrics.keys() - metrics.keys())
    if lost:
        reason = str(outcome.diagnostics.get("diverged", f"{', '.join(lost)} is not finite"))
        return Answer(Status.NONFINITE, message=f"{reason}.", metrics=metrics, **kept)
    return Answer(metrics=metrics, **kept)


def _of(estimate: Estimate) -> Answer:
    mi = float(estimate.mi)
    kept: dict[str, Any] = {"curve": estimate.curve, "diagnostics": estimate.diagnostics}
    if not math.isfinite(mi):
        word = "NaN" if math.isnan(mi) else "infinite"
        return Answer(Status.NONFINITE, message=f"the estimate is {word}.", **kept)
    stderr = float(estimate.stderr) if estimate.stderr is not None else None
    return Answer(mi=mi, stderr=stderr if stderr is None or math.isfinite(stderr) else None, **kept)


def _failed(error: Exception) -> Answer:
    message = str(error).strip() or type(error).__name__
    match error:
        case Unsupported():
            status = Status.UNSUPPORTED
        case NotInstalled():
            status = Status.NOT_INSTALLED
        case MemoryError():
            status, message = Status.OOM, "the allocation of an array failed."
        case MibenchError():
            status = Status.ERROR
        case _:
            status, message = Status.ERROR, f"{type(error).__name__}: {message}"
    return Answer(status, message=message)


def _task(job: Job) -> Task:
    assert isinstance(job.task, Task)
    return job.task


def _warm_up(estimator: Estimator) -> None:
    _deadline[0] = math.inf  # compiling is not the estimator's time; the parent's patience bounds it
    estimator.warm_up()


def _check_capabilities(estimator: Estimator, x: Array, y: Array) -> None:
    """Decline what the estimator says of itself that it cannot take.

    Raises
    ------
    Unsupported : too few samples or too many dimensions.
    """
    able = estimator.capabilities
    if len(x) < able.min_n:
        raise Unsupported(f"{estimator.label} needs at least {able.min_n} samples, not {len(x)}.")
    widest = max(x.shape[1], y.shape[1])
    if able.max_dim is not None and widest > able.max_dim:
        raise Unsupported(f"{estimator.label} takes at most {able.max_dim} dimensions, not {widest}.")


class _Clock:
    """Wall and CPU time since it was made; making it gives the process so many seconds from now on."""

    def __init__(self, seconds: float) -> None:
        _deadline[0] = time.monotonic() + seconds
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def share(self, cells: int) -> dict[str, Any]:
        """What each of so many cells cost."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return {"wall_s": wall / cells, "cpu_s": cpu / cells, "batch_size": cells}


# The process itself --------------------------------------------------------------------------------------------------


def _one_thread() -> None:
    """Critics are small, and estimates run side by side in processes: more threads each would only be in the way."""
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _watch(limit: float, parent: int) -> None:
    """End the process at once where it uses too much memory or time, or its parent is gone."""
    import psutil

    own = psutil.Process()
    while True:
        if own.memory_info().rss > limit:
            os._exit(OOM_EXIT)
        if time.monotonic() > _deadline[0]:
            os._exit(TIMEOUT_EXIT)
        if os.getppid() != parent:
            os._exit(1)
        time.sleep(_LOOK_EVERY)


def _end_with_parent() -> None:
    """On Linux the kernel kills this process when its parent dies, even in the middle of a long computation."""
    death_signal = 1  # PR_SET_PDEATHSIG
    try:
        ctypes.CDLL(None).prctl(death_signal, signal.SIGKILL)
    except (OSError, AttributeError):
        return  # not Linux: the watching thread notices a moment later
