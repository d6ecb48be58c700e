"""Bytes of a text file made plain, and the fields of every one of its lines counted.

The count is what makes a parser trustworthy: a row that is too short or too long is refused, never padded or cut.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

import numpy as np

from mibench.errors import UsageError
from mibench.words import counted

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# what spreadsheets write for a missing or failed value is no comment
_COMMENT = re.compile(rb"^#(?!N/A|NV|DIV/0!|VALUE!|REF!|NUM!|NAME\?|NULL!)[^\n]*", re.MULTILINE)
_CHUNK = 1 << 22
_NEWLINE, _QUOTE, _TAB, _BLANK = b'\n"\t '


@dataclass(frozen=True)
class Text:
    """A file's text in UTF-8 with plain line ends and its comment lines made blank, so that lines keep their numbers.

    start : where the lines to be read begin (behind Excel's ``sep=;``).
    comments : where the comment lines began.
    declared : the delimiter that Excel's first line declares.
    """

    content: bytes
    encoding: str
    start: int = 0
    comments: tuple[int, ...] = ()
    declared: str | None = None

    def line(self, at: int) -> int:
        """The number, from 1, of the line at an offset."""
        return self.content.count(b"\n", 0, at) + 1


@dataclass(frozen=True)
class Counted:
    """rows : lines that hold values. blank : blank lines before the last of these. first_blank : number of the first.

    trailing : blank lines behind the last row.
    """

    rows: int
    blank: int
    first_blank: int
    trailing: int


def decode(raw: bytes, where: str) -> Text:
    """Find the encoding, plain line ends and the comment lines."""
    content, encoding = _utf8(raw, where)
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    content = content.rstrip(b"\x1a\x00")  # the end-of-file mark of old systems
    if not content.endswith(b"\n"):
        content += b"\n"
    start, declared = 0, None
    if found := re.match(rb'"?sep=([^\n"])"?\n', content):
        start, declared = found.end(), found[1].decode("latin-1")
    comments = tuple(m.start() for m in _COMMENT.finditer(content, start)) if b"#" in content else ()
    if comments:
        content = content[:start] + _COMMENT.sub(lambda m: b" " * len(m[0]), content[start:])
    return Text(content, encoding, start, comments, declared)


def _utf8(raw: bytes, where: str) -> tuple[bytes, str]:
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return _recoded(raw[len(mark) :], encoding, where), f"{encoding} with byte order mark"
    head = np.frombuffer(raw[:4096], np.uint8)
    if 0 in head:
        zeros = [float((head[i::2] == 0).sum()) / max(1, len(head) // 2) for i in (0, 1)]
        if len(head) > 1 and max(zeros) > 0.7 and min(zeros) < 0.1:
            encoding = "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
            return _recoded(raw, encoding, where), encoding
        raise UsageError(f"cannot read {where}: it is no text and no format that is known; {KNOWN}")
    if raw.isascii():
        return raw, "ascii"
    try:
        return _recoded(raw, "utf-8", where), "utf-8"
    except UsageError:
        return _recoded(raw, "cp1252", where), "not UTF-8, read as Windows-1252"


KNOWN = "known are CSV and other delimited text, .npy, .npz and Parquet."


def _recoded(raw: bytes, encoding: str, where: str) -> bytes:
    try:
        text = raw.decode(encoding)
        return raw if encoding == "utf-8" else text.encode()
    except UnicodeError:
        raise UsageError(f"cannot read {where}: its text is not {encoding}; save it as UTF-8.") from None


def count_rows(text: Text, start: int, delimiter: str, width: int, where: str) -> Counted:
    """Count the rows from ``start`` on, all of which must have ``width`` fields; linear in time, a chunk in memory."""
    content = text.content
    quotes = b'"' in content
    quoted, carry, begin, before = np.uint8(0), 0, start, _NEWLINE
    line = text.line(start)
    rows = blank = trailing = first_blank = 0
    comments = np.array(text.comments, dtype=np.int64)
    for at in range(start, len(content), _CHUNK):
        block = np.frombuffer(content, np.uint8, min(_CHUNK, len(content) - at), at)
        _refuse_controls(block, at, text, where)
        is_quote = block == _QUOTE
        inside = (np.cumsum(is_quote, dtype=np.uint8) + quoted) & 1 if quotes else np.zeros(len(block), np.uint8)
        quoted = inside[-1]
        outside = inside == 0
        ends = np.flatnonzero((block == _NEWLINE) & outside)
        if len(delimiter.strip(" ")) == 0:  # runs of blanks: a field begins behind a blank
            gap = ((block == _BLANK) | (block == _TAB) | (block == _NEWLINE)) & outside
            previous = np.concatenate([[before in (_BLANK, _TAB, _NEWLINE)], gap[:-1]])
            marks = np.flatnonzero(~gap & previous & (outside | is_quote))
            before = _BLANK if gap[-1] else _QUOTE
        else:
            marks = np.flatnonzero((block == ord(delimiter)) & outside)
        reached = np.searchsorted(marks, ends)
        if not len(ends):
            carry += len(marks)
            continue
        fields = np.diff(reached, prepend=0)
        fields[0] += carry
        carry = len(marks) - int(reached[-1])
        starts = np.concatenate([[begin], ends[:-1] + at + 1])
        begin = int(ends[-1]) + at + 1
        if delimiter.strip(" "):
            fields = fields + 1
        empty = ends + at == starts if delimiter.strip(" ") else fields == 0
        wrong = np.flatnonzero((fields != width) & ~empty) if delimiter else ()
        for i in wrong:
            row = content[starts[i] : ends[i] + at]
            if row.strip(b" \t") and (delimiter != "\t" or row.strip()):
                raise UsageError(
                    f"{where}, line {line + i}: {counted(int(fields[i]), 'field')} where {width} are expected; "
                    "correct the line, or say --delimiter."
                )
            empty[i] = True
        full = np.flatnonzero(~empty)
        holes = np.flatnonzero(empty & ~np.isin(starts, comments))
        if len(holes) and not blank + trailing:
            first_blank = line + int(holes[0])
        if len(full):  # what was blank at the end so far lies between rows
            inner = int((holes < full[-1]).sum())
            blank, trailing = blank + trailing + inner, len(holes) - inner
        else:
            trailing += len(holes)
        rows += len(full)
        line += len(ends)
    if quoted:
        raise UsageError(f"{where}: a quotation mark is opened and never closed.")
    return Counted(rows, blank, first_blank, trailing)


def _refuse_controls(block: np.typing.NDArray[np.uint8], at: int, text: Text, where: str) -> None:
    control = (block < _BLANK) & (block != _NEWLINE) & (block != _TAB)
    if control.any():
        line = text.line(at + int(np.flatnonzero(control)[0]))
        raise UsageError(f"{where}, line {line}: a control character; the file is no plain text, or is damaged.")


def line_of_row(text: Text, start: int, row: int) -> int:
    """The number of the line that holds a row, counted from 0; for messages."""
    seen, at = -1, start
    while at < len(text.content):
        end = at
        while True:  # a line end within quotation marks does not end the row
            end = text.content.index(b"\n", end) + 1
            if text.content.count(b'"', at, end) % 2 == 0 or end >= len(text.content):
                break
        seen += bool(text.content[at:end].strip())
        if seen == row:
            return text.line(at)
        at = end
    return text.line(at)
