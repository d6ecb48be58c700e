"""A permutation test of independence, for any number of columns, continuous, discrete, tied or mixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from mibench.errors import UsageError
from mibench.estimator import Array, check_samples
from mibench.samples.order import in_both

from .features import fourier, normal_scores, uniform_scores, waves
from .neighbours import SharedNeighbours
from .series import memory, shifts

_PERMUTATIONS, _PERMUTATIONS_OF_FEW = 199, 499
_FEW_ROWS, _FEW_VALUES = 2_000, 20_000
_MOST_ROWS = 20_000
_MOST_IN_GRAPHS = 4_096
_MOST_PRODUCTS = 2e11  # multiplications in all permutations: some seconds
_FREQUENCIES = 50
_WAVES = 6
_COLUMNS_OF_WAVES = 256

_AUTOCORRELATED = "neighbouring rows of both are correlated, so that p is too small: say that it is a time series"


@dataclass(frozen=True)
class Independence:
    """The outcome of a test of independence.

    p : probability of a statistic at least as great if x and y were independent: (1 + permuted samples whose statistic
        is not less) / (1 + permutations).
    statistic : mean over the parts of 1 / (their own p), which one small p makes great.
    permutations : how many there were.
    block : 1 where rows were permuted one by one; for time series, the least circular shift in rows.
    rows : how many rows were used; n unless there were too many.
    effective_n : how many independent rows those are worth.
    parts : the p of each part, before they are combined.
    warning : why p does not hold, or nothing. time_series : y was shifted in a circle, not permuted.
    """

    p: float
    statistic: float
    permutations: int
    block: int
    rows: int
    effective_n: float
    parts: Mapping[str, float] = field(default_factory=dict)
    warning: str = ""
    time_series: bool = False

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        facts = {**asdict(self), "effective_n": round(self.effective_n, 1), "parts": dict(self.parts)}
        return facts if self.warning else {k: v for k, v in facts.items() if k != "warning"}


def independence_test(
    x: npt.ArrayLike, y: npt.ArrayLike, seed: int = 0, permutations: int | None = None, time_series: bool = False
) -> Independence:
    """Test whether x and y, (n,) or (n, dim) each, are independent.

    Five statistics see different kinds of dependence: rank correlations of all pairs of columns, summed; the strongest
    pair, whose ranks may also turn; a kernel on the whole rows (HSIC); neighbours that x and y share, at two scales.
    All are computed on the same permutations. Each permuted sample, and the sample itself, gets the p of each statistic
    among all of them, and the mean of 1 / p is compared. The level is exact, whatever the margins, because under
    independence all these samples are equally likely.

    permutations : 499 of up to 2,000 rows and 20,000 values of x or y, 199 of more, unless told otherwise.
    time_series : the rows follow one another in time. In place of permutations y is shifted against x in a circle, by
        at least as many rows as the two remember: each series keeps its own order, and the level holds for stationary
        series, approximately where the ends do not meet.

    Of more than 20,000 rows, or fewer where there are hundreds of columns, a random part is used (every m-th row of
    time series), and 4,096 for shared neighbours.

    >>> independence_test(x, y).p

    Raises
    ------
    DataError : samples that cannot be used, or a series that is too short. UsageError : fewer than 19 permutations.
    """
    x, y = check_samples(x, y, 4)
    if permutations is None:
        few = len(x) <= _FEW_ROWS and max(x.size, y.size) <= _FEW_VALUES
        permutations = _PERMUTATIONS_OF_FEW if few else _PERMUTATIONS
    if permutations < 19:
        raise UsageError(f"{permutations} permutations are too few: with fewer than 19 no p is as small as 0.05.")
    rng = np.random.default_rng([11, seed])
    warning = _AUTOCORRELATED if not time_series and in_both(x, y) is not None else ""
    kept = _kept(len(x), _rows_for(x.shape[1], y.shape[1], permutations), time_series, rng)
    x, y = x[kept], y[kept]
    block, effective = memory(x, y) if time_series else (1, float(len(x)))
    inner = -(-len(x) // _MOST_IN_GRAPHS)  # every how many rows the graphs have one
    if time_series:
        x, y = (v[: len(v) // inner * inner] for v in (x, y))
        in_graphs = np.arange(0, len(x), inner)
        by = shifts(len(x), inner, block, permutations, rng)
        orders = (np.roll(np.arange(len(x)), -int(shift)) for shift in by)
        permutations = len(by)
    else:
        in_graphs = np.arange(min(len(x), _MOST_IN_GRAPHS))  # the rows are in a random order where that is a part
        orders = (_within(len(x), len(in_graphs), rng) for _ in range(permutations))
    with threadpool_limits(1, "blas"):  # the products are small: more threads would wait for each other
        found = np.array([*_statistics(x, y, in_graphs, inner if time_series else 1, orders, rng)])
    own = {name: _p_values(values) for name, values in zip(_PARTS, found.T, strict=True)}
    combined = np.average([1 / p for p in own.values()], axis=0, weights=list(_PARTS.values()))
    at_least = int((combined[1:] >= combined[0] * (1 - 1e-12)).sum())
    return Independence(
        p=(1 + at_least) / (1 + permutations),
        statistic=float(combined[0]),
        permutations=permutations,
        block=block,
        rows=len(x),
        effective_n=effective,
        parts={name: float(p[0]) for name, p in own.items()},
        warning=warning,
        time_series=time_series,
    )


_PARTS = {"monotone": 0.25, "strongest pair": 0.25, "kernel": 0.25, "nearest neighbours": 0.1, "neighbourhoods": 0.15}
"""The statistics with their weights: how soon a small p of one alone counts."""


def _statistics(
    x: Array,
    y: Array,
    in_graphs: npt.NDArray[np.int64],
    step: int,
    orders: Iterator[npt.NDArray[np.int64]],
    rng: np.random.Generator,
) -> Iterator[tuple[float, ...]]:
    """The statistics of ``_PARTS`` of the sample itself and then of each order of y."""
    n = len(x)
    turns = _turns(x.shape[1], y.shape[1])
    u, v = uniform_scores(x), uniform_scores(y)
    waves_x, waves_y = waves(u, turns), waves(v, turns)
    left = np.ascontiguousarray(waves_x.reshape(n, -1).T)
    right = waves_y.reshape(n, -1)
    shape = x.shape[1], turns, y.shape[1], turns
    slow = 1 / np.arange(1, turns + 1, dtype=np.float32)
    weights = slow[:, None, None] * slow
    normal_x, normal_y = normal_scores(u), normal_scores(v)
    kernel_left = np.ascontiguousarray(fourier(normal_x, _FREQUENCIES, rng).T)
    kernel_right = fourier(normal_y, _FREQUENCIES, rng)
    graphs = SharedNeighbours.of(normal_x[in_graphs], normal_y[in_graphs], rng)
    for order in chain([np.arange(n)], orders):
        squares = np.square(left @ right[order]).reshape(shape) * weights
        kernel = np.square(kernel_left @ kernel_right[order]).sum()
        shared = graphs.shared(order[in_graphs] // step)
        yield float(squares[:, 0, :, 0].sum()), float(squares.sum(axis=(1, 3)).max()), float(kernel), *shared


def _turns(dim_x: int, dim_y: int) -> int:
    """Waves of each column, so many that the products of all pairs stay few."""
    return max(1, min(_WAVES, _COLUMNS_OF_WAVES // max(dim_x, dim_y)))


def _rows_for(dim_x: int, dim_y: int, permutations: int) -> int:
    """How many rows can be used in some seconds."""
    products = dim_x * dim_y * _turns(dim_x, dim_y) ** 2 + 4 * _FREQUENCIES**2
    return max(1000, min(_MOST_ROWS, int(_MOST_PRODUCTS / (products * permutations))))


def _kept(n: int, most: int, time_series: bool, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """All rows; of too many every m-th one of a series, and some at random, in a random order, of others."""
    if n <= most:
        return np.arange(n) if time_series or n <= _MOST_IN_GRAPHS else rng.permutation(n)
    return np.arange(0, n, -(-n // most)) if time_series else rng.permutation(n)[:most]


def _within(n: int, inner: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """A permutation of n rows that keeps the first ``inner`` among themselves, and the others."""
    if inner == n:
        return rng.permutation(n)
    return np.concatenate([rng.permutation(inner), inner + rng.permutation(n - inner)])


def _p_values(values: Array) -> Array:
    """For each value, the share of all that are at least as great; values that differ by rounding are equal."""
    rounded = np.round(values / max(float(np.abs(values).max()), 1e-300), 6)
    shares: Array = rankdata(-rounded, method="max") / len(values)
    return shares
