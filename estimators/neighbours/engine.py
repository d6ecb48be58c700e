"""Counting neighbours: the whole numerical work of the nearest-neighbour estimators.

For every sample i the search finds the k nearest other samples in the norm max(|x_j - x_i|, |y_j - y_i|), derives
from them a radius in x and one in y, and counts the samples within each. What is made of the counts is in ``ksg.py``;
how they are found is in ``_brute.py`` (all pairs), ``_tree.py`` (few dimensions) and ``_chunked.py`` (a GPU), which
agree on every count.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array
from mibench.runtime import device

Metric: TypeAlias = Literal["max", "euclidean"]
Counts: TypeAlias = npt.NDArray[np.int64]

# by the sum of dimensions, the number of samples from which trees are faster than all pairs (measured on Gaussians)
TREES_FROM = {2: 0, 3: 7_000, 4: 16_000, 5: 32_000, 6: 50_000, 7: 80_000, 8: 120_000}


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
    how = k, metric == "max", closed, rectangle
    if device() != "cpu":
        from .chunked import count_in_chunks

        return Neighbourhoods(*count_in_chunks(x, y, *how, device=device()))
    if len(x) >= TREES_FROM.get(x.shape[1] + y.shape[1], math.inf):
        from .tree import count_with_trees

        return Neighbourhoods(*count_with_trees(x, y, *how))
    from .brute import count_all_pairs

    return Neighbourhoods(*count_all_pairs(x, y, *how))


def warm_up(k: int, metric: Metric) -> None:
    """Compile every search, or load it from disk; on a GPU there is nothing to compile."""
    if device() != "cpu":
        return
    from .brute import count_all_pairs
    from .tree import count_with_trees

    sample = np.arange(2.0 * (k + 1))[:, None]
    for x in (sample, np.hstack([sample, -sample])):
        count_with_trees(x, sample, k, metric == "max", False, False)
    for scale in (1.0, 1e-200):  # the second is beyond what the fast arithmetic can do
        count_all_pairs(scale * sample, scale * sample, k, metric == "max", False, False)
