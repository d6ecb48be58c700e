"""A uniform variable seen through additive noise: uniform noise (closed form) or Gaussian noise (one quadrature)."""

from __future__ import annotations

import math
from functools import cached_property
from typing import ClassVar

import numpy as np

from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.registry import register_task
from mibench.task import Task

from ._quadrature import panels
from ._validate import check_information, check_interval
from .gaussian import MOST_PER_PAIR


@register_task("additive-uniform")
class AdditiveUniform(Task):
    """X ~ U(0, 1), Y = X + U(-eps, eps): I(X; Y) = 1 / (4 eps) where eps > 1/2, otherwise eps - log(2 eps).

    mutual_information : in nats; 1 where neither it nor eps is given.
    eps : half the width of the noise, instead of mutual_information.
    """

    mutual_information: float = None  # type: ignore[assignment]
    eps: float = None  # type: ignore[assignment]

    family: ClassVar[str] = "additive-noise"
    citation: ClassVar[str] = "Czyż et al. (2023), Beyond Normal: On the evaluation of mutual information estimators"
    dim_x: ClassVar[int] = 1  # type: ignore[misc]
    dim_y: ClassVar[int] = 1  # type: ignore[misc]

    def __post_init__(self) -> None:
        if self.mutual_information is not None and self.eps is not None:
            raise UsageError(f"{self.registered_name}: give mutual_information or eps, not both.")
        if self.eps is not None:
            check_interval(self, "eps", 0, math.inf)
            information = 0.25 / self.eps if self.eps > 0.5 else self.eps - math.log(2 * self.eps)
            object.__setattr__(self, "mutual_information", information)
        else:
            if self.mutual_information is None:
                object.__setattr__(self, "mutual_information", 1.0)
            check_interval(self, "mutual_information", 0, math.inf)
            object.__setattr__(self, "eps", self._width(self.mutual_information))
        check_information(self, "mutual_information", MOST_PER_PAIR)

    @staticmethod
    def _width(information: float) -> float:
        """The eps with that information; below 1/2 it solves eps - log(eps) = I + log 2, by Lambert's W."""
        if information < 0.5:
            return 0.25 / information
        from scipy.special import lambertw

        return float(-lambertw(-0.5 * math.exp(-information)).real)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """X, then X plus the noise."""
        x = rng.random((n, 1))
        return x, x + self.eps * (2 * rng.random((n, 1)) - 1)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """-log of the length of [0, 1] within eps of y, in nats, shape (n,); -inf for impossible pairs."""
        u, v = x[:, 0], y[:, 0]
        slack = 1e-15 + 1e-12 * self.eps  # samples on the edge may have been rounded across it
        possible = (np.abs(v - u) <= self.eps + slack) & (u >= -slack) & (u <= 1 + slack)
        reachable = np.minimum(1, v + self.eps) - np.maximum(0, v - self.eps)
        ratio: Array = np.where(possible, -np.log(np.maximum(reachable, np.finfo(float).tiny)), -np.inf)
        return ratio


@register_task("uniform-channel")
class UniformChannel(Task):
    """X ~ U(0, 1), Y = X + noise N(0, 1): I(X; Y) = h(Y) - 1/2 log(2 pi e noise^2), h(Y) by quadrature.
    Here p(y) = Phi(y / noise) - Phi((y - 1) / noise).

    noise : standard deviation of the noise; small noise makes Y a nearly exact copy of X.
    """

    noise: float = 0.01

    family: ClassVar[str] = "near-deterministic"
    citation: ClassVar[str] = "Cover & Thomas (2006), Elements of Information Theory, chapter 9"
    mutual_information_error: ClassVar[float] = 1e-11  # type: ignore[misc]
    dim_x: ClassVar[int] = 1  # type: ignore[misc]
    dim_y: ClassVar[int] = 1  # type: ignore[misc]

    def __post_init__(self) -> None:
        check_interval(self, "noise", 1e-10, 1e3)

    def _log_density(self, z: Array) -> Array:
        """log p(y) at y = noise z."""
        from scipy.special import log_ndtr

        width = 1 / self.noise
        z = np.maximum(z, width - z)  # the density is symmetric; from this side nothing cancels
        upper, lower = log_ndtr(width - z), log_ndtr(-z)
        density: Array = upper + np.log1p(-np.exp(lower - upper))
        return density

    @cached_property
    def _information(self) -> float:
        # in units of the noise: p is 1 but for a few units at either end of [0, 1]
        width = 1 / self.noise
        z, weights = panels(np.unique(np.minimum(np.arange(-40.0, 13.0), width / 2)), 64)
        log_p = self._log_density(z)
        entropy = 2 * self.noise * float(weights @ (-np.exp(log_p) * log_p))
        return entropy - 0.5 * math.log(2 * math.pi * math.e) - math.log(self.noise)

    @property
    def mutual_information(self) -> float:
        """h(Y) by Gauss-Legendre quadrature less h(noise), in nats; computed when first asked for."""
        return self._information

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """X, then X plus the noise."""
        x = rng.random((n, 1))
        return x, x + self.noise * rng.standard_normal((n, 1))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """log N(y; x, noise^2) - log p(y) in nats, shape (n,)."""
        z = (y[:, 0] - x[:, 0]) / self.noise
        ratio: Array = (
            -0.5 * z * z - 0.5 * math.log(2 * math.pi) - math.log(self.noise) - self._log_density(y[:, 0] / self.noise)
        )
        return ratio
