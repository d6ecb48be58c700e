"""Pictures of downstream models as PNG bytes: points over modes, tiles of images, the information plane."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mibench.estimator import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure  # no pyplot: no global state, no display

    figure = Figure(figsize=(width, height), dpi=80, layout="constrained")
    return figure, figure.add_subplot()


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def points(samples: Array, centres: Array) -> bytes:
    """Generated points (N, 2) in blue over the centres of the modes (C, 2) in grey."""
    figure, axes = _figure(3.6, 3.6)
    axes.plot(*centres.T, ".", color="0.75", markersize=12 if len(centres) < 100 else 3, zorder=1)
    axes.plot(*samples[:2_500].T, ".", color="tab:blue", markersize=1.5, alpha=0.6, zorder=2)
    reach = 1.25 * float(np.abs(centres).max())
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    return _png(figure)


def tiles(images: Array, columns: int = 10, scale: int = 3) -> bytes:
    """Images (N, channels, side, side) with pixels in [0, 1] as one picture; two channels show as red and green."""
    from PIL import Image

    count, channels, side, _ = images.shape
    rows = -(-count // columns)
    if channels == 2:
        images = np.concatenate([images, np.zeros_like(images[:, :1])], axis=1)
    canvas = np.ones((rows * (side + 1) + 1, columns * (side + 1) + 1, 1 if channels == 1 else 3))
    for i, image in enumerate(images):
        top, left = (i // columns) * (side + 1) + 1, (i % columns) * (side + 1) + 1
        canvas[top : top + side, left : left + side] = image.transpose(1, 2, 0)
    pixels = (255 * np.clip(canvas, 0, 1)).round().astype(np.uint8)
    picture = Image.fromarray(pixels.squeeze(-1) if channels == 1 else pixels)
    picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    picture.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def information_plane(
    paths: Mapping[str, Sequence[tuple[float, float]]], ceiling: float, xlabel: str, ylabel: str
) -> bytes:
    """Paths of (I(X; Z), I(Z; Y)) in nats over training, one per way of measuring I(X; Z); a dot marks the end.

    ``ceiling`` is the most that I(X; Z) can be on the sample; the axis ends a little above it and a little below zero,
    because some bounds return wild values.
    """
    figure, axes = _figure(4.6, 3.6)
    for name, path in paths.items():
        (line,) = axes.plot(*zip(*path, strict=True), "-", linewidth=1.2, label=name)
        axes.plot(*path[-1], "o", color=line.get_color())
    axes.axvline(ceiling, color="0.75", linestyle="--", linewidth=0.9, label="ceiling", zorder=0)
    axes.set(xlim=(-0.15 * ceiling, 1.1 * ceiling), xlabel=xlabel, ylabel=ylabel)
    axes.legend(fontsize=8)
    return _png(figure)


def quantiles(learnt: Array, best: Array) -> bytes:
    """The quantile functions of a learnt distribution and of the best one, both on equal steps of probability."""
    figure, axes = _figure(3.6, 2.8)
    for values, name, colour in ((best, "best", "0.6"), (learnt, "learnt", "tab:blue")):
        axes.plot((np.arange(len(values)) + 0.5) / len(values), np.sort(values), color=colour, label=name)
    axes.set(xlabel="probability", ylabel="input")
    axes.legend(fontsize=8)
    return _png(figure)
