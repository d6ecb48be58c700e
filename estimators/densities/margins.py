"""Invertible maps of one variable alone, which leave mutual information as it is and make its distribution simpler.

Each answers with the mapped columns and with its mean log Jacobian determinant, so that densities behind different maps
can be compared. Where a map takes ranks, column by column, the mean log derivative is the entropy of the scores
less that of the column, both estimated by their spacings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from mibench.estimator import Array
from mibench.ranks import normal_scores

from .unmixing import unmixing_matrix


@dataclass(frozen=True)
class Mapped:
    """Columns after a map, shape (n, dim), and the mean over the rows of log |det| of its Jacobian, in nats."""

    values: Array
    log_volume: float

    def then(self, other: Mapped) -> Mapped:
        """One map after another."""
        return Mapped(other.values, self.log_volume + other.log_volume)


def scaled(values: Array) -> Mapped:
    """Median 0 and the quartiles of a standard normal variable: an affine map that no outlier decides."""
    low, centre, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    spread = (high - low) / (2 * 0.6744897501960817)
    spread = np.where(spread > 0, spread, values.std(axis=0))
    spread = np.where(spread > 0, spread, 1.0)
    return Mapped((values - centre) / spread, -float(np.log(spread).sum()))


def ranked(values: Array) -> Mapped:
    """Normal scores, column by column."""
    scores = normal_scores(values)
    # the scores themselves, and not the normal distribution, so that the bias of the estimates cancels
    entropies = [
        spacing_entropy(after) - spacing_entropy(before) for before, after in zip(values.T, scores.T, strict=True)
    ]
    return Mapped(scores, float(np.sum(entropies)))


def unmixed(values: Array, rng: np.random.Generator) -> Mapped:
    """Columns that are as independent as a linear map makes them, then their normal scores (``unmixing.py``)."""
    centred = values - values.mean(axis=0)
    linear = unmixing_matrix(centred, rng)
    apart = centred @ linear
    return Mapped(apart, float(np.linalg.slogdet(linear)[1])).then(ranked(apart))


def spacing_entropy(column: Array) -> float:
    """Differential entropy in nats from the distances of every value to the m-th next, m = n^(1/3) (Vasicek 1976).

    With the bias of the logarithm of a spacing of uniform variables taken off, which is psi(m) - psi(n + 1).
    """
    ordered, n = np.sort(column), len(column)
    m = max(1, round(n ** (1 / 3)))
    gaps = ordered[m:] - ordered[:-m]
    if not gaps.all():
        return -math.inf
    return float(np.log(gaps).mean() + digamma(n + 1) - digamma(m))
