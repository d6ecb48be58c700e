"""High-dimensional X and Y: Gaussian, Student-t and uniform sources with information in 1, few or all coordinates.

The sources are plain, or pushed through a fixed random injective map (``maps.py``), after which every observed
coordinate carries a little of the information.
"""

from __future__ import annotations

from typing import ClassVar

from mibench.errors import UsageError
from mibench.parameters import Count, NotNegative
from mibench.registry import register_task
from mibench.task import Task

from ._dimensions import EqualDimensions
from .citations import BUTAKOV
from .gaussian import PairedGaussian
from .maps import RandomMap
from .student import Student, student_information
from .transforms import NormalCdf


@register_task("highdim-gauss")
class HighDimGauss(EqualDimensions, PairedGaussian):
    """X, Y ~ N(0, I) of dimension dim, corr(X_i, Y_i) = rho in the first pairs: I(X; Y) = -pairs/2 log(1 - rho^2).

    Parameters
    ----------
    mutual_information : in nats, spread evenly over the dependent pairs.
    dim : dimension of X and of Y.
    pairs : how many of the dim pairs are dependent, from 1 to dim.
    """

    mutual_information: NotNegative = 4.0
    dim: Count = 32
    pairs: Count = 4

    family: ClassVar[str] = "highdim"
    family_rank: ClassVar[int] = 2
    citation: ClassVar[str] = BUTAKOV

    def __post_init__(self) -> None:
        if self.pairs > self.dim:
            raise UsageError(f"{self.registered_name}: pairs={self.pairs}; pairs must be from 1 to dim={self.dim}.")
        self.check_precision()


@register_task("highdim-student")
def highdim_student(mutual_information: float = 4.0, dim: int = 32, pairs: int = 4, dof: float = 5.0) -> Task:
    """Student-t over ``highdim-gauss``; the shared scale carries a part of the information, the pairs the rest.

    Raises
    ------
    UsageError : mutual_information below what the shared scale carries.
    """
    shared = student_information(dim, dim, dof)
    if not mutual_information >= shared:
        raise UsageError(
            f"highdim-student: mutual_information={mutual_information!r}; at dim={dim} and dof={dof:g} the shared "
            f"scale alone carries {shared:.4g} nats, so it must be at least that."
        )
    return Student(base=HighDimGauss(mutual_information - shared, dim, pairs), dof=dof)


@register_task("highdim-uniform")
def highdim_uniform(mutual_information: float = 4.0, dim: int = 32, pairs: int = 4) -> Task:
    """Uniform marginals on (0, 1): Phi of every coordinate of ``highdim-gauss``."""
    return NormalCdf(base=HighDimGauss(mutual_information, dim, pairs))


@register_task("highdim-gauss-mapped")
def highdim_gauss_mapped(mutual_information: float = 4.0, dim: int = 32, pairs: int = 4) -> Task:
    """``highdim-gauss`` through a fixed random injective map of X and another of Y."""
    return RandomMap(base=HighDimGauss(mutual_information, dim, pairs))


@register_task("highdim-student-mapped")
def highdim_student_mapped(mutual_information: float = 4.0, dim: int = 32, pairs: int = 4, dof: float = 5.0) -> Task:
    """``highdim-student`` through a fixed random injective map of X and another of Y."""
    return RandomMap(base=highdim_student(mutual_information, dim, pairs, dof))


@register_task("highdim-uniform-mapped")
def highdim_uniform_mapped(mutual_information: float = 4.0, dim: int = 32, pairs: int = 4) -> Task:
    """``highdim-uniform`` through a fixed random injective map of X and another of Y."""
    return RandomMap(base=highdim_uniform(mutual_information, dim, pairs))
