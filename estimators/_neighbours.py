"""Counting neighbours: the whole numerical work of the nearest-neighbour estimators, compiled.

For every sample i the search finds the k nearest other samples in the norm max(|x_j - x_i|, |y_j - y_i|), derives
from them a radius in x and one in y, and counts the samples within each. What is made of the counts is in ``ksg.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from mibench.estimator import Array

Metric: TypeAlias = Literal["max", "euclidean"]
Counts: TypeAlias = npt.NDArray[np.int64]

ROWS = 8  # samples whose distances are computed together, so that a tile of columns is read once for all of them
TILE = 512  # samples per tile: 25 dimensions in float64 stay within the second-level cache


class Neighbourhoods(NamedTuple):
    """Counts around each of n samples, all shape (n,).

    n_x, n_y : other samples within the radius in x alone and in y alone.
    atom : how often the sample occurs, itself included, where k others or more repeat it exactly; 0 elsewhere.
    """

    n_x: Counts
    n_y: Counts
    atom: Counts


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` compiled on first use; the machine code is kept on disk wherever a folder for it can be written."""
    try:
        return njit(function, cache=True, nogil=True)  # type: ignore[no-any-return]
    except RuntimeError:  # neither __pycache__ nor the user's cache folder is writable, and NUMBA_CACHE_DIR is not set
        return njit(function, nogil=True)  # type: ignore[no-any-return]


def neighbourhoods(x: Array, y: Array, k: int, metric: Metric, closed: bool, rectangle: bool) -> Neighbourhoods:
    """Count around every sample of ``x`` (n, dim_x) and ``y`` (n, dim_y).

    rectangle : the radii in x and in y are the extents of the k neighbours in each; otherwise both are the distance to
        the k-th.
    closed : samples at the radius itself count; otherwise only closer ones do (but at radius 0, those at 0).
    """
    columns = (np.ascontiguousarray(values.T, dtype=np.float64) for values in (x, y))
    return Neighbourhoods(*_brute_force(*columns, k, metric == "max", closed, rectangle))


@compiled
def _brute_force(x: Array, y: Array, k: int, max_norm: bool, closed: bool, rectangle: bool) -> tuple[Counts, ...]:
    n = x.shape[1]
    in_x, in_y = np.empty((ROWS, n)), np.empty((ROWS, n))
    counts = np.empty((3, n), np.int64)
    nearest, extent_x, extent_y = np.empty(k), np.empty(k), np.empty(k)
    for first in range(0, n, ROWS):
        rows = min(ROWS, n - first)
        for start in range(0, n, TILE):
            for row in range(rows):
                _distances(x, first + row, start, min(start + TILE, n), max_norm, in_x[row])
                _distances(y, first + row, start, min(start + TILE, n), max_norm, in_y[row])
        for row in range(rows):
            in_x[row, first + row] = in_y[row, first + row] = np.inf
            _nearest(in_x[row], in_y[row], nearest, extent_x, extent_y)
            radius_x = extent_x.max() if rectangle else nearest[k - 1]
            radius_y = extent_y.max() if rectangle else nearest[k - 1]
            if not closed:
                radius_x, radius_y = max(0.0, np.nextafter(radius_x, 0.0)), max(0.0, np.nextafter(radius_y, 0.0))
            within_x = within_y = 0
            for j in range(n):
                within_x += in_x[row, j] <= radius_x
                within_y += in_y[row, j] <= radius_y
            atom = 0
            if nearest[k - 1] == 0.0:
                atom = 1
                for j in range(n):
                    atom += max(in_x[row, j], in_y[row, j]) == 0.0
            counts[0, first + row] = within_x
            counts[1, first + row] = within_y
            counts[2, first + row] = atom
    return counts[0], counts[1], counts[2]


@compiled
def _distances(columns: Array, i: int, start: int, stop: int, max_norm: bool, out: Array) -> None:
    """From sample i to samples start...stop: the maximum of absolute differences, or the sum of squared ones."""
    out[start:stop] = 0.0
    for c in range(columns.shape[0]):
        origin = columns[c, i]
        if max_norm:
            for j in range(start, stop):
                out[j] = max(out[j], abs(columns[c, j] - origin))
        else:
            for j in range(start, stop):
                out[j] += (columns[c, j] - origin) ** 2


@compiled
def _nearest(in_x: Array, in_y: Array, nearest: Array, extent_x: Array, extent_y: Array) -> None:
    """The k smallest of max(in_x, in_y) in ascending order, and the distances in x and in y that belong to them."""
    k = len(nearest)
    nearest[:] = np.inf
    for j in range(len(in_x)):
        distance = max(in_x[j], in_y[j])
        if distance < nearest[k - 1]:
            place = k - 1
            while place > 0 and nearest[place - 1] > distance:
                nearest[place] = nearest[place - 1]
                extent_x[place] = extent_x[place - 1]
                extent_y[place] = extent_y[place - 1]
                place -= 1
            nearest[place], extent_x[place], extent_y[place] = distance, in_x[j], in_y[j]
