"""Whether what is to be read fits into the memory that this machine has left; asked before the system must decide."""

from __future__ import annotations

from mibench.errors import UsageError

_COPIES = 3  # of the numbers, from the file's own to those without missing values
_NUMBER = 8  # bytes


def require_room(size: int, where: str) -> None:
    """Refuse what needs more bytes than there are.

    Raises
    ------
    UsageError : there is no room for it.
    """
    import psutil

    free = psutil.virtual_memory().available
    if size > free:
        needed, left = size / 2**30, free / 2**30
        raise UsageError(f"cannot read {where}: that takes {needed:,.1f} GiB of memory, and {left:,.1f} are left.")


def require_room_for(rows: int, columns: int, where: str) -> None:
    """The same for a table of numbers."""
    require_room(_COPIES * _NUMBER * rows * columns, where)
