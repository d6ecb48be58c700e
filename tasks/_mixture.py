"""What mixtures share: a truth by quadrature, kept once computed, and equal Gaussian components."""

from __future__ import annotations

import math
from abc import abstractmethod
from functools import lru_cache
from typing import ClassVar

import numpy as np
from scipy.special import logsumexp

from mibench.estimator import Array
from mibench.task import Task

from .citations import CZYZ_2025
from .numerics.quadrature import mixture_information


class Mixture(Task):
    """A mixture whose information is an integral, computed when first asked for and kept."""

    citation: ClassVar[str] = CZYZ_2025

    @abstractmethod
    def integrate(self) -> tuple[float, float]:
        """The mutual information and a bound on its error, in nats."""

    @property
    def mutual_information(self) -> float:
        return _integral(self)[0]

    @property
    def mutual_information_error(self) -> float:
        """The change from a coarser rule, and rounding, in nats."""
        return _integral(self)[1]


@lru_cache(maxsize=512)
def _integral(task: Mixture) -> tuple[float, float]:
    """Kept by the task's identity, so that equal tasks share one computation."""
    value, error = task.integrate()
    return max(0.0, value), error


class GaussianMixture(Mixture):
    """K Gaussian components of equal weight in dim_x + dim_y dimensions; X may then be mapped injectively.

    Subclasses give the ``components``, the two coordinates that carry the information and, where X is mapped, the map
    and its inverse.
    """

    @property
    @abstractmethod
    def components(self) -> tuple[Array, Array]:
        """Means (K, dim) and covariances (K, dim, dim), X first."""

    def in_plane(self) -> tuple[Array, Array]:
        """Means (K, 2) and covariances (K, 2, 2) of a function of X and one of Y that carry all the information."""
        return self.components

    def forward(self, x: Array) -> Array:
        """What becomes of X; injective."""
        return x

    def backward(self, x: Array) -> Array:
        """The inverse of :meth:`forward`."""
        return x

    def integrate(self) -> tuple[float, float]:
        return mixture_information(*self.in_plane())

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        means, covariances = self.components
        chosen = rng.integers(len(means), size=n)
        z = rng.standard_normal((n, means.shape[1]))
        points = means[chosen]
        for j, column in enumerate(np.linalg.cholesky(covariances).transpose(2, 0, 1)):
            points += column[chosen] * z[:, j : j + 1]
        return self.forward(points[:, : self.dim_x]), points[:, self.dim_x :]

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        means, covariances = self.components
        k, x = self.dim_x, self.backward(x)
        joint = _log_density(np.hstack([x, y]), means, covariances)
        marginal_x = _log_density(x, means[:, :k], covariances[:, :k, :k])
        return joint - marginal_x - _log_density(y, means[:, k:], covariances[:, k:, k:])


def _log_density(values: Array, means: Array, covariances: Array) -> Array:
    """Log density of the equal mixture at ``values`` (n, dim), less dim/2 log(2 pi), shape (n,)."""
    terms = []
    for mean, factor in zip(means, np.linalg.cholesky(covariances), strict=True):
        whitened = (values - mean) @ np.linalg.inv(factor).T
        terms.append(-0.5 * (whitened**2).sum(axis=1) - np.log(np.diag(factor)).sum())
    return logsumexp(terms, axis=0) - math.log(len(means))
