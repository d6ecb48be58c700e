"""Whether the order of the rows says that they are no independent draws."""

from __future__ import annotations

import math

import numpy as np

from mibench.estimator import Array

_LOOKED_AT = 20  # columns of each variable at most: pictures have thousands


def is_sorted(values: Array) -> bool:
    """Whether a column never falls, or never rises: then its order tells nothing about independence."""
    steps = np.diff(values)
    return bool(steps.min() >= 0 or steps.max() <= 0)


def is_index(values: Array) -> bool:
    """Whether a column is equally spaced from the first row to the last."""
    steps = np.diff(values)
    return len(values) > 9 and steps[0] != 0 and bool((np.abs(steps - steps[0]) <= 1e-9 * abs(steps[0])).all())


def autocorrelation(values: Array, ranked: bool = True) -> float | None:
    """The lag-1 correlation of a column (n,), of its ranks unless told otherwise; None where chance explains it.

    Beyond chance are five standard errors: at 100 columns still one false alarm in 10,000. Where a few values outweigh
    all others, as events that are rare, two that meet would be as much; four must.
    """
    if len(values) < 20:
        return None
    numbers = np.argsort(np.argsort(values, kind="stable"), kind="stable") if ranked else values
    centred = numbers - numbers.mean()
    square = float(centred @ centred)
    if not square:
        return None
    products = centred[1:] * centred[:-1]
    lag = float(centred[1:] @ centred[:-1] / square)
    least = max(0.05, 5 / np.sqrt(len(values)), 2 * np.linalg.norm(products) / square)
    return lag if abs(lag) > least else None


def lag_of(column: Array) -> float | None:
    """The autocorrelation of a column (n,) that is known to be beyond chance; None also where the rows are sorted."""
    if len(column) < 2 or is_sorted(column):
        return None
    # values that repeat are taken as they are: a stable sort would make ties follow one another
    return autocorrelation(column, len(np.unique(column)) > 0.95 * len(column))


def in_both(x: Array, y: Array) -> float | None:
    """The weaker of the strongest autocorrelations in x (n, dim_x) and in y (n, dim_y); None where either has none.

    Standard errors that take rows for independent are too small where both variables are autocorrelated. Columns that
    number the rows say nothing, and rows sorted by another one are no series.
    """
    x, y = (v[:, :: -(-v.shape[1] // _LOOKED_AT)] for v in (x, y))
    looked_at = [[column for column in v.T if not is_index(column)] for v in (x, y)]
    if len(x) < 2 or any(is_sorted(column) for v in looked_at for column in v):
        return None
    return weaker(*(max(filter(None, map(lag_of, v)), key=abs, default=None) for v in looked_at))


def weaker(one: float | None, other: float | None) -> float | None:
    """The autocorrelation that errors depend on, of two variables with these; None where either has none."""
    return None if one is None or other is None else min(one, other, key=abs)


def apart(lag: float | None, n: int) -> int:
    """How many rows apart two of n rows of a series are worth two samples: (1 + r^2) / (1 - r^2), at lag-1 correlations
    r of both variables (Bartlett 1935, for AR(1)); 1 where rows look independent."""
    if lag is None or n < 100:
        return 1
    return min(math.ceil((1 + lag**2) / max(1 - lag**2, 1e-6) - 0.05), n // 30)
