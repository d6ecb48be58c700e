"""Pictures rendered from a few numbers: hundreds or thousands of pixels whose mutual information is that of the source.

A source draws pairs (u_i, v_i) in the unit square. One rendering turns u into the picture X, the same one turns v into
Y. It is injective: the numbers can be read off the pixels again, so I(X; Y) = I(u; v), with the density ratio of the
source (Butakov et al. 2024).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.parameters import NotNegative, at_least
from mibench.registry import register_task
from mibench.task import Task

from ._made_of import Side, Transform
from .additive import AdditiveUniform
from .citations import BUTAKOV
from .gaussian import Gauss
from .transforms import NormalCdf

MOST_PER_PAIR = 10.0
"""Nats per pair of numbers: beyond, what distinguishes pictures drowns in rounding."""


@dataclass(frozen=True, eq=False, repr=False)
class UnitAdditive(Transform):
    """``additive-uniform`` with Y scaled to the unit interval: (y + eps) / (1 + 2 eps)."""

    base: AdditiveUniform
    sides = "y"

    def forward(self, values: Array, side: Side) -> Array:
        return (values + self.base.eps) / (1.0 + 2.0 * self.base.eps)

    def backward(self, values: Array, side: Side) -> Array:
        return values * (1.0 + 2.0 * self.base.eps) - self.base.eps


@dataclass(frozen=True, eq=False, repr=False)
class Rendered(Task):
    """Pictures of side x side pixels rendered from ``numbers`` pairs of a source."""

    side: Annotated[int, at_least(8)] = 16
    mutual_information: NotNegative = 1.0
    source: Literal["gaussian", "uniform"] = "gaussian"

    family: ClassVar[str] = "images"
    pixels: ClassVar[bool] = True
    citation: ClassVar[str] = BUTAKOV
    numbers: ClassVar[int]

    def __post_init__(self) -> None:
        if self.side % 2:
            raise UsageError(f"{self.registered_name}: side={self.side}; side must be even.")
        if self.mutual_information > MOST_PER_PAIR * self.numbers:
            raise UsageError(
                f"{self.registered_name}: mutual_information={self.mutual_information!r}; it must be at most "
                f"{MOST_PER_PAIR * self.numbers:g} nats here."
            )

    @property
    def dim_x(self) -> int:
        return self.side**2

    @property
    def dim_y(self) -> int:
        return self.side**2

    @property
    def pair(self) -> Task:
        """One pair (u, v) in the unit square, with its share of the information; without any, independent uniforms."""
        share = self.mutual_information / self.numbers
        if self.source == "gaussian" or share == 0.0:
            return NormalCdf(Gauss(mutual_information=share))
        return UnitAdditive(AdditiveUniform(mutual_information=share))

    @abstractmethod
    def profiles(self, numbers: Array) -> tuple[Array, Array]:
        """Brightness by row and by column, each (n, side), from numbers (n, numbers) in the unit cube.

        A pixel's brightness is the product of its row's and its column's.
        """

    @abstractmethod
    def read(self, pictures: Array) -> Array:
        """The numbers (n, numbers) that pictures (n, side * side) were rendered from."""

    def render(self, numbers: Array) -> Array:
        """Pictures (n, side * side) with brightness in [0, 1]."""
        rows, columns = self.profiles(numbers)
        return (rows[:, :, None] * columns[:, None, :]).reshape(len(numbers), -1)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        u, v = self.pair.draw(n * self.numbers, rng)
        return self.render(u.reshape(n, -1)), self.render(v.reshape(n, -1))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        u, v = self.read(x), self.read(y)
        ratio: Array = self.pair.log_density_ratio(u.reshape(-1, 1), v.reshape(-1, 1)).reshape(u.shape).sum(axis=1)
        return ratio


@register_task("blobs")
class Blobs(Rendered):
    """Pictures of a Gaussian blob, whose row and column are the two numbers of the source.

    Parameters
    ----------
    side : pixels along an edge, even; the blob's standard deviation is an eighth of it.
    mutual_information : in nats, half of it in the rows and half in the columns.
    source : ``gaussian`` (Gaussian copula) or ``uniform`` (uniform with additive uniform noise).
    """

    numbers: ClassVar[int] = 2
    margin: ClassVar[float] = 0.2  # of the side, which no centre enters

    def profiles(self, numbers: Array) -> tuple[Array, Array]:
        """exp(-(distance to the centre)^2 / (2 sd^2)) at the middle of each pixel."""
        centre = self.side * (self.margin + (1.0 - 2.0 * self.margin) * numbers)
        middle = np.arange(self.side) + 0.5
        profile = np.exp(-0.5 * ((middle - centre[:, :, None]) / (self.side / 8.0)) ** 2)
        return profile[:, 0], profile[:, 1]

    def read(self, pictures: Array) -> Array:
        """The centre, from the logarithm of the ratio of the two neighbours of the brightest row, and column."""
        image = pictures.reshape(-1, self.side, self.side)
        numbers = np.empty((len(image), 2))
        for k, profile in enumerate((image.sum(axis=2), image.sum(axis=1))):
            brightest = profile.argmax(axis=1)
            each = np.arange(len(image))
            slope = 0.5 * np.log(profile[each, brightest + 1] / profile[each, brightest - 1])
            centre = brightest + 0.5 + slope * (self.side / 8.0) ** 2
            numbers[:, k] = (centre / self.side - self.margin) / (1.0 - 2.0 * self.margin)
        return numbers


@register_task("rectangles")
class Rectangles(Rendered):
    """Pictures of a rectangle, whose upper, lower, left and right edges are the four numbers of the source.

    A pixel is as bright as the share of it that the rectangle covers.

    Parameters
    ----------
    side : pixels along an edge, even; the rectangle covers the middle four pixels and may reach every other one.
    mutual_information : in nats, a quarter of it in each edge.
    source : ``gaussian`` (Gaussian copula) or ``uniform`` (uniform with additive uniform noise).
    """

    numbers: ClassVar[int] = 4

    def profiles(self, numbers: Array) -> tuple[Array, Array]:
        """The share of each row and of each column that lies between the edges."""
        half = self.side / 2.0
        far = 1.0 + (half - 1.0) * numbers[:, :, None]  # distances of the edges from the middle
        # the pixel from s to s + 1 loses what lies beyond either edge, never all of it to both
        start = np.arange(self.side)
        covered = [
            np.clip(half + far[:, k + 1] - start, 0.0, 1.0) + np.clip(start + 1.0 - half + far[:, k], 0.0, 1.0) - 1.0
            for k in (0, 2)
        ]
        return covered[0], covered[1]

    def read(self, pictures: Array) -> Array:
        """The distances of the edges: sums along the middle column and the middle row, which the rectangle covers."""
        half = self.side // 2
        image = pictures.reshape(-1, self.side, self.side)
        lines = (image[:, :, half], image[:, half, :])
        far = np.stack([part.sum(axis=1) for line in lines for part in (line[:, :half], line[:, half:])], axis=1)
        return (far - 1.0) / (half - 1.0)
