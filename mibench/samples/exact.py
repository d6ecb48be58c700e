"""Exact relations: what one variable determines of the other, beyond chance and without visible noise."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from mibench.estimator import Array

from .natures import FEW_TIES, tied_share

Ranks = npt.NDArray[np.int64]

LEAST_ROWS = 10
_BY_CHANCE = 1e-3
"""How often any column of independent variables may seem to be determined."""
_ROUNDING = 1e-9
"""Of the spread of a column, what differences of rounding stay below."""


def dense_ranks(values: Array) -> Ranks:
    """0, 1, ... for the distinct values of each column."""
    return np.column_stack([np.unique(column, return_inverse=True)[1] for column in values.T]).astype(np.int64)


def beyond_chance(ranks: Ranks, tries: int, freedom: int = 0) -> bool:
    """Whether a column of dense ranks (n,) would hardly be found determined if its rows were in any other order.

    A rule with ``freedom`` free letters fits that many of the orders at most. A single odd value is no evidence.
    """
    counts = np.bincount(ranks)
    orders = gammaln(len(ranks) + 1) - gammaln(counts + 1).sum()
    return bool(orders - freedom * math.log(len(counts)) > math.log(tries / _BY_CHANCE))


def same_order(x: Ranks, y: Ranks) -> Iterator[tuple[int, int, int]]:
    """Pairs of columns of dense ranks (i, j, sign) that are the same in all rows, or the reverse (sign -1)."""
    if len(x) < LEAST_ROWS:
        return
    by_rank: dict[bytes, list[int]] = {}
    for i, column in enumerate(x.T):
        by_rank.setdefault(column.tobytes(), []).append(i)
    for j, column in enumerate(y.T):
        if beyond_chance(column, x.shape[1] * y.shape[1]):
            yield from ((i, j, 1) for i in by_rank.get(column.tobytes(), []))
            yield from ((i, j, -1) for i in by_rank.get((column.max() - column).tobytes(), []))


def noisy(x: Array, y: Array) -> bool:
    """Whether y (n,) is seen to have noise beside a smooth function of x (n,), both nearly without ties.

    Each value is interpolated between 2, 4 and 6 neighbours. Without noise every further pair brings it nearer, until
    rounding; noise stays where it is.
    """
    x, first = np.unique(x, return_index=True)
    y = y[first]
    spread = float(np.subtract(*np.quantile(y, [0.84, 0.16]))) or 1.0
    away = [_interpolated_away(x, y, reach) / abs(spread) for reach in (1, 2, 3)]
    return min(away) > _ROUNDING and away[2] > away[1] / 2


def _interpolated_away(x: Array, y: Array, reach: int) -> float:
    """The median distance of values from the polynomial through ``reach`` neighbours on either side."""
    inner = slice(reach, len(x) - reach)
    offsets = [k for k in range(-reach, reach + 1) if k]
    near = {k: (x[reach + k : len(x) - reach + k], y[reach + k : len(x) - reach + k]) for k in offsets}
    found = np.zeros(len(x) - 2 * reach)
    for k, (at, value) in near.items():
        others = [near[other][0] for other in offsets if other != k]
        with np.errstate(over="ignore", invalid="ignore"):  # of neighbours whose difference is next to nothing
            found += value * np.prod([(x[inner] - o) / (at - o) for o in others], axis=0)
    away = np.abs(found - y[inner])
    return float(np.median(np.where(np.isnan(away), np.inf, away)))


def exact_line(x: Array, y: Array) -> bool:
    """Whether a linear function of x (n, dim_x) equals one of y (n, dim_y), to rounding, and hardly repeats a value."""
    n = len(x)
    u, v = _orthonormal(x), _orthonormal(y)
    if n - 1 < u.shape[1] + v.shape[1]:
        return False  # some function of each would agree, whatever they are
    left, rho, _ = np.linalg.svd(u.T @ v)
    shared = (u @ left)[:, : len(rho)][:, (1 - rho) * (1 + rho) <= n * np.finfo(float).eps] * np.sqrt(n)
    return bool(hardly_repeats(np.round(shared, 9)).any())


def _orthonormal(values: Array) -> Array:
    """An orthonormal basis (n, rank) of the centred columns, whatever their units."""
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    basis, singular, _ = np.linalg.svd(centred / np.where(spread > 0, spread, 1.0), full_matrices=False)
    kept: Array = basis[:, singular > singular[0] * max(values.shape) * np.finfo(float).eps]
    return kept


def hardly_repeats(values: Array) -> npt.NDArray[np.bool_]:
    """Which columns of values (n, dim) hardly repeat a value."""
    found: npt.NDArray[np.bool_] = tied_share(values) <= FEW_TIES
    return found
