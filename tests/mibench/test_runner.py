"""Whole runs in real worker processes: everything goes wrong that can, and nothing is lost."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import cloudpickle
import psutil
import pytest

import mibench
from mibench import Result, Results, Status, registry
from mibench.engine import local, runner
from mibench.engine.executor import Lost
from mibench.engine.job import Job
from mibench.engine.reading import FILE, read_results
from mibench.errors import MibenchError, UsageError

T = TypeVar("T")

PLUGINS = Path(__file__).parent / "troublemakers.py"


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    registry.include(PLUGINS)


def run(estimators: Any, tasks: Any = "copy", n: int = 100, seeds: Any = 1, **options: Any) -> Results:
    return mibench.run(estimators, tasks, n, seeds, **{"references": False, "progress": False, **options})


class Watcher:
    def __init__(self) -> None:
        self.begun: tuple[int, int] | None = None
        self.finished_ids: list[str] = []
        self.over = False

    def started(self, jobs: Sequence[Job], done: int) -> None:
        self.begun = len(jobs), done

    def finished(self, result: Result) -> None:
        assert self.begun and not self.over
        self.finished_ids.append(result.cell.id)

    def ended(self) -> None:
        self.over = True


def test_every_cell_ends_as_one_result_whatever_happens(tmp_path: Path) -> None:
    expected = {
        "correlation": "ok",
        "strange": "ok",
        "hog": "oom",
        "die": "crash",
        "exit": "crash",
        "leave": "error",
        "raise": "error",
        "nan": "nonfinite",
        "picky": "unsupported",
    }
    watcher = Watcher()
    started = time.monotonic()
    results = run(
        [*expected, "stacked-killer"],
        ["copy", "absent"],
        seeds=3,
        out=tmp_path,
        workers=2,
        time_limit=60.0,
        memory_limit=0.5,
        observers=[watcher],
    )
    assert time.monotonic() - started < 110  # nothing waits for a worker that is gone
    by_name: dict[str, list[tuple[int, str]]] = {}
    for r in results:
        if r.cell.task == "copy":
            by_name.setdefault(r.cell.estimator, []).append((r.cell.seed, str(r.status)))
    for name, status in expected.items():
        assert sorted(by_name[name]) == [(seed, status) for seed in range(3)], name
    # a batch that died is tried again cell by cell: only the culprit is lost
    assert sorted(by_name["stacked-killer"]) == [(0, "ok"), (1, "ok"), (2, "crash")]
    absent = [r for r in results if r.cell.task == "absent"]
    assert len(absent) == 30 and {r.status for r in absent} == {Status.NOT_INSTALLED}
    assert "mibench data get absent" in absent[0].message
    # what did not answer is described like the rest
    [facts] = {(r.family, r.truth, r.dim_x) for r in results if r.cell.task == "copy"}
    assert facts == ("copies", registry.tasks.create("copy").facts()["truth"], 1)
    assert watcher.begun == (60, 0) and watcher.over
    assert Counter(watcher.finished_ids) == Counter(r.cell.id for r in results)

    again = Watcher()
    run("correlation", ["copy", "absent"], seeds=4, out=tmp_path, observers=[again])
    # of seven cells three are finished; what was not installed is tried again, the new seeds run
    assert again.begun == (5, 3)


def test_a_hang_ends_at_the_time_limit_with_its_children_and_costs_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHILD", str(tmp_path / "child"))
    results = run(["hang", "correlation"], seeds=2, workers=1, time_limit=1.0)
    statuses = {(r.cell.estimator, r.cell.seed): (r.status, r.wall_s) for r in results}
    for seed in (0, 1):
        assert statuses["hang", seed] == (Status.TIMEOUT, 1.0)
        assert statuses["correlation", seed][0] is Status.OK
    child = int((tmp_path / "child").read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("deed", "status", "message"),
    [
        ("exit", Status.CRASH, "ended with exit code 0"),
        ("leave", Status.ERROR, "SystemExit: 0"),
        ("hang", Status.TIMEOUT, "stopped at the time limit of 1 s"),
        ("nan", Status.ERROR, "not finite"),
    ],
)
def test_a_task_that_goes_wrong_spoils_its_own_cells_only(
    deed: str, status: Status, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_FACTS", 1.0)
    results = run("correlation", [f"rogue[deed={deed}]", "copy"], seeds=2, workers=1, time_limit=1.0)
    rogue = [r for r in results if r.task_name == "rogue"]
    assert [r.status for r in rogue] == [status] * 2 and {r.status for r in results if r not in rogue} == {Status.OK}
    assert all(message in r.message and "the task cannot be used" in r.message for r in rogue)


def test_a_cell_whose_worker_is_killed_from_outside_is_run_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKS", str(tmp_path))
    results = run("once", seeds=4, workers=2)
    assert [r.status for r in results] == [Status.OK] * 4, [r.message for r in results]


def test_a_cell_lost_to_its_surroundings_runs_again_by_itself_in_two_more_runs(tmp_path: Path) -> None:
    tried = []
    for _ in range(4):
        watcher = Watcher()
        [lost] = run("die", out=tmp_path, workers=1, observers=[watcher])
        tried.append((len(watcher.finished_ids), lost.status, lost.again))
    assert tried == [(1, Status.CRASH, 2), (1, Status.CRASH, 1), (1, Status.CRASH, 0), (0, Status.CRASH, 0)]
    assert [r.again for r in run(["exit", "raise"], workers=1)] == [0, 0]  # a plug-in's own failure is final


def test_what_is_over_the_time_budget_is_left_for_the_same_call(tmp_path: Path) -> None:
    first = run("slow", seeds=40, out=tmp_path, workers=1, time_budget=3.0)
    assert first.left == 40 - len(first) > 0
    again = Watcher()
    assert run("slow", seeds=40, out=tmp_path, workers=1, observers=[again]).left == 0
    assert again.begun == (first.left, len(first))
    with pytest.raises(UsageError, match="time budget must be greater than zero"):
        run("slow", time_budget=float("nan"))


def test_output_of_plugins_goes_nowhere_but_into_the_message_of_a_crash(capfd: pytest.CaptureFixture[str]) -> None:
    results = run(["talk", "last-words"], workers=1)
    assert [r.status for r in results] == [Status.OK, Status.CRASH]
    assert results[1].message == "the worker process ended with exit code 3, and said last: no  [31mway out."
    assert capfd.readouterr() == ("", "")


def test_workers_killed_while_they_start_or_idle_cost_nothing() -> None:
    with local.LocalPool(2, 8.0) as pool:
        for _ in range(3):
            for child in psutil.Process().children():
                child.kill()
            assert pool.submit(os.getpid, 10.0).result() != os.getpid()


def test_a_signal_from_outside_is_no_fault_of_a_plug_in_and_one_of_a_crash_is() -> None:
    """As where a system that goes down, or a queue that takes a node back, asks every process to end."""

    def ended_by(number: int) -> None:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    with local.LocalPool(1, 8.0) as pool:
        for number, by_chance in ((signal.SIGTERM, True), (signal.SIGHUP, True), (signal.SIGABRT, False)):
            with pytest.raises(Lost, match=f"by signal {number}") as lost:
                pool.submit(partial(ended_by, number), 10.0).result()
            assert lost.value.by_chance == by_chance, number


def test_workers_killed_again_and_again_cost_time_alone() -> None:
    with local.LocalPool(1, 8.0) as pool:
        answer = pool.submit(os.getpid, 10.0)
        for _ in range(local._STARTS + 2):
            for child in psutil.Process().children():
                child.kill()
            time.sleep(0.05)  # much less than one takes to start
        assert answer.result() != os.getpid()


def test_a_worker_that_is_stopped_is_waited_for_no_longer_than_one_that_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """By SIGSTOP, in the middle of a call or of its way there, on which more than the pipe holds waits for a reader."""
    for large in (False, True):
        with local.LocalPool(1, 8.0) as pool:
            pool.submit(os.getpid, 10.0).result()
            [worker] = pool._workers
            with monkeypatch.context() as shorter:
                shorter.setattr(local, "_START_UP", 0.2)
                shorter.setattr(local, "_LOOK_EVERY", 0.05)
                if large:
                    worker._process.send_signal(signal.SIGSTOP)
                    assert not worker.takes(bytes(10**7))
                else:
                    assert worker.takes(cloudpickle.dumps(partial(time.sleep, 1000.0)))
                    worker._process.send_signal(signal.SIGSTOP)
                    with pytest.raises(Lost, match="stopped from outside") as lost:
                        pool._awaited(worker, 1e6, 1)
                    assert lost.value.by_chance
            assert pool.submit(os.getpid, 10.0).result() != worker._process.pid


def test_an_answer_whose_rest_never_comes_is_given_up_whoever_holds_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a child does that has become a daemon, when the worker itself is gone."""

    def half_said() -> None:
        if os.fork() == 0:
            os.setsid()
            time.sleep(1000)
        for descriptor in range(3, 64):
            with contextlib.suppress(OSError):
                os.write(descriptor, b"no answer")
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(local, "_WHOLE", 0.3)
    with local.LocalPool(1, 8.0) as pool:
        with pytest.raises(Lost, match="something other than its answer"):
            pool.submit(half_said, 1000.0).result()
        pool.submit(os.getpid, 10.0).result()


def test_limits_do_not_depend_on_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = itertools.count()
    monkeypatch.setattr(time, "time", lambda: next(hours) * 3600.0)
    assert [r.status for r in run("slow", workers=1)] == [Status.OK]


def test_workers_that_cannot_start_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_BOOT", "raise SystemExit(7)")
    with pytest.raises(MibenchError, match="no worker process can be started: .* exit code 7"):
        run("correlation")


def test_one_cell_leaves_its_process_as_the_next_expects_it() -> None:
    results = run(["vandal", "deep"], workers=1)
    assert [r.status for r in results] == [Status.OK] * 2, [r.message for r in results]


def test_an_estimator_that_cannot_travel_is_an_error_of_its_cells() -> None:
    lock = threading.Lock()

    def locked(x: Any, y: Any) -> float:
        with lock:
            return 0.0

    class Leaves:
        def __reduce__(self) -> Any:
            raise SystemExit(Leaves())

        __str__ = __reduce__

    leaves = Leaves()

    def left(x: Any, y: Any) -> float:
        return float(leaves is None)

    statuses = {r.cell.estimator: (r.status, r.message) for r in run([locked, left, "correlation"], workers=1)}
    assert statuses["correlation"][0] is Status.OK
    for name in ("locked", "left"):
        assert statuses[name][0] is Status.ERROR and "cannot be sent to another process" in statuses[name][1]


def test_a_command_line_that_no_record_could_hold_costs_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path in bytes that are no text, and more than anybody reads."""
    monkeypatch.setattr(sys, "argv", ["mibench", "run", "--out", "\udcff", "x" * 100_000])
    [found] = run("correlation", workers=1)
    assert found.status is Status.OK, found.message
    assert found.provenance["command"].startswith("mibench run --out ? xxx") and len(found.provenance["command"]) < 2100


def test_two_functions_of_one_name_are_not_mixed_up() -> None:
    with pytest.raises(UsageError, match="two functions have the name '<lambda>'"):
        run([lambda x, y: 0.0, lambda x, y: 1.0])


def test_another_executor_is_a_class_with_one_method() -> None:
    class Threads:
        def __init__(self, workers: int, memory_limit: float, device: str | None) -> None:
            self.pool = ThreadPoolExecutor(workers)

        def submit(self, call: Callable[[], T], time_limit: float, cells: int = 1) -> Future[T]:
            return self.pool.submit(call)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self.pool.shutdown()

    found = run("correlation", seeds=2, executor=Threads)
    assert {r.mi for r in found} == {r.mi for r in run("correlation", seeds=2)}
    with pytest.raises(UsageError, match="there is no executor 'moon'; there are: local"):
        run("correlation", executor="moon")


def test_a_device_reaches_the_workers_and_not_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIBENCH_DEVICE", raising=False)

    def device_seen(x: Any, y: Any) -> float:
        from mibench import runtime

        return float(runtime.device() == "meta")

    [result] = run([device_seen], device="meta")
    assert result.mi == 1.0 and result.provenance["machine"]["device"].startswith("meta")
    assert "MIBENCH_DEVICE" not in os.environ
    with pytest.raises(UsageError, match="the device 'cuda:77' cannot be used here"):
        run("correlation", device="cuda:77")


def test_a_cell_that_ran_under_another_name_of_its_task_is_shown_under_the_one_asked_for(tmp_path: Path) -> None:
    first = run("correlation", "gauss[rho=0.75]", n=50, out=tmp_path, workers=1)
    again = Watcher()
    named = ["1v1-normal-0.75"]
    found = run("correlation", named, n=50, out=tmp_path, observers=[again])
    if first[0].cell.id == found[0].cell.id:  # the two names stand for the same distribution
        assert again.begun == (0, 1)
    assert [r.cell.task for r in found] == named
    assert found[0].mi == first[0].mi


def test_results_without_a_folder_stay_in_memory_and_carry_everything() -> None:
    def constant(x: Any, y: Any) -> float:
        return 0.25

    results = run([constant], n=50, workers=1, references=True)
    assert len(results) == 5 and results.directory is None
    row = next(r for r in results if r.cell.estimator == "constant")
    assert row.mi == 0.25 and row.truth == pytest.approx(0.2231435513) and row.family == "copies"
    assert row.dim_x == row.dim_y == 1 and row.provenance["versions"]["numpy"]
    assert results.leaderboard().ranking[-1].estimator == "oracle"
    with pytest.raises(UsageError, match="name a folder"):
        run([constant], tracking=True)


def test_a_run_is_tracked_beside_its_results_and_resumed_runs_are_completed(tmp_path: Path) -> None:
    from mibench.mlflow.tracking import sync
    from mibench.mlflow.uri import artifact_root, default_uri

    run("correlation", seeds=2, out=tmp_path / "mine", workers=1)
    results = run(["correlation", "nan"], seeds=2, out=tmp_path / "mine", workers=1, tracking=True)
    uri = default_uri(tmp_path / "mine")
    assert (tmp_path / "mine" / "mlflow.db").is_file()
    assert sync(results, uri, artifact_root=artifact_root(uri), directory=results.directory) == 0  # up to date


SCRIPT = """
import mibench
from beside import Beside

@mibench.register_estimator("mine")
class Mine(mibench.Estimator):
    def estimate(self, x, y, seed=0):
        return mibench.Estimate(0.5)

print("once")
results = mibench.run([Mine(), Beside(), lambda x, y: 0.25], "gauss", n=50, seeds=1, references=False, workers=1)
print(sorted((r.cell.estimator, r.mi, r.message) for r in results))
"""
BESIDE = """
import mibench

@mibench.register_estimator("beside")
class Beside(mibench.Estimator):
    def estimate(self, x, y, seed=0):
        import queue, secrets
        return mibench.Estimate(0.75)
"""


def test_a_plain_script_needs_no_guard_and_its_folder_shadows_no_standard_module(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "beside.py").write_text(BESIDE)
    for name in ("signal", "pickle", "socket", "queue", "secrets"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not the standard library')")
    # the script's own process finds its folder first, as always in Python, so it is put last here
    code = f"import sys, runpy; sys.path.append({str(tmp_path)!r}); runpy.run_path('script.py', run_name='__main__')"
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "once\n[('<lambda>', 0.25, ''), ('beside', 0.75, ''), ('mine', 0.5, '')]\n"
    assert "Traceback" not in done.stderr and "3/3 cells" in done.stderr


def _command(out: Path) -> list[str]:
    options = ["--include", str(PLUGINS), "-e", "slow", "-t", "copy", "-n", "60", "--seeds", "40", "--out", str(out)]
    return [sys.executable, "-m", "mibench", "run", *options, "-j", "2", "--no-mlflow"]


def _answers(out: Path) -> list[tuple[Any, ...]]:
    return sorted((r.cell.id, r.status, r.mi, r.truth) for r in read_results(out))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[tuple[Any, ...]], str]:
    out = tmp_path_factory.mktemp("undisturbed")
    done = subprocess.run(_command(out), capture_output=True, text=True, check=True)
    return _answers(out), _without_times(done.stdout)


def _without_times(table: str) -> str:
    """The ranking's names, scores and errors: all columns but the last two."""
    rows = [
        line.split() for line in table.splitlines() if line.strip().startswith(("1 ", "2 ", "3 ", "4 ", "5 ", "ref"))
    ]
    return "\n".join(" ".join(row[:7]) for row in rows)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_run_resumes_to_the_same_table(
    tmp_path: Path, undisturbed: tuple[list[tuple[Any, ...]], str], how: signal.Signals
) -> None:
    with subprocess.Popen(
        _command(tmp_path), stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=_hear_interrupts
    ) as process:
        _wait_for_lines(tmp_path / FILE, 20)
        workers = psutil.Process(process.pid).children()
        if how is signal.SIGINT:
            os.killpg(process.pid, how)  # as a terminal's Ctrl-C
        else:
            process.send_signal(how)
        _, said = process.communicate(timeout=60)
    assert process.returncode == (-9 if how is signal.SIGKILL else 130)
    if how is not signal.SIGKILL:
        assert "the same command takes up from there" in said and "Traceback" not in said
    assert len(workers) == 2 and not psutil.wait_procs(workers, timeout=5)[1]
    before = len(read_results(tmp_path))
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
    for _ in range(1200):
        if file.is_file() and file.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.05)
    raise AssertionError("the run did not get going")


def test_a_run_that_finds_no_temporary_folder_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    with pytest.raises(UsageError, match=r"temporary folder for the results: .*; set TMPDIR to .* or name one .*out="):
        run("zero", "gauss")
