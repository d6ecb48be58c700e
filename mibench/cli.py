"""``mibench …``: reads arguments, calls the public functions, prints. Heavy imports happen inside the commands.

stdout carries results, stderr progress and remarks. Exit codes: 0 done, 1 a gate failed (``--strict``, ``check``),
2 bad usage, 3 nothing could be measured, 130 interrupted after everything finished was kept.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import MibenchError, NotInstalled, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from .grid import Grid, Job
    from .store import Results

RESULTS = Path("results")
"""Where runs go without --out, each in a folder named after its grid; they share one MLflow store."""

app = typer.Typer(
    name="mibench",
    help="Which mutual-information estimator can you trust, on data like yours, at what cost?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: mibench run quick        then: mibench ui",
)
data_app = typer.Typer(help="Data sets that tasks read from their standard files.", no_args_is_help=True)
app.add_typer(data_app, name="data")


class What(StrEnum):
    """What `mibench ls` lists."""

    ESTIMATORS = "estimators"
    TASKS = "tasks"
    GRIDS = "grids"


class Unit(StrEnum):
    """The unit people read; files are always in nats."""

    NATS = "nats"
    BITS = "bits"


Include = Annotated[
    list[Path] | None, typer.Option("--include", help="A Python file with estimators or tasks of your own; repeatable.")
]
MlflowUri = Annotated[
    str | None,
    typer.Option("--mlflow", envvar="MLFLOW_TRACKING_URI", help="MLflow tracking URI instead of the embedded store."),
]


def _examples(*lines: str) -> str:
    """Examples for the end of a help text; typer would join plain lines into one paragraph."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


# Running -------------------------------------------------------------------------------------------------------------


@app.command(
    epilog=_examples(
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
    _include(include)
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
    from .report.terminal import show
    from .result import Status
    from .session import execute
    from .tracking import Tracker

    uri = None if no_mlflow else mlflow or _mlflow_uri(directory, fresh=out is None)
    finished = execute(
        jobs,
        directory,
        title=_title(directory),
        unit=unit,
        workers=workers,
        time_limit=max(grid.time_limit for grid in chosen),
        memory_limit=max(grid.memory_limit for grid in chosen),
        retry=retry,
        tracker=Tracker(uri, artifact_root=_artifact_root(uri)) if uri else None,
        console=_stderr(),
    )
    console = _stdout()
    show(finished.results.leaderboard(), console, unit)
    _closing_lines(console, directory, finished.written, uri)
    finished.close()
    if not any(r.status is Status.OK for r in finished.results):
        raise typer.Exit(3)
    if strict:
        _fail_on_failures(finished.results)


def _jobs(names: Sequence[str], settings: dict[str, Any], references: bool) -> tuple[list[Job], list[Grid]]:
    """The cells of all the grids named, each once."""
    from . import registry
    from .grid import expand, load_grid, make_grid, parse_seeds

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
    from .panels import grouped
    from .runner import unfinished
    from .store import FILE, load_results

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


def _closing_lines(console: Console, directory: Path, written: dict[str, Path], uri: str | None) -> None:
    from .store import FILE

    lines = [f"Results   {directory / FILE}", f"Report    {written['html']}  ({written['markdown'].name}, .csv, .json)"]
    lines.append(f"Figures   {directory / 'figures'}")
    if uri is not None:
        lines.append(f"Dashboard {_ui_command(directory, uri)}")
    console.print("\n" + "\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _ui_command(directory: Path, uri: str) -> str:
    if uri == _default_uri(RESULTS):
        return "mibench ui"
    return f"mibench ui {directory}" if uri == _default_uri(directory) else f"mibench ui --mlflow {uri}"


def _fail_on_failures(results: Results) -> None:
    from .result import Status

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


# Estimating ----------------------------------------------------------------------------------------------------------


@app.command(
    epilog=_examples(
        "mibench estimate x.npy y.npy",
        "mibench estimate data.csv --x height,weight --y age -e ksg -e infonce",
    )
)
def estimate(
    files: Annotated[list[Path], typer.Argument(help="Two .npy or .csv files, X and Y; or one with --x and --y.")],
    x: Annotated[str | None, typer.Option("--x", help="Columns of X by name or number, separated by commas.")] = None,
    y: Annotated[str | None, typer.Option("--y", help="Columns of Y likewise.")] = None,
    estimators: Annotated[list[str] | None, typer.Option("-e", "--estimator", help="[default: cca, ksg]")] = None,
    seed: int = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    include: Include = None,
) -> None:
    """Estimate the mutual information of paired samples in your own files, in nats."""
    _include(include)
    from .api import estimate as estimate_one
    from .samples import read_pair

    xs, ys = read_pair(files, x, y)
    answers: dict[str, Any] = {}
    for selector in estimators or ["cca", "ksg"]:
        found = estimate_one(xs, ys, selector, seed)
        answers[selector] = {"mi": found.mi, "stderr": found.stderr, "diagnostics": dict(found.diagnostics)}
    if as_json:
        _print_json({"n": len(xs), "dim_x": xs.shape[1], "dim_y": ys.shape[1], "estimates": answers})
        return
    typer.echo(f"n = {len(xs)}, X of dimension {xs.shape[1]}, Y of dimension {ys.shape[1]}; mutual information in nats")
    for selector, found in answers.items():
        spread = f" ± {1.96 * found['stderr']:.3f}" if found["stderr"] is not None else ""
        said = ", ".join(f"{key}: {value}" for key, value in found["diagnostics"].items())
        typer.echo(f"  {selector:<28}{found['mi']:8.4f}{spread}" + (f"   ({said})" if said else ""))


# Looking -------------------------------------------------------------------------------------------------------------


@app.command(
    epilog=_examples(
        "mibench ls estimators", "mibench ls tasks 'gauss*'", "mibench ls tasks --html gallery.html", "mibench ls grids"
    )
)
def ls(
    what: Annotated[What, typer.Argument(help="What to list.")] = What.ESTIMATORS,
    pattern: Annotated[str, typer.Argument(help="Only names that match this glob.")] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a gallery of the tasks, with a picture of each.")] = None,
    include: Include = None,
) -> None:
    """List estimators, tasks or grids."""
    _include(include)
    from .report import cards

    if html is not None:
        if what is not What.TASKS:
            raise UsageError("--html makes a gallery of tasks: `mibench ls tasks --html FILE`.")
        from .registry import tasks
        from .report.gallery import write_gallery

        write_gallery(tasks.select(pattern), html)
        typer.echo(f"wrote {html}", err=True)
        return
    rows = _rows(what, pattern)
    if as_json:
        _print_json([row.to_json() for row in rows])
    else:
        cards.show_list(rows, _stdout())


def _rows(what: What, pattern: str) -> Sequence[Any]:
    from .report import cards

    match what:
        case What.ESTIMATORS:
            return cards.list_estimators(pattern)
        case What.TASKS:
            return cards.list_tasks(pattern)
        case What.GRIDS:
            return cards.list_grids(pattern)


@app.command(epilog=_examples("mibench info ksg", "mibench info 'gauss[dim=5]' --plot gauss.png", "mibench info quick"))
def info(
    name: Annotated[str, typer.Argument(help="An estimator, a task (with parameters, if you like) or a grid.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Write a picture of a sample of the task (PNG).")] = None,
    include: Include = None,
) -> None:
    """Tell everything about one estimator, task or grid."""
    _include(include)
    from .report import cards

    if plot is not None:
        from .registry import tasks
        from .report.pictures import task_figure

        _write(plot, task_figure(tasks.create(name)))
        typer.echo(f"wrote {plot}", err=True)
    card = cards.card(name)
    if as_json:
        _print_json(card.to_json())
    else:
        cards.show_card(card, _stdout())


@app.command(
    epilog=_examples(
        "mibench report results/quick",
        "mibench report results/a results/b --out results/both --title 'A and B'",
    )
)
def report(
    directories: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders of results; several are merged.")
    ],
    out: Annotated[Path | None, typer.Option(help="Where to write. [default: the first folder]")] = None,
    title: Annotated[str | None, typer.Option(help="Heading of the report.")] = None,
    unit: Annotated[Unit, typer.Option(help="Unit of tables and figures.")] = Unit.NATS,
) -> None:
    """Make the leaderboard, its figures and the HTML page from finished results, and print it."""
    from .report.terminal import show
    from .store import load_results

    results = load_results(*directories)
    target = out or directories[0]
    written = results.report(target, title or _title(target), unit)
    console = _stdout()
    show(results.leaderboard(), console, unit)
    _closing_lines(console, target, written, None)


@app.command(epilog=_examples("mibench ui", "mibench ui results/quick --port 5050"))
def ui(
    directory: Annotated[Path, typer.Argument(help="The folder whose MLflow store to show.")] = RESULTS,
    port: Annotated[int, typer.Option(help="The first port to try.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    mlflow: MlflowUri = None,
) -> None:
    """Open the MLflow dashboard over the runs; Ctrl-C ends it."""
    from .tracking import open_ui

    open_ui(mlflow or _mlflow_uri(directory), host, port)


@app.command(epilog=_examples("mibench sync results/quick", "mibench sync results/quick --mlflow http://server:5000"))
def sync(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of results.")],
    mlflow: MlflowUri = None,
) -> None:
    """Bring MLflow up to date with the results of a folder; what is there already is left alone."""
    from . import tracking
    from .store import load_results

    results = load_results(directory)
    uri = mlflow or _mlflow_uri(directory)
    files = _report_files(directory)
    root = _artifact_root(uri)
    count = tracking.sync(
        results, uri, artifact_root=root, directory=results.directory, title=_title(directory), files=files
    )
    typer.echo(f"{count} run{'s' if count != 1 else ''} written to {uri}" if count else f"{uri} is up to date")


@app.command(epilog=_examples("mibench check ksg", "mibench check my-estimator --include my_estimator.py"))
def check(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Estimators or tasks.")],
    include: Include = None,
) -> None:
    """Run the contract on estimators or tasks: what every plug-in must hold."""
    _include(include)
    from . import checks, registry

    failed = 0
    for name in names:
        own = registry.estimators if _base(name) in registry.estimators.names() else registry.tasks
        for outcome in checks.run(own.create(name)):
            failed += outcome.failed
            typer.echo(f"{name}: {outcome}")
    if failed:
        typer.echo(f"{failed} check{'s' if failed != 1 else ''} failed", err=True)
        raise typer.Exit(1)


@app.command(epilog=_examples("mibench env", "mibench env --json"))
def env(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show versions and machine, as recorded with every result."""
    from . import runtime
    from .provenance import provenance

    facts = {**provenance(), "data_dir": str(runtime.data_dir())}
    if as_json:
        _print_json(facts)
        return
    for key, value in facts.items():
        entries = value.items() if isinstance(value, dict) else [("", value)]
        for name, entry in entries:
            typer.echo(f"{' '.join(filter(None, [key, name])):<24}{entry}")


@data_app.command("get", epilog=_examples("mibench data get mnist", "MIBENCH_DATA=/data mibench data get cifar10"))
def data_get(name: Annotated[str, typer.Argument(help="mnist, fashion-mnist or cifar10.")]) -> None:
    """Fetch a data set from openml.org and write its standard files into the data directory (MIBENCH_DATA)."""
    from . import datasets, runtime

    typer.echo(f"fetching {name} from openml.org ...", err=True)
    typer.echo(f"wrote {datasets.get(name, runtime.data_dir())}")


# Shared --------------------------------------------------------------------------------------------------------------


def _include(paths: Sequence[Path] | None) -> None:
    if paths:
        from .registry import include

        for path in paths:
            include(path)


def _base(selector: str) -> str:
    from .selector import parse_selector

    return parse_selector(selector)[0]


def _default_uri(directory: Path) -> str:
    from .tracking import default_uri

    return default_uri(directory)


def _mlflow_uri(directory: Path, fresh: bool = False) -> str:
    """The embedded store of a folder of results: its own, or the one its parent keeps for all its folders.

    fresh : the folder was not named by the user, so its runs go to the shared store.
    """
    shared = fresh or (directory.parent / "mlflow.db").is_file()
    own = (directory / "mlflow.db").is_file()
    return _default_uri(directory.parent if shared and not own else directory)


def _artifact_root(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///")).parent / "mlflow-artifacts" if uri.startswith("sqlite:///") else None


def _report_files(directory: Path) -> dict[str, Path]:
    """The files of the report that a run or ``mibench report`` left in a folder."""
    found = [*directory.glob("leaderboard.*"), *directory.glob("tasks.csv"), *directory.glob("figures/*.png")]
    return {str(path.relative_to(directory)): path for path in sorted(found)}


def _title(directory: Path) -> str:
    return f"mibench: {directory.resolve().name}"


def _stdout() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "120")))


def _stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, default=str))


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"cannot write '{path}': {error.strerror or error}.") from None


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script: turns deliberate errors into one sentence and an exit code."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(_exit_code(lambda: app(args=arguments, standalone_mode=False)))


def _exit_code(command: Callable[[], Any]) -> int:
    # typer brings a click of its own, so the base of all misuse is found through one of its public members
    misuse: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
    try:
        code = command()
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except misuse as error:
        error.show()
        return int(error.exit_code)
    except NotInstalled as error:
        typer.echo(f"mibench: {error}", err=True)
        return 3
    except MibenchError as error:
        typer.echo(f"mibench: {error}", err=True)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `mibench ls | head` is no error
        return 0
    if code == 130:
        typer.echo("interrupted; what was finished is kept, and the same command takes up from there.", err=True)
    return code if isinstance(code, int) else 0


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
