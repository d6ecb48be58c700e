"""Pictures of a sample of a task: scatter plots of its first coordinates, or the images that it is made of.

The points of every panel are coloured by the first coordinate of X, so that the panel of Y shows what X says about it.
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mibench.errors import UsageError
from mibench.estimator import Array
from mibench.task import AnyTask, ConsistencyTask, Task

from .style import INK, MUTED, finish, new_figure, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SMALL, _LARGE = 400, 2_000  # points
_PAIRS = 8  # images of X above those of Y


def thumbnail(task: Task | ConsistencyTask) -> bytes:
    """A small picture of a sample as PNG: up to three panels without axes, or a strip of images.

    Raises
    ------
    NotInstalled : the task's data set is missing.
    """
    x, y = _sample(task, _SMALL)
    shape = _image_shape(task, x.shape[1])
    if shape is not None:
        return _strip(x, y, shape)
    figure, axes = _canvas()
    views = _views(x, y)
    for ax, (_, _, horizontal, vertical) in zip(axes, views, strict=False):
        ax.set_visible(True)
        limits = [_limits(values) for values in (horizontal, vertical)]
        ax.set(xlim=limits[0], ylim=limits[1])
        ax.scatter(*_jittered(horizontal, vertical), c=_colours(x), s=3.0, cmap="viridis", linewidths=0, alpha=0.8)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[:, :, :3].copy()
    for ax in axes:
        for artist in list(ax.collections):
            artist.remove()
        ax.set_visible(False)
    return _png(pixels[:, : pixels.shape[1] * len(views) // 3])


def task_figure(task: AnyTask) -> bytes:
    """A picture of a sample of 2,000 as PNG, with axes; where the density is known, its pointwise mutual information.

    Raises
    ------
    UsageError : a downstream task, which has no sample.
    NotInstalled : the task's data set is missing.
    """
    if not isinstance(task, (Task, ConsistencyTask)):
        raise UsageError(f"{task.label} has no sample to draw; --plot is for tasks with samples.")
    x, y = _sample(task, _LARGE)
    shape = _image_shape(task, x.shape[1])
    views = [] if shape is not None else _views(x, y)
    pointwise = task.log_density_ratio(x, y) if isinstance(task, Task) and task.has_density else None
    with theme():
        panels = len(views) + (shape is not None) + (pointwise is not None)
        figure, grid = new_figure(3.1 * panels + (2.0 if shape is not None else 0.2), 3.2, 1, panels)
        axes = list(grid[0])
        for ax, (across, up, horizontal, vertical) in zip(axes, views, strict=False):
            ax.scatter(*_jittered(horizontal, vertical), c=_colours(x), s=4.0, cmap="viridis", linewidths=0, alpha=0.7)
            ax.set(xlim=_limits(horizontal), ylim=_limits(vertical), xlabel=across, ylabel=up)
        if shape is not None:
            axes[0].imshow(_tiled(x, y, shape), cmap="gray", vmin=0, vmax=1)
            axes[0].set_axis_off()
            axes[0].set_title("X above Y")
        if pointwise is not None and isinstance(task, Task):
            _histogram(axes[-1], pointwise, task.mutual_information)
        figure.suptitle(task.label if len(task.label) < 70 else f"{task.label[:68]}…", fontsize=9, color=INK)
        return finish(figure, "task", task.label, "", task.label).png


def _sample(task: Task | ConsistencyTask, n: int) -> tuple[Array, Array]:
    return task.sample(n, 0) if isinstance(task, Task) else task.parts(n, 0)[0]


def _views(x: Array, y: Array) -> list[tuple[str, str, Array, Array]]:
    """Pairs of coordinates with their names: X against Y, then within X and within Y."""
    first_x, first_y = ("x" if x.shape[1] == 1 else "x₁"), ("y" if y.shape[1] == 1 else "y₁")
    views = [(first_x, first_y, x[:, 0], y[:, 0])]
    if x.shape[1] > 1:
        views.append(("x₁", "x₂", x[:, 0], x[:, 1]))
    if y.shape[1] > 1:
        views.append(("y₁", "y₂", y[:, 0], y[:, 1]))
    return views


def _limits(values: Array) -> tuple[float, float]:
    """Room for all values, but for those further than 4 interquartile ranges from the middle half."""
    least, lower, upper, most = (float(q) for q in np.quantile(values, [0.0, 0.25, 0.75, 1.0]))
    reach = 4.0 * (upper - lower)
    low, high = (max(least, lower - reach), min(most, upper + reach)) if reach > 0 else (least, most)
    margin = 0.06 * (high - low or 1.0)
    return low - margin, high + margin


def _colours(x: Array) -> npt.NDArray[np.float64]:
    """Ranks of the first coordinate, so that heavy tails do not use up the colours."""
    _, ranks = np.unique(x[:, 0], return_inverse=True)
    return ranks.astype(float)


def _jittered(horizontal: Array, vertical: Array) -> tuple[Array, Array]:
    """Values as they are, or moved a little where they are few, so that repeated points show how many they are."""
    rng = np.random.default_rng(0)
    moved = []
    for values in (horizontal, vertical):
        levels = np.unique(values)
        step = float(np.diff(levels).min()) if 1 < len(levels) <= 40 else 0.0
        moved.append(values + rng.uniform(-0.18, 0.18, len(values)) * step)
    return moved[0], moved[1]


def _image_shape(task: Task | ConsistencyTask, dim: int) -> tuple[int, int, int] | None:
    """(channels, side, side) of the images side by side in ``dim`` pixels, or None where they are no pixels."""
    if not task.pixels:
        return None
    for count in range(1, 65):
        for channels in (1, 3):
            side = math.isqrt(dim // (count * channels))
            if side >= 8 and count * channels * side**2 == dim:
                return channels, side, side
    return None


def _tiled(x: Array, y: Array, shape: tuple[int, int, int], pairs: int = _PAIRS) -> npt.NDArray[np.float64]:
    """The first images of X in one row above those of Y, values scaled to [0, 1], as (height, width[, 3])."""
    channels, side, _ = shape
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    rows = []
    for values in (x, y):
        # of several images side by side the first is shown
        images = (values[:pairs, : channels * side**2].reshape(-1, channels, side, side) - low) / (high - low or 1.0)
        framed = np.pad(images, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=1.0)
        rows.append(np.concatenate(list(framed), axis=2))
    picture: npt.NDArray[np.float64] = np.concatenate(rows, axis=1).transpose(1, 2, 0)
    return picture[:, :, 0] if channels == 1 else picture


def _strip(x: Array, y: Array, shape: tuple[int, int, int]) -> bytes:
    """Images as they are, enlarged by a whole number."""
    picture = (255 * np.clip(_tiled(x, y, shape), 0, 1)).round().astype(np.uint8)
    scale = max(1, 400 // picture.shape[1])
    return _png(np.kron(picture, np.ones((scale, scale) + (1,) * (picture.ndim - 2), np.uint8)))


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="png", optimize=True)
    return stream.getvalue()


def _histogram(ax: Axes, pointwise: Array, truth: float) -> None:
    """Pointwise mutual information: its mean is the mutual information."""
    finite = pointwise[np.isfinite(pointwise)]
    low, high = _limits(finite)
    ax.hist(finite, bins=np.linspace(low, high, 41).tolist(), color=MUTED, alpha=0.6)
    ax.axvline(truth, color=INK, linewidth=1.2)
    ax.set(xlabel="pointwise MI (nats)", title=f"mean {finite.mean():.3f}, truth {truth:.3f}", yticks=[])


@functools.lru_cache(maxsize=1)
def _canvas() -> tuple[Any, Sequence[Axes]]:
    """One figure for all thumbnails: making axes takes ten times as long as drawing points into them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 1.6), dpi=80)
    FigureCanvasAgg(figure)
    axes = [figure.add_axes((place / 3 + 0.006, 0.02, 1 / 3 - 0.012, 0.96)) for place in range(3)]
    for ax in axes:
        ax.set(xticks=[], yticks=[], visible=False)
        ax.spines[:].set(color="#dde2e9", linewidth=0.8)
    return figure, axes
