"""A figure whose letters stay letters, whoever saves it."""

from __future__ import annotations

from typing import Any

import matplotlib
from matplotlib.figure import Figure

_LETTERS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mibench",
    "pdf.fonttype": 42,  # TrueType; many venues refuse Type 3, which is matplotlib's own choice
    "ps.fonttype": 42,
}


class Canvas(Figure):
    """An ordinary figure, but for how it is saved: with text as text, in fonts that a venue takes."""

    def savefig(self, *args: Any, **options: Any) -> None:
        """As ``Figure.savefig``."""
        with matplotlib.rc_context(_LETTERS):
            super().savefig(*args, **options)
