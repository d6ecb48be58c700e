"""Standard output and standard error as they may come: closed, full, of another encoding; and what is said on them.

Names and messages are other people's, so what is said is one line without control characters, and of bounded length.
Standard output is for what was asked for: what else is printed while a command runs, by a plug-in, by a library that it
calls or by a process that it starts, goes to standard error.
"""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TextIO, TypeVar

from mibench.words import printable

_LONGEST = 2_000  # characters of a sentence
_DEBUG = "MIBENCH_TRACEBACK"

P = ParamSpec("P")
R = TypeVar("R")


def prepare() -> None:
    """Give the process streams that it can write to, whatever it was started with, in any encoding."""
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # no file of results takes the number of a stream that was closed, and gets to hold what is printed there
    os.close(free)
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:  # closed by whoever started this process
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    _before.append(sys.stderr)
    told = io.BufferedWriter(_Remarks(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(told, encoding, "backslashreplace", line_buffering=True)
    _keep_stdout()
    os.environ["MPLBACKEND"] = "agg"  # figures are files here, whatever windows somebody else may want
    warnings.showwarning = lambda message, *_, **__: say(f"warning: {message}")
    if not os.environ.get(_DEBUG):
        sys.unraisablehook = threading.excepthook = _in_passing


class _Remarks(io.FileIO):
    """Standard error: a run does not end because nobody is there to be told, as when its terminal was closed, the
    reader of its pipe has ended, or the disk of its log is full."""

    def write(self, data: Any) -> int:
        with contextlib.suppress(OSError):
            return super().write(data) or len(data)
        return len(data)


def _keep_stdout() -> None:
    """Standard output gets a descriptor that nobody else knows, and that no child inherits; its own leads elsewhere."""
    global _results
    kept = os.dup(1)
    sys.stdout.flush()
    os.dup2(2, 1)
    _before.append(sys.stdout)
    buffering = 1 if os.isatty(kept) else -1
    sys.stdout = open(kept, "w", buffering, sys.stdout.encoding, "backslashreplace")  # noqa: SIM115
    _results, sys.__stdout__ = sys.stdout, sys.stderr  # type: ignore[misc, assignment]


_before: list[TextIO | None] = []
"""What the streams were: where nobody had one any more, its descriptor would be closed."""

_results: TextIO | None = None
"""Standard output of a process that is ours, and of the command that runs."""


def results() -> TextIO:
    """Standard output, for what was asked for."""
    return _results or sys.stdout


def alone(command: Callable[P, R]) -> Callable[P, R]:
    """A command whose results are alone on standard output: what others print meanwhile goes to standard error."""

    @functools.wraps(command)
    def kept_apart(*args: P.args, **kwargs: P.kwargs) -> R:
        global _results
        if _results is not None:  # the process is ours, and a thread that a plug-in has left may print until its end
            sys.stdout = sys.stderr
            return command(*args, **kwargs)
        _results = sys.stdout
        try:
            with contextlib.redirect_stdout(sys.stderr):
                return command(*args, **kwargs)
        finally:
            _results = None

    return kept_apart


def _in_passing(told: Any) -> None:
    """What fails where nobody can catch it, in a thread, at the end, when an object is deleted, is a line as well."""
    if isinstance(told.exc_value, Exception):
        with contextlib.suppress(Exception):
            say(f"mibench: in passing: {unforeseen(told.exc_value)}")


def listen() -> None:
    """Warnings of the package, and of those it uses, as single lines on standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Line())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return one_line(record.getMessage())


def say(text: str) -> None:
    """One line on standard error."""
    print(one_line(text), file=sys.stderr)


def tell(text: str) -> None:
    """What was asked for, on standard output: names in it are other people's too."""
    print(printable(text), file=results(), flush=True)


def one_line(text: str) -> str:
    """The text in one line that a terminal shows as it is, cut where it is beyond reading."""
    line = printable(text.strip()).replace("\n", "\\n")
    half = _LONGEST // 2  # what is wrong stands at the end
    return line if len(line) <= _LONGEST else f"{line[:half]} … ({len(line):,} characters) … {line[-half:]}"


def ended_by(end: SystemExit) -> str:
    """What has been called to make an exception of this kind."""
    from mibench.engine.plain import sentence

    code = sentence(end.code)
    return code if code.startswith("os._exit(") else f"sys.exit({code})"


def unforeseen(error: BaseException) -> str:
    """What to say of an exception that nobody meant to raise: what the system refused, or where to look for the fault.

    With ``MIBENCH_TRACEBACK`` in the environment the traceback comes first.
    """
    if os.environ.get(_DEBUG):
        with contextlib.suppress(Exception):  # which its own text may raise
            traceback.print_exception(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"'{os.fsdecode(error.filename)}'" if isinstance(error.filename, (str, bytes)) else "what is needed"
        return f"cannot read or write {where}: {error.strerror}."
    if isinstance(error, MemoryError):
        return "there is not enough memory for that."
    from mibench.engine.plain import described

    said = " ".join(described(error).split()).rstrip(".")
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{said}{place}; {_DEBUG}=1 shows where it comes from."


def written(code: int) -> int:
    """The exit code once standard output has taken all that was printed: 2 where it could not, as on a full disk."""
    try:
        results().flush()
    except BrokenPipeError:
        forget_stdout()
    except (OSError, ValueError) as error:
        forget_stdout()
        if code != 2:  # where it is, the command may have failed for this very reason, and has said so
            say(f"mibench: cannot write to standard output: {getattr(error, 'strerror', None) or error}.")
        return code or 2
    return code


def forget_stdout() -> None:
    """What is left in its buffer goes nowhere, and Python does not complain about it at the end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), results().fileno())
