"""A uniform variable seen through additive noise: uniform noise (closed form) or Gaussian noise (one quadrature)."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, ClassVar, TypeAlias

import numpy as np

from mibench.estimator import Array
from mibench.parameters import Range, at_least, inside
from mibench.registry import register_task
from mibench.task import Task

from ._either import settle
from .citations import COVER_THOMAS, CZYZ_2023
from .gaussian import MOST_PER_PAIR
from .numerics.quadrature import panels

Information: TypeAlias = Annotated[float, Range(0, MOST_PER_PAIR, with_high=True)]
Width: TypeAlias = Annotated[float, at_least(7e-12)]
"""Below it, the information would be more than that."""
Noise: TypeAlias = Annotated[float, inside(1e-10, 1e3)]


@register_task("additive-uniform")
class AdditiveUniform(Task):
    """X ~ U(0, 1), Y = X + U(-eps, eps): I(X; Y) = 1 / (4 eps) where eps > 1/2, otherwise eps - log(2 eps).

    Parameters
    ----------
    mutual_information : in nats; 1 where neither it nor eps is given.
    eps : half the width of the noise, instead of mutual_information.
    """

    family: ClassVar[str] = "additive-noise"
    citation: ClassVar[str] = CZYZ_2023
    dim_x = dim_y = 1

    def __init__(self, mutual_information: Information | None = None, eps: Width | None = None) -> None:
        settle(self, {"mutual_information": 1.0}, mutual_information=mutual_information, eps=eps)

    @cached_property
    def mutual_information(self) -> float:
        return 0.25 / self.eps if self.eps > 0.5 else self.eps - math.log(2 * self.eps)

    @cached_property
    def eps(self) -> float:
        """Below 1/2 it solves eps - log(eps) = I + log 2, by Lambert's W."""
        if self.mutual_information < 0.5:
            return 0.25 / self.mutual_information
        from scipy.special import lambertw

        return float(-lambertw(-0.5 * math.exp(-self.mutual_information)).real)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x = rng.random((n, 1))
        return x, x + self.eps * (2 * rng.random((n, 1)) - 1)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """-log of the length of [0, 1] within eps of y, in nats, shape (n,); -inf for impossible pairs."""
        u, v = x[:, 0], y[:, 0]
        slack = 1e-15 + 1e-12 * self.eps  # samples on the edge may have been rounded across it
        possible = (np.abs(v - u) <= self.eps + slack) & (u >= -slack) & (u <= 1 + slack)
        reachable = np.minimum(1, v + self.eps) - np.maximum(0, v - self.eps)
        return np.where(possible, -np.log(np.maximum(reachable, np.finfo(float).tiny)), -np.inf)


@register_task("uniform-channel")
class UniformChannel(Task):
    """X ~ U(0, 1), Y = X + noise N(0, 1): I(X; Y) = h(Y) - 1/2 log(2 pi e noise^2), h(Y) by quadrature.
    Here p(y) = Phi(y / noise) - Phi((y - 1) / noise).

    Parameters
    ----------
    noise : standard deviation of the noise; small noise makes Y a nearly exact copy of X.
    """

    noise: Noise = 0.01

    family: ClassVar[str] = "near-deterministic"
    citation: ClassVar[str] = f"{COVER_THOMAS}, chapter 9"
    mutual_information_error: ClassVar[float] = 1e-11
    dim_x = dim_y = 1

    def _log_density(self, z: Array) -> Array:
        """log p(y) at y = noise z."""
        from scipy.special import log_ndtr

        width = 1 / self.noise
        z = np.maximum(z, width - z)  # the density is symmetric; from this side nothing cancels
        upper, lower = log_ndtr(width - z), log_ndtr(-z)
        return upper + np.log1p(-np.exp(lower - upper))

    @cached_property
    def mutual_information(self) -> float:
        """h(Y) by Gauss-Legendre quadrature less h(noise), in nats; computed when first asked for."""
        # in units of the noise: p is 1 but for a few units at either end of [0, 1]
        width = 1 / self.noise
        z, weights = panels(np.unique(np.minimum(np.arange(-40.0, 13.0), width / 2)), 64)
        log_p = self._log_density(z)
        entropy = 2 * self.noise * float(weights @ (-np.exp(log_p) * log_p))
        return entropy - 0.5 * math.log(2 * math.pi * math.e) - math.log(self.noise)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x = rng.random((n, 1))
        return x, x + self.noise * rng.standard_normal((n, 1))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """log N(y; x, noise^2) - log p(y) in nats, shape (n,)."""
        z = (y[:, 0] - x[:, 0]) / self.noise
        ratio: Array = (
            -0.5 * z * z - 0.5 * math.log(2 * math.pi) - math.log(self.noise) - self._log_density(y[:, 0] / self.noise)
        )
        return ratio
