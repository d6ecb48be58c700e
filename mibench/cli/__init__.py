"""``mibench …``: reads arguments, calls the public functions, prints. Heavy imports happen inside the commands.

stdout carries results, stderr progress and remarks. Exit codes: 0 done, 1 a gate failed (``--strict``, ``check``,
``compare``), 2 bad usage, 3 nothing could be measured, 130 interrupted after everything finished was kept.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from mibench.errors import MibenchError, NotInstalled

from .shared import app

from . import run, estimate, look, report  # isort: skip  # noqa: F401  (in the order of the help)


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
