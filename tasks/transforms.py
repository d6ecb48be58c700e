"""Coordinate-wise transforms: increasing functions that change the marginals and leave the dependence.

``half-cube[base=multinormal-sparse[dim_x=25,dim_y=25]]`` reads as it is made. Maps that mix coordinates are in
``maps.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
from scipy.special import ndtr, ndtri

from mibench.estimator import Array
from mibench.parameters import Positive
from mibench.registry import register_task
from mibench.task import Task

from ._made_of import Side, Sides, Transform
from .citations import CZYZ_2023
from .gaussian import Gauss
from .numerics.inverse import invert

_BASE = Gauss()


class Marginals(Transform):
    """Increasing functions of each coordinate of X, of Y or (by default) of both, as ``sides`` says."""

    own_family: ClassVar[str] = "marginals"
    own_rank: ClassVar[int] = 1
    citation: ClassVar[str] = CZYZ_2023


@dataclass(frozen=True, eq=False, repr=False)
class Coordinatewise(Marginals):
    """Functions without parameters of their own."""

    base: Task = _BASE
    sides: Sides = "xy"


@register_task("normal-cdf")
class NormalCdf(Coordinatewise):
    """Phi(v) of every coordinate, Phi the standard normal distribution function: uniform marginals from normal ones.

    Phi rounds to 1 above 8.3: not for heavy tails.
    """

    def forward(self, values: Array, side: Side) -> Array:
        return ndtr(values)

    def backward(self, values: Array, side: Side) -> Array:
        """The quantile function; 0 and 1, to which Phi rounds, count as the nearest numbers inside."""
        inside = np.clip(values, np.finfo(float).tiny, 1 - np.finfo(float).epsneg)
        return ndtri(inside)


@register_task("half-cube")
class HalfCube(Coordinatewise):
    """v sqrt|v| of every coordinate: longer tails."""

    def forward(self, values: Array, side: Side) -> Array:
        return values * np.sqrt(np.abs(values))

    def backward(self, values: Array, side: Side) -> Array:
        return signed_power(values, 2 / 3)


@register_task("asinh")
class Asinh(Coordinatewise):
    """arcsinh(v) of every coordinate: shorter tails."""

    def forward(self, values: Array, side: Side) -> Array:
        return np.arcsinh(values)

    def backward(self, values: Array, side: Side) -> Array:
        return np.sinh(values)


@register_task("power")
class Power(Marginals):
    """sign(v) |v|^alpha of every coordinate.

    Parameters
    ----------
    alpha : the exponent, greater than 0; above 1 it makes longer tails, below 1 shorter ones.
    """

    base: Task = _BASE
    alpha: Positive = 2.0
    sides: Sides = "xy"

    def forward(self, values: Array, side: Side) -> Array:
        return signed_power(values, self.alpha)

    def backward(self, values: Array, side: Side) -> Array:
        return signed_power(values, 1 / self.alpha)


def signed_power(values: Array, exponent: float) -> Array:
    """sign(v) |v|^exponent, elementwise."""
    return np.copysign(np.abs(values) ** exponent, values)


Waves: TypeAlias = tuple[tuple[float, float, float], ...]
"""Amplitude, frequency and phase of each sine."""


@register_task("wiggly")
class Wiggly(Coordinatewise):
    """Increasing functions with wiggles, one for X and one for Y.

    x -> x + 0.4 sin x + 0.2 sin(1.7 x + 1) + 0.03 sin(3.3 x - 2.5) and
    y -> y - 0.4 sin 0.4 y + 0.17 sin(1.3 y + 3.5) + 0.02 sin(4.3 y - 2.5), for every coordinate.
    """

    waves: ClassVar[dict[Side, Waves]] = {
        "x": ((0.4, 1.0, 0.0), (0.2, 1.7, 1.0), (0.03, 3.3, -2.5)),
        "y": ((-0.4, 0.4, 0.0), (0.17, 1.3, 3.5), (0.02, 4.3, -2.5)),
    }

    def forward(self, values: Array, side: Side) -> Array:
        return _wiggle(values, self.waves[side])[0]

    def backward(self, values: Array, side: Side) -> Array:
        waves = self.waves[side]
        reach = sum(abs(amplitude) for amplitude, _, _ in waves)
        return invert(lambda v: _wiggle(v, waves), values, values - reach, values + reach)


def _wiggle(v: Array, waves: Waves) -> tuple[Array, Array]:
    """v plus the waves, and the slope, which stays above 1 - sum |amplitude frequency| > 0."""
    value, slope = v.copy(), np.ones_like(v)
    for amplitude, frequency, phase in waves:
        value += amplitude * np.sin(frequency * v + phase)
        slope += amplitude * frequency * np.cos(frequency * v + phase)
    return value, slope


@register_task("bimodal")
class Bimodal(Coordinatewise):
    """F^-1(Phi(v)) of every coordinate, F the distribution function of two Gaussians: bimodal from normal marginals.

    X: 0.3 N(0, 1) + 0.7 N(5, 1); Y: 0.5 N(-1, 1) + 0.5 N(3, 1).
    """

    # weight of the lower component, the two means
    mixtures: ClassVar[dict[Side, tuple[float, float, float]]] = {"x": (0.3, 0.0, 5.0), "y": (0.5, -1.0, 3.0)}

    def forward(self, values: Array, side: Side) -> Array:
        """F^-1(Phi(v)), solved numerically, to rounding."""
        mixture = self.mixtures[side]
        _, low, high = mixture  # the quantile lies between those of the two components
        return invert(lambda v: _normal_score(v, mixture), values, values + low, values + high)

    def backward(self, values: Array, side: Side) -> Array:
        return _normal_score(values, self.mixtures[side])[0]


def _normal_score(v: Array, mixture: tuple[float, float, float]) -> tuple[Array, Array]:
    """Phi^-1(F(v)) and its slope f(v) / phi(Phi^-1(F(v))), from the nearer tail so that nothing cancels."""
    weight, low, high = mixture
    sign = np.where(v < 0.5 * (low + high), 1.0, -1.0)
    tail = weight * ndtr(sign * (v - low)) + (1 - weight) * ndtr(sign * (v - high))
    score = sign * ndtri(tail)
    # the common factor 1 / sqrt(2 pi) of the densities cancels
    density = weight * np.exp(-0.5 * (v - low) ** 2) + (1 - weight) * np.exp(-0.5 * (v - high) ** 2)
    return score, density * np.exp(0.5 * score**2)
