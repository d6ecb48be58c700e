"""Other looks at a sample that show how an estimator errs on it: halves, permuted pairs, normal scores, a surrogate.

A view takes x (n, dim_x), y (n, dim_y) and a generator, and returns another pair; it is a pure function of the three.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from mibench.estimator import Array
from mibench.ranks import normal_scores

View: TypeAlias = Callable[[Array, Array, np.random.Generator], tuple[Array, Array]]

_RIDGE = 0.02
"""Share of the unit variance that is added to correlations before they are inverted."""
_LEADING = 3


def standardized(values: Array) -> Array:
    """Columns with mean 0 and variance 1; constant ones become 0."""
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    found: Array = centred / np.where(spread > 0, spread, 1.0)
    return found


def canonical(x: Array, y: Array, count: int | None = None) -> tuple[Array, Array, Array]:
    """Canonical variables (n, count) of both sides of standardised columns, and their correlations, with a ridge."""
    n = len(x)
    left, right = (_whitening(v) for v in (x, y))
    a, rho, b = np.linalg.svd(left.T @ (x.T @ y / n) @ right, full_matrices=False)
    count = len(rho) if count is None else min(count, len(rho))
    return x @ (left @ a[:, :count]), y @ (right @ b[:count].T), np.clip(rho, 0.0, 1.0)


def _whitening(values: Array) -> Array:
    variances, axes = np.linalg.eigh(values.T @ values / len(values))
    found: Array = axes / np.sqrt(np.maximum(variances, 0.0) + _RIDGE)
    return found


def surrogate(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array, float]:
    """A Gaussian sample of the same shape with (ridged) correlations of the normal scores, and its information."""
    joint = np.hstack([standardized(normal_scores(x)), standardized(normal_scores(y))])
    dim = x.shape[1]
    cov = joint.T @ joint / len(joint) + _RIDGE * np.eye(joint.shape[1])
    root = np.linalg.cholesky(cov)
    drawn = rng.standard_normal(joint.shape) @ root.T
    halves = (np.linalg.slogdet(cov[:dim, :dim])[1], np.linalg.slogdet(cov[dim:, dim:])[1])
    return drawn[:, :dim], drawn[:, dim:], float(0.5 * (sum(halves) - np.linalg.slogdet(cov)[1]))


def _half(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    rows = rng.permutation(len(x))[: len(x) // 2]
    return x[rows], y[rows]


def _permuted(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    return x, y[rng.permutation(len(y))]


def _surrogate(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    return surrogate(x, y, rng)[:2]


def _scores(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    return normal_scores(x), normal_scores(y)


def _squares(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    return normal_scores(x) ** 2, normal_scores(y) ** 2


def _leading(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    return canonical(standardized(normal_scores(x)), standardized(normal_scores(y)), _LEADING)[:2]


def _principal(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    return _components(standardized(x)), _components(standardized(y))


def _components(values: Array) -> Array:
    if values.shape[1] <= _LEADING:
        return values
    axes = np.linalg.eigh(values.T @ values)[1]
    found: Array = values @ axes[:, -_LEADING:]
    return found


VIEWS: dict[str, View] = {
    "half": _half,
    "permuted": _permuted,
    "surrogate": _surrogate,
    "scores": _scores,
    "squares": _squares,
    "leading": _leading,
    "principal": _principal,
}
"""half : a random half of the rows. permuted : pairs torn apart, so the truth is 0. surrogate : a Gaussian sample with
the correlations of the normal scores, so the truth is known. scores : normal scores of every column. squares : their
squares, which see dependence of scale. leading : the leading canonical variables of the scores. principal : the leading
principal components of each side."""
