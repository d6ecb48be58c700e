"""Whether the order of the rows says that they are no independent draws."""

from __future__ import annotations

import numpy as np

from mibench.estimator import Array

_LOOKED_AT = 20  # columns of each variable at most: pictures have thousands


def is_sorted(values: Array) -> bool:
    """Whether a column never falls, or never rises: then its order tells nothing about independence."""
    steps = np.diff(values)
    return bool(steps.min() >= 0 or steps.max() <= 0)


def autocorrelation(values: Array, ranked: bool = True) -> float | None:
    """The lag-1 correlation of a column (n,), of its ranks unless told otherwise; None where chance explains it.

    Beyond chance are five standard errors: at 100 columns still one false alarm in 10,000.
    """
    if len(values) < 20:
        return None
    numbers = np.argsort(np.argsort(values, kind="stable"), kind="stable") if ranked else values
    centred = numbers - numbers.mean()
    square = float(centred @ centred)
    if not square:
        return None
    lag = float(centred[1:] @ centred[:-1] / square)
    return lag if abs(lag) > max(0.05, 5 / np.sqrt(len(values))) else None


def in_both(x: Array, y: Array) -> float | None:
    """The weaker of the strongest autocorrelations in x (n, dim_x) and in y (n, dim_y); None where either has none.

    Standard errors that take rows for independent are too small where both variables are autocorrelated.
    """
    x, y = (v[:, :: -(-v.shape[1] // _LOOKED_AT)] for v in (x, y))
    if len(x) < 2 or any(is_sorted(column) for column in (*x.T, *y.T)):
        return None
    # values that repeat are taken as they are: a stable sort would make ties follow one another
    found = [
        max(filter(None, (autocorrelation(c, len(np.unique(c)) > 0.95 * len(c)) for c in v.T)), key=abs, default=None)
        for v in (x, y)
    ]
    return None if None in found else min((lag for lag in found if lag), key=abs)
