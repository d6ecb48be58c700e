"""What is said of one's own samples: the recommended value among the panel's answers, a scatter, a page around both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mibench.bound import Interval
from mibench.estimator import Array
from mibench.words import counted

from .html import fill
from .labels import shorten
from .style import HALF, HUES, MUTED, Drawing, finish, new_figure, theme

_POINTS = 2000


@dataclass(frozen=True)
class Said:
    """What one estimator said, in the unit of the figure; None where it states no such error.

    interval : what ``stderr`` is for.
    """

    estimator: str
    mi: float
    stderr: float | None = None
    typical: float | None = None
    interval: Interval = Interval.TWO_SIDED

    @property
    def reach(self) -> tuple[float, float]:
        """How far its 95 % interval goes down and up; 0 where it says nothing of that side, or at all."""
        if self.stderr is None:
            return 0.0, 0.0
        reach = (abs(end - self.mi) for end in self.interval.ends(self.mi, self.stderr))
        low, high = (length if np.isfinite(length) else 0.0 for length in reach)
        return low, high


def panel(said: Sequence[Said], recommended: tuple[float, float | None, float | None] | None, unit: str) -> Drawing:
    """The answers, each with its own error bar and its typical error, over the recommended value and its interval."""
    said = [s for s in said if np.isfinite(s.mi)]
    places = np.arange(len(said))[::-1]
    with theme():
        figure, grid = new_figure(HALF + 1.5, max(1.6, 0.9 + 0.28 * len(said)))
        ax = grid[0, 0]
        if recommended is not None and np.isfinite(recommended[0]):
            value, low, high = recommended
            if low is not None and high is not None and np.isfinite(high):
                ax.axvspan(low, high, color=HUES[0], alpha=0.15, linewidth=0)
            ax.axvline(value, color=HUES[0], linewidth=1.4)
        for place, one in zip(places, said, strict=True):
            if one.typical is not None:
                ax.barh(place, 2 * one.typical, left=one.mi - one.typical, height=0.42, color=MUTED, alpha=0.35)
            bars = np.reshape(one.reach, (2, 1))
            ax.errorbar(one.mi, place, xerr=bars if bars.any() else None, fmt="o", color=HUES[1], ms=4, lw=1.2)
        ax.set_yticks(places, [shorten(s.estimator, 40) for s in said], fontsize=8)
        ax.set(xlabel=f"mutual information, {unit}", ylim=(-0.7, len(said) - 0.3))
        ax.grid(axis="y", visible=False)
        told = ["Line and shade: the recommended value and its interval."] if recommended is not None else []
        told.append("Points: the answers.")
        if any(s.stderr is not None for s in said):
            told.append(
                "Their lines: the 95 % intervals that follow from their own standard errors, of bounds to one side."
            )
        if any(s.typical is not None for s in said):
            told.append("Grey: how far each was off on half of the reference samples most like this.")
        names = ", ".join(s.estimator for s in said)
        alt = f"Estimates of {names}{' beside the recommended value' if recommended is not None else ''}"
        return finish(figure, "panel", "The answers", " ".join(told), alt)


def scatter(x: Array, y: Array, names: tuple[Sequence[str], Sequence[str]]) -> Drawing:
    """A column of x (n, dim_x) against one of y (n, dim_y): those whose ranks are the most correlated."""
    rows = np.random.default_rng(0).permutation(len(x))[:_POINTS]
    x, y = x[rows], y[rows]
    ranks = [np.argsort(np.argsort(v, axis=0, kind="stable"), axis=0, kind="stable").astype(float) for v in (x, y)]
    centred = [r - r.mean(axis=0) for r in ranks]
    i, j = divmod(int(np.abs(centred[0].T @ centred[1]).argmax()), y.shape[1])
    with theme():
        figure, grid = new_figure(HALF, HALF)
        ax = grid[0, 0]
        ax.plot(x[:, i], y[:, j], ".", color=HUES[0], markersize=3, alpha=0.5, rasterized=False)
        of_x, of_y = shorten(names[0][i], 30), shorten(names[1][j], 30)
        ax.set(xlabel=of_x, ylabel=of_y)
        some = f"{len(rows):,} of the rows, at random." if len(rows) == _POINTS else counted(len(rows), "row") + "."
        pair = "" if x.shape[1] == y.shape[1] == 1 else "The pair of columns whose ranks are the most correlated. "
        caption = f"{pair}{some}"
        return finish(figure, "samples", "The samples", caption, f"Scatter of {of_y} against {of_x}")


def page(
    title: str,
    lead: Sequence[str],
    figures: Sequence[Drawing],
    table_title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    headline: str = "",
) -> str:
    """One HTML file that needs nothing else: a headline, sentences, figures, and a table."""
    told = {"title": title, "lead": lead, "figures": figures, "table_title": table_title, "headline": headline}
    return fill("samples.html", **told, headings=headings, rows=rows)
