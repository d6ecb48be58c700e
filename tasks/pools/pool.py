"""A finite set of rows from which samples are drawn, so that the class of each can be read off it exactly."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from mibench.datasets import Labels
from mibench.errors import DataError

Rows: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Pool:
    """Rows of the first classes of a data set, class after class.

    rows : (N, width), each under one class only.
    start : (classes + 1,) where each class begins.
    """

    rows: Rows
    start: Labels

    @classmethod
    def of(cls, where: str, rows: Rows, labels: Labels, classes: int) -> Self:
        """The rows with labels below ``classes``; those that occur under two are left out, as they tell neither."""
        wanted = labels < classes
        rows, labels = rows[wanted], labels[wanted]
        kept = unambiguous(rows, labels)
        rows, labels = rows[kept], labels[kept]
        order = np.argsort(labels, kind="stable")
        start = np.searchsorted(labels[order], np.arange(classes + 1))
        if (np.diff(start) == 0).any():
            raise DataError(f"no row of {where} tells its class for one of the first {classes} classes.")
        return cls(rows[order], start)

    def draw(self, classes: Labels, rng: np.random.Generator) -> Rows:
        """A row of each class, drawn with replacement: shape (*classes.shape, width)."""
        sizes = np.diff(self.start)[classes]
        drawn: Rows = self.rows[self.start[classes] + rng.integers(sizes)]
        return drawn

    def classes(self, rows: Rows) -> Labels:
        """The class of each row (n, width)."""
        try:
            found = [self._index[row.tobytes()] for row in np.ascontiguousarray(rows, self.rows.dtype)]
        except KeyError:
            raise DataError("the rows hold one that this task cannot have drawn.") from None
        return np.array(found, np.int64)

    @functools.cached_property
    def _index(self) -> dict[bytes, int]:
        """The class of every row, by its bytes."""
        labels = np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))
        return {row.tobytes(): int(label) for row, label in zip(self.rows, labels, strict=True)}


def unambiguous(rows: Rows, labels: Labels) -> npt.NDArray[np.bool_]:
    """Which rows (N, width) occur, byte by byte, under one label only."""
    rows = np.ascontiguousarray(rows)
    rows = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1])))[:, 0]
    _, same = np.unique(rows, return_inverse=True)
    least = np.full(same.max() + 1, labels.max())
    greatest = np.full(same.max() + 1, labels.min())
    np.minimum.at(least, same, labels)
    np.maximum.at(greatest, same, labels)
    alone: npt.NDArray[np.bool_] = (least == greatest)[same]
    return alone
