"""Delimited text: laid out as found on its first lines, every line counted, and the columns asked for converted."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mibench.errors import UsageError
from mibench.words import counted

from .cells import MISSING, categories, kinds_of, no_number, numbers, require_exact
from .layout import Layout, find_layout
from .room import require_room_for
from .scan import Text, count_rows, decode, line_of_row
from .table import ColumnKind, Declared, Readable, Source, Table

if TYPE_CHECKING:
    import pandas as pd


def open_text(raw: bytes, where: str, declared: Declared, least: int = 1) -> TextFile:
    """Find out how a text is laid out and count its rows; nothing is converted yet."""
    text = decode(raw, where)
    layout = find_layout(text, where, declared, least)
    found = count_rows(text, layout.start, layout.delimiter, layout.width, where)
    notes = list(layout.notes)
    if found.blank and not layout.delimiter:
        raise UsageError(
            f"{where}, line {found.first_blank}: a blank line among values can be a missing value or nothing; "
            "write NA there, or delete it."
        )
    if found.blank:
        notes.append(f"{counted(found.blank, 'blank line')} skipped")
    if found.trailing:
        notes.append(f"{counted(found.trailing, 'blank line')} at the end")
    source = Source(
        where,
        "text",
        found.rows,
        len(layout.names),
        layout.header,
        layout.delimiter,
        layout.number.decimal,
        layout.number.thousands[:1] or None,
        text.encoding,
        tuple(notes),
    )
    return TextFile(layout.names, layout.header, source, text, layout)


@dataclass(frozen=True, eq=False)
class TextFile(Readable):
    """A text file whose layout is known."""

    text: Text
    layout: Layout

    def read(self, chosen: Sequence[int]) -> Table:
        require_room_for(self.source.rows, len(chosen), self.source.file)
        plain = not self.layout.number.thousands
        as_number = {i for i in chosen if self.layout.numeric[i]}
        frame = None
        for floats in (as_number if plain else set[int](), set[int]()):
            try:
                frame = self._parse(chosen, floats)
                break
            except ValueError:  # a value that is no number: found and named below; or quotation marks gone astray
                plain = False
        if frame is None or len(frame) != self.source.rows:
            raise UsageError(
                f"cannot read {self.source.file}: {counted(self.source.rows, 'row')} are counted and "
                f"{0 if frame is None else len(frame)} are read; quotation marks within fields may be the reason."
            )
        values = np.empty((len(frame), len(chosen)))
        kinds: list[ColumnKind] = []
        levels: dict[int, tuple[str, ...]] = {}
        for at, i in enumerate(chosen):
            if plain and self.layout.numeric[i]:
                values[:, at] = frame[i]
            else:
                values[:, at], kind, found = self._converted(frame[i], i)
                if kind is not None:
                    kinds.append(kind)
                    levels[at] = found
                    continue
            kinds.extend(kinds_of(values[:, [at]]))
        names = tuple(self.names[i] for i in chosen)
        require_exact(values, names, self.source.file)
        return Table(names, tuple(kinds), values, levels)

    def _parse(self, chosen: Sequence[int], as_number: Set[int]) -> pd.DataFrame:
        import pandas as pd

        layout = self.layout
        content = io.BytesIO(self.text.content)
        content.seek(layout.start)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frame: pd.DataFrame = pd.read_csv(
                content,
                sep={" ": r"\s+", "": "\x1f"}.get(layout.delimiter, layout.delimiter),
                header=None,
                names=range(layout.width),
                usecols=list(chosen),
                index_col=False,
                dtype={i: "float64" if i in as_number else "str" for i in chosen},
                na_values=list(MISSING),
                keep_default_na=False,
                skipinitialspace=True,
                decimal=layout.number.decimal,
                encoding="utf-8",
                **_exact(),
            )
        return frame

    def _converted(self, cells: pd.Series[Any], i: int) -> tuple[Any, ColumnKind | None, tuple[str, ...]]:
        """Values; kind and levels where they are labels."""
        name, where = self.names[i], self.source.file

        def refuse(row: int, cell: str) -> UsageError:
            place = f"line {line_of_row(self.text, self.layout.start, row)}"
            return no_number(where, place, name, cell, first=row == 0)

        if self.layout.numeric[i]:
            return numbers(cells, self.layout.number, refuse), None, ()
        return categories(cells, self.layout.number, name, where, refuse)


def _exact() -> dict[str, Any]:
    """Numbers come back as they were written: by default since pandas 3."""
    import pandas as pd

    return {} if int(pd.__version__.split(".")[0]) >= 3 else {"float_precision": "round_trip"}
