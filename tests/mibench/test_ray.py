"""Cells on real Ray clusters: one that a run starts for itself, and one of nodes that are started here and killed."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from mibench.engine.reading import FILE, read_results

pytest.importorskip("ray", reason="Ray is not installed; pip install 'mibench[ray]' does it")

PLUGINS = Path(__file__).parent / "troublemakers.py"
GRID = """
time_limit = 10.0
memory_limit = 0.4
references = false
n = 100
include = ["troublemakers.py"]
[[block]]
estimators = ["correlation", "stacked"]
tasks = ["copy", "copy[offset=1]", "twice"]
seeds = 48
[[block]]
estimators = ["hang", "exit", "segfault", "hog", "raise", "nan", "picky", "leave", "die", "stacked-killer"]
tasks = ["copy"]
seeds = [2]
[[block]]
estimators = ["correlation"]
tasks = ["absent", "rogue[deed=leave]"]
seeds = 1
"""
STATUSES = {
    "ok": 285,
    "timeout": 1,
    "oom": 1,
    "crash": 4,
    "error": 6,
    "nonfinite": 1,
    "unsupported": 1,
    "not_installed": 1,
}


# other tests may keep the machine busy
PATIENT = {"RAY_raylet_start_wait_time_s": "300"}


def cells(folder: Path) -> list[tuple[Any, ...]]:
    """All that decides tables, by id."""
    return sorted(
        (r.cell.id, str(r.status), r.mi, r.stderr, r.truth, r.message, r.again, str(r.metrics), str(r.diagnostics))
        for r in read_results(folder)
    )


def command(grid: Path, out: Path, *options: str) -> list[str]:
    program = [sys.executable, "-m", "mibench", "run", str(grid), "--out", str(out), "--no-mlflow"]
    return [*program, *options]


def mibench(grid: Path, out: Path, *options: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(grid, out, *options), capture_output=True, text=True, check=False, **more)


def ray_processes() -> set[int]:
    """Processes of any Ray cluster on this machine."""
    found = set()
    for process in psutil.process_iter(["cmdline", "name"]):
        words = " ".join(process.info["cmdline"] or ())
        if "raylet" in words or "gcs_server" in words or "ray::" in words or "/ray/_private/" in words:
            found.add(process.pid)
    return found


def gone(processes: set[int], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in processes):
            return True
        time.sleep(0.1)
    return False


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grid")
    shutil.copy(PLUGINS, folder)
    (folder / "trouble.toml").write_text(GRID)
    return folder / "trouble.toml"


@pytest.fixture(scope="module")
def local(grid: Path) -> list[tuple[Any, ...]]:
    """The grid as one machine answers it."""
    done = mibench(grid, grid.parent / "local", "-j", "2")
    assert done.returncode == 0, done.stderr
    return cells(grid.parent / "local")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a token, and no cluster that the environment names."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in PATIENT.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_a_run_on_a_cluster_of_its_own_is_the_run_on_one_machine(
    grid: Path, local: list[tuple[Any, ...]], home: Path
) -> None:
    before = ray_processes()
    done = mibench(grid, home / "out", "-j", "2", "--executor", "ray")
    assert done.returncode == 0, done.stderr
    found = cells(home / "out")
    assert found == local and Counter(status for _, status, *_ in found) == STATUSES
    assert gone(ray_processes() - before)
    # what Ray has to say is no part of the progress
    lines = done.stderr.splitlines()
    assert lines[0].startswith("300 cells, 2 workers; results go to ") and len(lines) <= 2 + 600 / 15
    assert lines.pop() == "2 cells failed through no fault of a plug-in; the same command tries them again."
    assert all(" cells, " in line for line in lines), done.stderr


# A cluster that is not ours ------------------------------------------------------------------------------------------


@dataclass
class Cluster:
    """Nodes on this machine, each with one CPU, that ask for a token."""

    folder: Path
    port: int
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    token: Path = field(init=False)

    def __post_init__(self) -> None:
        self.token = self.folder / "token"
        self.token.write_text(secrets.token_hex(32))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token), **PATIENT}

    def start(self, *options: str, **environment: str) -> int:
        """One more node; the first is the head."""
        where = [f"--address={self.address}"]
        if not self.nodes:
            where = ["--head", f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        fixed = ["--block", "--num-cpus=1", "--object-store-memory=100000000", "--memory=8000000000"]
        asked = [
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "start",
            *where,
            *fixed,
            "--disable-usage-stats",
            *options,
        ]
        with (self.folder / f"{len(self.nodes)}.log").open("wb") as log:
            given = {**self.environment, **environment}
            self.nodes.append(
                subprocess.Popen(
                    asked, env=given, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
                )
            )
        return len(self.nodes) - 1

    def wait_for(self, count: int) -> None:
        code = f"import ray; ray.init({self.address!r}, logging_level=50); print(sum(n['Alive'] for n in ray.nodes()))"
        end = time.monotonic() + 300
        said = ""
        while time.monotonic() < end:
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=self.environment)
            said = done.stderr
            if done.stdout.strip() == str(count):
                return
        raise AssertionError(said + "\n".join(log.read_text() for log in self.folder.glob("*.log")))

    def kill(self, index: int) -> None:
        """The end of a machine: all its processes at once."""
        parent = psutil.Process(self.nodes[index].pid)
        for process in [*parent.children(recursive=True), parent]:
            with suppress(psutil.Error):
                process.kill()
        self.nodes[index].wait()

    def workers(self) -> set[int]:
        """Actors on these nodes, and the workers that they have."""
        found = set()
        for node in self.nodes:
            if node.poll() is None:
                for process in psutil.Process(node.pid).children(recursive=True):
                    words = " ".join(process.cmdline())
                    if "mibench.engine.process" in words or "ray::RayStation" in words:
                        found.add(process.pid)
        return found

    def alive(self, index: int) -> bool:
        return self.nodes[index].poll() is None


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="ray"))  # sockets want a short path
    made = Cluster(folder, _free_port())
    try:
        made.start()
        made.wait_for(1)
        yield made
    finally:
        for index in range(len(made.nodes)):
            if made.alive(index):
                made.kill(index)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_node_that_is_killed_in_the_middle_costs_only_time(
    grid: Path, local: list[tuple[Any, ...]], cluster: Cluster, tmp_path: Path
) -> None:
    second = cluster.start()
    cluster.wait_for(2)
    more = grid.with_name("more.toml")
    slow = '[[block]]\nestimators = ["slow"]\ntasks = ["copy"]\nseeds = 200\n'
    more.write_text(more.with_name("trouble.toml").read_text() + slow)
    options = ["--executor", cluster.address]
    with subprocess.Popen(
        command(more, tmp_path, *options), env=cluster.environment, stderr=subprocess.PIPE, text=True
    ) as run:
        end = time.monotonic() + 300
        while not (tmp_path / FILE).is_file() or (tmp_path / FILE).read_bytes().count(b'"slow"') < 60:
            assert run.poll() is None and time.monotonic() < end, run.stderr and run.stderr.read()
            time.sleep(0.1)
        cluster.kill(second)
        _, said = run.communicate(timeout=400)
    assert run.returncode == 0, said
    assert "500 cells, 2 workers" in said and "Traceback" not in said
    found = cells(tmp_path)
    assert [cell for cell in found if cell[0] in {cell[0] for cell in local}] == local
    assert Counter(status for _, status, *_ in found) == Counter(STATUSES) + Counter(ok=200)
    assert cluster.alive(0)
    cluster.wait_for(1)


SLOW = (
    "-e",
    "slow",
    "-t",
    "copy",
    "-n",
    "60",
    "--seeds",
    "400",
    "--include",
    str(PLUGINS),
    "--no-references",
    "--memory-limit",
    "1",
)


def interrupted(
    out: Path, how: signal.Signals, cluster: Cluster, *options: str, **more: Any
) -> tuple[int, str, set[int]]:
    """A run that gets a signal when it has some cells: its exit code, its words, and the processes it had started."""
    program = [sys.executable, "-m", "mibench", "run", *SLOW, "--out", str(out), "--no-mlflow", "-j", "1"]
    asked = [*program, *options]
    with subprocess.Popen(
        asked, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=hear, **more
    ) as run:
        end = time.monotonic() + 200
        while not (out / FILE).is_file() or (out / FILE).read_bytes().count(b"\n") < 10:
            assert run.poll() is None and time.monotonic() < end, run.stderr and run.stderr.read()
            time.sleep(0.1)
        started = {child.pid for child in psutil.Process(run.pid).children(recursive=True)} | cluster.workers()
        if how is signal.SIGINT:
            os.killpg(run.pid, how)  # as a terminal's Ctrl-C
        else:
            run.send_signal(how)
        _, said = run.communicate(timeout=60)
    return run.returncode, said, started


def hear() -> None:
    """Where the tests run in the background, interrupts are ignored, and a child would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupt_leaves_nothing_that_was_started_and_everything_that_was_not(
    how: signal.Signals, cluster: Cluster, home: Path
) -> None:
    for options, more in (
        (["--executor", "ray"], {}),
        (["--executor", cluster.address], {"env": cluster.environment}),
    ):
        out = home / str(len(more))
        code, said, started = interrupted(out, how, cluster, *options, **more)
        assert code == (-9 if how is signal.SIGKILL else 130), said
        if how is not signal.SIGKILL:
            assert said.endswith("the same command takes up from there.\n") and "Traceback" not in said, said
        # where nobody is left to end them, Ray's own agents take a minute to notice that their node is gone
        assert len(started) >= (2 if more else 4) and gone(started, 150.0 if how is signal.SIGKILL else 30.0)
        assert len(read_results(out)) >= 10
        assert cluster.alive(0)
    cluster.wait_for(1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_cluster_cannot_give_is_refused_before_it_hangs(grid: Path, cluster: Cluster, tmp_path: Path) -> None:
    for options, said in (
        (
            ["--memory-limit", "1000"],
            "no worker fits on the cluster: the memory limit is 1000 GiB, and the largest node has",
        ),
        (["-j", "40"], "40 workers do not fit on the cluster, which has room for 1 ("),
        (["--num-gpus", "0.5"], "each asks for 0.5 of a GPU, and no node has more than 0 GPUs."),
        (["--device", "cuda"], "each asks for 1 GPU, and no node has more than 0 GPUs."),
    ):
        done = mibench(grid, tmp_path, "--executor", cluster.address, *options, env=cluster.environment)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and said in done.stderr, done.stderr
    wrong = tmp_path / "wrong"
    wrong.write_text("0" * 64)
    stranger = {**cluster.environment, "RAY_AUTH_TOKEN_PATH": str(wrong)}
    done = mibench(grid, tmp_path, "--executor", cluster.address, env=stranger)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "cannot connect to the Ray cluster" in done.stderr and "uthentication" in done.stderr, done.stderr
    assert not (tmp_path / FILE).exists() or not (tmp_path / FILE).read_bytes()


SEES = """
import json, os, sys, time
from pathlib import Path
import mibench

address, share, crew, folder = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])

def sees(x, y):
    (folder / str(os.getpid())).touch()
    end = time.monotonic() + 100
    while len(list(folder.iterdir())) < crew and time.monotonic() < end:  # until all workers are there
        time.sleep(0.1)
    return float(os.environ.get("CUDA_VISIBLE_DEVICES") or -1)

found = mibench.run([sees], "gauss", n=50, seeds=8, references=False, progress=False, memory_limit=1.0,
                    executor=address, num_gpus=share)
print(json.dumps([sorted({r.mi for r in found}), len(list(folder.iterdir())), sorted({str(r.status) for r in found})]))
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_workers_share_a_gpu_as_they_are_told(cluster: Cluster, tmp_path: Path) -> None:
    node = cluster.start("--num-cpus=3", "--num-gpus=1")
    cluster.wait_for(2)
    try:
        for share, crew in (("0.5", 2), ("1", 1)):
            (tmp_path / share).mkdir()
            asked = [sys.executable, "-c", SEES, cluster.address, share, str(crew), str(tmp_path / share)]
            done = subprocess.run(asked, capture_output=True, text=True, check=False, env=cluster.environment)
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout) == [[0.0], crew, ["ok"]]
    finally:
        cluster.kill(node)
        cluster.wait_for(1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_node_with_other_sources_ends_the_run_in_a_sentence(grid: Path, cluster: Cluster, tmp_path: Path) -> None:
    import mibench

    [source] = mibench.__path__
    shutil.copytree(source, tmp_path / "other" / "mibench")
    with (tmp_path / "other" / "mibench" / "task.py").open("a") as changed:
        changed.write("\n# another day\n")
    node = cluster.start("--num-gpus=1", PYTHONPATH=str(tmp_path / "other"))  # so that workers start there alone
    cluster.wait_for(2)
    try:
        run = command(grid, tmp_path / "out", "--executor", cluster.address, "--num-gpus", "1")
        # Ray looks for modules where the run was started as well, and there mibench may lie
        given: dict[str, Any] = {"env": cluster.environment, "cwd": tmp_path}
        done = subprocess.run(run, capture_output=True, text=True, check=False, **given)
        assert done.returncode == 2, done.stderr
        assert "has other sources of mibench than this process; install the same on both." in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        cluster.kill(node)
        cluster.wait_for(1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_from_outside_the_cluster(grid: Path, local: list[tuple[Any, ...]], tmp_path: Path) -> None:
    """By Ray's client, with a head of its own: another machine has no files of the session."""
    pytest.importorskip("grpc", reason="Ray's client is not installed; pip install 'mibench[ray]' does it")
    folder = Path(tempfile.mkdtemp(prefix="ray"))
    made = Cluster(folder, _free_port())
    client = _free_port()
    try:
        made.start("--num-cpus=2", f"--ray-client-server-port={client}")
        made.wait_for(1)
        done = mibench(grid, tmp_path, "--executor", f"ray://127.0.0.1:{client}", env=made.environment)
        assert done.returncode == 0, done.stderr
        assert cells(tmp_path) == local and made.alive(0)
    finally:
        made.kill(0)
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
