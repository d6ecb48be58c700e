"""Compressed files: what is in them, read no further than there is memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from mibench.errors import UsageError

from .room import require_room

_CHUNK = 1 << 24
_OPENED: Mapping[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}


def unpacked(raw: bytes, where: str) -> bytes:
    """The content of a gzip, bzip2 or xz file, and any other file as it is.

    Raises
    ------
    UsageError : it is damaged, or there is no room for it.
    """
    opened = next((opened for magic, opened in _OPENED.items() if raw.startswith(magic)), None)
    if opened is None:
        return raw
    found = bytearray()
    try:
        with opened(io.BytesIO(raw)) as stream:
            while chunk := stream.read(_CHUNK):
                found += chunk
                require_room(len(found), where)  # as much again, to make numbers of it
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        raise UsageError(f"cannot read {where}: it is compressed, and damaged or cut off.") from None
    return bytes(found)
