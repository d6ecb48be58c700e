"""The formats in which sets of images are published: idx for the MNISTs, pickled batches for CIFAR-10."""

from __future__ import annotations

import gzip
import io
import math
import pickle
import struct
import zlib
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .errors import DataError
from .files import put

Bytes: TypeAlias = npt.NDArray[np.uint8]
Labels: TypeAlias = npt.NDArray[np.int64]

_MOST_BYTES, _MOST_AXES = 2**28, 8  # six times the largest file that is published, twice its axes


def read_idx(path: Path) -> Bytes:
    """An idx file of unsigned bytes, plain or gzipped, as an array of its own shape.

    Its head is two zero bytes, the type (8: unsigned byte), the number of axes, and the lengths as big-endian int32.

    Raises
    ------
    DataError : another format, or fewer or more bytes than the head announces.
    """
    content = _content(path)
    if len(content) < 4 or content[:3] != b"\0\0\x08" or not 0 < content[3] <= _MOST_AXES:
        raise DataError(f"{path} is not an idx file of unsigned bytes.")
    axes = content[3]
    head = 4 + 4 * axes
    shape = struct.unpack(f">{axes}i", content[4:head]) if len(content) >= head else ()
    if not shape or len(content) != head + math.prod(shape) or min(shape) < 1:
        raise DataError(f"{path} is damaged: it ends before or after its {axes} axes are full; fetch it again.")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape).copy()


def _content(path: Path) -> bytes:
    """All of a file, unpacked, of at most so many bytes as no published one has.

    Raises
    ------
    DataError : it cannot be read, or is larger.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {error}.") from None
    if len(content) > _MOST_BYTES:
        raise DataError(f"{path} holds more than {_MOST_BYTES / 2**20:.0f} MiB, which no file of these data sets does.")
    return content


def write_idx(path: Path, array: Bytes) -> None:
    """The inverse of :func:`read_idx`; gzipped where the name ends in ``.gz``."""
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape)
    content = head + np.ascontiguousarray(array, np.uint8).tobytes()
    put(path, gzip.compress(content) if path.suffix == ".gz" else content)


def read_cifar_batch(path: Path) -> tuple[Bytes, Labels]:
    """A pickled batch of CIFAR-10: images (N, 3, 32, 32) and labels (N,).

    Nothing but plain values and arrays of bytes is unpickled, so that a forged file cannot run code.

    Raises
    ------
    DataError : the file is damaged or holds anything else.
    """
    content = _content(path)
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
        labels = np.array(batch[b"labels"])
        if labels.dtype.kind != "i":
            raise TypeError("labels are whole numbers")
        return batch[b"data"].bytes().reshape(-1, 3, 32, 32), labels.astype(np.int64)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception:  # what a damaged pickle raises is not to be foreseen
        raise DataError(f"{path} is not a batch of CIFAR-10 in the Python version; fetch it again.") from None


class _Pickled:
    """What a pickle says of a numpy array or of its type: numpy itself is shown none of it before it is looked at."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def bytes(self) -> Bytes:
        """The array, where it is one of unsigned bytes."""
        _, shape, kind, by_columns, content = self.state
        if kind.arguments[0] not in (b"u1", "u1"):
            raise TypeError("images are bytes")
        return np.frombuffer(content, np.uint8).reshape(shape, order="F" if by_columns else "C").copy()


# the unpickler written in Python: that in C takes a number in the file for the size of a table
class _ArraysOnly(pickle._Unpickler):
    """Unpickles plain values and numpy arrays, as written by Python 2 or 3, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """The few functions that arrays and byte strings are rebuilt with, or what stands for them."""
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding: text.encode("latin1")
        known = ("numpy.core.multiarray", "numpy._core.multiarray")
        if (module in known and name == "_reconstruct") or (module == "numpy" and name in ("ndarray", "dtype")):
            return _Pickled
        raise DataError(f"it refers to {module}.{name}, which has no place in a batch of images.")
