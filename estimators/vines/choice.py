"""Which copula a pair of variables has, as far as the rows say."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from mibench.estimator import Array

from .grids import stacked
from .pairs import Gaussian, Independent, Pair, fitted_gaussian, fitted_student

BINS = 10
SUSPECT = 1.6
"""Standard deviations of chi squared above its mean from which it is looked further."""
SQUARES = 2.0
"""The same of the correlation of squares, which tails and ambiguous signs give, in nats."""
STRONG = 0.9999
"""Correlations from which no grid is fine enough, and a Gaussian is taken."""
PRICES = 1.0, 2.0, 4.0
"""Nats that the log likelihood has to gain by for a correlation, for degrees of freedom as well, and for weights."""


@dataclass(frozen=True)
class Choice:
    """A pair, and the nats of log likelihood by which it is better than independence, less its price."""

    pair: Pair
    gain: float


def chosen(a: Array, b: Array) -> Choice:
    """The pair of the greatest gain of scores (n,); independence unless something is gained.

    A Student and a kernel pair are fitted only where a Gaussian one leaves a trace of dependence.
    """
    gaussian = fitted_gaussian(a, b)
    likelihood = -0.5 * len(a) * math.log1p(-(gaussian.rho**2))
    found = [Choice(Independent(), 0.0), Choice(gaussian, likelihood - PRICES[0])]
    if abs(gaussian.rho) < STRONG and _suspect(a, b, gaussian):
        student, likelihood = fitted_student(a, b, gaussian.rho)
        found.append(Choice(student, likelihood - PRICES[1]))
        stack = stacked(a, b, gaussian.rho, [gaussian, student])
        if (gain := stack.likelihood - PRICES[2]) > max(each.gain for each in found):
            return Choice(stack.pair(len(a)), gain)
    return max(found, key=lambda each: each.gain)


def strength(a: Array, b: Array) -> float:
    """Roughly the mutual information in nats: what a Gaussian has, and what chi squared says of the rest."""
    gaussian = fitted_gaussian(a, b)
    excess, _ = _traces(a, b, gaussian)
    rest = max(0.0, excess) * math.sqrt(2 * (BINS - 1) ** 2) / (2 * len(a))
    return -0.5 * math.log1p(-(gaussian.rho**2)) + rest


def _suspect(a: Array, b: Array, gaussian: Gaussian) -> bool:
    excess, squares = _traces(a, b, gaussian)
    return excess > SUSPECT or squares > SQUARES


def _traces(a: Array, b: Array, gaussian: Gaussian) -> tuple[float, float]:
    """Chi squared of b given a, standardized, and the log likelihood ratio of a correlation of their squares."""
    n = len(a)
    rest = gaussian.conditional(a, b)[1]
    i, j = (np.minimum((BINS * ndtr(v)).astype(int), BINS - 1) for v in (a, rest))
    counts = np.bincount(BINS * i + j, minlength=BINS * BINS).reshape(BINS, BINS)
    expected = np.maximum(counts.sum(axis=1)[:, None] * counts.sum(axis=0) / n, 1e-9)
    freedom = (BINS - 1) ** 2
    excess = (float(((counts - expected) ** 2 / expected).sum()) - freedom) / math.sqrt(2 * freedom)
    squares = [np.minimum(v * v, 9.0) for v in (a, rest)]
    left, right = (v - v.mean() for v in squares)
    scale = float((left * left).mean() * (right * right).mean())
    return excess, 0.5 * n * float((left * right).mean()) ** 2 / max(scale, 1e-300)
