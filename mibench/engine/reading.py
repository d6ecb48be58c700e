"""Results read from disk, while a run is writing them too: the lines of a file, and what is said of those unread.

* Of several records of one cell a reader keeps the last. A last line that is torn, as by a kill in the middle of a
  write, it leaves out with a warning, until the next writer has marked it.
* What has changed since it was written, as its checksum shows, is left out, and a warning names the lines.
* Records of a later version are left out with a warning.
* What is finished may be compressed: ``results.jsonl.gz`` is read before ``results.jsonl``, to which a run adds.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import gzip
import logging
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from mibench.errors import UsageError
from mibench.result import Result
from mibench.words import counted

from .layout import Reader
from .records import Damaged, End, Later, Torn

log = logging.getLogger(__name__)

T = TypeVar("T")

FILE = "results.jsonl"
COMPRESSED = f"{FILE}.gz"
LONGEST = 64 << 20
"""Bytes of a line; a record has a few millions at most."""

_ENDLESS = 256 << 20
_HOPELESS = 100_000  # damaged lines
_LISTED = 10  # line numbers in a sentence
_PACKED = b"\x1f\x8b\x08"  # gzip and its only method: two bytes alone may be damage to a file of lines


def read_results(*paths: str | Path, later: bool = True) -> list[Result]:
    """The finished cells in directories of results or ``results.jsonl`` files, in the order in which they finished.

    Of several records of one cell the last one counts, in the order of the paths. Lines that cannot be read are left
    out with a warning that counts and names them. Files may be compressed with gzip.

    later : whether there may be records of a later version.

    Raises
    ------
    UsageError : there are no results at a path, or records of a later version where there may be none.
    """
    latest: dict[str, Result] = {}
    for records in _records(paths, later):
        with _many_objects():
            for result, _ in records:
                latest.pop(result.cell.id, None)  # the last one, at its own place
                latest[result.cell.id] = result
    if not paths:
        raise UsageError("name at least one directory of results.")
    return list(latest.values())


def read_ends(directory: str | Path, later: bool = True) -> dict[str, End]:
    """How the finished cells of a folder ended, by their ids.

    later : whether there may be records of a later version.

    Raises
    ------
    UsageError : there are no results in it, or records of a later version where there may be none.
    """
    latest: dict[str, End] = {}
    for records in _records([directory], later):
        latest.update(records.ends())
    return latest


def _records(paths: Iterable[str | Path], later: bool) -> Iterator[Records]:
    """The records of each file; of what cannot be read is told when they have been gone through."""
    for path in paths:
        for file in files_at(Path(path)):
            yield (records := Records(file))
            if not later:
                records.refuse_later()
            records.tell()


def files_at(path: Path) -> list[Path]:
    """The files of results of a folder, those that are compressed first; or the file itself.

    Raises
    ------
    UsageError : there is none.
    """
    files = [path / COMPRESSED, path / FILE] if os.path.isdir(path) else [path]
    found = list(filter(_is_file, files))
    if not found:
        raise UsageError(f"there are no results at '{path}': no file {files[-1]} (`mibench run` writes it).")
    return found


def has_results(directory: Path) -> bool:
    """Whether there is a file of results in a folder.

    Raises
    ------
    UsageError : nobody may look.
    """
    return any(_is_file(directory / name) for name in (FILE, COMPRESSED))


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except PermissionError as error:
        raise UsageError(f"cannot read '{path}': {error.strerror}.") from None
    except (OSError, ValueError):  # a loop of links, or too long a name
        return False


@contextlib.contextmanager
def opened(file: Path) -> Iterator[Iterable[bytes]]:
    """The lines of a file of results, which may be compressed.

    Raises
    ------
    UsageError : it cannot be read; where it is cut short, after its whole lines.
    """
    try:
        with file.open("rb") as raw:
            packed = raw.peek(len(_PACKED))[: len(_PACKED)] == _PACKED
            yield _lines_of(gzip.GzipFile(fileobj=raw) if packed else raw, file)
    except (EOFError, zlib.error) as error:
        raise UsageError(f"cannot read '{file}': it is cut short or damaged, so unpack what is left of it.") from error
    except OSError as error:
        raise UsageError(f"cannot read '{file}': {error.strerror or error}.") from error


def _lines_of(file: gzip.GzipFile | BufferedReader, path: Path) -> Iterator[bytes]:
    """The lines; of one that is longer than a record can be, only the beginning."""
    number = 0
    while line := file.readline(LONGEST):
        number += 1
        size = len(line)
        while size % LONGEST == 0 and not line.endswith(b"\n") and (more := file.readline(LONGEST)):
            size += len(more)
            if size > _ENDLESS:
                raise UsageError(f"cannot read '{path}': its line {number} has no end.")
            if more.endswith(b"\n"):
                break
        yield line


@contextlib.contextmanager
def _many_objects() -> Iterator[None]:
    """A million results are made that all stay: looking for garbage among them again and again finds none."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@dataclass
class Records:
    """The records of a file; when they have been gone through, the lines that cannot be read are known by number."""

    file: Path
    damaged: list[int] = field(default_factory=list)
    later: list[int] = field(default_factory=list)
    torn: int = 0  # the number of a last line that nobody has marked as torn
    left_out: int = 0  # a checksum of these lines

    def __iter__(self) -> Iterator[tuple[Result, bytes]]:
        """Results, each with its line.

        Raises
        ------
        UsageError : the file cannot be read.
        """
        return self._each(Reader().decode)

    def ends(self) -> Iterator[tuple[str, End]]:
        """The ids of cells and how these ended, for a part of the time and the memory that results need.

        Raises
        ------
        UsageError : the file cannot be read.
        """
        return ((id, end) for (id, end), _ in self._each(Reader().end))

    def _each(self, read: Callable[[bytes], T]) -> Iterator[tuple[T, bytes]]:
        with opened(self.file) as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield read(line), line
                except Damaged:
                    self.damaged.append(number)
                    if len(self.damaged) > _HOPELESS:
                        raise UsageError(
                            f"cannot read '{self.file}': {counted(_HOPELESS, 'line')} of it are damaged, and more."
                        ) from None
                    self.left_out = zlib.crc32(line, self.left_out)
                except Later:
                    self.later.append(number)
                    self.left_out = zlib.crc32(line, self.left_out)
                except Torn:
                    if not line.endswith(b"\n"):
                        self.torn = number
                        self.left_out = zlib.crc32(line, self.left_out)

    def tell(self) -> None:
        """Warn of what was left out."""
        if self.damaged:
            what = counted(len(self.damaged), "damaged line")
            _warn(f"{self.file}: {what} left out ({_lines(self.damaged)}).", self.left_out)
        if self.later:
            what = counted(len(self.later), "record")
            _warn(f"{self.file}: {what} of another version of mibench left out ({_lines(self.later)}).", self.left_out)
        if self.torn:
            _warn(f"{self.file}: the last line is cut off and left out ({_lines([self.torn])}).", self.left_out)

    def refuse_later(self) -> None:
        """Refuse to go on from a file of which not everything can be read.

        Raises
        ------
        UsageError : there are records of a later version.
        """
        if self.later:
            raise UsageError(
                f"'{self.file.parent}' holds {counted(len(self.later), 'record')} of another version of mibench "
                f"({_lines(self.later)}), which this one cannot read: use that version, or another folder with --out."
            )


@functools.cache
def _warn(text: str, _: int) -> None:
    """Once for the same lines: a run reads its file at the start, for the tracker and for the report."""
    log.warning("%s", text)


def _lines(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_LISTED])) + (", …" if len(numbers) > _LISTED else "")
    return f"line{'s' if len(numbers) > 1 else ''} {shown}"
