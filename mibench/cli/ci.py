"""``mibench ci``: what a change does to the estimators of a repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mibench.words import heading, listed

from .shared import MaxSlowdown, Tolerance, Workers, app, examples, print_text, writable, write
from .streams import say


@app.command(
    epilog=examples(
        "mibench ci quick --files 'estimators/*.py' --base origin/main --baseline baseline",
        "mibench ci quick --files my_estimator.py -e my-estimator --out ci --summary ci.md",
    )
)
def ci(
    grids: Annotated[list[str], typer.Argument(metavar="GRID...", help="Presets or TOML files.")],
    files: Annotated[
        list[str], typer.Option(help="Python files with estimators; globs in quotation marks, repeatable.")
    ],
    base: Annotated[
        str | None, typer.Option(help="A commit: only estimators whose files differ from it. [default: all]")
    ] = None,
    estimators: Annotated[
        list[str] | None, typer.Option("-e", "--estimator", help="Only these, whether changed or not.")
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="A folder of earlier results to compare with.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results and the report.")] = Path("mibench-ci"),
    summary: Annotated[
        Path | None, typer.Option(help="Write the summary (Markdown) to this file as well.", callback=writable)
    ] = None,
    tolerance: Tolerance = None,
    max_slowdown: MaxSlowdown = None,
    complete: Annotated[
        bool,
        typer.Option("--complete", help="An estimator of the baseline that is gone, or an answer, is a regression."),
    ] = False,
    time_budget: Annotated[float | None, typer.Option(help="Seconds after which no more cells are begun.")] = None,
    workers: Workers = None,
) -> None:
    """Run the estimators that a change touches, compare them with a baseline, and write a summary for a CI run.

    Cells that OUT has of the same code are not run again, those of other code are removed. Exit codes: 0 no
    regression, or nothing touched, 1 a regression, 2 bad usage, 3 nothing could be measured or compared, 4 the time
    budget was spent.
    """
    from mibench.integration import Plugins, examine

    plugins = Plugins.found(files)
    names = estimators or (plugins.changed(base) if base else plugins.all)
    say(f"estimators: {listed(names, 20) or 'none is touched'}")
    outcome = examine(
        names,
        grids,
        out,
        baseline,
        code=plugins.code(),
        tolerance=tolerance,
        max_slowdown=max_slowdown,
        time_budget=time_budget,
        workers=workers,
        complete=complete,
    )
    print_text(outcome.summary)
    if summary is not None:
        write(summary, outcome.summary.encode())
    if outcome.results:  # last, as there may be no room for it
        outcome.results.report(out, heading(out))
    if outcome.code:
        raise typer.Exit(outcome.code)
