"""The same problem several times side by side, each time on its own: the information adds."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mibench.estimator import Array
from mibench.parameters import Count
from mibench.registry import register_task
from mibench.task import Task

from ._made_of import MadeOf
from .citations import COVER_THOMAS
from .gaussian import Gauss


@register_task("independent-copies")
class IndependentCopies(MadeOf):
    """X = (X_1, ..., X_m), Y = (Y_1, ..., Y_m), the pairs (X_i, Y_i) drawn from one task independently of each other.

    I(X; Y) = m I(X_1; Y_1). Where a copy has one column a side, each column of x tells of one column of y and of no
    other.

    Parameters
    ----------
    base : the task.
    count : m, how often.
    """

    base: Task = Gauss()
    count: Count = 10

    own_family: ClassVar[str] = ""
    own_rank: ClassVar[int] = -1  # any base keeps its family
    citation: ClassVar[str] = f"{COVER_THOMAS}, theorem 2.5.2"

    @property
    def dim_x(self) -> int:
        return self.count * self.base.dim_x

    @property
    def dim_y(self) -> int:
        return self.count * self.base.dim_y

    @property
    def mutual_information(self) -> float:
        return self.count * self.base.mutual_information

    @property
    def mutual_information_error(self) -> float:
        return self.count * self.base.mutual_information_error

    @property
    def has_density(self) -> bool:
        return self.base.has_density

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        drawn = [self.base.draw(n, rng) for _ in range(self.count)]
        return np.hstack([x for x, _ in drawn]), np.hstack([y for _, y in drawn])

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        parts = zip(np.hsplit(x, self.count), np.hsplit(y, self.count), strict=True)
        ratio: Array = np.sum([self.base.log_density_ratio(*part) for part in parts], axis=0)
        return ratio
