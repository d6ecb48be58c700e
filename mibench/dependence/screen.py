"""Every column of a table with one of them, or all pairs: mutual information, p and q."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations

import numpy as np

from mibench.endings import outlived
from mibench.errors import MibenchError, UsageError
from mibench.estimator import Array, Capabilities, Estimator, Nature
from mibench.registry import estimators
from mibench.samples import ColumnKind, Table
from mibench.samples.answers import NEAR_LOG_N
from mibench.samples.natures import nature, tied_share
from mibench.samples.remarks import deterministic

from .findings import COPIES, EACH, FAR_APART, FEW, ONE, SATURATED, findings
from .rank_tests import p_values, prepare, q_values, shifted_p_values
from .rows import PairRows, without_copies
from .screened import Screen, Screened
from .series import memory, shifts

LEAST_ROWS = 20
"""Below this many common rows a pair is not looked at."""

_MOST_PAIRS = 5_000_000  # of some hundred bytes and a millisecond each
_NOTHING = Capabilities()
_SHIFTS = {True: 999, False: 199}  # for pairs with one column, and for all pairs
_MOST_LEVELS = 12  # of a label that is made columns of 0 and 1 for its distances
_OF_A_FUNCTION = 1.0  # nats; a function without noise that n rows show to be one is worth more to its estimator
_WAVES_AT_ONCE = 64  # columns on one side of a product
Progress = Callable[[int, int], None]
Pairs = Sequence[tuple[int, int]]


def screen(
    table: Table,
    target: int | None = None,
    seed: int = 0,
    time_series: bool = False,
    progress: Progress = lambda done, total: None,
) -> Screen:
    """Estimate the mutual information of every pair of columns, or of every column with the target, and test it.

    Pairs go to the estimator that is usual for their nature: densities, letters, or a mixture. A missing value costs
    the pairs that need it that row, and rows that are copies of earlier ones count once. p is of a test on ranks (see
    ``rank_tests``); for time series, of circular shifts.

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
    table, repeated = without_copies(table)
    used = PairRows.of(table, time_series)
    if time_series and used.gaps.any():
        name = table.names[int(np.argmax(used.gaps.any(axis=0)))]
        raise UsageError(
            f"column '{name}' has missing values, and a time series no gaps: choose other columns, or fill them."
        )
    rows = list(_estimated(used, pairs, seed, progress))
    p, tried = _tested(table, pairs, [row.p for row in rows], seed, time_series, centre)
    found = [
        replace(row, p=_known(one), q=_known(two))
        for row, one, two in zip(rows, p.tolist(), q_values(p).tolist(), strict=True)
    ]
    found.sort(key=lambda row: (row.mi is None, -(row.mi or 0.0), 2.0 if row.p is None else row.p))
    of = None if centre is None else table.names[centre]
    return Screen(tuple(found), table.names, left_out, of, tried, tuple(findings(used, found, repeated, tried)))


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
    table: Table, pairs: Pairs, known: Sequence[float | None], seed: int, time_series: bool, centre: int | None
) -> tuple[Array, int | None]:
    """The p of each pair, NaN where too few rows are common, and the number of shifts of a time series.

    known : the p of pairs that were tested on some of the rows.
    """
    n, dim = table.values.shape
    p, by = np.array([np.nan if one is None else one for one in known]), None
    if time_series:
        rng = np.random.default_rng([13, seed])
        least = max(memory(column[:, None], column[:, None])[0] for column in table.values.T)
        by = shifts(n, 1, least, _SHIFTS[centre is not None], rng)
    whole = [i for i in range(dim) if not np.isnan(table.values[:, i]).any()]
    place = {column: at for at, column in enumerate(whole)}
    ready = [prepare(table.values[:, i]) for i in whole]
    right = [place[centre]] if centre in place else range(len(whole)) if centre is None else []
    found = np.full((len(whole), len(right)), np.nan)
    for start in range(0, len(whole) if len(right) else 0, _WAVES_AT_ONCE):
        some, others = ready[start : start + _WAVES_AT_ONCE], [ready[i] for i in right]
        block = p_values(some, others) if by is None else shifted_p_values(some, others, by)
        found[start : start + _WAVES_AT_ONCE] = block
    for at, (i, j) in enumerate(pairs):
        if known[at] is None and i in place and j in place:
            p[at] = found[place[i], place[j] if centre is None else 0]
    return p, None if by is None else len(by)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


# Estimates -----------------------------------------------------------------------------------------------------------


def _estimated(rows: PairRows, pairs: Pairs, seed: int, progress: Progress) -> Iterator[Screened]:
    """What each pair shares, in the order of the pairs; threads, because neighbours are searched without the GIL."""
    usual = _usual_estimators()
    for estimator in usual.values():
        estimator.warm_up()
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jobs = pool.map(lambda pair: _one(rows, pair, seed, usual), pairs)
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


def _one(rows: PairRows, pair: tuple[int, int], seed: int, usual: Mapping[Nature, Estimator]) -> Screened:
    """The answer about one pair; with its p where not all rows are used."""
    i, j = pair
    table, used = rows.table.columns(pair), rows.used(i, j)
    series = table.values[used]
    every = rows.apart(i, j, series)
    values, kinds = series[::every], table.kinds
    of = _nature(values, kinds)
    left, right = table.names
    blank = Screened(left, right, None, None, None, None, len(values), of, "")
    if len(values) < LEAST_ROWS:
        return replace(blank, note=f"fewer than {LEAST_ROWS} common rows")
    if not used.all():
        one, two = (prepare(column) for column in series.T)
        blank = replace(blank, p=float(p_values([one], [two])[0, 0]))
    if (np.ptp(values, axis=0) == 0).any():
        return replace(blank, note="constant in the common rows")
    notes = [COPIES] if used.sum() < (~rows.gaps[:, pair].any(axis=1)).sum() else []
    if every > 1:
        notes.append(f"{FAR_APART} {every}")
    if of is Nature.DISCRETE and 4 * len(np.unique(values, axis=0)) > len(values):
        notes.append(f"{FEW} of values")
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
        notes += _doubts(Table(table.names, kinds, values), answer.mi, of)
        return replace(blank, mi=answer.mi, stderr=answer.stderr, estimator=estimator.label, note="; ".join(notes))
    return blank


def _doubts(table: Table, mi: float, of: Nature) -> Iterator[str]:
    """What the two columns of a table and an answer about them say against it."""
    if of is not Nature.DISCRETE and _same(table.values):
        yield EACH
    elif mi > _OF_A_FUNCTION and list(deterministic(table.columns([0]), table.columns([1]))):
        yield ONE
    elif of is not Nature.DISCRETE and mi > math.log(len(table.values)) - NEAR_LOG_N:
        yield SATURATED


def _nature(values: Array, kinds: Sequence[ColumnKind]) -> Nature:
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
