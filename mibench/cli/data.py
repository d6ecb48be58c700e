"""``mibench data``: data sets that tasks read."""

from __future__ import annotations

from typing import Annotated

import typer

from .shared import app, examples
from .streams import say, tell

data_app = typer.Typer(help="Data sets that tasks read from their standard files.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@data_app.command("get", epilog=examples("mibench data get mnist", "MIBENCH_DATA=/data mibench data get cifar10"))
def data_get(name: Annotated[str, typer.Argument(help="mnist, fashion-mnist or cifar10.")]) -> None:
    """Fetch a data set from openml.org and write its standard files into the data directory (MIBENCH_DATA)."""
    from mibench import datasets

    tell(f"wrote {datasets.get(name, announce=say)}")
