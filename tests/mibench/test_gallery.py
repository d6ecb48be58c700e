"""Pictures of samples, and the page of all tasks."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from mibench.errors import NotInstalled, UsageError
from mibench.estimator import Array
from mibench.report import pictures
from mibench.report.gallery import write_gallery
from mibench.report.pictures import task_figure, thumbnail
from mibench.task import ConsistencyTask, DownstreamTask, Metric, Task

from .test_html import Page


@dataclass(frozen=True, eq=False, repr=False)
class Cloud(Task):
    """X and Y, ``dim`` independent coordinates <each>."""

    family: ClassVar[str] = "clouds"
    mutual_information: ClassVar[float] = 0.0

    dim: int = 1
    tail: float = 1.0

    @property
    def dim_x(self) -> int:
        return self.dim

    dim_y = dim_x

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x, y = rng.standard_normal((2, n, self.dim_x))
        return np.sign(x) * np.abs(x) ** self.tail, y

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        return np.zeros(len(x))


class Coins(Cloud):
    """Two coins."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        x, y = rng.integers(0, 2, (2, n, 1)).astype(float)
        return x, y


class Shades(Task):
    """Images: X black above the diagonal, Y its negative."""

    pixels: ClassVar[bool] = True
    mutual_information: ClassVar[float] = 0.0

    def __init__(self, side: int = 8, channels: int = 1) -> None:
        self.side, self.channels = side, channels

    @property
    def dim_x(self) -> int:
        return self.channels * self.side**2

    dim_y = dim_x

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        image = np.tril(np.ones((self.side, self.side)))
        flat = np.tile(image.ravel(), (n, self.channels))
        return flat, 1.0 - flat


class Missing(Cloud):
    """Data of somebody else."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        raise NotInstalled("the data are missing; `mibench data get them` fetches them.")


class Ratio(ConsistencyTask):
    """Parts that add up."""

    family: ClassVar[str] = "made-up"
    expected: ClassVar[float] = 2.0

    def parts(self, n: int, seed: int) -> list[tuple[Array, Array]]:
        return [Cloud(2).sample(n, seed)]

    def score(self, estimates: Any) -> float:
        return 0.0


class Model(DownstreamTask):
    """A model."""

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("loss", "lower", "nats", "How bad.", {"none": "0.5"}),)

    def train(self, estimator: Any, seeds: Any) -> list[Any]:
        return []


def pixels(png: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


@pytest.mark.parametrize(("task", "panels"), [(Cloud(1), 1), (Cloud(2), 3), (Cloud(1, tail=8.0), 1), (Coins(), 1)])
def test_a_thumbnail_has_a_panel_per_view_and_points_in_each(task: Task, panels: int) -> None:
    picture = pixels(thumbnail(task))
    assert picture.shape[1] == panels * 128
    for inside in np.split(np.ptp(picture, axis=2) > 40, panels, axis=1):
        assert inside.any(axis=0).sum() > 20 and inside.any(axis=1).sum() > 20


def test_one_thumbnail_leaves_nothing_to_the_next() -> None:
    before = thumbnail(Cloud(1))
    thumbnail(Cloud(3))
    thumbnail(Coins())
    assert thumbnail(Cloud(1)) == before


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_shown_as_images(channels: int) -> None:
    picture = pixels(thumbnail(Shades(8, channels)))
    scale = picture.shape[0] // (2 * 9)
    small = picture[::scale, ::scale, 0]
    assert (small[:8, :8] == 255 * np.tril(np.ones((8, 8)))).all()
    assert (small[9:17, :8] == 255 * (1 - np.tril(np.ones((8, 8))))).all()


@pytest.mark.parametrize(
    ("dim", "shape"),
    [(64, (1, 8, 8)), (784, (1, 28, 28)), (3072, (3, 32, 32)), (256, (1, 16, 16)), (128, (1, 8, 8)), (50, None)],
)
def test_pixels_are_arranged_by_their_number(dim: int, shape: tuple[int, int, int] | None) -> None:
    assert pictures._image_shape(Shades(), dim) == shape
    assert pictures._image_shape(Cloud(), dim) is None


@pytest.mark.parametrize("task", [Cloud(1), Cloud(4), Coins(), Shades(), Ratio()])
def test_a_large_picture_of_every_kind_of_task(task: Any) -> None:
    picture = pixels(task_figure(task))
    assert picture.shape[0] > 300 and picture.min() < 100


def test_a_downstream_task_has_no_sample_to_draw() -> None:
    with pytest.raises(UsageError, match="has no sample to draw"):
        task_figure(Model())


def test_a_gallery_stands_alone_and_names_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "gallery.html"
    write_gallery([Cloud(2), Model(), Missing(), Coins(), Ratio()], path)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.all("article")) == 5
    images = [(image["src"] or "").startswith("data:image/png;base64,") for image in page.all("img")]
    assert images == [True] * 3 and page.all("script") == [{}] and not page.all("link")
    ids = [attributes["id"] for tag, attributes in page.elements if tag == "article"]
    assert len(set(ids)) == 5 and f"mibench info {Coins().label}" in page.words
    shown = (
        "the data are missing",
        "independent coordinates <each>",
        "2 + 2 dimensions · MI 0.0000 nats · density known",
    )
    assert all(words in " ".join(page.words) for words in shown)
    anchors = {str(anchor["href"])[1:] for anchor in page.all("a")}
    assert anchors <= {attributes.get("id") for _, attributes in page.elements}


def test_a_gallery_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are no tasks for a gallery"):
        write_gallery([], tmp_path / "gallery.html")
    with pytest.raises(UsageError, match="cannot write the gallery to"):
        write_gallery([Model()], tmp_path / "absent" / "gallery.html")
