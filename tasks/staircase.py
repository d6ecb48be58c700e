"""The staircase of variational estimators: a 20-dimensional Gaussian at 2, 4 ... 10 nats, and transforms of it."""

from __future__ import annotations

from typing import ClassVar

from mibench.parameters import Count, NotNegative
from mibench.registry import register_task
from mibench.task import Task

from .citations import STAIRCASE
from .gaussian import FullyPaired
from .maps import Cubic
from .transforms import Asinh, HalfCube


@register_task("staircase")
class Staircase(FullyPaired):
    """X, Y ~ N(0, I) of dimension dim, corr(X_i, Y_i) = rho for all i: I(X; Y) = -dim/2 log(1 - rho^2).

    Parameters
    ----------
    mutual_information : in nats, spread evenly over the coordinates.
    dim : dimension of X and of Y.
    """

    mutual_information: NotNegative = 6.0
    dim: Count = 20

    family: ClassVar[str] = "staircase"
    family_rank: ClassVar[int] = 2
    citation: ClassVar[str] = STAIRCASE

    def __post_init__(self) -> None:
        self.check_precision()


@register_task("staircase-cubic")
def staircase_cubic(mutual_information: float = 6.0, dim: int = 20) -> Task:
    """The staircase with y -> (W y)^3, W a fixed random orthogonal matrix."""
    return Cubic(base=Staircase(mutual_information, dim))


@register_task("staircase-asinh")
def staircase_asinh(mutual_information: float = 6.0, dim: int = 20) -> Task:
    """The staircase with arcsinh of every coordinate."""
    return Asinh(base=Staircase(mutual_information, dim))


@register_task("staircase-half-cube")
def staircase_half_cube(mutual_information: float = 6.0, dim: int = 20) -> Task:
    """The staircase with v sqrt|v| of every coordinate."""
    return HalfCube(base=Staircase(mutual_information, dim))
