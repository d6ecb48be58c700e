"""Files that are written wholly or not at all, whatever happens in between: a full disk, a kill, another reader."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from .errors import UsageError

Put: TypeAlias = Callable[[Path, "bytes | str"], None]

_NUMBERS = itertools.count()


@contextlib.contextmanager
def together() -> Iterator[Put]:
    """Files that appear, each with its whole content, when the block ends; none of them where it raises.

    >>> with together() as put:
    ...     put(folder / "table.csv", text)
    ...     put(folder / "page.html", page)

    Raises
    ------
    OSError : a file cannot be written, as on a full disk. What was there before stays.
    """
    staged: list[tuple[Path, Path]] = []

    def put(path: Path, content: bytes | str) -> None:
        content = content.encode(errors="replace") if isinstance(content, str) else content
        target, partial = _places(path)
        if partial is None:
            target.write_bytes(content)
            return
        staged.append((partial, target))
        partial.write_bytes(content)

    try:
        yield put
        while staged:
            os.replace(*staged[0])
            staged.pop(0)
    finally:
        for partial, _ in staged:
            with contextlib.suppress(OSError):
                partial.unlink()


def put(path: Path, content: bytes | str) -> None:
    """One file.

    Raises
    ------
    OSError : it cannot be written. What was there before stays.
    """
    with together() as write:
        write(path, content)


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """What the system refuses within the block is one sentence: ``what``, which cannot be done, and why.

    Raises
    ------
    UsageError : the block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        raise UsageError(f"{what}: {error.strerror or error}.") from error


def require_writable(path: Path) -> None:
    """See whether a file can be written, before much is computed for it; what is there stays as it is.

    Raises
    ------
    OSError : it cannot.
    """
    _, partial = _places(path)
    if partial is not None:
        partial.write_bytes(b"")
        partial.unlink()


def require_folder(folder: Path) -> None:
    """See whether files can be written to a folder; where there is none, none stays.

    Raises
    ------
    OSError : they cannot.
    """
    made: list[Path] = []
    try:
        for path in (*reversed(folder.parents), folder):
            if not os.path.isdir(path):
                path.mkdir()
                made.append(path)
        require_writable(folder / ".mibench-writes")
    finally:
        for path in reversed(made):
            path.rmdir()


def locked(descriptor: int) -> bool:
    """Whether this process has got the lock of an open file or folder; it is held until that is closed.

    A folder on a file system that locks none, as NFS, is as good as locked: who needs more locks a file in it as well.

    Raises
    ------
    OSError : a file cannot be locked.
    """
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise
    return True


def _places(path: Path) -> tuple[Path, Path | None]:
    """Where a file is written to in the end, and where at first; a device or a pipe takes it at once.

    Raises
    ------
    OSError : there is a folder, or a file that may not be changed.
    """
    target = Path(os.path.realpath(path))  # where it is a link, what it links to is written
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    else:
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if stat.S_ISREG(mode) and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "the file is read-only", str(path))
    # a number of its own, since long names may differ only in what is cut off
    partial = target.with_name(f".{target.name[:100]}.{os.getpid()}-{next(_NUMBERS)}.part")
    return target, partial if stat.S_ISREG(mode) else None
