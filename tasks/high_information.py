"""Much information in many dimensions, none of it plainly Gaussian: a mixed-up warp, and a mixture of correlations.

With Student-t and the spiral over as many pairs these are the sets of Chen et al. (2025), from 4 + 4 to 64 + 64
dimensions and up to 23.5 nats: ``mibench run high_information``.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, ClassVar, TypeAlias

import numpy as np
from scipy.special import logsumexp, roots_genlaguerre, roots_hermitenorm

from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.parameters import Correlation, Count, Finite, Length
from mibench.registry import register_task
from mibench.task import Task

from ._dimensions import EqualDimensions
from ._made_of import Side, Transform
from ._mixture import GaussianMixture
from .gaussian import Gauss
from .numerics.quadrature import panels

CHEN = "Chen, Ou, Weller & Gutmann (2025), Neural mutual information estimation with vector copulas, NeurIPS"

Shifts: TypeAlias = Annotated[tuple[Finite, ...], Length(1)]
Correlations: TypeAlias = Annotated[tuple[Correlation, ...], Length(1)]


@register_task("wrapped")
class Wrapped(Transform):
    """x -> tanh(x) A and y -> exp(y) A, where row i of the lower triangular A is 1/i in its first i columns.

    Column j of the product is the sum of all coordinates from the j-th on, each divided by its number: neighbouring
    columns are nearly the same, and no column is near to normal.

    Parameters
    ----------
    base : the task whose X and Y are mapped; coordinates beyond +-15 lose their digits in tanh.
    """

    base: Task = Gauss(dim=4, rho=0.7)

    own_family: ClassVar[str] = "wrapped"
    citation: ClassVar[str] = CHEN

    def forward(self, values: Array, side: Side) -> Array:
        bent = np.tanh(values) if side == "x" else np.exp(values)
        bent /= np.arange(1, values.shape[1] + 1)
        # summed from the last column, as the inverse takes differences
        summed: Array = np.cumsum(bent[:, ::-1], axis=1)[:, ::-1]
        return summed

    def backward(self, values: Array, side: Side) -> Array:
        bent = values.copy()
        bent[:, :-1] -= values[:, 1:]
        bent *= np.arange(1, values.shape[1] + 1)
        if side == "x":
            edge = np.nextafter(1.0, 0.0)
            return np.arctanh(np.clip(bent, -edge, edge))
        return np.log(np.maximum(bent, np.finfo(float).tiny))


@register_task("paired-mixture")
class PairedMixture(EqualDimensions, GaussianMixture):
    """K equal Gaussians: unit variances, every coordinate shifted by m_k, corr(X_i, Y_i) = r_k in every pair.

    I(X; Y) = -dim/2 mean_k log(1 - r_k^2) + 2 (h(M) - h(N)) - log K + E[H(k | X, Y)], where h(M) - h(N) is what the
    entropy of the equal mixture of N(sqrt(dim) m_k, 1) exceeds that of one component by: one integral on a line, and
    one in three dimensions. For k depends on (X, Y) only through the sum of all coordinates, which is normal, and the
    squared lengths of the rest of X + Y and of X - Y, which are chi-squared.

    Parameters
    ----------
    dim : dimension of X and of Y.
    shifts, rhos : of the components, as many of one as of the other.
    """

    dim: Count = 4
    shifts: Shifts = (-0.2, -0.1, 0.0, 0.3, 0.4)
    rhos: Correlations = (-0.3, 0.5, 0.2, 0.4, 0.9)

    family: ClassVar[str] = "paired-mixture"
    citation: ClassVar[str] = CHEN

    def __post_init__(self) -> None:
        if len(self.shifts) != len(self.rhos):
            raise UsageError(
                f"{self.registered_name}: {len(self.shifts)} shifts and {len(self.rhos)} rhos; "
                "every component takes one of each."
            )

    @cached_property
    def components(self) -> tuple[Array, Array]:
        eye = np.eye(self.dim)
        means = np.repeat(np.array(self.shifts)[:, None], 2 * self.dim, axis=1)
        return means, np.array([np.block([[eye, rho * eye], [rho * eye, eye]]) for rho in self.rhos])

    def integrate(self) -> tuple[float, float]:
        """Gauss-Legendre panels on the line; Gauss-Hermite and Gauss-Laguerre rules for the three variables."""
        pairs = -0.5 * self.dim * float(np.log1p(-np.square(self.rhos)).mean())
        known = pairs + 2 * self._marginal_excess() - math.log(len(self.rhos))
        coarse, fine = (self._uncertainty(order) for order in (128, 192))
        return known + fine, abs(fine - coarse) + 1e-12

    def _marginal_excess(self) -> float:
        """h(M) - h(N), in nats."""
        centres = math.sqrt(self.dim) * np.array(self.shifts)[:, None]
        low, high = centres.min() - 10, centres.max() + 10
        t, weights = panels(np.linspace(low, high, math.ceil(2 * (high - low)) + 1), 16)
        log_density = logsumexp(-0.5 * (t - centres) ** 2, axis=0) - math.log(2 * math.pi) / 2 - math.log(len(centres))
        return float(-weights @ (np.exp(log_density) * log_density)) - 0.5 * math.log(2 * math.pi * math.e)

    def _uncertainty(self, order: int) -> float:
        """E[H(k | X, Y)] in nats: the mean over k of E_k[log sum_l p_l / p_k]."""
        z, weight_z = _without_tails(*roots_hermitenorm(order))
        along, weight_along = _chi_squared(self.dim - 1, order)
        across, weight_across = _chi_squared(self.dim, order)
        components = list(zip(self.shifts, self.rhos, strict=True))
        scale, total = math.sqrt(2 * self.dim), 0.0
        for shift, rho in components:
            summed = scale * shift + math.sqrt(1 + rho) * z[:, None, None]
            lengths = summed, (1 + rho) * along[:, None], (1 - rho) * across
            logs = [self._log_density(*component, *lengths) for component in components]
            surprise = logsumexp(logs, axis=0) - self._log_density(shift, rho, *lengths)
            total += float(weight_z @ (surprise @ weight_across) @ weight_along)
        return total / len(self.rhos)

    def _log_density(self, shift: float, rho: float, summed: Array, along: Array, across: Array) -> Array:
        """Of one component, but for what all have in common, broadcast over the three variables."""
        constant = -0.5 * self.dim * math.log1p(-rho * rho)
        square = (summed - math.sqrt(2 * self.dim) * shift) ** 2
        log_density: Array = constant - 0.5 * (square + along) / (1 + rho) - 0.5 * across / (1 - rho)
        return log_density


def _chi_squared(dof: int, order: int) -> tuple[Array, Array]:
    """Nodes and weights of the Gauss rule for a chi-squared variable; with no degrees of freedom it is 0."""
    if dof == 0:
        return np.zeros(1), np.ones(1)
    nodes, weights = roots_genlaguerre(order, 0.5 * dof - 1)
    return _without_tails(2 * nodes, weights)


def _without_tails(nodes: Array, weights: Array) -> tuple[Array, Array]:
    """Weights that sum to 1, and no nodes whose weight is lost in rounding."""
    weights = weights / weights.sum()
    kept = weights > 1e-17
    return nodes[kept], weights[kept]
