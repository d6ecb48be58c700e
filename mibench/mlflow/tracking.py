"""Results written to MLflow: in the background while a run goes on, or by :func:`sync` when it is done."""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mibench.masking import masked
from mibench.result import Result
from mibench.words import counted

from .access import TrackingError as TrackingError
from .access import knock, lock, turn, waiting
from .book import Book, explained
from .runs import Run, runs_of
from .standings import standing_runs, summary_run

log = logging.getLogger(__name__)

_STALLED = 600.0  # seconds in which nothing is written, after which nothing more is expected


class Tracker:
    """Writes results to MLflow in the background; nothing here ever stops or slows a benchmark.

    Calls return at once. Whether a server is there is tried at the start. At the first failure one warning is logged
    and everything later is dropped: the results are in the store, and :func:`sync` catches up.

    Parameters
    ----------
    uri : an MLflow tracking URI such as ``sqlite:////path/mlflow.db``, ``postgresql://...`` or ``http://...``.
    artifact_root : as of :class:`Book`.
    """

    def __init__(self, uri: str, artifact_root: Path | None = None) -> None:
        self.uri = uri
        self._book = Book(uri, artifact_root)
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
    book = Book(uri, artifact_root)
    runs = runs_of(results, directory)
    if title:
        runs += [*standing_runs(title, results), summary_run(title, results, files, directory=directory)]
    if refused := sum(run.refused for run in runs):
        log.warning("%s left out: outside of %s.", counted(refused, "file"), directory or Path())
    written: list[bool] = []
    busy = f"another `mibench sync` writes to {masked(uri)}; waiting for it."
    with (
        explained(uri),
        waiting(uri, "runs", lambda: (len(written), len(runs))),
        lock(turn(uri), busy),
    ):
        for run in runs:
            written.append(book.write(run))
        book.drop_doubles()
        book.end_unfinished()
    return sum(written)
