"""The colour of an estimator or arm: the same in every figure, page and dashboard.

A colour follows from the name alone; only one that a better name of the same board has already is left to that one, and
the next free one taken. Any ``len(HUES)`` names that follow each other have different colours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mibench.estimator import Role

if TYPE_CHECKING:
    from .board import Board

# Contrast at least 5 on white (WCAG AA for text is 4.5).
HUES = ("#2850e0", "#a85c00", "#0c7660", "#c13723", "#b01fb8", "#7a4c99", "#3d7a00", "#806a2e", "#0077a8", "#a8326b")
MUTED = "#667080"


def quiet(board: Board) -> set[str]:
    """The estimators and arms that are there for comparison: they stay in the background."""
    names = {row.estimator for row in board.ranking if row.yardstick} | board.named(Role.FLOOR)
    return names | {row.arm for row in board.downstream if row.control}


def names(board: Board) -> list[str]:
    """All estimators and arms of a board, the best first."""
    return [*(row.estimator for row in board.ranking), *(row.arm for row in board.downstream)]


def colours(board: Board) -> dict[str, str]:
    """The colour of every estimator and arm of a board; grey is what is there for comparison."""
    still = quiet(board)
    loud = dealt(name for name in names(board) if name not in still)
    return {name: HUES[loud[name]] if name in loud else MUTED for name in names(board)}


def dealt(names: Iterable[str]) -> dict[str, int]:
    """The hue of each: its own where nobody before it has it, else the next free one; when all are dealt, again."""
    hues: dict[str, int] = {}
    for name in dict.fromkeys(names):
        taken = list(hues.values())[len(hues) // len(HUES) * len(HUES) :]
        hue = drawn(name)[0]
        while hue in taken:
            hue = (hue + 1) % len(HUES)
        hues[name] = hue
    return hues


def drawn(name: str) -> tuple[int, int]:
    """The hue of a name, and a number for the rest of its look."""
    number = int.from_bytes(hashlib.sha256(name.encode("utf-8", "replace")).digest()[:8], "big")
    number, which = divmod(number, len(HUES))
    return which, number
