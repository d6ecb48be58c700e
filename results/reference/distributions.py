"""Distributions of the reference table that no registered task has: random mixtures, copulas, functions and scales.

Each has its exact density; the mutual information is a quadrature, or the mean of the log density ratio over many draws
where the dimension leaves no other way, with the error stated.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import logsumexp

from mibench.estimator import Array
from mibench.task import Task


class Drawn(Task):
    """A task of the table, which nobody selects by name."""

    dim_x = 1
    dim_y = 1

    def describe(self) -> str:
        """What it is, with its parameters."""
        told = {k: v for k, v in vars(self).items() if isinstance(v, (int, float, str)) and not k.startswith("_")}
        pairs = (f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in told.items())
        return f"{type(self).__name__}({', '.join(pairs)})"


class Averaged(Drawn):
    """A task whose information is the mean of its log density ratio over draws of its own."""

    draws = 200_000

    @cached_property
    def _average(self) -> tuple[float, float]:
        ratio = self.log_density_ratio(*self.draw(self.draws, np.random.default_rng([4, 0])))
        return max(float(ratio.mean()), 0.0), float(3 * ratio.std() / np.sqrt(self.draws))

    @property
    def mutual_information(self) -> float:
        return self._average[0]

    @property
    def mutual_information_error(self) -> float:
        """Three standard errors."""
        return self._average[1]


class RandomMixture(Averaged):
    """Gaussian components with random weights, means and covariances in dim_x + dim_y dimensions."""

    family = "random-mixtures"

    def __init__(self, rng: np.random.Generator) -> None:
        self.dim_x, self.dim_y = (int(d) for d in rng.choice([1, 1, 2, 3, 5], 2))
        dim = self.dim_x + self.dim_y
        self.count = int(rng.integers(2, 7))
        self._weights = rng.dirichlet(np.full(self.count, 2.0))
        self._means = rng.standard_normal((self.count, dim)) * rng.uniform(0.0, 3.0)
        roots = rng.standard_normal((self.count, dim, dim + int(rng.integers(0, 4)))) / np.sqrt(dim)
        self._covariances = roots @ roots.transpose(0, 2, 1) + 0.05 * np.eye(dim)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        chosen = rng.choice(self.count, n, p=self._weights)
        roots = np.linalg.cholesky(self._covariances)
        z = np.einsum("nij,nj->ni", roots[chosen], rng.standard_normal((n, self._means.shape[1])))
        points = self._means[chosen] + z
        return points[:, : self.dim_x], points[:, self.dim_x :]

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        def density(points: Array, at: slice) -> Array:
            terms = [
                np.log(w) + stats.multivariate_normal(m[at], c[at, at]).logpdf(points)
                for w, m, c in zip(self._weights, self._means, self._covariances, strict=True)
            ]
            found: Array = logsumexp(np.column_stack(terms), axis=1)
            return found

        joint = density(np.hstack([x, y]), slice(None))
        return joint - density(x, slice(self.dim_x)) - density(y, slice(self.dim_x, None))


_MARGINALS: dict[str, Any] = {"normal": stats.norm, "exponential": stats.expon, "student": stats.t(2)}


class Copula(Averaged):
    """Independent pairs, each with one Archimedean or Student copula, turned or not; uniform, normal or long tails."""

    family = "copulas"

    def __init__(self, rng: np.random.Generator) -> None:
        self.law = str(rng.choice(["clayton", "frank", "gumbel", "steep-frank"]))
        self.pairs = self.dim_x = self.dim_y = int(rng.choice([1, 1, 2, 3]))
        self.theta = float(np.exp(rng.uniform(np.log(0.3), np.log(8.0))))
        self.turned = int(rng.integers(0, 2))
        self.marginal = str(rng.choice(["uniform", "normal", "exponential", "student"]))

    def _uniform(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        shape, t = (n, self.pairs), self.theta
        if self.law == "clayton":
            frailty = rng.gamma(1 / t, size=shape)
            u, v = ((1 + rng.standard_exponential(shape) / frailty) ** (-1 / t) for _ in range(2))
        elif self.law == "gumbel":  # a positive stable frailty of index 1 / (1 + t), by Kanter's formula
            a = 1 / (1 + t)
            angle, e = rng.uniform(0, np.pi, shape), rng.standard_exponential(shape)
            frailty = np.sin(a * angle) / np.sin(angle) ** (1 / a) * (np.sin((1 - a) * angle) / e) ** ((1 - a) / a)
            u, v = (np.exp(-((rng.standard_exponential(shape) / frailty) ** a)) for _ in range(2))
        else:  # the conditional distribution of Frank's copula, inverted
            t = t if self.law == "frank" else 3 * t
            u, w = rng.random(shape), rng.random(shape)
            v = -np.log1p(w * np.expm1(-t) / (np.exp(-t * u) * (1 - w) + w)) / t
        return u.clip(1e-12, 1 - 1e-12), v.clip(1e-12, 1 - 1e-12)

    def _log_copula(self, u: Array, v: Array) -> Array:
        t = self.theta
        if self.law == "clayton":
            inner = u**-t + v**-t - 1
            return np.asarray(np.log1p(t) - (1 + t) * np.log(u * v) - (2 + 1 / t) * np.log(inner))
        if self.law == "gumbel":
            g = 1 + t
            lu, lv = -np.log(u), -np.log(v)
            s = lu**g + lv**g
            r = s ** (1 / g)
            return np.asarray(-r + (g - 1) * np.log(lu * lv) + (1 / g - 2) * np.log(s) + np.log(r + g - 1) + lu + lv)
        t = t if self.law == "frank" else 3 * t
        below = -np.expm1(-t) - np.expm1(-t * u) * np.expm1(-t * v)
        return np.asarray(np.log(t * -np.expm1(-t)) - t * (u + v) - 2 * np.log(below))

    def _marginals(self, u: Array) -> Array:
        return u if self.marginal == "uniform" else np.asarray(_MARGINALS[self.marginal].ppf(u))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        u, v = self._uniform(n, rng)
        return self._marginals(u), self._marginals(1 - v if self.turned else v)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        u, v = (z if self.marginal == "uniform" else _MARGINALS[self.marginal].cdf(z) for z in (x, y))
        u, v = (np.clip(z, 1e-12, 1 - 1e-12) for z in (u, 1 - v if self.turned else v))
        found: Array = self._log_copula(u, v).sum(axis=1)
        return found


_DENSITIES: dict[str, Callable[[Array], Array]] = {
    "normal": lambda z: np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi),
    "laplace": lambda z: np.exp(-np.abs(z)) / 2,
    "student": lambda z: 2 / (np.pi * np.sqrt(3) * (1 + z**2 / 3) ** 2),
    "uniform": lambda z: (np.abs(z) <= 1) / 2,
}


class Grid(Drawn):
    """Independent pairs with Y given X around f(X) at scale s(X): the entropy of Y is a quadrature on a grid."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.dim_x = self.dim_y = int(rng.choice([1, 1, 1, 2, 3]))
        self.noise = str(rng.choice(["normal", "laplace", "student", "uniform"]))

    @property
    def _noise(self) -> Any:
        laws = {
            "normal": stats.norm(),
            "laplace": stats.laplace(),
            "student": stats.t(3),
            "uniform": stats.uniform(-1, 2),
        }
        return laws[self.noise]

    @abstractmethod
    def centre(self, x: Array) -> Array:
        """f(x)."""

    @abstractmethod
    def scale(self, x: Array) -> Array:
        """s(x)."""

    @abstractmethod
    def quantile(self, u: Array) -> Array:
        """X of uniform numbers."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x = self.quantile(rng.random((n, self.dim_x)))
        e = np.asarray(self._noise.rvs(x.shape, random_state=rng))
        return x, self.centre(x) + self.scale(x) * e

    @cached_property
    def mutual_information(self) -> float:
        return self._quadrature(1600)

    @cached_property
    def mutual_information_error(self) -> float:
        """The change from a grid of half the points."""
        return abs(self.mutual_information - self._quadrature(800))

    def _quadrature(self, points: int) -> float:
        x = self.quantile((np.arange(points) + 0.5) / points)
        f, s = self.centre(x), self.scale(x)
        # nodes of Y where its mass is: conditional quantiles of a coarse set of X, so that tails and peaks have some
        levels = np.concatenate(
            [np.geomspace(1e-9, 1e-3, 25), np.linspace(1e-3, 1 - 1e-3, 101), 1 - np.geomspace(1e-3, 1e-9, 25)]
        )
        coarse = slice(points // 128, None, max(points // 64, 1))
        y = np.unique(f[coarse, None] + s[coarse, None] * self._noise.ppf(levels))
        y = np.unique(np.concatenate([y, np.linspace(y[0], y[-1], 2000)]))
        y = y[np.linspace(0, len(y) - 1, min(len(y), points)).astype(int)]
        density = (_DENSITIES[self.noise]((y[:, None] - f) / s) / s).mean(axis=1)
        terms = np.where(density > 0, -density * np.log(np.maximum(density, 1e-300)), 0.0)
        mass = np.trapezoid(density, y)
        entropy = np.trapezoid(terms, y) / mass + np.log(mass)
        return float(max(self.dim_x * (entropy - self._noise.entropy() - np.log(s).mean()), 0.0))


class RandomFunction(Grid):
    """Y = f(X) + noise, f a random sum of waves, X uniform."""

    family = "random-functions"

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__(rng)
        self.waves = int(rng.integers(1, 5))
        self.level = float(np.exp(rng.uniform(np.log(0.05), np.log(2.0))))
        self._amplitudes = rng.standard_normal(self.waves) / np.sqrt(self.waves)
        self._frequencies = rng.uniform(0.3, 3.0, self.waves) * np.arange(1, self.waves + 1)
        self._phases = rng.uniform(0, 2 * np.pi, self.waves)

    def centre(self, x: Array) -> Array:
        found: Array = np.sin(np.pi * x[..., None] * self._frequencies + self._phases) @ self._amplitudes
        return found

    def scale(self, x: Array) -> Array:
        return np.full_like(x, self.level)

    def quantile(self, u: Array) -> Array:
        return 2 * u - 1


class RandomScale(Grid):
    """Y = s(X) noise: dependence of scale alone, X normal."""

    family = "scale-noise"

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__(rng)
        self.noise = "normal" if self.noise == "uniform" else self.noise
        self.power = float(rng.uniform(0.2, 1.5))
        self.even = int(rng.integers(0, 2))

    def centre(self, x: Array) -> Array:
        return np.zeros_like(x)

    def scale(self, x: Array) -> Array:
        found: Array = np.exp(self.power * (np.abs(x) if self.even else x))
        return found

    def quantile(self, u: Array) -> Array:
        return np.asarray(stats.norm.ppf(u))
