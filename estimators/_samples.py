"""What estimators do with samples before and after their own mathematics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mibench.estimator import Array, Estimator


def require_samples(estimator: Estimator, least: int) -> None:
    """Let an instance whose hyperparameters take more samples than its class says so in its ``capabilities.min_n``."""
    stated = type(estimator).capabilities
    object.__setattr__(estimator, "capabilities", replace(stated, min_n=max(least, stated.min_n)))


def standardized(values: Array) -> Array:
    """Columns of ``values`` (n, dim) with mean 0 and standard deviation 1; constant columns become 0."""
    centred = values - values.mean(axis=0)
    scale = centred.std(axis=0)
    scale[np.ptp(values, axis=0) == 0] = np.inf
    standard: Array = centred / scale
    return standard


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
