"""How figures look: one colour per estimator, quiet axes, and an export that follows the page's light or dark theme.

Which data goes into a figure is decided in ``figures``, ``families``, ``details`` and ``downstream``.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mibench.words import listed, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

INK, MUTED, GRID, PAPER = "#1f2430", "#667080", "#dde2e9", "#fefefe"
HALF, WIDE = 5.9, 11.4  # widths in inches of figures that fill half of the page, and all of it
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--paper"}

# Contrast at least 5 (WCAG AA for text is 4.5): the first of each pair on white, the second on the page's near-black.
HUES = ("#2850e0", "#a85c00", "#0c7660", "#c13723", "#b01fb8", "#7a4c99", "#5b6b85", "#806a2e", "#0077a8", "#a8326b")
NIGHT = ("#8ba6ff", "#f0a830", "#3fc2a0", "#ff8a70", "#ee82f5", "#c39ae0", "#a9b8d0", "#cbb878", "#5cc0ee", "#f48ab5")
_VARIABLES |= {hue: f"--hue-{i}" for i, hue in enumerate(HUES)}
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))


_SALT = 2261  # with it the best eight of each published board have eight colours


@dataclass(frozen=True)
class LineStyle:
    """How one estimator is drawn, in every figure alike."""

    colour: str
    marker: str
    dashes: Any


_QUIET = LineStyle(MUTED, ".", (0, (1, 1.5)))


class Palette:
    """How estimators (and downstream arms) are drawn: a look follows from the name alone, in every report.

    quiet : what is there for comparison and drawn in the background.
    """

    def __init__(self, quiet: Collection[str] = ()) -> None:
        self._quiet = frozenset(quiet)

    def __getitem__(self, name: str) -> LineStyle:
        if name in self._quiet:
            return _QUIET
        drawn = int.from_bytes(hashlib.sha256(f"{_SALT}{name}".encode("utf-8", "replace")).digest()[:8], "big")
        drawn, hue = divmod(drawn, len(HUES))
        drawn, marker = divmod(drawn, len(_MARKERS))
        return LineStyle(HUES[hue], _MARKERS[marker], _DASHES[drawn % len(_DASHES)])


@dataclass(frozen=True)
class Drawing:
    """A finished figure and what is said about it.

    name : file name without suffix; title, caption : shown above and below; alt : what it shows, in words.
    section : where on the page it belongs (main, a family's name, training, ...).
    """

    name: str
    title: str
    caption: str
    alt: str
    section: str
    figure: Figure

    @property
    def wide(self) -> bool:
        """Whether it needs the width of the page."""
        return self.figure.get_figwidth() > HALF

    @functools.cached_property
    def png(self) -> bytes:
        """For files: on white."""
        stream = io.BytesIO()
        with theme():
            self.figure.savefig(stream, format="png", dpi=150, facecolor="white")
        return stream.getvalue()

    @functools.cached_property
    def picture(self) -> bytes:
        """For files: an SVG by itself, on white."""
        stream = io.BytesIO()
        with theme():
            self.figure.savefig(stream, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
        return stream.getvalue()

    @functools.cached_property
    def svg(self) -> str:
        """For the page: with the page's own ink and paper."""
        stream = io.StringIO()
        with theme():
            self.figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        return _themed(stream.getvalue(), self.name, self.alt, self.figure.get_figwidth())


@contextmanager
def theme() -> Iterator[None]:
    """Matplotlib settings for the time of drawing; nobody else's figures are touched."""
    import matplotlib

    settings: Any = {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 9,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": MUTED,
        "axes.linewidth": 0.7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 9,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.facecolor": "none",
        "axes.unicode_minus": True,
        "text.parse_math": False,  # names are other people's: a dollar is a dollar
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "lines.linewidth": 1.6,
        "lines.markersize": 4.5,
        "figure.dpi": 100,
        "svg.fonttype": "none",
        "svg.hashsalt": "mibench",
        "path.simplify": True,
    }
    with matplotlib.rc_context(settings):
        yield


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure of its own (no pyplot state) with a grid of axes, always a two-dimensional array."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    # a margin, because the page's font may be wider than the one that the places were computed with
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.05)  # type: ignore[union-attr,call-arg]
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def small_multiples(count: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, list[Axes]]:
    """``count`` equal axes in a grid; the unused ones of the last row are removed."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, grid = new_figure(min(WIDE, size[0] * columns + 0.6), size[1] * rows + 0.4, rows, columns, **options)
    axes = list(grid.flat)
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def hover(line: Line2D, name: str) -> None:
    """Let the page say the name where the mouse is on the line."""
    line.set_gid(f"hover:{printable(name)}")


def shared_legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend at the right of the figure for all its axes."""
    entries = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(entries.values(), entries.keys(), loc="outside right center", handlelength=2.6)


def label_points(ax: Axes, points: Sequence[tuple[float, float, str]], colours: Sequence[str]) -> None:
    """Name points beside them: each label takes the first place around its point that is still free."""
    figure: Any = ax.figure
    figure.canvas.draw()  # so that the transforms are final and the sizes of texts known
    renderer = figure.canvas.get_renderer()
    taken = []
    for x, y, _ in points:
        px, py = ax.transData.transform((x, y))
        taken.append((px - 6, py - 6, px + 6, py + 6))
    frame = ax.get_window_extent()
    for (x, y, text), colour in zip(points, colours, strict=True):
        best, least = None, float("inf")
        for dx, dy, ha in _PLACES:
            label = ax.annotate(
                text, (x, y), (dx, dy), textcoords="offset points", ha=ha, va="center", fontsize=8, color=colour
            )
            box = label.get_window_extent(renderer)
            here = (box.x0, box.y0, box.x1, box.y1)
            clash = sum(_overlap(here, other) for other in taken)
            clash += 1e4 * (box.x0 < frame.x0 or box.x1 > frame.x1 + 40 or box.y0 < frame.y0 or box.y1 > frame.y1)
            if clash < least:
                if best is not None:
                    best[0].remove()
                best, least = (label, here), clash
            else:
                label.remove()
            if least == 0:
                break
        if best is not None:
            taken.append(best[1])


_BESIDE = ((8, 0, "left"), (-8, 0, "right"), (0, 11, "center"), (0, -11, "center"))
_CORNERS = ((8, 9), (8, -9), (-8, 9), (-8, -9), (8, 18), (8, -18))
_PLACES = (*_BESIDE, *((x, y, "left" if x > 0 else "right") for x, y in _CORNERS))


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def finish(figure: Figure, name: str, title: str, caption: str, alt: str, section: str = "main") -> Drawing:
    """The figure with its places settled; exports are made of it when they are asked for."""
    figure.draw_without_rendering()  # solves for the places,
    figure.set_layout_engine(None)  # once: with an engine, every export would draw twice
    return Drawing(name, title, caption, alt, section, figure)


def left_out(every: Sequence[str], drawn: Sequence[str]) -> str:
    """A sentence on what there was no room for."""
    missing = [shorten(name) for name in every if name not in set(drawn)]
    return f" Not drawn for want of room: {listed(missing)}." if missing else ""


def shorten(label: str, most: int = 30) -> str:
    """A long selector with its middle left out."""
    label = printable(label)
    if len(label) <= most:
        return label
    head = (most - 1) * 2 // 3
    return f"{label[:head]}…{label[head + 1 - most :]}"


def slug(text: str) -> str:
    """Text as part of a file name or an anchor."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _themed(svg: str, name: str, alt: str, inches: float) -> str:
    """An SVG fit to stand in a page: no prologue, no fixed size, unique ids, the page's colours and font."""
    from html import escape

    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    head, rest = body[: body.index(">") + 1], body[body.index(">") + 1 :]
    size = f"max-width:{96 * inches:.0f}px;min-width:{62 * inches:.0f}px"
    head = re.sub(r'\s(width|height)="[\d.]+pt"', "", head)
    head = head.replace("<svg", f'<svg role="img" aria-label="{escape(alt, quote=True)}" style="{size}"', 1)
    prefix = slug(name)
    rest = re.sub(r'<g id="hover:([^"]*)">', r'<g class="hover"><title>\1</title>', rest)
    rest = re.sub(r'\bid="', f'id="{prefix}-', rest)
    rest = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{prefix}-", rest)
    for colour, variable in _VARIABLES.items():
        rest = rest.replace(colour, f"var({variable})")
    return head + re.sub(r"font(-family)?:\s*([\d.]+px )?'DejaVu Sans'[^;\"]*", _font, rest)


def _font(match: re.Match[str]) -> str:
    """Keep the size, leave the family to the page."""
    return f"font-size: {match.group(2).strip()}" if match.group(2) else ""
