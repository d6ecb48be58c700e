"""What every estimator that trains a model has in common: the parts of the samples, their scaling, and its process.

This module imports no torch: an estimator is a value made of hyperparameters until it is asked to estimate.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal, NoReturn, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from mibench.errors import Unsupported, UsageError
from mibench.estimator import Array, Estimator, rng_for
from mibench.parameters import Range, at_least

T = TypeVar("T")
R = TypeVar("R")

Scaling: TypeAlias = Literal["robust", "standard", "rank", "none"]
Folds: TypeAlias = Literal[0] | Annotated[int, at_least(2)]
BelowOne: TypeAlias = Annotated[float, Range(0, 1, with_low=True)]
"""0 or more, and less than 1."""


class Learned(Estimator):
    """A model is trained on one part of the samples, chosen on a second, and the number computed on a third.

    The order of these parameters among others, and their defaults, are those of each family of estimators.

    Parameters
    ----------
    standardize : how columns are scaled first, by what the training part shows: "standard" (mean and variance),
        "robust" (quartiles, then arcsinh), "rank" (normal scores), "none".
    folds : if not 0, cross-fitting: as many trainings, each tested on its own fold, so that all samples are tested; the
        other samples are divided between training and validation in the same proportion as without.
    max_steps, max_epochs : how long to train, whichever is less.
    """

    standardize: Scaling
    folds: Folds

    @property
    @abstractmethod
    def shares(self) -> tuple[float, float, float]:
        """The parts that train, validate and test, in proportion."""

    def refuse(self, problem: str) -> NoReturn:
        """Raise UsageError about hyperparameters that do not go together."""
        raise UsageError(f"{self.registered_name or type(self).__name__}: {problem}")

    def warm_up(self) -> None:
        """Import torch, the one thing that is slow the first time."""
        import torch  # noqa: F401

    def splits(self, n: int, seed: int) -> list[Split]:
        """Which of n rows train, validate and test with this seed: one split for each model that is trained.

        Raises
        ------
        Unsupported : too few samples for three parts.
        """
        return splits(n, self.shares, self.folds, rng_for(seed))


@dataclass(frozen=True)
class Split:
    """Disjoint row numbers."""

    train: npt.NDArray[np.intp]
    validation: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]

    @property
    def sizes(self) -> dict[str, int]:
        """How many rows each part has, for diagnostics."""
        return {part: len(rows) for part, rows in vars(self).items()}


@dataclass(frozen=True)
class Assignment:
    """What one model is to learn from: samples, their split, and a stream of randomness of its own."""

    x: Array
    y: Array
    split: Split
    rng: np.random.Generator

    def parts(self, x: Array, y: Array) -> dict[str, npt.NDArray[np.float32]]:
        """The parts of what became of the samples, as ``"x train"`` and so on."""
        answer: dict[str, npt.NDArray[np.float32]] = {}
        for name, values in (("x", x), ("y", y)):
            columns = values.astype(np.float32)
            answer |= {f"{name} {part}": columns[rows] for part, rows in vars(self.split).items()}
        return answer


def splits(n: int, shares: Sequence[float], folds: int, rng: np.random.Generator) -> list[Split]:
    """Random splits of n rows: one by the shares (train, validation, test), or one for each of ``folds`` test parts.

    At a validation share of 0 the test part validates as well, and the parts are not disjoint.
    Folds differ by at most one row; the other rows are divided in the proportion of the first two shares, so that
    all training parts are of one size and all validation parts are.

    Raises
    ------
    Unsupported : a part would have fewer than 4 rows.
    """
    order = rng.permutation(n)
    parts = np.array_split(order, folds) if folds else [order[: round(n * shares[2] / sum(shares))]]
    learning = n - max(len(part) for part in parts)
    validating = round(learning * shares[1] / (shares[0] + shares[1]))
    if min(validating or learning, learning - validating, *map(len, parts)) < 4:
        raise Unsupported(f"{n} samples are too few to train, select and test a model on separate parts of them.")
    answer = []
    for part in parts:
        rest = order[~np.isin(order, part)][:learning] if folds else order[len(part) :]
        answer.append(Split(rest[validating:], rest[:validating] if shares[1] else part, part))
    return answer


def scaled(values: Array, train: npt.NDArray[np.intp], scaling: Scaling) -> Array:
    """Columns of ``values`` (n, dim) scaled by what the training rows show; every scaling is monotone.

    standard : mean 0 and variance 1.
    robust : median 0, quartiles at -0.67 and 0.67 as in a standard normal variable, then arcsinh, which tames tails.
    rank : normal scores, interpolated between the training rows.
    """
    if scaling == "none":
        return values
    known = values[train]
    if scaling == "rank":
        return np.stack([_normal_scores(v, k) for v, k in zip(values.T, known.T, strict=True)], 1)
    if scaling == "standard":
        centre, spread = known.mean(0), known.std(0)
    else:
        low, centre, high = np.quantile(known, [0.25, 0.5, 0.75], axis=0)
        spread = (high - low) / 1.349
        # more than half the rows are equal
        spread = np.where(spread > 0, spread, known.std(0))
    spread[np.ptp(known, axis=0) == 0] = np.inf
    standard: Array = (values - centre) / spread
    return np.arcsinh(standard) if scaling == "robust" else standard


def _normal_scores(values: Array, known: Array) -> Array:
    from scipy.special import ndtri

    distinct, counts = np.unique(known, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    scores: Array = ndtri(np.interp(values, distinct, middle / (len(known) + 1)))
    return scores


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch, and as many as before afterwards.

    These models are small: more threads cost more than they give, and estimates run side by side.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def threads(device: str, work: Callable[[T], R], each: Iterable[T]) -> Iterator[R]:
    """``work`` on each, in order: by one thread on the CPU, where estimates run side by side; before a GPU by several.

    The GPU waits for what the host prepares, and numpy lets other threads run while it sorts and adds up.
    """
    cores = 1 if device == "cpu" else min(8, os.cpu_count() or 1)
    if cores == 1:
        yield from map(work, each)
        return
    with ThreadPoolExecutor(cores, "mibench-prepare") as pool:
        yield from pool.map(work, each)


def in_halves(train: Callable[[Sequence[T]], Iterable[R]], every: Sequence[T], who: str) -> list[R]:
    """``train(every)``, or, where the device has no memory for so many side by side, of halves of them.

    What ``train`` was given must be as it was where it is tried again.
    """
    import torch

    try:
        return list(train(every))
    except torch.OutOfMemoryError as error:
        if len(every) == 1:
            raise MemoryError(f"one {who} does not fit into the device's memory.") from error
    # out of the handler, where the exception no longer holds what the stack held
    torch.cuda.empty_cache()
    half = (len(every) + 1) // 2
    return in_halves(train, every[:half], who) + in_halves(train, every[half:], who)
