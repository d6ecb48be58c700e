"""Which rows of a table a pair of its columns uses: those that have both values, each observation once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array
from mibench.samples import Table
from mibench.samples.order import apart, is_index, is_sorted, lag_of, weaker
from mibench.samples.repeats import repeated_rows

_LEAST_REPEATED = 0.01  # of the rows; fewer are never taken for copies


def without_copies(table: Table) -> tuple[Table, int]:
    """The table without rows that are copies of earlier ones in all columns but those that number the rows, and how
    many there were."""
    compared = [i for i, column in enumerate(table.values.T) if not is_index(column)]
    again = repeated_rows(table.values[:, compared], [table.kinds[i].label for i in compared])
    return (table.rows(~again), int(again.sum())) if again.any() else (table, 0)


@dataclass(frozen=True, eq=False)
class PairRows:
    """What is known of the rows before pairs of columns are looked at.

    gaps (n, columns) : where values are missing. later (columns,) : rows whose value an earlier row has too.
    lags : the autocorrelation of each column, None where it has none. sorted_by : columns by which the rows are sorted.
    series : the rows are said to follow one another in time, and none can be left out of a test.
    """

    table: Table
    gaps: npt.NDArray[np.bool_]
    later: npt.NDArray[np.int64]
    lags: tuple[float | None, ...]
    sorted_by: tuple[str, ...]
    series: bool = False

    @classmethod
    def of(cls, table: Table, series: bool = False) -> PairRows:
        """Of a table in which every column varies."""
        gaps = np.isnan(table.values)
        known = [column[~gap] for column, gap in zip(table.values.T, gaps.T, strict=True)]
        later = np.array([len(column) - len(np.unique(column)) for column in known], np.int64)
        by = tuple(name for name, column in zip(table.names, known, strict=True) if is_sorted(column))
        return cls(table, gaps, later, tuple(map(lag_of, known)), by, series)

    def used(self, i: int, j: int) -> npt.NDArray[np.bool_]:
        """The rows (n,) that a pair of columns has, without copies: those in which the pair repeats and by more than
        chance."""
        kept: npt.NDArray[np.bool_] = ~(self.gaps[:, i] | self.gaps[:, j])
        if not self.series and min(self.later[i], self.later[j]) > _LEAST_REPEATED * int(kept.sum()):
            labels = [self.table.kinds[c].label for c in (i, j)]
            kept[kept] = ~repeated_rows(self.table.values[kept][:, [i, j]], labels)
        return kept

    def apart(self, i: int, j: int, series: Array) -> int:
        """How many rows apart those are that an estimate of the pair uses (see ``order.apart``), of its rows (n, 2)."""
        lags = self.lags[i], self.lags[j]
        if None not in lags and len(series) < len(self.gaps):  # what copies alone show is no order
            lags = lag_of(series[:, 0]), lag_of(series[:, 1])
        return apart(weaker(*lags), len(series))
