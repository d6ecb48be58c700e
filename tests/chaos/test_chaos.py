"""Whole runs that are killed, starved, filled up and lied to. `make chaos` runs the slow ones and prints their tallies.

Whatever happens: every cell ends once, with the value that it has in an undisturbed run, and nobody sees a traceback.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from mibench import Status, load_results, registry, run
from mibench.engine.store import FILE

from .conftest import ROGUES, Tally, grid, hear_interrupts, said_well

slow = pytest.mark.slow


def values(out: Path) -> dict[int, float | None]:
    results = load_results(out)
    assert {r.status for r in results} == {Status.OK}, Counter(r.message for r in results)
    return {r.cell.seed: r.mi for r in results}


def complete(out: Path, cells: int) -> None:
    """What the command does, without its report."""
    registry.include(ROGUES)
    run("quiet", "cheap", 20, cells, out=out, references=False, progress=False, workers=2)


def kill_at_random(out: Path, cells: int, kills: int, seed: int) -> Counter[str]:
    """Start the run again and again, and kill its parent or one of its workers, until so many kills are done."""
    rng = random.Random(seed)
    done: Counter[str] = Counter()

    def left() -> int:
        return kills - done.total() + done["of them before its first line"]

    while left():
        command = [sys.executable, "-m", "mibench", *grid(out, cells)]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts
        ) as parent:
            if rng.random() < 0.9:  # the others are disturbed while they start
                await_growth(parent, out / FILE)
            while parent.poll() is None and left():
                time.sleep(rng.uniform(0.05, 1.5))
                [how] = rng.choices(["worker", "SIGKILL", "SIGTERM", "SIGINT"], [9, 1, 1, 1])
                if how == "worker":
                    with contextlib.suppress(psutil.NoSuchProcess, IndexError):
                        rng.choice(psutil.Process(parent.pid).children()).kill()
                        done["of a worker"] += 1
                elif parent.poll() is None:
                    parent.send_signal(signal.Signals[how])
                    done[f"of the parent by {how}"] += 1
                    break
            _, said = parent.communicate(timeout=120)
            early = "Traceback" in said and "mibench/" not in said  # interrupted while Python itself was starting
            done["of them before its first line"] += early
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


def killed(tmp_path: Path, cells: int, kills: int, seed: int = 0) -> dict[str, float]:
    complete(tmp_path / "undisturbed", cells)
    started = time.monotonic()
    counts = kill_at_random(tmp_path / "killed", cells, kills, seed)
    for _ in range(3):  # cells that lost their worker twice in a run are tried again in the next
        complete(tmp_path / "killed", cells)
    assert values(tmp_path / "killed") == values(tmp_path / "undisturbed")
    lines = (tmp_path / "killed" / FILE).read_bytes().splitlines()
    doubled = len(lines) - sum(line.endswith(b"#torn") for line in lines) - cells
    return {"cells": cells, "seconds": time.monotonic() - started, "records_beyond_one_a_cell": doubled, **counts}


def test_a_few_random_kills_lose_double_and_change_nothing(tmp_path: Path) -> None:
    killed(tmp_path, cells=300, kills=3)


@slow
@pytest.mark.timeout(3600)
def test_random_kills_lose_double_and_change_nothing(tmp_path: Path, tally: Tally) -> None:
    tally.say(**killed(tmp_path, cells=3000, kills=int(os.environ.get("CHAOS_KILLS", "300"))))


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
}


def rogues(tmp_path: Path, deeds: list[str], monkeypatch: pytest.MonkeyPatch, seconds: float = 100.0) -> None:
    """Each deed costs its own cells, and the cells that run between them in the same workers keep their values."""
    from mibench.engine import local

    monkeypatch.setattr(local, "_START_UP", 5.0)  # what the deaf are given beyond their limit
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
def test_every_rogue_costs_its_own_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally) -> None:
    started = time.monotonic()
    endless = [deed for deed, status in EXPECTED.items() if status == "timeout"]
    rogues(tmp_path / "endless", endless, monkeypatch, 5.0)
    rogues(tmp_path / "others", [deed for deed in EXPECTED if deed not in endless], monkeypatch)
    tally.say(deeds=len(EXPECTED), cells=2 * len(EXPECTED) + 4, seconds=time.monotonic() - started)


@slow
def test_a_plugin_that_forks_without_end_is_stopped(tmp_path: Path, tally: Tally) -> None:
    registry.include(ROGUES)
    started = time.monotonic()
    chosen: dict[str, Any] = {"references": False, "progress": False, "workers": 1, "time_limit": 100.0}
    results = run(["rogue[deed=bomb]", "quiet"], "cheap", 20, 1, out=tmp_path, **chosen)
    found = {r.cell.estimator: (str(r.status), r.message) for r in results}
    assert found == {"rogue[deed=bomb]": ("crash", "started more than 250 processes."), "quiet": ("ok", "")}
    mine = f'"parent": {os.getpid()}'
    assert not [p for p in psutil.process_iter(["cmdline"]) if mine in " ".join(p.info["cmdline"] or [])]
    tally.say(cells=2, seconds=time.monotonic() - started)


def test_a_run_that_was_stopped_for_longer_than_the_limit_goes_on(tmp_path: Path) -> None:
    """As by a machine that is suspended: time in which nothing ran is nobody's."""
    out, naps = tmp_path / "out", ["--time-limit", "3", "-e", "rogue[deed=nap]"]
    command = [sys.executable, "-m", "mibench", *grid(out, 2, *naps)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as parent:
        while not (out / FILE).is_file() or not (out / FILE).stat().st_size:
            time.sleep(0.05)
        everybody = [psutil.Process(parent.pid), *psutil.Process(parent.pid).children()]
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
def test_a_wall_clock_that_jumps_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally) -> None:
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
    tally.say(cells=400, of_them_with_a_clock_that_jumps_in_the_worker=200)
