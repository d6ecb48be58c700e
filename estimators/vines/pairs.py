"""Copulas of two variables on the scale of normal scores: densities, and the scores of conditional distributions.

The variables a and b have standard normal distributions as far as a pair is concerned, and
log c(a, b) = log f(a, b) - log f(a) - log f(b). Of F(a | b), which is uniform and independent of b, the normal score is
told, so that what comes out can go into the next pair.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import gammaln, log_ndtr, ndtri, stdtr, stdtrit

from mibench.estimator import Array

MOST = 6.0
"""Scores beyond are as good as this one, with a probability of 1e-9."""
STRONGEST = 1 - 1e-12


class Pair(Protocol):
    """A copula of two variables."""

    @property
    def name(self) -> str:
        """Of its kind."""

    def log_density(self, a: Array, b: Array) -> Array:
        """log c in nats, shape (n,), of scores of that shape."""

    def conditional(self, a: Array, b: Array) -> tuple[Array, Array]:
        """The normal scores of F(a | b) and of F(b | a), each shape (n,)."""


@dataclass(frozen=True)
class Independent:
    """c = 1."""

    name = "independent"

    def log_density(self, a: Array, b: Array) -> Array:
        return np.zeros(len(a))

    def conditional(self, a: Array, b: Array) -> tuple[Array, Array]:
        return a, b


@dataclass(frozen=True)
class Gaussian:
    """That of two normal variables with a correlation."""

    rho: float
    name = "gaussian"

    def log_density(self, a: Array, b: Array) -> Array:
        rest = (1 - self.rho) * (1 + self.rho)
        found: Array = (self.rho * a * b - 0.5 * self.rho**2 * (a * a + b * b)) / rest - 0.5 * math.log(rest)
        return found

    def conditional(self, a: Array, b: Array) -> tuple[Array, Array]:
        scale = math.sqrt((1 - self.rho) * (1 + self.rho))
        return _bounded((a - self.rho * b) / scale), _bounded((b - self.rho * a) / scale)


@dataclass(frozen=True)
class Student:
    """That of two variables with a bivariate Student-t distribution."""

    rho: float
    dof: float
    name = "student"

    def log_density(self, a: Array, b: Array) -> Array:
        return self._of_quantiles(student_quantile(a, self.dof), student_quantile(b, self.dof))

    def _of_quantiles(self, x: Array, y: Array) -> Array:
        v, rest = self.dof, (1 - self.rho) * (1 + self.rho)
        constant = gammaln(v / 2 + 1) + gammaln(v / 2) - 2 * gammaln(v / 2 + 0.5) - 0.5 * math.log(rest)
        distance = (x * x + y * y - 2 * self.rho * x * y) / (rest * v)
        found: Array = constant - (v / 2 + 1) * np.log1p(distance)
        found += (v / 2 + 0.5) * (np.log1p(x * x / v) + np.log1p(y * y / v))
        return found

    def conditional(self, a: Array, b: Array) -> tuple[Array, Array]:
        x, y = student_quantile(a, self.dof), student_quantile(b, self.dof)
        return self._score(x, y), self._score(y, x)

    def _score(self, x: Array, given: Array) -> Array:
        """Of a t variable with one degree more: tails by symmetry, where they are exact."""
        scale = np.sqrt((self.dof + given * given) * (1 - self.rho) * (1 + self.rho) / (self.dof + 1))
        t = (x - self.rho * given) / scale
        return _bounded(-np.sign(t) * ndtri(stdtr(self.dof + 1, -np.abs(t))))


DOFS = (2.0, 3.0, 4.0, 6.0, 9.0, 14.0, 25.0)
"""Degrees of freedom among which the likelihood decides."""


@functools.cache
def _quantiles(dof: float) -> tuple[Array, Array]:
    scores = np.linspace(-MOST, MOST, 6001)
    positive = -stdtrit(dof, np.exp(log_ndtr(-np.abs(scores))))
    return scores, np.sign(scores) * positive


def student_quantile(scores: Array, dof: float) -> Array:
    """The t variable of the same probability, from a table that is right to 1e-5 of it."""
    found: Array = np.interp(scores, *_quantiles(dof))
    return found


def fitted_gaussian(a: Array, b: Array) -> Gaussian:
    """The correlation of scores whose variance is 1."""
    rho = float(np.clip((a * b).mean() / math.sqrt(float((a * a).mean() * (b * b).mean())), -STRONGEST, STRONGEST))
    return Gaussian(rho)


def fitted_student(a: Array, b: Array, rho: float) -> tuple[Student, float]:
    """The likeliest among DOFS with this correlation, then that correlation anew, and their log likelihood."""
    best, most = Student(rho, DOFS[-1]), -math.inf
    for dof in reversed(DOFS):
        x, y = student_quantile(a, dof), student_quantile(b, dof)
        found, rho = _student_at(x, y, dof, rho)
        if found < most:
            break
        best, most = Student(rho, dof), found
    return best, most


def _student_at(x: Array, y: Array, dof: float, rho: float) -> tuple[float, float]:
    """The greatest log likelihood of t quantiles and its correlation: expectation-maximization for a known scale."""
    for _ in range(8):
        weights = 1 / (1 + (x * x + y * y - 2 * rho * x * y) / ((1 - rho * rho) * dof))
        moments = [float((weights * product).mean()) for product in (x * x, y * y, x * y)]
        before, rho = rho, float(np.clip(moments[2] / math.sqrt(moments[0] * moments[1]), -0.9999, 0.9999))
        if abs(rho - before) < 1e-4:
            break
    return float(Student(rho, dof)._of_quantiles(x, y).sum()), rho


def _bounded(scores: Array) -> Array:
    found: Array = np.clip(scores, -MOST, MOST)
    return found
