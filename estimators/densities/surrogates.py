"""What an estimator misses of Gaussian dependence of the same strength, among the same values: its bias, by simulation.

Nearest-neighbour estimates fall short where the dimension or the information is high, and by an amount that depends on
the dependence. It is known exactly for a Gaussian copula, whose information has a closed form: surrogate samples with
the values of the data, column by column, and with the correlations of their normal scores show it. Data of another
copula are corrected by what they have in common with the Gaussian one; what they have beyond it stays as estimated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from mibench.errors import Unsupported
from mibench.estimator import Array
from mibench.ranks import normal_scores

from .._samples import ties
from ..gaussian import gaussian_information

SAMPLES = 2000  # that distances are taken between
REPEATED = 0.01  # share of repeated values from which a column counts as discrete


def gaussian_bias(
    estimate: Callable[[Array, Array], float], x: Array, y: Array, draws: int, rng: np.random.Generator
) -> float:
    """The mean of ``estimate`` over as many surrogates as ``draws``, less their information in nats.

    The surrogates are as informative as the data are at least. The Gaussian formula may say too much of variables that
    are not Gaussian, but not by more than either of the two lacks in entropy beside Gaussian ones of its correlations:
    that much is taken off. So variables on a manifold within their columns, for which nearest neighbours are better
    than for Gaussian variables of as many dimensions, are hardly corrected.

    0 where the surrogates cannot be drawn or would not be like the data: no draws, too few samples for the dimensions,
    repeated values (whose information no copula fixes), or linear dependence without noise.
    """
    if draws < 1:
        return 0.0
    if ties(x, y).get("ties", 0.0) > REPEATED:
        return 0.0
    u, v = normal_scores(x), normal_scores(y)
    try:
        information = gaussian_information(u, v).mi
    except Unsupported:
        return 0.0
    if not math.isfinite(information):
        return 0.0
    correlation = np.corrcoef(u.T, v.T)
    alike = next(surrogates(x, y, correlation, rng))
    information = max(0.0, information - min(lack_of_entropy(x, alike[0]), lack_of_entropy(y, alike[1])))
    drawn = surrogates(x, y, weakened(correlation, x.shape[1], information), rng)
    return sum(estimate(*next(drawn)) for _ in range(draws)) / draws - information


def lack_of_entropy(values: Array, other: Array) -> float:
    """How much less entropy ``values`` (n, dim) have than ``other`` of the same columns, in nats; at least 0.

    Entropy is d times the mean logarithm of the distance to the nearest sample, up to what both have in common
    (Kozachenko & Leonenko 1987).
    """
    if values.shape[1] == 1:
        return 0.0
    from scipy.spatial import cKDTree

    def mean_log_distance(of: Array) -> float:
        of = of[:SAMPLES]
        distances = np.asarray(cKDTree(of).query(of, 2)[0])[:, 1]
        return float(np.log(np.maximum(distances, np.finfo(float).tiny)).mean())

    lack: float = values.shape[1] * (mean_log_distance(other) - mean_log_distance(values))
    return max(0.0, lack)


def weakened(correlation: Array, dim_x: int, information: float) -> Array:
    """The matrix with its block between X and Y multiplied by such a number that the information is as given, in nats.

    The correlations of n samples show more information than there is, on average; the bias of the formula is known, so
    that ``information`` may be what it gives less that bias. It is not more than that of ``correlation``.
    """
    from scipy.optimize import brentq

    own, cross, other = correlation[:dim_x, :dim_x], correlation[:dim_x, dim_x:], correlation[dim_x:, dim_x:]
    left, right = (np.linalg.inv(np.linalg.cholesky(c)) for c in (own, other))
    rho = np.linalg.svd(left @ cross @ right.T, compute_uv=False)

    def excess(share: float) -> float:
        return float(-0.5 * np.log1p(-((share * rho) ** 2)).sum()) - information

    share = float(brentq(excess, 0.0, 1.0)) if excess(1.0) > 0 else 1.0
    return np.block([[own, share * cross], [share * cross.T, other]])


def surrogates(x: Array, y: Array, correlation: Array, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    """Samples of the Gaussian copula with this correlation matrix; every column has the values of the data's."""
    values = np.sort(np.hstack([x, y]), axis=0)
    root = np.linalg.cholesky(correlation)
    while True:
        ranks = (rng.standard_normal(values.shape) @ root.T).argsort(axis=0).argsort(axis=0)
        drawn = np.take_along_axis(values, ranks, axis=0)
        yield drawn[:, : x.shape[1]], drawn[:, x.shape[1] :]
