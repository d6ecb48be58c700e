"""``mibench new``: a first file of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .shared import app, examples
from .streams import tell

new_app = typer.Typer(
    help="Write a file with an estimator or a task of your own, which works at once.", no_args_is_help=True
)
app.add_typer(new_app, name="new")

Name = Annotated[str, typer.Argument(help="Its name: small letters, digits, single hyphens.")]


@new_app.command(
    "estimator",
    epilog=examples("mibench new estimator my-estimator", "mibench check my-estimator --include my_estimator.py"),
)
def new_estimator(name: Name) -> None:
    """Write a working estimator to a file in this folder, for you to change."""
    from mibench.checks.starter import start

    file = start("estimator", name, Path()).name
    _say(
        file,
        {
            f"mibench check {name} --include {file}": "does it keep the contract?",
            f"mibench run quick -e {name} --include {file}": "its row beside the reference ones",
            f"mibench estimate x.csv y.csv -e {name} --include {file}": "on data of yours",
        },
    )


@new_app.command(
    "task",
    epilog=examples("mibench new task my-task", "mibench check my-task --include my_task.py"),
)
def new_task(name: Name) -> None:
    """Write a working task to a file in this folder, for you to change."""
    from mibench.checks.starter import start

    file = start("task", name, Path()).name
    _say(
        file,
        {
            f"mibench check {name} --include {file}": "does it keep the contract, and is its truth true?",
            f"mibench info {name} --plot {name}.png --include {file}": "what it looks like",
            f"mibench run -t {name} -e ksg -n 1000 --seeds 3 --include {file}": "estimators on it",
        },
    )


def _say(file: str, steps: dict[str, str]) -> None:
    width = max(map(len, steps))
    tell(f"wrote {file}: change what it computes, and then")
    for command, answer in steps.items():
        tell(f"  {command:<{width}}   # {answer}")
