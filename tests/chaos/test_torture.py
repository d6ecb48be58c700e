"""Every command, given what is damaged, missing, of the wrong kind, endless or somebody else's: one sentence, soon.

Commands are forked from a process that has loaded mibench (:mod:`.forks`), so that there can be many.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mibench.engine.store import FILE
from mibench.files import put

from .conftest import Say
from .forks import Done, Forks

slow = pytest.mark.slow
RUN = ["run", "-t", "gauss", "-n", "20", "--seeds", "1", "-e", "zero", "--no-references", "-j", "1", "--no-mlflow"]
MINE = '''
import atexit, builtins, faulthandler, gc, json, logging, os, random, signal, subprocess, sys, threading, time, warnings
import numpy as np
import mibench
{deed}
@mibench.register_estimator("mine")
class Mine(mibench.Estimator):
    """The mean of a product."""

    def estimate(self, x, y, seed=0):
        return mibench.Estimate(float(np.mean(x * y)))
'''


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    made = Forks(tmp_path_factory.mktemp("said"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Path:
    """A folder with results, samples and plug-ins that are as they should be, and with much that is not."""
    folder = tmp_path_factory.mktemp("place")
    for parent in (folder, *list(folder.parents)[:2]):
        parent.chmod(0o755)
    for name, seeds in (("good", "2"), ("other", "3")):
        done = forks(folder, *RUN, "-e", "cca", "--seeds", seeds, "-n", "50", "--out", name)
        assert done.code == 0, done.err
    (folder / "mine.py").write_text(MINE.format(deed=""))
    x = np.random.default_rng(0).standard_normal((2, 200))
    np.save(folder / "x.npy", x[0])
    np.save(folder / "y.npy", x[0] + x[1])
    np.savetxt(folder / "xy.csv", np.c_[x[0], x[0] + x[1]], delimiter=",", header="a,b", comments="")
    _wicked(folder / "w")
    return folder


def _wicked(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    for name, content in (("empty", b""), ("nul", bytes(1000)), ("packed", b"\x1f\x8b" + b"junk" * 10)):
        (folder / name).write_bytes(content)
    (folder / "junk").write_bytes(random.Random(0).randbytes(5000))
    (folder / "long").write_bytes(b"a" * (3 << 20))
    with (folder / "sparse").open("wb") as file:
        file.truncate(200 << 30)
    for name, target in (("loop", "loop"), ("dangling", "nowhere"), ("link", "junk")):
        (folder / name).symlink_to(target)
    (folder / "ü\n\x1b[31m").write_text("junk")
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as made:
        path = os.open(folder, os.O_RDONLY)
        made.bind(f"/proc/self/fd/{path}/socket")  # a path of a socket may not be long
        os.close(path)
    (folder / "dir").mkdir()
    for name, mode in (("secret", 0), ("locked", 0)):
        (folder / name).mkdir() if name == "locked" else (folder / name).write_text("x")
        (folder / name).chmod(mode)


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """What lies in a folder, each with its size and time."""
    found = {}
    for path in folder.rglob("*"):
        stat = path.lstat()
        found[str(path.relative_to(folder))] = stat.st_size, stat.st_mtime_ns
    return found


def refused(forks: Forks, place: Path, *arguments: str, codes: tuple[int, ...] = (2,), **more: Any) -> Done:
    """The command ends soon, with one sentence where it says no, and leaves no half of anything."""
    before = files(place)
    done = forks(place, *arguments, **more)
    left = {name for name, stat in files(place).items() if before.get(name) != stat}
    told = (arguments, done.code, done.err[-2000:], done.out[-300:])
    assert done.code in codes, told
    for word in ("Traceback", "MIBENCH_TRACEBACK", "Exception ignored"):
        assert word not in done.err + done.out, told
    assert done.cpu < 10 and done.memory < 2 << 30, (told, done.cpu, done.memory)
    if done.code == 2:
        assert len(done.err.strip().splitlines()) == 1 and "\x1b" not in done.err, told
        assert not {name for name in left if not (place / name).is_dir()}, (told, left)
    assert not any(".part" in name or ".merging" in name for name in left), (told, left)
    for name in sorted(set(files(place)) - set(before), reverse=True):
        (place / name).rmdir() if (place / name).is_dir() and not (place / name).is_symlink() else (place / name).unlink()
    return done


READERS: dict[str, list[str]] = {
    "report": ["report", "THING"],
    "merge": ["merge", "good", "THING", "--out", "merged"],
    "compare": ["compare", "good", "THING"],
    "sync": ["sync", "THING"],
    "submit": ["submit", "THING"],
    "include": ["check", "zero", "--include", "THING"],
    "estimate": ["estimate", "THING", "--x", "0", "--y", "1"],
    "two": ["estimate", "x.npy", "THING"],
    "pairs": ["estimate", "THING", "--all-pairs"],
    "target": ["estimate", "THING", "--target", "0"],
    "grid": ["run", "THING", "--dry-run"],
    "ci": ["ci", "quick", "--files", "THING"],
    "ci-grid": ["ci", "THING", "--files", "mine.py", "--out", "ci"],
    "baseline": ["ci", "w/none.toml", "--files", "mine.py", "--baseline", "THING"],
}
FEW = ["w/empty", "w/dir", "w/fifo", "w/loop", "w/junk", "w/sparse", "/dev/zero", "x" * 300]
MANY = [
    *("w/dangling", "w/nul", "w/packed", "w/link", "w/long", "w/socket", "w/ü\n\x1b[31m", "w/nope", "w/junk/inside", ""),
    *("/dev/full", "/dev/null", "/proc/self/mem", "/proc/self/environ", "a/" * 2000, "~", "w/\udcff"),
]


@pytest.mark.parametrize("command", READERS)
def test_what_is_read_is_none(forks: Forks, place: Path, command: str) -> None:
    for thing in FEW:
        refused(forks, place, *(thing if part == "THING" else part for part in READERS[command]))
    for thing in ("w/secret", "w/locked"):
        refused(forks, place, *(thing if part == "THING" else part for part in READERS[command]), nobody=True)


@slow
@pytest.mark.timeout(1800)
def test_nothing_that_is_read_is_any(forks: Forks, place: Path, tally: Say) -> None:
    for command in READERS.values():
        for thing in MANY:
            refused(forks, place, *(thing if part == "THING" else part for part in command))
    tally("one sentence, exit code 2, no file left, none over 10 s", commands=len(READERS) * len(MANY))
