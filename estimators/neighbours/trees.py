"""k-d trees and sorting, compiled: neighbour counts in few dimensions, where most pairs need not be looked at.

The joint tree finds the k nearest neighbours; a tree per variable, or its sorted values where it has one dimension,
counts the samples within the radii. Of two single columns, sorting finds the neighbours as well. Boxes are tight, and
all bounds are computed with the operations, in the order, of the distances themselves: rounding is monotone, so that
a box is never left out by mistake.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array

from .compiled import Counts, Rule, compiled, insert, nobody_found, radii

LEAF = 8  # samples in a leaf, at most
Tree: TypeAlias = tuple[Array, Counts, Array, Array]
"""The samples in the order of the leaves, that order, and the low and the high corners of the box of every node."""


def count_with_trees(x: Array, y: Array, rule: Rule) -> tuple[Counts, Counts, Counts]:
    """The fields of ``Neighbourhoods`` for float64 samples ``x`` (n, dim_x) and ``y`` (n, dim_y)."""
    radius_x, radius_y, atoms = _radii(x, y, rule)
    n_x = _count(x, radius_x, rule.max_norm)
    n_y = _count(y, radius_y, rule.max_norm)
    atom = np.zeros(len(x), np.int64)
    if atoms.any():
        atom[atoms] = _count(np.hstack([x, y]), np.zeros(len(x)), rule.max_norm)[atoms] + 1
    return n_x, n_y, atom


def count_within_kth(x: Array, y: Array, rule: Rule) -> Counts:
    """How many other samples are no further from each than its k-th neighbour, in x and in y at once, shape (n,)."""
    radius = _radii(x, y, rule)[0]
    order, tree = _tree(np.hstack([x, y]))
    return _count_in_tree(tree, radius[order], x.shape[1], rule.max_norm)


def _radii(x: Array, y: Array, rule: Rule) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """The radii of every sample, and whether k others equal it."""
    if x.shape[1] == y.shape[1] == 1:
        columns = np.array([x[:, 0], y[:, 0]], np.float64)
        return _search_sorted(columns[0], columns[1], rule)
    return _search(_tree(np.hstack([x, y]))[1], x.shape[1], rule)


def _tree(points: Array) -> tuple[Counts, Tree]:
    """A tree of the samples, and their order in its leaves."""
    points = np.ascontiguousarray(points, dtype=np.float64)
    order, low, high = _build(points)
    return order, (points[order], order, low, high)


def _count(points: Array, radius: Array, max_norm: bool) -> Counts:
    """How many other samples are within each sample's own radius (squared, where the norm is Euclidean)."""
    if points.shape[1] == 1:
        order = np.argsort(points[:, 0])
        return _count_sorted(points[order, 0], order, radius, max_norm)
    order, tree = _tree(points)
    return _count_in_tree(tree, radius[order], points.shape[1], max_norm)


@compiled
def _build(points: Array) -> tuple[Counts, Array, Array]:
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
def _halve(keys: Array, order: Counts, first: int, last: int, middle: int) -> None:
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
def _between(points: Array, i: int, j: int, first: int, last: int, max_norm: bool) -> float:
    """The distance of points i and j in the coordinates first...last."""
    distance = 0.0
    for c in range(first, last):
        difference = abs(points[i, c] - points[j, c])
        distance = max(distance, difference) if max_norm else distance + difference * difference
    return distance


@compiled
def _to_box(point: Array, low: Array, high: Array, first: int, last: int, max_norm: bool) -> float:
    """The least distance from a point to any in the box with these corners, in the coordinates first...last."""
    distance = 0.0
    for c in range(first, last):
        difference = max(0.0, max(low[c] - point[c], point[c] - high[c]))
        distance = max(distance, difference) if max_norm else distance + difference * difference
    return distance


@compiled
def _across_box(point: Array, low: Array, high: Array, first: int, last: int, max_norm: bool) -> float:
    """The greatest distance from a point to any in the box with these corners, in the coordinates first...last."""
    distance = 0.0
    for c in range(first, last):
        difference = max(abs(low[c] - point[c]), abs(point[c] - high[c]))
        distance = max(distance, difference) if max_norm else distance + difference * difference
    return distance


@compiled
def _joint_to_box(point: Array, low: Array, high: Array, dim_x: int, max_norm: bool) -> float:
    in_x = _to_box(point, low, high, 0, dim_x, max_norm)
    return max(in_x, _to_box(point, low, high, dim_x, len(point), max_norm))


@compiled
def _joint_across_box(point: Array, low: Array, high: Array, dim_x: int, max_norm: bool) -> float:
    in_x = _across_box(point, low, high, 0, dim_x, max_norm)
    return max(in_x, _across_box(point, low, high, dim_x, len(point), max_norm))


@compiled
def _search(tree: Tree, dim_x: int, rule: Rule) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """The radii of every sample, and whether k others equal it."""
    points, order, low, high = tree
    n, dim = points.shape
    nodes = len(low)
    radius_x, radius_y, atoms = np.empty(n), np.empty(n), np.empty(n, np.bool_)
    stack, bounds = np.empty(64, np.int64), np.empty(64)
    first, last = np.empty(64, np.int64), np.empty(64, np.int64)
    found = nobody_found(rule.k, n)
    nearest, index = found[0], found[1]
    settled = not rule.rectangle  # which of the samples as far away as the k-th are taken makes no difference
    for i in range(n):
        me, point = order[i], points[i]
        nearest[:] = np.inf
        index[:] = n
        stack[0], bounds[0], first[0], last[0] = 0, 0.0, 0, n
        top = 0
        while top >= 0:
            node, bound, start, stop = stack[top], bounds[top], first[top], last[top]
            top -= 1
            if bound > nearest[-1] or (bound == nearest[-1] and settled):
                continue
            if 2 * node + 2 >= nodes:
                for j in range(start, stop):
                    if j != i:
                        in_x = _between(points, i, j, 0, dim_x, rule.max_norm)
                        if in_x <= nearest[-1]:
                            in_y = _between(points, i, j, dim_x, dim, rule.max_norm)
                            if in_y <= nearest[-1]:
                                insert(found, in_x, in_y, order[j])
                continue
            left, right, middle = 2 * node + 1, 2 * node + 2, (start + stop) // 2
            to_left = _joint_to_box(point, low[left], high[left], dim_x, rule.max_norm)
            to_right = _joint_to_box(point, low[right], high[right], dim_x, rule.max_norm)
            # the nearer child last, so that it is taken first; of two equally near ones, that which holds the point
            if to_left < to_right or (to_left == to_right and i < middle):
                stack[top + 1], bounds[top + 1], first[top + 1], last[top + 1] = right, to_right, middle, stop
                stack[top + 2], bounds[top + 2], first[top + 2], last[top + 2] = left, to_left, start, middle
            else:
                stack[top + 1], bounds[top + 1], first[top + 1], last[top + 1] = left, to_left, start, middle
                stack[top + 2], bounds[top + 2], first[top + 2], last[top + 2] = right, to_right, middle, stop
            top += 2
        radius_x[me], radius_y[me] = radii(found, rule)
        atoms[me] = nearest[-1] == 0.0
    return radius_x, radius_y, atoms


@compiled
def _count_in_tree(tree: Tree, radius: Array, dim_x: int, max_norm: bool) -> Counts:
    """How many others are within each sample's radius both in the first ``dim_x`` coordinates and in the others."""
    points, order, low, high = tree
    n, dim = points.shape
    nodes = len(low)
    counts = np.empty(n, np.int64)
    stack, first, last = np.empty(64, np.int64), np.empty(64, np.int64), np.empty(64, np.int64)
    for i in range(n):
        point, reach = points[i], radius[i]
        total = -1  # the sample itself is found as well
        stack[0], first[0], last[0] = 0, 0, n
        top = 0
        while top >= 0:
            node, start, stop = stack[top], first[top], last[top]
            top -= 1
            if _joint_to_box(point, low[node], high[node], dim_x, max_norm) > reach:
                continue
            if _joint_across_box(point, low[node], high[node], dim_x, max_norm) <= reach:
                total += stop - start
            elif 2 * node + 2 >= nodes:
                for j in range(start, stop):
                    near = _between(points, i, j, 0, dim_x, max_norm) <= reach
                    total += near and _between(points, i, j, dim_x, dim, max_norm) <= reach
            else:
                middle = (start + stop) // 2
                stack[top + 1], first[top + 1], last[top + 1] = 2 * node + 1, start, middle
                stack[top + 2], first[top + 2], last[top + 2] = 2 * node + 2, middle, stop
                top += 2
        counts[order[i]] = total
    return counts


# Single columns: sorting instead of trees ----------------------------------------------------------------------------


@compiled
def _search_sorted(x: Array, y: Array, rule: Rule) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """The radii of every sample of two columns, each shape (n,), and whether k others equal it.

    The samples are cut into strips along x, in each of which they ascend in y. The search takes strips by their
    distance in x, its own first, and in each goes up and down from its own height, until what is left is further away
    than the k-th neighbour. sqrt(n / k) strips are about as wide as the neighbourhoods of independent columns.
    """
    n = len(x)
    strips = max(1, int(np.sqrt(n / rule.k)))
    starts = (np.arange(strips + 1) * n) // strips
    order = np.argsort(x)
    low, high = np.empty(strips), np.empty(strips)
    for s in range(strips):
        low[s], high[s] = x[order[starts[s]]], x[order[starts[s + 1] - 1]]
        members = order[starts[s] : starts[s + 1]].copy()
        order[starts[s] : starts[s + 1]] = members[np.argsort(y[members])]
    x, y = x[order], y[order]
    radius_x, radius_y, atoms = np.empty(n), np.empty(n), np.empty(n, np.bool_)
    found = nobody_found(rule.k, n)
    nearest, index = found[0], found[1]
    settled = not rule.rectangle
    for own in range(strips):
        for i in range(starts[own], starts[own + 1]):
            nearest[:] = np.inf
            index[:] = n
            left, right, s = own - 1, own + 1, own
            while True:
                upwards = i if s == own else _first_at_least(y, y[i], starts[s], starts[s + 1])
                for j in range(upwards, starts[s + 1]):
                    in_y = _gap(y[j], y[i], rule.max_norm)
                    if in_y > nearest[-1] or (in_y == nearest[-1] and settled):
                        break
                    in_x = _gap(x[j], x[i], rule.max_norm)
                    if in_x <= nearest[-1] and j != i:
                        insert(found, in_x, in_y, order[j])
                for j in range(upwards - 1, starts[s] - 1, -1):
                    in_y = _gap(y[j], y[i], rule.max_norm)
                    if in_y > nearest[-1] or (in_y == nearest[-1] and settled):
                        break
                    in_x = _gap(x[j], x[i], rule.max_norm)
                    if in_x <= nearest[-1]:
                        insert(found, in_x, in_y, order[j])
                to_left = _gap(x[i], high[left], rule.max_norm) if left >= 0 else np.inf
                to_right = _gap(low[right], x[i], rule.max_norm) if right < strips else np.inf
                closest = min(to_left, to_right)
                if closest > nearest[-1] or (closest == nearest[-1] and settled) or (left < 0 and right == strips):
                    break
                if to_left < to_right:
                    s, left = left, left - 1
                else:
                    s, right = right, right + 1
            me = order[i]
            radius_x[me], radius_y[me] = radii(found, rule)
            atoms[me] = nearest[-1] == 0.0
    return radius_x, radius_y, atoms


@compiled
def _gap(a: float, b: float, max_norm: bool) -> float:
    return abs(a - b) if max_norm else (a - b) * (a - b)


@compiled
def _first_at_least(ascending: Array, value: float, start: int, stop: int) -> int:
    """The first place in start...stop whose entry is not below ``value``, or ``stop``."""
    while start < stop:
        middle = (start + stop) // 2
        if ascending[middle] < value:
            start = middle + 1
        else:
            stop = middle
    return start


@compiled
def _count_sorted(values: Array, order: Counts, radius: Array, max_norm: bool) -> Counts:
    """How many others are within each sample's radius in one column of ascending values: bisection on differences."""
    n = len(values)
    counts = np.empty(n, np.int64)
    for i in range(n):
        here, reach = values[i], radius[order[i]]
        low, high = 0, i  # the first sample within reach
        while low < high:
            middle = (low + high) // 2
            difference = here - values[middle]
            if (difference if max_norm else difference * difference) <= reach:
                high = middle
            else:
                low = middle + 1
        first = low
        low, high = i, n - 1  # the last one
        while low < high:
            middle = (low + high + 1) // 2
            difference = values[middle] - here
            if (difference if max_norm else difference * difference) <= reach:
                low = middle
            else:
                high = middle - 1
        counts[order[i]] = low - first
    return counts
