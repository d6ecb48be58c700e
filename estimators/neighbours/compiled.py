"""Compiling numerical loops with numba, and the one small loop that every search for neighbours shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numba import njit

# distances are never NaN and the sign of a zero distance does not matter, so maxima and minima can be vectorised;
# sums keep their order, or the same two samples would be at different distances in different searches
ORDERED = frozenset({"nnan", "nsz"})

Function: TypeAlias = Callable[..., Any]


def compiler(fastmath: frozenset[str], **options: Any) -> Callable[[Function], Function]:
    """A decorator that compiles a function on first use, free to reorder arithmetic as ``fastmath`` says.

    The machine code is kept on disk wherever a folder for it can be written.
    """
    options |= {"nogil": True, "fastmath": set(fastmath)}

    def decorate(function: Function) -> Function:
        try:
            return njit(function, cache=True, **options)  # type: ignore[no-any-return]
        except RuntimeError:  # neither __pycache__ nor the user's cache folder is writable, and NUMBA_CACHE_DIR not set
            return njit(function, **options)  # type: ignore[no-any-return]

    return decorate


compiled = compiler(ORDERED)


@compiled
def insert(nearest, index, extent_x, extent_y, in_x, in_y, j):  # type: ignore[no-untyped-def]
    """Put sample j, at the distances ``in_x`` and ``in_y``, among the k nearest if it belongs there.

    All four arrays have length k and ascend by (distance, index), so that ties are broken alike in every search.
    """
    distance = max(in_x, in_y)
    place = len(nearest)
    while place > 0 and (distance < nearest[place - 1] or (distance == nearest[place - 1] and j < index[place - 1])):
        place -= 1
    if place == len(nearest):
        return
    for i in range(len(nearest) - 1, place, -1):
        nearest[i] = nearest[i - 1]
        index[i] = index[i - 1]
        extent_x[i] = extent_x[i - 1]
        extent_y[i] = extent_y[i - 1]
    nearest[place], index[place], extent_x[place], extent_y[place] = distance, j, in_x, in_y


@compiled
def radii(nearest, extent_x, extent_y, closed, rectangle):  # type: ignore[no-untyped-def]
    """The greatest distances in x and in y at which a sample still counts."""
    radius_x = extent_x.max() if rectangle else nearest[-1]
    radius_y = extent_y.max() if rectangle else nearest[-1]
    if not closed:  # at radius 0 samples at 0 count nevertheless
        radius_x, radius_y = max(0.0, np.nextafter(radius_x, 0.0)), max(0.0, np.nextafter(radius_y, 0.0))
    return radius_x, radius_y
