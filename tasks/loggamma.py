"""The gamma-exponential distribution on the logarithmic scale: skewed, long-tailed, any information in closed form."""

from __future__ import annotations

import math
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy.special import digamma

from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.parameters import Count, Positive
from mibench.registry import register_task

from ._dimensions import EqualDimensions


@register_task("log-gamma")
class LogGamma(EqualDimensions):
    """X = log G, Y = log E, G ~ Gamma(theta), E | G exponential of rate G, in every pair of coordinates.
    I(X; Y) = dim (psi(theta + 1) - log theta).

    Parameters
    ----------
    mutual_information : in nats, greater than 0, spread evenly over the pairs; theta follows from it.
    dim : dimension of X and of Y.
    """

    mutual_information: Positive = 1.0
    dim: Count = 1

    family: ClassVar[str] = "log-gamma"
    citation: ClassVar[str] = (
        "Darbellay & Vajda (2000), Entropy expressions for multivariate continuous distributions; "
        "Kraskov, Stögbauer & Grassberger (2004), Estimating mutual information"
    )

    def __post_init__(self) -> None:
        if not 1e-6 <= self.mutual_information / self.dim <= 15.0:
            raise UsageError(
                f"{self.registered_name}: mutual_information={self.mutual_information!r}; it must be at least 1e-6 "
                "nats per pair, because independence is only reached as theta goes to infinity, and at most 15."
            )

    @cached_property
    def theta(self) -> float:
        """The shape that gives every pair its share of the information."""
        from scipy.optimize import brentq

        share = self.mutual_information / self.dim

        def excess(log_theta: float) -> float:
            return float(digamma(math.exp(log_theta) + 1) - log_theta) - share

        # the information lies between -log(theta) - 0.58 and 1/theta above it
        return math.exp(brentq(excess, -share - 1, 1 - math.log(share) + share, xtol=1e-15, rtol=1e-15))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """log G as log Gamma(theta + 1) + log(U) / theta, which does not underflow for small theta."""
        shape = (n, self.dim)
        uniform = 1 - rng.random(shape)  # in (0, 1]
        x = np.log(rng.standard_gamma(self.theta + 1, shape)) + np.log(uniform) / self.theta
        return x, np.log(rng.standard_exponential(shape)) - x

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """x - exp(x + y) - log(theta) + (theta + 1) log(1 + exp(y)), summed over the pairs, in nats, shape (n,)."""
        with np.errstate(over="ignore"):  # to -inf, for x and y that hardly occur together
            excess = x - np.exp(x + y)
        terms = excess - math.log(self.theta) + (self.theta + 1) * np.logaddexp(0, y)
        total: Array = terms.sum(axis=1)
        return total
