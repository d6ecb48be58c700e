"""What pairs of columns of one's own table share: a heat map, or bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mibench.estimator import Array

from .labels import shorten
from .style import HALF, HUES, MUTED, WIDE, Drawing, finish, new_figure, theme

_MOST_NAMED = 60  # columns whose names can still be read
_MOST_BARS = 50
_PALE_TO_DARK = "YlGnBu"


def heat_map(names: Sequence[str], matrix: Array, unit: str) -> Drawing:
    """Mutual information of all pairs, ``matrix`` (columns, columns), in ``unit``; blank where none is known."""
    count = len(names)
    size = min(WIDE, 2.6 + 0.2 * count)
    shown = np.clip(matrix, 0, None)
    known = shown[np.isfinite(shown)]
    with theme():
        figure, grid = new_figure(size, 0.92 * size)
        ax = grid[0, 0]
        # one copy of a column among hundreds must not leave the rest white
        most = max(float(np.quantile(known, 0.995)), 0.05) if len(known) else 1.0
        image = ax.imshow(shown, cmap=_PALE_TO_DARK, vmin=0, vmax=most, interpolation="nearest")
        above = "max" if len(known) and known.max() > most else "neither"
        figure.colorbar(image, ax=ax, shrink=0.8, label=f"mutual information, {unit}", extend=above)
        every = max(1, -(-count // _MOST_NAMED))
        at = range(0, count, every)
        small = 7.5 if every == 1 and count <= 40 else 5.5
        ax.set_xticks(at, [shorten(names[i], 22) for i in at], rotation=90, fontsize=small)
        ax.set_yticks(at, [shorten(names[i], 22) for i in at], fontsize=small)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        caption = f"Mutual information of each pair of columns in {unit}; answers below 0 as 0."
        if every > 1:
            caption += f" Every {every}th name is written."
        alt = f"Heat map of the mutual information of {count} columns with each other"
        return finish(figure, "pairs", "Mutual information of all pairs", caption, alt)


def bars(names: Sequence[str], values: Sequence[float], sure: Sequence[bool], target: str, unit: str) -> Drawing:
    """Mutual information of each column with the target, the greatest first; pale where it may be chance."""
    names, values, sure = names[:_MOST_BARS], values[:_MOST_BARS], sure[:_MOST_BARS]
    places = np.arange(len(names))[::-1]
    with theme():
        figure, grid = new_figure(HALF + 1.5, max(2.0, 0.8 + 0.2 * len(names)))
        ax = grid[0, 0]
        ax.barh(places, values, height=0.7, color=[HUES[0] if s else MUTED for s in sure])
        ax.set_yticks(places, [shorten(name, 40) for name in names], fontsize=7.5)
        ax.set(xlabel=f"mutual information with {shorten(target)}, {unit}", ylim=(-0.7, len(names) - 0.3))
        ax.grid(axis="y", visible=False)
        ax.axvline(0, color=MUTED, linewidth=0.8)
        caption = "Grey: q above 0.05, which chance can explain among so many columns."
        alt = f"Bars of the mutual information of {len(names)} columns with {target}"
        return finish(figure, "target", f"Mutual information with {shorten(target)}", caption, alt)
