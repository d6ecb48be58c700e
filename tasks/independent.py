"""X and Y independent, at many shapes and tails: the mutual information is 0.

An estimator that reports dependence here is wrong in the worst way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

import numpy as np

from mibench.estimator import Array
from mibench.parameters import Count
from mibench.registry import register_task

from ._dimensions import OwnDimensions
from .citations import COVER_THOMAS


def _ring(rng: np.random.Generator, n: int, dim: int) -> Array:
    directions = rng.standard_normal((n, dim))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions * (1 + 0.1 * rng.standard_normal((n, 1)))


def _bimodal(rng: np.random.Generator, n: int, dim: int) -> Array:
    return rng.standard_normal((n, dim)) + 4.0 * (rng.random((n, dim)) < 0.3)


def _joint_student(rng: np.random.Generator, n: int, dim: int) -> Array:
    return rng.standard_normal((n, dim)) / np.sqrt(rng.chisquare(2, (n, 1)) / 2)


def _equicorrelated(rng: np.random.Generator, n: int, dim: int) -> Array:
    own, common = rng.standard_normal((n, dim)), rng.standard_normal((n, 1))
    return math.sqrt(0.5) * (own + common)


MARGINALS: dict[str, Callable[[np.random.Generator, int, int], Array]] = {
    "gaussian": lambda rng, n, dim: rng.standard_normal((n, dim)),
    "uniform": lambda rng, n, dim: rng.random((n, dim)),
    "exponential": lambda rng, n, dim: rng.standard_exponential((n, dim)),
    "laplace": lambda rng, n, dim: rng.laplace(size=(n, dim)),
    "log-normal": lambda rng, n, dim: np.exp(rng.standard_normal((n, dim))),
    "student": lambda rng, n, dim: rng.standard_t(3, (n, dim)),
    "cauchy": lambda rng, n, dim: rng.standard_cauchy((n, dim)),
    "bimodal": _bimodal,
    "equicorrelated": _equicorrelated,
    "joint-student": _joint_student,
    "ring": _ring,
}
"""How one variable is drawn: generator, n, dimension -> (n, dimension)."""

if TYPE_CHECKING:
    Marginal: TypeAlias = str
else:
    Marginal = Literal[tuple(MARGINALS)]


@register_task("independent")
class Independent(OwnDimensions):
    """X and Y drawn independently, so I(X; Y) = 0, whatever their own shapes and tails.

    The marginals: ``gaussian`` (standard), ``uniform`` on (0, 1), ``exponential``, ``laplace``, ``log-normal``,
    ``student`` (3 degrees of freedom), ``cauchy`` and ``bimodal`` (0.7 N(0, 1) + 0.3 N(4, 1)) have independent
    coordinates. Those of ``equicorrelated`` (Gaussian, correlation 0.5), ``joint-student`` (multivariate t, 2 degrees
    of freedom) and ``ring`` (a sphere of radius 1 with noise 0.1) depend on each other within X and within Y.

    Parameters
    ----------
    dim_x, dim_y : dimensions; dim_y equals dim_x unless given.
    marginal, marginal_y : the distribution of X and that of Y, which is the same unless given.
    """

    family: ClassVar[str] = "independent"
    citation: ClassVar[str] = f"{COVER_THOMAS}, section 2.6"
    mutual_information: ClassVar[float] = 0.0

    def __init__(
        self,
        dim_x: Count = 1,
        marginal: Marginal = "gaussian",
        dim_y: Count | None = None,
        marginal_y: Marginal | None = None,
    ) -> None:
        self.dim_x, self.dim_y = dim_x, dim_x if dim_y is None else dim_y
        self.marginal, self.marginal_y = marginal, marginal if marginal_y is None else marginal_y

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x = MARGINALS[self.marginal](rng, n, self.dim_x)
        return x, MARGINALS[self.marginal_y](rng, n, self.dim_y)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        return np.zeros(len(x))
