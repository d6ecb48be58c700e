"""What the checks of estimators measure with: samples of correlated Gaussian pairs, and an estimator's answers on them.

One that takes letters only gets pairs of letters instead, of the same correlation. An estimator that reads the task is
bound to theirs; one that declines them as ``Unsupported`` is not judged by them.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mibench.errors import Unsupported
from mibench.estimator import Array, Estimate, Estimator
from mibench.task import Task

from .common import NotApplicable, finite, require

N = 500
RHO = 0.75
NOISE = 0.02
"""Relative difference between two answers that should agree up to floating-point noise, which training amplifies."""


@dataclass(frozen=True, eq=False, repr=False)
class GaussianPairs(Task):
    """X and Y standard normal, corr(X_i, Y_i) = rho: I(X; Y) = -dim/2 log(1 - rho^2)."""

    rho: float
    dim: int

    @property
    def dim_x(self) -> int:
        """Pairs."""
        return self.dim

    @property
    def dim_y(self) -> int:
        """Pairs."""
        return self.dim

    @property
    def mutual_information(self) -> float:
        """In nats."""
        return abs(-0.5 * self.dim_x * math.log1p(-(self.rho**2)))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Y = rho X + sqrt(1 - rho^2) noise."""
        x, noise = rng.standard_normal((2, n, self.dim_x))
        return x, self.rho * x + math.sqrt(1 - self.rho**2) * noise

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Pointwise mutual information (n,)."""
        keep = 1 - self.rho**2
        squares = self.rho**2 * (x**2 + y**2) - 2 * self.rho * x * y
        ratio: Array = self.mutual_information - squares.sum(1) / (2 * keep)
        return ratio


@dataclass(frozen=True, eq=False, repr=False)
class LetterPairs(GaussianPairs):
    """X_i uniform on the letters 0, 1 and 2, and Y_i = X_i with probability rho, else uniform: corr(X_i, Y_i) = rho."""

    @property
    def discrete(self) -> bool:
        """Letters are."""
        return True

    @property
    def mutual_information(self) -> float:
        """In nats: ln 3 - H(Y | X) for every pair."""
        other = (1 - self.rho) / 3
        same = self.rho + other
        return self.dim_x * sum(times * p * math.log(3 * p) for times, p in ((1, same), (2, other)) if p > 0)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Y is X where a coin says so."""
        x, other = rng.integers(3, size=(2, n, self.dim_x)).astype(float)
        return x, np.where(rng.random(x.shape) < self.rho, x, other)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Pointwise mutual information (n,), of probabilities."""
        with np.errstate(divide="ignore"):
            ratio: Array = np.log(np.where(x == y, 1 + 2 * self.rho, 1 - self.rho)).sum(1)
        return ratio


class Probe:
    """An estimator, its answers on the standard samples, and the number of dimensions that it accepts."""

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator
        self.n = max(N, estimator.capabilities.min_n)
        estimator.warm_up()

    @cached_property
    def dim(self) -> int:
        """2, or 1 where the estimator takes no more."""
        most = self.estimator.capabilities.max_dim
        return 2 if most is None else min(2, most)

    def task(self, rho: float = RHO, dim: int | None = None) -> Task:
        """Pairs of this correlation, of the nature that the estimator takes."""
        kind = LetterPairs if self.estimator.capabilities.letters else GaussianPairs
        return kind(rho, dim or self.dim)

    def samples(self, rho: float = RHO, seed: int = 0, n: int | None = None) -> tuple[Array, Array]:
        """Standard samples, fresh arrays every time."""
        return self.task(rho).sample(n or self.n, seed)

    def answer(
        self, x: Any, y: Any, seed: int = 0, rho: float = RHO, dim: int | None = None, twin: Estimator | None = None
    ) -> Estimate:
        """The estimate on samples with this correlation; not applicable where even the standard ones have none."""
        self.baseline  # noqa: B018
        return self._asked(x, y, seed, rho, dim, twin)

    def _asked(
        self, x: Any, y: Any, seed: int = 0, rho: float = RHO, dim: int | None = None, twin: Estimator | None = None
    ) -> Estimate:
        bound = (twin or self.estimator).bind(self.task(rho, dim))
        try:
            return Estimate.of(bound.estimate(x, y, seed))
        except Unsupported as error:
            raise NotApplicable(f"it declines: {error}") from None

    @cached_property
    def first(self) -> Estimate | BaseException:
        """What comes of the standard samples, seed 0, whatever it is; an exception where that ends it."""
        try:
            return self._asked(*self.samples())
        except (NotApplicable, KeyboardInterrupt):
            raise
        except BaseException as error:  # a plug-in may call sys.exit()
            return error

    @property
    def baseline(self) -> Estimate:
        """The answer on the standard samples, seed 0; not applicable where it is none, which one check says for all."""
        if not isinstance(self.first, Estimate):
            raise NotApplicable("it does not answer the standard samples with an Estimate.")
        return self.first

    def same(self, other: Estimate, what: str) -> None:
        """Fail unless ``other`` is the baseline up to floating-point noise."""
        self._within(other, what, NOISE * max(1.0, abs(self.baseline.mi)))

    def near(self, other: Estimate, what: str) -> None:
        """Fail unless ``other`` is what another order or split of the same samples may make of the baseline."""
        self._within(other, what, self._scatter(other))

    def is_near(self, other: Estimate) -> bool:
        """Whether :meth:`near` holds."""
        return finite(other.mi) and abs(self.baseline.mi - other.mi) <= self._scatter(other)

    def _scatter(self, other: Estimate) -> float:
        errors = math.hypot(self.baseline.stderr or 0.0, other.stderr or 0.0)
        return max(0.2, 0.5 * abs(self.baseline.mi), 4 * errors)

    def _within(self, other: Estimate, what: str, tolerance: float) -> None:
        first, second = self.baseline.mi, other.mi
        require(finite(second), f"{what}, it answers {second}.")
        require(
            abs(first - second) <= tolerance,
            f"{what}, the answer moves from {first:.4f} to {second:.4f} nats; at most {tolerance:.4f} is allowed.",
        )


@functools.lru_cache(maxsize=1)
def probe(estimator: Estimator) -> Probe:
    """The estimator's probe; the last one is kept, so that checks in a row share its answers."""
    return Probe(estimator)


def of_samples_alone(estimator: Estimator) -> Probe:
    """The probe of an estimator that sees samples and nothing else; not applicable to the others."""
    if estimator.capabilities.reads_task:
        raise NotApplicable("it reads the task, which says nothing about altered samples.")
    return probe(estimator)
