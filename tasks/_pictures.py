"""Pictures drawn from a data set, so that their class can be read off them exactly.

A data set is finite, so pictures repeat: 10,000 draws show each of the 360 zeros and ones among scikit-learn's digits
about 28 times. The *grain* turns such atoms into a continuous variable without touching what is known exactly: every
grey level v is multiplied by 1 + (u - 1/2) / (2 levels) with u uniform on (0, 1), a change of at most a quarter of a
level, so rounding gives the picture back. Black pixels stay black, and a column that is constant stays constant.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mibench import datasets, runtime
from mibench.datasets import Bytes, Labels
from mibench.errors import DataError
from mibench.estimator import Array

SHAPES = {"digits": (1, 8), **{name: (source.channels, source.side) for name, source in datasets.SOURCES.items()}}
"""Channels and side of every data set, known before any file is read."""
SOURCES = tuple(SHAPES)


def pixels_of(source: str) -> int:
    """Numbers in one picture."""
    channels, side = SHAPES[source]
    return channels * side**2


@dataclass(frozen=True, eq=False)
class Pool:
    """Training pictures of the first classes of a data set, class after class.

    pictures : (N, pixels) grey levels.
    start : (classes + 1,) where each class begins.
    """

    pictures: Bytes
    start: Labels
    levels: int

    def draw(self, classes: Labels, rng: np.random.Generator) -> Bytes:
        """A picture of each class, drawn with replacement: shape (*classes.shape, pixels)."""
        sizes = np.diff(self.start)[classes]
        return self.pictures[self.start[classes] + rng.integers(sizes)]

    def classes(self, pictures: Bytes) -> Labels:
        """The class of each picture (n, pixels).

        Raises
        ------
        DataError : a picture that is not in the pool.
        """
        known = _index(self)
        try:
            found = [known[picture.tobytes()] for picture in np.ascontiguousarray(pictures)]
        except KeyError:
            raise DataError("the rows hold a picture that this task cannot have drawn.") from None
        return np.array(found, np.int64)


def pool(source: str, classes: int) -> Pool:
    """The pool of a data set's first ``classes`` classes, kept in memory once made.

    Pictures that occur under two of them are left out, for they would not tell theirs.

    Raises
    ------
    NotInstalled : the data set's files are missing.
    """
    return _pool(source, classes, runtime.data_dir())


@functools.lru_cache(maxsize=4)
def _pool(source: str, classes: int, directory: Path) -> Pool:
    images = datasets.load(source)
    wanted = images.train_labels < classes
    flat, labels = images.train[wanted].reshape(int(wanted.sum()), -1), images.train_labels[wanted]
    kept = unambiguous(flat, labels)
    flat, labels = flat[kept], labels[kept]
    order = np.argsort(labels, kind="stable")
    start = np.searchsorted(labels[order], np.arange(classes + 1))
    if (np.diff(start) == 0).any():
        raise DataError(f"the training images of {source} lack one of the classes 0 to {classes - 1}.")
    return Pool(flat[order], start, images.levels)


def unambiguous(rows: npt.NDArray[Any], labels: Labels) -> npt.NDArray[np.bool_]:
    """Which rows (N, width) occur, byte by byte, under one label only."""
    rows = np.ascontiguousarray(rows)
    rows = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1])))[:, 0]
    _, same = np.unique(rows, return_inverse=True)
    least = np.full(same.max() + 1, labels.max())
    greatest = np.full(same.max() + 1, labels.min())
    np.minimum.at(least, same, labels)
    np.maximum.at(greatest, same, labels)
    return (least == greatest)[same]


@functools.lru_cache(maxsize=4)
def _index(pictures: Pool) -> dict[bytes, int]:
    labels = np.repeat(np.arange(len(pictures.start) - 1), np.diff(pictures.start))
    return {row.tobytes(): int(label) for row, label in zip(pictures.pictures, labels, strict=True)}


def shown(pictures: Bytes, levels: int, rng: np.random.Generator | None) -> Array:
    """Grey levels as numbers in [0, 1], with grain from ``rng`` where it is given."""
    values = pictures / levels
    if rng is None:
        return values
    return values * (1.0 + (rng.random(values.shape) - 0.5) / (2.0 * levels))


def read(values: Array, levels: int) -> Bytes:
    """The inverse of :func:`shown`, with or without grain."""
    return np.rint(values * levels).astype(np.uint8)
