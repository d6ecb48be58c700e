"""A grid of cells that cost nothing, and the commands and signals that disturb it."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

ROGUES = Path(__file__).with_name("rogues.py")
"""Plug-ins for ``--include``."""


def hear_interrupts() -> None:
    """Where the tests run in the background, interrupts are ignored, and a child would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def grid(out: Path, seeds: int, *more: str) -> list[str]:
    """``run`` with so many cells, in two workers."""
    cells = ["-e", "quiet", "-t", "cheap", "-n", "20", "--seeds", str(seeds), "--no-references", "--no-mlflow"]
    return ["run", *cells, "--include", str(ROGUES), "-j", "2", "--out", str(out), *more]


def said_well(done: subprocess.CompletedProcess[str], *codes: int) -> bool:
    """No traceback, and an exit code that is documented."""
    assert "Traceback" not in done.stderr + done.stdout, done.stderr[-3000:]
    assert done.returncode in (codes or (0,)), (done.returncode, done.stderr[-3000:])
    return True


@pytest.fixture
def tally(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Tally:
    """Prints what was done, past pytest's capture."""
    return Tally(capsys, request.node.name)


class Tally:
    """Counts, printed in a line."""

    def __init__(self, capsys: pytest.CaptureFixture[str], name: str) -> None:
        self._capsys, self._name = capsys, name

    def say(self, **counts: float) -> None:
        with self._capsys.disabled():
            shown = ", ".join(f"{value:,.6g} {name.replace('_', ' ')}" for name, value in counts.items())
            print(f"\n{self._name}: {shown}")
