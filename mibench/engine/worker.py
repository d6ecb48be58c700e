"""What a worker process is asked: the facts of a task, and the answers to a batch of cells.

Whatever an estimator or a task raises becomes a status. What cannot be caught here (a hang, a crash, memory beyond the
limit) ends the process, and the executor draws its conclusions.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mibench import runtime
from mibench.errors import MibenchError, NotInstalled, Unsupported, UsageError
from mibench.estimator import Estimate
from mibench.result import Cell, Result, Status
from mibench.task import AnyTask, ConsistencyTask, DownstreamTask, Outcome, Task, TaskKind
from mibench.words import counted

from . import pristine
from .devices import usable
from .executor import Lost
from .plain import described, pairs, plain, sentence, series
from .records import readable
from .watchdog import memory_is_short, watchdog

T = TypeVar("T")

_MOST_METRICS = 1000
_MOST_BYTES = 64 << 20  # of the pictures of a training

if TYPE_CHECKING:
    from mibench.estimator import Array, Estimator

    from .job import Job


@dataclass(frozen=True)
class Answer:
    """A finished cell, and the pictures that came with it: only the parent writes files."""

    result: Result
    images: Mapping[str, bytes] = field(default_factory=dict)


# Facts ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """What a task says of itself: fields of its Results, the arm of each estimator, and why it cannot be used."""

    fields: Mapping[str, Any]
    arms: Mapping[str, str] = field(default_factory=dict)
    problem: Lost | None = None


def describe(task: AnyTask, estimators: Sequence[Estimator] = (), seconds: float = math.inf) -> Facts:
    """The facts of a task, among them its truth, which may cost a quadrature; never raises.

    estimators : whose arms in a downstream task are asked for.
    seconds : how long that may take; after that the process ends itself.
    """
    fields: dict[str, Any] = {}
    watchdog.allow(seconds)
    try:
        fields |= {"family": sentence(task.family), "varies": sentence(task.varies)}
        fields |= task.facts()
        arms = {e.label: task.arm(e) for e in estimators} if isinstance(task, DownstreamTask) else {}
        if not all(math.isfinite(fields.get(name, 0.0)) for name in ("truth", "truth_error")):
            raise UsageError("its mutual information is not finite, or not known to a finite error.")
        fields = plain(fields)
        if not readable(Result(Cell("", "", 0, 0, ""), Status.OK, **fields)):
            raise UsageError("one of its facts is not of the type asked for.")
    except (Exception, SystemExit) as error:
        found = _of_task(error, "used")
        return Facts({name: fields[name] for name in ("family", "varies") if name in fields}, problem=found)
    return Facts(fields, {label: sentence(arm) for label, arm in arms.items()})


# Answers -------------------------------------------------------------------------------------------------------------


def answer_all(load: Sequence[Sequence[Job]], seconds: float = math.inf) -> tuple[list[Answer], float]:
    """Answer batches one after another; the answers in their order, and how many seconds all that took.

    Raises
    ------
    Lost : a batch has changed this process for good, and others should have come after it.
    """
    start = time.perf_counter()
    answers: list[Answer] = []
    for place, batch in enumerate(load):
        _alone(batch, after=load[place - 1] if place else None)
        answers += answer(batch, seconds)
    return answers, time.perf_counter() - start


def _alone(batch: Sequence[Job], after: Sequence[Job] | None) -> None:
    """What others did before does not matter to this batch: it draws from generators of its own, in a process as new.

    Raises
    ------
    Lost : that cannot be had.
    """
    if after is not None and _plugins(after) != _plugins(batch) and not pristine.as_it_was():
        raise Lost(Status.CRASH, "what ran before it in its process has changed that for good.")
    pristine.reseed("".join(job.cell.id for job in batch).encode())


def _plugins(batch: Sequence[Job]) -> set[tuple[str, str]]:
    return {(job.cell.estimator, job.cell.task) for job in batch}


def answer(jobs: Sequence[Job], seconds: float = math.inf) -> list[Answer]:
    """Answer jobs that share their estimator and the shape of their samples, in their order.

    A batch that fails together is tried again one by one, so that each gets its own.

    seconds : how long a cell may take, from when its sample is there; after that the process ends itself.
    """
    watchdog.allow(seconds * len(jobs))  # for the samples; the clock starts again when they are there
    try:
        with runtime.using(device=_device(jobs[0])):
            return _ANSWERS[jobs[0].task.kind](jobs, seconds * len(jobs))
    except (Exception, SystemExit) as error:
        if len(jobs) > 1:
            return answer_all([[job] for job in jobs], seconds)[0]
        problem = lost(error)
        again = jobs[0].again if problem.by_chance else 0
        return [Answer(jobs[0].result(problem.status, message=problem.message, again=again))]


def _device(job: Job) -> str | None:
    """The processor where the estimator can run on nothing else; a downstream model is not the estimator's."""
    return None if job.task.kind is TaskKind.DOWNSTREAM else usable(job.estimator.capabilities.devices)


def lost(error: BaseException) -> Lost:
    """An exception as the status of a cell and one sentence."""
    if isinstance(error, Lost):
        return error
    message = sentence(error) or type(error).__name__
    match error:
        case Unsupported():
            return Lost(Status.UNSUPPORTED, message)
        case NotInstalled():
            return Lost(Status.NOT_INSTALLED, message)
        case MemoryError():
            return Lost(Status.OOM, "the allocation of an array failed.", by_chance=memory_is_short())
        case MibenchError():
            return Lost(Status.ERROR, message)
        case ModuleNotFoundError():
            return Lost(Status.NOT_INSTALLED, described(error))
        case _:
            return Lost(Status.ERROR, described(error))


def _estimate(jobs: Sequence[Job], seconds: float) -> list[Answer]:
    tasks = cast("list[Task]", [job.task for job in jobs])
    samples = [_sampled(task, job.cell) for task, job in zip(tasks, jobs, strict=True)]
    bound = [job.estimator.bind(task) for task, job in zip(tasks, jobs, strict=True)]
    _check_capabilities(jobs[0].estimator, *samples[0])
    _warm_up(bound[0])
    seeds = [job.cell.seed for job in jobs]
    clock = _Clock(seconds)
    if jobs[0].estimator.capabilities.reads_task:
        estimates = [e.estimate(x, y, seed) for e, (x, y), seed in zip(bound, samples, seeds, strict=True)]
    else:
        asked = bound[0].estimate_batch([x for x, _ in samples], [y for _, y in samples], seeds)
        estimates = _as_many(asked, len(jobs))
    cost = clock.share(len(jobs))
    return [_estimated(job, Estimate.of(answer), cost) for job, answer in zip(jobs, estimates, strict=True)]


def _estimated(job: Job, estimate: Estimate, cost: Mapping[str, Any]) -> Answer:
    result = job.result(**_told(estimate.diagnostics, estimate.curve, series), **cost)
    if not math.isfinite(estimate.mi):
        word = "NaN" if math.isnan(estimate.mi) else "infinite"
        return Answer(replace(result, status=Status.NONFINITE, message=f"the estimate is {word}."))
    return Answer(replace(result, mi=estimate.mi, stderr=estimate.stderr))


def _consistent(jobs: Sequence[Job], seconds: float) -> list[Answer]:
    """Each part of every problem is estimated, parts of one shape together, and the task scores its own."""
    estimator = jobs[0].estimator
    tasks = cast("list[ConsistencyTask]", [job.task for job in jobs])
    parts = [
        (i, _own(*part))
        for i, (task, job) in enumerate(zip(tasks, jobs, strict=True))
        for part in task.parts(job.cell.n, job.cell.seed)
    ]
    shapes: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, (_, (x, y)) in enumerate(parts):
        _check_capabilities(estimator, x, y)
        shapes[x.shape + y.shape].append(index)
    _warm_up(estimator)
    clock = _Clock(seconds)
    found: dict[int, float] = {}
    for alike in shapes.values():
        xs, ys = [parts[i][1][0] for i in alike], [parts[i][1][1] for i in alike]
        seeds = [jobs[parts[i][0]].cell.seed for i in alike]
        estimates = _as_many(estimator.estimate_batch(xs, ys, seeds), len(alike))
        found.update((i, Estimate.of(answer).mi) for i, answer in zip(alike, estimates, strict=True))
    cost = clock.share(len(jobs))
    own = [[found[index] for index, (owner, _) in enumerate(parts) if owner == i] for i in range(len(jobs))]
    return [_scored(job, task, mis, cost) for job, task, mis in zip(jobs, tasks, own, strict=True)]


def _scored(job: Job, task: ConsistencyTask, estimates: Sequence[float], cost: Mapping[str, Any]) -> Answer:
    expected = float(task.expected)
    result = job.result(diagnostics={"estimates": list(estimates)}, metrics={"expected": expected}, **cost)
    reason = "an estimate on one of the parts is not finite."
    if all(math.isfinite(mi) for mi in estimates):
        score = float(task.score(estimates))
        if math.isfinite(score):
            return Answer(replace(result, metrics={"score": score, "expected": expected}))
        reason = "the ratio of the estimates is not finite."
    return Answer(replace(result, status=Status.NONFINITE, message=reason))


def _train(jobs: Sequence[Job], seconds: float) -> list[Answer]:
    task = cast(DownstreamTask, jobs[0].task)
    clock = _Clock(seconds)
    outcomes = _as_many(task.train(jobs[0].estimator, [job.cell.seed for job in jobs]), len(jobs))
    cost = clock.share(len(jobs))
    return [_trained(job, outcome, cost) for job, outcome in zip(jobs, outcomes, strict=True)]


def _trained(job: Job, outcome: Outcome, cost: Mapping[str, Any]) -> Answer:
    metrics = {sentence(name): float(value) for name, value in islice(outcome.metrics.items(), _MOST_METRICS)}
    kept = {name: value for name, value in metrics.items() if math.isfinite(value)}
    result = job.result(metrics=kept, **_told(outcome.diagnostics, outcome.curves, pairs), **cost)
    if lacking := sorted(metrics.keys() - kept.keys()):
        reason = sentence(outcome.diagnostics.get("diverged", f"{', '.join(lacking)} is not finite"))
        result = replace(result, status=Status.NONFINITE, message=f"{reason}.")
    images = {sentence(name): bytes(png) for name, png in outcome.images.items() if isinstance(png, bytes)}
    if sum(map(len, images.values())) > _MOST_BYTES:
        told = {**result.diagnostics, "images": f"left out, because they are larger than {_MOST_BYTES >> 20} MiB"}
        return Answer(replace(result, diagnostics=told))
    return Answer(result, images)


def _told(diagnostics: Mapping[str, Any], curve: Any, read: Callable[[Any], dict[str, Any] | None]) -> dict[str, Any]:
    """Diagnostics and curve as plain values; a curve that ``read`` cannot make sense of is left out, with a note."""
    said, found = plain(diagnostics), read(plain(curve))
    told = said if isinstance(said, dict) else {} if said is None else {"diagnostics": said}
    if found is None:
        told["curve"] = "left out, because it is not of the form asked for"
    return {"diagnostics": told, "curve": found or {}}


_ANSWERS: Mapping[TaskKind, Callable[[Sequence[Job], float], list[Answer]]] = {
    TaskKind.INFORMATION: _estimate,
    TaskKind.CONSISTENCY: _consistent,
    TaskKind.DOWNSTREAM: _train,
}


def _as_many(answers: Iterable[T], wanted: int) -> list[T]:
    """What was asked for, in a list; a generator computes only now, and on its own time.

    Raises
    ------
    UsageError : there are fewer or more.
    """
    found = list(islice(answers, wanted + 1))
    if len(found) != wanted:
        raise UsageError(
            f"{counted(wanted, 'answer')} asked for, and {'more' if found[wanted:] else len(found)} given."
        )
    return found


def _warm_up(estimator: Estimator) -> None:
    watchdog.allow(math.inf)  # compiling is not the estimator's time; the executor's patience bounds it
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


def _sampled(task: Task, cell: Cell) -> tuple[Array, Array]:
    try:
        return _own(*task.sample(cell.n, cell.seed))
    except (Exception, SystemExit) as error:
        raise _of_task(error, "sampled") from error


def _of_task(error: BaseException, what: str) -> Lost:
    """As :func:`lost`; it is told that the task is to blame, and no estimator."""
    found = lost(error)
    if found.status is Status.NOT_INSTALLED:
        return found
    return Lost(found.status, f"the task cannot be {what}: {found.message}", by_chance=found.by_chance)


def _own(x: Array, y: Array) -> tuple[Array, Array]:
    """Copies: an estimator may write to what it is given, and a task may hand out the same arrays again."""
    import numpy as np

    return np.array(x), np.array(y)


class _Clock:
    """Wall and CPU time since it was made; making it gives the process so many seconds from now on."""

    def __init__(self, seconds: float) -> None:
        watchdog.allow(seconds)
        self._wall, self._cpu = watchdog.now(), time.process_time()

    def share(self, cells: int) -> dict[str, Any]:
        """What each of so many cells cost."""
        # what was not seen of a stop at first may be more than what passed
        wall, cpu = max(0.0, watchdog.now() - self._wall), time.process_time() - self._cpu
        return {"wall_s": wall / cells, "cpu_s": cpu / cells, "batch_size": cells}
