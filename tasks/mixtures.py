"""Mixtures: dependence that is local, curved, or present in a part of the samples only.

None has a closed form. Each reduces to an integral over one or two dimensions, computed when it is first asked for.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
from scipy.special import gammaln, logsumexp

from mibench.estimator import Array
from mibench.parameters import Correlation, Count, Finite, Inner, Positive, at_least
from mibench.registry import register_task

from ._mixture import GaussianMixture, Mixture
from .gaussian import MultinormalSparse
from .maps import turned
from .numerics.quadrature import panels


@register_task("x-shape")
class XShape(GaussianMixture):
    """Half of the samples with correlation rho, half with -rho, standard normal marginals: dependent, uncorrelated.

    Parameters
    ----------
    rho : the correlation of either half, from 0 to 1.
    """

    rho: Inner = 0.9

    family: ClassVar[str] = "local-dependence"
    dim_x = dim_y = 1

    @cached_property
    def components(self) -> tuple[Array, Array]:
        return np.zeros((2, 2)), np.array([[[1, r], [r, 1]] for r in (-self.rho, self.rho)])


@register_task("ai-shape")
class AIShape(GaussianMixture):
    """Six narrow Gaussians of equal weight that spell the letters AI."""

    family: ClassVar[str] = "local-dependence"
    dim_x = dim_y = 1

    @cached_property
    def components(self) -> tuple[Array, Array]:
        c = 0.95 * math.sqrt(0.04 * 0.2)
        means = np.array([[1, 0], [1, 1], [1, -1], [-0.8, -0.2], [-1.2, 0], [-0.4, 0]])
        serif, leg = [[0.05, 0], [0, 0.001]], [[0.04, c], [c, 0.2]]
        mirrored = [[0.04, -c], [-c, 0.2]]
        return means, np.array([[[0.01, 0], [0, 0.2]], serif, serif, [[0.03, 0], [0, 0.001]], leg, mirrored])


@register_task("galaxy")
class Galaxy(GaussianMixture):
    """1/2 N(-m, I) + 1/2 N(m, I) in 3 dimensions, m = distance/2 (1, 1, 1); X is the first two, turned by speed |x|^2.

    The turn is injective and the difference of the first two coordinates is independent of all else, so the information
    is that between their sum and Y.

    Parameters
    ----------
    speed : radians per unit of |x|^2.
    distance : between the means, along each axis.
    """

    speed: Finite = 0.5
    distance: Positive = 3.0

    family: ClassVar[str] = "warped-mixtures"
    dim_x, dim_y = 2, 1

    @cached_property
    def components(self) -> tuple[Array, Array]:
        half = 0.5 * self.distance
        return np.array([[-half] * 3, [half] * 3]), np.array([np.eye(3)] * 2)

    def in_plane(self) -> tuple[Array, Array]:
        half = 0.5 * self.distance
        mean = np.array([math.sqrt(2) * half, half])
        return np.array([-mean, mean]), np.array([np.eye(2)] * 2)

    def forward(self, x: Array) -> Array:
        return turned(x, 0, self.speed)

    def backward(self, x: Array) -> Array:
        return turned(x, 0, -self.speed)


@register_task("waves")
class Waves(GaussianMixture):
    """Equal components N((1.5 k, 0, 1.5 (k mod 4)), diag(0.1, 1, 0.1)), k = 0, 1, ...; X is the first two, waved.

    To x_0 is added amplitude sin(frequency x_1), then X becomes (0.1 x_0 - 0.8, 0.5 x_1). The map is injective and x_1
    is independent of all else, so the information is that between x_0 and Y.

    Parameters
    ----------
    count : number of components.
    amplitude, frequency : of the wave.
    """

    count: Count = 12
    amplitude: Finite = 5.0
    frequency: Finite = 3.0

    family: ClassVar[str] = "warped-mixtures"
    dim_x, dim_y = 2, 1

    @cached_property
    def components(self) -> tuple[Array, Array]:
        k = np.arange(self.count)
        means = np.stack([1.5 * k, 0 * k, 1.5 * (k % 4)], axis=1)
        return means, np.array([np.diag([0.1, 1.0, 0.1])] * self.count)

    def in_plane(self) -> tuple[Array, Array]:
        means, covariances = self.components
        return means[:, [0, 2]], covariances[:, [0, 2]][:, :, [0, 2]]

    def forward(self, x: Array) -> Array:
        wave = self.amplitude * np.sin(self.frequency * x[:, 1])
        return np.stack([0.1 * (x[:, 0] + wave) - 0.8, 0.5 * x[:, 1]], axis=1)

    def backward(self, x: Array) -> Array:
        x0, x1 = 10 * (x[:, 0] + 0.8), 2 * x[:, 1]
        return np.stack([x0 - self.amplitude * np.sin(self.frequency * x1), x1], axis=1)


@register_task("concentric-gaussians")
class ConcentricGaussians(Mixture):
    """K uniform on 1 ... count, X ~ N(0, K^2 I) of dimension dim_x, Y ~ N(K, 1e-4): Y tells K, X only by its length.
    I(X; Y) = I(|X|; K) = log(count) - E[H(K | |X|)].

    Parameters
    ----------
    dim_x : dimension of X.
    count : number of components.
    """

    dim_x: Count = 3
    count: Count = 5

    family: ClassVar[str] = "concentric"
    dim_y = 1

    spread: ClassVar[float] = 0.01  # of Y about K: components are 100 spreads apart, so Y decides K

    def _log_joint(self, squared_norm: Array) -> Array:
        """log p(x | k) + d/2 log(2 pi) for every k, shape (count, n)."""
        k = np.arange(1, self.count + 1)[:, None]
        return -self.dim_x * np.log(k) - 0.5 * squared_norm / k**2

    def integrate(self) -> tuple[float, float]:
        """Over the length R of a standard normal vector, by panels in log R: in component k, |X| = k R."""
        d, answers = self.dim_x, []
        for order in (12, 16):
            t, weights = panels(np.linspace(-40 / d - 1, math.log(math.sqrt(d) + 12), 201), order)
            squared = np.exp(2 * t)
            log_density = d * t - 0.5 * squared - (0.5 * d - 1) * math.log(2) - gammaln(0.5 * d)
            total = 0.0
            for k in range(self.count):
                joint = self._log_joint((k + 1) ** 2 * squared)
                surprise = joint[k] - logsumexp(joint, axis=0) + math.log(self.count)
                total += float(weights @ (np.exp(log_density) * surprise)) / self.count
            answers.append(total)
        return answers[1], abs(answers[1] - answers[0]) + 1e-12

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        k = rng.integers(1, self.count + 1, size=(n, 1))
        return k * rng.standard_normal((n, self.dim_x)), k + self.spread * rng.standard_normal((n, 1))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """log of sum_k p(x | k) p(y | k) count / (sum_k p(x | k) sum_k p(y | k)) in nats, shape (n,)."""
        log_x = self._log_joint((x**2).sum(axis=1))
        k = np.arange(1, self.count + 1)[:, None]
        log_y = -0.5 * ((y[:, 0] - k) / self.spread) ** 2
        joint = logsumexp(log_x + log_y, axis=0) + math.log(self.count)
        return joint - logsumexp(log_x, axis=0) - logsumexp(log_y, axis=0)


@register_task("multinormal-sparse-with-inliers")
class SparseWithInliers(Mixture):
    """(1 - fraction) of ``multinormal-sparse`` with two pairs of correlation rho, and fraction of N(0, I).

    The marginals are standard normal in both, so the pointwise information is log((1 - f) e^s + f), with s that of the
    Gaussian. Over two pairs s = -log(1 - rho^2) + rho (E - E') for the dependent part and the same with
    E / (1 + rho) - E' / (1 - rho) for the independent one, E and E' standard exponential: one-dimensional integrals.

    Parameters
    ----------
    dim_x, dim_y : dimensions, at least 2.
    fraction : of independent samples, between 0 and 1.
    rho : the correlation, between -1 and 1.
    """

    dim_x: Annotated[int, at_least(2)] = 5
    dim_y: Annotated[int, at_least(2)] = 5
    fraction: Inner = 0.2
    rho: Correlation = 0.8

    family: ClassVar[str] = "inliers"

    @cached_property
    def _gaussian(self) -> MultinormalSparse:
        return MultinormalSparse(self.dim_x, self.dim_y, 2, self.rho)

    def _diluted(self, pointwise: Array) -> Array:
        """log((1 - f) e^s + f)."""
        diluted: Array = np.logaddexp(math.log1p(-self.fraction) + pointwise, math.log(self.fraction))
        return diluted

    def integrate(self) -> tuple[float, float]:
        """Over the differences of exponentials, by panels, each side of 0 apart."""
        rho, answers = abs(self.rho), []
        for order in (16, 24):
            t, weights = panels(np.linspace(0, 60, 121), order)
            weights = weights * np.exp(-t)

            def mean(up: float, down: float, t: Array = t, weights: Array = weights) -> float:
                """Of log((1 - f) e^s + f) where s is up E - down E' and a constant."""
                constant = -math.log1p(-rho * rho)
                rising, falling = self._diluted(constant + up * t), self._diluted(constant - down * t)
                return float(weights @ (up * rising + down * falling)) / (up + down)

            dependent, independent = mean(rho, rho), mean(rho / (1 + rho), rho / (1 - rho))
            answers.append((1 - self.fraction) * dependent + self.fraction * independent)
        return answers[1], abs(answers[1] - answers[0]) + 1e-12

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x, y = self._gaussian.draw(n, rng)
        inlier = rng.random((n, 1)) < self.fraction
        return x, np.where(inlier, rng.standard_normal((n, self.dim_y)), y)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        return self._diluted(self._gaussian.log_density_ratio(x, y))
