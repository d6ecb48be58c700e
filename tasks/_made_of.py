"""Tasks made of the samples of another one, and among them the transforms.

A transform replaces X and Y by injective functions of them. Mutual information and its density are those of the base:
I(f(X); g(Y)) = I(X; Y) for injective f and g, and log p(x, y) / (p(x) p(y)) is the same at (f(x), g(y)) as at (x, y),
whatever the dimensions.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from mibench.estimator import Array
from mibench.task import Task

Side: TypeAlias = Literal["x", "y"]
Sides: TypeAlias = Literal["xy", "x", "y"]


class MadeOf(Task):
    """A task made of another, its ``base``, which it follows in all that it does not say itself.

    It has a family of its own over bases of a lower rank; any other base keeps its family.
    """

    base: Task
    own_family: ClassVar[str]
    own_rank: ClassVar[int] = 2

    @property
    def family(self) -> str:
        return self.own_family if self.own_rank > self.base.family_rank else self.base.family

    @property
    def family_rank(self) -> int:
        return max(self.own_rank, self.base.family_rank)

    @property
    def dim_x(self) -> int:
        return self.base.dim_x

    @property
    def dim_y(self) -> int:
        return self.base.dim_y

    @property
    def discrete(self) -> bool:
        return self.base.discrete

    @property
    def construction(self) -> str:
        return f"{super().construction}\n\nBase {self.base.label}: {self.base.construction}"


class Transform(MadeOf):
    """A task with X and Y, or one of them, replaced by an injective function of it: ``forward`` and its inverse."""

    own_family: ClassVar[str] = "warped"
    sides: Sides = "xy"

    @property
    def mutual_information(self) -> float:
        return self.base.mutual_information

    @property
    def mutual_information_error(self) -> float:
        return self.base.mutual_information_error

    @property
    def has_density(self) -> bool:
        return self.base.has_density

    @abstractmethod
    def forward(self, values: Array, side: Side) -> Array:
        """f of X or g of Y, from the base's dimension to this task's, row by row; may overwrite its argument."""

    @abstractmethod
    def backward(self, values: Array, side: Side) -> Array:
        """The inverse of :meth:`forward` on its range."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        return self._where_mapped(self.forward, *self.base.draw(n, rng))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        return self.base.log_density_ratio(*self._where_mapped(self.backward, x, y))

    def _where_mapped(self, function: Callable[[Array, Side], Array], x: Array, y: Array) -> tuple[Array, Array]:
        return function(x, "x") if "x" in self.sides else x, function(y, "y") if "y" in self.sides else y
