"""What the commands share: the application, common options, consoles, and where things lie."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, cast

import typer

from mibench.errors import UsageError
from mibench.files import put, require_folder, require_writable
from mibench.masking import masked
from mibench.mlflow.uri import default_uri
from mibench.words import printable

from .streams import results

if TYPE_CHECKING:
    from rich.console import Console

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


class Unit(StrEnum):
    """The unit people read; files are always in nats."""

    NATS = "nats"
    BITS = "bits"

    @property
    def factor(self) -> float:
        """How many of it a nat is."""
        from mibench.report import values

        return values.Unit(self).factor


Include = Annotated[
    list[Path] | None, typer.Option("--include", help="A Python file with estimators or tasks of your own; repeatable.")
]
MlflowUri = Annotated[
    str | None,
    typer.Option("--mlflow", envvar="MLFLOW_TRACKING_URI", help="MLflow tracking URI instead of the embedded store."),
]
Tolerance = Annotated[
    float | None,
    typer.Option(min=0.0, help="Fall of a score that is a regression. [default: 0.02, errors 15 % greater]"),
]
MaxSlowdown = Annotated[
    float | None, typer.Option(min=1.0, help="Growth of the CPU time that is one, such as 2. [default: none]")
]
Workers = Annotated[int | None, typer.Option("-j", "--workers", min=1, help="Processes. [default: cores]")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def examples(*lines: str) -> str:
    """Examples for the end of a help text; typer would join plain lines into one paragraph."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def include_files(paths: Sequence[Path] | None) -> None:
    """Import the user's own plug-ins."""
    if paths:
        from mibench.registry import include

        for path in paths:
            include(path)


def report_files(directory: Path) -> dict[str, Path]:
    """The files of the report that a run or ``mibench report`` left in a folder."""
    found = [*directory.glob("leaderboard.*"), *directory.glob("tasks.csv"), *directory.glob("figures/*.png")]
    return {str(path.relative_to(directory)): path for path in sorted(found)}


def closing_lines(console: Console, directory: Path, written: dict[str, Path], uri: str | None) -> None:
    """Say where everything is."""
    from mibench.engine.reading import COMPRESSED, FILE

    lines = [f"Results   {directory / name}" for name in (COMPRESSED, FILE) if (directory / name).is_file()]
    lines.append(f"Report    {written['html']}  ({written['markdown'].name}, .csv, .json)")
    lines.append(f"Figures   {directory / 'figures'}")
    if uri is not None:
        lines.append(f"Dashboard {_ui_command(directory, uri)}")
    console.print(printable("\n" + "\n".join(lines)), markup=False, highlight=False, soft_wrap=True)


def _ui_command(directory: Path, uri: str) -> str:
    if uri == default_uri(RESULTS):
        return "mibench ui"
    return f"mibench ui {directory}" if uri == default_uri(directory) else f"mibench ui --mlflow {masked(uri)}"


class _Trimmed:
    """Standard output without the blanks that fill lines up to the width of a terminal."""

    def __init__(self) -> None:
        self._stream = results()
        self.encoding = self._stream.encoding

    def write(self, text: str) -> int:
        """Write lines."""
        return self._stream.write(re.sub(r" +$", "", text, flags=re.MULTILINE))

    def flush(self) -> None:
        """Flush standard output."""
        self._stream.flush()


def columns(otherwise: int) -> int:
    """Of the terminal that results are read on, or what COLUMNS says."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and len(said) < 5 and int(said):
        return int(said)
    with suppress(OSError, ValueError):
        return os.get_terminal_size(results().fileno()).columns or otherwise
    return otherwise


def stdout() -> Console:
    """For results: as wide as the terminal, 120 columns and no trailing blanks elsewhere."""
    from rich.console import Console

    class Patient(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError(errno.EPIPE, "nobody reads on")

    if results().isatty():
        return Patient(file=results())
    return Patient(file=cast(IO[str], _Trimmed()), width=columns(120))


def stderr() -> Console:
    """For progress and remarks."""
    from rich.console import Console

    return Console(stderr=True)


def print_json(value: Any) -> None:
    """For machines."""
    print_text(json.dumps(value, indent=2, default=str) + "\n")


def print_text(text: str) -> None:
    """As it is."""
    typer.echo(text, file=results(), nl=False)


def write(path: Path, content: bytes) -> None:
    """A file the user asked for."""
    with written_to(path):
        put(path, content)


def writable(path: Path | None) -> Path | None:
    """Of an option that names a file to write: refuse what cannot be written before anything is computed for it."""
    if path is not None:
        with written_to(path):
            require_writable(path)
    return path


def writable_folder(path: Path) -> None:
    """The same of a folder, which need not be there yet."""
    with written_to(path):
        require_folder(path)


@contextmanager
def written_to(path: Path) -> Iterator[None]:
    """What the system says against writing somewhere is one sentence."""
    try:
        yield
    except (OSError, ValueError) as error:  # a name with a null in it
        raise UsageError(f"cannot write '{path}': {getattr(error, 'strerror', None) or error}.") from None
