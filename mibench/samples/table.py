"""What was read: columns with their kinds, where they come from, and the pair made of them. Values only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np

from mibench.estimator import Array
from mibench.words import counted


class ColumnKind(StrEnum):
    """What the values of a column are."""

    CONTINUOUS = "continuous"
    INTEGER = "integer"
    CATEGORY = "category"
    BOOLEAN = "boolean"

    @property
    def label(self) -> bool:
        """The numbers only stand for names, and their distances mean nothing."""
        return self in (ColumnKind.CATEGORY, ColumnKind.BOOLEAN)


@dataclass(frozen=True)
class Declared:
    """What the user says about a text file, so that it need not be found out.

    delimiter : one character, ``" "`` for runs of blanks, ``""`` where each line is one value.
    decimal : ``"."`` or ``","``; the other one, and blanks, can then only group thousands.
    header : whether the first line names the columns.
    """

    delimiter: str | None = None
    decimal: str | None = None
    header: bool | None = None


@dataclass(frozen=True)
class Source:
    """Where a table comes from and how it was understood; ``None`` where a format leaves no choice."""

    file: str
    format: str
    rows: int
    columns: int
    header: bool | None = None
    delimiter: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = [f"{self.format}, {counted(self.rows, 'row')} of {counted(self.columns, 'column')}"]
        if self.header is not None:
            said.append("header" if self.header else "no header")
        if self.delimiter is not None:
            said.append(f"delimiter {DELIMITERS.get(self.delimiter, repr(self.delimiter))}")
        if self.decimal is not None:
            said.append(f"decimal '{self.decimal}'")
        if self.thousands:
            said.append(f"thousands '{self.thousands}'")
        return f"{self.file}: " + ", ".join([*said, *[e for e in [self.encoding] if e], *self.notes])


DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "blanks", "": "none"}
"""How delimiters are called in what is printed and in what is declared."""


_MOST_LEVELS = 50  # that are told


@dataclass(frozen=True, eq=False)
class Table:
    """Columns side by side.

    values : (n, columns) float64; NaN where a value is missing, codes 0, 1, ... for categories and booleans.
    levels : the categories behind the codes, by number of the column.
    """

    names: tuple[str, ...]
    kinds: tuple[ColumnKind, ...]
    values: Array
    levels: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def columns(self, chosen: Sequence[int]) -> Table:
        """Some of the columns, in the order asked for."""
        return Table(
            tuple(self.names[i] for i in chosen),
            tuple(self.kinds[i] for i in chosen),
            self.values[:, list(chosen)],
            {new: self.levels[old] for new, old in enumerate(chosen) if old in self.levels},
        )

    def rows(self, kept: np.typing.NDArray[np.bool_]) -> Table:
        """Some of the rows."""
        return replace(self, values=self.values[kept])

    def facts(self) -> list[dict[str, Any]]:
        """Name and kind of each column, and its categories where there are few."""
        facts: list[dict[str, Any]] = [{"name": n, "kind": str(k)} for n, k in zip(self.names, self.kinds, strict=True)]
        for i, levels in self.levels.items():
            if 0 < len(levels) <= _MOST_LEVELS:
                facts[i]["levels"] = list(levels)
        return facts


@dataclass(frozen=True, eq=False)
class Readable(ABC):
    """A file whose columns are known and not yet converted.

    named : the names are the file's own, not merely the numbers of the columns.
    """

    names: tuple[str, ...]
    named: bool
    source: Source

    @abstractmethod
    def read(self, chosen: Sequence[int]) -> Table:
        """Convert some columns."""


@dataclass(frozen=True, eq=False)
class Pair:
    """X and Y, row by row, without missing values.

    dropped : how many rows had a missing value in a column used. repeated : how many were copies of earlier ones.
    constant : columns that were left out because nothing varies in them.
    """

    x: Table
    y: Table
    sources: tuple[Source, ...]
    dropped: int = 0
    repeated: int = 0
    constant: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """All that was understood, as JSON."""
        return {
            "n": len(self.x.values),
            "rows_dropped": self.dropped,
            "rows_repeated": self.repeated,
            "constant": list(self.constant),
            "x": self.x.facts(),
            "y": self.y.facts(),
            "files": [
                {**asdict(source), "file": source.file.strip("'"), "notes": list(source.notes)}
                for source in self.sources
            ],
        }
