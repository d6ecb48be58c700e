"""Two independent problems side by side: their information adds."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.registry import register_task
from mibench.task import Task

from .gaussian import Gauss
from .independent import Independent


@register_task("concatenate")
class Concatenate(Task):
    """X = (X_1, X_2), Y = (Y_1, Y_2) from two independent tasks: I(X; Y) = I(X_1; Y_1) + I(X_2; Y_2).

    first, second : the two tasks; an ``independent`` second one adds coordinates of pure noise.
    """

    first: Task = Gauss()
    second: Task = Independent(dim_x=4)

    citation: ClassVar[str] = "Cover & Thomas (2006), Elements of Information Theory, theorem 2.5.2"

    def __post_init__(self) -> None:
        for name in ("first", "second"):
            part = getattr(self, name)
            if not isinstance(part, Task):
                label = getattr(part, "label", repr(part))
                raise UsageError(f"{self.registered_name}: {name}={label} is no task that draws x and y.")

    @property
    def family(self) -> str:  # type: ignore[override]
        """That of the first task."""
        return self.first.family

    @property
    def dim_x(self) -> int:  # type: ignore[override]
        """The sum of the two."""
        return self.first.dim_x + self.second.dim_x

    @property
    def dim_y(self) -> int:  # type: ignore[override]
        """The sum of the two."""
        return self.first.dim_y + self.second.dim_y

    @property
    def mutual_information(self) -> float:
        """The sum of the two, in nats."""
        return self.first.mutual_information + self.second.mutual_information

    @property
    def mutual_information_error(self) -> float:
        """The sum of the two, in nats."""
        return self.first.mutual_information_error + self.second.mutual_information_error

    @property
    def has_density(self) -> bool:
        """Whether both have one."""
        return self.first.has_density and self.second.has_density

    @property
    def discrete(self) -> bool:
        """Whether either is."""
        return self.first.discrete or self.second.discrete

    @property
    def construction(self) -> str:
        """The two constructions, one after the other."""
        parts = (f"{part.label}: {part.construction}" for part in (self.first, self.second))
        return "\n\n".join([super().construction, *parts])

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """The first task's samples beside the second's, from one stream."""
        (x1, y1), (x2, y2) = self.first.draw(n, rng), self.second.draw(n, rng)
        return np.hstack([x1, x2]), np.hstack([y1, y2])

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """The sum of the two, in nats, shape (n,)."""
        i, j = self.first.dim_x, self.first.dim_y
        return self.first.log_density_ratio(x[:, :i], y[:, :j]) + self.second.log_density_ratio(x[:, i:], y[:, j:])
