"""Tasks of two discrete variables whose joint distribution is a table."""

from __future__ import annotations

import functools
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array
from mibench.task import Task


@dataclass(frozen=True, eq=False)
class Table:
    """P(X = i, Y = j), shape (m_x, m_y), and a bound on what its errors do to the mutual information."""

    joint: Array
    error: float

    @functools.cached_property
    def log_ratios(self) -> Array:
        """ln p - ln(p_x p_y), -inf where a pair does not occur."""
        with np.errstate(divide="ignore", invalid="ignore"):
            margins = np.log(self.joint.sum(axis=1, keepdims=True)) + np.log(self.joint.sum(axis=0))
            return np.where(self.joint > 0.0, np.log(self.joint) - margins, -np.inf)

    @functools.cached_property
    def information(self) -> float:
        """The sum of p ln(p / (p_x p_y)) in nats."""
        occurs = self.joint > 0.0
        return float(self.joint[occurs] @ self.log_ratios[occurs])


class Tabulated(Task):
    """One column of X and one of Y, both discrete, with a table of their joint distribution."""

    dim_x = dim_y = 1
    discrete: ClassVar[bool] = True

    @property
    @abstractmethod
    def table(self) -> Table:
        """The joint distribution."""

    @abstractmethod
    def entry(self, values: Array) -> npt.NDArray[np.int64]:
        """The row, or the column, of the table in which a value stands."""

    @property
    def mutual_information(self) -> float:
        """The sum over the table."""
        return self.table.information

    @property
    def mutual_information_error(self) -> float:
        """What the table leaves out, and its own quadrature."""
        return self.table.error

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """ln P(x, y) - ln P(x) P(y)."""
        return self.table.log_ratios[self.entry(x[:, 0]), self.entry(y[:, 0])]
