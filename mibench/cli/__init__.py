"""``mibench …``: reads arguments, calls the public functions, prints. Heavy imports happen inside the commands.

stdout carries results, stderr progress and remarks. Exit codes: 0 done, 1 a gate failed (``--strict``, ``check``,
``compare``, ``ci``, ``submit``), 2 bad usage, 3 nothing could be measured, 4 the time budget was spent before all was
done, 130 interrupted after everything finished was kept.
"""

from __future__ import annotations

import atexit
import itertools
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from os import _exit as exit_now  # by a name of its own: the other is a plug-in's to call in vain
from typing import Any

from mibench.endings import outlived

from .streams import ended_by, forget_stdout, listen, prepare, say, unforeseen, written

_SAID = "interrupted; what was finished is kept, and the same command takes up from there."
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, a polite kill, a terminal that is closed
_LAST = 5.0  # seconds for what is left when all is done
_PATIENCE = 1.0  # seconds in which a second Ctrl-C means the first one


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script: turns deliberate errors into one sentence and an exit code."""
    if arguments is None:  # the process is ours
        atexit.register(_End.now)  # the first of these functions is called last
        prepare()
    try:
        if arguments is None:
            for number in _ENDS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                    signal.signal(number, _Interrupt())
        code = written(_command(arguments))
    except KeyboardInterrupt:
        code = 130
    except Exception:
        if _Interrupt.first is None:
            raise
        code = 130  # where an interrupt comes while a class is made, Python makes a RuntimeError of it
    if code == 130:
        print(_SAID, file=sys.stderr)
        if arguments is None:
            written(130)
            exit_now(130)  # Python itself would end by SIGINT where the interrupt came in the middle of an exec()
    if arguments is None:
        for number in _ENDS:
            signal.signal(number, signal.SIG_IGN)  # all is done
        _End.soon(code)
    sys.exit(code)


def _command(arguments: Sequence[str] | None) -> int:
    listen()
    if blank := _blank(sys.argv[1:] if arguments is None else arguments):
        say(f"mibench: {blank} is empty, as of a variable that is not set; write a value, or leave it out.")
        return 2
    from .commands import app

    return _exit_code(lambda: app(args=arguments, standalone_mode=False))


def _blank(arguments: Sequence[str]) -> str:
    """What is empty on a command line: as a path it would be the folder where one happens to be."""
    for place, (before, given) in enumerate(itertools.pairwise(["", *arguments]), 1):
        if not given:
            return f"what follows {before}" if before.startswith("-") else f"argument {place}"
        if re.fullmatch(r"--[a-z-]+=", given):
            return f"what follows {given}"
    return ""


def _exit_code(command: Callable[[], Any]) -> int:
    import typer

    from mibench.errors import MibenchError, NotInstalled

    # typer brings a click of its own, so the base of all misuse is found through one of its public members
    misuse: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
    try:
        with outlived():
            code = command()
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except misuse as error:
        return _misused(error)
    except NotInstalled as error:
        say(f"mibench: {error}")
        return 3
    except MibenchError as error:
        if _Interrupt.first is not None:
            return 130
        say(f"mibench: {error}")
        return 2
    except SystemExit as end:
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":  # typer's: `mibench ls | head` is no error
            forget_stdout()
            return 0
        say(f"mibench: a plug-in has called {ended_by(end)}, and that has ended the command.")
        return 2
    except BaseException as error:
        if _Interrupt.first is not None:
            return 130
        say(f"mibench: {unforeseen(error)}")
        return 2
    return code if isinstance(code, int) else 0


def _misused(error: Any) -> int:
    """What the command line does not have, in one sentence; a command without what it needs shows its help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        text, context = str(error.format_message()).strip().rstrip("."), getattr(error, "ctx", None)
        words: list[str] = []
        while context is not None and context.parent is not None:
            words.insert(0, context.info_name)
            context = context.parent
        say(f"mibench: {text[:1].lower()}{text[1:]}; `{' '.join(['mibench', *words, '--help'])}` tells more.")
    return int(error.exit_code)


class _End:
    """How the process ends, whatever a plug-in has left in it: threads, functions to call at the end, objects."""

    code = 1

    @classmethod
    def soon(cls, code: int) -> None:
        """What is still to be done gets a while."""
        cls.code = code
        timer = threading.Timer(_LAST, cls.now)
        timer.daemon = True
        timer.start()

    @classmethod
    def now(cls) -> None:
        """Without taking the interpreter down, in which objects of a plug-in may have the last word."""
        exit_now(written(cls.code))


class _Interrupt:
    """What a signal does: the first one interrupts, one that follows much later ends the process on the spot."""

    first: float | None = None

    def __init__(self) -> None:
        self._process = os.getpid()

    def __call__(self, number: int, _: Any) -> None:
        if os.getpid() != self._process:  # forked by a plug-in, as by a pool of processes, which ends them by signals
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        now = time.monotonic()
        if _Interrupt.first is None:
            _Interrupt.first = now
            raise KeyboardInterrupt
        if now > _Interrupt.first + _PATIENCE:
            with suppress(OSError):
                os.write(2, f"{_SAID}\n".encode())
            exit_now(130)  # workers end with this process, and every record is on disk
