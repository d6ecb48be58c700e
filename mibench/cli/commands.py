"""The application with all its commands."""

from typing import Annotated

import typer

from mibench import __version__

from .shared import app
from .streams import alone

from . import run, estimate, check, data, new, look, report, submit, ci  # isort: skip  # noqa: F401  (in the order of the help)

__all__ = ["app"]

_IN_SHORT = {
    "estimate": "Estimate the mutual information of your own samples.",
    "check": "Hold estimators or tasks to the contract of plug-ins.",
    "report": "Make the leaderboard and its page from finished results.",
    "merge": "Put folders of results together.",
    "compare": "Compare new results with earlier ones, cell by cell.",
    "sync": "Bring MLflow up to date with a folder of results.",
    "submit": "Check results that are to be published.",
    "ci": "Run what a change touches, and compare it with a baseline.",
    "new": "Write a file with an estimator or a task of your own.",
}
"""For the list of commands, where the first sentence of its help has no room."""

for _command in app.registered_commands:
    _command.short_help = _IN_SHORT.get(str(_command.name or getattr(_command.callback, "__name__", "")))
for _group in app.registered_groups:
    _group.short_help = _IN_SHORT.get(str(_group.name))
for _typer in (app, *(_group.typer_instance for _group in app.registered_groups)):
    for _command in _typer.registered_commands if _typer else ():
        _command.callback = alone(_command.callback) if _command.callback else None


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mibench {__version__}")
        raise typer.Exit


@app.callback()
def _before(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", callback=_version)] = False,
) -> None:
    """What stands before the name of a command."""
