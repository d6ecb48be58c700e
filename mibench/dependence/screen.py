"""Every column of a table with one of them, or all pairs: mutual information, p and q."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from mibench.endings import outlived
from mibench.errors import MibenchError, UsageError
from mibench.estimator import Array, Capabilities, Estimator, Nature
from mibench.registry import estimators
from mibench.samples import ColumnKind, Table
from mibench.samples.natures import nature, tied_share
from mibench.samples.order import in_both

from .rank_tests import p_values, prepare, q_values, shifted_p_values
from .series import memory, shifts

LEAST_ROWS = 20
"""Below this many common rows a pair is not looked at."""

_MOST_PAIRS = 5_000_000  # of some hundred bytes and a millisecond each
_NOTHING = Capabilities()
_SHIFTS = {True: 999, False: 199}  # for pairs with one column, and for all pairs
_MOST_LEVELS = 12  # of a label that is made columns of 0 and 1 for its distances
_WAVES_AT_ONCE = 64  # columns on one side of a product
Progress = Callable[[int, int], None]
Pairs = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Screened:
    """What one pair of columns shares.

    mi, stderr : nats; None where the estimator declined or there is no error. p, q : of independence, without and with
        regard to how many pairs were tried (Benjamini & Hochberg 1995); None where too few rows are common.
    n : rows in which neither value is missing. note : what is to be said of this pair.
    """

    x: str
    y: str
    mi: float | None
    stderr: float | None
    p: float | None
    q: float | None
    n: int
    nature: Nature
    estimator: str
    note: str = ""


@dataclass(frozen=True)
class Screen:
    """All pairs that were asked for, those that share most first.

    columns : that take part, in the order of the table. left_out : why others do not, by name. shifts : of time series.
    autocorrelated : whether neighbouring rows are correlated, though nobody said that they are a time series.
    """

    pairs: tuple[Screened, ...]
    columns: tuple[str, ...]
    left_out: Mapping[str, str]
    target: str | None = None
    shifts: int | None = None
    autocorrelated: bool = False

    def matrix(self) -> Array:
        """Mutual information in nats of all pairs, (columns, columns); NaN on the diagonal and where none is known."""
        at = {name: i for i, name in enumerate(self.columns)}
        found = np.full((len(at), len(at)), np.nan)
        for pair in self.pairs:
            if pair.mi is not None:
                found[at[pair.x], at[pair.y]] = found[at[pair.y], at[pair.x]] = pair.mi
        return found


def screen(
    table: Table,
    target: int | None = None,
    seed: int = 0,
    time_series: bool = False,
    progress: Progress = lambda done, total: None,
) -> Screen:
    """Estimate the mutual information of every pair of columns, or of every column with the target, and test it.

    Pairs go to the estimator that is usual for their nature: densities, letters, or a mixture. A missing value costs
    the pairs that need it that row. p is of a test on ranks (see ``rank_tests``); for time series, of circular shifts.

    Raises
    ------
    UsageError : fewer than two columns vary, the target does not, or a time series has gaps.
    """
    left_out = _unusable(table)
    if target is not None and table.names[target] in left_out:
        raise UsageError(f"column '{table.names[target]}' cannot be the target: it {left_out[table.names[target]]}.")
    kept = [i for i, name in enumerate(table.names) if name not in left_out]
    if len(kept) < 2:
        said = "; ".join(f"{name} {why}" for name, why in left_out.items())
        raise UsageError(f"fewer than two columns can be compared{f': {said}' if said else ''}.")
    centre = None if target is None else kept.index(target)
    if target is None and math.comb(len(kept), 2) > _MOST_PAIRS:
        raise UsageError(
            f"{len(kept):,} columns are {math.comb(len(kept), 2):,} pairs, of which {_MOST_PAIRS:,} can be compared: "
            "choose columns with --x, or compare all with one, --target."
        )
    table = table.columns(kept)
    every = range(len(kept))
    pairs: Pairs = [*combinations(every, 2)] if centre is None else [(i, centre) for i in every if i != centre]
    gaps = np.isnan(table.values)
    if time_series and gaps.any():
        raise UsageError(
            f"column '{table.names[int(np.argmax(gaps.any(axis=0)))]}' has missing values, and a time series no gaps: "
            "choose other columns, or fill them."
        )
    p, tried = _tested(table, pairs, gaps, seed, time_series, centre)
    rows = _estimated(table, pairs, gaps, seed, progress)
    found = [
        replace(row, p=_known(one), q=_known(two))
        for row, one, two in zip(rows, p.tolist(), q_values(p).tolist(), strict=True)
    ]
    found.sort(key=lambda row: (row.mi is None, -(row.mi or 0.0), 2.0 if row.p is None else row.p))
    seen = table.values[~gaps.any(axis=1)]
    related = not time_series and len(seen) >= LEAST_ROWS and in_both(seen, seen) is not None
    name = None if centre is None else table.names[centre]
    return Screen(tuple(found), table.names, left_out, name, tried, related)


def _unusable(table: Table) -> dict[str, str]:
    """Columns that cannot be compared, and why."""
    found = {}
    for name, column in zip(table.names, table.values.T, strict=True):
        known = column[~np.isnan(column)]
        if len(known) < LEAST_ROWS:
            found[name] = f"has {len(known)} values, fewer than {LEAST_ROWS}"
        elif known.min() == known.max():
            found[name] = "is constant"
    return found


# Tests ---------------------------------------------------------------------------------------------------------------


def _tested(
    table: Table, pairs: Pairs, gaps: npt.NDArray[np.bool_], seed: int, time_series: bool, centre: int | None
) -> tuple[Array, int | None]:
    """The p of each pair, NaN where too few rows are common, and the number of shifts of a time series."""
    n, dim = table.values.shape
    p, by = np.full(len(pairs), np.nan), None
    if time_series:
        rng = np.random.default_rng([13, seed])
        least = max(memory(column[:, None], column[:, None])[0] for column in table.values.T)
        by = shifts(n, 1, least, _SHIFTS[centre is not None], rng)
    whole = [i for i in range(dim) if not gaps[:, i].any()]
    place = {column: at for at, column in enumerate(whole)}
    ready = [prepare(table.values[:, i]) for i in whole]
    right = [place[centre]] if centre in place else range(len(whole)) if centre is None else []
    found = np.full((len(whole), len(right)), np.nan)
    for start in range(0, len(whole) if len(right) else 0, _WAVES_AT_ONCE):
        some, others = ready[start : start + _WAVES_AT_ONCE], [ready[i] for i in right]
        block = p_values(some, others) if by is None else shifted_p_values(some, others, by)
        found[start : start + _WAVES_AT_ONCE] = block
    for at, (i, j) in enumerate(pairs):
        if i in place and j in place:
            p[at] = found[place[i], place[j] if centre is None else 0]
            continue
        common = ~(gaps[:, i] | gaps[:, j])
        if common.sum() >= LEAST_ROWS:
            one, two = (prepare(table.values[common, c]) for c in (i, j))
            p[at] = p_values([one], [two])[0, 0]
    return p, None if by is None else len(by)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


# Estimates -----------------------------------------------------------------------------------------------------------


def _estimated(
    table: Table, pairs: Pairs, gaps: npt.NDArray[np.bool_], seed: int, progress: Progress
) -> Iterator[Screened]:
    """What each pair shares, in the order of the pairs; threads, because neighbours are searched without the GIL."""
    usual = _usual_estimators()
    for estimator in usual.values():
        estimator.warm_up()
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jobs = pool.map(lambda pair: _one(table, pair, gaps, seed, usual), pairs)
        for done, row in enumerate(jobs, start=1):
            yield row
            progress(done, len(pairs))


def _usual_estimators() -> dict[Nature, Estimator]:
    """The estimator that is asked for pairs of each nature."""
    found: dict[Nature, Estimator] = {}
    for name in estimators.names():
        for of in getattr(estimators.factory(name), "capabilities", _NOTHING).usual_for:
            found.setdefault(of, estimators.create(name))
    return found


def _one(
    table: Table, pair: tuple[int, int], gaps: npt.NDArray[np.bool_], seed: int, usual: Mapping[Nature, Estimator]
) -> Screened:
    i, j = pair
    common = ~(gaps[:, i] | gaps[:, j])
    values = table.values[common][:, [i, j]]
    kinds = table.kinds[i], table.kinds[j]
    of = _nature(values, kinds)
    blank = Screened(table.names[i], table.names[j], None, None, None, None, len(values), of, "")
    if len(values) < LEAST_ROWS:
        return replace(blank, note=f"fewer than {LEAST_ROWS} common rows")
    if (np.ptp(values, axis=0) == 0).any():
        return replace(blank, note="constant in the common rows")
    note = "each determines the other" if of is not Nature.DISCRETE and _same(values) else ""
    if of is Nature.DISCRETE and 4 * len(np.unique(values, axis=0)) > len(values):
        note = "few rows for each pair of values"
    for nature_tried in dict.fromkeys((of, Nature.MIXED)):
        estimator = usual[nature_tried]
        x, y = (_for_distances(values[:, c], kinds[c], nature_tried) for c in (0, 1))
        try:
            with np.errstate(all="ignore"), outlived():
                answer = estimator.estimate(x, y, seed)
        except MibenchError as error:
            blank = replace(blank, note=str(error), estimator=estimator.label)
            continue
        if not np.isfinite(answer.mi):
            return replace(blank, note=f"the answer is {answer.mi}", estimator=estimator.label)
        return replace(blank, mi=answer.mi, stderr=answer.stderr, estimator=estimator.label, note=note)
    return blank


def _nature(values: Array, kinds: tuple[ColumnKind, ColumnKind]) -> Nature:
    """Of a pair of columns (n, 2): counts with so many values that hardly a pair of them repeats are no letters."""
    one, two = (nature(kind, tied) for kind, tied in zip(kinds, tied_share(values).tolist(), strict=True))
    if one is two is Nature.DISCRETE and not all(kind.label for kind in kinds):
        cells = len(np.unique(values, axis=0))
        return Nature.DISCRETE if 4 * cells <= len(values) else Nature.MIXED
    return one if one is two else Nature.MIXED


def _same(values: Array) -> bool:
    """Whether the columns order the rows alike, or in reverse: (n, 2)."""
    one, two = (np.unique(column, return_inverse=True)[1] for column in values.T)
    return bool((one == two).all() or (one == two.max() - two).all())


def _for_distances(column: Array, kind: ColumnKind, of: Nature) -> Array:
    """The column as (n, 1); labels whose codes would have distances as one column of 0 and 1 for each."""
    levels = np.unique(column)
    if of is Nature.MIXED and kind is ColumnKind.CATEGORY and 2 < len(levels) <= _MOST_LEVELS:
        return np.asarray(column[:, None] == levels, dtype=float)
    return column[:, None]
