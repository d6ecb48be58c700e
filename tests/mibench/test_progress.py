"""Progress: the estimate of the time left, and what is written where."""

import io

import pytest
from rich.console import Console

from mibench.engine.grid import expand, make_grid
from mibench.engine.progress import Lines, Pace, progress


@pytest.fixture
def jobs():
    content = {"references": False, "estimators": ["ksg", "cca"], "tasks": "gauss", "n": 100, "seeds": 10}
    return expand(make_grid(content, "test"))


def test_the_time_left_is_that_of_the_cells_left(jobs, make, monkeypatch):
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


def test_lines_count_and_name_failures(jobs, make):
    console = Console(file=io.StringIO(), width=100)
    lines = Lines(console, 2)
    lines.started(jobs, done=3)
    lines.finished(make("ksg", n=100))
    lines.finished(make("ksg", n=100, seed=1, mi=None))
    lines.ended()
    text = console.file.getvalue()
    assert "5/23 cells" in text and "1 failed" in text and "\x1b" not in text


def test_a_bar_only_on_a_terminal(jobs, make):
    plain = Console(file=io.StringIO())
    assert isinstance(progress(plain, 2), Lines)
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)
    bar = progress(terminal, 2)
    bar.started(jobs, 0)
    bar.finished(make("ksg", n=100))
    bar.ended()
    assert "1/20" in terminal.file.getvalue()
