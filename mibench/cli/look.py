"""``mibench ls``, ``info`` and ``env``: what there is."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mibench.errors import UsageError
from mibench.words import nearest

from .shared import Include, Json, app, examples, include_files, print_json, stdout, writable, write
from .streams import say, tell


class What(StrEnum):
    """What `mibench ls` lists."""

    ESTIMATORS = "estimators"
    TASKS = "tasks"
    GRIDS = "grids"


@app.command(
    epilog=examples(
        "mibench ls estimators", "mibench ls tasks 'gauss*'", "mibench ls tasks --html gallery.html", "mibench ls grids"
    )
)
def ls(
    kind: Annotated[str, typer.Argument(metavar="[estimators|tasks|grids]", help="What to list.")] = What.ESTIMATORS,
    pattern: Annotated[str, typer.Argument(help="Only names that match this glob.")] = "*",
    as_json: Json = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a gallery of the tasks, with a picture of each.", callback=writable)
    ] = None,
    include: Include = None,
) -> None:
    """List estimators, tasks or grids."""
    if kind not in list(What):
        hint = nearest(kind, [str(name) for name in What]) or "there are: estimators, tasks, grids."
        raise UsageError(f"there is no list of '{kind}'; {hint}")
    what = What(kind)
    include_files(include)
    if html is not None:
        if what is not What.TASKS:
            raise UsageError("--html makes a gallery of tasks: `mibench ls tasks --html FILE`.")
        from mibench.registry import tasks
        from mibench.report.gallery import write_gallery

        write_gallery(tasks.select(pattern), html)
        say(f"wrote {html}")
        return
    from mibench.report import catalogue, listing

    rows: Sequence[listing.Row]
    match what:
        case What.ESTIMATORS:
            rows = catalogue.list_estimators(pattern)
        case What.TASKS:
            rows = catalogue.list_tasks(pattern)
        case What.GRIDS:
            rows = catalogue.list_grids(pattern)
    if as_json:
        print_json([row.to_json() for row in rows])
    else:
        listing.show_list(rows, stdout())


@app.command(epilog=examples("mibench info ksg", "mibench info 'gauss[dim=5]' --plot gauss.png", "mibench info quick"))
def info(
    name: Annotated[str, typer.Argument(help="An estimator, a task (with parameters, if you like) or a grid.")],
    as_json: Json = False,
    plot: Annotated[
        Path | None, typer.Option(help="Write a picture of a sample of the task (PNG).", callback=writable)
    ] = None,
    include: Include = None,
) -> None:
    """Tell everything about one estimator, task or grid."""
    include_files(include)
    from mibench.report.cards import card
    from mibench.report.listing import show_card

    if plot is not None:
        from mibench.registry import tasks
        from mibench.report.pictures import task_figure

        write(plot, task_figure(tasks.create(name)))
        say(f"wrote {plot}")
    found = card(name)
    if as_json:
        print_json(found.to_json())
    else:
        show_card(found, stdout())


@app.command(epilog=examples("mibench env", "mibench env --json"))
def env(as_json: Json = False) -> None:
    """Show versions and machine, as recorded with every result."""
    from mibench import runtime
    from mibench.engine.devices import names
    from mibench.engine.provenance import provenance

    facts = {**provenance(), "devices": ", ".join(names()), "data_dir": str(runtime.data_dir())}
    if as_json:
        print_json(facts)
        return
    for key, value in facts.items():
        entries = value.items() if isinstance(value, dict) else [("", value)]
        for name, entry in entries:
            tell(f"{' '.join(filter(None, [key, name])):<24}{entry}")
