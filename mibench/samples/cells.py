"""How people write numbers, and what a column of text is: numbers, categories, booleans, dates, or a mistake."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mibench.errors import UsageError
from mibench.estimator import EXACT, Array

from .table import ColumnKind

if TYPE_CHECKING:
    import pandas as pd

_NAN = ("NaN", "nan", "NAN", "-nan")
MISSING = ("", "NA", "N/A", "n/a", "#N/A", *_NAN, "NULL", "Null", "null", "None", "<NA>", "?", ".")
"""What stands for a missing value in text; nothing else does."""

_BLANKS, _APOSTROPHES = " \u00a0\u202f\u2009", "'\u2019"
"""What groups thousands beside commas and points: blanks plain, no-break, narrow and thin; both apostrophes."""

MINUS = "\u2212"
"""The typographic sign, as plotting programs and web pages write it."""


@dataclass(frozen=True)
class NumberFormat:
    """A decimal sign and, where there are any, the signs of which one stands between thousands."""

    decimal: str = "."
    thousands: str = ""

    def fits(self, cell: str) -> bool:
        """Whether a cell is a number in this format."""
        return _grammar(self).fullmatch(cell) is not None

    def value(self, cell: str) -> float:
        """The number in a cell that fits."""
        for sign in self.thousands:
            cell = cell.replace(sign, "")
        return float(cell.replace(self.decimal, ".").replace(MINUS, "-").replace("D", "e").replace("d", "e"))


POINT, COMMA = NumberFormat("."), NumberFormat(",")
FORMATS = (POINT, COMMA, *(NumberFormat(d, t) for t in (",", ".", _BLANKS, _APOSTROPHES) for d in (".", ",") if d != t))


@functools.cache
def _grammar(form: NumberFormat) -> re.Pattern[str]:
    d, t = re.escape(form.decimal), f"[{form.thousands}]" if form.thousands else ""
    # "1." is a number, "1," is the end of a field
    fraction = rf"{d}[0-9]*" if form.decimal == "." else rf"{d}[0-9]+"
    fortran = rf"[0-9]*{d}[0-9]+[dD][+-]?[0-9]+|"  # as double precision is printed
    plain = rf"(?:{fortran}(?:[0-9]+(?:{fraction})?|{d}[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    grouped = rf"[1-9][0-9]{{0,2}}(?:{t}[0-9]{{3}})+(?:{d}[0-9]+)?|" if t else ""
    return re.compile(rf"[+{MINUS}-]?(?:{grouped}{plain}|[iI]nf(?:inity)?)")


@functools.cache
def _any_number() -> re.Pattern[str]:
    forms = "|".join(_grammar(f).pattern for f in FORMATS)
    return re.compile(forms)


_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?)[.]?"
)
_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*|\d{1,2}:\d{2}.*"
    rf"|(?:[a-z]+,? )?(?:\d{{1,2}}[ -]{_MONTH}[ -]\d{{2,4}}|{_MONTH} \d{{1,2}}\b).*",
    re.IGNORECASE,
)
_WITH_UNIT = re.compile(rf"[-+{MINUS}<>=~≈($€£¥ ]*[0-9][0-9.,'’/ ]*([^0-9]*)")
_SIGNS = {*"$€£¥%‰"}
_FEW_LEVELS, _UNITS = 10, 3
_TRUTH = ({"true", "false"}, {"t", "f"})


def kinds_of(values: Array) -> tuple[ColumnKind, ...]:
    """Integer where every value that is there is a whole number, continuous elsewhere."""
    with np.errstate(invalid="ignore"):  # a NaN may be of the kind that signals
        floor = np.floor(values)
    whole = ((values == floor) | np.isnan(values)).all(axis=0) & np.isfinite(values).any(axis=0)
    return tuple(ColumnKind.INTEGER if w else ColumnKind.CONTINUOUS for w in whole)


def require_exact(values: Array, names: Sequence[str], where: str) -> None:
    """Refuse infinite values, and whole numbers so large that float64 would merge neighbours."""
    for name, column in zip(names, values.T, strict=True):
        if np.isinf(column).any():
            row = int(np.flatnonzero(np.isinf(column))[0])
            raise UsageError(f"column '{name}' of {where} holds infinite values, first in data row {row}: remove them.")
        if kinds_of(column[:, None])[0] is ColumnKind.INTEGER and EXACT < np.nanmax(np.abs(column)) < 1e22:
            raise UsageError(
                f"column '{name}' of {where} holds whole numbers beyond 2^53, which a float cannot tell apart: "
                "subtract its first value from all."
            )


def numbers(cells: pd.Series[Any], form: NumberFormat, refuse: Callable[[int, str], UsageError]) -> Array:
    """A column of text as numbers, NaN where a cell is missing; ``refuse`` makes the error of a row and its text."""
    there = cells.notna()
    text = cells[there].str.strip()
    good = np.array([form.fits(cell) for cell in text], dtype=bool)
    if not good.all():
        at = int(np.flatnonzero(~good)[0])
        raise refuse(int(np.flatnonzero(there)[at]), str(text.iloc[at]))
    found: Array = np.full(len(cells), np.nan)
    found[there.to_numpy()] = [form.value(cell) for cell in text]
    return found


def categories(
    cells: pd.Series[Any], form: NumberFormat, name: str, where: str, refuse: Callable[[int, str], UsageError]
) -> tuple[Array, ColumnKind, tuple[str, ...]]:
    """Codes (NaN where missing), kind and levels of a column of text; numbers, dates and free text are refused."""
    import pandas as pd

    text = cells.dropna().str.strip()
    levels = text.unique()
    if len(levels) == 0:
        raise UsageError(f"column '{name}' of {where} holds no values at all.")
    share = text.isin([v for v in levels if form.fits(v)]).mean()
    if share > 0.5:
        bad = next((v for v in levels if not form.fits(v)), None)
        if bad is None:
            raise UsageError(f"column '{name}' of {where} holds numbers as text, or quotation marks within fields.")
        raise refuse(int(np.flatnonzero(cells.str.strip() == bad)[0]), bad)
    for what, pattern, advice in (
        ("dates or times", _DATE, "give numbers, such as seconds since the first"),
        ("numbers written in another way than the rest", _any_number(), "say --decimal, or write plain numbers"),
    ):
        if text.isin([v for v in levels if pattern.fullmatch(v)]).mean() > 0.5:
            raise UsageError(f"column '{name}' of {where} seems to hold {what} ('{levels[0]}'): {advice}.")
    if text.isin(_with_units([*levels])).mean() > 0.5:
        raise UsageError(
            f"column '{name}' of {where} seems to hold numbers with something beside them ('{levels[0]}'): write plain "
            "numbers, all in one unit."
        )
    if 2 * len(levels) > len(text):
        raise UsageError(
            f"column '{name}' of {where} holds text that is no category: {len(levels)} different values in "
            f"{len(text)} rows, such as '{_shortened(levels[0])}'."
        )
    boolean = {v.lower() for v in levels} in _TRUTH
    folded = cells.str.strip().str.lower() if boolean else cells.str.strip()
    codes, ordered = pd.factorize(folded, sort=True)
    values: Array = np.where(codes < 0, np.nan, codes).astype(np.float64)
    kind = ColumnKind.BOOLEAN if boolean else ColumnKind.CATEGORY
    return values, kind, tuple(str(level) for level in ordered)


def _with_units(levels: Sequence[str]) -> list[str]:
    """Those of the levels that are numbers with a currency, a percent sign, or a unit beside them, or ``12,34,567``.

    Few levels with units may be doses or grades, which are categories as well; ``10-19`` is a class, and the letters of
    ``12A``, ``12B`` and so on are more than there are units.
    """
    found = {level: match[1].strip() for level in levels if (match := _WITH_UNIT.fullmatch(level))}
    numbers = len(levels) > _FEW_LEVELS or all(_SIGNS & {*level} for level in found)
    return [*found] if numbers and len({*found.values()}) <= _UNITS else []


def _shortened(text: str, length: int = 40) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def no_number(where: str, place: str, name: str, cell: str, first: bool = False) -> UsageError:
    """The refusal of one cell in a column of numbers; the first row may be no sample at all."""
    units = ", or delete the line if it holds units or a second header" if first else ""
    return UsageError(
        f"{where}, {place}, column '{name}': '{_shortened(cell)}' is no number, and the other values are; "
        f"correct it, or write NA where nothing was measured{units}."
    )
