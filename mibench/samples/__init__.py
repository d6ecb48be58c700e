"""Reading one's own paired samples: delimited text, .npy, .npz and Parquet, also compressed, from files or stdin.

Nothing is guessed in silence: what cannot be told for sure is refused with the words that decide, and what was
understood is told by :class:`Source`. Rows with a missing value in a column used are dropped and counted. Whatever
cannot be used is refused by a UsageError, wherever it is noticed: one sentence that says what, where and what to do.
"""

from __future__ import annotations

import os
import stat
import sys
from codecs import BOM_UTF8
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mibench.errors import UsageError
from mibench.words import listed

from .answers import answer_remarks
from .choose import choose
from .packed import unpacked
from .remarks import Remark, remarks
from .room import require_room
from .table import DELIMITERS, ColumnKind, Declared, Pair, Readable, Source, Table

__all__ = [
    "DELIMITERS",
    "ColumnKind",
    "Declared",
    "Pair",
    "Remark",
    "Source",
    "Table",
    "answer_remarks",
    "open_file",
    "read_pair",
    "remarks",
]

_PICKLE = "it is a pickle, which is never loaded; save it as Parquet or CSV"
_NOT_READ = {
    b"\x28\xb5\x2f\xfd": "it is compressed; pipe it in, as in zstdcat FILE | mibench estimate -",
    b"\x89HDF": "HDF5 is not read; save the arrays as .npy or .npz",
    b"MATLAB 5.0": "MATLAB files are not read; save the matrices as text",
    b"ARROW1": "Arrow files are not read; save it as Parquet",
    b"\xd0\xcf\x11\xe0": "it is an Excel workbook; save it as CSV",
    b"%PDF": "it is a PDF",
    b"SQLite format 3": "it is a database; export the table as CSV",
    b"<stata_dta>": "Stata files are not read; save it as CSV",
    b"$FL2": "SPSS files are not read; save it as CSV",
    b"X\n\0\0": "files of R are not read; save it by write.csv",
    b"RDX": "files of R are not read; save it by write.csv",
    b"\x80\x04\x95": _PICKLE,
    b"\x80\x05\x95": _PICKLE,
    **dict.fromkeys((b"{", b"[{", b"[[", b"[\n", b"[\r"), "it is JSON; save it as CSV or Parquet"),
    **dict.fromkeys((b"<?xml", b"<!DOCTYPE", b"<html", b"<table"), "it is XML or HTML; save the table as CSV"),
    **dict.fromkeys((b"@relation", b"@RELATION"), "ARFF files are not read; save it as CSV"),
}


def read_pair(
    files: Sequence[str | Path],
    x: str | None = None,
    y: str | None = None,
    declared: Declared | None = None,
    missing: str = "drop",
) -> Pair:
    """X and Y from two files, or from columns of one; ``-`` is standard input.

    Parameters
    ----------
    x, y : the columns (see :func:`choose`); both are needed where there is one file, all columns are taken where there
        are two and none are named.
    declared : what is known of text files and need not be found out.
    missing : ``drop`` rows with a missing value in a column used, or ``refuse`` them.

    Raises
    ------
    UsageError : a file, column or value that cannot be used; one sentence says which, where and what to do.
    """
    declared = declared or Declared()
    paths = [str(file) for file in files]
    if len(paths) not in (1, 2):
        raise UsageError("give two files, X and Y, or one file with --x and --y naming its columns.")
    if len(paths) == 2:
        if paths == ["-", "-"]:
            raise UsageError(
                "standard input can be read once: give a file for X or for Y, or one table with --x and --y."
            )
        opened = [open_file(p, declared, _least(asked)) for p, asked in zip(paths, (x, y), strict=True)]
        tables = [
            file.read(_chosen(asked, file) if asked is not None else range(len(file.names)))
            for file, asked in zip(opened, (x, y), strict=True)
        ]
        counts = [len(table.values) for table in tables]
        if counts[0] != counts[1]:
            raise UsageError(f"{paths[0]} has {counts[0]} rows and {paths[1]} has {counts[1]}: they must be paired.")
        return _complete(tables[0], tables[1], tuple(file.source for file in opened), missing)
    if x is None and y is None and not Path(paths[0]).exists() and paths[0] != "-":
        raise UsageError("give two files, X and Y, or one file with --x and --y naming its columns.")
    file = open_file(paths[0], declared, least=2)
    if x is None or y is None:
        has = listed(file.names, 12)
        raise UsageError(f"give two files, X and Y, or say which columns of {paths[0]} are --x and --y; it has {has}.")
    chosen = _chosen(x, file), _chosen(y, file)
    if shared := {*chosen[0]} & {*chosen[1]}:
        name = file.names[min(shared)]
        raise UsageError(f"column '{name}' of {paths[0]} is in both --x and --y: no column can be shared.")
    table = file.read([*chosen[0], *chosen[1]])
    at = len(chosen[0])
    return _complete(table.columns(range(at)), table.columns(range(at, len(table.names))), (file.source,), missing)


def _chosen(asked: str, file: Readable) -> list[int]:
    return choose(asked, file.names, file.named, file.source.file)


def _least(asked: str | None) -> int:
    return 2 if asked and "," in asked else 1


def _complete(x: Table, y: Table, sources: tuple[Source, ...], missing: str) -> Pair:
    """The rows in which nothing is missing."""
    gaps = np.isnan(np.hstack([x.values, y.values])).any(axis=1)
    dropped = int(gaps.sum())
    if not dropped:
        return Pair(x, y, sources)
    empty = [n for t in (x, y) for n, column in zip(t.names, t.values.T, strict=True) if np.isnan(column).all()]
    first = int(np.flatnonzero(gaps)[0])
    if missing == "refuse":
        raise UsageError(f"{dropped} of {len(gaps)} rows have a missing value, first data row {first} (from 0).")
    if dropped == len(gaps):
        blame = f"column '{empty[0]}' holds none" if empty else "each row lacks one"
        raise UsageError(f"no row has a value in every column used: {blame}; choose other columns.")
    return Pair(x.rows(~gaps), y.rows(~gaps), sources, dropped)


def open_file(path: str | Path, declared: Declared | None = None, least: int = 1) -> Readable:
    """A file's columns by its content, whatever it is called.

    least : how many columns it must have, which decides between ways to read it.

    Raises
    ------
    UsageError : it cannot be opened, is not of a known format, or can be read in two ways.
    """
    from . import arrays, text

    where = "standard input" if str(path) in ("-", "/dev/stdin") else f"'{path}'"
    raw = unpacked(_bytes(str(path), where), where)
    if not raw:
        raise UsageError(f"cannot read {where}: it is empty.")
    for magic, reason in _NOT_READ.items():
        if raw[:64].removeprefix(BOM_UTF8).lstrip().startswith(magic):
            raise UsageError(f"cannot read {where}: {reason}.")
    try:
        if raw.startswith(b"\x93NUMPY"):
            return arrays.open_npy(raw, where)
        if raw.startswith(b"PK\x03\x04"):
            return arrays.open_npz(raw, where)
        if raw.startswith(b"PAR1"):
            return arrays.open_parquet(raw, where)
        return text.open_text(raw, where, declared or Declared(), least)
    except MemoryError:
        raise UsageError(f"cannot read {where}: it does not fit into memory.") from None


def _bytes(path: str, where: str) -> bytes:
    try:
        if where == "standard input":
            if sys.stdin.isatty():
                raise UsageError("standard input is the terminal: pipe samples in, or name a file.")
            raw = sys.stdin.buffer.read()
        else:
            mode = os.stat(path).st_mode
            # a pipe that the shell has opened is as good as a file; a named one may wait for ever
            if stat.S_ISDIR(mode) or not (stat.S_ISREG(mode) or _is_open_pipe(path, mode)):
                kind = "folder" if stat.S_ISDIR(mode) else "pipe or device; pipe it in as standard input, -"
                raise UsageError(f"cannot read {where}: it is a {kind}.")
            require_room(os.stat(path).st_size, where)
            raw = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"cannot read {where}: {getattr(error, 'strerror', None) or error}.") from None
    return raw


def _is_open_pipe(path: str, mode: int) -> bool:
    return stat.S_ISFIFO(mode) and path.startswith(("/dev/fd/", "/proc/self/fd/"))
