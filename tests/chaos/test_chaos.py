"""Whole runs that are killed, starved, filled up and lied to. `make chaos` runs the slow ones and prints their tallies.

Whatever happens: every cell ends once, with the value that it has in an undisturbed run, and nobody sees a traceback.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from mibench import Status, load_results, registry, run
from mibench.engine import local
from mibench.engine.executor import Lost
from mibench.engine.grid import expand, make_grid
from mibench.engine.job import Job
from mibench.engine.reading import FILE
from mibench.engine.worker import answer_all

from .conftest import ROGUES, Say, grid, hear_interrupts, said_well, script

slow = pytest.mark.slow
EARLY = "of them before its first line"


def values(out: Path) -> dict[int, float | None]:
    results = load_results(out)
    assert {r.status for r in results} == {Status.OK}, Counter(r.message for r in results)
    return {r.cell.seed: r.mi for r in results}


def complete(out: Path, cells: int) -> None:
    """What the command does, without its report."""
    registry.include(ROGUES)
    run("quiet", "cheap", 20, cells, out=out, references=False, progress=False, workers=2)


def kill_at_random(out: Path, cells: int, kills: int, seed: int, longest: float) -> Counter[str]:
    """Start the run again and again, and kill its parent or one of its workers, until so many kills are done.

    longest : seconds until the next kill, at most; a run that ends before that was started for nothing.
    """
    rng = random.Random(seed)
    done: Counter[str] = Counter()

    def left() -> int:
        return kills - done.total() + done[EARLY]

    while left():
        command = [sys.executable, "-m", "mibench", *grid(out, cells)]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts
        ) as parent:
            if rng.random() < 0.9:  # the others are disturbed while they start
                await_growth(parent, out / FILE)
            while parent.poll() is None and left():
                time.sleep(rng.uniform(0.05, longest))
                [how] = rng.choices(["worker", "SIGKILL", "SIGTERM", "SIGINT"], [9, 1, 1, 1])
                if how == "worker":
                    with contextlib.suppress(psutil.NoSuchProcess, IndexError):
                        rng.choice(psutil.Process(parent.pid).children()).kill()
                        done["of a worker"] += 1
                elif parent.poll() is None:
                    parent.send_signal(signal.Signals[how])
                    done[f"of the parent by {how}"] += 1
                    break
            if parent.poll() is None and not left():
                parent.terminate()  # the rest, and the report, are nobody's concern
            _, said = parent.communicate(timeout=120)
            early = "Traceback" in said and "mibench/" not in said  # interrupted while Python itself was starting
            done[EARLY] += early
            assert early or "Traceback" not in said, said[-3000:]
            expected = (0, 130, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)
            assert early or parent.returncode in expected, (parent.returncode, said)
        if parent.returncode == 0 and left():
            (out / FILE).unlink()  # all is done: from the start
    return done


def await_growth(parent: subprocess.Popen[str], file: Path) -> None:
    before = file.stat().st_size if file.exists() else 0
    while parent.poll() is None and (file.stat().st_size if file.exists() else 0) <= before:
        time.sleep(0.01)


def killed(tmp_path: Path, cells: int, kills: int, longest: float = 1.5, seed: int = 0) -> dict[str, float]:
    complete(tmp_path / "undisturbed", cells)
    counts = kill_at_random(tmp_path / "killed", cells, kills, seed, longest)
    for _ in range(3):  # cells that lost their worker twice in a run are tried again in the next
        complete(tmp_path / "killed", cells)
    assert values(tmp_path / "killed") == values(tmp_path / "undisturbed")
    lines = (tmp_path / "killed" / FILE).read_bytes().splitlines()
    doubled = len(lines) - sum(line.endswith(b"#torn") for line in lines) - cells
    return {"cells": cells, "kills": counts.total() - counts[EARLY], **counts, "records beyond one a cell": doubled}


def test_a_few_random_kills_lose_double_and_change_nothing(tmp_path: Path) -> None:
    killed(tmp_path, cells=600, kills=3, longest=0.2)


@slow
@pytest.mark.timeout(3600)
def test_random_kills_lose_double_and_change_nothing(tmp_path: Path, tally: Say) -> None:
    counts = killed(tmp_path, cells=3000, kills=int(os.environ.get("CHAOS_KILLS", "300")))
    tally("no cell missing or different, no traceback", **counts)


EXPECTED = {
    "hang": "timeout",
    "spin": "timeout",
    "stop": "timeout",
    "fork": "ok",
    "child": "ok",
    "hog": "oom",
    "huge": "oom",
    "exit": "crash",
    "leave": "error",
    "interrupt": "error",
    "segfault": "crash",
    "abort": "crash",
    "shout": "ok",
    "warn": "ok",
    "close": "crash",
    "mutate": "nonfinite",
    "seeds": "ok",
    "threads": "ok",
    "settings": "ok",
    "flood": "ok",
    "tell": "error",
    "deaf": "timeout",
    "patch": "ok",
    "strict": "ok",
    "alarm": "ok",
    "daemon": "ok",
    "limits": "ok",
    "stdio": "ok",
    "leak": "ok",
    "lost": "ok",
    "through": "ok",
    "late": "ok",
    "garbage": "crash",
    "blank": "ok",
    "later": "ok",
    "audit": "ok",
    "modules": "crash",
    "torch": "ok",
}


def rogues(tmp_path: Path, deeds: list[str], monkeypatch: pytest.MonkeyPatch, seconds: float = 100.0) -> None:
    """Each deed costs its own cells, and the cells that run between them in the same workers keep their values."""
    monkeypatch.setattr(local, "_START_UP", 5.0)  # what the deaf are given beyond their limit
    monkeypatch.setattr(local, "_WHOLE", 2.0)
    registry.include(ROGUES)
    before = {p.pid for p in psutil.process_iter()}
    chosen = ["quiet", *(f"rogue[deed={deed}]" for deed in deeds)]
    limits: dict[str, Any] = {"time_limit": seconds, "memory_limit": 0.7}
    results = run(chosen, "cheap", 20, 2, out=tmp_path, references=False, progress=False, workers=2, **limits)
    found = {(r.cell.estimator, r.cell.seed): str(r.status) for r in results}
    wanted = {(f"rogue[deed={deed}]", seed): EXPECTED[deed] for deed in deeds for seed in (0, 1)}
    told = {r.cell.estimator: r.message for r in results}
    assert {k: v for k, v in found.items() if k[0] != "quiet"} == wanted, told
    healthy = {r.cell.seed: r.mi for r in results if r.cell.estimator == "quiet"}
    same = {(r.cell.seed, r.mi) for r in results if r.status is Status.OK}
    assert same == set(healthy.items())
    left = [
        p for p in psutil.process_iter(["cmdline"]) if p.pid not in before and p.info["cmdline"] == ["sleep", "1000"]
    ]
    assert not left


def test_rogues_cost_their_own_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rogues(
        tmp_path,
        ["child", "exit", "interrupt", "segfault", "mutate", "settings", "patch", "daemon", "strict"],
        monkeypatch,
    )


@slow
@pytest.mark.timeout(1800)
def test_every_rogue_costs_its_own_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Say) -> None:
    endless = [deed for deed, status in EXPECTED.items() if status == "timeout"]
    rogues(tmp_path / "endless", endless, monkeypatch, 5.0)
    rogues(tmp_path / "others", [deed for deed in EXPECTED if deed not in endless], monkeypatch)
    held = "each status as expected, all values of others unmoved, no process left"
    tally(held, deeds=len(EXPECTED), cells=2 * len(EXPECTED) + 4)


def test_what_changes_a_process_does_not_move_cells_that_share_a_call() -> None:
    registry.include(ROGUES)

    def job(estimator: str) -> Job:
        return expand(make_grid({"references": False, "estimators": estimator, "tasks": "cheap", "n": 20}, "test"))[0]

    with local.LocalPool(1, 8.0) as pool:

        def answers(*names: str) -> list[float | None]:
            call = partial(answer_all, [[job(name)] for name in names])
            return [found.result.mi for found in pool.submit(call, 60.0, len(names)).result()[0]]

        alone = answers("quiet")
        assert answers("rogue[deed=strict]", "rogue[deed=settings]", "rogue[deed=seeds]", "quiet")[-1:] == alone
        for deed in ("patch", "threads", "modules"):
            with pytest.raises(Lost, match="what ran before it in its process has changed that for good|ended"):
                answers(f"rogue[deed={deed}]", "quiet")
        assert answers("rogue[deed=patch]") == alone == answers("quiet")


@slow
@pytest.mark.timeout(1800)
def test_cells_that_travel_together_do_not_move_each_other(tally: Say) -> None:
    """Cells that take no time travel together: two tasks of two shapes, so that those of two estimators do."""
    registry.include(ROGUES)
    chosen: dict[str, Any] = {"references": False, "progress": False, "workers": 1}
    tasks = ["cheap", "cheap[dim=2]"]
    alone = {(r.cell.task, r.cell.seed): r.mi for r in run("quiet", tasks, 20, 30, **chosen)}
    results = run(["rogue[deed=patch]", "rogue[deed=strict]", "quiet"], tasks, 20, 30, **chosen)
    assert {r.status for r in results} == {Status.OK}
    assert {(r.cell.task, r.cell.seed): r.mi for r in results if r.cell.estimator == "quiet"} == alone
    tally("all values of others unmoved", cells=len(results))


def test_a_sample_that_is_written_to_is_nobody_elses(tmp_path: Path) -> None:
    registry.include(ROGUES)
    chosen: dict[str, Any] = {"references": False, "progress": False, "workers": 1}
    results = run(["rogue[deed=mutate]", "quiet"], "same", 20, 1, **chosen)
    assert {r.cell.estimator: str(r.status) for r in results} == {"rogue[deed=mutate]": "nonfinite", "quiet": "ok"}


ODD = {
    **dict.fromkeys(("complex", "nothing", "text", "matrix", "digits", "large", "bare", "void"), "error"),
    **dict.fromkeys(
        ("decimal", "yes", "negative", "odd-stderr", "wordless", "stop", "liar", "group", "chain"), "error"
    ),
    **{"endlessly": "nonfinite", "slow": "timeout"},
}


def test_whatever_is_handed_back_is_an_answer_or_the_fault_of_its_own_cell(tmp_path: Path) -> None:
    registry.include(ROGUES)
    answers = sys.modules["mibench_include_rogues"].ANSWERS
    chosen: dict[str, Any] = {"references": False, "progress": False, "workers": 2, "time_limit": 5.0}
    results = run([f"odd[answer={name}]" for name in answers], "cheap", 20, 1, out=tmp_path, **chosen)
    told = {r.cell.estimator: r.message for r in results}
    assert {r.cell.estimator: str(r.status) for r in results} == {
        f"odd[answer={name}]": ODD.get(name, "ok") for name in answers
    }, told
    assert {(r.mi, r.stderr) for r in results if r.status is Status.OK} == {(0.5, None)}
    assert load_results(tmp_path).report(tmp_path)


def test_answers_that_are_computed_when_they_are_looked_at_cost_what_they_cost(tmp_path: Path) -> None:
    registry.include(ROGUES)
    chosen: dict[str, Any] = {"references": False, "progress": False, "workers": 1}
    results = run(["lazy", "lazy[extra=1]", "lazy[extra=-1]"], "cheap", 20, 4, **chosen)
    said = {(r.cell.estimator, str(r.status), r.message) for r in results}
    assert said == {
        ("lazy", "ok", ""),
        ("lazy[extra=1]", "error", "1 answer asked for, and more given."),
        ("lazy[extra=-1]", "error", "1 answer asked for, and 0 given."),
    }
    assert min(r.cpu_s for r in results if r.status is Status.OK) > 0.04


@slow
def test_a_plugin_that_forks_without_end_is_stopped(tmp_path: Path, tally: Say) -> None:
    registry.include(ROGUES)
    chosen: dict[str, Any] = {"references": False, "progress": False, "workers": 1, "time_limit": 100.0}
    results = run(["rogue[deed=bomb]", "quiet"], "cheap", 20, 1, out=tmp_path, **chosen)
    found = {r.cell.estimator: (str(r.status), r.message) for r in results}
    assert found == {"rogue[deed=bomb]": ("crash", "started more than 250 processes."), "quiet": ("ok", "")}
    mine = f'"parent": {os.getpid()}'
    assert not [p for p in psutil.process_iter(["cmdline"]) if mine in " ".join(p.info["cmdline"] or [])]
    tally("stopped at 250 processes, none left", cells=2)


def test_a_run_that_was_stopped_for_longer_than_the_limit_goes_on(tmp_path: Path) -> None:
    """As by a machine that is suspended: time in which nothing ran is nobody's."""
    out = tmp_path / "out"
    command = script(ROGUES, out, 2, "rogue[deed=nap]", seconds=3.0)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as parent:
        while not (out / FILE).is_file() or not (out / FILE).stat().st_size:
            time.sleep(0.05)
        everybody = [psutil.Process(parent.pid), *psutil.Process(parent.pid).children(recursive=True)]
        for process in everybody:
            process.suspend()
        time.sleep(5.0)
        for process in everybody:
            process.resume()
        _, said = parent.communicate(timeout=120)
    assert parent.returncode == 0, said
    results = load_results(out)
    assert [r.status for r in results] == [Status.OK] * 4, [r.message for r in results]
    assert max(r.wall_s for r in results) < 3.0


@contextlib.contextmanager
def begun(command: list[str], file: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that has written its first record."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as parent:
        try:
            await_growth(parent, file)
            yield parent
        finally:
            parent.kill()


def ended(parent: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    _, said = parent.communicate(timeout=120)
    return subprocess.CompletedProcess(parent.args, parent.returncode, "", said)


@pytest.mark.parametrize("deed", ["deleted", "moved", pytest.param("replaced", marks=slow)])
def test_a_folder_that_is_gone_in_the_middle_is_told_at_once(tmp_path: Path, deed: str) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    command = [sys.executable, "-m", "mibench", *grid(out, 60, "-e", "rogue[deed=nap]")]
    with begun(command, out / FILE) as parent:
        if deed == "deleted":
            shutil.rmtree(out)
        else:
            out.rename(elsewhere)
        if deed == "replaced":
            out.mkdir()
            (out / FILE).write_text("")
        gone = time.monotonic()
        done = ended(parent)
    assert said_well(done, 2) and time.monotonic() - gone < 20, "and not when all of its two minutes are over"
    assert "its file was moved or deleted while the run went on" in done.stderr
    if deed != "deleted":
        assert load_results(elsewhere), "what was measured is where the folder is"
    assert out.exists() == (deed == "replaced")


@pytest.mark.parametrize("deed", ["replaced", *(pytest.param(deed, marks=slow) for deed in ("deleted", "broken"))])
def test_a_file_of_plugins_that_changes_in_the_middle_changes_nothing(tmp_path: Path, deed: str) -> None:
    """Workers get what the run has read, those that start later too."""
    own, out = tmp_path / "own.py", tmp_path / "out"
    own.write_bytes(ROGUES.read_bytes())
    with begun(script(own, out, 4, "rogue[deed=nap]", "rogue[deed=exit]"), out / FILE) as parent:
        if deed == "deleted":
            own.unlink()
        else:
            own.write_text("1 / 0" if deed == "broken" else ROGUES.read_text().replace("np.mean(x * y)", "7"))
        assert said_well(ended(parent))
    complete(tmp_path / "undisturbed", 4)
    found = {(r.cell.estimator, r.cell.seed): r.mi for r in load_results(out) if r.status is Status.OK}
    assert len(found) == 8, "all but those that end their worker"
    assert {(seed, mi) for (_, seed), mi in found.items()} == set(values(tmp_path / "undisturbed").items())


def test_a_full_disk_is_one_sentence_and_the_run_resumes(tmp_path: Path) -> None:
    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = [sys.executable, "-m", "mibench", *grid(tmp_path / "full", 60)]
    env = {"PYTHONDONTWRITEBYTECODE": "1", "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, preexec_fn=small, check=False, env={**os.environ, **env}
    )
    said_well(done, 2)
    assert "cannot write results to" in done.stderr
    kept = len(load_results(tmp_path / "full"))
    assert 0 < kept < 60
    complete(tmp_path / "full", 60)
    assert len(values(tmp_path / "full")) == 60


@slow
@pytest.mark.timeout(1800)
def test_a_wall_clock_that_jumps_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Say) -> None:
    registry.include(ROGUES)
    rng = random.Random(0)
    real = time.time

    def jumping() -> float:
        return real() + rng.choice([-1, 1]) * rng.expovariate(1 / 3600)

    monkeypatch.setattr(time, "time", jumping)
    chosen: dict[str, Any] = {"references": False, "progress": False, "workers": 2, "time_limit": 60.0}
    results = run(["quiet", "rogue[deed=jump]"], "cheap", 20, 200, out=tmp_path, **chosen)
    assert {r.status for r in results} == {Status.OK} and len(results) == 400
    assert {(r.cell.seed, r.mi) for r in results} == {(r.cell.seed, r.mi) for r in results[:200]}
    assert max(r.wall_s for r in results) < 60
    tally("no value moved, no cell stopped", **{"cells": 400, "of them with a clock that jumps in the worker": 200})
