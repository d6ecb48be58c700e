"""All pairs of samples, compiled: neighbour counts in any number of dimensions, with memory proportional to n.

Distances of a few samples to all others are computed tile by tile and kept until their neighbours are counted, so each
pair is looked at once. In the maximum norm this is done with coordinates rounded to 16-bit integers, of which the
processor handles four times as many at once as of float64; rounding moves a distance by little, so that only pairs
within that little of a radius have to be decided, and are, by their float64 distance. The counts are those of float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array

from ._compiled import compiled, insert, radii

ROWS = 8  # samples whose distances are computed together, so that a tile is read once for all of them; even
TILE = (
    512  # samples per tile: at 25 dimensions a tile stays in the first-level cache as int16, in the second as float64
)
GROUP = 5  # dimensions per pass over a tile; tiles are padded to a multiple with zeros, which change no distance
BLOCK = 64  # samples that are skipped together when none of them is near

HALF = 16380  # integer coordinates lie in -HALF...HALF: differences fit into 16 bits
NOBODY = 32767  # a distance that none of them has: the sample itself, and padding
SLACK = 2  # two distances, each rounded by at most one step, are in the right order if they differ by more steps
UNDECIDED = 1000  # with more pairs than this to decide, all distances of a sample are computed in float64 instead


def count_all_pairs(x: Array, y: Array, k: int, max_norm: bool, closed: bool, rectangle: bool) -> tuple[Any, Any, Any]:
    """The fields of ``Neighbourhoods`` for float64 samples ``x`` (n, dim_x) and ``y`` (n, dim_y)."""
    rows_x, rows_y = _padded_rows(x), _padded_rows(y)
    tiles_x, tiles_y = _tiled(rows_x), _tiled(rows_y)
    how = k, max_norm, closed, rectangle
    step = max(np.ptp(x, axis=0).max(), np.ptp(y, axis=0).max()) / (2 * HALF)
    if not max_norm or not 1e-280 < step < 1e280:
        return _in_float64(rows_x, rows_y, tiles_x, tiles_y, len(x), *how)  # type: ignore[no-any-return]
    small_x, small_y = _padded_rows(_rounded(x, step)), _padded_rows(_rounded(y, step))
    narrow = small_x, small_y, _tiled(small_x), _tiled(small_y), step
    return _in_int16(rows_x, rows_y, tiles_x, tiles_y, len(x), *narrow, *how)  # type: ignore[no-any-return]


def _padded_rows(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows for a multiple of ROWS and columns for a multiple of GROUP, filled up with zeros."""
    n, dim = values.shape
    rows = np.zeros((-(-n // ROWS) * ROWS, -(-dim // GROUP) * GROUP), values.dtype)
    rows[:n, :dim] = values
    return rows


def _rounded(values: Array, step: float) -> npt.NDArray[np.int16]:
    """Coordinates around the middle of each column's range as multiples of ``step``."""
    middle = values.min(axis=0) / 2 + values.max(axis=0) / 2
    return np.clip(np.rint((values - middle) / step), -HALF, HALF).astype(np.int16)


def _tiled(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same numbers as (tiles, dimensions, TILE): what one pass reads lies side by side."""
    tiles = -(-len(rows) // TILE)
    padded = np.zeros((tiles * TILE, rows.shape[1]), rows.dtype)
    padded[: len(rows)] = rows
    return np.ascontiguousarray(padded.reshape(tiles, TILE, -1).transpose(0, 2, 1))


@compiled
def _in_float64(rows_x, rows_y, tiles_x, tiles_y, n, k, max_norm, closed, rectangle):  # type: ignore[no-untyped-def]
    width = len(tiles_x) * TILE
    in_x, in_y = np.empty((ROWS, width)), np.empty((ROWS, width))
    counts = np.empty((3, n), np.int64)
    for first in range(0, n, ROWS):
        _float64_rows(tiles_x, rows_x, first, ROWS, max_norm, in_x)
        _float64_rows(tiles_y, rows_y, first, ROWS, max_norm, in_y)
        for row in range(min(ROWS, n - first)):
            i = first + row
            _forget(in_x[row], in_y[row], i, n, np.inf)
            counts[:, i] = _count_float64(in_x[row], in_y[row], k, closed, rectangle)
    return counts[0], counts[1], counts[2]


@compiled
def _in_int16(  # type: ignore[no-untyped-def]
    rows_x, rows_y, tiles_x, tiles_y, n, small_x, small_y, small_tiles_x, small_tiles_y, step, k, _, closed, rectangle
):
    width = len(tiles_x) * TILE
    in_x, in_y = np.empty((ROWS, width), np.int16), np.empty((ROWS, width), np.int16)
    exact_x, exact_y = np.empty((2, width)), np.empty((2, width))  # the second row is thrown away
    minima = np.empty(width // BLOCK, np.int16)
    counts = np.empty((3, n), np.int64)
    for first in range(0, n, ROWS):
        _int16_rows(small_tiles_x, small_x, first, in_x)
        _int16_rows(small_tiles_y, small_y, first, in_y)
        for row in range(min(ROWS, n - first)):
            i = first + row
            _forget(in_x[row], in_y[row], i, n, np.int16(NOBODY))
            decided, n_x, n_y, atom = _count_int16(
                in_x[row], in_y[row], rows_x, rows_y, i, minima, step, k, closed, rectangle
            )
            if decided:
                counts[0, i], counts[1, i], counts[2, i] = n_x, n_y, atom
            else:
                _float64_rows(tiles_x, rows_x, i, 1, True, exact_x)
                _float64_rows(tiles_y, rows_y, i, 1, True, exact_y)
                _forget(exact_x[0], exact_y[0], i, n, np.inf)
                counts[:, i] = _count_float64(exact_x[0], exact_y[0], k, closed, rectangle)
    return counts[0], counts[1], counts[2]


@compiled
def _forget(in_x, in_y, i, n, nobody):  # type: ignore[no-untyped-def]
    """Sample i is not its own neighbour, and padding is nobody's."""
    in_x[i] = in_y[i] = nobody
    in_x[n:] = nobody
    in_y[n:] = nobody


@compiled
def _float64_rows(tiles, rows, first, how_many, max_norm, out):  # type: ignore[no-untyped-def]
    """Distances from samples first...first + how_many to all: the maximum of differences, or the sum of squares."""
    for t in range(len(tiles)):
        for row in range(0, how_many, 2):
            here = out[row, t * TILE : (t + 1) * TILE]
            there = out[row + 1, t * TILE : (t + 1) * TILE]
            other = min(row + 1, how_many - 1)
            here[:] = 0.0
            there[:] = 0.0
            for c in range(0, rows.shape[1], GROUP):
                if max_norm:
                    _float64_maximum(tiles[t], c, rows[first + row], rows[first + other], here, there)
                else:
                    _float64_squares(tiles[t], c, rows[first + row], rows[first + other], here, there)


@compiled
def _int16_rows(tiles, rows, first, out):  # type: ignore[no-untyped-def]
    for t in range(len(tiles)):
        for row in range(0, ROWS, 2):
            here = out[row, t * TILE : (t + 1) * TILE]
            there = out[row + 1, t * TILE : (t + 1) * TILE]
            here[:] = 0
            there[:] = 0
            for c in range(0, rows.shape[1], GROUP):
                _int16_maximum(tiles[t], c, rows[first + row], rows[first + row + 1], here, there)


# The three innermost loops: GROUP dimensions of one tile, two samples at a time, so that what is read is used twice.


@compiled
def _float64_maximum(tile, c, p, q, out_p, out_q):  # type: ignore[no-untyped-def]
    p0, p1, p2, p3, p4 = p[c], p[c + 1], p[c + 2], p[c + 3], p[c + 4]
    q0, q1, q2, q3, q4 = q[c], q[c + 1], q[c + 2], q[c + 3], q[c + 4]
    t0, t1, t2, t3, t4 = tile[c], tile[c + 1], tile[c + 2], tile[c + 3], tile[c + 4]
    for j in range(TILE):
        near = max(max(abs(t0[j] - p0), abs(t1[j] - p1)), max(abs(t2[j] - p2), abs(t3[j] - p3)))
        out_p[j] = max(max(out_p[j], abs(t4[j] - p4)), near)
        near = max(max(abs(t0[j] - q0), abs(t1[j] - q1)), max(abs(t2[j] - q2), abs(t3[j] - q3)))
        out_q[j] = max(max(out_q[j], abs(t4[j] - q4)), near)


@compiled
def _float64_squares(tile, c, p, q, out_p, out_q):  # type: ignore[no-untyped-def]
    p0, p1, p2, p3, p4 = p[c], p[c + 1], p[c + 2], p[c + 3], p[c + 4]
    q0, q1, q2, q3, q4 = q[c], q[c + 1], q[c + 2], q[c + 3], q[c + 4]
    t0, t1, t2, t3, t4 = tile[c], tile[c + 1], tile[c + 2], tile[c + 3], tile[c + 4]
    for j in range(TILE):
        near = out_p[j] + (t0[j] - p0) ** 2 + (t1[j] - p1) ** 2
        out_p[j] = near + (t2[j] - p2) ** 2 + (t3[j] - p3) ** 2 + (t4[j] - p4) ** 2
        near = out_q[j] + (t0[j] - q0) ** 2 + (t1[j] - q1) ** 2
        out_q[j] = near + (t2[j] - q2) ** 2 + (t3[j] - q3) ** 2 + (t4[j] - q4) ** 2


@compiled
def _gap(a, b):  # type: ignore[no-untyped-def]
    return np.int16(abs(np.int16(a - b)))


@compiled
def _int16_maximum(tile, c, p, q, out_p, out_q):  # type: ignore[no-untyped-def]
    p0, p1, p2, p3, p4 = p[c], p[c + 1], p[c + 2], p[c + 3], p[c + 4]
    q0, q1, q2, q3, q4 = q[c], q[c + 1], q[c + 2], q[c + 3], q[c + 4]
    t0, t1, t2, t3, t4 = tile[c], tile[c + 1], tile[c + 2], tile[c + 3], tile[c + 4]
    for j in range(TILE):
        near = max(max(_gap(t0[j], p0), _gap(t1[j], p1)), max(_gap(t2[j], p2), _gap(t3[j], p3)))
        out_p[j] = max(max(out_p[j], _gap(t4[j], p4)), near)
        near = max(max(_gap(t0[j], q0), _gap(t1[j], q1)), max(_gap(t2[j], q2), _gap(t3[j], q3)))
        out_q[j] = max(max(out_q[j], _gap(t4[j], q4)), near)


@compiled
def _block_minimum(in_x, in_y):  # type: ignore[no-untyped-def]
    """The least joint distance in BLOCK samples."""
    least = max(in_x[0], in_y[0])
    for j in range(BLOCK):
        least = min(least, max(in_x[j], in_y[j]))
    return least


@compiled
def _count_float64(in_x, in_y, k, closed, rectangle):  # type: ignore[no-untyped-def]
    """n_x, n_y and atom from one sample's distances to all."""
    nearest, index = np.full(k, np.inf), np.full(k, -1)
    extent_x, extent_y = np.empty(k), np.empty(k)
    for start in range(0, len(in_x), BLOCK):
        if _block_minimum(in_x[start : start + BLOCK], in_y[start : start + BLOCK]) < nearest[-1]:
            for j in range(start, start + BLOCK):
                if max(in_x[j], in_y[j]) < nearest[-1]:
                    insert(nearest, index, extent_x, extent_y, in_x[j], in_y[j], j)
    radius_x, radius_y = radii(nearest, extent_x, extent_y, closed, rectangle)
    n_x, n_y, atom = 0, 0, 0
    for start in range(0, len(in_x), TILE):
        n_x += _float64_within(in_x[start : start + TILE], radius_x)
        n_y += _float64_within(in_y[start : start + TILE], radius_y)
    if nearest[-1] == 0.0:
        atom = 1
        for j in range(len(in_x)):
            atom += max(in_x[j], in_y[j]) == 0.0
    return np.array([n_x, n_y, atom])


@compiled
def _float64_within(distances, radius):  # type: ignore[no-untyped-def]
    """How many of TILE distances do not exceed ``radius``."""
    total = 0
    for j in range(TILE):
        total += distances[j] <= radius
    return total


@compiled
def _int16_within(distances, radius):  # type: ignore[no-untyped-def]
    """The same in integers no wider than the distances, so that as many are handled at once."""
    total = np.int16(0)
    for j in range(TILE):
        total = np.int16(total + np.int16(distances[j] <= radius))
    return total


@compiled
def _count_int16(in_x, in_y, rows_x, rows_y, i, minima, step, k, closed, rectangle):  # type: ignore[no-untyped-def]
    """Whether the pairs to decide were few, and if so n_x, n_y and atom."""
    kth = _kth_smallest(in_x, in_y, minima, k)
    nearest, index = np.full(k, np.inf), np.full(k, -1)
    extent_x, extent_y = np.empty(k), np.empty(k)
    undecided, atom = 0, 1
    for block in range(len(minima)):
        if minima[block] > kth + SLACK:
            continue
        for j in range(block * BLOCK, (block + 1) * BLOCK):
            if max(in_x[j], in_y[j]) <= kth + SLACK:
                undecided += 1
                exact_x, exact_y = _exact(rows_x, i, j), _exact(rows_y, i, j)
                atom += max(exact_x, exact_y) == 0.0
                insert(nearest, index, extent_x, extent_y, exact_x, exact_y, j)
        if undecided > UNDECIDED:
            return False, 0, 0, 0
    radius_x, radius_y = radii(nearest, extent_x, extent_y, closed, rectangle)
    undecided_x, n_x = _count_within(in_x, rows_x, i, radius_x, step)
    undecided_y, n_y = _count_within(in_y, rows_y, i, radius_y, step)
    return undecided_x + undecided_y <= UNDECIDED, n_x, n_y, atom if nearest[-1] == 0.0 else 0


@compiled
def _kth_smallest(in_x, in_y, minima, k):  # type: ignore[no-untyped-def]
    """The k-th smallest joint integer distance; ``minima`` gets the least of each block."""
    smallest = np.full(k, np.int16(NOBODY))
    for block in range(len(minima)):
        start, stop = block * BLOCK, (block + 1) * BLOCK
        minima[block] = _block_minimum(in_x[start:stop], in_y[start:stop])
        if minima[block] < smallest[-1]:
            for j in range(start, stop):
                distance = max(in_x[j], in_y[j])
                if distance < smallest[-1]:
                    place = k - 1
                    while place > 0 and smallest[place - 1] > distance:
                        smallest[place] = smallest[place - 1]
                        place -= 1
                    smallest[place] = distance
    return int(smallest[-1])


@compiled
def _count_within(distances, rows, i, radius, step):  # type: ignore[no-untyped-def]
    """How many pairs had to be decided by their float64 distance, and how many samples are within ``radius``."""
    middle = int(radius / step)
    surely, perhaps = np.int16(middle - SLACK), np.int16(middle + SLACK)
    undecided, total = 0, 0
    for start in range(0, len(distances), TILE):
        tile = distances[start : start + TILE]
        sure, possible = _int16_within(tile, surely), _int16_within(tile, perhaps)
        total += sure
        if possible > sure:
            undecided += possible - sure
            if undecided > UNDECIDED:
                break
            for block in range(0, TILE, BLOCK):
                if _none_between(tile[block : block + BLOCK], surely, perhaps):
                    continue
                for j in range(block, block + BLOCK):
                    if surely < tile[j] <= perhaps:
                        total += _exact(rows, i, start + j) <= radius
    return undecided, total


@compiled
def _none_between(distances, low, high):  # type: ignore[no-untyped-def]
    """Whether none of BLOCK distances is in (low, high]."""
    found = np.int16(0)
    for j in range(BLOCK):
        found = np.int16(found | np.int16((distances[j] > low) & (distances[j] <= high)))
    return found == 0


@compiled
def _exact(rows, i, j):  # type: ignore[no-untyped-def]
    distance = 0.0
    for c in range(rows.shape[1]):
        distance = max(distance, abs(rows[j, c] - rows[i, c]))
    return distance
