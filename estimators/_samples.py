"""What estimators do with samples before and after their own mathematics."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mibench.estimator import Array, Capabilities, Estimator

WILD = 4.0  # a standard deviation this many times the quartile deviation is made by a few values: 1.5 for Student's t_3


class _Needing:
    """The capabilities of a class, and of its instances, which may need more samples than the class."""

    def __init__(self, stated: Capabilities, least: Callable[[Any], int]) -> None:
        self.stated, self.least = stated, least

    def __get__(self, instance: Estimator | None, owner: type) -> Capabilities:
        if instance is None:
            return self.stated
        return replace(self.stated, min_n=max(self.stated.min_n, self.least(instance)))


def needing(least: Callable[[Any], int], **stated: Any) -> Capabilities:
    """``Capabilities(**stated)`` for a class whose instances take at least ``least(self)`` samples, and ``min_n``."""
    capabilities: Any = _Needing(Capabilities(**stated), least)  # which reads as one, from the class and from instances
    return capabilities  # type: ignore[no-any-return]


def standardized(values: Array, robust: bool = False) -> Array:
    """Columns of ``values`` (n, dim) with mean 0 and standard deviation 1; constant columns become 0.

    robust : no column is divided by more than WILD times its quartile deviation, so that single wild values cannot
        squeeze the others to a point.
    """
    values = np.ldexp(values, -_exponent(values, axis=0))  # exact; squares stay far from the ends of float64
    centred = values - values.mean(axis=0)
    scale = centred.std(axis=0)
    if robust:
        scale = np.minimum(scale, WILD * _quartile_deviation(values))
    scale[np.ptp(values, axis=0) == 0] = np.inf
    standard: Array = centred / scale
    return standard


def rescaled(x: Array, y: Array) -> tuple[Array, Array]:
    """``x`` and ``y`` by the same power of two, so that the greatest value is about 1: no digit of any is lost."""
    exponent = max(_exponent(x), _exponent(y))
    return np.ldexp(x, -exponent), np.ldexp(y, -exponent)


def _exponent(values: Array, axis: int | None = None) -> Any:
    return np.frexp(np.abs(values).max(axis=axis))[1]


def _quartile_deviation(values: Array) -> Array:
    """What the standard deviation of each column would be if it were normal with these quartiles; 0 counts as infinite.

    The quartiles are values of the sample, so that its scale is theirs exactly.
    """
    low, high = np.quantile(values, [0.25, 0.75], axis=0, method="nearest")
    return np.where(high > low, (high - low) / 1.349, np.inf)


def wildness(x: Array, y: Array) -> dict[str, Any]:
    """``{"outliers": ratio}`` for diagnostics where single values of a column make most of its standard deviation.

    The ratio is that to the quartile deviation, in the column of x or y where it is greatest: 1 for normal samples, and
    left out up to WILD.
    """
    ratio = max(
        float((values.std(axis=0) / _quartile_deviation(values)).max())
        for values in (np.ldexp(v, -_exponent(v, axis=0)) for v in (x, y))
    )
    return {"outliers": float(f"{ratio:.3g}")} if ratio > WILD else {}


def ties(x: Array, y: Array) -> dict[str, Any]:
    """``{"ties": fraction}`` for diagnostics: the share of repeated values in the column of x or y with the most.

    Empty where no value repeats, as in samples of continuous variables.
    """
    ordered = np.sort(np.ascontiguousarray(np.hstack([x, y]).T), axis=1)
    share = float((ordered[:, 1:] == ordered[:, :-1]).mean(axis=1).max())
    return {"ties": round(share, 6)} if share > 0 else {}


def pooled(parts: Sequence[Array]) -> tuple[float, float]:
    """Mean of the contributions of all parts together, and its standard error from their spread within each part.

    Infinite contributions, which no finite spread describes, make the mean infinite (or NaN) and the error NaN.
    """
    n = sum(map(len, parts))
    with np.errstate(invalid="ignore", over="ignore"):
        spread = sum(float(((part - part.mean()) ** 2).sum()) for part in parts) / max(1, n - len(parts))
        return float(np.concatenate(parts).mean()), math.sqrt(spread / n)


def stderr_of_mean(log_ratios: Array, at_independence: float) -> float:
    """Standard error of a plug-in estimate that is the mean of fitted log density ratios, shape (n,).

    The influence function of mutual information is the log density ratio itself, hence the first-order variance
    ``var / n``. Where X and Y are independent this term vanishes and a variance v of second order remains,
    ``at_independence``; the fitted ratios then show 2 v by overfitting. ``var / n - v`` is right at both ends.
    """
    return math.sqrt(max(float(log_ratios.var()) / len(log_ratios) - at_independence, at_independence))
