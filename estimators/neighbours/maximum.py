"""All pairs of samples in the maximum norm, compiled, with coordinates rounded to 16-bit integers.

The processor handles four times as many of them at once as of float64. Rounding moves each of two coordinates by half a
step at most, and a distance by one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array

from .compiled import Counts, Rule, compiled
from .float64 import ROWS, distances, forget, padded_rows, tiled
from .selection import BLOCK, TILE, Pair, count_approximate

HALF = 16380  # integer coordinates lie in -HALF...HALF: differences fit into 16 bits
NOBODY = np.int16(32767)  # a distance that none of them has
UNDECIDED = 1000  # with more pairs than this to decide, all distances of a sample are better computed in float64
OFF = 1.001  # steps by which a distance may be wrong, and a little more for rounding in float64


def count_in_int16(x: Array, y: Array, rule: Rule) -> Counts:
    """n_x, n_y and atom, shape (3, n); -1 for samples with too many pairs to decide."""
    step = max(np.ptp(x, axis=0).max(), np.ptp(y, axis=0).max()) / (2 * HALF)
    small_x, small_y = padded_rows(_rounded(x, step)), padded_rows(_rounded(y, step))
    x, y = np.array(x, np.float64, order="C"), np.array(y, np.float64, order="C")
    return _count_rows(x, y, (small_x, tiled(small_x)), (small_y, tiled(small_y)), 1 / step, rule)


def _rounded(values: Array, step: float) -> npt.NDArray[np.int16]:
    """Coordinates around the middle of each column's range as multiples of ``step``."""
    middle = values.min(axis=0) / 2 + values.max(axis=0) / 2
    rounded: npt.NDArray[np.int16] = np.clip(np.rint((values - middle) / step), -HALF, HALF).astype(np.int16)
    return rounded


@compiled
def _count_rows(x: Array, y: Array, small_x: Pair, small_y: Pair, unit: float, rule: Rule) -> Counts:
    (rows_x, tiles_x), (rows_y, tiles_y) = small_x, small_y
    n, width = len(x), len(tiles_x) * TILE
    in_x, in_y = np.empty((ROWS, width), np.int16), np.empty((ROWS, width), np.int16)
    minima, number = np.empty(width // BLOCK, np.int16), np.empty(1, np.int16)
    counts = np.full((3, n), -1)
    error = unit, 0.0, OFF, OFF
    for first in range(0, n, ROWS):
        some = np.arange(first, first + ROWS)
        distances(tiles_x, rows_x, some, True, in_x)
        distances(tiles_y, rows_y, some, True, in_y)
        for row in range(min(ROWS, n - first)):
            i = first + row
            forget(in_x[row], in_y[row], i, n, NOBODY)
            decided, n_x, n_y, atom = count_approximate(
                (in_x[row], in_y[row]), NOBODY, (number, number), error, (x, y, i), minima, UNDECIDED, rule
            )
            if decided:
                counts[0, i], counts[1, i], counts[2, i] = n_x, n_y, atom
    return counts
