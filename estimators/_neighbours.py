"""Counting neighbours: the whole numerical work of the nearest-neighbour estimators.

For every sample i the search finds the k nearest other samples in the norm max(|x_j - x_i|, |y_j - y_i|), derives
from them a radius in x and one in y, and counts the samples within each. What is made of the counts is in ``ksg.py``;
how they are found, by looking at all pairs, is in ``_brute.py``.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array

Metric: TypeAlias = Literal["max", "euclidean"]
Counts: TypeAlias = npt.NDArray[np.int64]


class Neighbourhoods(NamedTuple):
    """Counts around each of n samples, all shape (n,).

    n_x, n_y : other samples within the radius in x alone and in y alone.
    atom : how often the sample occurs, itself included, where k others or more repeat it exactly; 0 elsewhere.
    """

    n_x: Counts
    n_y: Counts
    atom: Counts


def neighbourhoods(x: Array, y: Array, k: int, metric: Metric, closed: bool, rectangle: bool) -> Neighbourhoods:
    """Count around every sample of ``x`` (n, dim_x) and ``y`` (n, dim_y).

    rectangle : the radii in x and in y are the extents of the k neighbours in each; otherwise both are the distance to
        the k-th. Of neighbours equally far away those with the lower index are nearer.
    closed : samples at the radius itself count; otherwise only closer ones do (but at radius 0, those at 0).
    """
    from ._brute import count_all_pairs

    return Neighbourhoods(*count_all_pairs(x, y, k, metric == "max", closed, rectangle))
