"""The pictures that downstream runs left: which ones a report shows, and all arms side by side on a contact sheet."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mibench.group import grouped
from mibench.leaderboard.board import Board
from mibench.result import Result

from .labels import shorten
from .style import INK, slug
from .values import natural

if TYPE_CHECKING:
    from PIL import Image

_MOST_PICTURES = 48
_LARGEST_PICTURE = 2_000_000  # bytes
_MOST_PIXELS = 25_000_000  # which a few bytes may claim to be
_STEP = re.compile(r"[_-]\d+$")
_WIDTH, _COLUMNS, _MARGIN, _LINE = 320, 4, 12, 26  # pixels, but for the columns
_TALLEST = 4 * _WIDTH


@dataclass(frozen=True)
class Picture:
    """A picture of one run: which arm and seed it belongs to, what it shows and where it lies."""

    group: str
    arm: str
    name: str
    seed: int
    path: Path


def find(board: Board, sources: Sequence[Path]) -> dict[str, list[Picture]]:
    """By group, kind after kind: the last picture of each kind from each arm's first seed, where its file exists.

    A training names its pictures by kind and step, such as ``samples_002000``; a report shows how it ended.
    """
    found = {}
    for group, rows in grouped(board.downstream, lambda row: row.group).items():
        pictures = []
        for arm in dict.fromkeys(row.arm for row in rows):
            runs = [r for r in board.cells if r.group == group and r.arm == arm and r.images]
            if runs:
                pictures += _of_run(min(runs, key=lambda r: r.cell.seed), sources)
        found[group] = sorted(pictures, key=lambda picture: picture.name)[:_MOST_PICTURES]
    return found


def _of_run(run: Result, sources: Sequence[Path]) -> list[Picture]:
    last = {_STEP.sub("", name): file for name, file in sorted(run.images.items(), key=lambda item: natural(item[0]))}
    pictures = []
    for kind, file in last.items():
        path = next(filter(None, (_inside(source, file) for source in sources)), None)
        if path is not None and path.stat().st_size <= _LARGEST_PICTURE and _is_whole(path):
            pictures.append(Picture(run.group, run.arm, kind.replace("_", " "), run.cell.seed, path))
    return pictures


def _inside(folder: Path, name: str) -> Path | None:
    """A file of a folder of results; a record that names another file of this machine does not get it."""
    try:
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, ValueError, RuntimeError):  # a loop of links is the last of these
        return None


def sheets(pictures: Mapping[str, Sequence[Picture]]) -> Iterator[tuple[str, str, bytes]]:
    """A contact sheet of each kind of each group: its caption, the name of its file in a report, and the PNG."""
    alike = grouped((picture for own in pictures.values() for picture in own), lambda p: (p.group, p.name))
    for (group, kind), own in alike.items():
        yield f"{group}: {kind}", f"figures/pictures-{slug(group)}-{slug(kind)}.png", contact_sheet(own)


def contact_sheet(pictures: Sequence[Picture]) -> bytes:
    """The pictures side by side, each under its arm and seed, as PNG."""
    from PIL import Image, ImageDraw, ImageFont

    images = [_scaled(picture.path) for picture in pictures]
    columns = min(_COLUMNS, len(images))
    tallest = max(image.height for image in images)
    lines = -(-len(images) // columns)
    canvas = Image.new(
        "RGB", (columns * (_WIDTH + _MARGIN) + _MARGIN, lines * (tallest + _LINE + _MARGIN) + _MARGIN), "white"
    )
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=15)
    for place, (picture, image) in enumerate(zip(pictures, images, strict=True)):
        left = _MARGIN + place % columns * (_WIDTH + _MARGIN)
        top = _MARGIN + place // columns * (tallest + _LINE + _MARGIN)
        draw.text((left, top), f"{shorten(picture.arm, 34)}, seed {picture.seed}", INK, font)
        canvas.paste(image, (left, top + _LINE))
    stream = io.BytesIO()
    canvas.save(stream, format="png", optimize=True)
    return stream.getvalue()


def _scaled(path: Path) -> Image.Image:
    from PIL import Image

    with Image.open(path) as image:
        height = min(max(1, round(image.height * _WIDTH / image.width)), _TALLEST)
        how = Image.Resampling.NEAREST if image.width < _WIDTH else Image.Resampling.LANCZOS
        return image.convert("RGB").resize((_WIDTH, height), how)


def _is_whole(path: Path) -> bool:
    """Whether it is a PNG, of a size that somebody would look at. A file cut short by a kill costs its picture only."""
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=["PNG"]) as image:
            if image.width * image.height > _MOST_PIXELS:
                return False
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
    return True
