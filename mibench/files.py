"""Files that are written wholly or not at all, whatever happens in between: a full disk, a kill, another reader."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

Put: TypeAlias = Callable[[Path, "bytes | str"], None]


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
        target = Path(os.path.realpath(path))  # where it is a link, what it links to is written
        if target.exists() and not target.is_file():  # a device or a pipe; a folder is refused by it
            target.write_bytes(content)
            return
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(0, "the file is read-only", str(path))
        partial = target.with_name(f".{target.name[:100]}.{os.getpid()}.part")
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
