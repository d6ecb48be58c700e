"""Two independent problems side by side: their information adds."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mibench.estimator import Array
from mibench.registry import register_task
from mibench.task import Task

from .citations import COVER_THOMAS
from .gaussian import Gauss
from .independent import Independent


@register_task("concatenate")
class Concatenate(Task):
    """X = (X_1, X_2), Y = (Y_1, Y_2) from two independent tasks: I(X; Y) = I(X_1; Y_1) + I(X_2; Y_2).

    Parameters
    ----------
    first, second : the two tasks; an ``independent`` second one adds coordinates of pure noise.
    """

    first: Task = Gauss()
    second: Task = Independent(dim_x=4)

    citation: ClassVar[str] = f"{COVER_THOMAS}, theorem 2.5.2"

    @property
    def family(self) -> str:
        return self.first.family

    @property
    def family_rank(self) -> int:
        return self.first.family_rank

    @property
    def dim_x(self) -> int:
        return self.first.dim_x + self.second.dim_x

    @property
    def dim_y(self) -> int:
        return self.first.dim_y + self.second.dim_y

    @property
    def mutual_information(self) -> float:
        return self.first.mutual_information + self.second.mutual_information

    @property
    def mutual_information_error(self) -> float:
        return self.first.mutual_information_error + self.second.mutual_information_error

    @property
    def has_density(self) -> bool:
        return self.first.has_density and self.second.has_density

    @property
    def discrete(self) -> bool:
        return self.first.discrete or self.second.discrete

    @property
    def construction(self) -> str:
        parts = (f"{part.label}: {part.construction}" for part in (self.first, self.second))
        return "\n\n".join([super().construction, *parts])

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        (x1, y1), (x2, y2) = self.first.draw(n, rng), self.second.draw(n, rng)
        return np.hstack([x1, x2]), np.hstack([y1, y2])

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        i, j = self.first.dim_x, self.first.dim_y
        return self.first.log_density_ratio(x[:, :i], y[:, :j]) + self.second.log_density_ratio(x[:, i:], y[:, j:])
