"""Every command, given what is damaged, missing, of the wrong kind, endless or somebody else's: one sentence, soon.

Commands are forked from a process that has loaded mibench (:mod:`.forks`), so that there can be many.
"""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

import numpy as np
import pytest

from mibench.engine.reading import read_results
from mibench.engine.store import Store

from .conftest import Say
from .forks import Done, Forks
from .test_fuzz import a_result

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
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results, samples and plug-ins that are as they should be, and with much that is not."""
    folder = tmp_path_factory.mktemp("place")
    for parent in (folder, *list(folder.parents)[:2]):
        parent.chmod(0o755)
    for name, seeds in (("good", 2), ("other", 3)):
        with Store(folder / name) as store:
            store.append(*map(a_result, range(seeds)))
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
    for name, content in (("empty", b""), ("nul", bytes(1000)), ("packed", b"\x1f\x8b\x08" + b"junk" * 10)):
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
    for name, mode in (("closed", 0o600), ("unlisted", 0o711), ("dir", 0o755)):
        (folder / name).mkdir()
        (folder / name).chmod(mode)
    for name in ("secret", "closed/results.jsonl"):
        (folder / name).write_text("a,b\n1,2\n")
        (folder / name).chmod(0o600)


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """What lies in a folder, each with its size and time."""
    found = {}
    for path in folder.rglob("*"):
        stat = path.lstat()
        found[str(path.relative_to(folder))] = stat.st_size, stat.st_mtime_ns
    return found


MERGED = {"w/empty", "w/junk", "w/nul", "w/link", "w/ü\n\x1b[31m", "w/long", "/proc/self/environ"}
"""Files without a record that can be read, as that of a shard without cells: there is nothing to add."""


def refused(forks: Forks, place: Path, *arguments: str, codes: tuple[int, ...] = (2,), nobody: bool = False) -> Done:
    """The command ends soon, with one sentence where it says no, and leaves no half of anything."""
    before = files(place)
    done = forks(place, *arguments, nobody=nobody)
    left = {name for name, stat in files(place).items() if before.get(name) != stat}
    told = (arguments, done.code, done.err[-2000:], done.out[-300:])
    assert done.code in codes, told
    for word in ("Traceback", "MIBENCH_TRACEBACK", "Exception ignored"):
        assert word not in done.err + done.out, told
    assert done.cpu < 10 and done.memory < 2 << 30, (told, done.cpu, done.memory)
    if done.code == 2:
        said = [line for line in done.err.strip().splitlines() if not line.startswith(("estimators: ", "read "))]
        assert len([line for line in said if " left out (line" not in line]) == 1 and "\x1b" not in done.err, told
        assert not {name for name in left if not (place / name).is_dir()}, (told, left)
    assert not any(".part" in name or ".merging" in name for name in left), (told, left)
    for name in sorted(set(files(place)) - set(before), reverse=True):
        (place / name).rmdir() if (place / name).is_dir() and not (place / name).is_symlink() else (
            place / name
        ).unlink()
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
FEW = ["w/empty", "w/fifo", "w/loop", "w/sparse"]
ALIKE = {"merge", "compare", "sync", "submit", "baseline"}
"""Commands that read 256 MiB of an endless line as ``report`` does."""
MANY = [
    "w/sparse",
    *("w/dir", "w/junk", "/dev/zero", "x" * 300),
    *(
        "w/dangling",
        "w/nul",
        "w/packed",
        "w/link",
        "w/long",
        "w/socket",
        "w/ü\n\x1b[31m",
        "w/nope",
        "w/junk/inside",
        "",
    ),
    *("/dev/full", "/dev/null", "/proc/self/mem", "/proc/self/environ", "a/" * 2000, "~", "w/\udcff"),
]


def _refused_with(forks: Forks, place: Path, command: str, thing: str) -> None:
    codes = (0, 2) if command == "merge" and thing in MERGED else (2,)
    refused(forks, place, *(thing if part == "THING" else part for part in READERS[command]), codes=codes)


@pytest.mark.parametrize("command", READERS)
def test_what_is_read_is_none(forks: Forks, place: Path, command: str) -> None:
    for thing in FEW[:-1] if command in ALIKE else FEW:
        _refused_with(forks, place, command, thing)


@slow
@pytest.mark.timeout(1800)
def test_nothing_that_is_read_is_any(forks: Forks, place: Path, tally: Say) -> None:
    for command in READERS:
        for thing in MANY:
            _refused_with(forks, place, command, thing)
    tally("one sentence, exit code 2, no file left, none over 10 s", commands=len(READERS) * len(MANY))


FORBIDDEN = ["w/secret", "w/closed", "w/closed/results.jsonl", "w/unlisted"]
"""What nobody may read: a file, and a folder without x in which there would be one; and a folder without r."""


@pytest.mark.parametrize("command", READERS)
def test_what_may_not_be_read_is_one_sentence(forks: Forks, place: Path, command: str) -> None:
    if os.geteuid():
        pytest.skip("only root can become nobody")
    for thing in FORBIDDEN:
        arguments = [thing if part == "THING" else part for part in READERS[command]]
        done = refused(forks, place, *arguments, nobody=True)
        said = "no Python file" if command == "ci" else "not readable" if "not readable" in done.err else "denied"
        assert thing != "w/secret" or said in done.err, done.err


SAID = {
    ("compare", "w/fifo", "good"): "there are no results at 'w/fifo'",
    ("report", "x" * 300): "there are no results at",
    ("report", "\x1b[31m\n"): r"'\x1b[31m\n'",
    ("report", "w/sparse"): "its line 1 has no end",
    ("estimate", "w/sparse", "--all-pairs"): "GiB of memory, and",
    ("run", *RUN[1:], "-j", "1", "--seeds", "1000000000000"): "",
}


@pytest.mark.parametrize("arguments", SAID)
def test_the_sentence_says_what_is_wrong(forks: Forks, place: Path, arguments: tuple[str, ...]) -> None:
    assert SAID[arguments] in refused(forks, place, *arguments).err


def test_columns_that_are_no_number_are_no_matter(forks: Forks, place: Path) -> None:
    assert forks(place, "ls", "grids", COLUMNS="abc").code == 0


WRITERS: dict[str, list[str]] = {
    "report": ["report", "good", "--out", "THING"],
    "merge": ["merge", "good", "other", "--out", "THING"],
    "run": [*RUN, "--out", "THING"],
    "plot": ["info", "gauss", "--plot", "THING/x.png"],
    "gallery": ["ls", "tasks", "independent", "--html", "THING/x.html"],
    "page": ["estimate", "xy.csv", "--x", "a", "--y", "b", "-e", "cca", "--out", "THING/x.html"],
    "pairs": ["estimate", "xy.csv", "--all-pairs", "--out", "THING/x.csv"],
    "ci": ["ci", "quick", "--files", "mine.py", "-e", "mine", "--out", "THING"],
}


@pytest.mark.parametrize("command", WRITERS)
def test_what_is_written_to_is_none(forks: Forks, place: Path, command: str) -> None:
    refused(forks, place, *(part.replace("THING", "w/junk") for part in WRITERS[command]))


@slow
@pytest.mark.timeout(1800)
def test_nothing_that_is_written_to_is_any(forks: Forks, place: Path, tally: Say) -> None:
    things = ("w/fifo", "w/loop", "/proc/nope", "/dev/null", "x" * 300, "w/long/a/b")
    for command in WRITERS.values():
        for thing in things:
            refused(forks, place, *(part.replace("THING", thing) for part in command))
    tally("one sentence, exit code 2, no file left, none over 10 s", commands=len(WRITERS) * len(things))


DEEDS = {
    "thread": "threading.Thread(target=time.sleep, args=(1000,)).start()",
    "atexit": "atexit.register(time.sleep, 1000)",
    "atexit that fails": "atexit.register(lambda: 1 / 0)",
    "object": "class D:\n  def __del__(self): time.sleep(1000)\nsys.kept = D()",
    "directory": "os.chdir('/')",
    "streams": "[os.close(i) for i in (0, 1, 2)]",
    "no stream": "sys.stdout = sys.stderr = None",
    "closed stream": "sys.stdout.close(); sys.stderr.close()",
    "signals": "signal.signal(signal.SIGTERM, lambda *a: None); signal.alarm(1)",
    "recursion": "sys.setrecursionlimit(80)",
    "warnings": "warnings.simplefilter('error')",
    "numpy": "np.seterr(all='raise'); np.mean = np.asarray = None",
    "json": "json.dumps = json.loads = lambda *a, **k: 'broken'",
    "builtins": "builtins.open = builtins.print = builtins.sorted = lambda *a, **k: 0",
    "clock": "time.time = time.monotonic = time.sleep = lambda *a: 0",
    "modules": "sys.modules['json'] = sys.modules['numpy'] = None",
    "paths": "sys.path.clear(); sys.meta_path.clear(); sys.path_hooks.clear()",
    "environment": "os.environ.clear()",
    "umask": "os.umask(0o777)",
    "mibench": "import mibench.result as r; r.Result = None; r.Result",
    "collector": "gc.disable(); gc.callbacks.append(lambda *a: 1 / 0)",
    "exit": "os._exit = lambda c: None; sys.exit = lambda *a: None",
    "fork": "os.fork() or os._exit(0)",
    "stack": "faulthandler.dump_traceback_later(2, exit=True)",
    "output": "print('x' * 10**6); sys.stderr.write('y' * 10**6)",
    "own end": "os.remove(__file__)",
}
"""What a file does while it is included, beside registering an estimator; whatever comes after is as usual."""


def _included(forks: Forks, place: Path, deed: str, *arguments: str) -> Done:
    (place / "deed.py").write_text(MINE.format(deed=DEEDS[deed]))
    done = forks(place, *arguments, "--include", "deed.py")
    assert done.code == 0 and "mine" in done.out, (deed, done.code, done.err[-2000:])
    assert "Traceback" not in done.err and done.seconds < 50, (deed, done.seconds, done.err[-2000:])
    return done


@pytest.mark.parametrize("deed", ["thread", "atexit that fails", "streams", "modules", "paths"])
def test_a_file_that_changes_the_process_changes_no_command(forks: Forks, place: Path, deed: str) -> None:
    _included(forks, place, deed, "ls", "estimators", "mine")


@slow
@pytest.mark.timeout(3600)
def test_no_file_that_is_included_changes_a_run(forks: Forks, place: Path, tally: Say) -> None:
    grid = ["run", "-e", "mine", "-t", "gauss", "-n", "50", "--seeds", "2", "-j", "1", "--no-mlflow"]
    (place / "plain.py").write_text(MINE.format(deed=""))
    assert forks(place, *grid, "--include", "plain.py", "--out", "plain").code == 0
    usual = {r.cell.id: r.mi for r in read_results(place / "plain")}
    for deed in DEEDS:
        out = f"with {deed}"
        _included(forks, place, deed, *grid, "--out", out)
        assert {r.cell.id: r.mi for r in read_results(place / out)} == usual, deed
        assert (place / out / "leaderboard.html").is_file(), deed
    tally("the same values, a report, no traceback", deeds=len(DEEDS))


NOT_PLUGINS = {
    "class E(Exception):\n  def __str__(self): raise SystemExit\nraise E": "does not say what it is",
    "class M(type):\n  def __getattribute__(c, n): 1 / 0\nclass E(Exception, metaclass=M): pass\nraise E": "not say",
    "raise GeneratorExit": "GeneratorExit",
    "import os; os._exit(0)": "os._exit(0)",
    "x = bytearray(10**15)": "MemoryError",
    "def f(): f()\nf()": "RecursionError",
    "(" * 500 + ")" * 500: "too many nested parentheses",
    "import mibench\nmibench.register_estimator('q')(5)": "",
    "import mibench\n@mibench.register_estimator('q')\nclass Q: pass": "",
}


@pytest.mark.parametrize("text", NOT_PLUGINS)
def test_a_file_that_is_no_plugin_is_one_sentence(forks: Forks, place: Path, text: str) -> None:
    (place / "none.py").write_text(text)
    done = refused(forks, place, "check", "q", "--include", "none.py", codes=(1, 2) if not NOT_PLUGINS[text] else (2,))
    assert NOT_PLUGINS[text] in done.err


PROPERTY = """
class Wordless(Exception):
    def __str__(self): raise SystemExit

@mibench.register_estimator("early")
class Early(mibench.Estimator):
    @property
    def capabilities(self): {deed}
    def estimate(self, x, y, seed=0): pass
"""
EARLY = {
    "os._exit(0)": "a plug-in has called os._exit(0)",
    "sys.exit(0)": "a plug-in has called sys.exit(0)",
    "raise GeneratorExit": "GeneratorExit (early.py",
    "raise Wordless": "a Wordless that cannot be printed",
}


@pytest.mark.parametrize("deed", EARLY)
def test_what_a_plugin_does_before_there_are_workers_is_one_sentence(forks: Forks, place: Path, deed: str) -> None:
    (place / "early.py").write_text(MINE.format(deed="") + PROPERTY.format(deed=deed))
    done = forks(place, *RUN, "-e", "early", "--include", "early.py", "--out", "early")
    assert done.code == 2 and EARLY[deed] in done.err and done.err.count("\n") == 1, done.err
