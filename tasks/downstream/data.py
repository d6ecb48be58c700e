"""What the downstream models are trained on: points in the plane, scikit-learn's digits, MNIST, a folder of faces."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mibench import datasets, runtime
from mibench.datasets import Bytes, Images
from mibench.errors import NotInstalled
from mibench.estimator import Array

from .metrics import Labels, ModeCounts, count_modes

CLOSE = 3.0  # standard deviations within which a point is of high quality


# Points in the plane -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plane:
    """Equally likely centres in the plane with Gaussian noise of ``std`` in both coordinates.

    centres : (C, 2); consecutive runs of C / modes centres form one mode.
    modes : C for a mixture of Gaussians; fewer where the centres trace a curve that is cut into equal pieces.
    """

    centres: Array
    std: float
    modes: int

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw (n, 2)."""
        chosen = self.centres[rng.integers(len(self.centres), size=n)]
        return chosen + self.std * rng.standard_normal((n, 2))

    def nearest(self, points: Array) -> tuple[Array, Labels]:
        """Distance to the nearest centre in standard deviations, and its mode."""
        from scipy.spatial import cKDTree

        distance, centre = cKDTree(self.centres).query(points)
        return np.asarray(distance) / self.std, np.asarray(centre) * self.modes // len(self.centres)

    def count(self, points: Array) -> ModeCounts:
        """Points by nearest mode; those within three standard deviations are close."""
        distance, mode = self.nearest(points)
        return count_modes(mode, distance <= CLOSE, self.modes)


def grid25() -> Plane:
    """25 Gaussians on the grid {-4, -2, 0, 2, 4}^2, standard deviation 0.05 (Srivastava et al. 2017)."""
    axis = np.arange(-4.0, 5.0, 2.0)
    return Plane(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2), 0.05, 25)


def ring() -> Plane:
    """8 Gaussians on a circle of radius 2, standard deviation 0.02 (Metz et al. 2017)."""
    angle = 2 * np.pi * np.arange(8) / 8
    return Plane(2.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1), 0.02, 8)


def spiral(turns: float = 2.0, radius: float = 4.0, pieces: int = 50) -> Plane:
    """An Archimedean spiral from the centre to ``radius``, uniform along its arc, standard deviation 0.05.

    Its modes are 50 pieces of equal length. A point is close when within three standard deviations of the curve.
    """
    fine = np.linspace(0.0, 1.0, 20_001)
    angle = 2 * np.pi * turns * fine
    curve = radius * fine[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    arc = np.concatenate([[0.0], np.linalg.norm(np.diff(curve, axis=0), axis=1).cumsum()])
    even = np.linspace(0.0, arc[-1], pieces * 40)
    centres = np.stack([np.interp(even, arc, curve[:, k]) for k in (0, 1)], axis=1)
    return Plane(centres, 0.05, pieces)


# Images --------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def digits(train: int, seed: int) -> Images:
    """scikit-learn's 1,797 8x8 digits: ``train`` of them for training, the rest for tests, split by ``seed``."""
    whole = datasets.load("digits")
    order = np.random.default_rng([5, seed]).permutation(len(whole.train))
    pixels, labels = whole.train[order], whole.train_labels[order]
    return Images(pixels[:train], labels[:train], pixels[train:], labels[train:], whole.levels)


def mnist() -> Images:
    """MNIST, 60,000 images for training and 10,000 for tests, from its standard files."""
    return datasets.load("mnist")


def drawn(images: Bytes, channels: int, n: int, rng: np.random.Generator) -> Labels:
    """The numbers (n, channels) of the images in n stacks, drawn with replacement."""
    return rng.integers(len(images), size=(n, channels))


def stack(images: Bytes, channels: int, n: int, rng: np.random.Generator) -> Bytes:
    """n stacks (n, channels, side, side) of single-channel images drawn with replacement."""
    return np.ascontiguousarray(images[drawn(images, channels, n, rng), 0])


def modes_of(labels: Labels) -> Labels:
    """The mode of each stack, from the labels (n, channels) of its channels: the digits of one number."""
    return labels @ 10 ** np.arange(labels.shape[1])[::-1]


FACE = 64  # pixels along an edge, of a square of 108


def celeba() -> Images:
    """CelebA, aligned and cropped: the centre square of 108 pixels, resized to 64; labels are its 40 attributes.

    Expects ``celeba/img_align_celeba/*.jpg``, ``celeba/list_attr_celeba.txt`` and ``celeba/list_eval_partition.txt`` in
    the data directory, as they come. Images that the partition sets aside for validation are left out.
    """
    return _celeba(runtime.data_dir() / "celeba")


@functools.lru_cache(maxsize=1)
def _celeba(folder: Path) -> Images:
    needed = ("img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt")
    missing = [name for name in needed if not (folder / name).exists()]
    if missing:
        raise NotInstalled(
            f"CelebA is not in {folder} ({', '.join(missing)} missing); download img_align_celeba.zip, "
            "list_attr_celeba.txt and list_eval_partition.txt from "
            "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html and unpack them there."
        )
    rows = [line.split() for line in (folder / "list_attr_celeba.txt").read_text().splitlines()[2:]]
    attributes = {name: np.array(values, dtype=np.int64) > 0 for name, *values in rows}
    parts: dict[str, list[str]] = {"0": [], "1": [], "2": []}
    for name, part in (line.split() for line in (folder / "list_eval_partition.txt").read_text().splitlines()):
        parts[part].append(name)
    absent = [name for part in "02" for name in parts[part] if not (folder / "img_align_celeba" / name).is_file()]
    if absent:
        raise NotInstalled(
            f"CelebA in {folder} is not complete: {len(absent)} of the images in list_eval_partition.txt are missing "
            f"from img_align_celeba (the first is {absent[0]}); unpack img_align_celeba.zip again."
        )
    train, test = parts["0"], parts["2"]
    return Images(
        _faces([folder / "img_align_celeba" / name for name in train]),
        np.array([attributes[name] for name in train], dtype=np.int64),
        _faces([folder / "img_align_celeba" / name for name in test]),
        np.array([attributes[name] for name in test], dtype=np.int64),
    )


def _faces(files: Sequence[Path]) -> Bytes:
    from PIL import Image

    pixels = np.empty((len(files), 3, FACE, FACE), np.uint8)
    for i, file in enumerate(files):
        with Image.open(file) as image:
            left, top = (image.width - 108) // 2, (image.height - 108) // 2
            square = image.convert("RGB").crop((left, top, left + 108, top + 108)).resize((FACE, FACE))
            pixels[i] = np.asarray(square).transpose(2, 0, 1)
    return pixels
