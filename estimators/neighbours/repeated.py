"""Samples that repeat one another: neighbours among the different ones, each as many samples as it stands for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mibench.estimator import Array

from .compiled import Counts, Rule, compiled, moved, squared

MOST = 20_000
"""Different samples, of which all pairs are looked at, where a tree of all samples is the other way."""


class Distinct(NamedTuple):
    """The different samples x (m, dim_x) and y (m, dim_y), how many each is (m,), and which each sample is (n,)."""

    x: Array
    y: Array
    times: Counts
    which: Counts


def distinct(x: Array, y: Array, most: int) -> Distinct | None:
    """The different samples, or None where they are more than ``most``."""
    which = np.zeros(len(x), np.int64)
    for column in (*x.T, *y.T):
        values, place = np.unique(column, return_inverse=True)
        which = np.unique(which * len(values) + place, return_inverse=True)[1].reshape(-1)
        if which.max() >= most:
            return None
    _, first, times = np.unique(which, return_index=True, return_counts=True)
    return Distinct(np.ascontiguousarray(x[first]), np.ascontiguousarray(y[first]), times.astype(np.int64), which)


def count_among_distinct(rows: Distinct, rule: Rule) -> Counts:
    """n_x, n_y and atom as ``search.Neighbourhoods`` has them, and how many are within the radius in both, (4, m).

    The rule is one whose radii are the distance to the k-th neighbour (``rectangle`` is False).
    """
    return _count(rows.x, rows.y, rows.times, rule)


@compiled
def _count(x: Array, y: Array, times: Counts, rule: Rule) -> Counts:
    m = len(x)
    counts = np.empty((4, m), np.int64)
    in_x, in_y = np.empty(m), np.empty(m)
    nearest, weights = np.empty(rule.k), np.empty(rule.k, np.int64)
    for i in range(m):
        nearest[:] = np.inf
        weights[:] = 0
        for j in range(m):
            in_x[j], in_y[j] = _apart(x[i], x[j], rule.max_norm), _apart(y[i], y[j], rule.max_norm)
            others, distance = times[j] - (i == j), max(in_x[j], in_y[j])
            if others > 0 and distance < nearest[-1]:
                place = rule.k - 1
                while place > 0 and distance < nearest[place - 1]:
                    nearest[place], weights[place] = nearest[place - 1], weights[place - 1]
                    place -= 1
                nearest[place], weights[place] = distance, others
        kth, seen = 0, weights[0]
        while seen < rule.k:
            kth += 1
            seen += weights[kth]
        radius = moved(nearest[kth], rule)
        counts[:, i] = -1, -1, 0, -1  # the sample itself is found as well
        for j in range(m):
            counts[0, i] += times[j] * (in_x[j] <= radius)
            counts[1, i] += times[j] * (in_y[j] <= radius)
            counts[2, i] += times[j] * (nearest[kth] == 0.0 and max(in_x[j], in_y[j]) == 0.0)
            counts[3, i] += times[j] * (max(in_x[j], in_y[j]) <= radius)
    return counts


@compiled
def _apart(a: Array, b: Array, max_norm: bool) -> float:
    """The distance of two points, in the operations and the order of every other search."""
    distance = 0.0
    for c in range(len(a)):
        gap = abs(a[c] - b[c])
        distance = max(distance, gap) if max_norm else distance + squared(gap)
    return distance
