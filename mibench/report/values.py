"""What a table is made of, and how numbers, shares and durations are written."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mibench.errors import UsageError
from mibench.leaderboard.schema import Column
from mibench.words import listed, printable

MISSING = "–"
_FACTORS = {"nats": 1.0, "bits": 1 / math.log(2)}


@dataclass(frozen=True)
class Entry:
    """One formatted cell; ``value`` is what it sorts by, ``mark`` how it stands out (best, worse, better, muted)."""

    text: str
    value: float | str | None = None
    mark: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", printable(self.text))


@dataclass(frozen=True)
class Table:
    """A titled table; ``note`` says how to read it, ``brief`` tables are short enough for a terminal.

    heat : its numbers are scores, 0 to 1, which a page may colour.
    whose, where : which cells the numbers of each row and of each column are of, as queries (see ``embedded.about``);
        a column whose query is None has numbers of another kind.
    """

    name: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    brief: bool = True
    heat: bool = False
    whose: tuple[str, ...] = ()
    where: tuple[str | None, ...] = ()

    @property
    def places(self) -> list[int]:
        """Of the columns that stand by themselves on a page."""
        return [i for i, column in enumerate(self.columns) if not column.beneath]

    @property
    def under(self) -> list[int]:
        """Of the columns under whose entries those of the next one stand."""
        return [i - 1 for i, column in enumerate(self.columns) if column.beneath]


class Unit:
    """How quantities in nats are shown.

    Raises
    ------
    UsageError : neither nats nor bits.
    """

    def __init__(self, name: str = "nats") -> None:
        if name not in _FACTORS:
            raise UsageError(f"unknown unit '{name}'; write {' or '.join(_FACTORS)}.")
        self.name, self.factor = name, _FACTORS[name]

    def __call__(self, value: float | None) -> float | None:
        """A value in nats in this unit."""
        return None if value is None else value * self.factor

    def entry(self, value: float | None, signed: bool = False, mark: str = "") -> Entry:
        """A quantity in nats, shown in this unit."""
        return Entry(number(self(value), signed), self(value), mark)


def number(value: float | None, signed: bool = False) -> str:
    """Three significant digits where they fit, never more than three decimals."""
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    magnitude = abs(value)
    decimals = 3 if magnitude < 9.9995 else 2 if magnitude < 99.995 else 0
    text = f"{magnitude:.0e}" if magnitude >= 1e5 else f"{magnitude:.{decimals}f}"
    sign = "−" if value < 0 else "+" if signed and value > 0 else ""
    return sign + text if any(c in "123456789" for c in text) else text


def mean_over_seeds(mean: float | None, se: float | None = None, failed: int = 0) -> Entry:
    """A mean with its standard error, or with the standard deviation, and how many failed."""
    spread = f" ± {number(se)}" if se is not None else ""
    lost = f" ({failed} failed)" if failed else ""
    return Entry(number(mean) + spread + lost, mean)


def share(value: float | None) -> Entry:
    """A share as a percentage; a failure is never rounded down to none."""
    if value is None:
        return Entry(MISSING)
    text = "<1 %" if 0 < value < 0.01 else ">99 %" if 0.99 < value < 1 else f"{100 * value:.0f} %"
    return Entry(text, value)


def seconds(value: float | None) -> Entry:
    """A duration in the unit that suits it, two or three digits."""
    if value is None:
        return Entry(MISSING)
    scales = ((9.995e-4, 1e6, "µs"), (0.9995, 1e3, "ms"), (119.5, 1.0, "s"), (7170.0, 1 / 60, "min"))
    scale, name = next(((scale, name) for limit, scale, name in scales if value < limit), (1 / 3600, "h"))
    scaled = value * scale
    return Entry(f"{scaled:.1f} {name}" if scaled < 9.95 else f"{scaled:.0f} {name}", value)


Natural: TypeAlias = list[tuple[bool, float, str]]


def natural(text: str) -> Natural:
    """A key that sorts text by the numbers in it: ``dim=5`` before ``dim=20``."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [(i % 2 == 0, 0.0 if i % 2 == 0 else float(part), part) for i, part in enumerate(parts)]


def recorded(provenance: Mapping[str, Sequence[str]], most: int) -> list[tuple[str, str]]:
    """What was recorded of machine and versions, at most so many values of each; of times, the first and the last."""
    return [
        (key, f"{values[0]} to {values[-1]}" if key == "time" and len(values) > 1 else listed(values, most))
        for key, values in provenance.items()
    ]
