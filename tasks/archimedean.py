"""Archimedean copulas: pairs of uniform variables that depend most in one corner of the square, in both, or in none."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

import numpy as np

from mibench.estimator import Array
from mibench.parameters import Count, between
from mibench.registry import register_task

from ._dimensions import EqualDimensions
from .numerics.generators import GENERATORS, Generator

if TYPE_CHECKING:
    Copula: TypeAlias = str
else:
    Copula = Literal[tuple(GENERATORS)]


@register_task("archimedean")
class Archimedean(EqualDimensions):
    """(X_i, Y_i) with uniform marginals and the copula psi(psi^-1(u) + psi^-1(v)), independently for i < dim.

    I(X; Y) is dim times that of one pair: in closed form but for ``joe``, which has one quadrature.

    Parameters
    ----------
    copula : ``clayton`` (depends most near (0, 0)), ``gumbel`` and ``joe`` (near (1, 1)), ``frank`` (in both alike).
    tau : Kendall's rank correlation of each pair, by which the copulas compare.
    dim : pairs.
    """

    copula: Copula = "clayton"
    tau: Annotated[float, between(1e-4, 0.99)] = 0.5
    dim: Count = 1

    family: ClassVar[str] = "archimedean"
    citation: ClassVar[str] = (
        "Marshall & Olkin (1988), Families of multivariate distributions; "
        "Nelsen (2006), An Introduction to Copulas; "
        "McNeil & Nešlehová (2009), Multivariate Archimedean copulas, d-monotone functions and l1-norm symmetric "
        "distributions"
    )

    @functools.cached_property
    def generator(self) -> Generator:
        """psi and what follows from it."""
        return GENERATORS[self.copula](self.tau)

    @property
    def mutual_information(self) -> float:
        return self.dim * self.generator.information[0]

    @property
    def mutual_information_error(self) -> float:
        """1e-12 per pair for rounding; for ``joe``, also the change from a coarser rule."""
        return self.dim * self.generator.information[1]

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """psi(T S) and psi((1 - T) S), T uniform and S the sum of two exponentials over the copula's frailty."""
        log_sum = self.generator.log_sum(n * self.dim, rng)
        share = 1 - rng.random(n * self.dim)  # in (0, 1]
        with np.errstate(divide="ignore"):  # where the share is 1
            x, y = (self.generator.value(log_sum + np.log(part)) for part in (share, 1 - share))
        return _open(x).reshape(n, self.dim), _open(y).reshape(n, self.dim)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """The sum of the copula's log densities over the pairs, in nats, shape (n,)."""
        total: Array = self.generator.log_density(_open(x), _open(y)).sum(axis=1)
        return total


def _open(u: Array) -> Array:
    """Strictly between 0 and 1: what rounds to an end is the number next to it."""
    return np.clip(u, np.finfo(float).tiny, 1 - 2.0**-53)
