"""Equitability: functions of a uniform variable under Gaussian noise, at equal noise or at equal R^2.

An equitable estimator gives functions of equal noise equal scores. Mutual information itself does so only roughly, so
each cell has its own truth by quadrature, and the spread of the estimates over functions is read beside the spread of
the truths.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

import numpy as np

from mibench.estimator import Array
from mibench.parameters import Count, Range, at_least
from mibench.registry import register_task

from ._dimensions import EqualDimensions
from .numerics.noisy import Curve, information, noisy

LEAST_NOISE = 1e-3
"""The least noise, relative to the spread of f, for which the quadrature is kept within seconds."""


class NoisyFunction(EqualDimensions):
    """Y_i = f(X_i) + sigma E_i with X_i uniform and E_i standard normal, independently for i < dim."""

    family: ClassVar[str] = "equitability"
    varies: ClassVar[str] = "function"

    @property
    @abstractmethod
    def curve(self) -> Curve:
        """f and its interval."""

    @property
    @abstractmethod
    def sigma(self) -> float:
        """Standard deviation of the noise."""

    @property
    def r_squared(self) -> float:
        """1 - Var(noise) / Var(Y), of each coordinate."""
        return self.curve.variance / (self.curve.variance + self.sigma**2)

    @property
    def mutual_information(self) -> float:
        return self.dim * information(self.curve, self.sigma)[0]

    @property
    def mutual_information_error(self) -> float:
        """The change between two resolutions, and 1e-12 for rounding, per coordinate."""
        return self.dim * information(self.curve, self.sigma)[1]

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x = rng.uniform(self.curve.low, self.curve.high, (n, self.dim))
        return x, self.curve.function(x) + self.sigma * rng.standard_normal((n, self.dim))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        law = noisy(self.curve, self.sigma)
        conditional = law.log_conditional(self.curve.function(x), y)
        ratio: Array = (conditional - law.log_density(y.ravel()).reshape(y.shape)).sum(axis=1)
        return ratio


def _linear(x: Array) -> Array:
    return 1.0 * x


def _cubic(x: Array) -> Array:
    return x**3


MINE_CURVES = {name: Curve(f, -1.0, 1.0) for name, f in (("linear", _linear), ("cubic", _cubic), ("sine", np.sin))}
if TYPE_CHECKING:
    MineFunction: TypeAlias = str
else:
    MineFunction = Literal[tuple(MINE_CURVES)]


@register_task("equitability")
class Equitability(NoisyFunction):
    """Y = f(X) + noise E with X uniform on (-1, 1)^dim, f coordinate by coordinate and E standard normal.

    Belghazi et al. vary the noise from 0.1 to 0.9 at dim = 2 and expect equal information at equal noise; the truth is
    not equal (at noise 0.5 it is 0.837, 0.451 and 0.729 nats for the three functions).

    Parameters
    ----------
    function : ``linear`` (x), ``cubic`` (x^3) or ``sine`` (sin x).
    noise : standard deviation of the noise.
    dim : coordinates, which are independent of one another.
    """

    function: MineFunction = "linear"
    noise: Annotated[float, at_least(LEAST_NOISE)] = 0.5
    dim: Count = 2

    citation: ClassVar[str] = "Belghazi et al. (2018), MINE: mutual information neural estimation, section 4.2"

    @property
    def curve(self) -> Curve:
        return MINE_CURVES[self.function]

    @property
    def sigma(self) -> float:
        return self.noise


def _sigmoid(x: Array) -> Array:
    clipped: Array = np.clip(50.0 * (x - 0.5) + 0.5, 0.05, 0.95)
    return clipped


def _l_shape(x: Array) -> Array:
    return np.where(x <= 0.99, x / 99.0, 99.0 * x - 98.0)


def _spike(x: Array) -> Array:
    rest = np.where(x <= 0.1, 1.9 - 18.0 * x, (1.0 - x) / 9.0)
    return np.where(x <= 0.0528, 18.0 * x, rest)


def _lopsided_l(x: Array) -> Array:
    rest = np.where(x <= 0.01, 1.99 - 198.0 * x, (1.0 - x) / 99.0)
    return np.where(x <= 0.0051, 190.0 * x, rest)


RESHEF_CURVES = {
    "line": Curve(_linear),
    "parabola": Curve(lambda x: 4.0 * (x - 0.5) ** 2 + 0.1),
    "cubic": Curve(lambda x: 10.0 * (x - 0.6) ** 3 + 2.0 * x**2 + 1.5 - 3.0 * x),
    "exponential-2": Curve(lambda x: 2.0**x - 1.0),
    "exponential-8": Curve(lambda x: 8.0 ** (x - 0.3) - 1.0),
    "sigmoid": Curve(_sigmoid, breaks=(0.491, 0.509)),
    "l-shape": Curve(_l_shape, breaks=(0.99,)),
    "lopsided-l": Curve(_lopsided_l, breaks=(0.0051, 0.01)),
    "spike": Curve(_spike, breaks=(0.0528, 0.1)),
    "line-periodic-low": Curve(lambda x: 0.2 * np.sin(12.0 * x - 6.0) + 1.1 * (x - 1.0) + 1.0),
    "line-periodic-medium": Curve(lambda x: 0.15 * np.sin(11.0 * np.pi * x) + x + 0.05),
    "line-periodic-high": Curve(lambda x: 0.1 * np.sin(48.0 * x) + 2.0 * x - 0.5),
    "line-periodic-strong": Curve(lambda x: 0.2 * np.sin(48.0 * x) + 2.0 * x - 0.5),
    "sine-low": Curve(lambda x: 0.4 * np.sin(8.0 * np.pi * x) + 0.5),
    "sine-high": Curve(lambda x: 0.4 * np.sin(16.0 * np.pi * x) + 0.5),
    "sine-non-fourier": Curve(lambda x: 0.4 * np.sin(9.0 * np.pi * x) + 0.5),
    "sine-varying": Curve(lambda x: 0.4 * np.sin(6.0 * np.pi * x * (1.0 + x)) + 0.5),
    "cosine-non-fourier": Curve(lambda x: 0.4 * np.cos(7.0 * np.pi * x) + 0.5),
    "cosine-high": Curve(lambda x: 0.4 * np.cos(14.0 * np.pi * x) + 0.5),
    "cosine-varying": Curve(lambda x: 0.4 * np.cos(5.0 * np.pi * x * (1.0 + x)) + 0.5),
}
"""The functions of Reshef et al. on [0, 1], in the scaling in which each roughly fills [0, 1]."""
if TYPE_CHECKING:
    ReshefFunction: TypeAlias = str
else:
    ReshefFunction = Literal[tuple(RESHEF_CURVES)]


@register_task("reshef")
class Reshef(NoisyFunction):
    """Y = f(X) + sigma E with X uniform on (0, 1), E standard normal, and sigma as R^2 = 1 - sigma^2 / Var(Y) asks.

    Equitability in the sense of Reshef et al.: functions of all shapes compared at equal R^2.

    Parameters
    ----------
    function : one of 20, from ``line`` and ``parabola`` to ``spike`` and ``cosine-varying``.
    r2 : the share of Var(Y) that f(X) explains, between 0 and 1.
    dim : coordinates, which are independent of one another.
    """

    function: ReshefFunction = "line"
    r2: Annotated[float, Range(0, 1 / (1 + LEAST_NOISE**2), with_high=True)] = 0.8
    dim: Count = 1

    citation: ClassVar[str] = (
        "Reshef et al. (2011), Detecting novel associations in large data sets, Science 334, 1518; "
        "Kinney & Atwal (2014), Equitability, mutual information, and the maximal information coefficient"
    )

    @property
    def curve(self) -> Curve:
        return RESHEF_CURVES[self.function]

    @property
    def sigma(self) -> float:
        return math.sqrt(self.curve.variance * (1.0 / self.r2 - 1.0))
