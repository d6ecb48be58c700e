"""What a table of many columns was found to share: pair by pair, and all of it. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mibench.estimator import Array, Nature
from mibench.samples import Remark


@dataclass(frozen=True)
class Screened:
    """What one pair of columns shares.

    mi, stderr : nats; None where the estimator declined or there is no error. p, q : of independence, without and with
        regard to how many pairs were tried (Benjamini & Hochberg 1995); None where too few rows are common.
    n : rows that the estimate uses: neither value is missing, none is a copy of another, and of a series only those far
        enough apart. note : what is to be said of this pair.
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
    remarks : what the table and the answers say against trusting them.
    """

    pairs: tuple[Screened, ...]
    columns: tuple[str, ...]
    left_out: Mapping[str, str]
    target: str | None = None
    shifts: int | None = None
    remarks: tuple[Remark, ...] = ()

    def matrix(self) -> Array:
        """Mutual information in nats of all pairs, (columns, columns); NaN on the diagonal and where none is known."""
        at = {name: i for i, name in enumerate(self.columns)}
        found = np.full((len(at), len(at)), np.nan)
        for pair in self.pairs:
            if pair.mi is not None:
                found[at[pair.x], at[pair.y]] = found[at[pair.y], at[pair.x]] = pair.mi
        return found
