"""Smooth functions without noise: relations of continuous variables whose mutual information would be infinite."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array

_MOST_DIMS = 4  # beyond, a few thousand rows lie too far apart to see a function between them
_MOST_SINGLE = 5  # columns that are tried alone
_ASKED = 200  # rows at which a function is predicted
_NEGLIGIBLE = 0.003  # of the spread of y, above which a residual is no rounding and no curvature
_LEAST_ROWS = 100

Indices = npt.NDArray[np.signedinteger]


def smooth_functions(predictors: Array, values: Array) -> Iterator[tuple[tuple[int, ...], int, float]]:
    """Columns of ``values`` that are smooth functions of ``predictors``, (n, dim) each, as far as n rows can show.

    Yields the predicting columns, the column, and the residual as a share of its spread. A linear function is fitted to
    the nearest rows of a row. Where y is smooth and has no noise the residual falls as the square of their distance, so
    with four times as many rows by 4^(2 / dim); noise of any size that shows stays where it is. That any noise is
    smaller than the residual is all that can be said: no sample shows that there is none.
    """
    n, dim = predictors.shape
    if n < _LEAST_ROWS:
        return
    alone = [(i,) for i in range(min(dim, _MOST_SINGLE))]
    together = [tuple(range(dim))] if 1 < dim <= _MOST_DIMS else []
    for j in range(min(values.shape[1], _MOST_SINGLE)):
        for chosen in (*alone, *together):
            share = _residual_of_function(predictors[:, chosen], values[:, j])
            if share is not None:
                yield chosen, j, share
                break


def _residual_of_function(x: Array, y: Array) -> float | None:
    """The residual as a share of the spread of y if it falls as that of a smooth function does, else None."""
    n, dim = x.shape
    low, middle, high = np.quantile(y, [0.16, 0.5, 0.84])
    spread = 2 * float(min(middle - low, high - middle))  # of the half where most values lie, where tails are long
    scale = np.subtract(*np.quantile(x, [0.84, 0.16], axis=0))
    if spread <= 0 or (scale <= 0).any():
        return None
    x = (x - np.median(x, axis=0)) / scale
    order = np.random.default_rng(0).permutation(n)
    asked = order[: min(_ASKED, n // 8)]
    of_all, of_quarter = (_residual(x, y, order[: n // part], asked) / spread for part in (1, 4))
    if not of_all <= _NEGLIGIBLE:
        return None
    if of_quarter <= 1e-9:  # linear, to rounding
        return of_all
    return of_all if of_quarter > 4 ** (1.5 / dim) * of_all else None


def _residual(x: Array, y: Array, rows: Indices, asked: Indices) -> float:
    """The median distance of y from a linear fit to the 2 dim + 2 nearest others of ``rows``, at the rows asked."""
    from scipy.spatial import KDTree

    count = 2 * x.shape[1] + 2
    places = np.asarray(KDTree(x[rows]).query(x[asked], count + 1)[1])
    near = rows[places[:, 1:]]  # the first is the row itself
    design = np.concatenate([np.ones((*near.shape, 1)), x[near] - x[asked][:, None]], axis=2)
    fitted = (np.linalg.pinv(design, rcond=1e-6) @ y[near][:, :, None])[:, 0, 0]
    return float(np.median(np.abs(fitted - y[asked])))
