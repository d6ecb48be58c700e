"""Counting neighbours: what the nearest-neighbour estimators ask for, and which search answers.

For every sample i a search finds the k nearest other samples in the norm max(|x_j - x_i|, |y_j - y_i|), derives from
them a radius in x and one in y, and counts the samples within each. What is made of the counts is in ``ksg.py``; they
are found by comparing all pairs, here, by trees (few dimensions), among the different samples alone where most repeat
(``repeated.py``), or in ``tiles.py`` and ``chunked.py`` (a GPU), which agree on every count. The rule they all obey is
``compiled.Rule``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array
from mibench.runtime import device

if TYPE_CHECKING:
    from .compiled import Counts, Rule

Metric: TypeAlias = Literal["max", "euclidean"]

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


class Tied(NamedTuple):
    """Around samples of which several may be as far away as the k-th neighbour.

    inside : what is closer than the k-th. reached : what is no further. joint : how many others are no further in x and
        in y at once, shape (n,): k, but for ties.
    """

    inside: Neighbourhoods
    reached: Neighbourhoods
    joint: Counts


def neighbourhoods(
    x: Array, y: Array, k: int, metric: Metric, closed: bool, rectangle: bool, slack: float = 0.0
) -> Neighbourhoods:
    """Count around every sample of ``x`` (n, dim_x) and ``y`` (n, dim_y) by the rule of these words."""
    from .compiled import Rule

    rule = Rule(k, metric == "max", closed, rectangle, slack)
    if device() != "cpu":
        from .tiles import count_on_device

        return Neighbourhoods(*count_on_device(x, y, rule, device()))
    if _trees_are_faster(x, y):
        from .trees import count_with_trees

        return Neighbourhoods(*count_with_trees(x, y, rule))
    return Neighbourhoods(*count_all_pairs(x, y, rule))


def _trees_are_faster(x: Array, y: Array) -> bool:
    return len(x) >= TREES_FROM.get(x.shape[1] + y.shape[1], math.inf)


def count_joint(x: Array, y: Array, k: int, metric: Metric, slack: float) -> Counts:
    """How many other samples are no further from each than its k-th neighbour, shape (n,): k, but for ties."""
    if metric == "max" and not _trees_are_faster(x, y):
        joint = np.hstack([x, y])  # the greater of two maxima is the maximum of all
        return neighbourhoods(joint, joint, k, metric, closed=True, rectangle=False, slack=slack).n_x
    from .compiled import Rule
    from .trees import count_within_kth

    return count_within_kth(x, y, Rule(k, metric == "max", closed=True, rectangle=False, slack=slack))


def around_the_kth(x: Array, y: Array, k: int, metric: Metric, slack: float) -> Tied:
    """What is around samples whose values repeat. Where most samples do, only the different ones are searched."""
    from .compiled import Rule
    from .repeated import MOST, count_among_distinct, distinct

    most = len(x) // 4
    rows = distinct(x, y, min(most, MOST) if _trees_are_faster(x, y) else most)
    if rows is None:
        inside, reached = (
            neighbourhoods(x, y, k, metric, closed, rectangle=False, slack=slack) for closed in (False, True)
        )
        return Tied(inside, reached, count_joint(x, y, k, metric, slack))
    open_, closed_ = (
        count_among_distinct(rows, Rule(k, metric == "max", closed, rectangle=False, slack=slack))[:, rows.which]
        for closed in (False, True)
    )
    return Tied(Neighbourhoods(*open_[:3]), Neighbourhoods(*closed_[:3]), closed_[3])


def count_all_pairs(x: Array, y: Array, rule: Rule) -> npt.NDArray[np.int64]:
    """The fields of :class:`Neighbourhoods`, shape (3, n), in any number of dimensions, with memory proportional to n.

    Distances of a few samples to all others are computed and kept until their neighbours are counted. They are
    approximate and fast, and the error is bounded: only pairs that are as near to a radius as that have to be decided,
    and are, by their float64 distance. Where that is too many, all distances of a sample are computed in float64. In
    any case the counts are those of float64.
    """
    from .euclidean import count_in_float32
    from .float64 import count_in_float64
    from .maximum import count_in_int16

    widest = max(np.ptp(x, axis=0).max(), np.ptp(y, axis=0).max())
    if not 1e-100 < widest < 1e100:  # squares may leave the range of float64; constant samples are all equal anyway
        counts = np.full((3, len(x)), -1)
    elif rule.max_norm:
        counts = count_in_int16(x, y, rule)
    else:
        counts = count_in_float32(x, y, rule)
    undecided = np.flatnonzero(counts[0] < 0)
    if len(undecided):
        counts[:, undecided] = count_in_float64(x, y, undecided, rule)
    return counts


def warm_up(k: int, metric: Metric) -> None:
    """Compile every search, or load it from disk."""
    if device() != "cpu":
        from .tiles import backend

        backend(device())
        return
    from .compiled import Rule
    from .repeated import count_among_distinct, distinct
    from .trees import count_with_trees

    sample, rule = np.arange(2.0 * (k + 1))[:, None], Rule(k, metric == "max", closed=False, rectangle=False)
    if rows := distinct(sample, sample, len(sample)):
        count_among_distinct(rows, rule)
    for x in (sample, np.hstack([sample, -sample])):
        count_with_trees(x, sample, rule)
    count_joint(sample, sample, k, metric, 1e-9)
    for scale in (1.0, 1e-200):  # the second is beyond what the fast arithmetic can do
        count_all_pairs(scale * sample, scale * sample, rule)
