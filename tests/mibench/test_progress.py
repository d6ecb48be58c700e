"""Progress: the estimate of the time left, and what is written where."""

import io
import sys

import pytest
from rich.console import Console

from mibench.engine.grid import expand, make_grid
from mibench.engine.job import Job
from mibench.engine.progress import Bar, Lines, Pace, Progress

from .conftest import MakeResult


@pytest.fixture
def jobs() -> list[Job]:
    content = {"references": False, "estimators": ["ksg", "cca"], "tasks": "gauss", "n": 100, "seeds": 10}
    return expand(make_grid(content, "test"))


def test_the_time_left_is_that_of_the_cells_left(
    jobs: list[Job], make: MakeResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("mibench.engine.progress.time.monotonic", lambda: clock[0])
    pace = Pace(jobs, workers=2)
    assert pace.remaining is None
    for seed in range(5):
        pace.add(make("ksg", n=100, seed=seed, wall_s=10.0))
    for seed in range(10):
        pace.add(make("cca", n=100, seed=seed, wall_s=1.0))
    clock[0] = 30.0  # 60 s of work by two workers; 50 s are left
    assert pace.remaining == pytest.approx(5 * 10.0 / 2, rel=0.02)
    clock[0] = 45.0  # it takes half as long again as the estimates alone, and so will the rest
    assert pace.remaining == pytest.approx(1.5 * 5 * 10.0 / 2, rel=0.02)


def test_lines_count_and_name_failures(jobs: list[Job], make: MakeResult) -> None:
    said = io.StringIO()
    lines = Lines(Console(file=said, width=100), 2)
    lines.started(jobs, done=3)
    lines.finished(make("ksg", n=100))
    lines.finished(make("ksg", n=100, seed=1, mi=None))
    lines.ended()
    assert "5/23 cells" in said.getvalue() and "1 failed" in said.getvalue() and "\x1b" not in said.getvalue()


def test_a_bar_fills(jobs: list[Job], make: MakeResult) -> None:
    said = io.StringIO()
    bar = Bar(Console(file=said, force_terminal=True, width=100), 2)
    bar.started(jobs, 0)
    bar.finished(make("ksg", n=100))
    bar.ended()
    assert "1/20" in said.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stderr", "bar", "drawn"), [(Terminal, None, True), (io.StringIO, None, False), (io.StringIO, True, True)]
)
def test_a_bar_only_on_a_terminal_unless_it_is_asked_for(
    stderr: type[io.StringIO],
    bar: bool | None,
    drawn: bool,
    jobs: list[Job],
    make: MakeResult,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("TTY_COMPATIBLE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stderr", said := stderr())
    shown = Progress(2, None, bar)
    shown.started(jobs, 3)
    shown.finished(make("ksg", n=100))
    shown.ended()
    assert "23 cells (3 finished before), 2 workers\n" in said.getvalue()
    assert ("\x1b" in said.getvalue()) == drawn and ("4/23 cells" in said.getvalue()) != drawn


def test_a_notebook_without_widgets_gets_lines(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("mibench.engine.progress.find_spec", lambda name: None)
    shown = Progress(2, None)
    shown.started(jobs, 0)
    shown.ended()
    assert "0/20 cells" in capsys.readouterr().err
