"""Class bits through a binary symmetric channel, shown as embeddings: vectors that a model made of text, proteins, ...

``embeddings-channel`` draws from a made-up model, whose vectors tell their class exactly; ``embeddings-file-channel``
draws from the user's own vectors. The mutual information is that of the bits, as for pictures (see ``channels``).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypeAlias

import numpy as np

from mibench.datasets import Labels
from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.parameters import Count, between, inside
from mibench.registry import register_task

from ._dimensions import EqualDimensions
from .channels import BitChannel, Crossover
from .citations import LEE_RHEE
from .numerics.isometry import random_isometry
from .pools import files
from .pools.pool import Pool

Bits: TypeAlias = Annotated[int, between(1, 6)]


@register_task("embeddings-channel")
class EmbeddingsChannel(EqualDimensions, BitChannel):
    """Class bits through a binary symmetric channel, shown as two vectors of a made-up model of 2 ** bits classes.

    A vector is standard normal in one direction per class, the direction of its own class having the greatest value of
    these, plus ``separation``. In the other directions the standard deviation falls as 1, 1/2, 1/3, ..., much as it
    does in real embeddings. A fixed random rotation hides the directions.

    Parameters
    ----------
    bits : per vector; there are 2 ** bits classes.
    crossover : the probability that a bit is flipped.
    dim : dimension of a vector, at least 2 ** bits.
    separation : how much the direction of the class stands out beyond being the greatest.
    """

    bits: Bits = 2
    crossover: Crossover = 0.05
    dim: Count = 64
    separation: Annotated[float, inside(0, 1e6)] = 3.0

    family: ClassVar[str] = "embeddings"
    citation: ClassVar[str] = LEE_RHEE

    def __post_init__(self) -> None:
        if self.dim < 2**self.bits:
            raise UsageError(
                f"{self.registered_name}: dim={self.dim}; dim must be at least {2**self.bits}, a direction per class."
            )

    def embed(self, classes: Labels, rng: np.random.Generator) -> Array:
        """A random vector (n, dim) for each class (n,)."""
        n, directions = len(classes), 2**self.bits
        values = rng.standard_normal((n, self.dim))
        values[:, directions:] /= np.arange(1, self.dim - directions + 1)
        # trading places with the greatest leaves the others as they are when the greatest is known to be there
        each, greatest = np.arange(n), values[:, :directions].argmax(axis=1)
        values[each, classes], values[each, greatest] = values[each, greatest], values[each, classes]
        values[each, classes] += self.separation
        return values @ random_isometry(self.dim, self.dim, 0).T

    def classes(self, vectors: Array) -> Labels:
        """The class (n,) that each vector tells: its direction with the greatest value."""
        values = vectors @ random_isometry(self.dim, self.dim, 0)[:, : 2**self.bits]
        classes: Labels = values.argmax(axis=1)
        return classes

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        sent, received = self.draw_classes(n, rng)
        return self.embed(sent[:, 0], rng), self.embed(received[:, 0], rng)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        return self.log_ratio_of_classes(self.classes(x)[:, None], self.classes(y)[:, None])


@register_task("embeddings-file-channel")
class EmbeddingsFileChannel(BitChannel):
    """Class bits through a binary symmetric channel, shown as two vectors drawn with replacement from a file.

    The least 2 ** bits values among the labels are the classes. Vectors that occur under two of them are left out, for
    they would not tell theirs. Vectors repeat, so the task is discrete.

    Parameters
    ----------
    embeddings : a .npy file with one vector per row, (N, dim); relative paths start at the data directory.
    labels : a .npy file with the class of each vector, (N,).
    bits : per vector; there must be 2 ** bits classes.
    crossover : the probability that a bit is flipped.
    """

    embeddings: str = "embeddings.npy"
    labels: str = "labels.npy"
    bits: Bits = 1
    crossover: Crossover = 0.05

    family: ClassVar[str] = "embeddings"
    citation: ClassVar[str] = LEE_RHEE
    discrete: ClassVar[bool] = True

    @property
    def dim_x(self) -> int:
        return files.width(self.embeddings)

    @property
    def dim_y(self) -> int:
        return self.dim_x

    def identity(self) -> dict[str, Any]:
        """Names the content of the files too: results for other vectors under the same name are other results."""
        return {**super().identity(), "content": [files.content(name) for name in (self.embeddings, self.labels)]}

    @property
    def pool(self) -> Pool:
        """The vectors that are shown."""
        return files.pool(self.embeddings, self.labels, 2**self.bits)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        sent, received = self.draw_classes(n, rng)
        return self.pool.draw(sent[:, 0], rng), self.pool.draw(received[:, 0], rng)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        pool = self.pool
        return self.log_ratio_of_classes(pool.classes(x)[:, None], pool.classes(y)[:, None])
