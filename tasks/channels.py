"""Class bits of real pictures through a binary symmetric channel: high-dimensional data whose MI is known exactly.

A uniformly drawn row of bits B passes a binary symmetric channel, C = B xor noise. X shows pictures of the classes that
B spells, Y pictures of those that C spells, drawn independently given the bits. X tells B and Y tells C, because no
picture of the pool occurs under two classes, and X and Y are independent given (B, C). Hence I(X; Y) = I(B; C) exactly,
and that pictures repeat, the pool being finite, changes nothing of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeAlias

import numpy as np
from scipy.special import xlogy

from mibench.datasets import Labels
from mibench.estimator import Array
from mibench.parameters import Count, between
from mibench.registry import register_task
from mibench.task import Task

from .citations import LEE_RHEE
from .numerics.entropy import binary_entropy
from .pools.pictures import levels_of, pixels_of, pool, read, shown
from .pools.pool import Pool

Crossover: TypeAlias = Annotated[float, between(0, 0.5)]


class BitChannel(Task):
    """Bits through a binary symmetric channel, shown by whatever carries classes; its law is known exactly.

    Subclasses have the parameters ``bits`` (per symbol), ``crossover`` and, where a sample shows several symbols,
    ``tiles``.
    """

    bits: int
    crossover: float
    tiles: int = 1

    @property
    def mutual_information(self) -> float:
        return self.bits * self.tiles * (math.log(2.0) - binary_entropy(self.crossover))

    def draw_classes(self, n: int, rng: np.random.Generator) -> tuple[Labels, Labels]:
        """The classes (n, tiles) that X and Y show."""
        sent = rng.integers(2, size=(n, self.tiles, self.bits))
        received = sent ^ (rng.random(sent.shape) < self.crossover)
        weights = 2 ** np.arange(self.bits)
        return sent @ weights, received @ weights

    def log_ratio_of_classes(self, sent: Labels, received: Labels) -> Array:
        """log p(b, c) / (p(b) p(c)) for classes (n, tiles): ln 2(1 - p) for each bit that arrived, ln 2p for others."""
        flipped = np.bitwise_count(sent ^ received).sum(axis=1)
        arrived = self.bits * self.tiles - flipped
        ratio: Array = xlogy(arrived, 2.0 * (1.0 - self.crossover)) + xlogy(flipped, 2.0 * self.crossover)
        return ratio


@dataclass(frozen=True, eq=False, repr=False)
class PictureChannel(BitChannel):
    """Class bits through a binary symmetric channel, shown as pictures of a data set's first 2 ** bits classes.

    Parameters
    ----------
    bits : per picture, 1 to 3; class 5 spells the bits 1, 0, 1.
    crossover : the probability that a bit is flipped.
    tiles : pictures side by side in each of X and Y; the information of all of them adds up.
    grain : a continuous change of less than half a grey level, so that no picture repeats exactly; without it X and Y
        are pictures as they are, and discrete.
    """

    family: ClassVar[str] = "images"
    pixels: ClassVar[bool] = True
    citation: ClassVar[str] = LEE_RHEE
    source: ClassVar[str]

    bits: Annotated[int, between(1, 3)] = 1
    crossover: Crossover = 0.05
    tiles: Count = 1
    grain: bool = True

    @property
    def dim_x(self) -> int:
        return self.tiles * pixels_of(self.source)

    @property
    def dim_y(self) -> int:
        return self.dim_x

    @property
    def discrete(self) -> bool:
        return not self.grain

    @property
    def pool(self) -> Pool:
        """The pictures that are shown."""
        return pool(self.source, 2**self.bits)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        pictures, levels = self.pool, levels_of(self.source)
        sides = []
        for classes in self.draw_classes(n, rng):
            drawn = pictures.draw(classes, rng).reshape(n, -1)
            sides.append(shown(drawn, levels, rng if self.grain else None))
        return sides[0], sides[1]

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        pictures, levels = self.pool, levels_of(self.source)
        classes = []
        for values in (x, y):
            tiles = read(values, levels).reshape(len(values) * self.tiles, -1)
            classes.append(pictures.classes(tiles).reshape(len(values), self.tiles))
        return self.log_ratio_of_classes(classes[0], classes[1])


@register_task("digits-channel")
class DigitsChannel(PictureChannel):
    """Class bits of scikit-learn's 8x8 digits, as two independent pictures, through a binary symmetric channel."""

    source: ClassVar[str] = "digits"


@register_task("mnist-channel")
class MnistChannel(PictureChannel):
    """Class bits of MNIST, as two independent pictures of 28x28 pixels, through a binary symmetric channel.

    Needs the files of MNIST.
    """

    source: ClassVar[str] = "mnist"


@register_task("fashion-mnist-channel")
class FashionMnistChannel(PictureChannel):
    """Class bits of Fashion-MNIST, as two independent pictures of 28x28 pixels, through a binary symmetric channel.

    Needs the files of Fashion-MNIST.
    """

    source: ClassVar[str] = "fashion-mnist"


@register_task("cifar10-channel")
class Cifar10Channel(PictureChannel):
    """Class bits of CIFAR-10, as two independent 32x32 pictures in colour, through a binary symmetric channel.

    Needs the files of CIFAR-10.
    """

    source: ClassVar[str] = "cifar10"
