"""How figures look: one colour per estimator, quiet axes, and an export that follows the page's light or dark theme.

Which data goes into a figure is decided in ``figures``, ``families``, ``details`` and ``downstream``.
"""

from __future__ import annotations

import copy
import functools
import io
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mibench.leaderboard.hues import HUES as HUES
from mibench.leaderboard.hues import MUTED as MUTED
from mibench.leaderboard.hues import dealt, drawn
from mibench.words import printable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GRID, PAPER = "#1f2430", "#dde2e9", "#fefefe"
HALF, WIDE = 5.9, 11.4  # widths in inches of figures that fill half of the page, and all of it
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--paper"}

# The hues on the page's near-black, where their contrast is at least 5 as well.
NIGHT = ("#8ba6ff", "#f0a830", "#3fc2a0", "#ff8a70", "#ee82f5", "#c39ae0", "#9ad14b", "#cbb878", "#5cc0ee", "#f48ab5")
_VARIABLES |= {hue: f"--hue-{i}" for i, hue in enumerate(HUES)}
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))


MOST_COLOURED = 8
"""What more names a figure has are grey until they are pointed at or chosen."""


@dataclass(frozen=True)
class LineStyle:
    """How one estimator is drawn; ``crowd``: it is one of many, in grey."""

    colour: str
    marker: str
    dashes: Any
    crowd: bool = False

    @property
    def line(self) -> dict[str, Any]:
        """What matplotlib's ``plot`` is told of its curve."""
        if self.crowd:
            return {"color": self.colour, "alpha": 0.35, "linewidth": 1.0, "zorder": 2}
        return {"color": self.colour, "linestyle": self.dashes, "zorder": 3}


_QUIET = LineStyle(MUTED, ".", (0, (1, 1.5)))


class Palette:
    """How estimators (and downstream arms) are drawn: a look follows from the name, in every report.

    names : those of a report, the best first.
    quiet : what is there for comparison and drawn in the background.
    """

    def __init__(self, names: Iterable[str] = (), quiet: Collection[str] = ()) -> None:
        self._quiet = frozenset(quiet)
        self._hues = dealt(name for name in names if name not in self._quiet)
        self._loud: Collection[str] | None = None

    def __getitem__(self, name: str) -> LineStyle:
        if name in self._quiet:
            return _QUIET
        dashes, marker = divmod(drawn(name)[1], len(_MARKERS))
        if self._loud is not None and name not in self._loud:
            return LineStyle(MUTED, _MARKERS[marker], "-", crowd=True)
        return LineStyle(HUES[self.hue(name)], _MARKERS[marker], _DASHES[dashes % len(_DASHES)])

    def hue(self, name: str) -> int:
        """The place among ``HUES`` of the colour of a name."""
        return self._hues.get(name, drawn(name)[0])

    def among(self, names: Iterable[str]) -> Palette:
        """The palette of a figure in which these are drawn, the best first: so many of them have a colour."""
        chosen = copy.copy(self)
        chosen._loud = [name for name in dict.fromkeys(names) if name not in self._quiet][:MOST_COLOURED]
        return chosen

    def remark(self, names: Iterable[str], which: str) -> str:
        """A sentence for the caption where not all of these have a colour; ``which``: ``first {} of the ranking``."""
        if not any(self[name].crowd for name in names):
            return ""
        return f" The {which.format(MOST_COLOURED)} are coloured; the others say their names when pointed at."


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
        "axes.formatter.useoffset": False,
        "text.hinting": "none",  # so that a text is as wide in every export as where the places were computed
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
        "path.simplify": True,
    }
    with matplotlib.rc_context(settings):
        yield


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure of its own (no pyplot state) with a grid of axes, always a two-dimensional array."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from .canvas import Canvas

    figure = Canvas(figsize=(width, height), layout="constrained")
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
    for i, spare in enumerate(axes[count:], count):
        axes[i - columns].tick_params(labelbottom=True)  # now the lowest of its column
        spare.remove()
    return figure, axes[:count]


def few_ticks(ax: Axes) -> None:
    """Numbers that do not touch along x, and no axis so narrow that it shows the rounding of equal values."""
    from matplotlib.ticker import MaxNLocator

    for low, high, settle in ((*ax.get_xlim(), ax.set_xlim), (*ax.get_ylim(), ax.set_ylim)):
        middle, least = (low + high) / 2, max(_NARROWEST, 0.02 * abs(low + high) / 2)
        if high - low < least:
            settle(middle - least / 2, middle + least / 2)
    ax.xaxis.set_major_locator(MaxNLocator(4))


def hover(artist: Artist, name: str, text: str = "") -> None:
    """Let the page know whose mark this is, and say so, or the text, where the mouse is on it."""
    artist.set_gid(f"hover:{printable(name)}{_BETWEEN}{printable(text or name)}")


def panel(ax: Axes, name: str) -> None:
    """Let the page know whose panel this is."""
    ax.set_gid(f"panel:{printable(name)}")


_NARROWEST = 0.005
_BETWEEN = "\u2066"  # never in a printable name


def shared_legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend at the right of the figure for all its axes."""
    entries = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(entries.values(), entries.keys(), loc="outside right center", handlelength=2.6)


def finish(figure: Figure, name: str, title: str, caption: str, alt: str, section: str = "main") -> Drawing:
    """The figure with its places settled; exports are made of it when they are asked for."""
    figure.draw_without_rendering()  # solves for the places,
    figure.set_layout_engine(None)  # once: with an engine, every export would draw twice
    return Drawing(name, title, caption, alt, section, figure)


def slug(text: str) -> str:
    """Text as part of a file name or an anchor."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def anchors(what: str, names: Iterable[str]) -> dict[str, str]:
    """Where the section of each name is on a page; what would be called alike is numbered."""
    slugs = {name: f"{what}-{slug(name)}" for name in names}
    count = Counter(slugs.values())
    return {name: f"{own}-{i}" if count[own] > 1 else own for i, (name, own) in enumerate(slugs.items())}


def _themed(svg: str, name: str, alt: str, inches: float) -> str:
    """An SVG fit to stand in a page: no prologue, no fixed size, unique ids, the page's colours and font."""
    from html import escape

    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    head, rest = body[: body.index(">") + 1], body[body.index(">") + 1 :]
    least = 62 if inches <= HALF else 78  # a wide one is scrolled on a phone anyway
    size = f"max-width:{96 * inches:.0f}px;min-width:{least * inches:.0f}px"
    head = re.sub(r'\s(width|height)="[\d.]+pt"', "", head)
    head = head.replace("<svg", f'<svg role="img" aria-label="{escape(alt, quote=True)}" style="{size}"', 1)
    prefix = slug(name)
    rest = re.sub(
        rf'<g id="hover:([^"{_BETWEEN}]*){_BETWEEN}([^"]*)">', r'<g class="hover" data-of="\1"><title>\2</title>', rest
    )
    rest = re.sub(r'<g id="panel:([^"]*)">', r'<g class="panel" data-of="\1">', rest)
    rest = re.sub(r'\bid="', f'id="{prefix}-', rest)
    rest = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{prefix}-", rest)
    for colour, variable in _VARIABLES.items():
        rest = rest.replace(colour, f"var({variable})")
    return head + re.sub(r"font(-family)?:\s*([\d.]+px )?'DejaVu Sans'[^;\"]*", _font, rest)


def _font(match: re.Match[str]) -> str:
    """Keep the size, leave the family to the page."""
    return f"font-size: {match.group(2).strip()}" if match.group(2) else ""
