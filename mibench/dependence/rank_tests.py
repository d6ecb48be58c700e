"""Tests of independence of very many pairs of single columns at once: p-values without permutations, and q-values.

Waves of the ranks of two independent columns are uncorrelated, so that the sum of their squared correlations, times
n - 1, has a known mean and, from the fourth moments of both, a known variance over all permutations, whatever the
margins. A gamma distribution with these two stands for the permutations; as n grows it is a chi-squared.
``tests/benchmarks/independence.py screen`` measures how well that holds, in the tails too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincc

from mibench.estimator import Array

from .features import uniform_scores, waves

_WAVES = 4
_LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class Ranked:
    """One column ready to be tested: its orthonormal waves, shape (n, 4), 0 beyond as many as it has."""

    waves: Array

    @cached_property
    def dims(self) -> tuple[int, int]:
        """How many waves there are of the first one, and of all."""
        there = (self.waves != 0).any(axis=0)
        return int(there[0]), int(there.sum())

    @cached_property
    def excess(self) -> tuple[float, float]:
        """n sum h^2 - d (d + 2), h being the squares of a row summed over d waves: 0 where they are normal."""
        squares = np.square(self.waves, dtype=np.float64)
        first, every = (
            len(squares) * float((h**2).sum()) - d * (d + 2)
            for h, d in zip((squares[:, 0], squares.sum(axis=1)), self.dims, strict=True)
        )
        return first, every


def prepare(values: Array) -> Ranked:
    """The waves of the ranks of a column, shape (n,)."""
    return Ranked(waves(uniform_scores(values[:, None]), _WAVES)[:, 0])


def p_values(left: Sequence[Ranked], right: Sequence[Ranked]) -> Array:
    """The p of every column on the left with every one on the right, all of one length: shape (left, right).

    The smaller p of two tests counts, as the smaller of two does, 1 - (1 - p)^2: of the rank correlation alone, and of
    all waves together. It is 1 where a column does not vary.
    """
    n = len(left[0].waves)
    flat_left = np.hstack([column.waves for column in left])
    flat_right = np.hstack([column.waves for column in right])
    squares = np.square(flat_left.T @ flat_right, dtype=np.float64) * (n - 1)
    squares = squares.reshape(len(left), _WAVES, len(right), _WAVES)
    tails = []
    for i, statistic in enumerate((squares[:, 0, :, 0], squares.sum(axis=(1, 3)))):
        mean = np.outer([c.dims[i] for c in left], [c.dims[i] for c in right])
        excess = np.outer([c.excess[i] for c in left], [c.excess[i] for c in right])
        tails.append(_tail(statistic, mean, excess, n))
    p = np.minimum(*tails)
    # where there is one wave on either side both tests are one
    alone = np.outer([c.dims[1] for c in left], [c.dims[1] for c in right]) <= 1
    found: Array = np.where(alone, p, p * (2 - p))
    return np.maximum(found, _LEAST)  # none is 0


def _tail(statistic: Array, mean: Array, excess: Array, n: int) -> Array:
    """The probability of more than the statistic under the gamma distribution with the moments over permutations."""
    variance = np.maximum(2 * mean + excess / n, 0.1)
    safe = np.maximum(mean, 1e-9)
    tail: Array = np.where(mean > 0, gammaincc(safe**2 / variance, safe * statistic / variance), 1.0)
    return tail


def shifted_p_values(left: Sequence[Ranked], right: Sequence[Ranked], by: npt.NDArray[np.int64]) -> Array:
    """The same for time series: the share of circular shifts whose p is not greater, shape (left, right).

    The shifts are the same for all pairs, so that the least of them must be as long as the longest memory.
    """
    observed = p_values(left, right)
    not_greater = np.ones_like(observed)
    for shift in by:
        moved = [Ranked(np.roll(column.waves, -int(shift), axis=0)) for column in right]
        not_greater += p_values(left, moved) <= observed * (1 + 1e-6)
    return not_greater / (1 + len(by))


def q_values(p: npt.ArrayLike) -> Array:
    """Benjamini & Hochberg (1995): the least false discovery rate at which each hypothesis is rejected; NaN stays NaN.

    q of the i-th smallest of m is the least p_(j) m / j over j >= i.
    """
    given = np.asarray(p, dtype=float)
    found = np.full(given.shape, np.nan)
    known = np.isfinite(given)
    values = given[known]
    order = np.argsort(values)[::-1]
    m = len(values)
    scaled = np.minimum.accumulate(values[order] * m / np.arange(m, 0, -1)) if m else values
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(scaled, 1)
    found[known] = adjusted
    return found
