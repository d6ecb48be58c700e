"""Standard output and standard error as they may come: closed, full, of another encoding; and what is said on them.

Names and messages are other people's, so what is said is one line without control characters, and of bounded length.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import traceback
import warnings
from pathlib import Path
from typing import Any

from mibench.words import printable

_LONGEST = 2_000  # characters of a sentence
_DEBUG = "MIBENCH_TRACEBACK"


def prepare() -> None:
    """Give the process streams that it can write to, whatever it was started with, in any encoding."""
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # no file of results takes the number of a stream that was closed, and gets to hold what is printed there
    os.close(free)
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started this process
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    os.environ["MPLBACKEND"] = "agg"  # figures are files here, whatever windows somebody else may want
    warnings.showwarning = lambda message, *_, **__: say(f"warning: {message}")
    if not os.environ.get(_DEBUG):
        sys.unraisablehook = threading.excepthook = _in_passing


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
    try:
        print(one_line(text), file=sys.stderr)
    except OSError:
        forget(sys.stderr)  # nobody is there to be told


def tell(text: str) -> None:
    """What was asked for, on standard output: names in it are other people's too."""
    print(printable(text), flush=True)


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
        sys.stdout.flush()
    except BrokenPipeError:
        forget_stdout()
    except (OSError, ValueError) as error:
        forget_stdout()
        say(f"mibench: cannot write to standard output: {getattr(error, 'strerror', None) or error}.")
        return code or 2
    return code


def forget_stdout() -> None:
    """What is left in its buffer goes nowhere, and Python does not complain about it at the end."""
    forget(sys.stdout)


def forget(stream: object) -> None:
    """Point a stream's descriptor at nothing."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[attr-defined]
