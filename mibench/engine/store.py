"""Results on disk: one JSON line per finished cell, appended and synced, readable while a run is writing.

The contract:

* A record that :meth:`Store.append` has returned from survives a kill of the process at any later moment.
* One process writes at a time (a lock says so); any number may read.
* A reader skips a torn line, which only a kill in the middle of a write leaves, and of several records of one cell
  keeps the last. The next writer starts on a fresh line, so a torn line never spoils its neighbour.
* Nothing is ever rewritten in place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

from mibench.errors import UsageError
from mibench.result import Cell, Result

if TYPE_CHECKING:
    import pandas as pd

    from mibench.report.leaderboard import Leaderboard

FILE = "results.jsonl"
_IMAGES = "images"
_LOCK = ".lock"


class Results(Sequence[Result]):
    """Finished cells, in the order in which they finished; ``directory`` is where their pictures lie."""

    def __init__(self, results: Iterable[Result], directory: Path | None = None) -> None:
        self._results = tuple(results)
        self.directory = directory

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> Results: ...
    def __getitem__(self, index: int | slice) -> Result | Results:
        if isinstance(index, slice):
            return Results(self._results[index], self.directory)
        return self._results[index]

    def __len__(self) -> int:
        return len(self._results)

    def __iter__(self) -> Iterator[Result]:
        return iter(self._results)

    def __repr__(self) -> str:
        return f"Results({len(self)} cells{f' in {self.directory}' if self.directory else ''})"

    @property
    def df(self) -> pd.DataFrame:
        """One row per cell; times in seconds, information in nats. Metrics of downstream tasks are columns."""
        import pandas as pd

        return pd.DataFrame([_row(result) for result in self._results])

    def leaderboard(self) -> Leaderboard:
        """The tables made of these results."""
        from mibench.report.leaderboard import Leaderboard

        return Leaderboard.from_results(self._results)

    def report(self, directory: str | Path, title: str = "mibench leaderboard", unit: str = "nats") -> dict[str, Path]:
        """Write Markdown, CSV, JSON, figures and the HTML page; see :func:`mibench.report.write_report`."""
        from mibench.report import write_report

        return write_report(self, Path(directory), title, unit)


def _row(result: Result) -> dict[str, Any]:
    cell = result.cell
    return {
        "estimator": cell.estimator,
        "task": cell.task,
        "n": cell.n,
        "seed": cell.seed,
        "status": str(result.status),
        "mi": result.mi,
        "stderr": result.stderr,
        "truth": result.truth,
        "error": result.error,
        "family": result.family,
        "kind": str(result.kind),
        "quantity": str(result.quantity),
        "role": str(result.role),
        "dim_x": result.dim_x,
        "dim_y": result.dim_y,
        "wall_s": result.wall_s,
        "cpu_s": result.cpu_s,
        "batch_size": result.batch_size,
        "message": result.message,
        "group": result.group,
        "arm": result.arm,
        "id": cell.id,
        **result.metrics,
    }


def load_results(*paths: str | Path) -> Results:
    """Read the results of one or several runs: directories, or ``results.jsonl`` files.

    Of several records of one cell the last one counts, in the order of the paths.

    Raises
    ------
    UsageError : there are no results at a path.
    """
    latest: dict[str, Result] = {}
    for path in map(Path, paths):
        file = path / FILE if path.is_dir() else path
        if not file.is_file():
            raise UsageError(f"there are no results at '{path}': no file {file} (`mibench run` writes it).")
        for result in _read(file):
            latest.pop(result.cell.id, None)  # so that a rerun cell comes at the place of its last record
            latest[result.cell.id] = result
    if not paths:
        raise UsageError("name at least one directory of results.")
    first = Path(paths[0])
    return Results(latest.values(), first if first.is_dir() else first.parent)


def _read(file: Path) -> Iterator[Result]:
    with file.open("rb") as lines:
        for line in lines:
            try:
                yield Result.from_json(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue  # torn by a kill


class Store:
    """The writer's side of a directory of results; use it as a context manager.

    Raises
    ------
    UsageError : the directory cannot be written, or another run is writing to it.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._file = self._lock = -1
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.directory / _LOCK)
            self._file = os.open(self.directory / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self._end_torn_line()
        except OSError as error:
            self.close()
            raise UsageError(f"cannot write results to '{directory}': {error.strerror or error}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, result: Result) -> None:
        """Add one record; when this returns it is on disk.

        Raises
        ------
        UsageError : the disk is full or gone. What was written before stays.
        """
        line = json.dumps(result.to_json(), separators=(",", ":"), allow_nan=False).encode() + b"\n"
        try:
            _write_all(self._file, line)
            os.fsync(self._file)
        except OSError as error:
            raise UsageError(f"cannot write results to '{self.directory}': {error.strerror or error}.") from error

    def save_images(self, cell: Cell, images: Mapping[str, bytes]) -> dict[str, str]:
        """Write the pictures of a cell; their file names relative to the directory, by name."""
        if images:
            (self.directory / _IMAGES).mkdir(exist_ok=True)
        files = {}
        for name, png in images.items():
            safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)
            files[name] = f"{_IMAGES}/{cell.id}-{safe}.png"
            temporary = self.directory / f"{files[name]}.tmp"
            temporary.write_bytes(png)
            temporary.replace(self.directory / files[name])
        return files

    def results(self) -> Results:
        """What is in the directory now."""
        return load_results(self.directory)

    def close(self) -> None:
        """Release the directory to other writers."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    def _end_torn_line(self) -> None:
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            _write_all(self._file, b"\n")


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _locked(path: Path) -> int:
    """An open descriptor that holds the lock until it is closed or its process ends."""
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UsageError(
            f"another run is writing to '{path.parent}'; wait for it, or choose another folder with --out."
        ) from None
    return descriptor
