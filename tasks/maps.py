"""Injective maps that mix or bend coordinates: spiral, Swiss roll, random maps into more dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import ClassVar

import numpy as np

from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.parameters import Count, Finite
from mibench.registry import register_task
from mibench.task import Task

from ._made_of import Side, Sides, Transform
from .citations import BUTAKOV, CZYZ_2023, STAIRCASE
from .gaussian import Gauss, MultinormalSparse
from .numerics.isometry import Seed, random_isometry
from .transforms import NormalCdf


@register_task("spiral")
class Spiral(Transform):
    """v turned by the angle speed/dim |v|^2: X in the plane of coordinates 0 and 1, Y in the plane of 1 and 2.

    dim is v's own dimension. The angle depends on the length alone, which turning keeps, so the map can be undone.

    Parameters
    ----------
    base : a task with dim_x at least 2 and dim_y at least 3.
    speed : radians per unit of |v|^2 / dim.
    """

    base: Task = MultinormalSparse()
    speed: Finite = 1.0

    citation: ClassVar[str] = CZYZ_2023
    first: ClassVar[dict[Side, int]] = {"x": 0, "y": 1}  # coordinate of the plane; the other is the next

    def __post_init__(self) -> None:
        if self.base.dim_x < 2 or self.base.dim_y < 3:
            raise UsageError(
                f"{self.registered_name}: base={self.base.label} has dimensions {self.base.dim_x} and "
                f"{self.base.dim_y}; the spiral turns two coordinates of X and the second and third of Y."
            )

    def forward(self, values: Array, side: Side) -> Array:
        return turned(values, self.first[side], self.speed / values.shape[1])

    def backward(self, values: Array, side: Side) -> Array:
        return turned(values, self.first[side], -self.speed / values.shape[1])


def turned(values: Array, first: int, speed: float) -> Array:
    """A copy in which the plane (first, first + 1) is turned by speed |v|^2, row by row."""
    angle = speed * (values**2).sum(axis=1)
    a, b = values[:, first], values[:, first + 1]
    result = values.copy()
    result[:, first] = a * np.cos(angle) - b * np.sin(angle)
    result[:, first + 1] = a * np.sin(angle) + b * np.cos(angle)
    return result


@register_task("swiss-roll")
class SwissRoll(Transform):
    """X on [0, 1] rolled up in the plane: t = 3/2 pi (1 + 2 x), x -> (t cos t, t sin t) / 21; Y stays.

    Parameters
    ----------
    base : a task with dim_x = 1 and X in [0, 1].
    """

    base: Task = NormalCdf()

    sides = "x"
    dim_x = 2
    citation: ClassVar[str] = CZYZ_2023

    def __post_init__(self) -> None:
        if self.base.dim_x != 1:
            raise UsageError(
                f"{self.registered_name}: base={self.base.label} has dim_x={self.base.dim_x}; "
                "only a one-dimensional X in [0, 1] can be rolled up."
            )

    def forward(self, values: Array, side: Side) -> Array:
        if values.min() < 0 or values.max() > 1:
            raise UsageError(
                f"{self.registered_name}: X of base={self.base.label} is not in [0, 1]; take its normal-cdf."
            )
        t = 1.5 * math.pi * (1 + 2 * values)
        return np.hstack([t * np.cos(t), t * np.sin(t)]) / 21

    def backward(self, values: Array, side: Side) -> Array:
        t = 21 * np.hypot(values[:, :1], values[:, 1:])
        return 0.5 * (t / (1.5 * math.pi) - 1)


@register_task("cubic")
class Cubic(Transform):
    """y -> (W y)^3 with a fixed random orthogonal matrix W, cubed coordinate by coordinate.

    Parameters
    ----------
    matrix_seed : which matrix.
    sides : "y" (the published task), "x" or "xy".
    """

    base: Task = Gauss()
    sides: Sides = "y"
    matrix_seed: Seed = 0

    citation: ClassVar[str] = STAIRCASE

    def forward(self, values: Array, side: Side) -> Array:
        dim = values.shape[1]
        rotated: Array = values @ random_isometry(dim, dim, self.matrix_seed).T
        return rotated * rotated * rotated

    def backward(self, values: Array, side: Side) -> Array:
        dim = values.shape[1]
        return np.cbrt(values) @ random_isometry(dim, dim, self.matrix_seed)


@register_task("random-map")
class RandomMap(Transform):
    """u = W v with a fixed random W whose columns are orthogonal, then u_j + c_j sqrt(1 + (u_j - b_j)^2) for every j.

    Each coordinate is thus a bent line, smooth and increasing (|c_j| < 1). W, b and c are drawn once, for X and for Y
    apart; the columns of W have length sqrt(dim / base dimension), so that coordinates keep their size.

    Parameters
    ----------
    base : the task whose X and Y are mapped.
    dim : dimension of the mapped X and of the mapped Y; that of the base unless given.
    map_seed : which map.
    """

    base: Task = Gauss()
    dim: Count | None = None
    map_seed: Seed = 0

    citation: ClassVar[str] = BUTAKOV

    def __post_init__(self) -> None:
        least = max(self.base.dim_x, self.base.dim_y)
        if self.dim is not None and self.dim < least:
            raise UsageError(
                f"{self.registered_name}: dim={self.dim}; base={self.base.label} has {least} dimensions, so it must be "
                "at least that."
            )

    @property
    def dim_x(self) -> int:
        return self.dim or self.base.dim_x

    @property
    def dim_y(self) -> int:
        return self.dim or self.base.dim_y

    @cached_property
    def _bends(self) -> dict[Side, BentMap]:
        return {
            "x": BentMap(self.base.dim_x, self.dim_x, 2 * self.map_seed),
            "y": BentMap(self.base.dim_y, self.dim_y, 2 * self.map_seed + 1),
        }

    def forward(self, values: Array, side: Side) -> Array:
        return self._bends[side].forward(values)

    def backward(self, values: Array, side: Side) -> Array:
        return self._bends[side].backward(values)


class BentMap:
    """v -> u + c sqrt(1 + (u - b)^2), u = W v, from dim_in to dim_out dimensions; the seed fixes W, b and c."""

    def __init__(self, dim_in: int, dim_out: int, seed: int) -> None:
        self.matrix = math.sqrt(dim_out / dim_in) * random_isometry(dim_out, dim_in, seed)
        self.inverse = math.sqrt(dim_in / dim_out) * random_isometry(dim_out, dim_in, seed).T
        rng = np.random.default_rng([3, seed, dim_out, dim_in])
        self.b = rng.standard_normal(dim_out)
        self.c = rng.uniform(0.3, 0.8, dim_out) * rng.choice([-1.0, 1.0], dim_out)

    def forward(self, values: Array) -> Array:
        """(n, dim_in) to (n, dim_out)."""

        def bent(rows: Array) -> Array:
            u: Array = rows @ self.matrix.T
            bend = u - self.b
            u += self.c * np.sqrt(1 + bend * bend)
            return u

        return by_blocks(bent, values, len(self.b))

    def backward(self, values: Array) -> Array:
        """The root t = u - b of s = t + c sqrt(1 + t^2), s = value - b, then the projection onto W's columns."""
        rest = 1 - self.c**2

        def unbent(rows: Array) -> Array:
            s = rows - self.b
            t = (s - self.c * np.sqrt(s * s + rest)) / rest
            projected: Array = (t + self.b) @ self.inverse.T
            return projected

        return by_blocks(unbent, values, len(self.inverse))


def by_blocks(function: Callable[[Array], Array], values: Array, dim_out: int) -> Array:
    """A function of rows applied block by block: blocks stay in the cache, which saves most of the time."""
    result = np.empty((len(values), dim_out))
    rows = max(1, 32_768 // max(values.shape[1], dim_out))
    for start in range(0, len(values), rows):
        block = slice(start, start + rows)
        result[block] = function(values[block])
    return result
