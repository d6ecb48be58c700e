"""All pairs of samples in the Euclidean norm, with squared distances from products of float32 matrices.

|a - b|^2 = |a|^2 + |b|^2 - 2 a.b is one product of (-2 a, |a|^2, 1) and (b, 1, |b|^2), and nothing multiplies matrices
as fast as BLAS. What this loses is bounded. With u = 2^-24, rounding coordinates and squares to float32 changes the sum
by at most 3 u (|a|^2 + |b|^2). Its K = dim + 2 terms are together no greater than 2 (|a|^2 + |b|^2), and adding them up
is wrong by at most K u / (1 - K u) times that, in whatever order it is done. With d = |a - b|, which makes
|a|^2 + |b|^2 <= 3 (|a|^2 + d^2), the error is at most (6 K + 9) u (|a|^2 + d^2), and a little more. Samples are centred
on where most of them are, so that |a|^2 is small for most of them.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array

from .compiled import Counts, Numbers, Rule, compiled
from .selection import BLOCK, TILE, Pair, Parts, count_approximate

ROWS = 32  # samples whose distances are computed together
WIDTH = 256  # samples in a tile: OpenBLAS computes products as small as these in one thread and copies no factors
LARGEST = 40  # coordinates are scaled to below 2^40: their squares stay far from the ends of float32
UNDERFLOW = 2.0**-100  # more than can be lost at the lower end
NOBODY = np.float32(2.0**120)  # a squared distance that no two samples have
UNDECIDED = 300  # with more pairs than this to decide, all distances of a sample are better computed in float64
FEW = 64  # samples that may fail to be decided, besides every other one, before the rest is left to float64


def relative_error(dim: int) -> float:
    """The factor of |a|^2 + d^2 in the bound above, with an allowance for second-order terms and rounded limits."""
    return 1.01 * (6 * (dim + 2) + 12) * 2.0**-24


def count_in_float32(x: Array, y: Array, rule: Rule) -> Counts:
    """n_x, n_y and atom, shape (3, n); -1 for samples with too many pairs to decide."""
    n, counts, failed = len(x), np.full((3, len(x)), -1), 0
    relative = relative_error(max(x.shape[1], y.shape[1]))
    if relative > 0.01:  # tens of thousands of dimensions
        return counts
    x, y = np.array(x, np.float64, order="C"), np.array(y, np.float64, order="C")
    centred_x, centred_y = _centred(x), _centred(y)
    scale = 2.0 ** (LARGEST - math.frexp(max(np.abs(centred_x).max(), np.abs(centred_y).max()))[1])
    rows_x, tiles_x, off_x = _factors(centred_x * scale, relative)
    rows_y, tiles_y, off_y = _factors(centred_y * scale, relative)
    products = np.empty((2, ROWS, len(tiles_x) * WIDTH), np.float32)
    by_tile = products.reshape(2, ROWS, -1, WIDTH).swapaxes(1, 2)
    for first in range(0, n, ROWS):
        some = slice(first, first + ROWS)
        np.matmul(rows_x[some], tiles_x, out=by_tile[0])
        np.matmul(rows_y[some], tiles_y, out=by_tile[1])
        bits, error = products.view(np.int32), (scale**2, relative, off_x, off_y)
        failed += _count_rows(bits, first, error, (x, y), rule, counts)
        if failed > FEW + (first + ROWS) // 2:
            break
    return counts


def _centred(values: Array) -> Array:
    centred: Array = values - np.median(values[:: -(-len(values) // 1000)], axis=0)
    return centred


def _factors(values: Array, relative: float) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], Array]:
    """The samples as rows of one matrix and as tiles of the other, and how far off distances from each may be at d = 0.

    As much is added to all its distances, so that none is negative; then they may be twice as far off.
    """
    n, dim = values.shape
    squares = np.einsum("ij,ij->i", values, values)
    off = relative * squares + UNDERFLOW
    rows = np.ones((-(-n // ROWS) * ROWS, dim + 2), np.float32)
    rows[:n, :dim] = -2 * values.astype(np.float32)
    rows[:n, dim] = squares + off
    columns = np.zeros((-(-n // TILE) * TILE, dim + 2), np.float32)
    columns[:n, :dim] = values
    columns[:, dim] = 1
    columns[:n, dim + 1] = squares
    columns[n:, dim + 1] = NOBODY
    return rows, np.ascontiguousarray(columns.reshape(-1, WIDTH, dim + 2).swapaxes(1, 2)), 2 * off


@compiled
def _count_rows(products: Numbers, first: int, error: Parts, samples: Pair, rule: Rule, counts: Counts) -> int:
    """Count around up to ROWS samples from the bits of their products; returns for how many of them in vain."""
    minima, value = np.empty(products.shape[2] // BLOCK, np.int32), np.full(1, NOBODY)
    number = value, value.view(np.int32)
    nobody = number[1][0]
    (x, y), (unit, relative, off_x, off_y) = samples, error
    failed = 0
    for row in range(min(products.shape[1], len(x) - first)):
        i = first + row
        in_x, in_y = products[0, row], products[1, row]
        in_x[i] = in_y[i] = nobody
        around = unit, relative, off_x[i], off_y[i]
        decided, n_x, n_y, atom = count_approximate(
            (in_x, in_y), nobody, number, around, (x, y, i), minima, UNDECIDED, rule
        )
        if decided:
            counts[0, i], counts[1, i], counts[2, i] = n_x, n_y, atom
        else:
            failed += 1
    return failed
