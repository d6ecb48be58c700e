"""MLflow as a view of the results: against a real embedded store, made once because that takes seconds."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import math
import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mibench.engine.provenance import command
from mibench.errors import UsageError
from mibench.masking import masked
from mibench.mlflow import access, book, dashboard
from mibench.mlflow.tracking import Tracker, TrackingError, sync
from mibench.mlflow.uri import default_uri
from mibench.plugin import digest
from mibench.result import Result, Status

from .conftest import result as make
from .conftest import tiny_png


@pytest.fixture(scope="module")
def results(directory: Path) -> list[Result]:
    """Three estimators, one of which failed throughout, and two downstream runs."""
    curve = {"step": list(range(0, 300, 10)), "validation": [0.1] * 30}
    found = [make("ksg", "gauss", seed=s, mi=1.0 + 0.1 * s, stderr=math.nan) for s in range(3)]
    found += [make("mine", "gauss", seed=s, mi=0.8, curve=curve, diagnostics={"worst": math.inf}) for s in range(3)]
    found += [make("cca", "asinh", seed=s, mi=None, status=Status.TIMEOUT, message="too slow.") for s in range(2)]
    for seed in range(2):
        (directory / f"picture-{seed}.png").write_bytes(tiny_png(seed))
        found.append(
            make(
                "mine",
                "gan",
                0,
                seed,
                None,
                status=Status.OK,
                truth=None,
                group="gan",
                arm="mine",
                metrics={"quality": 40.0 + seed},
                curve={"loss": [(0, 2.0), (50, 1.0)]},
                images={"samples": f"picture-{seed}.png", "lost": "absent.png"},
            )
        )
    return found


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tracked")


@pytest.fixture(scope="module")
def store(directory: Path, results: list[Result]) -> Any:
    """The store after a run was tracked: its client and address."""
    pytest.importorskip("mlflow")
    page = directory / "leaderboard.html"
    page.write_text("<h1>It</h1>")
    uri = default_uri(directory)
    tracker = Tracker(uri, artifact_root=directory / "artifacts")
    for group in (results[:3], results[3:6], results[6:8], results[8:]):
        tracker.log_group(group, directory)
    tracker.log_summary("quick", results, {"html": page}, {"grid": "quick"})
    tracker.close()

    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(book.EXPERIMENT)
    assert experiment is not None

    def runs() -> dict[str, Any]:
        return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}

    def again(found: list[Result], **options: Any) -> int:
        return sync(found, uri, artifact_root=directory / "artifacts", directory=directory, **options)

    return SimpleNamespace(client=client, uri=uri, experiment=experiment, runs=runs, sync=again)


def test_one_flat_run_for_each_group_and_one_summary(store: Any) -> None:
    runs = store.runs()
    assert set(runs) == {
        "ksg | gauss | n=1000",
        "mine | gauss | n=1000",
        "cca | asinh | n=1000",
        "mine | gan | seed 0",
        "mine | gan | seed 1",
        "quick",
        *("ksg", "mine", "cca"),  # places in the leaderboard, and an arm
    }
    assert not [run for run in runs.values() if "mlflow.parentRunId" in run.data.tags]
    assert runs["cca | asinh | n=1000"].info.status == runs["cca"].info.status == "FAILED"
    assert {run.info.status for name, run in runs.items() if not name.startswith("cca")} == {"FINISHED"}


def test_seeds_and_steps_come_back(store: Any) -> None:
    runs = store.runs()
    ksg, mine = runs["ksg | gauss | n=1000"].info.run_id, runs["mine | gauss | n=1000"].info.run_id
    history = {m.step: m.value for m in store.client.get_metric_history(ksg, "mi")}
    assert history == {0: 1.0, 1: 1.1, 2: 1.2}
    assert len(store.client.get_metric_history(mine, "curve/validation")) == 30
    gan = runs["mine | gan | seed 1"]
    assert gan.data.metrics["quality"] == 41.0
    assert [m.value for m in store.client.get_metric_history(gan.info.run_id, "curve/loss")] == [2.0, 1.0]


def test_no_metric_is_infinite_or_undefined(store: Any) -> None:
    for run in store.runs().values():
        for name, value in run.data.metrics.items():
            assert math.isfinite(value) and abs(value) < 1e300, (run.info.run_name, name)
    ksg, mine = (store.runs()[f"{name} | gauss | n=1000"] for name in ("ksg", "mine"))
    assert "stderr" not in ksg.data.metrics and "mean/diagnostics/worst" not in mine.data.metrics


def test_files_and_tables_are_attached(store: Any, tmp_path: Path) -> None:
    runs = store.runs()
    pictures = store.client.list_artifacts(runs["mine | gan | seed 0"].info.run_id, "images")
    assert [file.path for file in pictures] == ["images/picture-0.png"]  # the one that is absent is left out
    summary = runs["quick"].info.run_id
    assert {file.path for file in store.client.list_artifacts(summary)} == {"leaderboard.html", "tables"}
    table = json.loads(Path(store.client.download_artifacts(summary, "tables/ranking.json", str(tmp_path))).read_text())
    assert table["columns"][:2] == ["rank", "estimator"]


def test_syncing_what_is_there_writes_nothing(store: Any, results: list[Result]) -> None:
    before = {run.info.run_id for run in store.runs().values()}
    stored = [Result.from_json(json.loads(json.dumps(r.to_json()))) for r in results]
    assert store.sync(stored, title="quick") == 0
    assert {run.info.run_id for run in store.runs().values()} == before


def test_what_changed_or_was_cut_short_is_replaced(store: Any, results: list[Result]) -> None:
    before = {name: run.info.run_id for name, run in store.runs().items()}
    changed = [dataclasses.replace(results[0], mi=1.5), *results[1:]]
    store.client.update_run(before["mine | gauss | n=1000"], status="RUNNING")
    orphan = store.client.create_run(
        store.experiment.experiment_id, run_name="orphan", tags={"mibench.key": "elsewhere", "mibench.content": "?"}
    )
    foreign = store.client.create_run(store.experiment.experiment_id, run_name="somebody else's")
    assert store.sync(changed) == 2
    after = store.runs()
    same = {name for name in before if after[name].info.run_id == before[name]}
    assert same == set(before) - {"ksg | gauss | n=1000", "mine | gauss | n=1000"}
    assert after["ksg | gauss | n=1000"].data.metrics["mean/mi"] == pytest.approx((1.5 + 1.1 + 1.2) / 3)
    assert after["mine | gauss | n=1000"].info.status == "FINISHED"
    assert store.client.get_run(orphan.info.run_id).info.status == "KILLED"
    assert store.client.get_run(foreign.info.run_id).info.status == "RUNNING"
    assert store.sync(changed) == 0


def test_a_doubled_run_is_written_once(store: Any, results: list[Result]) -> None:
    (key,) = {run.data.tags["mibench.key"] for name, run in store.runs().items() if name == "cca | asinh | n=1000"}
    store.client.create_run(store.experiment.experiment_id, run_name="twin", tags={"mibench.key": key})
    assert store.sync(results[6:8]) == 1
    assert "twin" not in store.runs()
    assert sum(run.data.tags.get("mibench.key") == key for run in store.runs().values()) == 1


def test_the_experiment_carries_its_views_and_no_parameter_is_too_long(store: Any) -> None:
    assert any(tag.startswith("mlflow.sharedViewState.") for tag in store.experiment.tags)
    assert "leaderboard" in store.experiment.tags["mlflow.note.content"]
    assert [experiment.name for experiment in store.client.search_experiments()] == [book.EXPERIMENT]
    long = make("ksg", "long", task_params={"covariance": list(range(10_000))})
    assert store.sync([long]) == 1


def test_the_dashboard_opens_where_the_runs_are(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: dict[str, Any] = {}
    monkeypatch.setattr(
        os, "execve", lambda path, command, environment: launched.update(command=command, env=environment)
    )
    said: list[str] = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        dashboard.open_ui(store.uri, port=port, announce=said.append)
    command = launched["command"]
    assert int(command[command.index("--port") + 1]) > port
    assert launched["env"]["MLFLOW_BACKEND_STORE_URI"] == store.uri
    assert store.uri not in command  # which every user of the machine can read
    assert launched["env"]["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert launched["env"]["PYTHONSAFEPATH"] == "1"
    assert launched["env"]["MIBENCH_PAGE"] in said[0]
    assert f"/#/experiments/{store.experiment.experiment_id}/runs?viewStateShareKey=leaderboard" in said[0]
    views = store.client.get_experiment(store.experiment.experiment_id).tags
    assert "curve/gauss" in views["mlflow.sharedViewState.leaderboard"]
    assert "quality" in views["mlflow.sharedViewState.downstream"]


def test_the_page_of_the_dashboard_chooses_the_mode_that_has_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else's answers are touched, and nothing is chosen over what somebody has chosen."""
    asked: list[str] = []

    async def inner(scope: dashboard.Message, receive: Any, send: Any) -> None:
        asked.append(f"{scope['type']} {scope.get('path', '')}")

    monkeypatch.setattr(dashboard, "server", lambda: (inner, "<html><head><title>MLflow</title></head></html>"))
    monkeypatch.setenv("MIBENCH_PAGE", "#/experiments/1/runs?x=y&z")
    answer = dashboard.application()
    sent: list[dashboard.Message] = []

    async def send(message: dashboard.Message) -> None:
        sent.append(message)

    async def receive() -> dashboard.Message:
        return {}

    for scope in (
        {"type": "lifespan"},
        {"type": "http", "method": "GET", "path": "/health"},
        {"type": "http", "method": "POST", "path": "/"},
        {"type": "http", "method": "GET", "path": "/"},
    ):
        asyncio.run(answer(scope, receive, send))  # type: ignore[arg-type]
    assert asked == ["lifespan ", "http /health", "http /"]
    start, body = sent
    page = body["body"].decode()
    assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()
    assert page.startswith("<html><head><script>") and page.endswith("</script><title>MLflow</title></head></html>")
    assert '"mlflow.workflowType_v1": "machine_learning"' in page and "getItem(key) === null" in page
    assert 'location.hash = "#/experiments/1/runs?x=y&z";' in page


def test_the_server_of_mlflow_has_a_page_to_begin_with() -> None:
    pytest.importorskip("mlflow")
    app, page = book.server()
    assert callable(app) and page.count("<head>") == 1


def test_a_port_that_browsers_refuse_is_passed_over() -> None:
    assert access.free_port("127.0.0.1", 5060) >= 5062


def test_the_dashboard_of_a_server_that_is_down_is_one_sentence(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TrackingError, match="Connection refused$"):
        dashboard.open_ui("http://127.0.0.1:1")
    assert not caplog.records


def test_there_is_nothing_to_open_yet(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no MLflow store at .*mlflow\.db yet: `mibench run` makes one"):
        dashboard.open_ui(default_uri(tmp_path))


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [("no.such.host.invalid", 5000, "is no address of this machine"), ("127.0.0.1", 70_000, "no port from 70000")],
)
def test_a_server_that_cannot_be_started(store: Any, host: str, port: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dashboard.open_ui(store.uri, host, port)


def test_a_bad_address_is_one_sentence_without_the_password(results: list[Result], tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    blocked = tmp_path / "file"
    blocked.write_text("not a database")
    for uri in (f"sqlite:///{blocked}", "http://user:secret@127.0.0.1:9/", "nonsense://user:secret@x"):
        with pytest.raises(TrackingError) as caught:
            sync(results, uri)
        message = str(caught.value)
        assert message.startswith("cannot use the MLflow store at ")
        assert "secret" not in message
        assert "\n" not in message


def test_a_locked_store_is_said_to_be_locked() -> None:
    """SQLAlchemy says first what is no reason."""
    said = "(raised as a result of Query-invoked autoflush; so)\n(sqlite3.OperationalError) database is locked."
    with (
        pytest.raises(TrackingError, match="mlflow.db: .*database is locked$"),
        book.explained("sqlite:///mlflow.db"),
    ):
        raise RuntimeError(said)


SECRET = "hunter2/x"


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://me:{SECRET}@server/runs",
        f"https://{SECRET}@server",
        f"http://me:{SECRET}@server:5000/#/runs",
        f"mssql://server/runs?user=me&password={SECRET}",
    ],
)
def test_no_password_leaves_the_command_line(
    store: Any, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/mibench", "run", "quick", f"--mlflow={address}"])
    assert SECRET not in command() and "server" in command()
    task = digest(address)
    foreign = make("ksg", task, message=f"{address}: {SECRET}", mi=None, provenance={"command": address})
    assert store.sync([foreign]) == 1  # as it may stand in what an older version recorded
    run = store.runs()[f"ksg | {task} | n=1000"]
    assert run.data.tags["provenance.command"].endswith(address.rpartition(SECRET)[2])
    assert SECRET not in json.dumps({**run.data.tags, **run.data.params})
    monkeypatch.setattr(book.Book, "page", lambda book: "#/")
    if ":5000" in address:  # its port seems to be the password
        with pytest.raises(TrackingError) as told:
            access.knock(address)
        assert SECRET.partition("/")[0] not in str(told.value)
    monkeypatch.setattr(dashboard, "knock", lambda uri: None)
    if address.startswith("http"):
        dashboard.open_ui(address)
        assert SECRET not in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["http://server:5000/#/experiments/1", "sqlite:////folder/mlflow.db", "ksg[k=5] on a@b", "n=1000,seed=3"]
)
def test_what_holds_no_password_stays_as_it_is(text: str) -> None:
    assert masked(text) == text


def test_a_broken_store_does_not_stop_a_run(
    results: list[Result], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("mlflow")
    blocked = tmp_path / "file"
    blocked.write_text("not a database")
    with caplog.at_level(logging.WARNING, logger="mibench.mlflow.tracking"):
        tracker = Tracker(f"sqlite:///{blocked}")
        for _ in range(3):
            tracker.log_group(results[:3])
        tracker.close()
    assert [record.name for record in caplog.records].count("mibench.mlflow.tracking") == 1
    assert "`mibench sync` catches up later" in caplog.text


def test_an_embedded_store_is_made_whole_or_not_at_all(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full while tables are made leaves no store that every later attempt would trip over."""
    from mlflow.tracking import MlflowClient

    def full(*_: Any, **__: Any) -> None:
        raise OSError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "delete_experiment", full)
        with pytest.raises(TrackingError, match="disk is full"):
            sync([make("ksg", "gauss")], default_uri(tmp_path))
    assert not list(tmp_path.glob("mlflow.db*")) and not list(tmp_path.glob("*.part"))
    assert sync([make("ksg", "gauss")], default_uri(tmp_path)) == 1


def test_pages_of_runs_that_go_round_in_a_circle_come_to_an_end() -> None:
    class Page(list[Any]):
        token = "again"

    client = SimpleNamespace(search_runs=lambda *_, **__: Page())
    with pytest.raises(ValueError, match="go round in a circle"):
        book._search(client, "1")
