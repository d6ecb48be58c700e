"""The application with all its commands."""

from collections import Counter
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption

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


class _Once(TyperCommand):
    """A command of whose options with one value none is given twice: the first would be lost without a word."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(args=[*args])
        for option, often in Counter(given).items():
            if often > 1 and isinstance(option, TyperOption) and not (option.multiple or option.is_flag):
                ctx.fail(f"{option.opts[-1]} is given {often} times and has one value")
        return super().parse_args(ctx, args)


for _command in app.registered_commands:
    _command.short_help = _IN_SHORT.get(str(_command.name or getattr(_command.callback, "__name__", "")))
for _group in app.registered_groups:
    _group.short_help = _IN_SHORT.get(str(_group.name))
for _typer in (app, *(_group.typer_instance for _group in app.registered_groups)):
    for _command in _typer.registered_commands if _typer else ():
        _command.callback = alone(_command.callback) if _command.callback else None
        _command.cls = _Once


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mibench {__version__}")
        raise typer.Exit


@app.callback()
def _before(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", callback=_version)] = False,
) -> None:
    """What stands before the name of a command."""
