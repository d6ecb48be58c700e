"""What columns and pairs of columns are: continuous, discrete, or neither quite."""

from __future__ import annotations

import numpy as np

from mibench.estimator import Array, Nature

from .table import ColumnKind, Table

FEW_TIES = 0.05
"""Share of repeated values up to which numbers pass for continuous."""


def tied_share(values: Array) -> Array:
    """For each column of ``values`` (n, dim), the share of rows whose value another row has too."""
    ordered = np.sort(values, axis=0)
    same = ordered[1:] == ordered[:-1]
    edge = np.zeros((1, values.shape[1]), bool)
    share: Array = (np.vstack([same, edge]) | np.vstack([edge, same])).mean(axis=0)
    return share


def is_discrete(kind: ColumnKind, tied: float) -> bool:
    """Labels, and integers that repeat."""
    return kind.label or (kind is ColumnKind.INTEGER and tied > FEW_TIES)


def nature(kind: ColumnKind, tied: float) -> Nature:
    """Of one column; rounded readings and variables with an atom are mixed."""
    if is_discrete(kind, tied):
        return Nature.DISCRETE
    return Nature.MIXED if tied > FEW_TIES else Nature.CONTINUOUS


def natures(table: Table) -> list[Nature]:
    """Of each column."""
    return [nature(kind, tied) for kind, tied in zip(table.kinds, tied_share(table.values).tolist(), strict=True)]
