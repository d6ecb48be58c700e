"""Rows that follow one another in time: how far they remember, what they are worth, and how they are permuted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from mibench.errors import DataError
from mibench.estimator import Array
from mibench.words import counted

_LOOKED_AT = 20  # columns of each variable at most
_LEAST_SHIFTS = 39


def memory(x: Array, y: Array) -> tuple[int, float]:
    """How many rows apart two rows must be to tell nothing of each other, and how many independent rows n are worth.

    The variance of a correlation of two independent series is that of n / (1 + 2 sum_k r_x(k) r_y(k)) independent rows
    (Bartlett 1935), r being the autocorrelations of the ranks. The sum ends, and the memory with it, at the first lag
    at which the products are lost in their error. Of several columns the pair that remembers most counts.
    """
    in_x, in_y = (_autocorrelations(v) for v in (x, y))
    n = len(x)
    longest, least = 1, float(n)
    for r in in_x:
        for s in in_y:
            lost = (np.abs(r) < 2 / np.sqrt(n)) | (np.abs(s) < 2 / np.sqrt(n))
            block = max(1, int(np.argmax(lost)) if lost.any() else len(lost))
            product = r[1:block] * s[1:block]
            worth = n / max(1.0, 1 + 2 * float((product * (1 - np.arange(1, block) / n)).sum()))
            longest, least = max(longest, block), min(least, worth)
    return longest, least


def _autocorrelations(values: Array) -> list[Array]:
    """Of the ranks of each column, lags 0 to n / 2; columns in which nothing varies are left out."""
    n = len(values)
    found = []
    for column in values[:, :: -(-values.shape[1] // _LOOKED_AT)].T:
        ranks = rankdata(column) - (n + 1) / 2
        spectrum = np.abs(np.fft.rfft(ranks, 2 * n)) ** 2
        covariances = np.fft.irfft(spectrum)[: max(2, n // 2)]
        if covariances[0] > 0:
            found.append(covariances / covariances[0])
    return found


def shifts(n: int, step: int, least: int, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """At most ``count`` different circular shifts, multiples of ``step`` and at least ``least`` rows either way.

    Raises
    ------
    DataError : the series is so short beside its memory that there are hardly any.
    """
    possible = np.arange(-(-least // step) * step, n - least + 1, step)
    if len(possible) < _LEAST_SHIFTS:
        raise DataError(
            f"{counted(n, 'row')} that remember {counted(least, 'row')} leave {counted(len(possible), 'shift')} of one "
            "series against the other, too few for a test: take a longer series."
        )
    return rng.choice(possible, min(count, len(possible)), replace=False)
