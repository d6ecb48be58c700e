"""Tables of many columns, for ``mibench estimate``: every column with a target, or all pairs."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mibench.errors import UsageError
from mibench.words import counted, listed, plural, printable

from .shared import Unit, print_json, stderr, write
from .streams import say, tell

if TYPE_CHECKING:
    from mibench.dependence.screen import Progress
    from mibench.dependence.screened import Screen, Screened
    from mibench.samples import Declared, Table
    from mibench.samples.table import Readable

_SURE = 0.05
_SHOWN = 20  # of all pairs, on a terminal
_ON_PAGE = 500
_SUFFIXES = (".html", ".png", ".svg", ".csv")


@dataclass(frozen=True)
class Asked:
    """What the command line asks of a table.

    target : the column that every other is compared with, or None for all pairs. columns : which take part.
    """

    target: str | None
    columns: str | None = None
    refuse_missing: bool = False
    time_series: bool = False
    seed: int = 0
    unit: Unit = Unit.NATS
    out: Path | None = None
    as_json: bool = False


def show(files: Sequence[Path], declared: Declared, asked: Asked) -> None:
    """Read the table, compare its columns, and print, write or draw what was found."""
    from mibench.dependence.screen import screen

    _suffix(asked.out)
    if len(files) != 1:
        raise UsageError("--target and --all-pairs compare the columns of one table: give one file.")
    table, target, unread = _read(files[0], declared, asked)
    began = time.monotonic()
    with _progress() as progress:
        found = screen(table, target, asked.seed, asked.time_series, progress)
    for name, why in {**unread, **found.left_out}.items():
        say(f"left out {printable(name)}: it {printable(why)}")
    for remark in found.remarks:
        say(f"warning: {printable(remark.message)}")
    rows = len(table.values)
    if asked.as_json:
        print_json(_facts(found, asked, rows, {**unread, **found.left_out}))
    else:
        _print(found, asked, rows)
        say(f"{counted(len(found.pairs), 'pair')} in {time.monotonic() - began:.1f} s")
    if asked.out is not None:  # after the answer, which a full disk is not to cost
        write(asked.out, _file(found, asked, rows))
        say(f"wrote {asked.out}")


def _suffix(out: Path | None) -> str:
    suffix = "" if out is None else out.suffix.lower()
    if out is not None and suffix not in _SUFFIXES:
        raise UsageError(f"--out '{out}': the name must end in {', '.join(_SUFFIXES[:-1])} or {_SUFFIXES[-1]}.")
    return suffix


def _read(path: Path, declared: Declared, asked: Asked) -> tuple[Table, int | None, dict[str, str]]:
    """The table, the place of the target in it, and why columns could not be read."""
    from mibench.samples import open_file

    file = open_file(path, declared, least=2)
    say(f"read {file.source}")
    if len(set(file.names)) < len(file.names):
        raise UsageError(f"two columns of {file.source.file} have the same name; rename one.")
    chosen, target = _chosen(file, asked)
    table, chosen, unread = _readable(file, chosen, target)
    _tell_gaps(table, file.source.file, asked.refuse_missing)
    return table, None if target is None else chosen.index(target), unread


def _chosen(file: Readable, asked: Asked) -> tuple[list[int], int | None]:
    """The numbers of the columns that take part, the target last, and that of the target."""
    from mibench.samples.choose import choose

    where, count = file.source.file, len(file.names)
    chosen = choose(asked.columns, file.names, file.named, where) if asked.columns else list(range(count))
    target = None
    if asked.target is not None:
        target, *more = choose(asked.target, file.names, file.named, where)
        if more:
            raise UsageError("--target is one column; use --x and --y for the information of several together.")
        if target in chosen and asked.columns:
            raise UsageError(f"column '{file.names[target]}' of {where} is in both --x and --target.")
        chosen = [i for i in chosen if i != target] + [target]
    return chosen, target


def _readable(file: Readable, chosen: list[int], target: int | None) -> tuple[Table, list[int], dict[str, str]]:
    """The columns that can be read, which they are, and why others cannot: one of them costs not the others."""
    try:
        return file.read(chosen), chosen, {}
    except UsageError:
        readable, unread = [], {}
        for i in chosen:
            try:
                file.read([i])
                readable.append(i)
            except UsageError as error:
                if i == target:
                    raise
                unread[file.names[i]] = f"cannot be used: {error}"
        if len(readable) < 2:
            raise
        return file.read(readable), readable, unread


def _tell_gaps(table: Table, where: str, refuse: bool) -> None:
    import numpy as np

    gaps = np.isnan(table.values)
    if bool(gaps.any()):
        names = [table.names[i] for i in np.flatnonzero(gaps.any(axis=0)).tolist()]
        holds = f"{counted(int(gaps.sum()), 'missing value')} in {listed(list(map(printable, names)), 4)}"
        if refuse:
            raise UsageError(f"{where} has {holds}.")
        say(f"{holds}: each pair uses the rows in which it has both")


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on a terminal, nothing elsewhere."""
    console = stderr()
    if not console.is_terminal:
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    bar = Progress(
        BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True
    )
    task = bar.add_task("")
    with bar:
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print(found: Screen, asked: Asked, rows: int) -> None:
    pairs = found.pairs if found.target is not None else found.pairs[:_SHOWN]
    if found.target is not None:
        head = f"mutual information with {printable(found.target)}"
    else:
        head = f"mutual information of {counted(len(found.pairs), 'pair')} of {counted(len(found.columns), 'column')}"
    tell(f"{counted(rows, 'row')}; {head}, in {asked.unit}")
    headings, *lines = _cells(found, pairs, asked.unit)
    widths = [max(map(len, column)) for column in zip(headings, *lines, strict=True)]
    texts = 1 if found.target is not None else 2
    for line in (headings, *lines):
        padded = (
            f"{cell:<{width}}" if i < texts or i >= len(line) - 2 else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        tell(("  " + "  ".join(padded)).rstrip())
    sure = sum(p.q is not None and p.q <= _SURE for p in found.pairs)
    few = f"; the {len(pairs)} strongest are shown" if len(pairs) < len(found.pairs) else ""
    tell(f"q <= {_SURE:g} in {sure} of {counted(len(found.pairs), 'pair')}{few}")


def _cells(found: Screen, pairs: Sequence[Screened], unit: Unit) -> list[list[str]]:
    """Headings and rows for people."""
    lines = [["column"] if found.target is not None else ["x", "y"]]
    lines[0] += ["estimate", "p", "q", "n", "estimator", "remark"]
    for pair in pairs:
        names = [printable(pair.x)] + ([printable(pair.y)] if found.target is None else [])
        mi = "-" if pair.mi is None else f"{pair.mi * unit.factor:.4f}"
        lines.append([*names, mi, _chance(pair.p), _chance(pair.q), str(pair.n), pair.estimator, printable(pair.note)])
    return lines


def _chance(p: float | None) -> str:
    return "-" if p is None else f"{p:.3f}" if p >= 0.001 else "< 1e-99" if p < 1e-99 else f"{p:.0e}"


def _plain(pair: Screened, unit: Unit) -> dict[str, Any]:
    """One pair for machines."""
    scaled = {"mi": pair.mi, "stderr": pair.stderr}
    return {
        "x": pair.x,
        "y": pair.y,
        **{k: None if v is None or not math.isfinite(v) else v * unit.factor for k, v in scaled.items()},
        "p": pair.p,
        "q": pair.q,
        "n": pair.n,
        "nature": str(pair.nature),
        "estimator": pair.estimator,
        "note": pair.note,
    }


def _facts(found: Screen, asked: Asked, rows: int, left_out: dict[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {"unit": str(asked.unit), "target": found.target, "rows": rows}
    facts["columns"] = list(found.columns)
    facts["left_out"] = left_out
    facts["shifts"] = found.shifts
    facts["pairs"] = [_plain(pair, asked.unit) for pair in found.pairs]
    if found.target is None:
        matrix = found.matrix() * asked.unit.factor
        facts["matrix"] = [[None if math.isnan(v) else v for v in row] for row in matrix.tolist()]
    return {**facts, "warnings": [remark.facts() for remark in found.remarks]}


def _file(found: Screen, asked: Asked, rows: int) -> bytes:
    from mibench.report import pairs as drawn
    from mibench.report.samples import page

    suffix, unit = _suffix(asked.out), str(asked.unit)
    if suffix == ".csv":
        stream = io.StringIO()
        table = [_plain(pair, asked.unit) for pair in found.pairs]
        renamed = {"mi": f"mi_{unit}", "stderr": f"stderr_{unit}"}
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([renamed.get(key, key) for key in table[0]])
        writer.writerows(row.values() for row in table)
        return stream.getvalue().encode()
    if found.target is None:
        drawing = drawn.heat_map(found.columns, found.matrix() * asked.unit.factor, unit)
        title = f"All pairs of {counted(len(found.columns), 'column')}"
    else:
        known = [p for p in found.pairs if p.mi is not None]
        values = [(p.mi or 0.0) * asked.unit.factor for p in known]
        sure = [p.q is not None and p.q <= _SURE for p in known]
        drawing = drawn.bars([p.x for p in known], values, sure, found.target, unit)
        title = f"Every column with {printable(found.target)}"
    if suffix == ".png":
        return drawing.png
    if suffix == ".svg":
        return drawing.picture
    headings, *lines = _cells(found, found.pairs[:_ON_PAGE], asked.unit)
    count = len(found.pairs)
    few = f" The {_ON_PAGE} strongest pairs are listed." if count > _ON_PAGE else ""
    lead = [
        f"{counted(rows, 'row')}, {counted(count, 'pair')}, mutual information in {unit}, each by the estimator usual "
        f"for its kind of columns. p: of a test of independence on ranks; q: the false discovery rate among the "
        f"{count:,} {plural('pair', count)} (Benjamini and Hochberg).{few}",
        *(f"Warning: {printable(remark.message)}" for remark in found.remarks),
    ]
    return page(title, lead, [drawing], "Strongest pairs", headings, lines).encode()
