"""A sample as it is answered about, on every road: each observation once, and no column in which nothing varies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mibench.errors import DataError
from mibench.estimator import Array

from .cells import kinds_of
from .repeats import repeated_rows
from .table import Pair, Table


def cleaned(pair: Pair) -> Pair:
    """The pair without columns in which nothing varies and without rows that are copies of earlier ones.

    Its ``constant`` and ``repeated`` say what was left out.

    Raises
    ------
    DataError : X or Y has no column that varies.
    """
    x, y = _varying(pair.x), _varying(pair.y)
    left_out = [n for of, kept in ((pair.x, x), (pair.y, y)) for n in of.names if n not in kept.names]
    again = repeated_rows(np.hstack([x.values, y.values]), [kind.label for kind in (*x.kinds, *y.kinds)])
    x, y = (table.rows(~again) for table in (x, y)) if again.any() else (x, y)
    return replace(pair, x=x, y=y, constant=(*pair.constant, *left_out), repeated=pair.repeated + int(again.sum()))


def paired(x: Array, y: Array) -> Pair:
    """The pair of x (n, dim_x) and y (n, dim_y), columns called ``x0``, ``x1``, ...; ``x`` where there is but one."""
    return Pair(_table(x, "x"), _table(y, "y"), ())


def _table(values: Array, name: str) -> Table:
    dim = values.shape[1]
    return Table(tuple(f"{name}{j}" if dim > 1 else name for j in range(dim)), tuple(kinds_of(values)), values)


def _varying(table: Table) -> Table:
    varies = (table.values != table.values[:1]).any(axis=0)
    if not varies.any():
        named = ", ".join(f"'{name}'" for name in table.names[:5]) + (", ..." if len(table.names) > 5 else "")
        which = f"column {named} is" if len(table.names) == 1 else f"columns {named} are"
        raise DataError(f"{which} constant: mutual information with a constant is 0 and needs no estimator.")
    return table if varies.all() else table.columns(np.flatnonzero(varies).tolist())
