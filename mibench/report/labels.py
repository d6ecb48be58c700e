"""Names in figures: in lines that never break a word, and beside their points where there is room for them."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mibench.words import listed, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Box = tuple[float, float, float, float]
Place = tuple[float, float]

_RADII = (9, 16, 25, 36, 50, 66)  # points from a point to its label
_NEAR = 12  # points up to which no line leads from the label to its point
_HALF = 5.0  # pixels: half of what a marker covers
_STEP = 4.0  # pixels between the places at which a line is taken to be


def shorten(label: str, most: int = 30) -> str:
    """A long selector with its middle left out."""
    label = printable(label)
    if len(label) <= most:
        return label
    head = (most - 1) * 2 // 3
    return f"{label[:head]}…{label[head + 1 - most :]}"


def in_lines(label: str, width: int = 26, most: int = 2) -> str:
    """A selector in lines of at most so many letters, new ones only before its parameters or between two of them.

    What a line has no room for is cut, and said to be: a panel's title must not reach into the next panel.
    """
    lines = [""]
    for piece in re.split(r"(?=\[)|(?<=,)", printable(label)):
        if lines[-1] and len(lines[-1]) + len(piece) > width and len(lines) < most:
            lines.append("")
        lines[-1] += piece
    return "\n".join(shorten(line, width) for line in lines)


def left_out(every: Sequence[str], drawn: Sequence[str]) -> str:
    """A sentence on what there was no room for."""
    missing = [shorten(name) for name in every if name not in set(drawn)]
    return f" Not drawn for want of room: {listed(missing)}." if missing else ""


def label_points(
    ax: Axes,
    points: Sequence[tuple[float, float, str]],
    colours: Sequence[str],
    dots: Sequence[Place] = (),
    line: Sequence[Place] = (),
) -> list[str]:
    """Name points beside them, the first ones first, where a label meets no point, no line and no other label.

    dots : other points to keep clear of; line : the corners of a line likewise; all in data coordinates.

    Returns
    -------
    The names that there was no room for.
    """
    figure: Any = ax.figure
    figure.draw_without_rendering()  # so that the transforms are final and the sizes of texts known
    renderer = figure.canvas.get_renderer()

    def pixels(place: Place) -> Place:
        x, y = ax.transData.transform(place)
        return float(x), float(y)

    taken = [(x - _HALF, y - _HALF, x + _HALF, y + _HALF) for x, y in map(pixels, [*dots, *(p[:2] for p in points)])]
    taken += [(x - 1, y - 1, x + 1, y + 1) for x, y in _along([pixels(place) for place in line])]
    frame, nameless = ax.get_window_extent(), []
    for (x, y, text), colour in zip(points, colours, strict=True):
        for dx, dy in _around():
            leader: Any = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "alpha": 0.7, "shrinkB": 3}
            side = "center" if abs(dx) < 4 else "left" if dx > 0 else "right"
            level = "bottom" if dy > 4 else "top" if dy < -4 else "center"
            look: Any = {"ha": side, "va": level, "fontsize": 8, "color": colour, "textcoords": "offset points"}
            near = math.hypot(dx, dy) <= _NEAR
            label = ax.annotate(text, (x, y), (dx, dy), arrowprops=None if near else leader, **look)
            box = _text_box(label, renderer)
            inside = box[0] > frame.x0 and box[2] < frame.x1 and box[1] > frame.y0 and box[3] < frame.y1
            if inside and not any(_meet(box, other) for other in taken):
                taken.append(box)
                break
            label.remove()
        else:
            nameless.append(text)
    return nameless


def _text_box(label: Any, renderer: Any) -> Box:
    """Of the text alone, without the line that leads to it."""
    from matplotlib.text import Text

    label.update_positions(renderer)
    box = Text.get_window_extent(label, renderer)
    return box.x0 - 1, box.y0, box.x1 + 1, box.y1


def _around() -> Iterator[Place]:
    """Offsets to try, in points: at the sides first, then around, then farther away."""
    for radius in _RADII:
        for angle in (0, 180, 90, 270, 45, 315, 135, 225, 22, 338, 158, 202):
            yield radius * math.cos(math.radians(angle)), radius * math.sin(math.radians(angle))


def _along(corners: Sequence[Place]) -> Iterator[Place]:
    """Places on a line, close enough to one another for any label to meet one."""
    for (x0, y0), (x1, y1) in itertools.pairwise(corners):
        steps = max(1, math.ceil(math.hypot(x1 - x0, y1 - y0) / _STEP))
        for i in range(steps + 1):
            yield x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps


def _meet(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])
