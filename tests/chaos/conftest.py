"""A grid of cells that cost nothing, and the commands and signals that disturb it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from .forks import Forks

ROGUES = Path(__file__).with_name("rogues.py")
"""Plug-ins for ``--include``."""


def hear_interrupts() -> None:
    """Where the tests run in the background, interrupts are ignored, and a child would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def grid(out: Path, seeds: int, *more: str) -> list[str]:
    """``run`` with so many cells, in two workers."""
    cells = ["-e", "quiet", "-t", "cheap", "-n", "20", "--seeds", str(seeds), "--no-references", "--no-mlflow"]
    return ["run", *cells, "--include", str(ROGUES), "-j", "2", "--out", str(out), *more]


def script(plugins: Path, out: Path, seeds: int, *more: str, seconds: float = 600.0) -> list[str]:
    """The same without a report at its end: a program that calls ``run``."""
    code = f"import mibench; mibench.include({str(plugins)!r}); mibench.run({['quiet', *more]}, 'cheap', 20, {seeds}, "
    code += f"out={str(out)!r}, workers=2, references=False, progress=False, time_limit={seconds})"
    return [sys.executable, "-c", code]


def said_well(done: subprocess.CompletedProcess[str], *codes: int) -> bool:
    """No traceback, and an exit code that is documented."""
    assert "Traceback" not in done.stderr + done.stdout, done.stderr[-3000:]
    assert done.returncode in (codes or (0,)), (done.returncode, done.stderr[-3000:])
    return True


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Commands that need not start Python anew."""
    made = Forks(tmp_path_factory.mktemp("said"))
    yield made
    made.close()


Say: TypeAlias = Callable[..., None]
COUNTS = pytest.StashKey[dict[str, Any]]()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Say:
    """What is to stand beside the test in the tally: counts by what they count, and what held."""

    def say(held: str = "", **counts: float) -> None:
        request.node.stash[COUNTS] = {**counts, "held": held}

    return say


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Each slow test that holds gets a line on the terminal, and one in the file that ``CHAOS_TALLIES`` names."""
    report = yield
    if report.when == "call" and report.passed and item.get_closest_marker("slow"):
        counts = item.stash.get(COUNTS, {})
        told = {"test": item.name, "seconds": report.duration, **counts}
        item.config.get_terminal_writer().line(f"\n{told}")
        if file := os.environ.get("CHAOS_TALLIES"):
            with open(file, "a") as tallies:
                tallies.write(json.dumps(told) + "\n")
    return report
