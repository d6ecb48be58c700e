"""``mibench report``, ``merge``, ``compare``, ``ui`` and ``sync``: what becomes of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mibench.errors import UsageError
from mibench.masking import masked
from mibench.mlflow.uri import artifact_root, mlflow_uri
from mibench.words import counted, heading

from .shared import (
    RESULTS,
    Json,
    MaxSlowdown,
    MlflowUri,
    Tolerance,
    Unit,
    app,
    closing_lines,
    examples,
    print_json,
    print_text,
    report_files,
    stdout,
    writable_folder,
)
from .streams import say, tell


@app.command(
    epilog=examples(
        "mibench report results/quick",
        "mibench report results/a results/b --out results/both --title 'A and B'",
    )
)
def report(
    directories: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders of results; several are merged.")
    ],
    out: Annotated[Path | None, typer.Option(help="Where to write. [default: the first folder]")] = None,
    title: Annotated[str | None, typer.Option("--title", help="Heading of the report.")] = None,
    unit: Annotated[Unit, typer.Option(help="Unit of tables and figures.")] = Unit.NATS,
) -> None:
    """Make the leaderboard, its figures and the HTML page from finished results, and print it."""
    from mibench.engine.reading import files_at
    from mibench.report.terminal import show
    from mibench.results import load_results

    target = out or files_at(directories[0])[0].parent
    if out is not None:
        writable_folder(out)
    results = load_results(*directories)
    console = stdout()
    show(results.leaderboard(), console, unit)
    written = results.report(target, title or heading(target), unit)
    closing_lines(console, target, written, None)


@app.command(
    epilog=examples(
        "mibench merge results/quick-shard-* --out results/quick",
        "mibench merge laptop cluster --out both --keep last",
    )
)
def merge(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of results.")],
    out: Annotated[Path, typer.Option(help="A new folder.")],
    keep: Annotated[
        str | None,
        typer.Option(metavar="first|last", help="Whose answer counts where two differ. [default: that is an error]"),
    ] = None,
) -> None:
    """Put folders of results together in a new one, such as those of the shards of a run.

    Pictures come along. Merging again changes nothing, and neither does the order. Two different answers of one cell
    are named, and nothing is written. Exit codes: 0 done, 2 bad usage or a conflict.
    """
    from mibench.engine.merge import merge_folders

    cells = merge_folders(directories, out, keep)
    folders = counted(len(directories), "folder")
    tell(f"{counted(cells, 'cell')} of {folders} in {out}; next: mibench report {out}")


@app.command(
    epilog=examples(
        "mibench compare results/published/quick results/quick",
        "mibench compare before after --tolerance 0.005 --max-slowdown 2 --complete",
        "mibench compare before after --markdown >> summary.md",
    )
)
def compare(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="Folder of results to compare with.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Folder of results to judge.")],
    tolerance: Tolerance = None,
    max_slowdown: MaxSlowdown = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="An estimator or task that NEW lacks is a regression.")
    ] = False,
    unit: Annotated[Unit, typer.Option(help="Unit of the printed tables.")] = Unit.NATS,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """Compare NEW results with BASE on the cells that both have: exit with 1 if an estimator became worse.

    Versions do not matter, only what was asked: estimator, task, n and seed. An estimator is worse if its score falls
    by more than the tolerance or if a cell that had an answer fails. Cells that one of them lacks are told, and count
    with --complete. Exit codes: 0 no regression, 1 regression, 2 bad
    usage, 3 nothing to compare.
    """
    from mibench import api
    from mibench.report import comparison as report_of

    if as_markdown and as_json:
        raise UsageError("choose one of --markdown and --json.")
    found = api.compare(base, new, tolerance, max_slowdown, complete)
    if as_json:
        print_json({"base": str(base), "new": str(new), **found.to_json()})
    elif as_markdown:
        print_text(report_of.markdown(found, f"{new} against {base}", unit))
    else:
        report_of.show(found, stdout(), unit)
    if not found.answered and not found.regression:
        what = "no cell in common" if not found.cells else "no answer in any cell that both have"
        say(f"mibench: nothing to compare: '{base}' and '{new}' have {what}.")
        raise typer.Exit(3)
    if found.regression:
        raise typer.Exit(1)


@app.command(epilog=examples("mibench ui", "mibench ui results/quick --port 5050"))
def ui(
    directory: Annotated[Path, typer.Argument(help="The folder whose MLflow store to show.")] = RESULTS,
    port: Annotated[int, typer.Option(help="The first port to try.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    mlflow: MlflowUri = None,
) -> None:
    """Open the MLflow dashboard over the runs; Ctrl-C ends it."""
    from mibench.mlflow.dashboard import open_ui

    open_ui(mlflow or mlflow_uri(directory), host, port, announce=tell)


@app.command(epilog=examples("mibench sync results/quick", "mibench sync results/quick --mlflow http://server:5000"))
def sync(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of results.")],
    mlflow: MlflowUri = None,
) -> None:
    """Bring MLflow up to date with the results of a folder; what is there already is left alone.

    Exit codes: 0 up to date, 2 bad usage, 3 the MLflow store cannot be used.
    """
    from mibench.mlflow import tracking
    from mibench.results import load_results

    results = load_results(directory)
    uri = mlflow or mlflow_uri(directory)
    try:
        count = tracking.sync(
            results,
            uri,
            artifact_root=artifact_root(uri),
            directory=results.directory,
            title=heading(directory),
            files=report_files(directory),
        )
    except tracking.TrackingError as error:
        say(f"mibench: {error}")
        raise typer.Exit(3) from None
    shown = masked(uri)
    tell(f"{counted(count, 'run')} written to {shown}" if count else f"{shown} is up to date")
