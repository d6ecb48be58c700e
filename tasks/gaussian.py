"""Jointly Gaussian X and Y: correlated pairs, equal correlation everywhere, any covariance.

Every Gaussian task knows its Mahalanobis norms, from which the Gaussian and the Student-t density ratios follow.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.parameters import Correlation, Count, NotNegative, Range, between
from mibench.registry import register_task
from mibench.task import Task

from ._dimensions import EqualDimensions, OwnDimensions
from ._either import either, settle
from .citations import COVER_THOMAS, CZYZ_2023

MOST_PER_PAIR = 25.0
"""Nats that one correlated pair can carry in double precision: the noise is then 1e-11 of the signal."""


class Gaussian(Task):
    """Jointly Gaussian X and Y with mean 0: I(X; Y) = 1/2 (log|S_X| + log|S_Y| - log|S|)."""

    family: ClassVar[str] = "gaussian"
    family_rank: ClassVar[int] = 0
    citation: ClassVar[str] = f"{COVER_THOMAS}, theorem 8.4.1"

    @abstractmethod
    def squared_norms(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Mahalanobis norms x' S_X^-1 x, y' S_Y^-1 y and z' S^-1 z of z = (x, y), each of shape (n,)."""

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """I(X; Y) + 1/2 (x' S_X^-1 x + y' S_Y^-1 y - z' S^-1 z) in nats, shape (n,)."""
        norm_x, norm_y, norm_xy = self.squared_norms(x, y)
        return self.mutual_information + 0.5 * (norm_y - (norm_xy - norm_x))


class PairedGaussian(Gaussian):
    """Standard normal coordinates, independent but for pairs (X_i, Y_i) with correlation rho.

    Subclasses say how many ``pairs`` there are, and set ``rho`` or ``mutual_information``, whose other then follows.
    """

    pairs: int

    @cached_property
    def mutual_information(self) -> float:
        return abs(0.5 * self.pairs * math.log1p(-self.rho * self.rho))

    @cached_property
    def rho(self) -> float:
        """The correlation that gives every pair its share of the information."""
        return math.sqrt(-math.expm1(-2 * self.mutual_information / self.pairs))

    @cached_property
    def noise(self) -> float:
        """sqrt(1 - rho^2), which does not cancel when written as exp(-I / pairs)."""
        return math.exp(-self.mutual_information / self.pairs)

    def check_precision(self) -> None:
        """Refuse more information than double precision can carry."""
        most = MOST_PER_PAIR * self.pairs
        if self.mutual_information > most:
            raise UsageError(
                f"{self.registered_name}: mutual_information={self.mutual_information!r}; it must be at most {most:g} "
                "nats here: beyond, the noise drowns in rounding."
            )

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x = rng.standard_normal((n, self.dim_x))
        y = rng.standard_normal((n, self.dim_y))
        paired = y[:, : self.pairs]
        paired *= self.noise
        paired += self.rho * x[:, : self.pairs]
        return x, y

    def squared_norms(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Sums of squares; in the pairs ((y - rho x) / sqrt(1 - rho^2))^2 stands for what y adds to x."""
        norm_x, norm_y = (x**2).sum(axis=1), (y**2).sum(axis=1)
        noise = (y[:, : self.pairs] - self.rho * x[:, : self.pairs]) / self.noise
        unpaired = (y[:, self.pairs :] ** 2).sum(axis=1)
        return norm_x, norm_y, norm_x + unpaired + (noise**2).sum(axis=1)


class FullyPaired(EqualDimensions, PairedGaussian):
    """X and Y of the same dimension ``dim``, every coordinate of X correlated with its own of Y."""

    @property
    def pairs(self) -> int:  # type: ignore[override]
        return self.dim


@register_task("gauss")
class Gauss(FullyPaired):
    """X, Y ~ N(0, I) of dimension dim, corr(X_i, Y_i) = rho in every pair: I(X; Y) = -dim/2 log(1 - rho^2).

    Parameters
    ----------
    mutual_information : in nats, spread evenly over the pairs; 1 where neither it nor rho is given.
    dim : dimension of X and of Y.
    rho : the correlation, instead of mutual_information.
    """

    def __init__(
        self, mutual_information: NotNegative | None = None, dim: Count = 1, rho: Correlation | None = None
    ) -> None:
        self.dim = dim
        settle(self, {"mutual_information": 1.0}, mutual_information=mutual_information, rho=rho)
        if rho is None:
            self.check_precision()


@register_task("multinormal-sparse")
class MultinormalSparse(OwnDimensions, PairedGaussian):
    """X, Y ~ N(0, I), corr(X_i, Y_i) = rho in the first pairs only: I(X; Y) = -pairs/2 log(1 - rho^2).

    Parameters
    ----------
    dim_x, dim_y : dimensions.
    pairs : how many coordinates of X and Y are correlated.
    rho : the correlation; 0.8 where neither it nor mutual_information is given.
    mutual_information : in nats, spread evenly over the pairs, instead of rho.
    """

    family: ClassVar[str] = "sparse-gaussian"
    citation: ClassVar[str] = CZYZ_2023

    def __init__(
        self,
        dim_x: Count = 3,
        dim_y: Count = 3,
        pairs: Count = 2,
        rho: Correlation | None = None,
        mutual_information: NotNegative | None = None,
    ) -> None:
        self.dim_x, self.dim_y, self.pairs = dim_x, dim_y, pairs
        if pairs > min(dim_x, dim_y):
            raise UsageError(f"{self.registered_name}: pairs={pairs}; pairs must be from 1 to {min(dim_x, dim_y)}.")
        settle(self, {"rho": 0.8}, rho=rho, mutual_information=mutual_information)
        if mutual_information is not None:
            self.check_precision()


@register_task("multinormal-dense")
class MultinormalDense(OwnDimensions, Gaussian):
    """Gaussian with unit variances and correlation rho between any two of the dim_x + dim_y coordinates.
    I(X; Y) = 1/2 log[(1 + (dim_x - 1) rho) (1 + (dim_y - 1) rho) / ((1 - rho) (1 + (dim_x + dim_y - 1) rho))].

    Parameters
    ----------
    dim_x, dim_y : dimensions.
    rho : the correlation, from 0 to 1; 0.5 where neither it nor mutual_information is given.
    mutual_information : in nats, instead of rho.
    """

    citation: ClassVar[str] = CZYZ_2023

    def __init__(
        self,
        dim_x: Count = 2,
        dim_y: Count = 2,
        rho: Annotated[float, Range(0, 1, with_low=True)] | None = None,
        mutual_information: Annotated[float, between(0, MOST_PER_PAIR / 2)] | None = None,
    ) -> None:
        self.dim_x, self.dim_y = dim_x, dim_y
        name, value = either(self, {"rho": 0.5}, rho=rho, mutual_information=mutual_information)
        self.rho = value if name == "rho" else self._correlation(value)

    @property
    def mutual_information(self) -> float:
        p, q, rho = self.dim_x, self.dim_y, self.rho
        information = 0.5 * (
            math.log1p((p - 1) * rho) + math.log1p((q - 1) * rho) - math.log1p(-rho) - math.log1p((p + q - 1) * rho)
        )
        return max(0.0, information)

    def _correlation(self, information: float) -> float:
        """The positive root of the quadratic equation that the formula for I(X; Y) is in rho."""
        p, q, gain = self.dim_x, self.dim_y, math.expm1(2 * information)
        a, b = (p - 1) * (q - 1) + (gain + 1) * (p + q - 1), (p + q - 2) * gain
        return (b + math.sqrt(b * b + 4 * a * gain)) / (2 * a)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """sqrt(rho) times one common variable plus sqrt(1 - rho) times one of each coordinate's own."""
        common = math.sqrt(self.rho) * rng.standard_normal((n, 1))
        own = math.sqrt(1 - self.rho) * rng.standard_normal((n, self.dim_x + self.dim_y))
        own += common
        return own[:, : self.dim_x], own[:, self.dim_x :]

    def squared_norms(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """|v - m|^2 / (1 - rho) + k m^2 / (1 + (k - 1) rho), where m is the mean of the k coordinates of v."""

        def norm(v: Array) -> Array:
            k, mean = v.shape[1], v.mean(axis=1, keepdims=True)
            squares = ((v - mean) ** 2).sum(axis=1)
            total: Array = squares / (1 - self.rho) + k * mean[:, 0] ** 2 / (1 + (k - 1) * self.rho)
            return total

        return norm(x), norm(y), norm(np.hstack([x, y]))


@register_task("multinormal")
class Multinormal(Gaussian):
    """(X, Y) ~ N(0, S) with any covariance S: I(X; Y) = 1/2 (log|S_X| + log|S_Y| - log|S|).

    Parameters
    ----------
    covariance : S, symmetric and positive definite, as rows ``((1 .5) (.5 1))`` or an array.
    dim_x : how many of the coordinates are X; the others are Y.

    Raises
    ------
    UsageError : a matrix that is not square, not symmetric or not positive definite.
    """

    covariance: tuple[tuple[float, ...], ...] = ((1.0, 0.75), (0.75, 1.0))
    dim_x: Count = 1

    def __new__(cls, covariance: Any = ((1.0, 0.75), (0.75, 1.0)), dim_x: int = 1) -> Self:
        """Whatever holds the numbers, they are remembered as rows of floats, so that they can be written down."""
        try:
            rows = tuple(tuple(float(entry) for entry in row) for row in covariance)
        except (TypeError, ValueError):
            rows = covariance
        return super().__new__(cls, covariance=rows, dim_x=dim_x)

    def __post_init__(self) -> None:
        check_covariance(self.registered_name, self._matrix)
        if self.dim_x >= len(self._matrix):
            raise UsageError(
                f"{self.registered_name}: dim_x={self.dim_x} leaves none of the {len(self._matrix)} coordinates for Y."
            )

    @property
    def dim_y(self) -> int:
        return len(self.covariance) - self.dim_x

    @cached_property
    def _matrix(self) -> Array:
        try:
            return np.array(self.covariance, dtype=float)
        except (TypeError, ValueError):
            raise UsageError(f"{self.registered_name}: covariance must be rows of numbers of equal length.") from None

    @cached_property
    def _blocks(self) -> tuple[Array, Array, Array]:
        """Cholesky factors of S_X, S_Y and S."""
        k, cov = self.dim_x, self._matrix
        x, y, xy = (np.linalg.cholesky(block) for block in (cov[:k, :k], cov[k:, k:], cov))
        return x, y, xy

    @property
    def mutual_information(self) -> float:
        """From the logarithms of the determinants: the determinants themselves overflow in high dimension."""
        x, y, xy = (2 * float(np.log(np.diag(factor)).sum()) for factor in self._blocks)
        return max(0.0, 0.5 * (x + y - xy))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        z = rng.standard_normal((n, len(self._matrix))) @ self._blocks[2].T
        return z[:, : self.dim_x], z[:, self.dim_x :]

    def squared_norms(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        from scipy.linalg import solve_triangular

        def norm(factor: Array, values: Array) -> Array:
            whitened = solve_triangular(factor, values.T, lower=True, check_finite=False)
            squares: Array = (whitened**2).sum(axis=0)
            return squares

        factor_x, factor_y, factor = self._blocks
        return norm(factor_x, x), norm(factor_y, y), norm(factor, np.hstack([x, y]))


def check_covariance(name: str, matrix: npt.NDArray[Any]) -> None:
    """Refuse a matrix that is no covariance, saying which constraint it breaks."""
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise UsageError(f"{name}: covariance has shape {matrix.shape}; it must be square.")
    if not np.isfinite(matrix).all():
        raise UsageError(f"{name}: covariance must be finite; it holds NaN or infinite entries.")
    gap = np.abs(matrix - matrix.T)
    if gap.max() > 1e-12 * np.abs(matrix).max():
        i, j = np.unravel_index(int(gap.argmax()), gap.shape)
        raise UsageError(
            f"{name}: covariance must be symmetric, but entry ({i}, {j}) is {matrix[i, j]:g} and "
            f"entry ({j}, {i}) is {matrix[j, i]:g}."
        )
    variances = np.diag(matrix)
    if variances.min() <= 0:
        raise UsageError(f"{name}: covariance must be positive definite, but a variance is {variances.min():.3g}.")
    deviations = np.sqrt(variances)  # scaled first, so that the coordinates' units do not matter
    least = np.linalg.eigvalsh(matrix / np.outer(deviations, deviations))[0]
    if least <= len(matrix) * np.finfo(float).eps:
        raise UsageError(
            f"{name}: covariance must be positive definite, but its correlations have the eigenvalue {least:.3g}."
        )
