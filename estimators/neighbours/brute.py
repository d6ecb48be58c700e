"""All pairs of samples: neighbour counts in any number of dimensions, with memory proportional to n.

Distances of a few samples to all others are computed and kept until their neighbours are counted. They are approximate
and fast, and the error is bounded: only pairs that are as near to a radius as that have to be decided, and are, by
their float64 distance. Where that is too many, all distances of a sample are computed in float64. In any case the
counts are those of float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mibench.estimator import Array

from .euclidean import count_in_float32
from .float64 import count_in_float64
from .maximum import count_in_int16


def count_all_pairs(x: Array, y: Array, k: int, max_norm: bool, closed: bool, rectangle: bool) -> tuple[Any, Any, Any]:
    """The fields of ``Neighbourhoods`` for float64 samples ``x`` (n, dim_x) and ``y`` (n, dim_y)."""
    widest = max(np.ptp(x, axis=0).max(), np.ptp(y, axis=0).max())
    if not 1e-100 < widest < 1e100:  # squares may leave the range of float64; constant samples are all equal anyway
        counts = np.full((3, len(x)), -1)
    elif max_norm:
        counts = count_in_int16(x, y, k, closed, rectangle)
    else:
        counts = count_in_float32(x, y, k, closed, rectangle)
    undecided = np.flatnonzero(counts[0] < 0)
    if len(undecided):
        counts[:, undecided] = count_in_float64(x, y, undecided, k, max_norm, closed, rectangle)
    return counts[0], counts[1], counts[2]
