"""Real images in their standard files: scikit-learn's digits, MNIST, Fashion-MNIST and CIFAR-10.

Files are looked for under the data directory (``MIBENCH_DATA``) in the formats in which the data sets are published:
idx for the MNISTs, pickled batches for CIFAR-10, as downloaded by hand, by :func:`get` or by other tools. The digits
come with scikit-learn.
"""

from __future__ import annotations

import functools
import itertools
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import runtime
from .errors import DataError, NotInstalled, UsageError
from .files import explained, put, require_folder
from .image_files import Bytes as Bytes
from .image_files import Labels as Labels
from .image_files import read_cifar_batch, read_idx, write_idx


@dataclass(frozen=True)
class Images:
    """Labelled images: grey levels (N, channels, side, side) as bytes from 0 to ``levels``.

    Labels are (N,) classes, or (N, attributes) of 0 and 1.
    """

    train: Bytes
    train_labels: Labels
    test: Bytes
    test_labels: Labels
    levels: int = 255

    @property
    def channels(self) -> int:
        """Colour channels."""
        return int(self.train.shape[1])

    @property
    def side(self) -> int:
        """Pixels along an edge."""
        return int(self.train.shape[2])

    def decode(self, images: Any) -> Any:
        """Bytes as pixels in [-1, 1], single precision; arrays and tensors alike."""
        return images * np.float32(2.0 / self.levels) - np.float32(1.0)


@dataclass(frozen=True)
class Source:
    """What is known of a data set before any file is read.

    folders : where its files may lie, relative to the data directory; :func:`get` writes to the first.
    openml : the number of the data set at openml.org, whose rows are the training images and then the test images.
    test_counts : test images of each class, by which a wrong order of rows is recognised.
    """

    title: str
    folders: tuple[str, ...]
    channels: int
    side: int
    train: int
    openml: int
    test_counts: tuple[int, ...]

    @property
    def idx(self) -> bool:
        """Whether the files are idx files; otherwise they are pickled batches."""
        return self.channels == 1


SOURCES = {
    "mnist": Source(
        title="MNIST",
        folders=("mnist", "MNIST/raw", "MNIST"),
        channels=1,
        side=28,
        train=60_000,
        openml=554,
        test_counts=(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    ),
    "fashion-mnist": Source(
        title="Fashion-MNIST",
        folders=("fashion-mnist", "FashionMNIST/raw", "FashionMNIST"),
        channels=1,
        side=28,
        train=60_000,
        openml=40_996,
        test_counts=(1_000,) * 10,
    ),
    "cifar10": Source(
        title="CIFAR-10",
        folders=("cifar10", "cifar-10-batches-py", "cifar10/cifar-10-batches-py"),
        channels=3,
        side=32,
        train=50_000,
        openml=40_927,
        test_counts=(1_000,) * 10,
    ),
}
IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
TRAIN_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST_BATCH = "test_batch"


def load(name: str) -> Images:
    """The data set ``digits``, ``mnist``, ``fashion-mnist`` or ``cifar10``, kept in memory once read.

    scikit-learn's 1,797 8x8 digits have no test images of their own: all of them are in ``train``.

    Raises
    ------
    UsageError : another name.
    NotInstalled : its files are not in the data directory.
    DataError : a file is damaged or of another format.
    """
    if name == "digits":
        return _digits()
    source = _source(name)
    folder = _folder(name, source, runtime.data_dir())
    return _load(source, folder)


def get(name: str, directory: Path | None = None, announce: Callable[[str], None] = lambda text: None) -> Path:
    """Fetch a data set from openml.org and write its standard files; returns their folder.

    directory : the data directory; default that of :func:`mibench.runtime.data_dir`.
    announce : is told what is being fetched, once nothing stands against it.

    Raises
    ------
    UsageError : an unknown name.
    NotInstalled : there is no connection to openml.org.
    DataError : what came is not the data set.
    """
    source = _source(name)
    folder = (directory or runtime.data_dir()) / source.folders[0]
    with explained(f"cannot write {source.title} to {folder}"):
        require_folder(folder)
        announce(f"fetching {source.title} from openml.org ...")
        pixels, labels = _fetch(source)
        pixels = pixels.reshape(-1, source.channels, source.side, source.side)
        folder.mkdir(parents=True, exist_ok=True)
        write = _write_idx if source.idx else _write_batches
        write(folder, source, pixels, labels)
    return folder


def _source(name: str) -> Source:
    if name not in SOURCES:
        raise UsageError(f"there is no data set '{name}'; known are {', '.join(SOURCES)}.")
    return SOURCES[name]


@functools.lru_cache(maxsize=1)
def _digits() -> Images:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels, labels = bunch.images[:, None].astype(np.uint8), bunch.target.astype(np.int64)
    return Images(pixels, labels, pixels[:0], labels[:0], levels=16)


def _folder(name: str, source: Source, directory: Path) -> Path:
    needed = IDX if source.idx else (*TRAIN_BATCHES, TEST_BATCH)
    folders = [directory / folder for folder in source.folders]
    for folder in folders:
        if all(_find(folder, file) for file in needed):
            return folder
    begun = next((folder for folder in folders if folder.is_dir()), folders[0])
    missing = [file for file in needed if _find(begun, file) is None]
    which = "" if len(missing) == len(needed) else f" ({', '.join(missing)} missing)"
    raise NotInstalled(f"{source.title} is not in {begun}{which}; `mibench data get {name}` fetches it.")


def _find(folder: Path, file: str) -> Path | None:
    """The file under the names it goes by: plain or gzipped, with a dot or a hyphen before ``idx``."""
    for spelling in (file, file.replace("-idx", ".idx")):
        for path in (folder / spelling, folder / f"{spelling}.gz"):
            if path.is_file():
                return path
    return None


@functools.lru_cache(maxsize=3)
def _load(source: Source, folder: Path) -> Images:
    train_labels: npt.NDArray[Any]
    test_labels: npt.NDArray[Any]
    if source.idx:
        train, train_labels, test, test_labels = (read_idx(_present(folder, file)) for file in IDX)
        train, test = train[:, None], test[:, None]
    else:
        batches = [read_cifar_batch(_present(folder, file)) for file in (*TRAIN_BATCHES, TEST_BATCH)]
        train, train_labels = (np.concatenate([batch[i] for batch in batches[:-1]]) for i in (0, 1))
        test, test_labels = batches[-1]
    shape = (source.channels, source.side, source.side)
    for pixels, labels in ((train, train_labels), (test, test_labels)):
        if pixels.shape[1:] != shape or labels.shape != pixels.shape[:1]:
            raise DataError(
                f"the files in {folder} hold images of shape {pixels.shape} with labels of shape {labels.shape}; "
                f"{source.title} has (N, {', '.join(map(str, shape))}) and (N,)."
            )
    return Images(train, train_labels.astype(np.int64), test, test_labels.astype(np.int64))


def _present(folder: Path, file: str) -> Path:
    path = _find(folder, file)
    assert path is not None, "the folder was chosen because it holds the file"
    return path


# Fetching ------------------------------------------------------------------------------------------------------------


def _fetch(source: Source) -> tuple[Bytes, Labels]:
    from sklearn.datasets import fetch_openml

    try:
        bunch = fetch_openml(data_id=source.openml, as_frame=False, cache=False)
        pixels, labels = np.asarray(bunch.data), np.asarray(bunch.target).astype(np.int64)
    except OSError as error:  # URLError, ConnectionError and timeouts are OSErrors
        raise NotInstalled(
            f"cannot fetch {source.title} from openml.org ({error}); where there is no internet, put its standard "
            f"files into {runtime.data_dir() / source.folders[0]}."
        ) from None
    except (ValueError, LookupError) as error:
        raise DataError(f"what openml.org sent for {source.title} cannot be read: {error}.") from None
    expected = source.channels * source.side**2
    total = source.train + sum(source.test_counts)
    if pixels.shape != (total, expected) or labels.shape != (total,):
        raise DataError(
            f"openml.org sent data of shape {pixels.shape} for {source.title}; expected ({total}, {expected})."
        )
    counts = np.bincount(labels[source.train :], minlength=len(source.test_counts))
    if tuple(counts) != source.test_counts:
        raise DataError(
            f"the rows that openml.org sent for {source.title} are not its training and then its test images."
        )
    return pixels.astype(np.uint8), labels


def _write_idx(folder: Path, source: Source, pixels: Bytes, labels: Labels) -> None:
    parts = (slice(None, source.train), slice(source.train, None))
    arrays = [array for part in parts for array in (pixels[part, 0], labels[part].astype(np.uint8))]
    for file, array in zip(IDX, arrays, strict=True):
        write_idx(folder / f"{file}.gz", array)


def _write_batches(folder: Path, source: Source, pixels: Bytes, labels: Labels) -> None:
    starts = np.linspace(0, source.train, len(TRAIN_BATCHES) + 1).astype(int).tolist()
    parts = [slice(a, b) for a, b in itertools.pairwise(starts)] + [slice(source.train, None)]
    for file, part in zip((*TRAIN_BATCHES, TEST_BATCH), parts, strict=True):
        batch = {b"data": pixels[part].reshape(len(pixels[part]), -1), b"labels": labels[part].tolist()}
        put(folder / file, pickle.dumps(batch, protocol=2))
