"""Columns compared in cells of equal counts, all pairs at once: which depend on which, roughly and fast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, xlogy

from mibench.estimator import Array
from mibench.ranks import normal_scores, ranks

CELLS = 8
"""The most cells of equal counts into which a column is cut."""
BLOCK = 32
"""Columns of x that are compared with all of y in one product."""
CHANCE = 4.0
"""Standard deviations by which the information of independent columns in cells exceeds its mean at the most."""


def cells_of(n: int) -> int:
    """Into how many cells a column of n samples is cut."""
    return max(2, min(CELLS, math.isqrt(n // 5)))


def information_in_cells(x: Array, y: Array) -> Array:
    """The mutual information of every column of x (n, p) with every column of y (n, q) in cells, shape (p, q), nats.

    Columns are cut at their quantiles into at most ``CELLS``, fewer of few samples, and all pairs are counted in matrix
    products.
    """
    n, q, cells = len(x), y.shape[1], cells_of(len(x))
    in_x, in_y = (_indicators(values, cells) for values in (x, y))
    counts = np.arange(n + 1)
    plogp = xlogy(counts, counts / n) / n  # of a cell with so many samples
    of_x, of_y = (plogp[inside.sum(axis=0).astype(int)].reshape(-1, cells).sum(axis=1) for inside in (in_x, in_y))
    together = []
    for at in range(0, in_x.shape[1], BLOCK * cells):
        joint = (in_x[:, at : at + BLOCK * cells].T @ in_y).astype(np.int32)  # counts below 2^24 are exact
        together.append(plogp[joint].reshape(-1, cells, q, cells).sum(axis=(1, 3)))
    found: Array = np.concatenate(together) - of_x[:, None] - of_y
    return found


def _indicators(values: Array, cells: int) -> npt.NDArray[np.float32]:
    """Whether a sample is in a cell of a column, (n, dim * cells); equal values share one."""
    cell = np.minimum((ranks(values) * cells / (len(values) + 1)).astype(int), cells - 1)
    inside: npt.NDArray[np.float32] = (cell[:, :, None] == np.arange(cells)).reshape(len(values), -1).astype(np.float32)
    return inside


@dataclass(frozen=True)
class Within:
    """How d columns depend on one another.

    n : samples. correlations : of their normal scores, (d, d). beyond : what two columns share in cells in addition to
    what the correlation says and chance does, (d, d), nats; 0 on the diagonal.
    """

    n: int
    correlations: Array
    beyond: Array

    @classmethod
    def of(cls, values: Array) -> Within:
        """Of the columns of ``values`` (n, d)."""
        n, d = values.shape
        scores = normal_scores(values)
        scores = scores - scores.mean(axis=0)
        lengths = np.linalg.norm(scores, axis=0)
        scores /= np.where(lengths > 0, lengths, 1.0)
        rho = (scores.T @ scores) * (1.0 - 1e-9)  # copies of a column share much, not infinitely much
        np.fill_diagonal(rho, 1.0)
        free = (cells_of(n) - 1) ** 2  # twice n times the information is chi-squared where there is none
        chance = (free + CHANCE * math.sqrt(2 * free)) / (2 * n)
        of_correlation = -0.5 * np.log1p(-(np.minimum(abs(rho - np.eye(d)), 1.0) ** 2))
        beyond = np.maximum(0.0, information_in_cells(values, values) - chance - of_correlation)
        np.fill_diagonal(beyond, 0.0)
        return cls(n, rho, beyond)

    def shared(self, groups: Sequence[tuple[int, ...]]) -> float:
        """The total correlation between disjoint groups of columns in nats: 0 where the groups are independent.

        That of a Gaussian copula, less what chance makes of it, and of all pairs of columns what goes beyond it.
        """
        together = tuple(column for group in groups for column in group)
        gaussian = sum(map(self._log_volume, groups)) - self._log_volume(together)
        beyond = self._sum_beyond(together) - sum(map(self._sum_beyond, groups))
        return max(0.0, gaussian) + beyond / 2

    def _log_volume(self, columns: tuple[int, ...]) -> float:
        """Half the log-determinant of the correlations, less its mean for independent columns."""
        n, d = self.n, len(columns)
        expected = digamma((n - np.arange(1, d + 1)) / 2).sum() - d * digamma((n - 1) / 2)
        return float(np.linalg.slogdet(self.correlations[np.ix_(columns, columns)])[1] - expected) / 2

    def _sum_beyond(self, columns: tuple[int, ...]) -> float:
        return float(self.beyond[np.ix_(columns, columns)].sum())
