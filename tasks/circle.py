"""Two points on circles, nearly determined by each other: high information in closed form, correlated or not."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
from scipy.special import i0e, i1e

from mibench.estimator import Array
from mibench.parameters import Count, between
from mibench.registry import register_task
from mibench.task import Task


@register_task("circle")
class Circle(Task):
    """X = (cos A, sin A), Y = (cos B, sin B), A uniform, B = winding A + von Mises noise of concentration kappa.
    I(X; Y) = kappa I_1(kappa) / I_0(kappa) - log I_0(kappa), with the modified Bessel functions, whatever the winding.

    Parameters
    ----------
    mutual_information : in nats; kappa follows from it.
    winding : how often Y goes round while X goes round once; from 2 on X and Y are uncorrelated.
    """

    mutual_information: Annotated[float, between(0, 15)] = 5.0  # beyond, the noise drowns in rounding
    winding: Count = 1

    family: ClassVar[str] = "near-deterministic"
    citation: ClassVar[str] = "Mardia & Jupp (2000), Directional Statistics"
    dim_x = dim_y = 2

    @cached_property
    def kappa(self) -> float:
        """The concentration with this information; the noise has a standard deviation of about kappa^-1/2."""
        from scipy.optimize import brentq

        if self.mutual_information < 1e-8:  # I = kappa^2 / 4 + O(kappa^4)
            return 2 * math.sqrt(self.mutual_information)

        def excess(log_kappa: float) -> float:
            return circle_information(math.exp(log_kappa)) - self.mutual_information

        # I = 1/2 log(2 pi kappa / e) + O(1 / kappa)
        return math.exp(brentq(excess, -10.0, 2 * self.mutual_information + 3, xtol=1e-15, rtol=1e-15))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        a = rng.uniform(-math.pi, math.pi, (n, 1))
        b = self.winding * a + rng.vonmises(0.0, self.kappa, (n, 1))
        return np.hstack([np.cos(a), np.sin(a)]), np.hstack([np.cos(b), np.sin(b)])

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """kappa cos(B - winding A) - log I_0(kappa) in nats, shape (n,)."""
        angle = np.arctan2(y[:, 1], y[:, 0]) - self.winding * np.arctan2(x[:, 1], x[:, 0])
        ratio: Array = -2 * self.kappa * np.sin(0.5 * angle) ** 2 - math.log(i0e(self.kappa))
        return ratio


def circle_information(kappa: float) -> float:
    """log 2 pi less the entropy of the von Mises distribution, in nats; scaled Bessel functions do not overflow."""
    return float(kappa * (i1e(kappa) / i0e(kappa) - 1) - math.log(i0e(kappa)))
