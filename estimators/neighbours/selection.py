"""What is made of one sample's distances to all others, compiled: the nearest found, and those within a radius counted.

The distances are non-negative integers: rounded ones, or the bits of floating-point numbers, which have the order of
the numbers. Of integers the processor compares many at once; the least of some floating-point numbers compilers find
one by one, since any might be NaN.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from .compiled import Numbers, Rule, compiled, insert, nobody_found, radii

TILE = 512  # distances that are counted together; no more than an int16 can hold
BLOCK = 64  # samples that are skipped together when none of them matters

Pair: TypeAlias = tuple[Numbers, Numbers]
Parts: TypeAlias = tuple[Any, ...]


@compiled
def kth_smallest(in_x: Numbers, in_y: Numbers, minima: Numbers, k: int, nobody: Any) -> Any:
    """The k-th smallest joint distance; ``minima`` gets the least of each block.

    It does not exceed the k-th smallest of the minima, so that only about k blocks have to be looked into.
    """
    smallest = np.full(k, nobody)
    for block in range(len(minima)):
        start, stop = block * BLOCK, (block + 1) * BLOCK
        minima[block] = _block_minimum(in_x[start:stop], in_y[start:stop])
        if minima[block] < smallest[-1]:
            _keep(smallest, minima[block])
    bound = smallest[-1]
    smallest[:] = nobody
    for block in range(len(minima)):
        if minima[block] <= bound:
            for j in range(block * BLOCK, (block + 1) * BLOCK):
                distance = max(in_x[j], in_y[j])
                if distance < smallest[-1]:
                    _keep(smallest, distance)
    return smallest[-1]


@compiled
def _block_minimum(in_x: Numbers, in_y: Numbers) -> Any:
    """The least joint distance in BLOCK samples."""
    least = max(in_x[0], in_y[0])
    for j in range(BLOCK):
        least = min(least, max(in_x[j], in_y[j]))
    return least


@compiled
def _keep(smallest: Numbers, value: Any) -> None:
    """Put ``value`` in its place among the ascending ``smallest``, the last of which is greater and drops out."""
    place = len(smallest) - 1
    while place > 0 and smallest[place - 1] > value:
        smallest[place] = smallest[place - 1]
        place -= 1
    smallest[place] = value


@compiled
def within(distances: Numbers, low: Any, high: Any) -> tuple[Any, Any]:
    """How many of TILE distances do not exceed ``low``, and ``high``, counted in integers no wider than they are."""
    count = distances.dtype.type
    below, total = count(0), count(0)
    for j in range(TILE):
        below = count(below + count(distances[j] <= low))
        total = count(total + count(distances[j] <= high))
    return below, total


@compiled
def count_approximate(
    near: Pair, nobody: Any, number: Pair, error: Parts, samples: Parts, minima: Numbers, most: int, rule: Rule
) -> tuple[bool, int, int, int]:
    """Whether at most ``most`` pairs were left to their float64 distance, and if so n_x, n_y and atom of sample i.

    near : distances of sample i to all in x and in y, approximately; ``nobody`` is greater than any of them.
    number : two views of one entry, first as what the distances are, then as the integers that they come as.
    error : (unit, relative, off_x, off_y); where float64 has d, they have unit * d up to relative * unit * d + off.
    samples : (x, y, i).
    """
    unit, relative, off_x, off_y = error
    (in_x, in_y), (rows_x, rows_y, i), (value, integer) = near, samples, number
    integer[0] = kth_smallest(in_x, in_y, minima, rule.k, nobody)
    off = max(off_x, off_y)
    reach = (value[0] + off) / (1 - relative)  # the k-th neighbour is not further away
    limit = _as_integer(number, reach + (relative * reach + off))
    found = nobody_found(rule.k, -1)
    undecided, atom = 0, 1
    for block in range(len(minima)):
        if minima[block] > limit:
            continue
        for j in range(block * BLOCK, (block + 1) * BLOCK):
            if max(in_x[j], in_y[j]) <= limit:
                undecided += 1
                true_x, true_y = _distance(rows_x, i, j, rule.max_norm), _distance(rows_y, i, j, rule.max_norm)
                atom += max(true_x, true_y) == 0.0
                insert(found, true_x, true_y, j)
        if undecided > most:
            return False, 0, 0, 0
    radius_x, radius_y = radii(found, rule)
    undecided_x, n_x = _count(in_x, number, radius_x, (unit, relative, off_x), (rows_x, i, rule.max_norm), most)
    undecided_y, n_y = _count(in_y, number, radius_y, (unit, relative, off_y), (rows_y, i, rule.max_norm), most)
    return undecided_x + undecided_y <= most, n_x, n_y, atom if found[0][-1] == 0.0 else 0


@compiled
def _as_integer(number: Pair, limit: float) -> Any:
    """The greatest integer that stands for a distance up to ``limit``, or -1 where there is none."""
    value, integer = number
    value[0] = max(limit, 0.0)
    if limit < 0:
        integer[0] = -1
    return integer[0]


@compiled
def _distance(rows: Numbers, i: int, j: int, max_norm: bool) -> float:
    """The float64 distance of two samples, squared where the norm is Euclidean."""
    distance = 0.0
    for c in range(rows.shape[1]):
        gap = rows[j, c] - rows[i, c]
        distance = max(distance, abs(gap)) if max_norm else distance + gap * gap
    return distance


@compiled
def _count(distances: Numbers, number: Pair, radius: float, error: Parts, samples: Parts, most: int) -> tuple[int, int]:
    """How many pairs had to be decided by their float64 distance, and how many samples are within ``radius``."""
    unit, relative, off = error
    rows, i, max_norm = samples
    middle = radius * unit
    margin = relative * middle + off
    surely, perhaps = _as_integer(number, middle - margin), _as_integer(number, middle + margin)
    undecided, total = 0, 0
    for start in range(0, len(distances), TILE):
        tile = distances[start : start + TILE]
        sure, possible = within(tile, surely, perhaps)
        total += sure
        if possible > sure:
            undecided += possible - sure
            if undecided > most:
                break
            for block in range(0, TILE, BLOCK):
                if _none_between(tile[block : block + BLOCK], surely, perhaps):
                    continue
                for j in range(block, block + BLOCK):
                    if surely < tile[j] <= perhaps:
                        total += _distance(rows, i, start + j, max_norm) <= radius
    return undecided, total


@compiled
def _none_between(distances: Numbers, low: Any, high: Any) -> bool:
    """Whether none of BLOCK distances is in (low, high]."""
    kind = distances.dtype.type
    found = kind(0)
    for j in range(BLOCK):
        found = kind(found | kind((distances[j] > low) & (distances[j] <= high)))
    return bool(found == 0)
