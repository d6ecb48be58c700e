"""What the page's script reads: every cell of a board as compact JSON, and queries that say which cells a number is of.

A number of a table leads to the cells that its row and its column name, and estimators are compared side by side, all
without asking anybody but the page itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from mibench.leaderboard import scoring
from mibench.leaderboard.board import Board
from mibench.leaderboard.units import Over
from mibench.result import Result
from mibench.words import printable

from .figures import palette_of
from .style import HUES
from .values import Unit

_DIGITS = 7


def about(**fields: str | float | Sequence[str] | None) -> str:
    """A query for cells: those whose fields are these, or one of these; the page's script knows the fields."""
    several = {name: value if isinstance(value, (tuple, list)) else [value] for name, value in fields.items()}
    return urlencode({name: [printable(str(v)) for v in values] for name, values in several.items()}, doseq=True)


def embedded(board: Board, unit: Unit, cells: Sequence[Result]) -> str:
    """JSON that may stand inside of a ``script`` element: no ``<`` in it. ``cells`` are those of the board, or some.

    unit : the name of the unit, and how many of it a nat is; quantities are in nats.
    score : the least and the greatest tolerance of the score; apart : of every ranked pair, how far the interval of its
        difference reaches, as :attr:`Board.half_widths` has it; where : what these intervals are about.
    estimators : name, hue (its place among the colours) and whether it is ranked; families : scores by name.
    points : task, n, truth, family, group; cells : columns, which refer to the rows of the others.
    """
    ranked = {row.estimator: row for row in board.ranking}
    estimators = _Numbered(dict.fromkeys([*ranked, *(r.cell.estimator for r in cells)]))
    points, statuses, messages, arms = _Numbered(), _Numbered(), _Numbered(), _Numbered()
    columns: dict[str, list[Any]] = {
        "estimator": [estimators[r.cell.estimator] for r in cells],
        "point": [points[_point(r)] for r in cells],
        "seed": [r.cell.seed for r in cells],
        "mi": [_rounded(r.mi) for r in cells],
        "stderr": [_rounded(r.stderr) for r in cells],
        "status": [statuses[str(r.status)] for r in cells],
        "message": [messages[printable(r.message)] for r in cells],
        "arm": [arms[printable(r.arm or r.cell.estimator)] if r.group else None for r in cells],
        "metrics": [{printable(k): _rounded(v) for k, v in r.metrics.items()} or None for r in cells],
        "wall_s": [_rounded(r.wall_s, 4) for r in cells],
        "cpu_s": [_rounded(r.cpu_s, 4) for r in cells],
    }
    palette = palette_of(board)
    data = {
        "unit": [unit.name, unit.factor],
        "score": [scoring.FLOOR, scoring.CEILING],
        "apart": [[estimators[a], estimators[b], _rounded(half)] for a, b, half in board.half_widths],
        "where": (board.over or Over.FAMILIES).where,
        "hues": len(HUES),
        "estimators": [
            {"name": printable(name), "hue": palette.hue(name), "ranked": name in ranked} for name in estimators
        ],
        "families": [[printable(f.estimator), printable(f.family), _rounded(f.score)] for f in board.families],
        "points": [list(point) for point in points],
        "statuses": list(statuses),
        "messages": list(messages),
        "arms": list(arms),
        "cells": {name: column for name, column in columns.items() if any(value is not None for value in column)},
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


class _Numbered(dict[Any, int]):
    """Things in the order in which they came, and the number of each; what is new is taken in."""

    def __init__(self, known: Sequence[Any] | dict[Any, Any] = ()) -> None:
        super().__init__({thing: number for number, thing in enumerate(known)})

    def __missing__(self, thing: Any) -> int:
        return self.setdefault(thing, len(self))


def _point(result: Result) -> tuple[Any, ...]:
    task, family, group = map(printable, (result.cell.task, result.family, result.group))
    return task, result.cell.n, _rounded(result.truth), family, group


def _rounded(value: float | None, digits: int = _DIGITS) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")
