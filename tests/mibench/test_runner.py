"""Whole runs in real worker processes: everything goes wrong that can, and nothing is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mibench
from mibench import registry
from mibench.engine.store import FILE, load_results
from mibench.result import Status

PLUGINS = Path(__file__).parent / "troublemakers.py"


@pytest.fixture(scope="module", autouse=True)
def _plugins():
    registry.include(PLUGINS)


class Watcher:
    def __init__(self):
        self.events = []

    def started(self, jobs, done):
        self.events.append(("started", len(jobs), done))

    def finished(self, result):
        self.events.append(result.cell.id)

    def ended(self):
        self.events.append("ended")


def test_every_cell_ends_as_one_result_whatever_happens(tmp_path):
    watcher = Watcher()
    results = mibench.run(
        ["correlation", "hog", "die", "raise", "nan", "picky", "stacked-killer"],
        ["copy", "absent"],
        n=100,
        seeds=3,
        out=tmp_path,
        workers=2,
        references=False,
        time_limit=60.0,
        memory_limit=0.5,
        observers=[watcher],
    )
    by_name = {}
    for r in results:
        if r.cell.task == "copy":
            by_name.setdefault(r.cell.estimator, []).append((r.cell.seed, r.status))
    alike = {"correlation": "ok", "hog": "oom", "die": "crash", "raise": "error", "nan": "nonfinite"}
    for name, status in (alike | {"picky": "unsupported"}).items():
        assert sorted(by_name[name]) == [(seed, status) for seed in range(3)], name
    # a batch that died is tried again cell by cell: only the culprit is lost
    assert sorted(by_name["stacked-killer"]) == [(0, "ok"), (1, "ok"), (2, "crash")]
    absent = [r for r in results if r.cell.task == "absent"]
    assert len(absent) == 21 and {r.status for r in absent} == {Status.NOT_INSTALLED}
    assert "mibench data get absent" in absent[0].message
    assert watcher.events[0] == ("started", 42, 0) and watcher.events[-1] == "ended"
    assert sorted(watcher.events[1:-1]) == sorted(r.cell.id for r in results)

    again = Watcher()
    mibench.run("correlation", ["copy", "absent"], n=100, seeds=4, out=tmp_path, references=False, observers=[again])
    # of seven cells three are finished; what was not installed is tried again, the new seeds run
    assert again.events[0] == ("started", 5, 3)


def test_a_hang_ends_at_the_time_limit_and_costs_nobody_else(tmp_path):
    results = mibench.run(["hang", "correlation"], "copy", n=100, seeds=2, workers=1, references=False, time_limit=1.0)
    statuses = {(r.cell.estimator, r.cell.seed): (r.status, r.wall_s) for r in results}
    for seed in (0, 1):
        assert statuses["hang", seed] == (Status.TIMEOUT, 1.0)
        assert statuses["correlation", seed][0] is Status.OK


def test_a_cell_that_ran_under_another_name_of_its_task_is_shown_under_the_one_asked_for(tmp_path):
    first = mibench.run("correlation", "gauss[rho=0.75]", n=50, seeds=1, out=tmp_path, workers=1, references=False)
    again = Watcher()
    named = ["1v1-normal-0.75"]
    found = mibench.run("correlation", named, n=50, seeds=1, out=tmp_path, references=False, observers=[again])
    if first[0].cell.id == found[0].cell.id:  # the two names stand for the same distribution
        assert again.events[0] == ("started", 0, 1)
    assert [r.cell.task for r in found] == named
    assert found[0].mi == first[0].mi


def test_results_without_a_folder_stay_in_memory_and_carry_everything():
    def constant(x, y):
        return 0.25

    results = mibench.run([constant], "copy", n=50, seeds=1, workers=1)
    assert len(results) == 5
    row = next(r for r in results if r.cell.estimator == "constant")
    assert row.mi == 0.25 and row.truth == pytest.approx(0.2231435513) and row.family == "copies"
    assert row.dim_x == row.dim_y == 1 and row.provenance["versions"]["numpy"]
    assert results.leaderboard().ranking[-1].estimator == "oracle"


def _command(out: Path) -> list[str]:
    options = ["--include", str(PLUGINS), "-e", "slow", "-t", "copy", "-n", "60", "--seeds", "40", "--out", str(out)]
    return [sys.executable, "-m", "mibench", "run", *options, "-j", "2", "--no-mlflow"]


def _answers(out: Path) -> list[tuple]:
    return sorted((r.cell.id, r.status, r.mi, r.truth) for r in load_results(out))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[list[tuple], str]:
    out = tmp_path_factory.mktemp("undisturbed")
    done = subprocess.run(_command(out), capture_output=True, text=True, check=True)
    return _answers(out), _without_times(done.stdout)


def _without_times(table: str) -> str:
    """The ranking's names, scores and errors: all columns but the last two."""
    rows = [
        line.split() for line in table.splitlines() if line.strip().startswith(("1 ", "2 ", "3 ", "4 ", "5 ", "ref"))
    ]
    return "\n".join(" ".join(row[:7]) for row in rows)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_resumes_to_the_same_table(tmp_path, undisturbed, how):
    options = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True, "preexec_fn": _hear_interrupts}
    with subprocess.Popen(_command(tmp_path), **options) as run:
        _wait_for_lines(tmp_path / FILE, 20)
        if how is signal.SIGINT:
            os.killpg(run.pid, how)  # as a terminal's Ctrl-C reaches the workers too
        else:
            run.send_signal(how)
        _, said = run.communicate(timeout=60)
    assert run.returncode == (-9 if how is signal.SIGKILL else 130)
    if how is not signal.SIGKILL:
        assert "the same command takes up from there" in said and "Traceback" not in said
    before = len(load_results(tmp_path))
    assert 20 <= before < 200
    done = subprocess.run(_command(tmp_path), capture_output=True, text=True, check=True)
    assert f"({before} finished before)" in done.stderr
    answers, table = undisturbed
    assert _answers(tmp_path) == answers
    assert _without_times(done.stdout) == table


def _hear_interrupts() -> None:
    """Where the tests run in the background, interrupts are ignored, and a child would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _wait_for_lines(file: Path, count: int) -> None:
    for _ in range(600):
        if file.is_file() and file.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.05)
    raise AssertionError("the run did not get going")
