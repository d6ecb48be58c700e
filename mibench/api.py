"""The public functions: what the command line does, from Python."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from . import registry
from .engine import grid as grids
from .engine.runner import Observer, default_workers, run_jobs, selection, unfinished
from .engine.store import Results, Store, load_results
from .errors import DataError, NotInstalled, UsageError
from .estimator import Estimate, Estimator, FunctionEstimator, check_samples
from .task import AnyTask


def run(
    estimators: Any = None,
    tasks: Any = None,
    n: int | Sequence[int] | None = None,
    seeds: int | Sequence[int] | None = None,
    *,
    grid: str | Path | grids.Grid | None = None,
    out: str | Path | None = None,
    workers: int | None = None,
    observers: Sequence[Observer] = (),
    retry: bool = False,
    **limits: Any,
) -> Results:
    """Run estimators on tasks, each cell in a worker process, and return the results.

    estimators, tasks : names, selectors (``"ksg[k=5]"``), globs, plug-ins, or plain functions ``f(x, y) -> float``
        (estimators only); one or a list.
    n, seeds : sample sizes, and how many seeds (or which).
    grid : a preset's name, a TOML file or a :class:`Grid`; the arguments before replace its settings.
    out : a directory for the results. The same call takes up where an interrupted one stopped. None keeps nothing.
    workers : worker processes; as many as there are cores by default.
    limits : ``time_limit`` (s per cell), ``memory_limit`` (GiB per worker), ``references`` (False: no reference rows).

    >>> mibench.run(["ksg", my_function], "gauss*", n=1000, seeds=3).leaderboard()

    Raises
    ------
    UsageError : something named is unknown or unusable, or ``out`` cannot be written.
    """
    changes = {"estimators": estimators, "tasks": tasks, "n": n, "seeds": seeds, **limits}
    if isinstance(grid, grids.Grid):
        chosen = grid.replaced(**changes)
    elif grid is not None:
        chosen = grids.load_grid(grid).replaced(**changes)
    else:
        chosen = grids.make_grid({k: v for k, v in changes.items() if v is not None}, "run()")
    for file in chosen.include:
        registry.include(file)
    if out is None:
        with tempfile.TemporaryDirectory(prefix="mibench-") as folder:
            return Results(_run(chosen, Path(folder), workers, observers, retry))
    return _run(chosen, Path(out), workers, observers, retry)


def _run(grid: grids.Grid, out: Path, workers: int | None, observers: Sequence[Observer], retry: bool) -> Results:
    jobs = grids.expand(grid)
    with Store(out) as store:
        todo = unfinished(jobs, store.results(), retry)
        run_jobs(
            todo,
            store,
            workers=workers or default_workers(),
            time_limit=grid.time_limit,
            memory_limit=grid.memory_limit,
            observers=observers,
            done=len(jobs) - len(todo),
        )
        return Results(selection(store.results(), jobs), out)


def estimate(
    x: npt.ArrayLike, y: npt.ArrayLike, estimator: str | Estimator | Any = "ksg", seed: int = 0, **params: Any
) -> Estimate:
    """Estimate I(X; Y) in nats from paired samples, (n,) or (n, dim) each, in this process.

    >>> mibench.estimate(x, y, "ksg", k=5).mi

    Raises
    ------
    DataError : samples that cannot be used. UsageError : an unknown estimator or parameter.
    Unsupported : a problem that the estimator declines.
    """
    chosen = get_estimator(estimator, **params)
    if chosen.capabilities.reads_task:
        raise UsageError(f"{chosen.label} reads the answer from a task; it cannot estimate from samples.")
    x, y = check_samples(x, y, chosen.capabilities.min_n)
    return chosen.estimate(x, y, seed)


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


__all__ = [
    "DataError",
    "NotInstalled",
    "Results",
    "estimate",
    "get_estimator",
    "get_task",
    "list_estimators",
    "list_tasks",
    "load_results",
    "run",
]
