"""``mibench run``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mibench.errors import UsageError

if TYPE_CHECKING:
    from mibench.engine.grid import Grid, Job
    from mibench.engine.store import Results

from .shared import (
    RESULTS,
    Include,
    MlflowUri,
    Unit,
    app,
    artifact_root,
    closing_lines,
    examples,
    include_files,
    mlflow_uri,
    stderr,
    stdout,
    title,
)


@app.command(
    epilog=examples(
        "mibench run quick",
        "mibench run gaussian -e my-estimator --include my_estimator.py",
        "mibench run -e ksg -e 'mine-ema[learning_rate=1e-3]' -t 'gauss*' -n 1000 -n 10000 --seeds 5",
        "mibench run my_grid.toml --out results/mine -j 8 --dry-run",
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
    n: Annotated[list[int] | None, typer.Option("-n", help="Number of samples; repeatable.")] = None,
    seeds: Annotated[str | None, typer.Option(help="How many (5), a range (100-104) or a list (1,7,9).")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the results. [default: results/GRID]")] = None,
    workers: Annotated[int | None, typer.Option("-j", "--workers", min=1, help="Processes. [default: cores]")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds per cell.")] = None,
    memory_limit: Annotated[float | None, typer.Option(help="GiB per worker process.")] = None,
    device: Annotated[str | None, typer.Option(help="Torch device for training, such as cuda. [default: cpu]")] = None,
    references: Annotated[bool, typer.Option(help="Run the reference rows as well.")] = True,
    retry: Annotated[bool, typer.Option("--retry", help="Run failed cells again.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if a cell fails.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run, and stop.")] = False,
    mlflow: MlflowUri = None,
    no_mlflow: Annotated[bool, typer.Option("--no-mlflow", help="Do not log to MLflow.")] = False,
    unit: Annotated[Unit, typer.Option(help="Unit of the printed tables.")] = Unit.NATS,
    include: Include = None,
) -> None:
    """Run estimators on tasks and rank them. The same command takes up where an interrupted one stopped."""
    if device:
        _check_device(device)
        os.environ["MIBENCH_DEVICE"] = device
    include_files(include)
    settings = {
        "estimators": estimators,
        "tasks": tasks,
        "n": n,
        "seeds": seeds,
        "time_limit": time_limit,
        "memory_limit": memory_limit,
    }
    jobs, chosen = _jobs(grids or [], settings, references)
    directory = out or RESULTS / ("+".join(Path(name).stem for name in grids) if grids else "custom")
    if dry_run:
        _show_plan(jobs, directory, retry)
        return
    from mibench.engine.session import execute
    from mibench.mlflow.tracking import Tracker
    from mibench.report.terminal import show
    from mibench.result import Status

    uri = None if no_mlflow else mlflow or mlflow_uri(directory, fresh=out is None)
    finished = execute(
        jobs,
        directory,
        title=title(directory),
        unit=unit,
        workers=workers,
        time_limit=max(grid.time_limit for grid in chosen),
        memory_limit=max(grid.memory_limit for grid in chosen),
        retry=retry,
        tracker=Tracker(uri, artifact_root=artifact_root(uri)) if uri else None,
        console=stderr(),
    )
    console = stdout()
    show(finished.results.leaderboard(), console, unit)
    closing_lines(console, directory, finished.written, uri)
    finished.close()
    if not any(r.status is Status.OK for r in finished.results):
        raise typer.Exit(3)
    if strict:
        _fail_on_failures(finished.results)


def _jobs(names: Sequence[str], settings: dict[str, Any], references: bool) -> tuple[list[Job], list[Grid]]:
    """The cells of all the grids named, each once."""
    from mibench import registry
    from mibench.engine.grid import expand, load_grid, make_grid, parse_seeds

    settings = {key: value for key, value in settings.items() if value}
    if "seeds" in settings:
        settings["seeds"] = parse_seeds(settings["seeds"])
    if not references:
        settings["references"] = False
    if names:
        chosen = [load_grid(name).replaced(**settings) for name in names]
    elif "tasks" in settings:
        chosen = [make_grid(settings, "the command line")]
    else:
        raise UsageError("name a grid to run (`mibench ls grids` lists the presets), or choose tasks with -t.")
    for file in dict.fromkeys(file for grid in chosen for file in grid.include):
        registry.include(file)
    return list({job.cell.id: job for grid in chosen for job in expand(grid)}.values()), chosen


def _show_plan(jobs: Sequence[Job], directory: Path, retry: bool) -> None:
    from mibench.engine.runner import unfinished
    from mibench.engine.store import FILE, load_results
    from mibench.group import grouped

    finished = load_results(directory) if (directory / FILE).is_file() else []
    todo = {job.cell.id for job in unfinished(jobs, finished, retry)}
    for (task, n), alike in grouped(jobs, lambda job: (job.cell.task, job.cell.n)).items():
        names = ", ".join(dict.fromkeys(job.cell.estimator for job in alike))
        left = sum(job.cell.id in todo for job in alike)
        seeds = len({job.cell.seed for job in alike})
        size = f" n={n}" if n else ""
        typer.echo(
            f"{task}{size}, {seeds} seed{'s' if seeds != 1 else ''}, {left} of {len(alike)} cells to run: {names}"
        )
    typer.echo(
        f"{len(jobs)} cells, {len(jobs) - len(todo)} finished before, {len(todo)} to run; results in {directory}"
    )


def _fail_on_failures(results: Results) -> None:
    from mibench.result import Status

    accepted = (Status.OK, Status.UNSUPPORTED, Status.NOT_INSTALLED)
    failed = [r for r in results if r.status not in accepted]
    if failed:
        typer.echo(f"--strict: {len(failed)} of {len(results)} cells failed.", err=True)
        raise typer.Exit(1)


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise UsageError(f"--device {device} cannot be used here: {reason}.") from None
