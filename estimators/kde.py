"""Mutual information from kernel density estimates."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from mibench.errors import Unsupported
from mibench.estimator import Array, Capabilities, Estimate, Estimator, check_samples
from mibench.parameters import Positive
from mibench.ranks import normal_scores
from mibench.registry import register_estimator

from ._samples import ties

CHUNK = 16  # rows of the distance matrix at once: at n = 10,000 they stay in the second-level cache


@register_estimator("kde")
class KDE(Estimator):
    """The mean of log p(x, y) - log p(x) - log p(y), each density estimated from the other samples.

    Gaussian kernels with the samples' covariance, scaled by the same bandwidth in all three: what smoothing does to the
    joint and to the marginals then cancels in part, and for Gaussian variables altogether. A sample does not count
    towards its own density, or narrow kernels would report information where there is none.

    Parameters
    ----------
    bandwidth : a multiple of Scott's rule, n^(-1 / (dim_x + dim_y + 4)).
    marginals : ``normal`` replaces each column by the normal scores of its ranks first, which changes no mutual
        information and tames heavy tails; ``raw`` takes the columns as they are.
    """

    bandwidth: Positive = 1.0
    marginals: Literal["normal", "raw"] = "normal"

    citation: ClassVar[str] = (
        "Moon, Rajagopalan & Lall (1995), Estimation of mutual information using kernel density estimators; "
        "bandwidth: Scott (1992), Multivariate density estimation"
    )
    capabilities: ClassVar = Capabilities(min_n=4, memory=0.1)

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        """Estimate I(X; Y) in nats.

        Raises
        ------
        Unsupported : the columns of x and y together are linearly dependent, so that there is no joint density.
        """
        x, y = check_samples(x, y, self.capabilities.min_n)
        diagnostics = ties(x, y)
        if self.marginals == "normal":
            x, y = normal_scores(x), normal_scores(y)
        joint = np.hstack([x, y])
        width = self.bandwidth * len(x) ** (-1 / (joint.shape[1] + 4))
        ratios = log_density(joint, width) - log_density(x, width) - log_density(y, width)
        return Estimate(float(ratios.mean()), diagnostics=diagnostics)


def log_density(values: Array, width: float) -> Array:
    """The log density at each sample of ``values`` (n, dim) from the n - 1 others, up to a factor per dimension.

    The kernels are Gaussian with ``width`` squared times the covariance of the samples.
    """
    n, dim = values.shape
    centred = values - values.mean(axis=0)
    scale = np.where(np.ptp(values, axis=0) > 0, centred.std(axis=0), 1.0)
    left, singular, _ = np.linalg.svd(centred / scale, full_matrices=False)
    if n <= dim or singular[-1] <= singular[0] * max(n, dim) * np.finfo(float).eps:
        raise Unsupported("kde: columns of the samples are linearly dependent, so that there is no joint density.")
    white = left * (np.sqrt(n) / width)
    halves = (white**2).sum(axis=1) / 2
    sums = np.empty(n)
    for start in range(0, n, CHUNK):
        rows = white[start : start + CHUNK]
        exponents = rows @ white.T
        exponents -= halves
        exponents[np.arange(len(rows)), np.arange(len(rows)) + start] = -np.inf
        greatest = exponents.max(axis=1)
        exponents -= greatest[:, None]
        np.exp(exponents, out=exponents)
        sums[start : start + CHUNK] = np.log(exponents.sum(axis=1)) + greatest - halves[start : start + CHUNK]
    log_determinant = np.log(singular / np.sqrt(n)).sum() + np.log(scale).sum()
    density: Array = sums - np.log(n - 1) - log_determinant - dim * np.log(width)
    return density
