"""What a sample itself says against trusting an estimate of it. Pure functions; every remark has a stable code."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from mibench.estimator import Array, Estimator, Nature
from mibench.words import counted

from .exact import LEAST_ROWS, Ranks, beyond_chance, dense_ranks, noisy, same_order
from .functions import smooth_functions
from .natures import FEW_TIES, is_discrete, natures, tied_share
from .order import autocorrelation, is_index, is_sorted
from .table import ColumnKind, Pair, Table

_FEW_LEVELS = 10
_NO_ANSWER = re.compile("[789]{2,}|-[789]+")
_ROWS_OF_LEVEL = 100
_SINGLE = 3  # remarks of one kind that are told each by itself
SUBJECTS = "of several rows of one subject take one, or their mean"
"""What to do where rows are alike and time does not order them."""


@dataclass(frozen=True)
class Remark:
    """code : what kind of finding. message : one sentence. columns : those it is about."""

    code: str
    message: str
    columns: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "columns": list(self.columns)}


def remarks(pair: Pair, estimators: Sequence[Estimator] = ()) -> list[Remark]:
    """All that is noteworthy in a sample (see ``cleaned``), and which of the estimators were not made for it."""
    x, y = pair.x, pair.y
    if set(x.names) & set(y.names):  # of two files
        x, y = (replace(t, names=tuple(f"{of} {n}" for n in t.names)) for of, t in (("X", x), ("Y", y)))
    names, kinds = (*x.names, *y.names), (*x.kinds, *y.kinds)
    values = np.hstack([x.values, y.values])
    tied = tied_share(values)
    columns = [_Column(*c) for c in zip(names, kinds, values.T, tied.tolist(), strict=True)]
    return [
        *duplicates(pair.repeated, pair.repeated + len(values)),
        *_discrete(columns, estimators),
        *_constant(pair.constant),
        *_row_index(columns),
        *deterministic(x, y),
        *(r for r in same_keys(columns) if len({*r.columns} & {*x.names}) == 1),
        *_tails(columns),
        *_few_samples(*values.shape),
        *(_many_levels(columns) if not all(c.kind.label for c in columns) else ()),
        *_order(columns, {*x.names}),
    ]


def table_remarks(table: Table, repeated: int = 0) -> list[Remark]:
    """What single columns of a table say, whichever pairs are compared; NaN where a value is missing.

    repeated : how many rows were left out because they are copies of earlier ones.
    """
    known = [column[~np.isnan(column)] for column in table.values.T]
    columns = [_Column(*c, 0.0) for c in zip(table.names, table.kinds, known, strict=True)]
    n = len(table.values)
    return [
        *duplicates(repeated, repeated + n),
        *_row_index(columns),
        *same_keys(columns),
        *(remark for remark in _tails(columns) if remark.code == "wild-value"),
        *_few_samples(n, 2),
        *_many_levels(columns),
    ]


@dataclass(frozen=True, eq=False)
class _Column:
    name: str
    kind: ColumnKind
    values: Array
    tied: float

    @property
    def discrete(self) -> bool:
        """Labels, and integers that repeat."""
        return is_discrete(self.kind, self.tied)


def _discrete(columns: Sequence[_Column], estimators: Sequence[Estimator]) -> Iterator[Remark]:
    discrete = [c.name for c in columns if c.discrete]
    unfit = [e.label for e in estimators if not e.capabilities.discrete]
    if discrete:
        assumed = f"; {_list(unfit)} {'assumes' if len(unfit) == 1 else 'assume'} densities" if unfit else ""
        yield Remark("discrete-columns", f"{_list(discrete)} {_are(discrete)} discrete{assumed}.", tuple(discrete))
    rounded, atoms = [], []
    for c in columns:
        if c.discrete or c.tied <= FEW_TIES:
            continue
        distinct, counts = np.unique(c.values, return_counts=True)
        most = int(counts.max())
        if most > 10 and c.tied * len(c.values) - most <= FEW_TIES * len(c.values):  # else nothing repeats
            atom = distinct[counts.argmax()]
            if atom == _stands_apart(c.values):
                continue  # said as such
            said = f"{most:,} of {len(c.values):,} values of {c.name} are {atom:.6g}, and the others hardly repeat"
            atoms.append(Remark("ties", f"{said}: such an atom misleads estimators that assume densities.", (c.name,)))
        else:
            rounded.append(c)
    yield from alike(atoms)
    if rounded:
        names = [c.name for c in rounded]
        share = max(c.tied for c in rounded)
        said = (
            f"up to {share:.0%} of the values of {_list(names)} repeat: rounded readings mislead neighbour distances."
        )
        yield Remark("ties", said, tuple(names))


def alike(found: Sequence[Remark]) -> Iterator[Remark]:
    """Remarks of one kind: each by itself, or, where they are many, the first with the names of the others."""
    if len(found) <= _SINGLE:
        yield from found
        return
    names = dict.fromkeys(remark.columns[-1] for remark in found[1:])
    columns = dict.fromkeys(name for remark in found for name in remark.columns)
    message, end = found[0].message[:-1], found[0].message[-1]
    yield Remark(found[0].code, f"{message}; likewise {_list(list(names))}{end}", tuple(columns))


def _constant(names: Sequence[str]) -> Iterator[Remark]:
    if names:
        carries = "carries" if len(names) == 1 else "carry"
        said = f"{_list(names)} {_are(names)} constant and {carries} nothing: left out."
        yield Remark("constant-column", said, tuple(names))


def _row_index(columns: Iterable[_Column]) -> Iterator[Remark]:
    names = [c.name for c in columns if is_index(c.values)]
    if names:
        said = f"{_list(names)} {_are(names)} equally spaced from the first row to the last: a row number or a clock?"
        yield Remark("row-index", said, tuple(names))


def deterministic(x: Table, y: Table) -> Iterator[Remark]:
    """A column of Y that X determines exactly, or the reverse: a copy, a monotone or linear function, a function of
    repeated values."""
    of_x, of_y = dense_ranks(x.values), dense_ranks(y.values)
    found = list(_in_order(x, y, of_x, of_y))
    yield from alike(found)
    if found:
        return
    exact = False
    for one, other, ranks, others in ((y, x, of_y, of_x), (x, y, of_x, of_y)):
        for j in _functions_of(one, other, ranks, others):
            said = f"{one.names[j]} is an exact function of {_list(list(other.names))}."
            yield Remark("deterministic", said, (*other.names, one.names[j]))
            exact = True
    if not exact:
        yield from _smooth(x, y)


def _in_order(x: Table, y: Table, ranks_x: Ranks, ranks_y: Ranks) -> Iterator[Remark]:
    """Pairs of columns that have the same order, or the reverse."""
    of_y = natures(y)
    for i, j, sign in same_order(ranks_x, ranks_y):
        of, by = y.names[j], x.names[i]
        way = "an increasing function of" if sign > 0 else "a decreasing function of"
        if (x.values[:, i] == y.values[:, j]).all():
            way = "a copy of"
        share = "the two share all of their entropy"
        if of_y[j] is Nature.CONTINUOUS:
            share = "the two share infinitely much, for they are continuous"
            if noisy(x.values[:, i], y.values[:, j]):
                share = f"its noise is too small to show in the order of {len(x.values):,} rows"
                way = way.replace("a", "like a", 1)
        yield Remark("deterministic", f"{of} is {way} {by}: {share}.", (by, of))


def _smooth(x: Table, y: Table) -> Iterator[Remark]:
    """Functions of continuous columns without noise, in either direction; the weaker of the two words that hold."""
    one, other = (
        table.columns([i for i, one in enumerate(natures(table)) if one is Nature.CONTINUOUS]) for table in (x, y)
    )
    if not one.names or not other.names:
        return
    for of, by in ((other, one), (one, other)):
        found = list(smooth_functions(by.values, of.values))
        for chosen, j, share in found:
            names = [by.names[i] for i in chosen]
            said = f"{of.names[j]} follows {_list(names)} smoothly, within {max(share, 1e-12):.1g} of its spread"
            said += ": without any noise the two would share infinitely much."
            yield Remark("deterministic", said, (*names, of.names[j]))
        if found:
            return


def same_keys(columns: Iterable[_Column]) -> Iterator[Remark]:
    """Two columns that hold the same different values in another order: rows that were not matched."""
    sets: dict[bytes, list[_Column]] = {}
    for column in columns:
        ordered = np.sort(column.values) + 0.0
        if len(ordered) >= 20 and (ordered[1:] != ordered[:-1]).all():
            sets.setdefault(ordered.tobytes(), []).append(column)
    for one, other in (pair for group in sets.values() for pair in combinations(group, 2)):
        if not (one.values == other.values).all():
            said = (
                f"{one.name} and {other.name} hold the same values in another order: do rows belong together by them?"
            )
            yield Remark("same-keys", said, (one.name, other.name))


def _functions_of(one: Table, other: Table, ranks: Ranks, others: Ranks) -> Iterator[int]:
    """Columns of ``one`` that ``other`` determines: within equal rows of it, or linearly."""
    n, dim = other.values.shape
    tries = one.values.shape[1]
    varying = [j for j in range(tries) if n >= LEAST_ROWS and ranks[:, j].any()]
    determined = set()
    if varying and 2 * (int(others.max()) + 1) <= n:  # only where rows of ``other`` repeat does a function say anything
        _, group = np.unique(others, axis=0, return_inverse=True)
        group = group.reshape(-1)
        groups = int(group.max()) + 1
        if 2 * groups <= n:
            first = np.unique(group, return_index=True)[1][group]
            same = [j for j in varying if (one.values[:, j] == one.values[first, j]).all()]
            determined = {j for j in same if beyond_chance(ranks[:, j], tries, groups)}
    if varying and n > 3 * (dim + 1) and dim <= 200:
        design = np.column_stack([np.ones(n), other.values - other.values.mean(axis=0)])
        values = one.values[:, varying]
        away = np.abs(design @ np.linalg.lstsq(design, values, rcond=None)[0] - values).max(axis=0)
        lines = [j for j, a, v in zip(varying, away, values.T, strict=True) if a <= 1e-9 * np.ptp(v)]
        determined |= {j for j in lines if beyond_chance(ranks[:, j], tries, dim + 1)}
    yield from sorted(determined)


def duplicates(repeated: int, rows: int) -> Iterator[Remark]:
    """Rows that are copies of earlier ones."""
    if repeated:
        said = f"{repeated:,} of {rows:,} rows {'repeats' if repeated == 1 else 'repeat'} an earlier row exactly"
        yield Remark("duplicate-rows", f"{said}: no further samples, left out.")


def _tails(columns: Iterable[_Column]) -> Iterator[Remark]:
    """Heavy tails, by quantiles, which one wild value does not move; and wild values, by the gap before them."""
    heavy, wild, coded = [], [], []
    for c in columns:
        if c.kind.label or len(c.values) < 20:
            continue
        if (code := _stands_apart(c.values)) is not None:
            all_of = f"{int((c.values == code).sum()):,} values of {c.name} are all {code:.6g}"
            hint = "far from all others: a code for a missing value? If so, write NA there."
            coded.append(Remark("wild-value", f"{all_of}, {hint}", (c.name,)))
            continue
        low, first, middle, third, high = np.quantile(c.values, [0.005, 0.25, 0.5, 0.75, 0.995])
        width = third - first
        if width == 0:
            continue
        away = np.sort(np.abs(c.values - middle)) / width
        few = max(1, len(away) // 100)
        # the gap that makes the outermost few another thing than the tail of the rest
        gaps = away[-few:] > 5 * away[-few - 1 : -1]
        if (gaps & (away[-few:] > 10)).any():
            count = few - int(np.flatnonzero(gaps & (away[-few:] > 10))[0])
            value = c.values[np.argmax(np.abs(c.values - middle))]
            said = f"{counted(count, 'value')} of {c.name} {'lies' if count == 1 else 'lie'} far from all others"
            asked = "a mistake, a total, or a code for a missing value?"
            wild.append(Remark("wild-value", f"{said} ({value:.6g}): {asked}", (c.name,)))
        elif high - low > 7 * width:  # 3.8 for normal, 6.6 for Laplace samples
            heavy.append(c.name)
    yield from (*alike(coded), *alike(wild))
    if heavy:
        said = f"{_list(heavy)} {'has' if len(heavy) == 1 else 'have'} heavy tails: estimators that scale by a standard"
        yield Remark("heavy-tails", f"{said} deviation may err; ranks or logarithms may help.", tuple(heavy))


def _stands_apart(values: Array) -> float | None:
    """The least or greatest value, if it repeats and keeps five interquartile ranges of the others from them.

    Of few levels, as the answers 1 to 5, it must be such as stands for no answer (99, -8) and twice their range away.
    """
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= _FEW_LEVELS:
        stands = np.array([bool(_NO_ANSWER.fullmatch(f"{value:.15g}")) for value in distinct])
        codes, levels = distinct[stands], distinct[~stands]
        if len(codes) and len(levels) > 1:
            code = codes[np.abs(codes).argmax()]
            away = np.minimum(np.abs(codes - levels[0]), np.abs(codes - levels[-1])).min()
            if away > 2 * np.ptp(levels) and 2 < counts[distinct == code][0] < len(values) / 2:
                return float(code)
    else:
        for at, neighbour in ((0, 1), (-1, -2)):
            others = values[values != distinct[at]]
            low, high = np.quantile(others, [0.25, 0.75])
            if 2 < counts[at] < len(others) and abs(distinct[at] - distinct[neighbour]) > 5 * (high - low) > 0:
                return float(distinct[at])
    return None


def _few_samples(n: int, dim: int) -> Iterator[Remark]:
    if n < max(50, 10 * dim):
        yield Remark(
            "few-samples", f"{counted(n, 'sample')} are few for {counted(dim, 'column')}: expect large errors."
        )


def _many_levels(columns: Iterable[_Column]) -> Iterator[Remark]:
    """Categories beside numbers: distances between their codes mean nothing once some levels have few rows."""
    found = []
    for c in columns:
        counts = np.unique(c.values, return_counts=True)[1]
        if c.kind is ColumnKind.CATEGORY and len(counts) > _FEW_LEVELS and np.median(counts) < _ROWS_OF_LEVEL:
            said = f"{c.name} has {len(counts)} categories with {np.median(counts):.0f} rows each (median)"
            said += ": their order means nothing, and beside numbers expect errors beyond the interval"
            found.append(Remark("many-levels", f"{said}; merge rare ones.", (c.name,)))
    yield from alike(found)


def _order(columns: Sequence[_Column], of_x: Collection[str]) -> Iterator[Remark]:
    """Whether neighbouring rows resemble each other beyond chance, by the lag-1 correlation of the ranks.

    In both variables: where either has rows in any order, errors and p are those of independent rows (Bartlett 1935).
    """
    tried = [c for c in columns if not is_index(c.values) and len(c.values) >= 20]
    ordered = [c.name for c in tried if is_sorted(c.values)]
    if ordered:
        said = f"the rows are sorted by {_list(ordered)}, so their order cannot show whether they are independent."
        yield Remark("sorted-rows", said, tuple(ordered))
        return
    lags = {c.name: autocorrelation(c.values, ranked=c.tied < FEW_TIES) for c in tried}
    found = {name: lag for name, lag in lags.items() if lag is not None}
    if len({name in of_x for name in found}) == 2:
        strongest = max(found, key=lambda name: abs(found[name]))
        said = f"rows do not look independent: neighbouring values of {_list(list(found))} are correlated"
        most = f"{found[strongest]:.2f} in {strongest}"
        yield Remark(
            "autocorrelated-rows",
            f"{said} ({most}); standard errors are too small, and so is p without --time-series; {SUBJECTS}.",
            tuple(found),
        )


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _list(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and 3 more``."""
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
