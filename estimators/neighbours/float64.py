"""All pairs of samples in float64, compiled: what decides where faster arithmetic cannot.

Samples are held twice: as rows, and as tiles of (dimensions, TILE), in which what one pass reads lies side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mibench.estimator import Array

from .compiled import Counts, Numbers, Rule, compiled, insert, nobody_found, radii, squared
from .selection import BLOCK, TILE, kth_smallest, within

ROWS = 8  # samples whose distances are computed together, so that a tile is read once for all of them; even
GROUP = 5  # dimensions per pass over a tile; tiles are padded to a multiple with zeros, which change no distance
INFINITE = np.float64(np.inf).view(np.int64)


def padded_rows(values: Numbers) -> Numbers:
    """Rows for a multiple of ROWS and columns for a multiple of GROUP, filled up with zeros."""
    n, dim = values.shape
    rows = np.zeros((-(-n // ROWS) * ROWS, -(-dim // GROUP) * GROUP), values.dtype)
    rows[:n, :dim] = values
    return rows


def tiled(rows: Numbers) -> Numbers:
    """The same numbers as (tiles, dimensions, TILE), filled up with zeros."""
    tiles = -(-len(rows) // TILE)
    padded = np.zeros((tiles * TILE, rows.shape[1]), rows.dtype)
    padded[: len(rows)] = rows
    return np.ascontiguousarray(padded.reshape(tiles, TILE, -1).transpose(0, 2, 1))


def count_in_float64(x: Array, y: Array, which: Counts, rule: Rule) -> Counts:
    """n_x, n_y and atom of the samples ``which``, shape (3, len(which))."""
    rows_x, rows_y = padded_rows(x), padded_rows(y)
    return _count_rows(rows_x, rows_y, tiled(rows_x), tiled(rows_y), len(x), which, rule)


@compiled
def _count_rows(
    rows_x: Numbers, rows_y: Numbers, tiles_x: Numbers, tiles_y: Numbers, n: int, which: Counts, rule: Rule
) -> Counts:
    width = len(tiles_x) * TILE
    in_x, in_y = np.empty((ROWS, width)), np.empty((ROWS, width))
    bits_x, bits_y, minima = in_x.view(np.int64), in_y.view(np.int64), np.empty(width // BLOCK, np.int64)
    counts = np.empty((3, len(which)), np.int64)
    for first in range(0, len(which), ROWS):
        some = which[first : first + ROWS]
        distances(tiles_x, rows_x, some, rule.max_norm, in_x)
        distances(tiles_y, rows_y, some, rule.max_norm, in_y)
        for row in range(len(some)):
            i = some[row]
            forget(in_x[row], in_y[row], i, n, np.inf)
            counts[:, first + row] = _count((in_x[row], in_y[row]), (bits_x[row], bits_y[row]), i, n, minima, rule)
    return counts


@compiled
def forget(in_x: Numbers, in_y: Numbers, i: int, n: int, nobody: Any) -> None:
    """Sample i is not its own neighbour, and padding is nobody's."""
    in_x[i] = in_y[i] = nobody
    in_x[n:] = nobody
    in_y[n:] = nobody


@compiled
def distances(tiles: Numbers, rows: Numbers, which: Counts, max_norm: bool, out: Numbers) -> None:
    """Distances from up to ROWS samples to all, in numbers of any kind: maxima of differences, or sums of squares."""
    for t in range(len(tiles)):
        for row in range(0, len(which), 2):
            here = out[row, t * TILE : (t + 1) * TILE]
            there = out[row + 1, t * TILE : (t + 1) * TILE]
            p, q = rows[which[row]], rows[which[min(row + 1, len(which) - 1)]]
            here[:] = 0
            there[:] = 0
            for c in range(0, rows.shape[1], GROUP):
                if max_norm:
                    _maximum(tiles[t], c, p, q, here, there)
                else:
                    _squares(tiles[t], c, p, q, here, there)


# The two innermost loops: GROUP dimensions of one tile, two samples at a time, so that what is read is used twice.


@compiled
def _gap(a: Any, b: Any, kind: Any) -> Any:
    """|a - b| in numbers of the kind that they are, so that as many as possible fit into a register."""
    return kind(abs(kind(a - b)))


@compiled
def _maximum(tile: Numbers, c: int, p: Numbers, q: Numbers, out_p: Numbers, out_q: Numbers) -> None:
    p0, p1, p2, p3, p4 = p[c], p[c + 1], p[c + 2], p[c + 3], p[c + 4]
    q0, q1, q2, q3, q4 = q[c], q[c + 1], q[c + 2], q[c + 3], q[c + 4]
    t0, t1, t2, t3, t4 = tile[c], tile[c + 1], tile[c + 2], tile[c + 3], tile[c + 4]
    kind = tile.dtype.type
    for j in range(TILE):
        near = max(max(_gap(t0[j], p0, kind), _gap(t1[j], p1, kind)), max(_gap(t2[j], p2, kind), _gap(t3[j], p3, kind)))
        out_p[j] = max(max(out_p[j], _gap(t4[j], p4, kind)), near)
        near = max(max(_gap(t0[j], q0, kind), _gap(t1[j], q1, kind)), max(_gap(t2[j], q2, kind), _gap(t3[j], q3, kind)))
        out_q[j] = max(max(out_q[j], _gap(t4[j], q4, kind)), near)


@compiled
def _squares(tile: Numbers, c: int, p: Numbers, q: Numbers, out_p: Numbers, out_q: Numbers) -> None:
    p0, p1, p2, p3, p4 = p[c], p[c + 1], p[c + 2], p[c + 3], p[c + 4]
    q0, q1, q2, q3, q4 = q[c], q[c + 1], q[c + 2], q[c + 3], q[c + 4]
    t0, t1, t2, t3, t4 = tile[c], tile[c + 1], tile[c + 2], tile[c + 3], tile[c + 4]
    for j in range(TILE):
        near = out_p[j] + squared(t0[j] - p0) + squared(t1[j] - p1)
        out_p[j] = near + squared(t2[j] - p2) + squared(t3[j] - p3) + squared(t4[j] - p4)
        near = out_q[j] + squared(t0[j] - q0) + squared(t1[j] - q1)
        out_q[j] = near + squared(t2[j] - q2) + squared(t3[j] - q3) + squared(t4[j] - q4)


@compiled
def _count(
    numbers: tuple[Array, Array], bits: tuple[Counts, Counts], i: int, n: int, minima: Counts, rule: Rule
) -> Counts:
    """n_x, n_y and atom from the distances of sample i to all, given as numbers and as their bits."""
    (in_x, in_y), (bits_x, bits_y) = numbers, bits
    kth, found, atom = kth_smallest(bits_x, bits_y, minima, rule.k, INFINITE), nobody_found(rule.k, n), 1
    for block in range(len(minima)):
        if minima[block] <= kth:
            for j in range(block * BLOCK, (block + 1) * BLOCK):
                if max(bits_x[j], bits_y[j]) <= kth and j != i:
                    atom += 1
                    insert(found, in_x[j], in_y[j], j)
    radius_x, radius_y = radii(found, rule)
    limit_x, limit_y = np.array([radius_x, radius_y]).view(np.int64)
    n_x, n_y = 0, 0
    for start in range(0, len(in_x), TILE):
        n_x += within(bits_x[start : start + TILE], limit_x, limit_x)[0]
        n_y += within(bits_y[start : start + TILE], limit_y, limit_y)[0]
    # where squares overflow a radius can be infinite, and what was to be forgotten within it
    return np.array([min(n_x, n - 1), min(n_y, n - 1), atom if kth == 0 else 0])
