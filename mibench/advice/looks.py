"""What a sample looks like, in numbers: sizes, ties, tails, effective dimensions, linear dependence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mibench.estimator import Array
from mibench.ranks import normal_scores

from .views import canonical, standardized


def looks(x: Array, y: Array) -> dict[str, float]:
    """Features of paired samples x (n, dim_x) and y (n, dim_y) that do not depend on units or on which is called x.

    What is told of each side is told of the lower and of the higher of the two values.
    """
    n = len(x)
    u, v = standardized(normal_scores(x)), standardized(normal_scores(y))
    rho = canonical(u, v)[2]
    found = {
        "n": float(n),
        "correlation": float(np.abs(u.T @ v / n).max()),
        "canonical_1": float(rho[0]),
        "canonical_2": float(rho[1]) if len(rho) > 1 else 0.0,
        "canonical_sum": float(-0.5 * np.log(np.maximum(1 - rho**2, 1e-6)).sum()),
        "copies": 1 - len(np.unique(np.hstack([x, y]), axis=0)) / n,
    }
    for name, of_x, of_y in (
        ("dim", float(x.shape[1]), float(y.shape[1])),
        ("rank", _effective_rank(u), _effective_rank(v)),
        ("raw_rank", _effective_rank(standardized(x)), _effective_rank(standardized(y))),
        ("ties", _ties(x), _ties(y)),
        ("levels", _levels(x), _levels(y)),
        ("tail", _tail(x), _tail(y)),
        ("narrow", _tail(x, np.min), _tail(y, np.min)),
        ("skew", _skew(x), _skew(y)),
    ):
        found[f"{name}_low"], found[f"{name}_high"] = min(of_x, of_y), max(of_x, of_y)
    return found


def _effective_rank(values: Array) -> float:
    """(sum of the eigenvalues)^2 / sum of their squares, of the covariance: how many dimensions hold the variance."""
    n, dim = values.shape
    gram = values.T @ values if dim <= n else values @ values.T
    square = float((gram**2).sum())
    return float(np.trace(gram) ** 2 / square) if square else 0.0


def _ties(values: Array) -> float:
    """The mean share of rows whose value is not the first of its kind in its column."""
    ordered = np.sort(values, axis=0)
    return float((ordered[1:] == ordered[:-1]).mean())


def _levels(values: Array) -> float:
    """log10 of the distinct values of the column with the fewest."""
    ordered = np.sort(values, axis=0)
    return float(np.log10(1 + (ordered[1:] != ordered[:-1]).sum(axis=0).min()))


def _tail(values: Array, which: Callable[[Array], Any] = np.max) -> float:
    """log of (the range of the middle 98 %) / (that of the middle half), 0.97 for a normal; of the widest column."""
    low, first, third, high = np.quantile(values, [0.01, 0.25, 0.75, 0.99], axis=0)
    width = third - first
    ratio = np.log(np.where(width > 0, (high - low) / np.where(width > 0, width, 1.0), 1e3).clip(1.0, 1e3))
    return float(which(ratio))


def _skew(values: Array) -> float:
    """Bowley's skewness, from quartile-like quantiles, of the most skewed column: 0 to 1."""
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9], axis=0)
    width = high - low
    return float(np.abs(np.where(width > 0, (high + low - 2 * middle) / np.where(width > 0, width, 1.0), 0.0)).max())
