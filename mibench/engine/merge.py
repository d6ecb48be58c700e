"""Folders of results put together in a new one, which follows from what is in them and not from their order.

* A cell that several folders answered alike is taken once, and so it does no harm to merge a folder twice.
* An answer stands before a failure, which may be the machine's. Two answers that differ are a conflict.
* The new folder is there as a whole or not at all, and whatever is in the way stays as it is.
"""

from __future__ import annotations

import contextlib
import filecmp
import itertools
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mibench.errors import UsageError
from mibench.files import explained, locked
from mibench.result import Result, Status
from mibench.words import counted, printable

from .reading import FILE, Records, files_at
from .records import decode

_LINES, _IMAGES = "lines", "images"

KEEP = ("first", "last")
"""Whose answer may count where two differ: that of the folder named first or last."""

_ANSWERS = (Status.OK, Status.NONFINITE, Status.UNSUPPORTED)


@dataclass(frozen=True, slots=True)
class _Record:
    """Where the line of a result is, and what must be alike in others of the same cell."""

    folder: int
    offset: int
    length: int
    answer: int | None  # None for a failure
    pictures: bool


def merge_folders(directories: Sequence[str | Path], out: str | Path, keep: str | None = None) -> int:
    """Write the records and pictures of several folders to a new one; the number of its cells.

    keep : ``first`` or ``last``, the folder whose answer counts where two differ. None: that is an error.

    Raises
    ------
    UsageError : two different answers of one cell, folders of different versions, records of a later version, or a
        folder that cannot be read, or cannot be written because there is something else in it.
    """
    target, folders = Path(out), [Path(directory) for directory in directories]
    if not folders:
        raise UsageError("name at least one folder of results.")
    if keep not in (None, *KEEP):
        raise UsageError(f"keep is {' or '.join(KEEP)}, not '{keep}'.")
    if any(_same(folder, target) for folder in folders):
        raise UsageError(f"'{target}' is one of the folders to merge: name a new one with --out.")
    for folder in folders:
        files_at(folder)
    with explained(f"cannot write '{target}'"):
        _refuse_other(target)
        with _beside(target) as made:
            with (made / _LINES).open("w+b") as lines:
                cells = _Merger(folders, lines, keep).write(made)
            (made / _LINES).unlink()
            if target.is_dir() and any(target.iterdir()):
                if not _holds(target, made):
                    raise UsageError(f"'{target}' is not empty: name a new folder with --out.")
            else:
                made.replace(target)
                _sync(target.parent)
    return cells


class _Merger:
    """All lines of some folders in a file, and which of them are the record of a cell, by id."""

    def __init__(self, folders: Sequence[Path], lines: IO[bytes], keep: str | None) -> None:
        self._folders, self._lines, self._keep, self._end = folders, lines, keep, 0
        self._chosen: dict[str, _Record] = {}
        self._conflicts: list[tuple[_Record, _Record]] = []
        asked: dict[int, tuple[int, str]] = {}
        versions: dict[int, frozenset[str]] = {}
        for number in range(len(folders)):
            own, versions[number] = self._read(number)
            for question, (id, record) in own.items():
                before, known = asked.setdefault(question, (number, id))
                if known != id:
                    raise UsageError(self._of_two_versions(before, record))
                self._choose(id, record)
        self._refuse_two_versions({number: own for number, own in versions.items() if own})
        if self._conflicts:
            raise UsageError(self._of_two_answers())

    def write(self, directory: Path) -> int:
        """Write the chosen lines, in the order of their ids, and the pictures that they name."""
        with (directory / FILE).open("wb") as file:
            for _, record in sorted(self._chosen.items()):
                line = self._line(record)
                file.write(line)
                if record.pictures:
                    _copy_pictures(decode(line), self._folders[record.folder], directory)
            file.flush()
            os.fsync(file.fileno())
        for folder in (directory / _IMAGES, directory):
            if folder.is_dir():
                _sync(folder)
        return len(self._chosen)

    def _read(self, number: int) -> tuple[dict[int, tuple[str, _Record]], frozenset[str]]:
        """The last record of everything that was asked in a folder, and the versions that answered."""
        own: dict[int, tuple[str, _Record]] = {}
        versions = set()
        for file in files_at(self._folders[number]):
            records = Records(file)
            for result, line in records:
                line = line.removesuffix(b"\n") + b"\n"
                self._lines.write(line)
                cell = result.cell
                record = _Record(number, self._end, len(line), _answer(result), bool(result.images))
                own[hash((cell.estimator, cell.task, cell.n, cell.seed))] = cell.id, record
                self._end += len(line)
                versions.add(str(result.provenance.get("mibench", "")))
            records.refuse_later()
            records.tell()
        return own, frozenset(versions - {""})

    def _choose(self, id: str, record: _Record) -> None:
        earlier = self._chosen.setdefault(id, record)
        if earlier is record:
            return
        if record.answer == earlier.answer:
            self._chosen[id] = min(earlier, record, key=self._line)  # whichever, but the same in any order
        elif earlier.answer is None:
            self._chosen[id] = record
        elif record.answer is not None and self._keep is None:
            self._conflicts.append((earlier, record))
        elif record.answer is not None and self._keep == "last":
            self._chosen[id] = record

    def _line(self, record: _Record) -> bytes:
        self._lines.seek(record.offset)
        line = self._lines.read(record.length)
        self._lines.seek(self._end)
        return line

    def _of_two_versions(self, folder: int, record: _Record) -> str:
        where = _question(decode(self._line(record)))
        one, other = self._folders[folder], self._folders[record.folder]
        return f"'{one}' and '{other}' hold different versions, or other parameters, of {where}: run one of them again."

    def _refuse_two_versions(self, versions: Mapping[int, frozenset[str]]) -> None:
        for (one, old), (other, new) in itertools.pairwise(versions.items()):
            if old != new:
                raise UsageError(
                    f"'{self._folders[one]}' was made by mibench {', '.join(sorted(old))} and "
                    f"'{self._folders[other]}' by {', '.join(sorted(new))}: run both with one version."
                )

    def _of_two_answers(self) -> str:
        one, other = self._conflicts[0]
        where = _question(decode(self._line(one)))
        rest = len(self._conflicts) - 1
        more = f" (and {counted(rest, 'more cell')})" if rest else ""
        names = f"'{self._folders[one.folder]}' and '{self._folders[other.folder]}'"
        return f"{names} have different answers to {where}{more}: say which of them counts, with --keep first or last."


def _answer(result: Result) -> int | None:
    if result.status not in _ANSWERS:
        return None
    return hash(repr((str(result.status), result.mi, result.stderr, sorted(result.metrics.items()))))


def _question(result: Result) -> str:
    cell = result.cell
    size = f"n = {cell.n:,}, " if cell.n else ""
    return printable(f"{cell.estimator} on {cell.task}, {size}seed {cell.seed}")


def _copy_pictures(result: Result, source: Path, directory: Path) -> None:
    """Those that lie in the folder of pictures; a record that names another file of this machine does not get it."""
    for name in result.images.values():
        file, images = source / name, Path(os.path.realpath(source / _IMAGES))
        with contextlib.suppress(ValueError):  # a name with a null in it
            if Path(os.path.realpath(file)).parent == images and file.is_file():
                (directory / _IMAGES).mkdir(exist_ok=True)
                shutil.copyfile(file, directory / _IMAGES / file.name)


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A hidden folder beside the target, for one process at a time; what a kill left there is removed."""
    parent = target.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    made = parent / f".{target.absolute().name}.merging"
    made.mkdir(exist_ok=True)
    held = os.open(made, os.O_RDONLY)
    try:
        if not locked(held):
            raise UsageError(f"another merge is writing to '{target}'; wait for it, or choose another folder.")
        try:
            for left in made.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)
    finally:
        os.close(held)


def _holds(target: Path, made: Path) -> bool:
    """Whether all that was made is there already."""
    files = [file.relative_to(made) for file in made.rglob("*") if file.is_file()]
    return all((target / file).is_file() and filecmp.cmp(target / file, made / file, shallow=False) for file in files)


def _refuse_other(target: Path) -> None:
    """Refuse what is in the way before anything is read; a folder of results may hold just what is about to be made."""
    if os.path.lexists(target) and not target.is_dir():
        raise UsageError(f"'{target}' is no folder: name a new one with --out.")
    if target.is_dir() and any(target.iterdir()) and not (target / FILE).is_file():
        raise UsageError(f"'{target}' is not empty: name a new folder with --out.")


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # the folder is there: some file systems write it when they like
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
