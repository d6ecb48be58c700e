"""Results on disk: one JSON line per finished cell, appended and synced, readable while a run is writing.

The contract:

* A record that :meth:`Store.append` has returned from survives a kill of the process at any later moment.
* One process writes at a time (a lock says so); any number may read.
* A reader skips a torn line, which only a kill in the middle of a write leaves, and of several records of one cell
  keeps the last. The next writer starts on a fresh line, so a torn line never spoils its neighbour.
* A record carries a checksum. What has changed since it was written is left out, and a warning says so.
* Nothing is ever rewritten in place.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from mibench.errors import UsageError
from mibench.result import SCHEMA, Cell, Result

log = logging.getLogger(__name__)

FILE = "results.jsonl"
_IMAGES = "images"
_CHECKSUM = re.compile(rb',"checksum":"([0-9a-f]{8})"}\s*$')


def read_results(*paths: str | Path) -> list[Result]:
    """The finished cells in directories of results or ``results.jsonl`` files, in the order in which they finished.

    Of several records of one cell the last one counts, in the order of the paths.

    Raises
    ------
    UsageError : there are no results at a path, or a later version of mibench wrote them.
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
    return list(latest.values())


def _read(file: Path) -> Iterator[Result]:
    damaged: list[int] = []
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(_checked(line))
                later = record.get("schema", 1) > SCHEMA
                result = None if later else Result.from_json(record)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                if line.rstrip().endswith(b"}"):  # otherwise it is torn by a kill
                    damaged.append(number)
                continue
            if result is None:
                raise UsageError(f"{file} was written by a later version of mibench, which is needed to read it.")
            yield result
    if damaged:
        log.warning("%s: %d damaged lines are left out, the first is line %d.", file, len(damaged), damaged[0])


def _checked(line: bytes) -> bytes:
    """A line as it was written. Those of earlier versions have no checksum.

    Raises
    ------
    ValueError : it is not what was written.
    """
    found = _CHECKSUM.search(line)
    if found and zlib.crc32(line[: found.start()]) != int(found[1], 16):
        raise ValueError("checksum")
    return line


class Store:
    """The writer's side of a directory of results; use it as a context manager.

    Raises
    ------
    UsageError : the directory cannot be written, or another run is writing to it.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._file = -1
        try:
            with self._explained():
                self.directory.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self.directory / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
                self._lock()
                self._end_torn_line()
        except UsageError:
            self.close()
            raise

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
        record = json.dumps(result.to_json(), separators=(",", ":"), allow_nan=False).encode().removesuffix(b"}")
        line = record + b',"checksum":"%08x"}\n' % zlib.crc32(record)
        with self._explained():
            _write_all(self._file, line)
            os.fsync(self._file)
            if not os.fstat(self._file).st_nlink:
                raise OSError("its file was deleted while the run went on")

    def save_images(self, cell: Cell, images: Mapping[str, bytes]) -> dict[str, str]:
        """Write the pictures of a cell; their file names relative to the directory, by name.

        Raises
        ------
        UsageError : the disk is full or gone.
        """
        files = {}
        with self._explained():
            if images:
                (self.directory / _IMAGES).mkdir(exist_ok=True)
            for name, png in images.items():
                safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:80]
                files[name] = f"{_IMAGES}/{cell.id}-{safe}.png"
                temporary = self.directory / f"{files[name]}.tmp"
                temporary.write_bytes(png)
                temporary.replace(self.directory / files[name])
        return files

    def results(self) -> list[Result]:
        """What is in the directory now."""
        return read_results(self.directory)

    def close(self) -> None:
        """Release the directory to other writers."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(f"cannot write results to '{self.directory}': {error.strerror or error}.") from error

    def _lock(self) -> None:
        """Hold the file until it is closed or this process ends."""
        import fcntl

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"another run is writing to '{self.directory}'; wait for it, or choose another folder with --out."
            ) from None

    def _end_torn_line(self) -> None:
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            _write_all(self._file, b"\n")


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
