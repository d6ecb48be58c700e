"""Class bits through a binary symmetric channel, shown as embeddings: vectors that a model made of text, proteins, ...

``embeddings-channel`` draws from a made-up model, whose vectors tell their class exactly; ``embeddings-file-channel``
draws from the user's own vectors. The mutual information is that of the bits, as for pictures (see ``channels``).
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mibench import runtime
from mibench.datasets import Labels
from mibench.errors import DataError, NotInstalled, UsageError
from mibench.estimator import Array
from mibench.registry import register_task

from ._numeric import random_isometry
from ._pictures import unambiguous
from ._validate import check_dimension, check_interval
from .channels import BitChannel

LEE_RHEE = (
    "Lee & Rhee (2024), A benchmark suite for evaluating neural mutual information estimators on unstructured datasets"
)
MOST_BITS = 6


@register_task("embeddings-channel")
class EmbeddingsChannel(BitChannel):
    """Class bits through a binary symmetric channel, shown as two vectors of a made-up model of 2 ** bits classes.

    A vector is standard normal in one direction per class, the direction of its own class having the greatest value of
    these, plus ``separation``. In the other directions the standard deviation falls as 1, 1/2, 1/3, ..., much as it
    does in real embeddings. A fixed random rotation hides the directions.

    bits : per vector; there are 2 ** bits classes.
    crossover : the probability that a bit is flipped.
    dim : dimension of a vector, at least 2 ** bits.
    separation : how much the direction of the class stands out beyond being the greatest.
    """

    bits: int = 2
    crossover: float = 0.05
    dim: int = 64
    separation: float = 3.0

    family: ClassVar[str] = "embeddings"
    citation: ClassVar[str] = LEE_RHEE

    def __post_init__(self) -> None:
        self.check_channel(most_bits=MOST_BITS)
        check_dimension(self, "dim", at_least=2**self.bits)
        check_interval(self, "separation", 0, 1e6)

    @property
    def dim_x(self) -> int:  # type: ignore[override]
        """The parameter ``dim``."""
        return self.dim

    @property
    def dim_y(self) -> int:  # type: ignore[override]
        """The parameter ``dim``."""
        return self.dim

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
        return values.argmax(axis=1)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw bits and flips, then a vector for every class."""
        sent, received = self.draw_classes(n, rng)
        return self.embed(sent[:, 0], rng), self.embed(received[:, 0], rng)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """That of the bits, which the vectors tell."""
        return self.log_ratio_of_classes(self.classes(x)[:, None], self.classes(y)[:, None])


@register_task("embeddings-file-channel")
class EmbeddingsFileChannel(BitChannel):
    """Class bits through a binary symmetric channel, shown as two vectors drawn with replacement from a file.

    The least 2 ** bits values among the labels are the classes. Vectors that occur under two of them are left out, for
    they would not tell theirs. Vectors repeat, so the task is discrete.

    embeddings : a .npy file with one vector per row, (N, dim); relative paths start at the data directory.
    labels : a .npy file with the class of each vector, (N,).
    bits : per vector; there must be 2 ** bits classes.
    crossover : the probability that a bit is flipped.
    """

    embeddings: str = "embeddings.npy"
    labels: str = "labels.npy"
    bits: int = 1
    crossover: float = 0.05

    family: ClassVar[str] = "embeddings"
    citation: ClassVar[str] = LEE_RHEE

    def __post_init__(self) -> None:
        self.check_channel(most_bits=MOST_BITS)

    @property
    def discrete(self) -> bool:
        """Vectors repeat."""
        return True

    @property
    def dim_x(self) -> int:  # type: ignore[override]
        """The length of a vector in the file.

        Raises
        ------
        NotInstalled : the file is missing.
        DataError : the file is no table of vectors.
        """
        path = _existing(self.embeddings)
        shape = np.shape(_read(path, mapped=True))
        if len(shape) != 2:
            raise DataError(f"{path} holds an array of shape {shape}; expected (N, dim), one vector per row.")
        return int(shape[1])

    @property
    def dim_y(self) -> int:  # type: ignore[override]
        """As of X."""
        return self.dim_x

    def identity(self) -> dict[str, Any]:
        """Names the content of the files too: results for other vectors under the same name are other results."""
        content = [_digest(runtime.data_dir() / name) for name in (self.embeddings, self.labels)]
        return {**super().identity(), "content": content}

    @property
    def pool(self) -> VectorPool:
        """The vectors that are shown.

        Raises
        ------
        NotInstalled : a file is missing.
        DataError : a file is no array, or the two do not fit together.
        """
        return _vector_pool(_existing(self.embeddings), _existing(self.labels), 2**self.bits)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw bits and flips, then a vector of every class."""
        sent, received = self.draw_classes(n, rng)
        return self.pool.draw(sent[:, 0], rng), self.pool.draw(received[:, 0], rng)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """That of the bits, which the vectors tell.

        Raises
        ------
        DataError : a vector that is not in the file.
        """
        pool = self.pool
        return self.log_ratio_of_classes(pool.classes(x)[:, None], pool.classes(y)[:, None])


# Vectors from files --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class VectorPool:
    """Vectors (N, dim), class after class, and where each class begins (classes + 1,)."""

    vectors: Array
    start: Labels

    def draw(self, classes: Labels, rng: np.random.Generator) -> Array:
        """A vector of each class, drawn with replacement."""
        return self.vectors[self.start[classes] + rng.integers(np.diff(self.start)[classes])]

    @functools.cached_property
    def index(self) -> dict[bytes, int]:
        """The class of every vector, by its bytes."""
        labels = np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))
        return {row.tobytes(): int(label) for row, label in zip(self.vectors, labels, strict=True)}

    def classes(self, vectors: Array) -> Labels:
        """The class (n,) of each vector (n, dim)."""
        try:
            found = [self.index[row.tobytes()] for row in np.ascontiguousarray(vectors, np.float64)]
        except KeyError:
            raise DataError("the rows hold a vector that this task cannot have drawn.") from None
        return np.array(found, np.int64)


@functools.lru_cache(maxsize=4)
def _vector_pool(embeddings: Path, labels: Path, classes: int) -> VectorPool:
    vectors, named = np.asarray(_read(embeddings), np.float64) + 0.0, _read(labels)  # + 0.0 makes -0.0 equal to 0.0
    if vectors.ndim != 2 or named.shape != vectors.shape[:1]:
        raise DataError(
            f"{embeddings} holds an array of shape {vectors.shape} and {labels} one of shape {named.shape}; "
            "expected (N, dim) and (N,)."
        )
    if not np.isfinite(vectors).all():
        raise DataError(f"{embeddings} holds NaN or infinite values.")
    values, label = np.unique(named, return_inverse=True)
    if len(values) < classes:
        raise UsageError(f"{labels} names {len(values)} classes; {classes} are needed: ask for fewer bits.")
    kept = label < classes
    vectors, label = np.ascontiguousarray(vectors[kept]), label[kept]
    kept = unambiguous(vectors, label)
    vectors, label = vectors[kept], label[kept]
    order = np.argsort(label, kind="stable")
    start = np.searchsorted(label[order], np.arange(classes + 1))
    if (np.diff(start) == 0).any():
        raise DataError(f"no vector in {embeddings} tells its class for one of the first {classes} classes.")
    return VectorPool(vectors[order], start)


def _existing(name: str) -> Path:
    path = runtime.data_dir() / name
    if not path.is_file():
        raise NotInstalled(f"there is no file {path}; write the array there with numpy.save, or give its path.")
    return path


def _read(path: Path, mapped: bool = False) -> Any:
    try:
        return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"cannot read {path} as an array of numbers: {error}") from None


def _digest(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return _digest_of(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _digest_of(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
