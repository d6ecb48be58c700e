"""Which columns of x and y say most to KSG, in how many blocks: chosen one by one."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from scipy.special import digamma

from mibench.estimator import Array

from ._cells import Within, information_in_cells
from .ksg import Prepared, within_the_kth

CANDIDATES = 32
"""The pairs of columns, and the columns of either side, that say most in cells; the others are not tried."""
MOST = 8
"""Columns of both sides together at which the choice of one block ends: KSG sees little in more; and the most columns
of all from which columns are taken away one by one, which finds what only several together say."""
GAIN = 2.0
"""Nats times sqrt(n) that a column must add; the greatest of so many differences is 1.6 where none adds anything."""
WIDEST = 128
"""The most columns of either side, those that say most in cells, that are put in several blocks."""
NEAREST = 4
"""The pairs of columns, or the columns, that say most in cells and of which KSG decides which comes next to a block."""
LARGEST = 4
"""Columns of one of several blocks at the most."""
MISSES = 8
"""Pairs of columns that add nothing after which no more are tried."""

Columns: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
"""Of x, and of y, in ascending order."""
Blocks: TypeAlias = tuple[Columns, ...]
"""Disjoint ones; of a single one the order of the search plays no part."""
Said: TypeAlias = Callable[[Columns], float]


def chosen_blocks(samples: Prepared, k: int) -> Blocks:
    """One block or several: what says most to KSG with ``k`` neighbours, as far as one column at a time finds it."""
    n = len(samples.x)

    @functools.cache
    def said(columns: Columns) -> float:
        return float(within_the_kth(only(samples, columns), k, "max").mean() + digamma(n))

    in_cells = information_in_cells(samples.x, samples.y).round(9)  # of equals the first, whatever the last bits are
    found = [_forward(in_cells, n, said)]
    if sum(in_cells.shape) <= MOST:
        found += _backward(in_cells.shape, said)
    one = max(found, key=said)
    several, together = _several(samples, in_cells, said)
    return several if together > said(one) + GAIN / math.sqrt(n) else (one,)


def told_twice(blocks: Blocks, samples: Prepared) -> float:
    """By how much the sum of what blocks say may exceed what they say together, in nats.

    With T the total correlation between blocks, I(X; Y) = sum of I(X_b; Y_b) + T(X, Y) - T(X) - T(Y). T(X, Y) is at
    least T(X), and at least T(Y), since less of each block shares less: the lesser of the two is all there is to lose.
    """
    if len(blocks) == 1:
        return 0.0
    return min(_between(values, [block[side] for block in blocks]) for side, values in enumerate(samples[:2]))


def _between(values: Array, groups: Sequence[tuple[int, ...]]) -> float:
    """The total correlation between groups of columns."""
    ends = itertools.accumulate(map(len, groups))
    numbered = [tuple(range(end - len(group), end)) for group, end in zip(groups, ends, strict=True)]
    return Within.of(values[:, [column for group in groups for column in group]]).shared(numbered)


# One block -----------------------------------------------------------------------------------------------------------


def _forward(in_cells: Array, n: int, said: Said) -> Columns:
    """The best pair of columns, and what adds to it."""
    likely = np.argsort(-in_cells, axis=None, kind="stable")[:CANDIDATES]
    pairs = list(zip(*(places.tolist() for places in np.unravel_index(likely, in_cells.shape)), strict=True))
    singles = [_first(in_cells.max(axis=axis), CANDIDATES) for axis in (1, 0)]
    best = max((_pair(i, j) for i, j in pairs), key=said)
    while len(best[0]) + len(best[1]) < MOST:
        more = max(_enlarged(best, singles, pairs), key=said, default=best)
        if said(more) <= said(best) + GAIN / math.sqrt(n):
            break
        best = more
    return best


def _enlarged(
    columns: Columns, singles: Sequence[Sequence[int]], pairs: Sequence[tuple[int, int]] = ()
) -> Iterator[Columns]:
    """With one more of ``singles`` of x or of y, or one more of ``pairs``."""
    x, y = columns
    yield from ((_with(x, i), y) for i in singles[0] if i not in x)
    yield from ((x, _with(y, j)) for j in singles[1] if j not in y)
    yield from ((_with(x, i), _with(y, j)) for i, j in pairs if i not in x and j not in y)


def _with(columns: tuple[int, ...], one: int) -> tuple[int, ...]:
    return tuple(sorted((*columns, one)))


def _first(values: Array, count: int) -> list[int]:
    """The places of the greatest values, greatest first."""
    found: list[int] = np.argsort(-values, kind="stable")[:count].tolist()
    return found


def _backward(dims: Sequence[int], said: Said) -> Iterator[Columns]:
    """All columns, then without the one that is needed least, and so on until one is left on either side."""
    left: Columns = (tuple(range(dims[0])), tuple(range(dims[1])))
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


# Several -------------------------------------------------------------------------------------------------------------


def _several(samples: Prepared, in_cells: Array, said: Said) -> tuple[Blocks, float]:
    """Pairs of columns not taken yet, those that say most in cells first, each with what adds to it; and what they say.

    The columns are those of either side that say most in cells.
    """
    n = len(samples.x)
    pool = [sorted(_first(in_cells.max(axis=axis), min(WIDEST, n // 4))) for axis in (1, 0)]
    within = [Within.of(values[:, columns]) for values, columns in zip(samples[:2], pool, strict=True)]

    def named(columns: Columns) -> Columns:
        return tuple(pool[0][i] for i in columns[0]), tuple(pool[1][j] for j in columns[1])

    def said_of(columns: Columns) -> float:
        return said(named(columns))

    def together(blocks: Blocks) -> float:
        twice = (side.shared([block[number] for block in blocks]) for number, side in enumerate(within))
        return sum(map(said_of, blocks)) - min(twice)

    free = in_cells[np.ix_(*pool)]
    blocks, total, misses = Blocks(), 0.0, 0
    while misses < MISSES and np.isfinite(free).any():
        nearest = [divmod(place, free.shape[1]) for place in _first(free.ravel(), NEAREST)]
        i, j = max((pair for pair in nearest if np.isfinite(free[pair])), key=lambda pair: said_of(_pair(*pair)))
        block = _grown(_pair(i, j), free, n, said_of)
        more = together((*blocks, block))
        if more > total + GAIN / math.sqrt(n):
            blocks, total = (*blocks, block), more
            free[list(block[0])] = free[:, list(block[1])] = -math.inf
        else:
            free[i, j] = -math.inf
            misses += 1
    return tuple(map(named, blocks)), total


def _pair(i: int, j: int) -> Columns:
    return (i,), (j,)


def _grown(block: Columns, free: Array, n: int, said: Said) -> Columns:
    """With columns that add to it, of those that say most of its other side in cells."""
    while len(block[0]) + len(block[1]) < LARGEST:
        beside = free[:, list(block[1])].max(axis=1), free[list(block[0])].max(axis=0)
        singles = [[c for c in _first(values, NEAREST) if np.isfinite(values[c])] for values in beside]
        more = max(_enlarged(block, singles), key=said, default=block)
        if said(more) <= said(block) + GAIN / math.sqrt(n):
            break
        block = more
    return block


def only(samples: Prepared, columns: Columns) -> Prepared:
    """The same samples of these columns alone."""
    x, y = (np.ascontiguousarray(values[:, side]) for values, side in zip(samples[:2], columns, strict=True))
    return samples._replace(x=x, y=y)
