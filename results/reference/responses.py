"""One response Y to several columns X: random index functions, and laws of Y given the index.

Y depends on X through one number, the index, so the mutual information is that of Y and the index: the mean over draws
of log p(y | index) - log p(y), where p(y) is the mean of p(y | index) over quantiles of the index.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from distributions import Averaged
from scipy.special import expit, gammaln, log_ndtr, logsumexp

from mibench.estimator import Array

Rng = np.random.Generator


class Law:
    """Of Y given the index."""

    discrete = False
    atom: float | None = None
    """A value that has a probability where others have a density."""

    @abstractmethod
    def draw(self, index: Array, rng: Rng) -> Array:
        """Y (n,) for indices (n,)."""

    @abstractmethod
    def log_density(self, y: Array, index: Array) -> Array:
        """log p(y | index), broadcast."""


@dataclass(frozen=True)
class Location(Law):
    """Y = index + scale * noise."""

    noise: str
    scale: float

    def draw(self, index: Array, rng: Rng) -> Array:
        draws: dict[str, Callable[[], Array]] = {
            "normal": lambda: rng.standard_normal(index.shape),
            "laplace": lambda: rng.laplace(size=index.shape),
            "student": lambda: rng.standard_t(3, index.shape),
        }
        return np.asarray(index + self.scale * draws[self.noise]())

    def log_density(self, y: Array, index: Array) -> Array:
        z = (y - index) / self.scale
        shape = {
            "normal": lambda: -0.5 * z**2 - 0.5 * np.log(2 * np.pi),
            "laplace": lambda: -np.abs(z) - np.log(2.0),
            "student": lambda: np.log(2 / (np.pi * np.sqrt(3))) - 2 * np.log1p(z**2 / 3),
        }
        return np.asarray(shape[self.noise]() - np.log(self.scale))


@dataclass(frozen=True)
class Ordinal(Law):
    """Levels 0, 1, ..: a cumulative logit model; two levels are a logistic regression."""

    cuts: tuple[float, ...]
    discrete = True

    def draw(self, index: Array, rng: Rng) -> Array:
        return np.asarray(np.searchsorted(self.cuts, index + rng.logistic(size=index.shape)), dtype=float)

    def log_density(self, y: Array, index: Array) -> Array:
        ends = np.array([-np.inf, *self.cuts, np.inf])
        level = y.astype(int)
        within = expit(ends[level + 1] - index) - expit(ends[level] - index)
        return np.asarray(np.log(np.maximum(within, 1e-300)))


@dataclass(frozen=True)
class Count(Law):
    """Counts with mean level * exp(index): Poisson, or negative binomial of the given size."""

    level: float
    size: float
    discrete = True

    def draw(self, index: Array, rng: Rng) -> Array:
        mean = self.level * np.exp(index)
        if np.isfinite(self.size):
            mean = mean * rng.gamma(self.size, 1 / self.size, index.shape)
        return rng.poisson(mean).astype(float)

    def log_density(self, y: Array, index: Array) -> Array:
        index = index + np.log(self.level)
        if not np.isfinite(self.size):
            return np.asarray(y * index - np.exp(index) - gammaln(y + 1))
        r, rest = self.size, np.logaddexp(np.log(self.size), index)
        return np.asarray(gammaln(y + r) - gammaln(r) - gammaln(y + 1) + r * (np.log(r) - rest) + y * (index - rest))


@dataclass(frozen=True)
class Duration(Law):
    """Gamma distributed with mean exp(index)."""

    shape: float

    def draw(self, index: Array, rng: Rng) -> Array:
        return np.asarray(np.exp(index) * rng.gamma(self.shape, 1 / self.shape, index.shape))

    def log_density(self, y: Array, index: Array) -> Array:
        a = self.shape
        return np.asarray(a * (np.log(a) - index) + (a - 1) * np.log(y) - a * y * np.exp(-index) - gammaln(a))


@dataclass(frozen=True)
class Hurdle(Law):
    """Y = max(index + scale * normal noise, 0)."""

    scale: float
    atom = 0.0

    def draw(self, index: Array, rng: Rng) -> Array:
        return np.asarray(np.maximum(index + self.scale * rng.standard_normal(index.shape), 0.0))

    def log_density(self, y: Array, index: Array) -> Array:
        z = (y - index) / self.scale
        return np.where(
            y > 0, -0.5 * z**2 - 0.5 * np.log(2 * np.pi) - np.log(self.scale), log_ndtr(-index / self.scale)
        )


class Response(Averaged):  # type: ignore[misc]
    """Y (n, 1) given the index of X (n, dim_x), of which columns may matter not at all."""

    def __init__(self, rng: Rng, index: Callable[[Array], Array], dim_x: int, law: Law, columns: str) -> None:
        self.dim_x, self.columns, self.law = dim_x, columns, law
        self._raw = index
        draws = index(self._columns(20_000, np.random.default_rng(0)))
        self._centre, self._spread = float(draws.mean()), float(draws.std()) or 1.0
        self.strength = float(np.exp(rng.uniform(np.log(0.3), np.log(3.0))))
        if isinstance(law, (Count, Duration)):
            self.strength = min(self.strength, 1.2)  # counts and durations are exponential in it

    def describe(self) -> str:
        return f"{self.family}(dim_x={self.dim_x}, {self.columns}, {self.law}, strength={self.strength:.3g})"

    @property
    def discrete(self) -> bool:
        return self.law.discrete or self.columns == "counts"

    def _columns(self, n: int, rng: Rng) -> Array:
        shape = (n, self.dim_x)
        kinds: dict[str, Callable[[], Array]] = {
            "normal": lambda: rng.standard_normal(shape),
            "uniform": lambda: rng.uniform(-1.7, 1.7, shape),
            "student": lambda: rng.standard_t(4, shape) / np.sqrt(2),
            "counts": lambda: rng.poisson(3.0, shape).astype(float),
        }
        return kinds[self.columns]()

    def index(self, x: Array) -> Array:
        """Of X (n, dim_x), (n,), with the standard deviation ``strength``; beyond five of them it grows no more."""
        return np.asarray(self.strength * np.clip((self._raw(x) - self._centre) / self._spread, -5.0, 5.0))

    def draw(self, n: int, rng: Rng) -> tuple[Array, Array]:
        x = self._columns(n, rng)
        return x, self.law.draw(self.index(x), rng)[:, None]

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        return self.law.log_density(y[:, 0], self.index(x)) - self._log_marginal(y[:, 0])

    @cached_property
    def _quantiles(self) -> Array:
        indices = self.index(self._columns(200_000, np.random.default_rng(1)))
        return np.quantile(indices, (np.arange(2000) + 0.5) / 2000)

    def _log_marginal(self, y: Array) -> Array:
        """log p(y): exactly at each value of a discrete Y, elsewhere interpolated between 2,000 quantiles of Y."""

        def exact(values: Array) -> Array:
            return np.concatenate(
                [
                    logsumexp(self.law.log_density(part[:, None], self._quantiles), axis=1) - np.log(2000)
                    for part in np.array_split(values, len(values) // 500 + 1)
                ]
            )

        if self.law.discrete:
            values, which = np.unique(y, return_inverse=True)
            return np.asarray(exact(values)[which])
        spread = y[y != self.law.atom]
        nodes = np.unique(np.quantile(spread, np.sin(np.linspace(0, np.pi / 2, 2000)) ** 2))
        found = np.interp(y, nodes, exact(nodes))
        return found if self.law.atom is None else np.where(y == self.law.atom, exact(np.array([self.law.atom])), found)


def _law(rng: Rng) -> Law:
    kind = int(rng.integers(5))
    if kind == 0:
        cuts = np.sort(rng.normal(0, 1.5, int(rng.integers(1, 6))))
        return Ordinal(tuple(np.round(cuts, 3).tolist()))
    if kind == 1:
        return Count(float(rng.choice([1.0, 5.0, 25.0])), float(rng.choice([np.inf, 2.0, 8.0])))
    if kind == 2:
        return Duration(float(rng.choice([0.7, 1.0, 3.0])))
    return Hurdle(float(rng.uniform(0.3, 1.5))) if kind == 3 else _location(rng)


def _location(rng: Rng) -> Law:
    noise = str(rng.choice(["normal", "normal", "laplace", "student"]))
    return Location(noise, float(np.exp(rng.uniform(np.log(0.1), np.log(1.5)))))


def _few(rng: Rng, most: int = 12) -> int:
    return int(np.exp(rng.uniform(0, np.log(most + 0.99))))


class GeneralLinear(Response):
    """A linear index, or a bent one, of some of the columns; counts, durations, levels, censored or plain values."""

    family = "responses"

    def __init__(self, rng: Rng) -> None:
        dim = _few(rng)
        weights = rng.standard_normal(dim) * (rng.random(dim) < 0.7)
        weights[0] = 1.0
        bends: tuple[Callable[[Array], Array], ...] = (np.asarray, np.abs, np.tanh, np.square)
        bent = bends[int(rng.choice(4, p=[0.6, 0.1, 0.2, 0.1]))]
        columns = str(rng.choice(["normal", "uniform", "student", "counts"]))
        super().__init__(rng, lambda x: bent(x @ weights), dim, _law(rng), columns)


class Interaction(Response):
    """What two or three columns hold together: products, the larger of them, a radius, signs; beside other columns."""

    family = "interactions"

    def __init__(self, rng: Rng) -> None:
        order = int(rng.integers(2, 4))
        own = float(rng.choice([0.0, 0.0, 0.5]))
        kinds: dict[str, Callable[[Array], Array]] = {
            "product": lambda x: x.prod(axis=1),
            "signs": lambda x: np.sign(x).prod(axis=1),
            "larger": lambda x: x.max(axis=1),
            "radius": lambda x: np.sqrt((x**2).sum(axis=1)),
            "difference": lambda x: np.abs(x[:, 0] - x[:, 1]),
            "gate": lambda x: np.where(x[:, 0] > 0, x[:, 1], -x[:, -1]),
        }
        self.kind = str(rng.choice(list(kinds)))
        made = kinds[self.kind]
        dim = order + int(rng.choice([0, 0, 1, 2, 4]))
        law = _location(rng) if rng.random() < 0.6 else _law(rng)
        super().__init__(
            rng,
            lambda x: made(x[:, :order]) + own * x[:, 0],
            dim,
            law,
            str(rng.choice(["normal", "uniform", "student"])),
        )


class Regression(Response):
    """Random networks, random trees, and sums of waves, one in each column, with noise added."""

    family = "regressions"

    def __init__(self, rng: Rng) -> None:
        dim = 1 + _few(rng, 15)
        self.kind = str(rng.choice(["network", "tree", "waves"]))
        if self.kind == "network":
            into, out = rng.standard_normal((dim, 8)) * 1.5 / np.sqrt(dim), rng.standard_normal(8)
            shift = rng.standard_normal(8)
            made: Callable[[Array], Array] = lambda x: np.tanh(x @ into + shift) @ out  # noqa: E731
        elif self.kind == "waves":
            speed, height = rng.uniform(0.5, 2.5, dim), rng.standard_normal(dim)
            made = lambda x: np.sin(x * speed) @ height  # noqa: E731
        else:
            columns, at, leaves = rng.integers(0, dim, 15), rng.normal(0, 0.6, 15), rng.standard_normal(16)

            def made(x: Array) -> Array:
                node = np.zeros(len(x), dtype=int)
                for _ in range(4):
                    node = 2 * node + 1 + (x[np.arange(len(x)), columns[node]] > at[node])
                return np.asarray(leaves[node - 15])

        super().__init__(rng, made, dim, _location(rng), str(rng.choice(["normal", "uniform"])))


class Classes(Averaged):  # type: ignore[misc]
    """X (n, dim_x) around the centre of a class, at its scale; Y is the class, as a number or one column each."""

    family = "classes"
    discrete = True

    def __init__(self, rng: Rng) -> None:
        self.count, self.dim_x = int(rng.integers(2, 11)), _few(rng)
        self.noise = str(rng.choice(["normal", "student", "laplace"]))
        self.one_hot = int(rng.integers(0, 2))
        self.dim_y = self.count if self.one_hot else 1
        self._weights = rng.dirichlet(np.full(self.count, 3.0))
        self._centres = rng.uniform(0, 2.5) * rng.standard_normal((self.count, self.dim_x))
        self._scales = np.exp(rng.uniform(0, 1.0) * rng.standard_normal((self.count, 1)))

    def draw(self, n: int, rng: Rng) -> tuple[Array, Array]:
        chosen = rng.choice(self.count, n, p=self._weights)
        law = Location(self.noise, 1.0)
        x = self._centres[chosen] + self._scales[chosen] * law.draw(np.zeros((n, self.dim_x)), rng)
        return x, np.eye(self.count)[chosen] if self.one_hot else chosen[:, None].astype(float)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        law, chosen = Location(self.noise, 1.0), (y.argmax(axis=1) if self.one_hot else y[:, 0].astype(int))
        given = np.column_stack(
            [
                (law.log_density((x - c) / s, np.zeros(1)) - np.log(s)).sum(axis=1)
                for c, s in zip(self._centres, self._scales, strict=True)
            ]
        )
        return np.asarray(given[np.arange(len(x)), chosen] - logsumexp(given + np.log(self._weights), axis=1))
