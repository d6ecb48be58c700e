"""MLflow: the one file that imports it, and writes runs down. What a run holds is decided in `runs`.

The store of results is the truth and MLflow a view of it. A run here is never edited: it carries the key of what it is
about and a hash of what it shows, so writing the same again does nothing, and a run that is out of date, doubled, or
was cut short by a kill is replaced. Importing mlflow takes seconds, so it happens where a store is opened.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from mibench.masking import masked

from .access import TrackingError, knock, lock, unusable
from .runs import Run
from .uri import file_uri, sqlite_file
from .views import DESCRIPTION, landing, saved_views

EXPERIMENT = "mibench"
_STRAY = "Default"
_NOT_THE_REASON = "(raised as a result of Query-invoked autoflush"

_METRICS_PER_CALL, _PARAMS_PER_CALL, _RUNS_PER_CALL = 900, 100, 1000
_LONGEST = 5000  # characters of a tag or parameter

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # ten processes that serve no purpose here
    # a server that is down must cost seconds, not the 10 minutes of MLflow's own seven retries
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}


class Book:
    """A connection to the experiment of mibench, made where it is missing, and opened at the first use.

    artifact_root : where a new experiment keeps its files; None leaves it to MLflow (right for a server).
    """

    def __init__(self, uri: str, artifact_root: Path | None = None) -> None:
        self.uri = uri
        self.artifact_root = artifact_root
        self._client: Any = None
        self._experiment_id = ""
        self._known: dict[str, list[tuple[str, str]]] = defaultdict(list)  # key -> (run id, content; "" if cut short)
        self._wrote: dict[str, str] = {}  # key -> content

    def write(self, run: Run) -> bool:
        """Write ``run`` unless it is there already; whether anything was written.

        Raises
        ------
        TrackingError : the MLflow store cannot be used.
        """
        with explained(self.uri):
            client = self._open()
            known = self._known[run.key]
            if [content for _, content in known] == [run.content]:
                return False
            for run_id, _ in known:
                client.delete_run(run_id)
            self._wrote[run.key] = run.content
            known[:] = [(self._create(client, run), run.content)]
            return True

    def drop_doubles(self) -> None:
        """Of runs that another machine wrote at the same time one is kept: whoever ends last sees them all."""
        if not self._wrote:
            return
        with explained(self.uri):
            client = self._open()
            alike: dict[str, list[str]] = defaultdict(list)
            for run in _search(client, self._experiment_id, "attributes.status != 'RUNNING'"):
                key = run.data.tags.get("mibench.key", "")
                if self._wrote.get(key) == run.data.tags.get("mibench.content", ""):
                    alike[key].append(run.info.run_id)
            for run_id in (double for same in alike.values() for double in sorted(same)[1:]):
                try:
                    client.delete_run(run_id)
                except Exception:
                    if not _deleted(client, run_id):
                        raise

    def end_unfinished(self) -> None:
        """Mark the runs that a kill left running, and whose results are not at hand, as killed."""
        with explained(self.uri):
            client = self._open()
            for run in _search(client, self._experiment_id, "attributes.status = 'RUNNING'"):
                if "mibench.key" in run.data.tags:
                    client.set_terminated(run.info.run_id, status="KILLED")

    def page(self) -> str:
        """The dashboard's page of this experiment, relative to its server; its views are those that suit its runs."""
        with explained(self.uri):
            client = self._open()
            measured: dict[str, dict[str, None]] = defaultdict(dict)
            for run in _search(client, self._experiment_id):
                measured[run.data.tags.get("role", "")].update(dict.fromkeys(sorted(run.data.metrics)))
            known = client.get_experiment(self._experiment_id).tags
            views = saved_views({role: list(names) for role, names in measured.items()})
            for name, value in {"mlflow.note.content": DESCRIPTION, **views}.items():
                if known.get(name) != value:
                    client.set_experiment_tag(self._experiment_id, name, value)
        view = f"viewStateShareKey={landing(measured)}&workflowType=machine_learning"
        return f"#/experiments/{self._experiment_id}/runs?{view}"

    def _create(self, client: Any, run: Run) -> str:
        now = int(time.time() * 1000)
        tags = {**run.tags, "mibench.key": run.key, "mibench.content": run.content}
        run_id = client.create_run(
            self._experiment_id,
            start_time=now - int(run.wall_s * 1000),
            run_name=run.name,
            tags={key: masked(value)[:_LONGEST] for key, value in tags.items()},
        ).info.run_id
        try:
            self._fill(client, str(run_id), run, now)
        except Exception:
            if not _deleted(client, run_id):  # by another who writes the same, and found this one unfinished
                raise
        return str(run_id)

    def _fill(self, client: Any, run_id: str, run: Run, now: int) -> None:
        from mlflow.entities import Metric, Param

        metrics = [Metric(key, value, now, step) for key, value, step in run.metrics]
        params = [Param(key, masked(value)[:_LONGEST]) for key, value in run.params.items()]
        calls = zip_longest(_chunks(metrics, _METRICS_PER_CALL), _chunks(params, _PARAMS_PER_CALL), fillvalue=())
        for some_metrics, some_params in calls:
            client.log_batch(run_id, metrics=some_metrics, params=some_params)
        for name, columns in run.tables.items():
            client.log_table(run_id, dict(columns), f"tables/{name}.json")
        for path, folder in run.files:
            if path.is_file():  # a picture that was moved away is no reason to lose the run
                client.log_artifact(run_id, str(path), folder or None)
        client.set_terminated(run_id, status="FAILED" if run.failed else "FINISHED", end_time=now)

    def _open(self) -> Any:
        """The client; with the first call every run's key is read, which beats one search for each run later."""
        if self._client is None:
            client = _client(self.uri)
            self._experiment_id = _experiment(client, self.artifact_root)
            for run in _search(client, self._experiment_id):
                whole = run.info.status != "RUNNING"
                content = run.data.tags.get("mibench.content", "") if whole else ""
                self._known[run.data.tags.get("mibench.key", "")].append((run.info.run_id, content))
            self._client = client
        return self._client


def _deleted(client: Any, run_id: str) -> bool:
    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "deleted")
    except Exception:
        return False


def _search(client: Any, experiment_id: str, condition: str = "") -> list[Any]:
    found: list[Any] = []
    token, seen = None, set[str | None]()
    while token not in seen:
        seen.add(token)
        page = client.search_runs([experiment_id], condition, max_results=_RUNS_PER_CALL, page_token=token)
        found += page
        if not (token := page.token):
            return found
    raise ValueError("its pages of runs go round in a circle")


def server() -> tuple[Any, str]:
    """MLflow's own server as an ASGI application, and the page that it answers with."""
    from mlflow import server as found
    from mlflow.server.fastapi_app import app

    page = Path(str(found.__file__)).parent / "js/build/index.html"
    return app, page.read_text(encoding="utf-8")


def _client(uri: str) -> Any:
    """An MLflow client; a fresh embedded store is made first, by one process at a time."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient

    for chatty in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)  # what fails is told by whoever asked for it
    database = sqlite_file(uri)
    if database is None:
        return MlflowClient(uri)
    database.parent.mkdir(parents=True, exist_ok=True)
    with lock(database.with_suffix(".lock")):
        if not database.is_file():
            _make(database)
        # a write-ahead log, so that the dashboard can read while a run writes
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        return MlflowClient(uri)


def _make(database: Path) -> None:
    """A fresh embedded store, whole or not at all: one that a full disk or a kill left half made is of no use again."""
    from mlflow.tracking import MlflowClient

    for left in database.parent.glob(f"{database.stem}.*.part"):  # by a kill
        left.unlink()
    partial = database.with_suffix(f".{uuid.uuid4().hex}.part")  # MLflow keeps connections by address
    try:
        client = MlflowClient(file_uri(partial))
        default = client.search_experiments(filter_string=f"name = '{_STRAY}'", max_results=1)
        if default:  # MLflow makes it, and nobody needs it
            client.delete_experiment(default[0].experiment_id)
        client._tracking_client.store.engine.dispose()
        partial.replace(database)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _experiment(client: Any, artifact_root: Path | None) -> str:
    """The id of the experiment, made or restored where needed."""
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        location = (artifact_root / EXPERIMENT).absolute().as_uri() if artifact_root else None
        kind = {"mlflow.experimentKind": "custom_model_development", "mlflow.note.content": DESCRIPTION}
        tags = {**kind, **saved_views()}
        return str(client.create_experiment(EXPERIMENT, location, tags))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


@contextlib.contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turn whatever MLflow, its database or its server raises into one sentence, without the password in ``uri``."""
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:
        knock(uri)  # where nobody answers any more, that is the reason, in fewer words than MLflow's
        said = [line for line in str(error).strip().splitlines() if not line.startswith(_NOT_THE_REASON)]
        raise unusable(uri, (said or [type(error).__name__])[0].rstrip(".")) from error


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
