"""``mibench run``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mibench.errors import UsageError
from mibench.words import counted, heading

if TYPE_CHECKING:
    from mibench.engine.plan import Plan, Shard
    from mibench.result import Result
    from mibench.results import Results

from .shared import (
    RESULTS,
    Include,
    MlflowUri,
    Unit,
    Workers,
    app,
    closing_lines,
    examples,
    include_files,
    stdout,
)
from .streams import say, tell


@app.command(
    epilog=examples(
        "mibench run quick",
        "mibench run gaussian -e my-estimator --include my_estimator.py",
        "mibench run -e ksg -e 'mine-ema[learning_rate=1e-3]' -t 'gauss*' -n 1000 -n 10000 --seeds 5",
        "mibench run my_grid.toml --out results/mine -j 8 --dry-run",
        "mibench run gaussian --shard 3/10    then: mibench merge results/gaussian-shard-* --out results/gaussian",
    )
)
def run(
    grids: Annotated[
        list[str] | None, typer.Argument(metavar="[GRID]...", help="Presets (`mibench ls grids`) or TOML files.")
    ] = None,
    estimators: Annotated[
        list[str] | None,
        typer.Option("-e", "--estimator", help="Name, NAME[key=value,...] or glob; replaces those of the grid."),
    ] = None,
    tasks: Annotated[
        list[str] | None, typer.Option("-t", "--task", help="Likewise for tasks; replaces those of the grid.")
    ] = None,
    n: Annotated[
        list[str] | None, typer.Option("-n", help="Number of samples, such as 1000 or 1e4; repeatable.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="How many (5), a range (100-104) or a list (1,7,9).")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the results. [default: results/GRID]")] = None,
    workers: Workers = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds per cell.")] = None,
    memory_limit: Annotated[float | None, typer.Option(help="GiB per worker process.")] = None,
    time_budget: Annotated[
        float | None, typer.Option(help="Seconds after which no more cells are begun; exit with 4 if some are left.")
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="K/N", help="Run one of N shares, such as 3/10; no MLflow unless --mlflow says where."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Torch device, such as cuda, or auto. [default: cpu]")] = None,
    executor: Annotated[
        str, typer.Option(help="Where cells are answered: local, ray, or the address of a Ray cluster.")
    ] = "local",
    num_gpus: Annotated[
        float | None, typer.Option(help="GPUs of each worker on a cluster; with 0.25 four workers share each.")
    ] = None,
    references: Annotated[bool, typer.Option(help="Run the reference rows as well.")] = True,
    retry: Annotated[bool, typer.Option("--retry", help="Run failed cells again.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if a cell fails.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run, and stop.")] = False,
    mlflow: MlflowUri = None,
    no_mlflow: Annotated[bool, typer.Option("--no-mlflow", help="Do not log to MLflow.")] = False,
    mlflow_wait: Annotated[
        float | None,
        typer.Option(
            min=0.0, metavar="SECONDS", help="How long to wait at the end for MLflow; `mibench sync` does the rest."
        ),
    ] = None,
    unit: Annotated[Unit, typer.Option(help="Unit of the printed tables.")] = Unit.NATS,
    include: Include = None,
) -> None:
    """Run estimators on tasks and rank them. The same command takes up where an interrupted one stopped."""
    include_files(include)
    from mibench.engine.grid import choose, parse_seeds, parse_size, plan
    from mibench.engine.plan import Shard

    if not grids and not tasks:
        raise UsageError("name a grid to run (`mibench ls grids` lists the presets), or choose tasks with -t.")
    settings: dict[str, Any] = {
        "estimators": estimators or None,
        "tasks": tasks or None,
        "n": [parse_size(size) for size in n] if n else None,
        "seeds": None if seeds is None else parse_seeds(seeds),
        "references": None if references else False,
        "time_limit": time_limit,
        "memory_limit": memory_limit,
    }
    chosen = choose(grids, settings, "the command line")
    share = None if shard is None else Shard.read(shard)
    directory = out or RESULTS / _name(grids, share)
    if dry_run:
        asked = plan(*chosen)
        _show_plan(asked if share is None else asked.part(share), directory, retry)
        return
    from mibench import api
    from mibench.mlflow.group import GroupTracker
    from mibench.mlflow.uri import mlflow_uri
    from mibench.report.terminal import show

    if share is not None:
        no_mlflow = no_mlflow or mlflow is None  # machines that share a folder would share one embedded store
    uri = None if no_mlflow else mlflow or mlflow_uri(directory, fresh=out is None)
    patience = math.inf if mlflow_wait is None else mlflow_wait
    with GroupTracker(uri, directory, patience) if uri else nullcontext() as tracker:
        observers = [tracker] if tracker else []
        results = api.run(
            grid=chosen,
            out=directory,
            workers=workers,
            retry=retry,
            time_budget=time_budget,
            shard=shard,
            device=device,
            executor=executor,
            num_gpus=num_gpus,
            observers=observers,
        )
        if share is not None and not results and not results.left:
            say(f"shard {share} of this grid has no cells.")
            return
        if not results:
            _say_what_is_left(results)
            raise typer.Exit(4)
        console = stdout()
        show(results.leaderboard(), console, unit)  # before the report, which may find no room
        written = results.report(directory, heading(directory), unit)
        if tracker:
            tracker.summarize(results, written)
        closing_lines(console, directory, written, uri)
    _say_what_is_left(results)
    say_what_is_older(results, [*(include or ()), *(Path(file) for grid in chosen for file in grid.include)])
    _end(results, strict)


def _name(grids: Sequence[str] | None, share: Shard | None) -> str:
    """Of the folder for the results of these grids."""
    name = "+".join(Path(grid).stem for grid in grids) if grids else "custom"
    return name if share is None else f"{name}-shard-{share.number}-of-{share.of}"


def _say_what_is_left(results: Results) -> None:
    if results.left:
        what = f"the time budget is spent, {counted(results.left, 'cell')} left"
        say(f"{what}; the same command takes up from there.")
    if lost := sum(r.again > 0 for r in results):
        what = f"{counted(lost, 'cell')} failed through no fault of a plug-in"
        say(f"{what}; the same command tries them again.")


def _end(results: Results, strict: bool) -> None:
    """The exit code that results have, where it is not 0."""
    from mibench.result import Status

    if results.left:
        raise typer.Exit(4)
    if not any(r.status is Status.OK for r in results):
        raise typer.Exit(3)
    failed = sum(r.status.failed for r in results)
    if strict and failed:
        say(f"--strict: {failed} of {len(results)} cells failed.")
        raise typer.Exit(1)


def say_what_is_older(results: Results, files: Sequence[Path]) -> None:
    """Answers of what a file has registered that are older than the file: only its version would have told."""
    from mibench.registry import registered_by

    for file in files:
        try:
            names, changed = registered_by(file), int(file.stat().st_mtime)
        except (UsageError, OSError):  # moved or deleted while the run went on
            continue
        own = [r for r in results if names & {r.estimator_name, r.task_name}]
        if old := sum(_second(r) < changed for r in own):
            what = f"{counted(old, 'answer')} from before the last change of '{file}'"
            say(f"{what}: where it changes answers, raise the version in it, or choose another folder with --out.")


def _second(result: Result) -> float:
    """When a cell was answered, as the clock of the file system says it; infinity where its record does not tell."""
    with suppress(KeyError, TypeError, ValueError):
        return datetime.strptime(result.provenance["time"], "%Y-%m-%dT%H:%M:%S%z").timestamp()
    return math.inf


def _show_plan(asked: Plan, directory: Path, retry: bool) -> None:
    from mibench.engine.reading import has_results, read_ends
    from mibench.engine.runner import unfinished
    from mibench.group import grouped

    cells, left = len(asked), {id(point): len(point.seeds) for point in asked.points}
    if has_results(directory):
        ended = read_ends(directory)
        for point in asked.points:
            left[id(point)] = len(unfinished(point.jobs(), ended, retry))
    for (task, n), alike in grouped(asked.points, lambda point: (point.task.label, point.n)).items():
        names = ", ".join(dict.fromkeys(point.estimator.label for point in alike))
        todo, every = sum(left[id(point)] for point in alike), sum(len(point.seeds) for point in alike)
        seeds = len(set().union(*(point.seeds for point in alike)))
        size = f" n={n}" if n else ""
        tell(f"{task}{size}, {counted(seeds, 'seed')}, {todo} of {every} cells to run: {names}")
    todo = sum(left.values())
    tell(f"{counted(cells, 'cell')}, {cells - todo:,} finished before, {todo:,} to run; results in {directory}")
