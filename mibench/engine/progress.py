"""How a run goes, told on stderr: a bar with an ETA on a terminal, a plain line now and then anywhere else."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mibench.result import Cell, Result
from mibench.words import counted

from .job import Job

if TYPE_CHECKING:
    from rich.console import Console

_LINE_EVERY = 15.0  # seconds between plain lines
_DRAWN_EVERY = 0.1  # seconds between pictures of a bar
_EXTRA = 0.02  # seconds that a cell costs beside its estimate: its sample, its record

Kind: TypeAlias = tuple[str, int | str]
"""Cells that cost about the same: one estimator at one sample size, or in one downstream task."""


class Pace:
    """How long the rest takes, from what cells of the same estimator and sample size have cost so far."""

    def __init__(self, jobs: Sequence[Job], workers: int) -> None:
        self.workers = workers
        self._left: Counter[Kind] = Counter(_kind(job.cell) for job in jobs)
        self._spent: dict[Kind, float] = defaultdict(float)
        self._done: Counter[Kind] = Counter()
        self._total = len(jobs)
        self._started = time.monotonic()

    def add(self, result: Result) -> None:
        """One more cell is finished."""
        key = _kind(result.cell)
        self._left[key] -= 1
        self._spent[key] += result.wall_s
        self._done[key] += 1

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    @property
    def remaining(self) -> float | None:
        """Seconds to go, or None while too little is known."""
        known = {key: spent / self._done[key] for key, spent in self._spent.items()}
        done = self._done.total()
        if done < min(4 * self.workers, self._total) or self.elapsed < 2:
            return None  # the first cells pay for loading libraries, and are the most expensive
        typical = sum(known.values()) / len(known)
        spent = sum(self._spent.values()) + _EXTRA * done
        left = sum(count * (known.get(key, typical) + _EXTRA) for key, count in self._left.items())
        return self.elapsed * left / spent


class Bar:
    """A progress bar on a terminal, or in a notebook that has ipywidgets."""

    def __init__(self, console: Console, workers: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._workers = workers
        columns = (BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn("{task.fields[times]}"))
        self._progress = Progress(
            *columns, TextColumn("{task.fields[last]}", style="dim"), console=console, transient=True
        )
        self._failed = 0

    def started(self, jobs: Sequence[Job], done: int) -> None:
        """Draw the bar, as far filled as earlier runs came."""
        self._pace = Pace(jobs, self._workers)
        self._task = self._progress.add_task(
            "", total=len(jobs) + done, completed=done, times="", last="starting workers"
        )
        self._steps, self._drawn = 0, 0.0
        self._progress.start()

    def finished(self, result: Result) -> None:
        """One step, which is drawn when the last picture is old enough."""
        self._pace.add(result)
        self._failed += result.status.failed
        self._steps += 1
        if time.monotonic() - self._drawn >= _DRAWN_EVERY:
            self._draw(f"{result.cell.estimator} on {result.cell.task}")

    def ended(self) -> None:
        """Take the bar away."""
        self._draw("")
        self._progress.stop()

    def _draw(self, last: str) -> None:
        times = _times(self._pace) + (f", {self._failed} failed" if self._failed else "")
        self._progress.update(self._task, advance=self._steps, times=times, last=last[:60])
        self._steps, self._drawn = 0, time.monotonic()


class Lines:
    """Plain lines, for log files, pipes and notebooks."""

    def __init__(self, console: Console, workers: int) -> None:
        self._console, self._workers = console, workers
        self._done = self._total = self._failed = 0

    def started(self, jobs: Sequence[Job], done: int) -> None:
        """Nothing to say yet."""
        self._pace = Pace(jobs, self._workers)
        self._done, self._total = done, len(jobs) + done
        self._said = time.monotonic()

    def finished(self, result: Result) -> None:
        """A line when the last one is long ago."""
        self._pace.add(result)
        self._done += 1
        self._failed += result.status.failed
        if time.monotonic() - self._said >= _LINE_EVERY:
            self._say()

    def ended(self) -> None:
        """The final count."""
        self._say()

    def _say(self) -> None:
        self._said = time.monotonic()
        failed = f", {self._failed} failed" if self._failed else ""
        line = f"{self._done}/{self._total} cells, {_times(self._pace)}{failed}"
        self._console.print(line, markup=False, highlight=False)


class Progress:
    """First what is to be done, then how it goes: as a bar where one can be drawn, otherwise as lines.

    place : where results go, if they are kept; bar : True for a bar whatever stderr is.
    """

    def __init__(self, workers: int, place: Path | None, bar: bool | None = None) -> None:
        from rich.console import Console

        console = Console(stderr=True, force_terminal=bar or None)
        drawn = console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)
        if not drawn:
            console = Console(stderr=True, force_jupyter=False)
        self._console, self._workers, self._place = console, workers, place
        self._shown = Bar(console, workers) if drawn else Lines(console, workers)
        self._running = False

    def started(self, jobs: Sequence[Job], done: int) -> None:
        """The size of the run in a line."""
        earlier = f" ({done} finished before)" if done else ""
        place = f"; results go to {self._place}" if self._place else ""
        line = f"{counted(len(jobs) + done, 'cell')}{earlier}, {counted(self._workers, 'worker')}{place}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._running = bool(jobs)
        if self._running:
            self._shown.started(jobs, done)

    def finished(self, result: Result) -> None:
        """One cell more."""
        self._shown.finished(result)

    def ended(self) -> None:
        """The end."""
        if self._running:
            self._shown.ended()


def _kind(cell: Cell) -> Kind:
    return cell.estimator, cell.n or cell.task


def _times(pace: Pace) -> str:
    left = pace.remaining
    return f"{_clock(pace.elapsed)} elapsed" + (f", about {_clock(left)} left" if left is not None else "")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
