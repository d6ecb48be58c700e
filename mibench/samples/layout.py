"""How a text file is laid out, found on its first lines: delimiter, number format, header, which columns are numbers.

Every reading of those lines that makes sense is tried. Where two differ in what the numbers would be, the file is
refused with the words that decide, because a wrong guess is a wrong answer that nobody sees.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mibench.errors import UsageError
from mibench.words import counted, listed

from .cells import COMMA, FORMATS, MINUS, MISSING, POINT, NumberFormat
from .scan import Text
from .table import DELIMITERS, Declared

_PREFIX, _LINES = 1 << 18, 12
_LONGEST = 2 << 20  # bytes of a row of text
_QUOTED_FIELD = re.compile(r'"(?:[^"]|"")*"|\S+')
_MISSING = frozenset(MISSING)
_INTEGER = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True)
class Layout:
    """What a parser needs to know.

    names : one for each column that is read; the columns' numbers where there is no header.
    width : fields in every row; one more than names where rows end in a delimiter.
    start : where the first row of data begins.
    numeric : which columns hold numbers on the first lines.
    """

    delimiter: str
    number: NumberFormat
    header: bool
    names: tuple[str, ...]
    width: int
    start: int
    numeric: tuple[bool, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Reading:
    """One way to read the first lines."""

    delimiter: str
    rows: list[list[str]]
    width: int
    number: NumberFormat
    share: float
    doubt: str = ""

    @property
    def body(self) -> list[list[str]]:
        return self.rows[1:] or self.rows


def find_layout(text: Text, where: str, declared: Declared, least: int = 1) -> Layout:
    """Find the layout of a file.

    declared : what the user says about it. least : how many columns it must have for what was asked.
    """
    prefix, starts, ends = _prefix(text, where)
    if not starts:
        raise UsageError(f"cannot read {where}: it holds no values.")
    given = declared.delimiter if declared.delimiter is not None else text.declared
    forms = [f for f in FORMATS if declared.decimal in (None, f.decimal)]
    tried = [given] if given is not None else ["\t", ";", "|", ",", " ", ""]
    readings = [r for d in tried if (r := _reading(prefix, d, forms, given is not None)) is not None]
    if least > 1 and any(r.width >= least for r in readings):
        readings = [r for r in readings if r.width >= least]
    if not readings:
        raise _ragged(prefix, given, text, starts, where)
    best = max(readings, key=lambda r: r.share)
    single = next((r for r in readings if r.delimiter == "" and r.share == best.share), best)
    if best.delimiter and single is not best and single.share > 0 and not _names_columns(best):
        cell = single.body[0][0]
        raise UsageError(
            f"{where}: '{cell}' can be one number or {best.width} values; say --delimiter "
            f"{DELIMITERS[best.delimiter]}, or --delimiter none and --decimal for the decimal sign."
        )
    if best.doubt:
        raise UsageError(f"{where}: {best.doubt}")
    if given is None and _split_decimals(best):
        raise UsageError(
            f"{where}: '{best.delimiter.join(best.body[0])}' looks like decimal commas between values separated by "
            "commas too; write it with semicolons, or say --delimiter comma if these are whole numbers."
        )
    return _layout(best, text, ends[0], where, declared)


def _prefix(text: Text, where: str) -> tuple[str, list[int], list[int]]:
    """The first lines (whole rows) and where in the file each row that is not blank begins and ends."""
    content, end, lines = text.content, text.start, 0
    starts, ends = [], []
    while end < len(content) and (end - text.start < _PREFIX or lines < _LINES):
        begin = end
        while True:  # a line end within quotation marks does not end the row
            end = content.index(b"\n", end) + 1
            if end - begin > _LONGEST:
                raise UsageError(
                    f"cannot read {where}: its line {text.line(begin)} is longer than {_LONGEST >> 20} MiB, which is "
                    "no row of a table; write wide tables as .npy or Parquet."
                )
            if content.count(b'"', begin, end) % 2 == 0 or end >= len(content) or end - begin > 4 * _PREFIX:
                break
        if content[begin:end].strip():
            starts.append(begin)
            ends.append(end)
        lines += 1
    return content[text.start : end].decode("utf-8", "replace"), starts, ends


def _split(prefix: str, delimiter: str) -> list[list[str]]:
    """Rows of stripped fields; blank lines left out."""
    if delimiter == " ":
        rows = [[_unquoted(f) for f in _QUOTED_FIELD.findall(line)] for line in prefix.split("\n")]
    elif '"' not in prefix:
        separator = delimiter or "\x1f"
        rows = [line.split(separator) for line in prefix.split("\n") if line.strip(" " if delimiter == "\t" else None)]
    else:
        limit = csv.field_size_limit(sys.maxsize)
        try:
            lines = (line + "\n" for line in prefix.split("\n"))
            rows = list(csv.reader(lines, delimiter=delimiter or "\x1f", skipinitialspace=True))
        except csv.Error:
            return []
        finally:
            csv.field_size_limit(limit)
    stripped = [[field.strip(" \t\n") for field in row] for row in rows]
    return [row for row in stripped if len(row) > 1 or any(row) or (row and delimiter == "" and '""' in prefix)]


def _unquoted(field: str) -> str:
    return field[1:-1].replace('""', '"') if len(field) > 1 and field[0] == field[-1] == '"' else field


def _reading(prefix: str, delimiter: str, forms: Sequence[NumberFormat], given: bool) -> _Reading | None:
    """The lines split at one delimiter, or None where that makes no table."""
    rows = _split(prefix, delimiter)
    if not rows:
        return None
    body = rows[1:] or rows
    widths = {len(row) for row in body}
    width = len(body[0])
    if len(widths) > 1 or (delimiter and width < 2 and not given):
        return None
    extra = width - len(rows[0])
    trailing = all(row[-1] == "" for row in body)
    if extra not in (0, 1, -1) or (extra == 1 and not trailing and not _row_names(prefix, delimiter, rows)):
        return None
    if extra == -1 and rows[0][-1]:
        return None
    # the first row tells the format too: it may be the only one with a decimal sign
    number, doubt = _number_format([c for row in rows for c in row if c not in _MISSING], delimiter, forms)
    cells = [cell for row in body for cell in row if cell not in _MISSING]
    count = sum(map(number.fits, cells))
    if not delimiter and not given and count < len(cells):
        told = re.sub(r'"[^"]*"', "", prefix)
        if re.search(r"[,;\t|]", told) or 2 * sum(_several_numbers(row[0], number) for row in body) > len(body):
            return None  # a line with delimiters in it is one value only where that value is a number
    if delimiter == " " and cells and not count and not given:
        return None  # words in a sentence are no columns
    return _Reading(delimiter, rows, width, number, count / len(cells) if cells else 0.0, doubt)


def _several_numbers(line: str, number: NumberFormat) -> bool:
    fields = line.split()
    return len(fields) > 1 and all(map(number.fits, fields))


def _number_format(cells: Sequence[str], delimiter: str, forms: Sequence[NumberFormat]) -> tuple[NumberFormat, str]:
    """The format in which most cells are numbers, and what is doubtful about it."""
    like = [c for c in cells if c[0] in f"+-{MINUS}.,0123456789iI"]
    counts = {f: sum(map(f.fits, like)) for f in forms[:1]}
    if counts[forms[0]] < len(like) or delimiter == ";":
        counts = {f: sum(map(f.fits, like)) for f in forms}
    most = max(counts.values())
    best = [f for f in forms if counts.get(f) == most]
    chosen = best[0]
    doubt = ""
    grouped = NumberFormat(",", ".")
    if chosen == POINT and delimiter == ";" and grouped in best:
        # where commas are decimal signs, semicolons separate and points may group thousands
        pointed = next((c for c in like if "." in c and grouped.fits(c) and POINT.fits(c)), None)
        if pointed and any(_INTEGER.fullmatch(c) for c in like):
            doubt = _either(pointed, grouped, POINT)
    if chosen == COMMA and NumberFormat(".", ",") in best:
        signed = next((c for c in like if "," in c and COMMA.fits(c)), None)
        doubt = _either(signed, COMMA, NumberFormat(".", ",")) if signed else ""
    return chosen, doubt


def _either(cell: str, a: NumberFormat, b: NumberFormat) -> str:
    return (
        f"'{cell}' can be {a.value(cell):.12g} or {b.value(cell):.12g}; say --decimal '{a.decimal}' for the first, "
        f"--decimal '{b.decimal}' for the second."
    )


def _names_columns(reading: _Reading) -> bool:
    """The first line is words, as many as there are columns."""
    first = reading.rows[0]
    return len(reading.rows) > 1 and len(first) == reading.width and not any(_number_like(c) for c in first)


def _number_like(cell: str) -> bool:
    return cell in _MISSING or any(f.fits(cell) for f in FORMATS)


def _split_decimals(reading: _Reading) -> bool:
    """Whole numbers between commas, every second of which could be the digits behind a decimal comma."""
    body = reading.body
    if all(row[-1] == "" for row in body):
        body = [row[:-1] for row in body]
    if reading.delimiter != "," or len(body[0]) % 2 or reading.share < 1:
        return False
    rows = [row for row in body if row and all(_INTEGER.fullmatch(cell) for cell in row)]
    wholes = [cell for row in rows for cell in row[::2]]
    digits = [cell for row in rows for cell in row[1::2]]
    if not rows or len(rows) < len(body) or any(cell[0] in "+-" for cell in digits):
        return False
    telling = any(len(c) > 1 and c[0] == "0" for c in digits) or "-0" in wholes
    alike = len({len(c) for c in digits}) == 1 and len(digits[0]) > 1 and len(rows) > 2
    return telling or (alike and not _names_columns(reading))


def _row_names(prefix: str, delimiter: str, rows: list[list[str]]) -> bool:
    """R writes a header without a name for the quoted row names before each row; printed tables have blanks there, and
    row numbers."""
    if delimiter == " " and prefix.startswith(" ") and rows[1][0] in ("0", "1"):
        return all(row[0] == str(i) for i, row in enumerate(rows[1:], int(rows[1][0])))
    lines = [line.lstrip() for line in prefix.split("\n") if line.strip()]
    return len(lines) == len(rows) > 1 and all(line.startswith('"') for line in lines)


def _ragged(prefix: str, given: str | None, text: Text, starts: list[int], where: str) -> UsageError:
    """Say which line breaks the table that the others make."""
    if prefix.count('"') % 2:
        return UsageError(f"{where}: a quotation mark is opened and never closed.")
    candidates = []
    for delimiter in [given] if given is not None else ["\t", ";", "|", ",", " "]:
        rows = _split(prefix, delimiter)
        if rows:
            mode, often = Counter(len(row) for row in rows[1:] or rows).most_common(1)[0]
            candidates.append((mode > 1, often if delimiter != " " else 0, delimiter, rows))
    _, _, delimiter, rows = max(candidates, key=lambda c: c[:2], default=(False, 0, "", []))
    if len(rows) != len(starts):
        return UsageError(f"cannot read {where}: its lines make no table; a quotation mark may lie within a field.")
    called = f"separated by {DELIMITERS.get(delimiter, delimiter)}"
    mode = Counter(len(row) for row in rows[1:] or rows).most_common(1)[0][0]
    odd = next((i for i, row in enumerate(rows) if i and len(row) != mode), None)
    if odd is None:
        return UsageError(
            f"{where}: its first line has {counted(len(rows[0]), 'field')} and the others have {mode} ({called}); "
            "name every column, quote names and numbers that hold the delimiter, or say --delimiter."
        )
    fields = counted(len(rows[odd]), "field")
    return UsageError(
        f"{where}, line {text.line(starts[odd])}: {fields} where most lines have {mode} ({called}); "
        "correct the line, or say --delimiter."
    )


def _layout(reading: _Reading, text: Text, first_end: int, where: str, declared: Declared) -> Layout:
    rows, width, notes = reading.rows, reading.width, []
    row_names = len(rows[0]) == width - 1 and not all(row[-1] == "" for row in reading.body)
    trailing = width > 1 and not row_names and all(row[-1] == "" for row in reading.body)
    trailing = trailing and (len(rows[0]) < width or rows[0][-1] == "")
    count = width - trailing
    header = _has_header(reading, count, row_names, where, declared)
    if header and len(rows) == 1:
        raise UsageError(f"cannot read {where}: it has a header and no values.")
    if header:
        first = ["row names", *rows[0]] if row_names else rows[0][:count]
        names = tuple(name or f"unnamed {i}" for i, name in enumerate(first))
    else:
        names = tuple(map(str, range(count)))
    if trailing:
        notes.append("a delimiter at the end of each row")
    if row_names:
        notes.append("row names without a name in the header")
    if text.comments:
        notes.append(f"{len(text.comments)} comment line{'s' * (len(text.comments) > 1)}")
    body = rows[1:] if header else rows
    numeric = tuple(_is_numeric([row[j] for row in body], reading.number) for j in range(count))
    start = first_end if header else text.start
    return Layout(reading.delimiter, reading.number, header, names, width, start, numeric, tuple(notes))


def _is_numeric(cells: Sequence[str], number: NumberFormat) -> bool:
    return all(cell in _MISSING or number.fits(cell) for cell in cells)


def _has_header(reading: _Reading, count: int, row_names: bool, where: str, declared: Declared) -> bool:
    """Whether the first line names the columns."""
    rows, number = reading.rows, reading.number
    if row_names or len(rows[0]) < count:
        return True
    if declared.header is not None:
        return declared.header
    if len(rows) == 1:
        return not any(number.fits(cell) for cell in rows[0])
    columns = [(rows[0][j], [row[j] for row in rows[1:]]) for j in range(count)]
    numeric = [(first, cells) for first, cells in columns if _is_numeric(cells, number) and any(cells)]
    words = [first for first, _ in numeric if not _number_like(first)]
    values = [first for first, _ in numeric if number.fits(first)]
    doubt = f"{where}: its first line ('{listed(rows[0])}') can be names or values; say --header or --no-header."
    if any(_number_like(first) and not number.fits(first) and first not in _MISSING for first, _ in numeric):
        raise UsageError(doubt)
    if words:
        if any(not first.isdigit() for first in values):
            raise UsageError(doubt)
        return True
    if any(rows[0]) and not any(map(_number_like, rows[0])) and rows[0] in rows[1:]:
        again = rows.index(rows[0], 1)
        if any(number.fits(cell) for row in rows[1:again] for cell in row):
            raise UsageError(f"{where}: its header ('{listed(rows[0])}') stands again as row {again}: delete it there.")
    if not numeric:
        words = [first for first, _ in columns if not _number_like(first)]
        if not words and any(first not in _MISSING and any(cells) for first, cells in columns):
            raise UsageError(doubt)
        return bool(words) and not any(first in cells for first, cells in columns if first not in _MISSING)
    blank_first = rows[0][0] == "" and values == [str(i) for i in range(len(values))] and len(values) == count - 1
    if blank_first and len(rows) > 3 and [row[0] for row in rows[1:]] == [str(i) for i in range(len(rows) - 1)]:
        return True  # row numbers and columns without names, as pandas writes them
    counting = values == [str(i) for i in range(len(values))] and (len(values) > 2 or values == ["0"])
    whole_numbers = any(_INTEGER.fullmatch(cell) for _, cells in numeric for cell in cells)
    names_in_digits = all(v.isdigit() for v in values) and len(set(values)) == len(values) == len(numeric)
    if len(rows) > 3 and (
        (names_in_digits and not whole_numbers and (len(values) > 1 or counting)) or (counting and len(values) > 2)
    ):
        raise UsageError(doubt)
    return False
