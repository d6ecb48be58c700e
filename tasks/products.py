"""Products: of noise and a scale, so that nothing else depends, or of two factors, so that neither tells by itself.

Both truths are the entropy of Y by the trapezoidal rule, in variables in which every integrand is analytic within pi/4
of the real axis and vanishes at both ends: with a step of 1/8 the rule is exact to rounding.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Annotated, ClassVar

import numpy as np

from mibench.estimator import Array
from mibench.parameters import between
from mibench.registry import register_task
from mibench.task import Task

from .citations import COVER_THOMAS

STEP = 0.125
REACH = 10.0
"""Standard deviations of a normal variable beyond which it is neglected: exp(-REACH^2 / 2) is 2e-22."""
ROWS = 2_000_000
"""Numbers that the density of many values holds at a time."""
LOG_2PI = math.log(2 * math.pi)


@register_task("multiplicative-noise")
class MultiplicativeNoise(Task):
    """Y = exp(spread X) E with X and E standard normal: X decides the scale of Y, and is uncorrelated with it.

    The sign of Y is independent of all else, so that I(X; Y) = h(spread X + log |E|) - h(log |E|).

    Parameters
    ----------
    spread : standard deviation of the logarithm of the scale, from 0 (independent) to 5.
    """

    spread: Annotated[float, between(0, 5)] = 1.0

    family: ClassVar[str] = "multiplicative-noise"
    citation: ClassVar[str] = f"{COVER_THOMAS}, chapter 8"
    dim_x = dim_y = 1

    @property
    def mutual_information(self) -> float:
        return _scale_information(self.spread)[0]

    @property
    def mutual_information_error(self) -> float:
        """The change from a coarser rule, and rounding."""
        return _scale_information(self.spread)[1]

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x, noise = rng.standard_normal((2, n, 1))
        return x, np.exp(self.spread * x) * noise

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """log N(y; 0, exp(2 spread x)) - log p(y) in nats, shape (n,), both in terms of log |y|."""
        log_y = np.log(np.maximum(np.abs(y[:, 0]), np.finfo(float).tiny))
        conditional = _log_half_normal(log_y - self.spread * x[:, 0])
        return conditional - _of_many(log_y, lambda part: _log_scaled(part, self.spread, STEP))


def _log_half_normal(t: Array) -> Array:
    """Log density of log |E| at t."""
    log_density: Array = t - 0.5 * np.exp(2 * np.minimum(t, 300)) + 0.5 * math.log(2 / math.pi)
    return log_density


def _log_scaled(values: Array, spread: float, step: float) -> Array:
    """Log density of spread X + log |E|: a sum over x."""
    step = step / max(0.25, spread)
    x = step * np.arange(-math.ceil(REACH / step), math.ceil(REACH / step) + 1)
    terms = _log_half_normal(values[:, None] - spread * x) - 0.5 * x * x
    return _log_sum(terms) + math.log(step) - 0.5 * LOG_2PI


@functools.lru_cache(maxsize=256)
def _scale_information(spread: float) -> tuple[float, float]:
    def entropy(step: float) -> float:
        """The density falls like e^t to the left, and like a normal density or faster to the right."""
        t = np.arange(-REACH * spread - 45, REACH * spread + 3, step)
        log_p = _of_many(t, lambda part: _log_scaled(part, spread, step))
        return -step * float(np.exp(log_p) @ log_p)

    # log |E| has the mean -(gamma + log 2) / 2
    noise = 0.5 * (1 + math.log(math.pi / 2) + np.euler_gamma + math.log(2))
    coarse, fine = entropy(STEP), entropy(0.75 * STEP)
    return max(0.0, fine - noise), abs(fine - coarse) + 1e-12


@register_task("product")
class Product(Task):
    """Y = X_1 X_2 + noise E with X_1, X_2 and E standard normal: Y is uncorrelated with either factor.

    Given X_1 alone Y is normal with variance X_1^2 + noise^2, so p(y) is an integral over x_1.

    Parameters
    ----------
    noise : standard deviation of the noise, from 0.001 to 1000.
    """

    noise: Annotated[float, between(1e-3, 1e3)] = 0.3

    family: ClassVar[str] = "product"
    citation: ClassVar[str] = f"{COVER_THOMAS}, chapter 8"
    dim_x, dim_y = 2, 1

    @property
    def mutual_information(self) -> float:
        """h(Y) - 1/2 log(2 pi e noise^2)."""
        return _product_information(self.noise)[0]

    @property
    def mutual_information_error(self) -> float:
        """The change from a coarser rule, and rounding."""
        return _product_information(self.noise)[1]

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x = rng.standard_normal((n, 2))
        return x, x.prod(axis=1, keepdims=True) + self.noise * rng.standard_normal((n, 1))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """log N(y; x_1 x_2, noise^2) - log p(y) in nats, shape (n,)."""
        z = y[:, 0] / self.noise
        conditional: Array = -0.5 * (z - x.prod(axis=1) / self.noise) ** 2 - 0.5 * LOG_2PI
        return conditional - _of_many(z, lambda part: _log_product(part, self.noise, STEP))


def _log_product(z: Array, noise: float, step: float) -> Array:
    """Log density of Y / noise: a sum over x_1 = c sinh t, c the least of the noise and 1."""
    scale = min(1.0, noise)
    t = step * np.arange(math.ceil(math.asinh(REACH / scale) / step) + 1)
    x = scale * np.sinh(t)
    variance = 1 + (x / noise) ** 2
    log_weights = np.log(np.cosh(t)) - 0.5 * (x**2 + np.log(variance)) + math.log(2 * scale * step)
    log_weights[0] -= math.log(2)
    return _log_sum(log_weights - 0.5 * z[:, None] ** 2 / variance) - LOG_2PI


@functools.lru_cache(maxsize=256)
def _product_information(noise: float) -> tuple[float, float]:
    def entropy(step: float) -> float:
        """Of Y / noise = sinh t; the density is even, and falls like e^-|y| beyond the noise."""
        t = step * np.arange(math.ceil(math.asinh(50 / noise + REACH) / step) + 1)
        log_p = _of_many(np.sinh(t), lambda part: _log_product(part, noise, step))
        terms = np.exp(log_p) * log_p * np.cosh(t)
        return -step * float(2 * terms.sum() - terms[0])

    coarse, fine = entropy(STEP), entropy(0.75 * STEP)
    return max(0.0, fine - 0.5 * (1 + LOG_2PI)), abs(fine - coarse) + 1e-12


def _log_sum(terms: Array) -> Array:
    """log of the sum of e^terms over each row."""
    greatest = terms.max(axis=1)
    total: Array = np.log(np.exp(terms - greatest[:, None]).sum(axis=1)) + greatest
    return total


def _of_many(values: Array, function: Callable[[Array], Array]) -> Array:
    """A function of an array of numbers that holds a row for each, taken in parts of bounded size."""
    parts = max(1, math.ceil(len(values) * 400 / ROWS))
    return np.concatenate([function(part) for part in np.array_split(values, parts)])
