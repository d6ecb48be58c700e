"""Reading a user's own paired samples from .npy and .csv files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import UsageError
from .estimator import Array, check_samples


def read_pair(files: Sequence[Path], x: str | None = None, y: str | None = None) -> tuple[Array, Array]:
    """X and Y, (n, dim) each, from two files, or from columns of one.

    x, y : columns by name or by number from 0, separated by commas; needed where there is one file only.

    Raises
    ------
    UsageError : a file or column that cannot be read. DataError : numbers that cannot be used.
    """
    if len(files) == 2 and x is None and y is None:
        return check_samples(*(_read(file).to_numpy() for file in files))
    if len(files) == 1 and x is not None and y is not None:
        table = _read(files[0])
        return check_samples(*(table[_columns(table, names, files[0])].to_numpy() for names in (x, y)))
    raise UsageError("give two files, X and Y, or one file with --x and --y naming its columns.")


def _read(file: Path) -> Any:
    """A table of the file's columns; those of an .npy file are called 0, 1, ..."""
    import pandas as pd

    try:
        if file.suffix == ".npy":
            values = np.load(file, allow_pickle=False)
            return pd.DataFrame(values.reshape(len(values), -1) if values.ndim != 2 else values)
        if file.suffix in (".csv", ".tsv", ".txt"):
            return pd.read_csv(file, sep=None, engine="python")
    except (OSError, ValueError, pd.errors.ParserError) as error:
        reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[0]
        raise UsageError(f"cannot read '{file}': {reason}.") from None
    raise UsageError(f"cannot read '{file}': only .npy, .csv, .tsv and .txt files are understood.")


def _columns(table: Any, names: str, file: Path) -> list[Any]:
    known = {str(column): column for column in table.columns}
    chosen = []
    for name in (part.strip() for part in names.split(",")):
        if name in known:
            chosen.append(known[name])
        elif name.isdigit() and int(name) < len(table.columns):
            chosen.append(table.columns[int(name)])
        else:
            shown = ", ".join(list(known)[:12])
            raise UsageError(f"'{file}' has no column '{name}'; it has {shown}{', ...' if len(known) > 12 else ''}.")
    return chosen
