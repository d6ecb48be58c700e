"""Vectors of labelled classes from a user's own .npy files."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from mibench import runtime
from mibench.errors import DataError, NotInstalled, UsageError

from .pool import Pool


def pool(embeddings: str, labels: str, classes: int) -> Pool:
    """The vectors (N, dim) of the least ``classes`` values among the labels, kept in memory once read."""
    return _pool(_existing(embeddings), _existing(labels), classes)


@functools.lru_cache(maxsize=4)
def _pool(embeddings: Path, labels: Path, classes: int) -> Pool:
    vectors, named = np.asarray(_read(embeddings), np.float64) + 0.0, _read(labels)  # + 0.0 makes -0.0 equal to 0.0
    if vectors.ndim != 2 or named.shape != vectors.shape[:1]:
        raise DataError(
            f"{embeddings} holds an array of shape {vectors.shape} and {labels} one of shape {named.shape}; "
            "expected (N, dim) and (N,)."
        )
    if not np.isfinite(vectors).all():
        raise DataError(f"{embeddings} holds NaN or infinite values.")
    values, label = np.unique(named, return_inverse=True)
    if len(values) < classes:
        raise UsageError(f"{labels} names {len(values)} classes; {classes} are needed: ask for fewer bits.")
    return Pool.of(str(embeddings), vectors, label, classes)


def width(name: str) -> int:
    """The length of a vector in a file, of which no more than the head is read."""
    path = _existing(name)
    shape = np.shape(_read(path, mapped=True))
    if len(shape) != 2:
        raise DataError(f"{path} holds an array of shape {shape}; expected (N, dim), one vector per row.")
    return int(shape[1])


def content(name: str) -> str:
    """A short hash of what a file holds, or ``missing``."""
    path = runtime.data_dir() / name
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return _digest(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _digest(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _existing(name: str) -> Path:
    path = runtime.data_dir() / name
    if not path.is_file():
        raise NotInstalled(f"there is no file {path}; write the array there with numpy.save, or give its path.")
    return path


def _read(path: Path, mapped: bool = False) -> Any:
    try:
        return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"cannot read {path} as an array of numbers: {error}") from None
