"""Reports: tables, figures and the HTML page made from Results.

``tables`` says what is shown, ``terminal``, ``markdown`` and ``html`` say how, ``figures`` draws. Importing this
package is cheap: matplotlib, jinja2 and rich are loaded when something is drawn, filled in or printed.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mibench.files import explained, require_writable, together
from mibench.leaderboard.board import Board
from mibench.leaderboard.schema import Downstream, Ranking, TaskRow, columns, plain
from mibench.result import Result

__all__ = ["as_csv", "write_report"]


def write_report(results: Sequence[Result], directory: Path, title: str, unit: str = "nats") -> dict[str, Path]:
    """Write the leaderboard as Markdown, CSV, JSON and one self-contained HTML page, and the figures as PNG.

    Parameters
    ----------
    results : finished cells.
    directory : where to write; pictures named by downstream results are looked for beside the results and here.
    unit : ``nats`` or ``bits``, for what people read; CSV and JSON hold full precision and are always in nats.

    Returns
    -------
    The files written, by name: markdown, csv, tasks, json, html, downstream where there are such tasks, and one
    ``figures/...`` per figure; what the runs of a downstream task left as pictures is put together on sheets among
    these.

    Raises
    ------
    UsageError : an unknown unit, or a directory that cannot be written.
    """
    from . import figures, html, markdown, run_pictures
    from .values import Unit

    Unit(unit)  # refused before anything is drawn
    made = getattr(results, "leaderboard", None)  # that of Results is made once
    board: Board = made() if made else Board.from_results(results)
    files = {name: directory / f"leaderboard.{suffix}" for name, suffix in _FILES.items()}
    tables: dict[str, tuple[Sequence[Any], type]] = {"csv": (board.ranking, Ranking), "tasks": (board.tasks, TaskRow)}
    files["tasks"] = directory / "tasks.csv"
    if board.downstream:
        tables["downstream"] = board.downstream, Downstream
        files["downstream"] = directory / "downstream.csv"
    with explained(f"cannot write the report to '{directory}'"):
        (directory / "figures").mkdir(parents=True, exist_ok=True)
        for name in _FILES:  # before anything is drawn
            require_writable(files[name])
        with together() as put:
            drawn = figures.draw(board, unit)
            sources = [path for path in (getattr(results, "directory", None), directory) if path is not None]
            pictures = run_pictures.find(board, sources)
            shown = [(figure.title, f"figures/{figure.name}.png", figure.png) for figure in drawn]
            shown += run_pictures.sheets(pictures)
            for _, name, png in shown:
                put(directory / name, png)
            captions = [(caption, name) for caption, name, _ in shown]
            put(files["markdown"], markdown.render(board, title, unit, captions))
            put(files["json"], json.dumps({"title": title, **board.to_json()}, indent=1, allow_nan=False) + "\n")
            for name, (rows, row) in tables.items():
                put(files[name], as_csv(rows, row))
            put(files["html"], html.render(board, title, unit, drawn, pictures))
    return files | {name: directory / name for _, name in captions}


_FILES = {"markdown": "md", "csv": "csv", "json": "json", "html": "html"}


def as_csv(rows: Sequence[Any], row: type | None = None) -> str:
    """A table as comma-separated lines, one per row, full precision; counts by status become one column each.

    row : the type of the rows, whose columns are named even where there are no rows.
    """
    records = [_flat(plain(row)) for row in rows]
    names = list(dict.fromkeys(name for record in records for name in record))
    if row is not None and not names:
        names = [name for name in columns(row) if name != "statuses"]
    lines = io.StringIO()
    writer = csv.DictWriter(lines, names, restval=0, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return lines.getvalue()


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    counts = record.pop("statuses", {})
    return record | {f"status_{status}": count for status, count in counts.items()}
