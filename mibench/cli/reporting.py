"""``mibench report``, ``ui`` and ``sync``: what becomes of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .shared import (
    RESULTS,
    MlflowUri,
    Unit,
    app,
    artifact_root,
    closing_lines,
    examples,
    mlflow_uri,
    report_files,
    stdout,
    title,
)


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
    heading: Annotated[str | None, typer.Option("--title", help="Heading of the report.")] = None,
    unit: Annotated[Unit, typer.Option(help="Unit of tables and figures.")] = Unit.NATS,
) -> None:
    """Make the leaderboard, its figures and the HTML page from finished results, and print it."""
    from ..report.terminal import show
    from ..store import load_results

    results = load_results(*directories)
    target = out or directories[0]
    written = results.report(target, heading or title(target), unit)
    console = stdout()
    show(results.leaderboard(), console, unit)
    closing_lines(console, target, written, None)


@app.command(epilog=examples("mibench ui", "mibench ui results/quick --port 5050"))
def ui(
    directory: Annotated[Path, typer.Argument(help="The folder whose MLflow store to show.")] = RESULTS,
    port: Annotated[int, typer.Option(help="The first port to try.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    mlflow: MlflowUri = None,
) -> None:
    """Open the MLflow dashboard over the runs; Ctrl-C ends it."""
    from ..tracking import open_ui

    open_ui(mlflow or mlflow_uri(directory), host, port)


@app.command(epilog=examples("mibench sync results/quick", "mibench sync results/quick --mlflow http://server:5000"))
def sync(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of results.")],
    mlflow: MlflowUri = None,
) -> None:
    """Bring MLflow up to date with the results of a folder; what is there already is left alone."""
    from .. import tracking
    from ..store import load_results

    results = load_results(directory)
    uri = mlflow or mlflow_uri(directory)
    files = report_files(directory)
    root = artifact_root(uri)
    count = tracking.sync(
        results, uri, artifact_root=root, directory=results.directory, title=title(directory), files=files
    )
    typer.echo(f"{count} run{'s' if count != 1 else ''} written to {uri}" if count else f"{uri} is up to date")
