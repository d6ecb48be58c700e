"""Y = f(U) + sigma E with U uniform on an interval and E standard normal: the density of Y, and I(U; Y).

The density is a sum over a quadrature rule in u, p(y) = sum_j w_j phi((y - f(u_j)) / sigma) / sigma, whose panels are
so narrow that f changes by at most sigma across each. It is analytic in y whatever the kinks of f, so the trapezoidal
rule gives the entropy of Y to rounding.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mibench.estimator import Array

NODES = 12
"""Gauss-Legendre nodes per panel, across which the noise's density changes by one standard deviation at most."""
LEAST_PANELS = 64
"""Panels across the interval, however great the noise: they resolve the functions' own oscillations."""
REACH = 9.0
"""Standard deviations beyond which the noise is neglected: exp(-REACH^2 / 2) is 3e-18."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A function on the interval [low, high], analytic except at ``breaks``."""

    function: Callable[[Array], Array]
    low: float = 0.0
    high: float = 1.0
    breaks: tuple[float, ...] = ()

    @functools.cached_property
    def variance(self) -> float:
        """Var f(U)."""
        values, weights = self.rule(math.inf)
        mean = weights @ values
        return float(weights @ (values - mean) ** 2)

    def rule(self, rise: float, refine: int = 1) -> tuple[Array, Array]:
        """Values f(u_j) in increasing order, and the weights w_j, of a composite rule.

        rise : the most that f may change across a panel.
        refine : divides the greatest width and the greatest rise of a panel.
        """
        points, scale = np.polynomial.legendre.leggauss(NODES)
        smooth = [self.low, *self.breaks, self.high]
        panels = LEAST_PANELS * refine
        edges = np.unique(np.concatenate([smooth, np.linspace(self.low, self.high, panels + 1)]))
        left, right = edges[:-1], edges[1:]
        values, weights = [], []
        while left.size:
            half = 0.5 * (right - left)
            at = self.function(0.5 * (left + right)[:, None] + half[:, None] * points)
            narrow = np.ptp(at, axis=1) <= rise / refine
            values.append(at[narrow].ravel())
            weights.append((half[narrow, None] * scale / (self.high - self.low)).ravel())
            wide, middle = ~narrow, 0.5 * (left + right)
            left, right = np.r_[left[wide], middle[wide]], np.r_[middle[wide], right[wide]]
        flat = np.concatenate(values)
        order = np.argsort(flat)
        return flat[order], np.concatenate(weights)[order]


@dataclass(frozen=True, eq=False)
class Noisy:
    """The law of Y = f(U) + sigma E for one curve, one sigma and one resolution."""

    curve: Curve
    sigma: float
    refine: int = 1

    @functools.cached_property
    def rule(self) -> tuple[Array, Array]:
        """Values of f and their weights."""
        return self.curve.rule(self.sigma, self.refine)

    def log_density(self, y: Array) -> Array:
        """ln p(y), shape (n,): to 1e-8 within 6 sigma of the values of f, to a few digits far beyond."""
        values, weights = self.rule
        order = np.argsort(y)
        ordered = y[order]
        # neighbouring y see the same part of the rule, so they are summed over it together
        low = np.clip(ordered, values[0], values[-1]) - REACH * self.sigma
        high = np.clip(ordered, values[0], values[-1]) + REACH * self.sigma
        first, last = np.searchsorted(values, low), np.searchsorted(values, high)
        result = np.empty(len(y))
        start = 0
        while start < len(y):
            stop = min(int(np.searchsorted(ordered, ordered[start] + 4.0 * self.sigma, "right")), start + 512)
            part = slice(first[start], last[stop - 1])
            exponent = -0.5 * ((ordered[start:stop, None] - values[part]) / self.sigma) ** 2
            greatest = exponent.max(axis=1)
            total = np.exp(exponent - greatest[:, None]) @ weights[part]
            result[order[start:stop]] = greatest + np.log(total)
            start = stop
        return result - math.log(self.sigma) - 0.5 * math.log(2.0 * math.pi)

    def log_conditional(self, f: Array, y: Array) -> Array:
        """ln p(y | f), elementwise."""
        return -0.5 * ((y - f) / self.sigma) ** 2 - math.log(self.sigma) - 0.5 * math.log(2.0 * math.pi)

    def information(self) -> float:
        """I(U; Y) = h(Y) - h(sigma E) in nats."""
        values, _ = self.rule
        margin = 1.1 * REACH * self.sigma
        steps = math.ceil((values[-1] - values[0] + 2.0 * margin) / self.sigma * 6 * self.refine)
        grid = np.linspace(values[0] - margin, values[-1] + margin, steps + 1)
        log_p = self.log_density(grid)
        entropy = -float(np.exp(log_p) @ log_p) * (grid[1] - grid[0])
        return float(entropy - 0.5 * math.log(2.0 * math.pi * math.e * self.sigma**2))


@functools.lru_cache(maxsize=256)
def noisy(curve: Curve, sigma: float) -> Noisy:
    """The law of f(U) + sigma E, kept with its rule."""
    return Noisy(curve, sigma)


@functools.lru_cache(maxsize=1024)
def information(curve: Curve, sigma: float) -> tuple[float, float]:
    """I(U; f(U) + sigma E) in nats at twice the resolution, and a bound on its error from the change that made."""
    coarse, fine = noisy(curve, sigma).information(), Noisy(curve, sigma, refine=2).information()
    return fine, abs(fine - coarse) + 1e-12
