"""Sorting, compiled: neighbours of two single columns, and counts within a radius in one."""

from __future__ import annotations

import numpy as np

from .compiled import compiled, insert, radii


@compiled
def search_sorted(x, y, k, max_norm, closed, rectangle):  # type: ignore[no-untyped-def]
    """The radii of every sample of two columns, each shape (n,), and whether k others equal it.

    The samples are cut into strips along x, in each of which they ascend in y. The search takes strips by their
    distance in x, its own first, and in each goes up and down from its own height, until what is left is further away
    than the k-th neighbour. sqrt(n / k) strips are about as wide as the neighbourhoods of independent columns.
    """
    n = len(x)
    strips = max(1, int(np.sqrt(n / k)))
    starts = (np.arange(strips + 1) * n) // strips
    order = np.argsort(x)
    low, high = np.empty(strips), np.empty(strips)
    for s in range(strips):
        low[s], high[s] = x[order[starts[s]]], x[order[starts[s + 1] - 1]]
        members = order[starts[s] : starts[s + 1]].copy()
        order[starts[s] : starts[s + 1]] = members[np.argsort(y[members])]
    x, y = x[order], y[order]
    radius_x, radius_y, atoms = np.empty(n), np.empty(n), np.empty(n, np.bool_)
    nearest, index, extent_x, extent_y = np.empty(k), np.empty(k, np.int64), np.empty(k), np.empty(k)
    for own in range(strips):
        for i in range(starts[own], starts[own + 1]):
            nearest[:] = np.inf
            index[:] = n
            left, right, s = own - 1, own + 1, own
            while True:
                upwards = i if s == own else _first_at_least(y, y[i], starts[s], starts[s + 1])
                for j in range(upwards, starts[s + 1]):
                    in_y = _gap(y[j], y[i], max_norm)
                    if in_y > nearest[-1]:
                        break
                    in_x = _gap(x[j], x[i], max_norm)
                    if in_x <= nearest[-1] and j != i:
                        insert(nearest, index, extent_x, extent_y, in_x, in_y, order[j])
                for j in range(upwards - 1, starts[s] - 1, -1):
                    in_y = _gap(y[j], y[i], max_norm)
                    if in_y > nearest[-1]:
                        break
                    in_x = _gap(x[j], x[i], max_norm)
                    if in_x <= nearest[-1]:
                        insert(nearest, index, extent_x, extent_y, in_x, in_y, order[j])
                to_left = _gap(x[i], high[left], max_norm) if left >= 0 else np.inf
                to_right = _gap(low[right], x[i], max_norm) if right < strips else np.inf
                if min(to_left, to_right) > nearest[-1] or (left < 0 and right == strips):
                    break
                if to_left < to_right:
                    s, left = left, left - 1
                else:
                    s, right = right, right + 1
            me = order[i]
            radius_x[me], radius_y[me] = radii(nearest, extent_x, extent_y, closed, rectangle)
            atoms[me] = nearest[-1] == 0.0
    return radius_x, radius_y, atoms


@compiled
def _gap(a, b, max_norm):  # type: ignore[no-untyped-def]
    return abs(a - b) if max_norm else (a - b) * (a - b)


@compiled
def _first_at_least(ascending, value, start, stop):  # type: ignore[no-untyped-def]
    """The first place in start...stop whose entry is not below ``value``, or ``stop``."""
    while start < stop:
        middle = (start + stop) // 2
        if ascending[middle] < value:
            start = middle + 1
        else:
            stop = middle
    return start


@compiled
def count_sorted(values, order, radius, max_norm):  # type: ignore[no-untyped-def]
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
