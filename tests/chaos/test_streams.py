"""Commands that are started badly: streams that are closed, full or deaf, odd surroundings, files that are none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mibench.engine.store import Store
from mibench.errors import UsageError
from mibench.files import together
from mibench.registry import include

from .conftest import said_well
from .forks import Forks
from .test_fuzz import a_result

RUN = "mibench run -t gauss -e zero -n 20 --seeds 1 -j 1 --no-mlflow --out o"


def shell(folder: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line for bash, in which ``mibench`` is the command."""
    given = {**os.environ, "MIBENCH_DEVICE": "cpu", **environment}
    line = command.replace("mibench", f"{sys.executable} -m mibench")
    return subprocess.run(["bash", "-c", line], cwd=folder, env=given, capture_output=True, text=True, timeout=120)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A folder with the results of a run."""
    with Store(tmp_path / "good") as store:
        for seed in range(3):
            store.append(a_result(seed))
    return tmp_path / "good"


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("mibench ls tasks | head -1; exit ${PIPESTATUS[0]}", 0, ""),
        ("mibench compare good good > /dev/full", 2, "No space left on device"),
        ("mibench compare good good >&-", 0, ""),
        ("mibench compare nope nope 2>&-", 2, ""),
        ("COLUMNS=1 TERM=dumb LC_ALL=C mibench compare good good", 0, ""),
        (f"{RUN} <&- >&- 2>&- && test -s o/leaderboard.html", 0, ""),
        (f"{RUN} 2>/dev/full && test -s o/leaderboard.html", 0, ""),
        (f"mkfifo f; true <f & {RUN} 2>f && test -s o/leaderboard.html", 0, ""),
        ("PYTHONIOENCODING=ascii:strict mibench compare good good", 0, ""),
        ("mibench estimate - --x 0 --y 1 <&-", 2, "cannot read standard input: it is empty"),
        ("MPLBACKEND=nonsense mibench info independent --plot x.png", 0, ""),
        ("echo 1/0 | tee typing.py queue.py > json.py; mibench compare good good", 0, ""),
        (f"mibench report {'d' * 250}{'/e' * 2000}", 2, "(`mibench run` writes it)"),
        ("env -u HOME mibench env", 0, ""),
        ("mkdir gone; cd gone; rmdir ../gone; mibench compare $OLDPWD/good $OLDPWD/good", 0, ""),
        ("ln -s loop loop; mibench report good --out loop", 2, "loop"),
    ],
)
def test_a_command_that_is_started_badly_ends_well(finished: Path, command: str, code: int, said: str) -> None:
    done = shell(finished.parent, command)
    assert said_well(done, code) and said in done.stderr
    assert "Exception ignored" not in done.stderr and "\x1b" not in done.stderr + done.stdout


def write_both(first: Path, second: Path) -> None:
    with together() as put:
        put(first, "new")
        put(second, "new")


def test_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(OSError, match="Is a directory"):
        write_both(tmp_path / "a", tmp_path)
    assert (tmp_path / "a").read_text() == "old" and len(list(tmp_path.iterdir())) == 1
    with together() as put:
        put(tmp_path / "a", "new \udcff")
        put(Path("/dev/null"), b"gone")
    assert (tmp_path / "a").read_text() == "new ?" and len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_spoils_no_report_and_nothing_that_was_measured(finished: Path, forks: Forks) -> None:
    small = finished.parent / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        assert forks(finished.parent, "report", "good", "--out", "small").code == 0
        another = ["report", "good", "--out", "small", "--title", "another"]
        before = {path: path.read_bytes() for path in small.rglob("*") if path.is_file()}
        free = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
        (small / "filler").write_bytes(b"x" * max(0, free - 4096))
        done = forks(finished.parent, *another)
        said = "cannot write the report to 'small': No space left on device."
        assert (done.code, done.err) == (2, f"mibench: {said}\n") and " score " in done.out
        (small / "filler").unlink()
        assert {path: path.read_bytes() for path in small.rglob("*") if path.is_file()} == before
        assert forks(finished.parent, *another).code == 0
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.symlink_to(path), "Symlink loop"),
        (lambda path: path.mkdir(), "it is a folder"),
        (os.mkfifo, "it is no file"),
        (lambda path: path.write_bytes(b"1," * (3 << 20)), "larger than 4 MiB"),
        (lambda path: path.write_text("raise ValueError('much ' * 10**6)"), "ValueError: much much"),
        (lambda path: path.write_text("class E(Exception):\n  __str__ = None\nraise E"), "cannot include"),
    ],
)
def test_a_file_of_plugins_that_is_none_is_one_sentence(tmp_path: Path, make: object, said: str) -> None:
    make(tmp_path / "plugin.py")  # type: ignore[operator]
    with pytest.raises(UsageError, match=said) as told:
        include(tmp_path / "plugin.py")
    assert len(str(told.value)) < 1000


def test_a_row_without_end_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_bytes(b"1," * (2 << 20))
    done = shell(tmp_path, "mibench estimate wide.csv --x 0 --y 1 --fast")
    assert said_well(done, 2) and "its line 1 is longer than 2 MiB" in done.stderr
