"""Which samples train, validate and test a critic, and how columns are scaled before it sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mibench.errors import Unsupported
from mibench.estimator import Array

Scaling = Literal["none", "standard", "robust", "rank"]


@dataclass(frozen=True)
class Split:
    """Disjoint row numbers."""

    train: npt.NDArray[np.intp]
    validation: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]


def splits(n: int, fractions: Sequence[float], folds: int, rng: np.random.Generator) -> list[Split]:
    """Random splits of n rows: one by the fractions (train, validation, test), or one for each of ``folds`` test parts.

    At a validation fraction of 0 the test part validates as well, and the parts are not disjoint.
    Folds differ by at most one row; the other rows are divided in the proportion of the first two fractions, so that
    all training parts are of one size and all validation parts are.

    Raises
    ------
    Unsupported : a part would have fewer than 4 rows.
    """
    order = rng.permutation(n)
    parts = np.array_split(order, folds) if folds else [order[: round(n * fractions[2] / sum(fractions))]]
    learning = n - max(len(part) for part in parts)
    validating = round(learning * fractions[1] / (fractions[0] + fractions[1]))
    if min(validating or learning, learning - validating, *map(len, parts)) < 4:
        raise Unsupported(f"{n} samples are too few to train, select and test a critic on separate parts of them.")
    answer = []
    for part in parts:
        rest = order[~np.isin(order, part)][:learning] if folds else order[len(part) :]
        answer.append(Split(rest[validating:], rest[:validating] if fractions[1] else part, part))
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
    standard = (values - centre) / spread
    return np.arcsinh(standard) if scaling == "robust" else standard


def _normal_scores(values: Array, known: Array) -> Array:
    from scipy.special import ndtri

    distinct, counts = np.unique(known, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    scores: Array = ndtri(np.interp(values, distinct, middle / (len(known) + 1)))
    return scores
