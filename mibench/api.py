"""The public functions. The command line calls the same ones."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import registry
from .advice.verdict import advise as advise
from .engine.devices import crew, on_gpu, resolved
from .engine.executor import Cluster, StartExecutor, find_executor, opened
from .engine.grid import Grid, choose
from .engine.grid import plan as plan_of
from .engine.merge import merge_folders
from .engine.plan import Shard
from .engine.provenance import command, provenance
from .engine.reading import FILE, read_results
from .engine.runner import Observer, default_workers, run_jobs, selection, unfinished
from .engine.store import Store
from .errors import UsageError
from .estimator import Array, Estimate, Estimator, check_samples
from .functions import FunctionEstimator
from .parameters import Count, settle
from .result import Result
from .results import Results, load_results
from .samples.order import in_both
from .samples.repeats import repeated_rows
from .task import AnyTask

if TYPE_CHECKING:
    from .leaderboard.changes import Comparison
    from .mlflow.group import GroupTracker


def run(
    estimators: Any = None,
    tasks: Any = None,
    n: int | Sequence[int] | None = None,
    seeds: int | Sequence[int] | None = None,
    *,
    grid: str | Path | Grid | Sequence[str | Path | Grid] | None = None,
    out: str | Path | None = None,
    workers: int | None = None,
    retry: bool = False,
    time_budget: float | None = None,
    shard: str | tuple[int, int] | None = None,
    device: str | None = None,
    tracking: str | bool | None = None,
    tracking_wait: float | None = None,
    executor: str | StartExecutor = "local",
    num_gpus: float | None = None,
    progress: bool | None = None,
    observers: Sequence[Observer] = (),
    **limits: Any,
) -> Results:
    """Run estimators on tasks, each cell in a worker process, and return the results.

    They are those of the cells asked for, and what ``out`` holds of other estimators on the same tasks, sample sizes
    and seeds: an estimator that is run alone later stands beside those that ran before.

    >>> mibench.run(["ksg", my_function], "gauss*", n=1000, seeds=3).leaderboard()

    Parameters
    ----------
    estimators, tasks : names, selectors (``"ksg[k=5]"``), globs, plug-ins, or plain functions ``f(x, y) -> float``
        (estimators only); one or a list.
    n, seeds : sample sizes, and how many seeds (or which).
    grid : presets by name, TOML files or :class:`Grid`; one or a list. The arguments before replace their settings.
    out : a directory for the results. The same call takes up where an interrupted one stopped. None keeps nothing.
    workers : worker processes; as many as there are cores by default, on a cluster as many as fit.
    retry : run failed cells again.
    time_budget : seconds after which no more cells are begun. ``Results.left`` counts those that are left, and the same
        call takes up from there.
    shard : ``"3/10"`` or ``(3, 10)``, the third of ten shares of the cells. Which cells a share has depends on nothing
        but what they are, so that ten machines need not know of each other; :func:`merge` puts their folders together.
    device : the torch device for training, such as ``"cuda"``; ``"auto"`` for a GPU where there is one; ``"cpu"`` by
        default. On a GPU there are four workers for each, and each worker sees one.
    tracking : an MLflow URI, or True for an embedded store beside the results.
    tracking_wait : seconds to wait at the end until MLflow has everything; what is left then is written while this
        process lives, and ``mibench sync`` catches up later. None waits until all is written, or nothing has been for
        ten minutes.
    executor : where cells are answered: ``"local"``, ``"ray"`` or the address of a Ray cluster (``host:port``,
        ``ray://host:port``), or something that makes an :class:`Executor`.
    num_gpus : GPUs of each worker on a cluster, or the share of one: with 0.25 four workers train side by side on each.
        By default a whole one with ``device="cuda"``.
    progress : None shows it on stderr, as a bar on a terminal and in notebooks with ipywidgets, as lines elsewhere;
        True always draws a bar, False says nothing.
    observers : others who are told of every finished cell.
    limits : ``time_limit`` (s per cell), ``memory_limit`` (GiB per worker), ``references`` (False: no reference rows).

    Raises
    ------
    UsageError : something named is unknown or unusable, or ``out`` or a temporary folder cannot be written.
    """
    workers = settle("run()", "workers", workers, Count | None)
    time_budget = settle("run()", "time_budget", time_budget, float | None)
    tracking_wait = settle("run()", "tracking_wait", tracking_wait, float | None)
    shard = settle("run()", "shard", shard, str | tuple[int, int] | None)
    device = settle("run()", "device", device, str | None)
    tracking = settle("run()", "tracking", tracking, str | bool | None)
    out = settle("run()", "out", out, str | Path | None)
    settings = {"estimators": estimators, "tasks": tasks, "n": n, "seeds": seeds, **limits}
    grids = choose(grid, settings, "run()")
    start = find_executor(executor, num_gpus)
    away = isinstance(start, Cluster)
    if time_budget is not None and not time_budget > 0:
        raise UsageError(f"the time budget must be greater than zero seconds, not {time_budget:g}.")
    if tracking_wait is not None and not tracking_wait >= 0:
        raise UsageError(f"the wait for MLflow cannot be {tracking_wait:g} seconds.")
    if tracking is True and out is None:
        raise UsageError("tracking=True keeps its store beside the results: name a folder for them with out=.")
    end = time.monotonic() + (math.inf if time_budget is None else time_budget)
    if away and device == "auto":
        raise UsageError("on a cluster the device is that of its nodes: say cuda or cpu instead of auto.")
    device = device if away else resolved(device)
    plan = plan_of(*grids)
    if shard is not None:
        plan = plan.part(Shard.read(shard if isinstance(shard, str) else "/".join(map(str, shard))))
    memory_limit = max(grid.memory_limit for grid in grids)
    told = list(observers)
    with ExitStack() as stack:
        directory = stack.enter_context(_temporary()) if out is None else Path(out)
        store = stack.enter_context(Store(directory))
        todo = unfinished(plan, store.ends(), retry)
        room = stack.enter_context(opened(start, workers, memory_limit, device)) if todo else workers
        workers = room or crew(device, default_workers())
        if progress is not False:
            from .engine.progress import Progress

            told.append(Progress(workers, None if out is None else directory / FILE, progress))
        tracker = stack.enter_context(_tracking(tracking, directory, tracking_wait))
        if tracker is not None:
            told.append(tracker)
        left = run_jobs(
            todo,
            store,
            lambda count: start(count, memory_limit, device),
            workers=workers,
            gpu=on_gpu(device),
            time_limit=max(grid.time_limit for grid in grids),
            provenance=_provenance(device, away),
            observers=told,
            done=len(plan) - len(todo),
            time_budget=end - time.monotonic(),
        )
        results = Results(selection(store.results(), plan), None if out is None else directory, left)
        if tracker is not None:
            tracker.summarize(results, {})
        return results


def _tracking(
    asked: str | bool | None, directory: Path, wait: float | None
) -> AbstractContextManager[GroupTracker | None]:
    """Who writes a run to MLflow, where somebody asked for it."""
    if not asked:
        return nullcontext()
    from .mlflow.group import GroupTracker
    from .mlflow.uri import mlflow_uri

    uri = mlflow_uri(directory) if asked is True else asked
    return GroupTracker(uri, directory, math.inf if wait is None else wait)


@contextmanager
def _temporary() -> Iterator[Path]:
    """A folder for results that nobody wants to keep."""
    try:
        made = tempfile.TemporaryDirectory(prefix="mibench-")
    except OSError as error:
        raise UsageError(
            f"cannot make a temporary folder for the results: {error.strerror or error}; "
            "set TMPDIR to a folder that can be written, or name one for the results with out=."
        ) from None
    with made as name:
        yield Path(name)


def merge(directories: Sequence[str | Path], out: str | Path, keep: str | None = None) -> Results:
    """Put folders of results together in a new one, as those of the shards of a run, and return what is in it.

    Records and pictures come as they are. To merge again, or a folder twice, changes nothing; neither does the order.

    >>> mibench.merge(["results/a", "results/b"], out="results/both").leaderboard()

    Parameters
    ----------
    directories : folders of results.
    out : a folder that is not there yet, or holds just this.
    keep : ``"first"`` or ``"last"``, the folder whose answer counts where two differ; None: that is an error.

    Raises
    ------
    UsageError : two different answers of one cell, folders made by different versions, records of a later version, or a
        folder that cannot be read, or cannot be written because there is something else in it.
    """
    merge_folders(directories, out, keep)
    return Results(read_results(out), Path(out))


def _provenance(device: str | None, away: bool) -> dict[str, Any]:
    """What holds for all results of a run: not the machine, where others do the work and say on which."""
    facts = {"command": command(), **provenance("cpu" if away else device)}
    return {name: fact for name, fact in facts.items() if not (away and name == "machine")}


def compare(
    base: str | Path | Iterable[Result],
    new: str | Path | Iterable[Result],
    tolerance: float | None = None,
    max_slowdown: float | None = None,
    complete: bool = False,
) -> Comparison:
    """Compare NEW results with BASE on the cells that both have.

    Parameters
    ----------
    base, new : folders of results, or results.
    tolerance : the fall of a score that is a regression; for metrics, the change relative to their size.
    max_slowdown : the growth of the CPU time that is a regression, as a ratio; None to leave time out of it.
    complete : whether an estimator or a task of BASE that NEW lacks is a regression.

    Raises
    ------
    UsageError : there are no results at a path, or a negative tolerance.
    """
    from .leaderboard.compare import TOLERANCE
    from .leaderboard.compare import compare as compare_results

    old, fresh = (load_results(side) if isinstance(side, (str, Path)) else side for side in (base, new))
    return compare_results(old, fresh, TOLERANCE if tolerance is None else tolerance, max_slowdown, complete)


def estimate(
    x: npt.ArrayLike, y: npt.ArrayLike, estimator: str | Estimator | Any = None, seed: int = 0, **params: Any
) -> Estimate:
    """Estimate I(X; Y) in nats from paired samples, (n,) or (n, dim) each, in this process.

    Without an estimator it is the recommended value of :func:`advise`, which asks a panel of them: its 90 % interval is
    ``low`` and ``high`` in the diagnostics, with the reason, ``why``, the ``warnings``, and what each member said.
    Where neighbouring rows of both x and y are correlated, as in time series, ``autocorrelation`` in the diagnostics
    says so: standard errors and intervals are then too small. An estimator that is named answers about all rows as they
    are, and ``repeated_rows`` says how many of them are copies of earlier ones.

    >>> mibench.estimate(x, y).diagnostics["why"]
    >>> mibench.estimate(x, y, "ksg", k=5).mi

    Raises
    ------
    DataError : samples that cannot be used.
    UsageError : an unknown estimator or parameter, or an estimator that answers with something else than a number.
    Unsupported : a problem that the estimator declines.
    """
    if estimator is None:
        if params:
            raise UsageError("parameters go with the name of an estimator; none is named.")
        advice = advise(x, y, seed)
        said = {a.estimator: a.estimate.mi for a in advice.answers if a.estimate is not None}
        told = {**advice.facts(), "estimates": said, "warnings": [remark.message for remark in advice.warnings]}
        return _in_order(Estimate(advice.mi, diagnostics=told), *check_samples(x, y))
    chosen = get_estimator(estimator, **params)
    if chosen.capabilities.reads_task:
        raise UsageError(f"{chosen.label} reads the answer from a task; it cannot estimate from samples.")
    x, y = check_samples(x, y, chosen.capabilities.min_n)
    found = _in_order(Estimate.of(chosen.estimate(x, y, seed)), x, y)
    again = int(repeated_rows(np.hstack([x, y])).sum())
    return replace(found, diagnostics={**found.diagnostics, "repeated_rows": again}) if again else found


def _in_order(found: Estimate, x: Array, y: Array) -> Estimate:
    """An estimate that says so where the rows of both variables follow one another."""
    lag = in_both(x, y)
    if lag is None:
        return found
    return replace(found, diagnostics={**found.diagnostics, "autocorrelation": round(lag, 3)})


def get_estimator(estimator: str | Estimator | Any, **params: Any) -> Estimator:
    """An estimator by selector, with parameters; a plain function ``f(x, y) -> float`` becomes one.

    Raises
    ------
    UsageError : unknown name or parameter.
    """
    if isinstance(estimator, str):
        return registry.estimators.create(estimator, **params)
    if params:
        raise UsageError("parameters go with the name of an estimator; this one is made already.")
    return estimator if isinstance(estimator, Estimator) else FunctionEstimator(estimator)


def get_task(task: str, **params: Any) -> AnyTask:
    """A task by selector, with parameters: ``get_task("gauss", mutual_information=2.0, dim=5)``.

    Raises
    ------
    UsageError : unknown name or parameter.
    """
    return registry.tasks.create(task, **params)


def list_estimators() -> list[str]:
    """Names of all known estimators."""
    return registry.estimators.names()


def list_tasks() -> list[str]:
    """Names of all known tasks."""
    return registry.tasks.names()
