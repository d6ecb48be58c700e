"""Servers that are down, slow, secret or shared: what is said of them, and that nothing is lost, doubled or leaked."""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from mibench.api import run
from mibench.engine.store import Store
from mibench.mlflow import access, tracking
from mibench.mlflow.book import ENVIRONMENT, EXPERIMENT, Book, explained
from mibench.mlflow.runs import runs_of
from mibench.mlflow.standings import summary_run
from mibench.mlflow.tracking import Tracker, TrackingError, sync
from mibench.mlflow.uri import default_uri, sqlite_file
from mibench.result import Result, Status
from mibench.results import load_results

from .conftest import result as make
from .conftest import tiny_png

PASSWORD = "hunter2-and-more"
PLUGINS = str(Path(__file__).parent / "troublemakers.py")
DEBIAN = Path("/usr/lib/postgresql")


def mibench(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a folder of its own."""
    command = [sys.executable, "-m", "mibench", *arguments]
    given = {**os.environ, "MIBENCH_DEVICE": "cpu", **environment}
    return subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=280)


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def mute_server() -> Iterator[int]:
    """Takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield int(listening.getsockname()[1])


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A folder with the results of a run."""
    folder = tmp_path / "finished"
    with Store(folder) as store:
        for seed in range(2):
            for task in ("gauss", "asinh", "student"):
                store.append(make("ksg", task, seed=seed))
    return folder


@pytest.mark.parametrize("by", ["option", "environment"])
def test_no_password_is_left_anywhere_by_a_run_whose_server_is_down(tmp_path: Path, by: str) -> None:
    uri = f"http://user:{PASSWORD}@127.0.0.1:{closed_port()}"
    arguments = ["run", "-e", "correlation", "-t", "copy", "-n", "200", "--seeds", "1", "-j", "1", "--include", PLUGINS]
    given, environment = ([f"--mlflow={uri}"], {}) if by == "option" else ([], {"MLFLOW_TRACKING_URI": uri})
    done = mibench(tmp_path, *arguments, *given, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("this run is not written to MLflow any more") == 1
    assert "`mibench sync` catches up later" in done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"results.jsonl", "leaderboard.html", "leaderboard.json"} <= {path.name for path in files}
    for text in (done.stdout, done.stderr, *(path.read_bytes().decode("latin-1") for path in files)):
        assert PASSWORD not in text


def test_sync_says_at_once_that_a_server_is_down(finished: Path) -> None:
    port = closed_port()
    began = time.monotonic()
    done = mibench(finished, "sync", ".", f"--mlflow=http://user:{PASSWORD}@127.0.0.1:{port}")
    assert time.monotonic() - began < 60  # almost all of it Python's imports
    assert (done.returncode, done.stdout) == (3, "")
    address = f"http://user:***@127.0.0.1:{port}"
    assert done.stderr == f"mibench: cannot use the MLflow store at {address}: Connection refused\n"


@pytest.mark.parametrize("scheme", ["http", "postgresql", "postgresql+psycopg2"])
def test_a_database_or_server_that_is_down_is_not_waited_for(scheme: str) -> None:
    with pytest.raises(TrackingError, match="Connection refused"):
        access.knock(f"{scheme}://me:{PASSWORD}@127.0.0.1:{closed_port()}/runs")


@pytest.mark.parametrize("name", ["plain", "two words", "a%20b", "what?", "50%", "?x=1", "ä#&+"])
def test_the_address_of_a_store_is_read_as_the_path_that_it_is_of(name: str) -> None:
    from sqlalchemy.engine import create_engine

    database = Path("/here") / name / "mlflow.db"
    uri = default_uri(database.parent)
    assert sqlite_file(uri) == database
    assert create_engine(uri).dialect.create_connect_args(create_engine(uri).url)[0][0] == str(database)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        *(
            (uri, "names no file")
            for uri in ("sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://?cache=shared")
        ),
        ("sqlite:////here/what?/mlflow.db", "an address ends where there is a '?'"),
    ],
)
def test_an_embedded_store_that_would_be_lost_or_lie_elsewhere_is_refused(uri: str, said: str) -> None:
    with pytest.raises(TrackingError, match=re.escape(said)):
        access.knock(uri)
    access.knock("sqlite:////here/mlflow.db?timeout=30")


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "KNOCK", 0.2)
    with mute_server() as port, pytest.raises(TrackingError, match=r"no answer in 0 s$"):
        access.knock(f"http://127.0.0.1:{port}")


def test_a_server_that_is_gone_in_the_middle_is_told_in_few_words() -> None:
    with (
        pytest.raises(TrackingError, match=r"^cannot use the MLflow store at \S+: Connection refused$"),
        explained(f"http://127.0.0.1:{closed_port()}"),
    ):
        raise OSError("HTTPConnectionPool: Max retries exceeded with url (Caused by NewConnectionError)")


def test_a_server_whose_answer_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something comes in time again and again, and never all of it."""
    monkeypatch.setattr(access, "KNOCK", 0.3)

    def drip() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not done.wait(0.05):
                connection.sendall(b"x")

    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        with pytest.raises(TrackingError, match=r"no answer in 0 s$"):
            access.knock(f"http://127.0.0.1:{listening.getsockname()[1]}")
        done.set()
        dripping.join()


@pytest.mark.parametrize("uri", ["http://[::1/", "http://127.0.0.1:port", "https://"])
def test_an_address_that_is_none_is_one_sentence(uri: str) -> None:
    with pytest.raises(TrackingError, match="^cannot use the MLflow store at "):
        access.knock(uri)


def test_a_slow_store_is_waited_for_aloud(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(access, "PATIENCE", 0.02)
    monkeypatch.setattr(Book, "write", lambda book, run: not time.sleep(0.05))  # type: ignore[func-returns-value]
    monkeypatch.setattr(Book, "end_unfinished", lambda book: None)
    results = [make("ksg", f"task-{i}") for i in range(4)]
    tracker = Tracker(default_uri(tmp_path))
    for result in results:
        tracker.log_group([result])
    tracker.close()
    first = caplog.records[0].getMessage()
    assert first.startswith(f"waiting for MLflow at {default_uri(tmp_path)}: ")
    assert re.search(r"[0-3] of 4 groups of cells written in 0 s(, about 0 s to go)?; Ctrl-C leaves the rest", first)
    caplog.clear()
    assert sync(results, default_uri(tmp_path)) == 4
    told = [record.getMessage() for record in caplog.records]
    assert "of 4 runs written" in told[0]
    assert len(told) < 5  # ever more rarely


@pytest.mark.parametrize("how", ["the time to wait for it is over", "interrupted", "nothing was written in 0 s"])
def test_the_wait_at_the_end_can_be_cut_short(
    how: str, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    goes_on, written = threading.Event(), set[str]()

    def write(book: Any, run: Any) -> bool:
        written.add(run.key)
        return goes_on.wait(60)

    monkeypatch.setattr(Book, "write", write)
    tracker = Tracker(default_uri(tmp_path))
    for i in range(3):
        tracker.log_group([make("ksg", f"task-{i}")])
    began = time.monotonic()
    if how == "interrupted":
        monkeypatch.setattr(tracker._thread, "join", interrupted)
    if how.startswith("nothing"):
        monkeypatch.setattr(tracking, "_STALLED", 0.1)
        tracker.close()
    else:
        tracker.close(0.1)
    assert time.monotonic() - began < 30
    assert [r.getMessage() for r in caplog.records] == [
        f"3 of 3 groups of cells not written to MLflow yet ({how}); `mibench sync` catches up later."
    ]
    goes_on.set()
    threading.Thread.join(tracker._thread, 60)
    assert len(written) == 3, "while the process lives, the rest is written"


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_store_that_hangs_holds_no_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where it hangs from its first breath, as in the import of mlflow."""
    goes_on = threading.Event()
    monkeypatch.setattr(Book, "_open", lambda book: goes_on.wait(120))
    given: dict[str, Any] = {"n": 50, "seeds": 4, "workers": 1, "progress": False, "references": False}
    found = run("cca", "gauss", **given, out=tmp_path, tracking=True, tracking_wait=0)
    assert len(found) == 4 and all(r.status is Status.OK for r in found)
    goes_on.set()


def test_a_second_sync_says_for_whom_it_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    together: list[int] = []
    writing = threading.Semaphore(1)

    def write(book: Any, run: Any) -> bool:
        together.append(not writing.acquire(blocking=False))
        time.sleep(0.1)
        writing.release()
        return True

    monkeypatch.setattr(Book, "write", write)
    monkeypatch.setattr(Book, "end_unfinished", lambda book: None)
    both = [threading.Thread(target=sync, args=([make("ksg", t)], default_uri(tmp_path))) for t in ("a", "b")]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert together == [False, False]
    # a tracker of an earlier test may still be heard
    assert [said for r in caplog.records if default_uri(tmp_path) in (said := r.getMessage())] == [
        f"another `mibench sync` writes to {default_uri(tmp_path)}; waiting for it."
    ]


def test_the_lock_is_no_link_to_another_file(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("as it was")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic links"), access.lock(tmp_path / "lock"):
        pass
    assert (tmp_path / "precious").read_text() == "as it was"


def test_a_strangers_report_gives_no_file_of_ours_away(plausible_run: list[Result], tmp_path: Path) -> None:
    """Links in a folder, and the folder of figures being one, lead outside: only what lies in it is attached."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    (ours / "secret.png").write_bytes(tiny_png(1))
    (theirs / "figures").symlink_to(ours)
    (theirs / "leaderboard.html").symlink_to(ours / "secret.png")
    (theirs / "leaderboard.md").write_text("a table")
    from mibench.cli.shared import report_files

    run = summary_run("T", plausible_run, report_files(theirs), directory=theirs)
    assert [path.name for path, _ in run.files] == ["leaderboard.md"]
    assert run.refused == 2


@pytest.mark.slow
def test_two_syncs_at_once_make_no_doubles(finished: Path) -> None:
    command = [sys.executable, "-m", "mibench", "sync", "."]
    both = [subprocess.Popen(command, cwd=finished, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate(timeout=280)[0].split(" to ")[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == "5 runs written"  # three of ksg, where it stands, and the summary
    assert said[1].endswith("is up")
    assert_one_run_each(default_uri(finished), 5)


def test_two_who_write_the_same_run_at_once_leave_one(finished: Path, tmp_path: Path) -> None:
    """As from two machines, where no lock helps: both have looked before either has written."""
    results, uri = load_results(finished), default_uri(tmp_path)
    books = [Book(uri, tmp_path) for _ in range(2)]
    for book in books:
        book._open()
    for book in books:
        for each in runs_of(results, None):
            assert book.write(each)
    for book in books:
        book.drop_doubles()
    assert_one_run_each(uri, 3)
    # and one that is cut off by the other in the middle of a run goes on
    left, right = (Book(uri, tmp_path) for _ in range(2))
    [run, *_] = runs_of([make("ksg", "another")], None)
    fill = left._fill

    def interrupted(client: Any, run_id: str, *rest: Any) -> None:
        right.write(run)  # finds the other's unfinished, and replaces it
        fill(client, run_id, *rest)

    left._fill = interrupted  # type: ignore[method-assign,assignment]
    left.write(run)
    for book in (left, right):
        book.drop_doubles()
    assert_one_run_each(uri, 4)


@pytest.mark.slow
def test_a_real_server_is_killed_and_comes_back(finished: Path, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    port = closed_port()
    uri = f"http://127.0.0.1:{port}"
    with server(tmp_path, port):
        assert mibench(finished, "sync", ".", "--mlflow", uri).stdout == f"5 runs written to {uri}\n"
    assert mibench(finished, "sync", ".", "--mlflow", uri).returncode == 3
    with Store(finished) as store:
        store.append(make("ksg", "another"))
    with server(tmp_path, port):
        # the new one, and the summary, which says more than before: the earlier one stays, of what it was about
        assert mibench(finished, "sync", ".", "--mlflow", uri).stdout == f"2 runs written to {uri}\n"
        assert mibench(finished, "sync", ".", "--mlflow", uri).stdout == f"{uri} is up to date\n"
        assert_one_run_each(uri, 7)


@pytest.mark.slow
def test_a_real_postgresql_holds_the_runs(finished: Path) -> None:
    pytest.importorskip("mlflow")
    pytest.importorskip("psycopg", reason="psycopg, the driver of PostgreSQL, is not installed")
    if not DEBIAN.is_dir():
        pytest.skip("PostgreSQL (Debian's package postgresql) is not installed")
    with postgresql() as port:
        uri = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"
        shown = uri.replace(PASSWORD, "***")
        wrong = mibench(finished, "sync", ".", "--mlflow", uri.replace(PASSWORD, "another"))
        assert wrong.returncode == 3
        assert "password authentication failed" in wrong.stderr
        assert "another" not in wrong.stderr
        command = [sys.executable, "-m", "mibench", "sync", ".", "--mlflow", uri]
        both = [subprocess.Popen(command, cwd=finished, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        said = sorted(process.communicate(timeout=280)[0] for process in both)
        assert said == [f"5 runs written to {shown}\n", f"{shown} is up to date\n"]
        assert_one_run_each(uri, 5)


def assert_one_run_each(uri: str, runs: int) -> None:
    """As many runs as there should be, none of them twice."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    keys = Counter(run.data.tags["mibench.key"] for run in client.search_runs([experiment.experiment_id]))
    assert (len(keys), sum(keys.values())) == (runs, runs)


@contextmanager
def server(folder: Path, port: int) -> Iterator[None]:
    """A real ``mlflow server`` over a database in the folder."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
    command += ["--artifacts-destination", str(folder / "files"), "--port", str(port), "--workers", "1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, **ENVIRONMENT}
    process = subprocess.Popen(command, env=environment, cwd=folder, start_new_session=True, **quiet)  # type: ignore[call-overload]
    try:
        for _ in range(240):
            try:
                access.knock(f"http://127.0.0.1:{port}")
                break
            except TrackingError:
                time.sleep(0.5)
        yield
    finally:
        os.killpg(process.pid, 9)
        process.wait()


@contextmanager
def postgresql() -> Iterator[int]:
    """A real PostgreSQL on a private port and folder, which asks for a password."""
    programs = max(DEBIAN.iterdir(), key=lambda path: int(path.name) if path.name.isdigit() else 0) / "bin"
    # it refuses to run as root, and then needs a folder that its own user may enter
    user = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    folder = Path("/tmp") / f"mibench-postgresql-{os.getpid()}"
    folder.mkdir(mode=0o700)
    if user:
        shutil.chown(folder, **user)
    port = closed_port()
    data, secret = folder / "data", folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)

    def call(*arguments: str) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
        subprocess.run([str(programs / arguments[0]), *arguments[1:]], check=True, **quiet, **user)  # type: ignore[call-overload]

    try:
        call("initdb", "-D", str(data), "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        call("pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-o", options, "-w", "start")
        try:
            yield port
        finally:
            call("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
