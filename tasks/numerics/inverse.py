"""Inverses of smooth increasing functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mibench.estimator import Array


def invert(value_and_slope: Callable[[Array], tuple[Array, Array]], target: Array, low: Array, high: Array) -> Array:
    """Solve f(v) = target for increasing f, elementwise, given brackets f(low) <= target <= f(high).

    Newton's steps from a table's answer, replaced by bisection wherever they leave the bracket; ends at the resolution
    of a double.
    """
    flat, low, high = target.ravel(), low.ravel().copy(), high.ravel().copy()
    grid = np.linspace(low.min(), high.max(), 2000)
    v = np.clip(np.interp(flat, value_and_slope(grid)[0], grid), low, high)
    active = np.arange(flat.size)
    for _ in range(100):
        at = v[active]
        value, slope = value_and_slope(at)
        above = value > flat[active]
        high[active] = np.where(above, at, high[active])
        low[active] = np.where(above, low[active], at)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = at - (value - flat[active]) / slope
        inside = (step >= low[active]) & (step <= high[active])  # False for NaN
        step = np.where(inside, step, 0.5 * (low[active] + high[active]))
        v[active] = step
        # the error is of the order of the last step squared
        active = active[np.abs(step - at) > 1e-9 * (1 + np.abs(at))]
        if not active.size:
            break
    return v.reshape(target.shape)
