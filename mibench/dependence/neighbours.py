"""Who is near whom: graphs of nearest neighbours of one variable, and how many edges two of them share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array

_FEW_COLUMNS = 8  # up to which distances are summed column by column: exact where rows are close
_CHUNK = 512
_NEAR = 4

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SharedNeighbours:
    """Edges that the graphs of x and y share, at two scales: 4 neighbours, and the square root of n.

    Friedman & Rafsky (1983), Graph-theoretic measures of multivariate association and prediction: two variables depend
    where rows that are near in x are near in y more often than permuted rows are.

    neighbours : of each row in x, nearest first, shape (n, far). level : 2 where a row is among the nearest 4 in y, 1
        where it is among the ``far`` nearest, shape (n, n).
    """

    neighbours: Indices
    level: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, x: Array, y: Array, rng: np.random.Generator) -> SharedNeighbours:
        """The graphs of the rows of x and of y, (n, dim) each; equal distances are put in a random order."""
        n = len(x)
        far = min(n - 1, max(_NEAR + 1, round(np.sqrt(n))))
        in_x, in_y = nearest(x, far, rng), nearest(y, far, rng)
        level = np.zeros((n, n), np.uint8)
        np.put_along_axis(level, in_y, 1, axis=1)
        np.put_along_axis(level, in_y[:, :_NEAR], 2, axis=1)
        return cls(in_x, level)

    def shared(self, order: Indices) -> tuple[float, float]:
        """How many edges there are in both, at the two scales, when row i of x is paired with row order[i] of y."""
        n = len(order)
        at = order[self.neighbours]
        at += order[:, None] * n
        found = self.level.ravel()[at]
        return float((found[:, :_NEAR] == 2).sum()), float(np.count_nonzero(found))


def nearest(points: Array, count: int, rng: np.random.Generator) -> Indices:
    """The ``count`` nearest other rows of each row by Euclidean distance, nearest first, ties at random; (n, count).

    The rows are shuffled first, so that nothing depends on their order, rounding included.
    """
    n = len(points)
    shuffled = rng.permutation(n)
    points = points[shuffled]
    squares = (points**2).sum(axis=1)
    found = np.empty((n, count), np.int64)
    for start in range(0, n, _CHUNK):
        some = points[start : start + _CHUNK]
        distances = _squared_distances(some, squares[start : start + _CHUNK], points, squares)
        distances += np.float32(1e-12)
        distances *= 1 + np.float32(1e-3) * rng.random(distances.shape, np.float32)
        distances[np.arange(len(some)), start + np.arange(len(some))] = np.inf
        chosen = np.argpartition(distances, count - 1, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(distances, chosen, axis=1), axis=1)
        found[shuffled[start : start + _CHUNK]] = shuffled[np.take_along_axis(chosen, order, axis=1)]
    return found


def _squared_distances(some: Array, of_some: Array, points: Array, squares: Array) -> Array:
    if points.shape[1] > _FEW_COLUMNS:
        distances = some @ points.T
        distances *= -2
        distances += of_some[:, None]
        distances += squares
        return np.maximum(distances, 0, out=distances)
    distances = np.zeros((len(some), len(points)), np.float32)
    for a, b in zip(some.T, points.T, strict=True):
        distances += (a[:, None] - b) ** 2
    return distances
