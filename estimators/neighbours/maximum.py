"""All pairs of samples in the maximum norm, compiled, with coordinates rounded to 16-bit integers.

The processor handles four times as many of them at once as of float64. Rounding moves each of two coordinates by half a
step at most, and a distance by one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array

from .compiled import compiled
from .float64 import GROUP, ROWS, forget, padded_rows, tiled
from .selection import BLOCK, TILE, count_approximate

HALF = 16380  # integer coordinates lie in -HALF...HALF: differences fit into 16 bits
NOBODY = np.int16(32767)  # a distance that none of them has
UNDECIDED = 1000  # with more pairs than this to decide, all distances of a sample are better computed in float64
OFF = 1.001  # steps by which a distance may be wrong, and a little more for rounding in float64


def count_in_int16(x: Array, y: Array, k: int, closed: bool, rectangle: bool) -> npt.NDArray[np.int64]:
    """n_x, n_y and atom, shape (3, n); -1 for samples with too many pairs to decide."""
    step = max(np.ptp(x, axis=0).max(), np.ptp(y, axis=0).max()) / (2 * HALF)
    small_x, small_y = padded_rows(_rounded(x, step)), padded_rows(_rounded(y, step))
    x, y = np.array(x, np.float64, order="C"), np.array(y, np.float64, order="C")
    small = small_x, small_y, tiled(small_x), tiled(small_y)
    return _count_rows(x, y, *small, 1 / step, (k, closed, rectangle))  # type: ignore[no-any-return]


def _rounded(values: Array, step: float) -> npt.NDArray[np.int16]:
    """Coordinates around the middle of each column's range as multiples of ``step``."""
    middle = values.min(axis=0) / 2 + values.max(axis=0) / 2
    return np.clip(np.rint((values - middle) / step), -HALF, HALF).astype(np.int16)


@compiled
def _count_rows(x, y, small_x, small_y, tiles_x, tiles_y, unit, how):  # type: ignore[no-untyped-def]
    n, width = len(x), len(tiles_x) * TILE
    in_x, in_y = np.empty((ROWS, width), np.int16), np.empty((ROWS, width), np.int16)
    minima, number = np.empty(width // BLOCK, np.int16), np.empty(1, np.int16)
    counts = np.full((3, n), -1)
    error = unit, 0.0, OFF, OFF
    for first in range(0, n, ROWS):
        _distances(tiles_x, small_x, first, in_x)
        _distances(tiles_y, small_y, first, in_y)
        for row in range(min(ROWS, n - first)):
            i = first + row
            forget(in_x[row], in_y[row], i, n, NOBODY)
            samples = x, y, i, True
            decided, n_x, n_y, atom = count_approximate(
                in_x[row], in_y[row], NOBODY, (number, number), error, samples, minima, UNDECIDED, how
            )
            if decided:
                counts[0, i], counts[1, i], counts[2, i] = n_x, n_y, atom
    return counts


@compiled
def _distances(tiles, rows, first, out):  # type: ignore[no-untyped-def]
    """Distances from ROWS samples to all, two samples and GROUP dimensions at a time."""
    for t in range(len(tiles)):
        for row in range(0, ROWS, 2):
            here = out[row, t * TILE : (t + 1) * TILE]
            there = out[row + 1, t * TILE : (t + 1) * TILE]
            here[:] = 0
            there[:] = 0
            for c in range(0, rows.shape[1], GROUP):
                _maximum(tiles[t], c, rows[first + row], rows[first + row + 1], here, there)


@compiled
def _gap(a, b):  # type: ignore[no-untyped-def]
    return np.int16(abs(np.int16(a - b)))


@compiled
def _maximum(tile, c, p, q, out_p, out_q):  # type: ignore[no-untyped-def]
    p0, p1, p2, p3, p4 = p[c], p[c + 1], p[c + 2], p[c + 3], p[c + 4]
    q0, q1, q2, q3, q4 = q[c], q[c + 1], q[c + 2], q[c + 3], q[c + 4]
    t0, t1, t2, t3, t4 = tile[c], tile[c + 1], tile[c + 2], tile[c + 3], tile[c + 4]
    for j in range(TILE):
        near = max(max(_gap(t0[j], p0), _gap(t1[j], p1)), max(_gap(t2[j], p2), _gap(t3[j], p3)))
        out_p[j] = max(max(out_p[j], _gap(t4[j], p4)), near)
        near = max(max(_gap(t0[j], q0), _gap(t1[j], q1)), max(_gap(t2[j], q2), _gap(t3[j], q3)))
        out_q[j] = max(max(out_q[j], _gap(t4[j], q4)), near)
