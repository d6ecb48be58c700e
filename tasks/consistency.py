"""Self-consistency on real images: relations that mutual information obeys, whatever its value (Song & Ermon 2020).

X is a picture, Y the top of the same picture with black below. Pictures are drawn with replacement from a finite set,
so I(X; Y) is the entropy of what Y shows; yet no truth is needed, for the scores compare estimates with one another.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeAlias

import numpy as np

from mibench.datasets import Bytes
from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.parameters import Length, between
from mibench.registry import register_task
from mibench.task import ConsistencyTask

from .citations import SONG_ERMON
from .pools.pictures import SHAPES, Source, levels_of, pool, shown

EIGHTHS = 8
"""Of a picture's rows: the unit in which is said how much of it Y shows."""
Eighths: TypeAlias = Annotated[int, between(1, EIGHTHS)]


@dataclass(frozen=True, eq=False, repr=False)
class ImageRows(ConsistencyTask):
    """Pictures of one data set and their tops.

    Parameters
    ----------
    source : ``digits``, or ``mnist``, ``fashion-mnist`` or ``cifar10``, which need their files.
    grain : independent continuous changes of less than half a grey level in X and in Y, so that no picture repeats
        exactly; the information stays as it is.
    """

    source: Source = "digits"
    grain: bool = True

    pixels: ClassVar[bool] = True
    citation: ClassVar[str] = SONG_ERMON

    @abstractmethod
    def problems(self, n: int, pictures: Album) -> list[tuple[Array, Array]]:
        """The paired samples of each part."""

    def parts(self, n: int, seed: int) -> list[tuple[Array, Array]]:
        if n < 1:
            raise UsageError(f"{self.label}: cannot draw {n} samples; n must be at least 1.")
        return self.problems(n, Album(self.source, self.grain, np.random.default_rng([0, seed])))


class Album:
    """Draws pictures and shows all or the top of them, with grain or without."""

    def __init__(self, source: Source, grain: bool, rng: np.random.Generator) -> None:
        self.pictures: Bytes = pool(source, 10).rows
        self.levels, self.shape = levels_of(source), SHAPES[source]
        self.grain, self.rng = grain, rng

    def draw(self, n: int) -> Bytes:
        """n pictures (n, pixels), drawn with replacement."""
        return self.pictures[self.rng.integers(len(self.pictures), size=n)]

    def show(self, pictures: Bytes, eighths: int = EIGHTHS) -> Array:
        """The upper eighths of pictures, black below, as numbers (n, pixels) in [0, 1]."""
        values = shown(pictures, self.levels, self.rng if self.grain else None)
        return self.crop(values, eighths)

    def crop(self, values: Array, eighths: int) -> Array:
        """What :meth:`show` gives, with black below the upper eighths."""
        channels, side = self.shape
        kept = values.reshape(-1, channels, side, side).copy()
        kept[:, :, round(side * eighths / EIGHTHS) :] = 0.0
        return kept.reshape(values.shape)


@dataclass(frozen=True, eq=False, repr=False)
class TwoParts(ImageRows):
    """The score is the ratio of the estimates on two parts.

    Parameters
    ----------
    rows : eighths of the picture that Y shows.
    """

    rows: Eighths = 4

    def score(self, estimates: Sequence[float]) -> float:
        """NaN where the second is not positive, for nothing can be compared with such an estimate."""
        first, second = estimates
        return first / second if second > 0 else math.nan


@register_task("rows-independent")
class RowsIndependent(TwoParts):
    """I(X'; Y) / I(X; Y), which is 0: X' is another picture, independent of Y."""

    expected: ClassVar[float] = 0.0

    def problems(self, n: int, pictures: Album) -> list[tuple[Array, Array]]:
        first, second = pictures.draw(n), pictures.draw(n)
        return [(pictures.show(first), pictures.show(which, self.rows)) for which in (second, first)]


@register_task("rows-monotone")
class RowsMonotone(ImageRows):
    """I(X; Y) does not fall as Y shows more: its net rise, from an independent picture on, is all of its movement.

    The score is (last - first) / sum of |changes|: 1 for estimates that only rise, less by twice the share of the
    movement that falls, and 0 for estimates that do not move.

    Parameters
    ----------
    rows : eighths of the picture that Y shows, increasing; an independent picture comes before them. The first eighth
        of MNIST's digits is always black.
    """

    rows: Annotated[tuple[Eighths, ...], Length(1)] = (2, 3, 4, 6, 8)

    expected: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if list(self.rows) != sorted(set(self.rows)):
            raise UsageError(f"{self.registered_name}: rows={self.rows}; give increasing numbers of eighths.")

    def problems(self, n: int, pictures: Album) -> list[tuple[Array, Array]]:
        first, second = pictures.draw(n), pictures.draw(n)
        independent = (pictures.show(first), pictures.show(second, self.rows[0]))
        return [independent, *((pictures.show(first), pictures.show(first, rows)) for rows in self.rows)]

    def score(self, estimates: Sequence[float]) -> float:
        movement = sum(abs(after - before) for before, after in itertools.pairwise(estimates))
        # nothing but 0 / 0 here: without movement there is no rise
        return (estimates[-1] - estimates[0]) / movement if movement != 0 else 0.0


@register_task("rows-processing")
class RowsProcessing(TwoParts):
    """I([X, X]; [Y, h(Y)]) / I(X; Y), which is 1: repeating X and adding a function of Y tells nothing new.

    h(Y) is Y with fewer rows.

    Parameters
    ----------
    fewer : eighths that h(Y) shows, fewer than ``rows``.
    """

    fewer: Eighths = 3

    expected: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if self.fewer >= self.rows:
            raise UsageError(f"{self.registered_name}: fewer={self.fewer}; it must be less than rows={self.rows}.")

    def problems(self, n: int, pictures: Album) -> list[tuple[Array, Array]]:
        drawn = pictures.draw(n)
        x, y = pictures.show(drawn), pictures.show(drawn, self.rows)
        return [(np.hstack([x, x]), np.hstack([y, pictures.crop(y, self.fewer)])), (x, y)]


@register_task("rows-additive")
class RowsAdditive(TwoParts):
    """I([X1, X2]; [Y1, Y2]) / I(X1; Y1), which is 2: two independent pictures tell twice as much as one."""

    expected: ClassVar[float] = 2.0

    def problems(self, n: int, pictures: Album) -> list[tuple[Array, Array]]:
        pairs = [
            (pictures.show(drawn), pictures.show(drawn, self.rows)) for drawn in (pictures.draw(n), pictures.draw(n))
        ]
        return [(np.hstack([x for x, _ in pairs]), np.hstack([y for _, y in pairs])), pairs[0]]
