"""Single figures for a notebook or a paper: those of a report, at the width that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from mibench.errors import UsageError
from mibench.leaderboard.board import Board

from .values import Unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Plot: TypeAlias = Literal["score", "differences", "time", "truth"]

_WIDTHS = {1: 3.35, 2: 6.9}  # inches: one column of a paper's page, and both
_TALLEST = 9.0  # inches
_SMALLER = 0.8  # letters of a paper's figure, of those of the page
_PANELS = {None: 5, 1: 2, 2: 4}  # side by side


@dataclass(frozen=True)
class Plots:
    """The figures of a board by name; ``columns`` and ``unit`` are those of :func:`plot`."""

    board: Board

    def score(self, columns: int | None = None) -> Figure:
        """The scores with their intervals."""
        return plot(self.board, "score", columns)

    def differences(self, columns: int | None = None) -> Figure:
        """The differences to the best, with their simultaneous intervals."""
        return plot(self.board, "differences", columns)

    def time(self, columns: int | None = None) -> Figure:
        """The score against CPU time."""
        return plot(self.board, "time", columns)

    def truth(self, columns: int | None = None, unit: str = "nats") -> Figure:
        """The estimates against the truth, a panel per estimator."""
        return plot(self.board, "truth", columns, unit)


def plot(board: Board, what: Plot, columns: int | None = None, unit: str = "nats") -> Figure:
    """One figure of a report, as wide as so many columns of a paper, or as on the page.

    Raises
    ------
    UsageError : another word, width or unit, or too few estimators to draw.
    """
    from . import figures
    from .style import theme

    known = get_args(Plot)
    if what not in known:
        raise UsageError(f"cannot plot '{what}'; write {', '.join(known[:-1])} or {known[-1]}.")
    if columns not in _PANELS:
        raise UsageError(f"a figure is 1 or 2 columns wide, not {columns}.")
    palette, shown = figures.palette_of(board), Unit(unit)
    with theme():
        match what:
            case "score":
                drawing = figures.scores(board, palette)
            case "differences":
                drawing = figures.differences(board, palette)
            case "time":
                size = None if columns is None else (_WIDTHS[columns], 0.62 * _WIDTHS[columns] + 0.6)
                drawing = figures.pareto(board, palette, size)
            case "truth":
                drawing = figures.truth(board, palette, shown, _PANELS[columns])
        if drawing is None:
            raise UsageError("there are too few estimators to draw.")
        if columns is not None:
            _fit(drawing.figure, _WIDTHS[columns])
    return drawing.figure


def _fit(figure: Figure, width: float) -> None:
    """Make it as wide as that, with smaller letters; its places are settled anew."""
    from matplotlib.text import Text

    texts: list[Text] = figure.findobj(Text)
    for text in texts:
        text.set_fontsize(float(text.get_fontsize()) * _SMALLER)
    wide, tall = figure.get_size_inches()
    figure.set_size_inches(width, min(_TALLEST, tall * max(width / wide, 0.7)))
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.05)
    figure.draw_without_rendering()
    figure.set_layout_engine(None)
