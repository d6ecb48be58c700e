"""Pictures drawn from a data set.

A data set is finite, so pictures repeat: 10,000 draws show each of the 360 zeros and ones among scikit-learn's digits
about 28 times. The *grain* turns such atoms into a continuous variable without touching what is known exactly: every
grey level v is multiplied by 1 + (u - 1/2) / (2 levels) with u uniform on (0, 1), a change of at most a quarter of a
level, so rounding gives the picture back. Black pixels stay black, and a column that is constant stays constant.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from mibench import datasets, runtime
from mibench.datasets import Bytes
from mibench.estimator import Array

from .pool import Pool

SHAPES = {"digits": (1, 8), **{name: (source.channels, source.side) for name, source in datasets.SOURCES.items()}}
"""Channels and side of every data set, known before any file is read."""
if TYPE_CHECKING:
    Source: TypeAlias = str
else:
    Source = Literal[tuple(SHAPES)]


def pixels_of(source: Source) -> int:
    """Numbers in one picture."""
    channels, side = SHAPES[source]
    return channels * side**2


def levels_of(source: Source) -> int:
    """The brightest grey level of a data set, whose files must be there."""
    return datasets.load(source).levels


def pool(source: Source, classes: int) -> Pool:
    """The training pictures (N, pixels) of a data set's first ``classes`` classes, kept in memory once made."""
    return _pool(source, classes, runtime.data_dir())


@functools.lru_cache(maxsize=4)
def _pool(source: Source, classes: int, directory: Path) -> Pool:
    images = datasets.load(source)
    flat = images.train.reshape(len(images.train), -1)
    return Pool.of(f"the training images of {source}", flat, images.train_labels, classes)


def shown(pictures: Bytes, levels: int, rng: np.random.Generator | None) -> Array:
    """Grey levels as numbers in [0, 1], with grain from ``rng`` where it is given."""
    values = pictures / levels
    if rng is None:
        return values
    return values * (1.0 + (rng.random(values.shape) - 0.5) / (2.0 * levels))


def read(values: Array, levels: int) -> Bytes:
    """The inverse of :func:`shown`, with or without grain."""
    return np.rint(values * levels).astype(np.uint8)
