"""Readers of the data sets' own formats, on small files written here byte by byte, and fetching without a network."""

from __future__ import annotations

import gzip
import pickle
import struct
import types
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias
from urllib.error import URLError

import numpy as np
import numpy.typing as npt
import pytest
import sklearn.datasets

from mibench import datasets, image_files
from mibench.errors import DataError, NotInstalled, UsageError
from mibench.image_files import read_cifar_batch, read_idx, write_idx

RNG = np.random.default_rng(0)

Array: TypeAlias = npt.NDArray[Any]


def idx_bytes(array: Array) -> bytes:
    """The format as its authors describe it."""
    return struct.pack(f">BBBB{array.ndim}i", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def python2_batch(pixels: Array, labels: Array) -> bytes:
    """A batch as pickled by Python 2 with protocol 2: short byte strings, and numpy's functions by their old names."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    rows, columns = pixels.shape
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85"
        + text(b"b")
        + b"tR(K\x01J"
        + struct.pack("<i", rows)
        + b"J"
        + struct.pack("<i", columns)
        + b"\x86cnumpy\ndtype\n("
        + text(b"u1")
        + b"K\x00K\x01tR(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<i", pixels.size)
        + pixels.tobytes()
        + b"tb"
    )
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + numbers + b"u."


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIBENCH_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def digits_like() -> list[Array]:
    """Training images and labels, test images and labels, all of MNIST's shapes but for their number."""
    return [
        RNG.integers(0, 256, (30, 28, 28), dtype=np.uint8),
        RNG.integers(0, 10, 30, dtype=np.uint8),
        RNG.integers(0, 256, (7, 28, 28), dtype=np.uint8),
        RNG.integers(0, 10, 7, dtype=np.uint8),
    ]


def write_mnist(folder: Path, arrays: list[Array], spelling: Callable[[str], str] = str, packed: bool = False) -> None:
    folder.mkdir(parents=True)
    for name, array in zip(datasets.IDX, arrays, strict=True):
        content = idx_bytes(array)
        path = folder / (spelling(name) + (".gz" if packed else ""))
        path.write_bytes(gzip.compress(content) if packed else content)


def write_cifar(folder: Path, pixels: Array, labels: Array) -> None:
    folder.mkdir(parents=True)
    for i, name in enumerate((*datasets.TRAIN_BATCHES, datasets.TEST_BATCH)):
        (folder / name).write_bytes(python2_batch(pixels[4 * i : 4 * i + 4], labels[4 * i : 4 * i + 4]))


class TestIdx:
    @pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
    @pytest.mark.parametrize("packed", [False, True])
    @pytest.mark.parametrize("spelling", [str, lambda name: name.replace("-idx", ".idx")])
    def test_all_spellings(
        self, data: Path, digits_like: list[Array], name: str, packed: bool, spelling: Callable[[str], str]
    ) -> None:
        write_mnist(data / name, digits_like, spelling, packed)
        images = datasets.load(name)
        assert np.array_equal(images.train[:, 0], digits_like[0])
        assert np.array_equal(images.train_labels, digits_like[1])
        assert np.array_equal(images.test[:, 0], digits_like[2])
        assert np.array_equal(images.test_labels, digits_like[3])
        assert (images.channels, images.side, images.levels) == (1, 28, 255)
        assert images.train.dtype == np.uint8
        assert images.train_labels.dtype == np.int64

    def test_the_folder_of_other_tools_is_found(self, data: Path, digits_like: list[Array]) -> None:
        write_mnist(data / "FashionMNIST" / "raw", digits_like)
        assert len(datasets.load("fashion-mnist").train) == 30

    def test_written_files_have_the_format(self, tmp_path: Path, digits_like: list[Array]) -> None:
        for array in digits_like:
            for name in ("plain", "packed.gz"):
                write_idx(tmp_path / name, array)
                assert np.array_equal(read_idx(tmp_path / name), array)
            assert (tmp_path / "plain").read_bytes() == idx_bytes(array)
        assert {path.name for path in tmp_path.iterdir()} == {"plain", "packed.gz"}

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda content: content[:-1], "damaged"),
            (lambda content: content + b"0", "damaged"),
            (lambda content: b"\0\0\x0d" + content[3:], "not an idx file"),
            (lambda content: b"", "not an idx file"),
            (lambda content: content[:9], "damaged"),
            (lambda content: b"\0\0\x08\0" + content[4:], "not an idx file"),
            (lambda content: b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"x", "not an idx file"),
            (lambda content: b"\0\0\x08\3" + struct.pack(">3i", 2**31 - 1, 2**31 - 1, 2**31 - 1), "damaged"),
            (lambda content: b"\0\0\x08\3" + struct.pack(">3i", 0, 2**31 - 1, 2**31 - 1), "damaged"),
            (lambda content: b"\0\0\x08\2" + struct.pack(">2i", -1, -1) + b"x", "damaged"),
        ],
    )
    def test_damaged_files_are_refused(
        self, tmp_path: Path, digits_like: list[Array], damage: Callable[[bytes], bytes], message: str
    ) -> None:
        path = tmp_path / "train-images-idx3-ubyte"
        path.write_bytes(damage(idx_bytes(digits_like[0])))
        with pytest.raises(DataError, match=message):
            read_idx(path)

    def test_a_truncated_gzip_is_refused(self, tmp_path: Path, digits_like: list[Array]) -> None:
        path = tmp_path / "x.gz"
        path.write_bytes(gzip.compress(idx_bytes(digits_like[0]))[:-20])
        with pytest.raises(DataError, match="cannot read"):
            read_idx(path)
        for content in (idx_bytes(digits_like[0]), b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\xff" * 50):
            path.write_bytes(content)
            with pytest.raises(DataError, match="cannot read"):
                read_idx(path)
        path.unlink()
        with pytest.raises(DataError, match="cannot read"):
            read_idx(path)

    def test_no_file_takes_the_memory_of_the_machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A few bytes that unpack to as many as one likes, and a file that is too large as it is."""
        monkeypatch.setattr(image_files, "_MOST_BYTES", 1000)
        for path, content in ((tmp_path / "x.gz", gzip.compress(bytes(10_000))), (tmp_path / "x", bytes(1001))):
            path.write_bytes(content)
            with pytest.raises(DataError, match="holds more than"):
                read_idx(path)

    def test_images_and_labels_must_fit(self, data: Path, digits_like: list[Array]) -> None:
        digits_like[1] = digits_like[1][:-1]
        write_mnist(data / "mnist", digits_like)
        with pytest.raises(DataError, match="labels of shape"):
            datasets.load("mnist")


class TestCifar:
    def test_batches_of_python_2(self, data: Path) -> None:
        pixels = RNG.integers(0, 256, (24, 3072), dtype=np.uint8)
        labels = RNG.integers(0, 10, 24)
        write_cifar(data / "cifar-10-batches-py", pixels, labels)
        images = datasets.load("cifar10")
        assert images.train.shape == (20, 3, 32, 32)
        assert images.test.shape == (4, 3, 32, 32)
        # red, green, blue, each row after row
        assert images.train[5, 1, 2, 7] == pixels[5, 1024 + 2 * 32 + 7]
        assert np.array_equal(images.test.reshape(4, -1), pixels[20:])
        assert np.array_equal(np.r_[images.train_labels, images.test_labels], labels)

    @pytest.mark.parametrize("protocol", [0, 2])
    def test_batches_of_python_3(self, tmp_path: Path, protocol: int) -> None:
        pixels = RNG.integers(0, 256, (4, 3072), dtype=np.uint8)
        path = tmp_path / "data_batch_1"
        path.write_bytes(pickle.dumps({b"data": pixels, b"labels": [1, 2, 3, 4]}, protocol=protocol))
        found, labels = read_cifar_batch(path)
        assert np.array_equal(found.reshape(4, -1), pixels)
        assert labels.tolist() == [1, 2, 3, 4]

    def test_a_forged_batch_runs_nothing(self, tmp_path: Path) -> None:
        class Forged:
            def __reduce__(self) -> Any:
                return (tmp_path.joinpath("ran").mkdir, ())

        payload: Any
        for payload in (Forged(), {b"data": np.zeros((1, 3072), np.uint8), b"labels": Forged()}, {b"data": print}):
            path = tmp_path / "data_batch_1"
            path.write_bytes(pickle.dumps(payload, protocol=2))
            with pytest.raises(DataError, match="no place in a batch"):
                read_cifar_batch(path)
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"hello",
            pickle.dumps([1, 2]),
            pickle.dumps({b"data": [1]}),
            b"\x80\x02}q",
            *(
                pickle.dumps({b"data": data, b"labels": labels}, protocol=2)
                for data, labels in [
                    (np.full((1, 3072), -5), [1]),
                    (np.full((1, 3072), np.nan), [1]),
                    (np.zeros((1, 3072), np.uint8), ["a"]),
                    (np.zeros((1, 3072), np.uint8), [0.5]),
                    (np.zeros((1, 3072), np.uint8), [2**80]),
                    (np.zeros((1, 3071), np.uint8), [1]),
                    (np.array([{}, []], dtype=object), [1]),
                ]
            ),
            b"\x80\x02]r\xff\xff\xff\x7f.",  # a table of two thousand million entries
            b"\x80\x04\x95" + b"\xff" * 8,  # a frame of 2 ** 64 bytes
            b"\x80\x04\x8e\xff\xff\xff\xff\xff\0\0\0",  # a string of a terabyte
            b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".",
            # numpy.ndarray itself, called for 16 GiB
            b"\x80\x02}(U\x04datacnumpy\nndarray\n(J\xff\xff\xff\x7ftRU\x06labels]K\x01au.",
        ],
    )
    def test_other_files_are_refused(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "data_batch_1"
        path.write_bytes(content)
        with pytest.raises(DataError, match="not a batch of CIFAR-10"):
            read_cifar_batch(path)

    def test_damage_anywhere_is_no_crash(self, tmp_path: Path) -> None:
        whole = pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 2]}, protocol=2)
        path = tmp_path / "data_batch_1"
        ends = [*range(180), *range(len(whole) - 30, len(whole))]
        for at in RNG.choice(ends, 500):
            path.write_bytes(whole[:at] + RNG.bytes(1) + whole[at + 1 :])
            with suppress(DataError):
                pixels, labels = read_cifar_batch(path)
                assert pixels.dtype == np.uint8
                assert labels.dtype == np.int64


class TestMissing:
    @pytest.mark.parametrize("name", datasets.SOURCES)
    def test_the_hint(self, data: Path, name: str) -> None:
        with pytest.raises(NotInstalled) as caught:
            datasets.load(name)
        assert str(caught.value).endswith(f"`mibench data get {name}` fetches it.")
        assert str(data) in str(caught.value)

    def test_what_is_missing_of_a_set_that_was_begun(self, data: Path, digits_like: list[Array]) -> None:
        write_mnist(data / "mnist", digits_like)
        (data / "mnist" / datasets.IDX[3]).unlink()
        with pytest.raises(NotInstalled, match=r"\(t10k-labels-idx1-ubyte missing\)"):
            datasets.load("mnist")

    def test_unknown_names(self) -> None:
        for function in (datasets.load, datasets.get):
            with pytest.raises(UsageError, match="mnist, fashion-mnist, cifar10"):
                function("imagenet")


class TestGet:
    @pytest.fixture
    def served(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """openml.org, serving 12 training and 6 test images of any set as it does: floats, and labels as text."""
        served: dict[str, Any] = {}
        monkeypatch.setattr(
            datasets,
            "SOURCES",
            {k: replace(source, train=12, test_counts=(2, 2, 2)) for k, source in datasets.SOURCES.items()},
        )

        def fetch(data_id: int, as_frame: bool, cache: bool) -> types.SimpleNamespace:
            (source,) = [source for source in datasets.SOURCES.values() if source.openml == data_id]
            served["data"] = RNG.integers(0, 256, (18, source.channels * source.side**2)).astype(np.float64)
            served.setdefault(
                "target", np.array([str(label) for label in [*range(10), 0, 1, 0, 0, 1, 1, 2, 2]], object)
            )
            return types.SimpleNamespace(data=served["data"], target=served["target"])

        monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
        return served

    @pytest.mark.parametrize("name", datasets.SOURCES)
    def test_what_was_fetched_is_what_is_loaded(self, data: Path, served: dict[str, Any], name: str) -> None:
        folder = datasets.get(name)
        images = datasets.load(name)
        assert folder.parent == data
        assert np.array_equal(np.vstack([v.reshape(len(v), -1) for v in (images.train, images.test)]), served["data"])
        assert [str(label) for label in np.r_[images.train_labels, images.test_labels]] == list(served["target"])
        assert len(images.train) == 12

    def test_another_directory(self, data: Path, served: dict[str, Any], tmp_path: Path) -> None:
        assert datasets.get("mnist", tmp_path / "there") == tmp_path / "there" / "mnist"
        with pytest.raises(NotInstalled):
            datasets.load("mnist")

    def test_rows_in_another_order_are_refused(self, data: Path, served: dict[str, Any]) -> None:
        served["target"] = np.array(["0"] * 18, object)
        with pytest.raises(DataError, match="not its training and then its test images"):
            datasets.get("mnist")
        assert not (data / "mnist").exists()

    def test_without_a_network(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(**_: Any) -> None:
            raise URLError("[Errno -3] Temporary failure in name resolution")

        monkeypatch.setattr(sklearn.datasets, "fetch_openml", fail)
        with pytest.raises(NotInstalled) as caught:
            datasets.get("cifar10")
        message = str(caught.value)
        assert message.startswith("cannot fetch CIFAR-10 from openml.org")
        assert message.count(". ") == 0

    def test_a_folder_that_cannot_be_written(self, served: dict[str, Any], tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(UsageError, match="cannot write MNIST"):
            datasets.get("mnist", tmp_path / "file")


def test_the_digits_come_with_scikit_learn() -> None:
    images = datasets.load("digits")
    assert images.train.shape == (1797, 1, 8, 8)
    assert (images.levels, int(images.train.max()), len(images.test)) == (16, 16, 0)
    assert np.array_equal(np.bincount(images.train_labels), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    decoded = images.decode(images.train)
    assert (decoded.min(), decoded.max(), decoded.dtype) == (-1, 1, np.float32)
