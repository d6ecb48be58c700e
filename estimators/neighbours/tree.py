"""k-d trees, compiled: neighbour counts in few dimensions, where most pairs of samples need not be looked at.

The joint tree finds the k nearest neighbours; a tree per variable, or its sorted values where it has one dimension,
counts the samples within the radii. Of two single columns, sorting finds the neighbours as well. Boxes are tight, and
all bounds are computed with the operations, in the order, of the distances themselves: rounding is monotone, so that
a box is never left out by mistake.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mibench.estimator import Array

from .compiled import compiled, insert, radii
from .sorted import count_sorted, search_sorted

LEAF = 8  # samples in a leaf, at most


def count_with_trees(x: Array, y: Array, k: int, max_norm: bool, closed: bool, rectangle: bool) -> tuple[Any, Any, Any]:
    """The fields of ``Neighbourhoods`` for float64 samples ``x`` (n, dim_x) and ``y`` (n, dim_y)."""
    dim_x = x.shape[1]
    joint = np.ascontiguousarray(np.hstack([x, y]), dtype=np.float64)
    if joint.shape[1] == 2:
        columns = np.ascontiguousarray(joint.T)
        radius_x, radius_y, atoms = search_sorted(columns[0], columns[1], k, max_norm, closed, rectangle)
    else:
        order, low, high = _build(joint)
        radius_x, radius_y, atoms = _search(joint[order], order, low, high, dim_x, k, max_norm, closed, rectangle)
    n_x = _count(joint[:, :dim_x], radius_x, max_norm)
    n_y = _count(joint[:, dim_x:], radius_y, max_norm)
    atom = np.zeros(len(x), np.int64)
    if atoms.any():
        atom[atoms] = _count(joint, np.zeros(len(x)), max_norm)[atoms] + 1
    return n_x, n_y, atom


def _count(points: Array, radius: Array, max_norm: bool) -> Any:
    """How many other samples are within each sample's own radius (squared, where the norm is Euclidean)."""
    if points.shape[1] == 1:
        order = np.argsort(points[:, 0])
        return count_sorted(points[order, 0], order, radius, max_norm)
    points = np.ascontiguousarray(points)
    order, low, high = _build(points)
    return _count_in_tree(points[order], order, low, high, radius[order], max_norm)


@compiled
def _build(points):  # type: ignore[no-untyped-def]
    """The order of the samples in the leaves, and the corners of the box of every node.

    Node i has the children 2 i + 1 and 2 i + 2 and halves its samples between them, down to leaves on one level.
    """
    n, dim = points.shape
    depth = 0
    while n > LEAF << depth:
        depth += 1
    nodes = (2 << depth) - 1
    low, high = np.empty((nodes, dim)), np.empty((nodes, dim))
    start, stop = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    order = np.arange(n)
    keys = np.empty(n)
    stop[0] = n
    for node in range(nodes):
        first, last = start[node], stop[node]
        widest, width = 0, -1.0
        for c in range(dim):
            least = greatest = points[order[first], c]
            for place in range(first + 1, last):
                value = points[order[place], c]
                least, greatest = min(least, value), max(greatest, value)
            low[node, c], high[node, c] = least, greatest
            if greatest - least > width:
                widest, width = c, greatest - least
        if 2 * node + 2 < nodes:
            middle = (first + last) // 2
            for place in range(first, last):
                keys[place] = points[order[place], widest]
            _halve(keys, order, first, last, middle)
            start[2 * node + 1], stop[2 * node + 1] = first, middle
            start[2 * node + 2], stop[2 * node + 2] = middle, last
    return order, low, high


@compiled
def _halve(keys, order, first, last, middle):  # type: ignore[no-untyped-def]
    """Reorder places first...last so that no key before ``middle`` exceeds one after it (quickselect)."""
    left, right = first, last - 1
    while left < right:
        pivot = keys[(left + right) // 2]
        i, j = left, right
        while i <= j:
            while keys[i] < pivot:
                i += 1
            while keys[j] > pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            right = j
        elif middle >= i:
            left = i
        else:
            return


@compiled
def _between(points, i, j, first, last, max_norm):  # type: ignore[no-untyped-def]
    """The distance of points i and j in the coordinates first...last."""
    distance = 0.0
    for c in range(first, last):
        difference = abs(points[i, c] - points[j, c])
        distance = max(distance, difference) if max_norm else distance + difference * difference
    return distance


@compiled
def _to_box(points, i, low, high, node, first, last, max_norm):  # type: ignore[no-untyped-def]
    """The least distance from point i to any in the box of a node."""
    distance = 0.0
    for c in range(first, last):
        difference = max(0.0, max(low[node, c] - points[i, c], points[i, c] - high[node, c]))
        distance = max(distance, difference) if max_norm else distance + difference * difference
    return distance


@compiled
def _across_box(points, i, low, high, node, first, last, max_norm):  # type: ignore[no-untyped-def]
    """The greatest distance from point i to any in the box of a node."""
    distance = 0.0
    for c in range(first, last):
        difference = max(abs(low[node, c] - points[i, c]), abs(points[i, c] - high[node, c]))
        distance = max(distance, difference) if max_norm else distance + difference * difference
    return distance


@compiled
def _joint_to_box(points, i, low, high, node, dim_x, max_norm):  # type: ignore[no-untyped-def]
    in_x = _to_box(points, i, low, high, node, 0, dim_x, max_norm)
    return max(in_x, _to_box(points, i, low, high, node, dim_x, points.shape[1], max_norm))


@compiled
def _search(points, order, low, high, dim_x, k, max_norm, closed, rectangle):  # type: ignore[no-untyped-def]
    """The radii of every sample, and whether k others equal it; ``points`` are in the order of the leaves."""
    n, dim = points.shape
    nodes = len(low)
    radius_x, radius_y, atoms = np.empty(n), np.empty(n), np.empty(n, np.bool_)
    stack, bounds = np.empty(64, np.int64), np.empty(64)
    first, last = np.empty(64, np.int64), np.empty(64, np.int64)
    nearest, index, extent_x, extent_y = np.empty(k), np.empty(k, np.int64), np.empty(k), np.empty(k)
    for i in range(n):
        me = order[i]
        nearest[:] = np.inf
        index[:] = n
        stack[0], bounds[0], first[0], last[0] = 0, 0.0, 0, n
        top = 0
        while top >= 0:
            node, bound, start, stop = stack[top], bounds[top], first[top], last[top]
            top -= 1
            if bound > nearest[-1]:
                continue
            if 2 * node + 2 >= nodes:
                for j in range(start, stop):
                    if j != i:
                        in_x = _between(points, i, j, 0, dim_x, max_norm)
                        if in_x <= nearest[-1]:
                            in_y = _between(points, i, j, dim_x, dim, max_norm)
                            if in_y <= nearest[-1]:
                                insert(nearest, index, extent_x, extent_y, in_x, in_y, order[j])
                continue
            left, right, middle = 2 * node + 1, 2 * node + 2, (start + stop) // 2
            to_left = _joint_to_box(points, i, low, high, left, dim_x, max_norm)
            to_right = _joint_to_box(points, i, low, high, right, dim_x, max_norm)
            # the nearer child last, so that it is taken first; of two equally near ones, that which holds the point
            if to_left < to_right or (to_left == to_right and i < middle):
                stack[top + 1], bounds[top + 1], first[top + 1], last[top + 1] = right, to_right, middle, stop
                stack[top + 2], bounds[top + 2], first[top + 2], last[top + 2] = left, to_left, start, middle
            else:
                stack[top + 1], bounds[top + 1], first[top + 1], last[top + 1] = left, to_left, start, middle
                stack[top + 2], bounds[top + 2], first[top + 2], last[top + 2] = right, to_right, middle, stop
            top += 2
        radius_x[me], radius_y[me] = radii(nearest, extent_x, extent_y, closed, rectangle)
        atoms[me] = nearest[-1] == 0.0
    return radius_x, radius_y, atoms


@compiled
def _count_in_tree(points, order, low, high, radius, max_norm):  # type: ignore[no-untyped-def]
    n, dim = points.shape
    nodes = len(low)
    counts = np.empty(n, np.int64)
    stack, first, last = np.empty(64, np.int64), np.empty(64, np.int64), np.empty(64, np.int64)
    for i in range(n):
        reach = radius[i]
        total = -1  # the sample itself is found as well
        stack[0], first[0], last[0] = 0, 0, n
        top = 0
        while top >= 0:
            node, start, stop = stack[top], first[top], last[top]
            top -= 1
            if _to_box(points, i, low, high, node, 0, dim, max_norm) > reach:
                continue
            if _across_box(points, i, low, high, node, 0, dim, max_norm) <= reach:
                total += stop - start
            elif 2 * node + 2 >= nodes:
                for j in range(start, stop):
                    total += _between(points, i, j, 0, dim, max_norm) <= reach
            else:
                middle = (start + stop) // 2
                stack[top + 1], first[top + 1], last[top + 1] = 2 * node + 1, start, middle
                stack[top + 2], first[top + 2], last[top + 2] = 2 * node + 2, middle, stop
                top += 2
        counts[order[i]] = total
    return counts
