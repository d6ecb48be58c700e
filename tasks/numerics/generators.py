"""Archimedean copulas by their generators: C(u, v) = psi(phi(u) + phi(v)), phi the inverse of psi.

Of such a pair, T = phi(U) / (phi(U) + phi(V)) is uniform and independent of the sum S, whose density is s psi''(s). So
samples need S alone, and the information is E log psi''(S) - 2 E log(-psi'(phi(U))): integrals over one dimension, most
of them known. Everything is a function of log s, because s itself leaves the range of floating point.
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.special import exp1, polygamma, psi

from mibench.estimator import Array

from .quadrature import panels

ROUNDING = 1e-12


@dataclass(frozen=True)
class Generator(ABC):
    """One copula; ``tau`` is Kendall's rank correlation, the ``theta`` of the literature follows from it."""

    tau: float

    @property
    @abstractmethod
    def theta(self) -> float:
        """The parameter in the usual form of psi."""

    @property
    @abstractmethod
    def information(self) -> tuple[float, float]:
        """I(U; V) and a bound on its error, in nats."""

    @abstractmethod
    def log_sum(self, n: int, rng: np.random.Generator) -> Array:
        """log S of n pairs, shape (n,)."""

    @abstractmethod
    def value(self, log_s: Array) -> Array:
        """psi(s), from 0 to 1."""

    @abstractmethod
    def log_inverse(self, u: Array) -> Array:
        """log phi(u) for u between 0 and 1."""

    @abstractmethod
    def log_slope(self, log_s: Array) -> Array:
        """log(-psi'(s))."""

    @abstractmethod
    def log_curvature(self, log_s: Array) -> Array:
        """log psi''(s)."""

    def log_density(self, u: Array, v: Array) -> Array:
        """log c(u, v) = log psi''(phi(u) + phi(v)) - log(-psi'(phi(u))) - log(-psi'(phi(v))), in nats."""
        x, y = self.log_inverse(u), self.log_inverse(v)
        return self.log_curvature(np.logaddexp(x, y)) - self.log_slope(x) - self.log_slope(y)


class Clayton(Generator):
    """psi(s) = (1 + s)^(-1/theta): lower tail dependence. I = log(1 + theta) - theta / (1 + theta)."""

    @property
    def theta(self) -> float:
        return 2 * self.tau / (1 - self.tau)

    @property
    def information(self) -> tuple[float, float]:
        return math.log1p(self.theta) - self.theta / (1 + self.theta), ROUNDING

    def log_sum(self, n: int, rng: np.random.Generator) -> Array:
        """Two exponentials over a common Gamma(1/theta) frailty, which does not underflow on this scale."""
        power = 1 / self.theta
        log_frailty = np.log(rng.standard_gamma(power + 1, n)) + self.theta * np.log(1 - rng.random(n))
        return np.log(rng.standard_gamma(2, n)) - log_frailty

    def value(self, log_s: Array) -> Array:
        power: Array = np.exp(-np.logaddexp(0, log_s) / self.theta)
        return power

    def log_inverse(self, u: Array) -> Array:
        t = -self.theta * np.log(u)
        return t + np.log(-np.expm1(-t))

    def log_slope(self, log_s: Array) -> Array:
        return -math.log(self.theta) - (1 / self.theta + 1) * np.logaddexp(0, log_s)

    def log_curvature(self, log_s: Array) -> Array:
        constant = math.log1p(1 / self.theta) - math.log(self.theta)
        return constant - (1 / self.theta + 2) * np.logaddexp(0, log_s)


class Gumbel(Generator):
    """psi(s) = exp(-s^(1/theta)): upper tail dependence.

    I = log b + (1 + e^b E_1(b)) / theta + gamma - 1 with b = theta - 1 and the exponential integral E_1.
    """

    @property
    def theta(self) -> float:
        return 1 / (1 - self.tau)

    @property
    def information(self) -> tuple[float, float]:
        b = self.tau / (1 - self.tau)
        return math.log(b) + (1 + math.exp(b) * float(exp1(b))) / self.theta + np.euler_gamma - 1, ROUNDING

    def log_sum(self, n: int, rng: np.random.Generator) -> Array:
        """S^(1/theta) is exponential, or with probability 1/theta the sum of two exponentials."""
        shape = np.where(rng.random(n) < 1 - self.tau, 2.0, 1.0)
        return self.theta * np.log(rng.standard_gamma(shape))

    def value(self, log_s: Array) -> Array:
        power: Array = np.exp(-np.exp(log_s / self.theta))
        return power

    def log_inverse(self, u: Array) -> Array:
        inverse: Array = self.theta * np.log(-np.log(u))
        return inverse

    def log_slope(self, log_s: Array) -> Array:
        slope: Array = -math.log(self.theta) - self.tau * log_s - np.exp(log_s / self.theta)
        return slope

    def log_curvature(self, log_s: Array) -> Array:
        root: Array = np.exp(log_s / self.theta)
        curvature: Array = self.log_slope(log_s) - log_s + np.log(self.tau + root / self.theta)
        return curvature


class Frank(Generator):
    """psi(s) = -log(1 - (1 - e^-theta) e^-s) / theta: no tail dependence, symmetric under (1 - U, 1 - V).

    I = log(theta / (1 - e^-theta)) - theta (1 - tau) / 2.
    """

    @functools.cached_property
    def theta(self) -> float:
        from scipy.optimize import brentq

        def excess(theta: float) -> float:
            return frank_tau(theta) - self.tau

        return float(brentq(excess, 1e-6, 5 / (1 - self.tau), xtol=1e-15, rtol=1e-15))

    @property
    def information(self) -> tuple[float, float]:
        theta = self.theta
        return math.log(theta) - math.log(-math.expm1(-theta)) - 0.5 * theta * (1 - self.tau), ROUNDING

    def log_sum(self, n: int, rng: np.random.Generator) -> Array:
        """The frailty follows the logarithmic series: geometric, with the chance e^(-theta U) of an end."""
        log_frailty = log_geometric(-self.theta * rng.random(n), rng)
        return np.log(rng.standard_gamma(2, n)) - log_frailty

    def _logs(self, log_s: Array) -> tuple[Array, Array]:
        """log z and log(1 - z), where z = (1 - e^-theta) e^-s."""
        s, most = np.exp(log_s), -math.expm1(-self.theta)
        z = most * np.exp(-s)
        near_1 = math.exp(-self.theta) - most * np.expm1(-s)
        return math.log(most) - s, np.where(z < 0.5, np.log1p(-np.minimum(z, 0.5)), np.log(near_1))

    def value(self, log_s: Array) -> Array:
        return -self._logs(log_s)[1] / self.theta

    def log_inverse(self, u: Array) -> Array:
        inverse: Array = np.log(np.log1p(-np.expm1(-self.theta * (1 - u)) / np.expm1(self.theta * u)))
        return inverse

    def log_slope(self, log_s: Array) -> Array:
        log_z, log_rest = self._logs(log_s)
        return log_z - log_rest - math.log(self.theta)

    def log_curvature(self, log_s: Array) -> Array:
        log_z, log_rest = self._logs(log_s)
        return log_z - 2 * log_rest - math.log(self.theta)


class Joe(Generator):
    """psi(s) = 1 - (1 - e^-s)^(1/theta): upper tail dependence, stronger than Gumbel's at equal tau."""

    @functools.cached_property
    def theta(self) -> float:
        from scipy.optimize import brentq

        # in terms of 2 / theta, which lies between 0 and 2
        return 2 / float(brentq(lambda s: joe_tau(2 / s) - self.tau, 1e-9, 2, xtol=1e-16, rtol=1e-15))

    @functools.cached_property
    def information(self) -> tuple[float, float]:
        """E log psi''(S) by quadrature over r = -log(1 - psi(S)), on a logarithmic scale; the rest in closed form."""
        power, answers = 1 / self.theta, []
        slope = math.log(power) + self.theta - 1 - float(psi(power + 1)) - np.euler_gamma
        for order in (16, 24):
            log_r, weights = panels(np.linspace(-48, 4.5, 141), order)
            r = np.exp(log_r)
            below = np.exp(-self.theta * r)  # 1 - e^-s
            log_s = _log_minus_log(-self.theta * r)
            # of r: psi''(s) s ds/dr, where s = -log(1 - below)
            density = np.exp(log_s + self.theta * r - r) * (1 - power + power * below)
            answers.append(float(weights @ (density * r * self.log_curvature(log_s))) - 2 * slope)
        return answers[1], abs(answers[1] - answers[0]) + ROUNDING

    def log_sum(self, n: int, rng: np.random.Generator) -> Array:
        """The frailty is Sibuya's: geometric, with a Beta(1/theta, 1 - 1/theta) chance of an end."""
        power = 1 / self.theta
        log_a = np.log(rng.standard_gamma(power + 1, n)) + self.theta * np.log(1 - rng.random(n))
        log_b = np.log(rng.standard_gamma(2 - power, n)) + np.log(1 - rng.random(n)) / (1 - power)
        log_frailty = log_geometric(log_a - np.logaddexp(log_a, log_b), rng)
        return np.log(rng.standard_gamma(2, n)) - log_frailty

    def value(self, log_s: Array) -> Array:
        value: Array = -np.expm1(_log_less(log_s) / self.theta)
        return value

    def log_inverse(self, u: Array) -> Array:
        return _log_minus_log(self.theta * np.log1p(-u))

    def log_slope(self, log_s: Array) -> Array:
        return -math.log(self.theta) - (1 - 1 / self.theta) * _log_less(log_s) - np.exp(log_s)

    def log_curvature(self, log_s: Array) -> Array:
        power = 1 / self.theta
        return self.log_slope(log_s) - _log_less(log_s) + np.log(1 - power - power * np.expm1(-np.exp(log_s)))


GENERATORS: dict[str, type[Generator]] = {"clayton": Clayton, "frank": Frank, "gumbel": Gumbel, "joe": Joe}


def frank_tau(theta: float) -> float:
    """4 / theta times the mean of t/2 coth(t/2) - 1 over (0, theta), which is 1 - 4 (1 - D_1(theta)) / theta."""
    t, weights = panels(np.linspace(0, theta, 2 + int(theta / 4)), 32)
    return 4 / theta**2 * float(weights @ (0.5 * t / np.tanh(0.5 * t) - 1))


def joe_tau(theta: float) -> float:
    """1 - 2 (psi(2) - psi(2 / theta + 1)) / (theta - 2), as a mean of psi', which holds at theta = 2 too."""
    s = 2 / theta
    t, weights = panels(np.array([0.0, 1.0]), 32)
    return 1 - s * float(weights @ polygamma(1, 2 + t * (s - 1)))


def log_geometric(log_chance: Array, rng: np.random.Generator) -> Array:
    """log of the number of trials up to the first success; beyond e^36 without rounding to a whole number."""
    waiting = np.log(rng.standard_exponential(log_chance.shape)) - _log_minus_log(log_chance)
    counted = np.maximum(np.ceil(np.exp(np.minimum(waiting, 36))), 1)
    return np.where(waiting < 36, np.log(counted), waiting)


def _log_less(log_s: Array) -> Array:
    """log(1 - e^-s)."""
    with np.errstate(divide="ignore"):
        return np.where(log_s < -37, log_s, np.log(-np.expm1(-np.exp(log_s))))


def _log_minus_log(t: Array) -> Array:
    """log(-log(1 - e^t)) for t < 0."""
    with np.errstate(divide="ignore"):
        small = np.log(-np.log1p(-np.exp(np.minimum(t, -0.5))))
        return np.where(t < -37, t, np.where(t < -0.5, small, np.log(-np.log(-np.expm1(t)))))
