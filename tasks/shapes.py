"""Dependence by shape alone, in closed form: a ball, the black squares of a board, signs that multiply."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import numpy as np
from scipy.special import gammaln, psi

from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.parameters import Count, at_least
from mibench.registry import register_task
from mibench.task import Task

from ._dimensions import EqualDimensions
from .citations import COVER_THOMAS


@register_task("uniform-ball")
class UniformBall(EqualDimensions):
    """(X, Y) uniform in the unit ball of 2 dim dimensions, X the first half of it: uncorrelated, and dependent.

    With V_k the volume of the unit ball of k dimensions, p(x) = V_dim / V_2dim (1 - |x|^2)^(dim / 2), so that
    I(X; Y) = log V_2dim - 2 log V_dim - dim (psi(dim / 2 + 1) - psi(dim + 1)).

    Parameters
    ----------
    dim : dimension of X and of Y.
    """

    dim: Count = 2

    family: ClassVar[str] = "uniform-ball"
    citation: ClassVar[str] = "Fang, Kotz & Ng (1990), Symmetric Multivariate and Related Distributions"

    @property
    def _constant(self) -> float:
        """log V_2dim - 2 log V_dim, in which the powers of pi cancel."""
        return float(2 * gammaln(0.5 * self.dim + 1) - gammaln(self.dim + 1))

    @property
    def mutual_information(self) -> float:
        return self._constant - self.dim * float(psi(0.5 * self.dim + 1) - psi(self.dim + 1))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """A direction of 2 dim coordinates, and a radius U^(1 / (2 dim))."""
        z = rng.standard_normal((n, 2 * self.dim))
        z *= (1 - rng.random((n, 1))) ** (0.5 / self.dim) / np.linalg.norm(z, axis=1, keepdims=True)
        return z[:, : self.dim], z[:, self.dim :]

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """log V_2dim - 2 log V_dim - dim/2 log((1 - |x|^2) (1 - |y|^2)) within the ball, -inf outside of it."""
        a, b = (x**2).sum(axis=1), (y**2).sum(axis=1)
        room = np.maximum((1 - a) * (1 - b), np.finfo(float).tiny)
        return np.where(a + b <= 1 + 1e-12, self._constant - 0.5 * self.dim * np.log(room), -np.inf)


@register_task("chequerboard")
class Chequerboard(Task):
    """(X, Y) uniform on the black squares of a board of cells x cells unit squares: I(X; Y) = log 2.
    Either variable alone is uniform, and from 4 cells on they are all but uncorrelated.

    Parameters
    ----------
    cells : squares along each side, an even number.
    """

    cells: Annotated[int, at_least(2)] = 4

    family: ClassVar[str] = "chequerboard"
    citation: ClassVar[str] = f"{COVER_THOMAS}, chapter 8"
    dim_x = dim_y = 1

    def __post_init__(self) -> None:
        if self.cells % 2:
            raise UsageError(
                f"{self.registered_name}: cells={self.cells!r}; it must be even, so that every row and every column "
                "has as many black squares as white ones."
            )

    @property
    def mutual_information(self) -> float:
        """The board is twice as large as what is black."""
        return math.log(2.0)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """The column, one of the black squares in it, and a place in the square."""
        column = rng.integers(self.cells, size=(n, 1))
        row = 2 * rng.integers(self.cells // 2, size=(n, 1)) + column % 2
        return column + rng.random((n, 1)), row + rng.random((n, 1))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """log 2 on black squares, -inf elsewhere."""
        column, row = np.floor(x[:, 0]), np.floor(y[:, 0])
        on_board = (np.minimum(column, row) >= 0) & (np.maximum(column, row) < self.cells)
        return np.where(on_board & ((column + row) % 2 == 0), math.log(2.0), -np.inf)


@register_task("parity")
class Parity(Task):
    """Y = |E| times the signs of the first ``relevant`` columns of X; X and E are standard normal.
    I(X; Y) = log 2, yet Y is independent of any relevant - 1 columns together.

    Parameters
    ----------
    dim : columns of X.
    relevant : columns whose signs count, at most dim.
    """

    dim: Count = 2
    relevant: Count = 2

    family: ClassVar[str] = "parity"
    citation: ClassVar[str] = f"{COVER_THOMAS}, chapter 2"
    dim_y = 1

    def __post_init__(self) -> None:
        if self.relevant > self.dim:
            raise UsageError(f"{self.registered_name}: relevant={self.relevant!r}; it must be at most dim={self.dim}.")

    @property
    def dim_x(self) -> int:
        return self.dim

    @property
    def mutual_information(self) -> float:
        """X decides the sign of Y, which is a fair coin, and nothing else."""
        return math.log(2.0)

    def _sign(self, x: Array) -> Array:
        """The product of the signs, shape (n,)."""
        sign: Array = 1.0 - 2.0 * ((x[:, : self.relevant] < 0).sum(axis=1) % 2)
        return sign

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x = rng.standard_normal((n, self.dim))
        return x, (self._sign(x) * np.abs(rng.standard_normal(n)))[:, None]

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """log 2 where Y has the sign that X asks for, otherwise -inf."""
        return np.where(self._sign(x) * y[:, 0] >= 0, math.log(2.0), -np.inf)
