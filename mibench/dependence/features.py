"""What samples become before they are permuted: functions of ranks, so that neither units nor heavy tails matter.

Every function here treats the rows alike: permuted rows give permuted features. That is what makes a permutation test
of anything that is computed from them exact.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from mibench.estimator import Array

_NEGLIGIBLE = 1e-6
_SEEN_FOR_WIDTH = 500


def uniform_scores(values: Array) -> Array:
    """(rank - 1/2) / n column by column, ties at the mean of their ranks; shape (n, dim)."""
    scores: Array = (rankdata(values, axis=0) - 0.5) / len(values)
    return scores


def waves(scores: Array, most: int) -> Array:
    """cos(pi j u), j = 1 ... ``most``, of each column of uniform scores, made orthonormal: (n, dim, most), float32.

    The first is a monotone function of the rank, each following one turns once more. A column with few distinct values
    has fewer functions; the rest are 0. The sum of the squared correlations of two columns' waves, times n, is
    Pearson's chi-squared where both have at most ``most`` + 1 values.
    """
    n, dim = scores.shape
    found = np.zeros((n, dim, most), np.float32)
    for at, column in enumerate(scores.T):
        raw = np.cos(np.pi * np.outer(column, np.arange(1, most + 1)))
        found[:, at] = orthonormal(raw - raw.mean(axis=0))
    return found


def orthonormal(columns: Array) -> Array:
    """Gram-Schmidt in the order given, twice for rounding; a column that those before it span becomes 0."""
    basis = np.zeros_like(columns)
    for j, column in enumerate(columns.T):
        rest = column.copy()
        for _ in range(2):
            rest -= basis[:, :j] @ (basis[:, :j].T @ rest)
        size, whole = float(np.linalg.norm(rest)), float(np.linalg.norm(column))
        if size > _NEGLIGIBLE * max(whole, 1.0):
            basis[:, j] = rest / size
    return basis


def normal_scores(scores: Array) -> Array:
    """Normal quantiles of uniform scores, float32, shape (n, dim)."""
    found: Array = ndtri(scores).astype(np.float32)
    return found


def fourier(points: Array, count: int, rng: np.random.Generator) -> Array:
    """Random Fourier features of a mixture of two Gaussian kernels, centred: (n, 2 count), float32.

    Half of the frequencies belong to the median distance of the rows as width, half to a third of it (Rahimi & Recht
    2007). The squared norm of the cross-covariance of two variables' features is then an estimate of the
    Hilbert-Schmidt independence criterion (Gretton et al. 2005).
    """
    n, dim = points.shape
    frequencies = rng.standard_normal((dim, count)).astype(np.float32) / _width(points)
    frequencies[:, count // 2 :] *= 3
    phases = points @ frequencies
    found = np.hstack([np.cos(phases), np.sin(phases)])
    found -= found.mean(axis=0)
    return found / np.float32(np.sqrt(n * count))


def _width(points: Array) -> float:
    """The median distance between rows; of many rows, between some at equal steps in the order of their first column.

    The choice does not depend on the order of the rows, but for ties.
    """
    from scipy.spatial.distance import pdist

    order = np.argsort(points[:, 0], kind="stable")
    chosen = points[order[:: -(-len(points) // _SEEN_FOR_WIDTH)]]
    distances = pdist(chosen)
    return float(np.median(distances[distances > 0])) if distances.any() else 1.0
