"""Results on disk: one JSON line per finished cell, appended and synced, readable while a run is writing.

The contract:

* A record that :meth:`Store.append` has returned from survives a kill of the process at any later moment.
* One process writes at a time (a lock says so); any number may read.
* A last line that is torn, as by a kill in the middle of a write, the next writer marks. It starts on a fresh line, so
  that the torn one spoils no neighbour, and runs its cell again; nothing is said of it any more.
* A record carries a checksum, by which :mod:`.reading` sees whether it has changed.
* A folder with records of a later version is refused.
* Where somebody moves, deletes or cuts the file short meanwhile, the next record is written as far as it can be, and
  then it is an error: the run ends, and the same command runs again what is missing.
* Nothing is ever rewritten in place.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from mibench.errors import UsageError
from mibench.files import explained, locked
from mibench.result import Cell, Result

from .reading import FILE, LONGEST, read_ends, read_results
from .records import End, encode, end_of_torn

_IMAGES = "images"


class Store:
    """The writer's side of a directory of results; use it as a context manager.

    Raises
    ------
    UsageError : the directory cannot be written, or another run is writing to it.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._open: list[int] = []
        try:
            with self._explained():
                self.directory.mkdir(parents=True, exist_ok=True)
                # the folder is locked as well: its file may be moved away or deleted while a run goes on
                self._lock(os.open(self.directory, os.O_RDONLY))
                self._file = os.open(self.directory / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
                self._lock(self._file)
                if not stat.S_ISREG(os.fstat(self._file).st_mode):  # a pipe that nobody reads would block for ever
                    raise OSError(f"{FILE} in it is no regular file")
                self._end_torn_line()
                self._end = os.fstat(self._file).st_size
        except UsageError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, *results: Result) -> None:
        """Add records; when this returns they are on disk.

        Raises
        ------
        UsageError : the disk is full or gone, or somebody has changed the file. What was written before stays.
        """
        self.write([encode(result) for result in results])

    def write(self, lines: Iterable[bytes]) -> None:
        """Add the lines of records; when this returns they are on disk.

        Raises
        ------
        UsageError : the disk is full or gone, or somebody has changed the file. What was written before stays.
        """
        with self._explained():
            data = b"".join(lines)
            self._end_torn_line()  # somebody else may have cut or written to it
            _write_all(self._file, data)
            os.fsync(self._file)
            self._end += len(data)
            self._require_whole()

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
        """What is in the directory now.

        Raises
        ------
        UsageError : there are records of a later version, whose cells would be run again; or not all that was written
            is there any more.
        """
        with self._explained():
            self._require_whole()
        return read_results(self.directory, later=False)

    def ends(self) -> dict[str, End]:
        """How the cells that are in the directory now ended, by their ids.

        Raises
        ------
        UsageError : there are records of a later version, whose cells would be run again.
        """
        return read_ends(self.directory, later=False)

    def close(self) -> None:
        """Release the directory to other writers."""
        while self._open:
            os.close(self._open.pop())

    def _explained(self) -> AbstractContextManager[None]:
        return explained(f"cannot write results to '{self.directory}'")

    def _require_whole(self) -> None:
        """See whether what was written can be found where it is looked for.

        Raises
        ------
        OSError : it cannot.
        """
        try:
            found = os.stat(self.directory / FILE)
        except FileNotFoundError:
            found = None
        if found is None or not os.path.samestat(found, os.fstat(self._file)):
            raise OSError("its file was moved or deleted while the run went on")
        if found.st_size < self._end:
            what = "its file was cut short while the run went on"
            raise OSError(f"{what}; the same command runs again what is missing")

    def _lock(self, descriptor: int) -> None:
        """Hold it until it is closed or this process ends."""
        self._open.append(descriptor)
        if not locked(descriptor):
            raise UsageError(
                f"another run is writing to '{self.directory}'; wait for it, or choose another folder with --out."
            )

    def _end_torn_line(self) -> None:
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            end = os.pread(self._file, LONGEST, max(0, size - LONGEST))
            _write_all(self._file, end_of_torn(end[end.rfind(b"\n") + 1 :]))


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
