"""Rows that stand in a sample more than once: one observation that was written down several times.

Rounded readings, zeros and letters meet by chance as well; what is looked for here is a row whose values are found
nowhere but in its copies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array

_ATOM = 10
"""Times the usual count of its column from which on a value is an atom, such as the zeros of a day without rain."""
_RESOLVED = 8
"""Steps of the finest kind for each distinct value, in the middle of a column, from which on no two meet by chance."""


def repeated_rows(values: Array, labels: Sequence[bool] = ()) -> npt.NDArray[np.bool_]:
    """Which rows (n,) of ``values`` (n, dim) are copies of earlier ones; none where chance would do.

    A copy has a value of a finely resolved column that is no atom, and each such value is found in the copies of its
    row more often than elsewhere. Chance would do for up to 1 in 100 rows; where but one column is fine, for up to 1
    in 20, and for any number where that column has few values, or has them in rows that differ: doses, say.

    labels : which columns are of names that numbers stand for; they are never fine.
    """
    import pandas as pd

    n, dim = values.shape
    none = np.zeros(n, dtype=bool)
    keys = pd.util.hash_pandas_object(pd.DataFrame(values + 0.0), index=False).to_numpy()
    _, first, place, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    if n - len(first) <= 0.01 * n:
        return none
    again, size = ~none, counts[place]
    again[first] = False
    fine, most, alike, rare, own = 0, 0, 0.0, none.copy(), ~none
    for j in range(dim):
        distinct, place, counts = np.unique(values[:, j], return_inverse=True, return_counts=True)
        if (j < len(labels) and labels[j]) or not _is_fine(distinct):
            continue
        fine, most = fine + 1, max(most, len(distinct))
        held = counts[place.reshape(-1)]
        atom = held > _ATOM * np.median(counts)
        rare |= ~atom
        own &= atom | (2 * size > held)
        alike = float((size == held)[held > 1].mean()) if (held > 1).any() else 0.0
    found = again & rare
    enough = 0.01 if fine > 1 else 0.05 if 4 * most > n and alike > 0.95 else 1
    return found if (found & own).sum() > enough * n else none


def _is_fine(distinct: Array) -> bool:
    """Whether equal values in a column of these distinct ones, sorted, are hardly chance."""
    quarter = len(distinct) // 4
    middle = distinct[quarter : len(distinct) - quarter]
    if len(middle) < 10:
        return False
    steps, room = np.diff(middle), float(middle[-1] - middle[0])
    finest = float(steps[steps > 1e-9 * room].min())
    return room > _RESOLVED * len(middle) * finest
