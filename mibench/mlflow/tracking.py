"""MLflow: the one file that imports it. What a run holds is decided in `runs`; this module writes runs down.

The store of results is the truth and MLflow a view of it. A run here is never edited: it carries the key of what it is
about and a hash of what it shows, so writing the same again does nothing, and a run that is out of date, doubled, or
was cut short by a kill is replaced. Importing mlflow takes seconds, so it happens in the writer's thread.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import queue
import sqlite3
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from mibench.masking import masked
from mibench.result import Result
from mibench.words import counted

from .access import TrackingError as TrackingError
from .access import knock, lock, turn, unusable, waiting
from .runs import Run, runs_of, standing_runs, summary_run
from .uri import sqlite_file
from .views import DESCRIPTION, landing, saved_views

EXPERIMENT = "mibench"
_STRAY = "Default"
_NOT_THE_REASON = "(raised as a result of Query-invoked autoflush"

log = logging.getLogger(__name__)

_METRICS_PER_CALL, _PARAMS_PER_CALL, _RUNS_PER_CALL = 900, 100, 1000
_LONGEST = 5000  # characters of a tag or parameter
_STALLED = 600.0  # seconds in which nothing is written, after which nothing more is expected

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # ten processes that serve no purpose here
    # a server that is down must cost seconds, not the 10 minutes of MLflow's own seven retries
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}


class Tracker:
    """Writes results to MLflow in the background; nothing here ever stops or slows a benchmark.

    Calls return at once. Whether a server is there is tried at the start. At the first failure one warning is logged
    and everything later is dropped: the results are in the store, and :func:`sync` catches up.

    Parameters
    ----------
    uri : an MLflow tracking URI such as ``sqlite:////path/mlflow.db``, ``postgresql://...`` or ``http://...``.
    experiment : the MLflow experiment, made when missing.
    artifact_root : where a new experiment keeps its files; None leaves it to MLflow (right for a server).
    """

    def __init__(self, uri: str, experiment: str = EXPERIMENT, artifact_root: Path | None = None) -> None:
        self.uri = uri
        self._book = Book(uri, experiment, artifact_root)
        self._asked = self._written = 0
        self._jobs: queue.SimpleQueue[Callable[[], list[Run]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="mibench-tracker", daemon=True)
        self._thread.start()

    def log_group(self, results: Sequence[Result], directory: Path | None = None) -> None:
        """Write all seeds of one estimator x task x n (or the runs of one downstream arm); again is a no-op.

        ``directory`` is where the file names in ``Result.images`` start.
        """
        self._put(lambda: runs_of(results, directory))

    def log_summary(
        self, title: str, results: Sequence[Result], files: Mapping[str, Path], params: Mapping[str, Any] | None = None
    ) -> None:
        """Write the run that stands for an invocation: scores, tables, figures and the report in ``files``."""
        self._put(lambda: [*standing_runs(title, results), summary_run(title, results, files, params)])

    def close(self, patience: float = math.inf) -> None:
        """Wait until everything is written, but no longer than ``patience`` seconds; Ctrl-C ends the wait as well.

        Where it takes long it is said what is waited for, and where it is given up, as when nothing has been written
        for ten minutes, what is left for :func:`sync`. As long as this process lives the rest is still being written.
        """
        self._jobs.put(None)
        with waiting(self.uri, "groups of cells", lambda: (self._written, self._asked)):
            try:
                given_up = self._await(patience)
            except KeyboardInterrupt:
                given_up = "interrupted"
        if self._thread.is_alive():
            left = self._asked - self._written
            what = f"{left:,} of {counted(self._asked, 'group')} of cells not written to MLflow yet"
            log.warning("%s (%s); `mibench sync` catches up later.", what, given_up)

    def _await(self, patience: float) -> str:
        """Wait for the writer; why that was given up, if it was."""
        end = time.monotonic() + patience
        while (left := end - time.monotonic()) > 0 and self._thread.is_alive():
            before = self._written
            self._thread.join(min(left, _STALLED))
            if left > _STALLED and self._written == before:
                return f"nothing was written in {_STALLED:.0f} s"
        return "the time to wait for it is over"

    def _put(self, job: Callable[[], list[Run]]) -> None:
        self._asked += 1
        self._jobs.put(job)

    def _work(self) -> None:
        try:
            knock(self.uri)
            while (job := self._jobs.get()) is not None:
                for run in job():
                    self._book.write(run)
                self._written += 1
            self._book.drop_doubles()
        except Exception as error:
            log.warning(
                "this run is not written to MLflow any more: %s; `mibench sync` catches up later.", masked(str(error))
            )


def sync(
    results: Sequence[Result],
    uri: str,
    experiment: str = EXPERIMENT,
    artifact_root: Path | None = None,
    directory: Path | None = None,
    title: str = "",
    files: Mapping[str, Path] | None = None,
) -> int:
    """Bring MLflow up to date with the results: write what is missing, replace what is stale or was cut short.

    With a ``title`` the summary run is written too. Returns how many runs were written (0: all was up to date). Files
    that lie outside of ``directory`` are left out, and a warning counts them. Of several at once on this machine, one
    writes and the others wait.

    Raises
    ------
    TrackingError : the MLflow store cannot be used.
    """
    knock(uri)
    book = Book(uri, experiment, artifact_root)
    runs = runs_of(results, directory)
    if title:
        runs += [*standing_runs(title, results), summary_run(title, results, files, directory=directory)]
    if refused := sum(run.refused for run in runs):
        log.warning("%s left out: outside of %s.", counted(refused, "file"), directory or Path())
    written: list[bool] = []
    busy = f"another `mibench sync` writes to {masked(uri)}; waiting for it."
    with (
        _explained(uri),
        waiting(uri, "runs", lambda: (len(written), len(runs))),
        lock(turn(uri), busy),
    ):
        for run in runs:
            written.append(book.write(run))
        book.drop_doubles()
        book.end_unfinished()
    return sum(written)


class Book:
    """A connection to one experiment, opened at the first use."""

    def __init__(self, uri: str, experiment: str, artifact_root: Path | None) -> None:
        self.uri = uri
        self.experiment = experiment
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
        with _explained(self.uri):
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
        with _explained(self.uri):
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
        with _explained(self.uri):
            client = self._open()
            for run in _search(client, self._experiment_id, "attributes.status = 'RUNNING'"):
                if "mibench.key" in run.data.tags:
                    client.set_terminated(run.info.run_id, status="KILLED")

    def page(self) -> str:
        """The dashboard's page of this experiment, relative to its server; its views are those that suit its runs."""
        with _explained(self.uri):
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
            self._experiment_id = _experiment(client, self.experiment, self.artifact_root)
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
        client = MlflowClient(f"sqlite:///{partial}")
        default = client.search_experiments(filter_string=f"name = '{_STRAY}'", max_results=1)
        if default:  # MLflow makes it, and nobody needs it
            client.delete_experiment(default[0].experiment_id)
        client._tracking_client.store.engine.dispose()
        partial.replace(database)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _experiment(client: Any, name: str, artifact_root: Path | None) -> str:
    """The id of the experiment, made or restored where needed."""
    found = client.get_experiment_by_name(name)
    if found is None:
        location = (artifact_root / name).absolute().as_uri() if artifact_root else None
        kind = {"mlflow.experimentKind": "custom_model_development", "mlflow.note.content": DESCRIPTION}
        tags = {**kind, **saved_views()}
        return str(client.create_experiment(name, location, tags))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


@contextlib.contextmanager
def _explained(uri: str) -> Iterator[None]:
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
