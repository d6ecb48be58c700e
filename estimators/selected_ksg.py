"""KSG of the columns that say most: what is there to be seen where few of many columns depend on one another."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, xlogy

from mibench.estimator import Array, Estimate, Estimator, check_samples, rng_for
from mibench.parameters import Count
from mibench.ranks import ranks
from mibench.registry import register_estimator

from ._samples import needing
from .ksg import KRASKOV, KSG, Prepared, prepared, within_the_kth

CHOOSING = 1_000
"""The most samples on which columns are chosen: of what is worth choosing, these see enough."""
CELLS = 8
"""The most cells of equal counts into which a column is cut where all pairs of columns are compared."""
BLOCK = 32
"""Columns of x that are compared with all of y in one product."""
CANDIDATES = 32
"""The pairs of columns, and the columns of either side, that say most in cells; the others are not tried."""
MOST = 8
"""Columns of both sides together at which the choice ends: KSG sees little in more; and the most columns of all from
which columns are taken away one by one, which finds what only several together say."""
GAIN = 2.0
"""Nats times sqrt(n) that a column must add; the greatest of so many differences is 1.6 where none adds anything."""

Columns = tuple[tuple[int, ...], tuple[int, ...]]
"""Of x, and of y, in ascending order."""
Rows = npt.NDArray[np.intp]


@register_estimator("selected-ksg")
class SelectedKSG(Estimator):
    """KSG of the columns of x and of y that forward selection chooses on the other half of the samples.

    Columns that do not depend crowd the neighbourhoods and hide what the others share: one of ten at n = 2,000 can
    leave KSG nothing. The choice begins with the pair of columns that says most to KSG and adds one column, or one
    pair, at a time as long as that adds more than chance does; of few columns in all, it is also begun with all and the
    least needed is left out again and again. Each half of the samples is averaged over the columns that the other half
    has chosen, so that the choice of the greatest does not show in the answer, with neighbours among all samples.

    Part of the columns never says more than all of them: up to the error of KSG on the few, this is a lower bound.

    Parameters
    ----------
    k : neighbours; fewer mean less bias and more variance.
    """

    k: Count = 3

    version: ClassVar[str] = "1"
    citation: ClassVar[str] = (
        "François, Rossi, Wertz & Verleysen (2007), Resampling methods for parameter-free and robust feature selection "
        f"with mutual information; {KRASKOV}"
    )
    capabilities: ClassVar = needing(lambda selected: 2 * (selected.k + 2), min_n=16, memory=0.1)

    def warm_up(self) -> None:
        """Compile what compares neighbours, or load it from disk."""
        KSG(self.k).warm_up()

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        x, y = check_samples(x, y, self.capabilities.min_n)
        samples = prepared(x, y, standardize=True)
        chosen = Chosen.of(samples, self.k, rng_for(seed))
        return Estimate(chosen.mean(self.k), diagnostics={**samples.diagnostics, **chosen.said})


@dataclass(frozen=True)
class Chosen:
    """Columns for each half of the samples, chosen on the other half."""

    samples: Prepared
    halves: tuple[Rows, Rows]
    columns: tuple[Columns, Columns]

    @classmethod
    def of(cls, samples: Prepared, k: int, rng: np.random.Generator) -> Chosen:
        """Those of which KSG with ``k`` neighbours says most; halves are drawn with ``rng``."""
        first, second = np.array_split(rng.permutation(len(samples.x)), 2)
        chosen_on = [chosen_columns(_rows(samples, half[:CHOOSING]), k) for half in (first, second)]
        return cls(samples, (first, second), (chosen_on[1], chosen_on[0]))

    def mean(self, k: int) -> float:
        """KSG with ``k`` neighbours, in nats: every sample has its neighbours among all, in the columns of its half."""
        terms = {columns: within_the_kth(_only(self.samples, columns), k, "max") for columns in set(self.columns)}
        of_halves = [terms[columns][half] for columns, half in zip(self.columns, self.halves, strict=True)]
        return float(np.concatenate(of_halves).mean() + digamma(len(self.samples.x)))

    @property
    def said(self) -> dict[str, dict[str, list[int]]]:
        """For diagnostics: the columns of x and of y, counted from 0, that either half has chosen."""
        return {"columns": {side: sorted({*a, *b}) for side, a, b in zip("xy", *self.columns, strict=True)}}


def chosen_columns(samples: Prepared, k: int) -> Columns:
    """Those of which KSG with ``k`` neighbours says most, as far as one column at a time finds them."""

    @functools.cache
    def said(columns: Columns) -> float:
        return float(within_the_kth(_only(samples, columns), k, "max").mean())

    found = [_forward(samples, said)]
    if samples.x.shape[1] + samples.y.shape[1] <= MOST:
        found += _backward(samples, said)
    return max(found, key=said)


def _forward(samples: Prepared, said: Callable[[Columns], float]) -> Columns:
    """The best pair of columns, and what adds to it."""
    in_cells = information_in_cells(samples.x, samples.y).round(9)  # of equals the first, whatever the last bits are
    likely = np.argsort(-in_cells, axis=None, kind="stable")[:CANDIDATES]
    pairs = list(zip(*(places.tolist() for places in np.unravel_index(likely, in_cells.shape)), strict=True))
    singles = [np.argsort(-in_cells.max(axis=axis), kind="stable")[:CANDIDATES].tolist() for axis in (1, 0)]
    best: Columns = max((((i,), (j,)) for i, j in pairs), key=said)
    while len(best[0]) + len(best[1]) < MOST:
        more = max(_enlarged(best, singles, pairs), key=said, default=best)
        if said(more) <= said(best) + GAIN / math.sqrt(len(samples.x)):
            break
        best = more
    return best


def _enlarged(
    columns: Columns, singles: Sequence[Sequence[int]], pairs: Sequence[tuple[int, int]]
) -> Iterator[Columns]:
    """With one more of ``singles`` of x or of y, or one more of ``pairs``."""
    x, y = columns
    yield from ((_with(x, i), y) for i in singles[0] if i not in x)
    yield from ((x, _with(y, j)) for j in singles[1] if j not in y)
    yield from ((_with(x, i), _with(y, j)) for i, j in pairs if i not in x and j not in y)


def _with(columns: tuple[int, ...], one: int) -> tuple[int, ...]:
    return tuple(sorted((*columns, one)))


def _backward(samples: Prepared, said: Callable[[Columns], float]) -> Iterator[Columns]:
    """All columns, then without the one that is needed least, and so on until one is left on either side."""
    left: Columns = (tuple(range(samples.x.shape[1])), tuple(range(samples.y.shape[1])))
    yield left
    while reduced := list(_reduced(left)):
        left = max(reduced, key=said)
        yield left


def _reduced(columns: Columns) -> Iterator[Columns]:
    x, y = columns
    if len(x) > 1:
        yield from ((tuple(c for c in x if c != i), y) for i in x)
    if len(y) > 1:
        yield from ((x, tuple(c for c in y if c != j)) for j in y)


def information_in_cells(x: Array, y: Array) -> Array:
    """The mutual information of every column of x (n, p) with every column of y (n, q) in cells, shape (p, q), nats.

    Columns are cut at their quantiles into at most ``CELLS``, fewer of few samples, and all pairs are counted in matrix
    products.
    """
    n, q = len(x), y.shape[1]
    cells = max(2, min(CELLS, math.isqrt(n // 5)))
    in_x, in_y = (_indicators(values, cells) for values in (x, y))
    counts = np.arange(n + 1)
    plogp = xlogy(counts, counts / n) / n  # of a cell with so many samples
    of_x, of_y = (plogp[inside.sum(axis=0).astype(int)].reshape(-1, cells).sum(axis=1) for inside in (in_x, in_y))
    together = []
    for at in range(0, in_x.shape[1], BLOCK * cells):
        joint = (in_x[:, at : at + BLOCK * cells].T @ in_y).astype(np.int32)  # counts below 2^24 are exact
        together.append(plogp[joint].reshape(-1, cells, q, cells).sum(axis=(1, 3)))
    found: Array = np.concatenate(together) - of_x[:, None] - of_y
    return found


def _indicators(values: Array, cells: int) -> npt.NDArray[np.float32]:
    """Whether a sample is in a cell of a column, (n, dim * cells); equal values share one."""
    cell = np.minimum((ranks(values) * cells / (len(values) + 1)).astype(int), cells - 1)
    inside: npt.NDArray[np.float32] = (cell[:, :, None] == np.arange(cells)).reshape(len(values), -1).astype(np.float32)
    return inside


def _rows(samples: Prepared, rows: Rows) -> Prepared:
    return samples._replace(x=samples.x[rows], y=samples.y[rows])


def _only(samples: Prepared, columns: Columns) -> Prepared:
    x, y = (np.ascontiguousarray(values[:, side]) for values, side in zip(samples[:2], columns, strict=True))
    return samples._replace(x=x, y=y)
