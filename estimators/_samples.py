"""What estimators do with samples before and after their own mathematics."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mibench import runtime
from mibench.errors import Unsupported
from mibench.estimator import Array, Capabilities, Estimator
from mibench.ranks import normal_scores

from .learned import threads

COLUMNS = 4  # that one thread looks at, where there are several
WILD = 4.0  # for how much greater a standard deviation is than the quartiles say: 1 if normal, 1.5 for Student t_3


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


def standardized(values: Array) -> Array:
    """Columns of ``values`` (n, dim) with mean 0 and standard deviation 1; constant columns become 0."""
    centred = values - values.mean(axis=0)
    scale = centred.std(axis=0)
    scale[np.ptp(values, axis=0) == 0] = np.inf
    standard: Array = centred / scale
    return standard


def tamed(values: Array) -> Array:
    """``standardized``, but with the normal scores of columns that have outliers, which would squeeze all else to a
    point. No information is lost: they are a bijection of each column."""
    wild = _wildness(values) > WILD
    standard = standardized(values)
    if wild.any():
        standard[:, wild] = normal_scores(values[:, wild])
    return standard


def outliers(x: Array, y: Array) -> dict[str, Any]:
    """``{"outliers": ratio}`` for diagnostics where single values make most of the standard deviation of a column.

    The ratio is that of the standard deviation to what it would be if the column were normal with its quartiles, in the
    column where it is greatest. Up to WILD it is left out.
    """
    ratio = float(np.concatenate([_wildness(x), _wildness(y)]).max())
    return {"outliers": float(f"{ratio:.3g}")} if ratio > WILD else {}


def varying(values: Array) -> Array:
    """Without the columns in which nothing varies, which tell nothing and have no density."""
    return values[:, np.ptp(values, axis=0) > 0]


def with_density(who: str, values: Array) -> Array:
    """``varying``, for an estimator ``who`` that models the density of ``values`` (n, dim).

    Raises
    ------
    Unsupported : a column is a linear function of others, so that there is none.
    """
    values = varying(values)
    singular = np.linalg.svd(standardized(values), compute_uv=False)
    if len(values) > values.shape[1] and singular[-1] <= singular[0] * len(values) * np.finfo(float).eps:
        raise Unsupported(
            f"{who}: columns follow from one another, so that the samples have no density; "
            "leave out what follows from the rest."
        )
    return values


def _wildness(values: Array) -> Array:
    """The ratio above, shape (dim,); 0 where half of the values are the same."""
    low, high = np.quantile(values, [0.25, 0.75], axis=0)
    ratio: Array = np.divide(1.349 * values.std(axis=0), high - low, out=np.zeros(len(low)), where=high > low)
    return ratio


def ties(x: Array, y: Array) -> dict[str, Any]:
    """``{"ties": fraction}`` for diagnostics: the share of repeated values in the column of x or y with the most.

    Empty where no value repeats, as in samples of continuous variables.
    """
    most = len(x.T) + len(y.T) if runtime.device() == "cpu" else COLUMNS
    some = [v.T[i : i + most] for v in (x, y) for i in range(0, v.shape[1], most)]
    share = max(threads(runtime.device(), _repeated, some))
    return {"ties": round(share, 6)} if share > 0 else {}


def _repeated(columns: Array) -> float:
    """The greatest share of repeated values in any of ``columns`` (dim, n)."""
    ordered = np.sort(np.ascontiguousarray(columns), axis=1)
    return float((ordered[:, 1:] == ordered[:, :-1]).mean(axis=1).max())


def commonest(values: Array) -> Array:
    """The share of the most frequent value in each column of ``values`` (n, dim), shape (dim,)."""
    return np.array([np.unique(column, return_counts=True)[1].max() for column in values.T]) / len(values)


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
