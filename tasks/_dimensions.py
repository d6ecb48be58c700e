"""Two ways to state dimensions that many tasks share."""

from __future__ import annotations

from mibench.task import Task


class EqualDimensions(Task):
    """X and Y both have the dimension ``dim``, a parameter."""

    dim: int

    @property
    def dim_x(self) -> int:
        return self.dim

    @property
    def dim_y(self) -> int:
        return self.dim


class OwnDimensions(Task):
    """A constructor of the task's own sets ``dim_x`` and ``dim_y``."""

    dim_x: int = 1
    dim_y: int = 1
