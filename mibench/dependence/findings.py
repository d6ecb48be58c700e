"""What a table and the answers about its pairs say against trusting them: the findings of one pair, for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain

from mibench.estimator import Nature
from mibench.samples import Remark
from mibench.samples.remarks import SUBJECTS, table_remarks
from mibench.words import counted, listed

from .rows import PairRows
from .screened import Screened

EACH, ONE = "each determines the other", "one determines the other"
COPIES, FAR_APART, FEW, SATURATED = "copies of rows left out", "one row in", "few rows for each pair", "near log n"
_SHOWN = 5  # findings of one kind about columns, of which there may be thousands


def findings(rows: PairRows, pairs: Sequence[Screened], repeated: int, shifts: int | None) -> Iterator[Remark]:
    """Remarks on columns, then on their order, then on pairs.

    repeated : rows that were left out as copies. shifts : how many a time series was tested by, None for others.
    """
    by_code = defaultdict(list)
    for remark in table_remarks(rows.table, repeated):
        by_code[remark.code].append(remark)
    for code, said in by_code.items():
        yield from said[:_SHOWN]
        if more := said[_SHOWN:]:
            names = tuple(dict.fromkeys(chain.from_iterable(remark.columns for remark in more)))
            yield Remark(code, f"the like holds for {listed(names, 12)}.", names)
    if shifts is None:
        yield from _order(rows, pairs)
    else:
        said_of = f"p of a time series is the share of {shifts} shifts and not below {1 / (1 + shifts):.2g}"
        yield Remark("shifts", f"{said_of}, and q accordingly.")
    yield from _of_pairs(pairs)


def _order(rows: PairRows, pairs: Sequence[Screened]) -> Iterator[Remark]:
    """Pairs both of whose columns resemble themselves in neighbouring rows; one alone spoils nothing."""
    found = [name for name, lag in zip(rows.table.names, rows.lags, strict=True) if lag is not None]
    ordered = {*found, *rows.sorted_by}
    spoilt = sum({pair.x, pair.y} <= ordered and not {pair.x, pair.y} <= {*rows.sorted_by} for pair in pairs)
    if spoilt:
        told = f"rows do not look independent: neighbouring values of {listed(found, 4)} are correlated"
        told += f", and the rows sorted by {listed(rows.sorted_by, 3)}" if rows.sorted_by else ""
        few = f"p and q of {counted(spoilt, 'pair')} are too small; say --time-series if time orders the rows"
        yield Remark("autocorrelated-rows", f"{told}, so that {few}; {SUBJECTS}.", tuple(found))


def _of_pairs(pairs: Sequence[Screened]) -> Iterator[Remark]:
    def noted(*notes: str) -> list[Screened]:
        return [pair for pair in pairs if any(note in pair.note for note in notes)]

    if some := noted(COPIES):
        yield Remark(
            "duplicate-rows",
            f"rows that repeat an earlier one exactly are no further samples: left out of {_named(some)}.",
            _columns(some),
        )
    for note in (EACH, ONE):
        endless = [pair for pair in noted(note) if pair.nature is Nature.CONTINUOUS]
        finite = [pair for pair in noted(note) if pair.nature is not Nature.CONTINUOUS]
        if endless:
            meaning = "without any noise the two share infinitely much, and the number estimated has no meaning"
            yield Remark("deterministic", f"{_named(endless)}: {note}; {meaning}.", _columns(endless))
        if finite:
            meaning = "an exact relation, or a key such as the number of a subject?"
            yield Remark("deterministic", f"{_named(finite)}: {note}; {meaning}", _columns(finite))
    if some := noted(SATURATED):
        said = "beyond log n, n samples show nothing without a model: the truth may be larger"
        yield Remark("saturated", f"{_named(some)}: the estimate is near log n, and {said}.", _columns(some))
    if some := [pair for pair in pairs if pair.mi is None]:
        yield Remark("no-estimate", f"{counted(len(some), 'pair')} without an estimate: {some[0].note}", _columns(some))
    if some := noted(FEW):
        said = f"{counted(len(some), 'pair')} of labels with few rows for each pair of values"
        yield Remark("few-samples", f"{said}: expect large errors.", _columns(some))


def _named(pairs: Sequence[Screened]) -> str:
    return listed([f"{pair.x} with {pair.y}" for pair in pairs], 3)


def _columns(pairs: Sequence[Screened]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable((pair.x, pair.y) for pair in pairs)))
