"""What all transforms share: a base task, an injective map of X, one of Y, and their inverses.

Mutual information and its density are those of the base: I(f(X); g(Y)) = I(X; Y) for injective f and g, and
log p(x, y) / (p(x) p(y)) is the same at (f(x), g(y)) as at (x, y), whatever the dimensions.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.task import Task

from ._validate import check_choice
from .gaussian import PLAIN


class Transform(Task):
    """A task with X and Y replaced by injective functions of them; the mutual information stays.

    Transforms of Gaussians make families of their own; any other task keeps its family when it is transformed.
    """

    base: Task
    own_family: ClassVar[str] = "transformed"
    over: ClassVar[frozenset[str]] = PLAIN  # families of bases that it takes into its own

    @property
    def family(self) -> str:  # type: ignore[override]
        """The transform's own family over a Gaussian, otherwise that of the base."""
        return self.own_family if self.base.family in self.over else self.base.family

    @property
    def dim_x(self) -> int:  # type: ignore[override]
        """As in the base."""
        return self.base.dim_x

    @property
    def dim_y(self) -> int:  # type: ignore[override]
        """As in the base."""
        return self.base.dim_y

    @property
    def mutual_information(self) -> float:
        """That of the base."""
        return self.base.mutual_information

    @property
    def mutual_information_error(self) -> float:
        """That of the base."""
        return self.base.mutual_information_error

    @property
    def has_density(self) -> bool:
        """As in the base."""
        return self.base.has_density

    @property
    def discrete(self) -> bool:
        """As in the base."""
        return self.base.discrete

    @property
    def construction(self) -> str:
        """The transform, then the base."""
        return f"{super().construction}\n\nBase {self.base.label}: {self.base.construction}"

    @abstractmethod
    def map_x(self, x: Array) -> Array:
        """f, from (n, base.dim_x) to (n, dim_x); may overwrite its argument."""

    @abstractmethod
    def map_y(self, y: Array) -> Array:
        """g, from (n, base.dim_y) to (n, dim_y); may overwrite its argument."""

    @abstractmethod
    def unmap_x(self, x: Array) -> Array:
        """The inverse of f on its range."""

    @abstractmethod
    def unmap_y(self, y: Array) -> Array:
        """The inverse of g on its range."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """The base's samples, transformed."""
        x, y = self.base.draw(n, rng)
        return self.map_x(x), self.map_y(y)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """The base's, at the points that were mapped to x and y, in nats, shape (n,)."""
        return self.base.log_density_ratio(self.unmap_x(x), self.unmap_y(y))

    def _check_base(self) -> None:
        if not isinstance(self.base, Task):
            label = getattr(self.base, "label", repr(self.base))
            raise UsageError(
                f"{self.registered_name}: base={label} has no mutual information of its own to keep; "
                "give a task that draws x and y."
            )


class Coordinatewise(Transform):
    """A transform that applies increasing functions to each coordinate of X, of Y or (by default) of both.

    ``sides`` says which: "xy", "x" or "y".
    """

    sides: str = "xy"
    own_family: ClassVar[str] = "marginals"

    def __post_init__(self) -> None:
        self._check_base()
        check_choice(self, "sides", ("xy", "x", "y"))

    @abstractmethod
    def forward_x(self, values: Array) -> Array:
        """What is done to X."""

    @abstractmethod
    def forward_y(self, values: Array) -> Array:
        """What is done to Y."""

    @abstractmethod
    def backward_x(self, values: Array) -> Array:
        """The inverse of what is done to X."""

    @abstractmethod
    def backward_y(self, values: Array) -> Array:
        """The inverse of what is done to Y."""

    def map_x(self, x: Array) -> Array:
        """Each coordinate of X transformed, unless it is left alone."""
        return self.forward_x(x) if "x" in self.sides else x

    def map_y(self, y: Array) -> Array:
        """Each coordinate of Y transformed, unless it is left alone."""
        return self.forward_y(y) if "y" in self.sides else y

    def unmap_x(self, x: Array) -> Array:
        """Each coordinate of X transformed back."""
        return self.backward_x(x) if "x" in self.sides else x

    def unmap_y(self, y: Array) -> Array:
        """Each coordinate of Y transformed back."""
        return self.backward_y(y) if "y" in self.sides else y


class OneFunction(Coordinatewise):
    """A coordinate-wise transform that does the same to X and to Y."""

    @abstractmethod
    def forward(self, values: Array) -> Array:
        """The function, of rows (n, dim)."""

    @abstractmethod
    def backward(self, values: Array) -> Array:
        """Its inverse."""

    def forward_x(self, values: Array) -> Array:
        """The function."""
        return self.forward(values)

    def forward_y(self, values: Array) -> Array:
        """The function."""
        return self.forward(values)

    def backward_x(self, values: Array) -> Array:
        """Its inverse."""
        return self.backward(values)

    def backward_y(self, values: Array) -> Array:
        """Its inverse."""
        return self.backward(values)
