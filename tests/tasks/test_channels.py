"""Class bits through a channel: the truth by counting, the bits in the pictures, and pictures that tell their class."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from mibench.tasks.channels import DigitsChannel
from mibench.tasks.pools import pictures
from sklearn.datasets import load_digits

from mibench import datasets
from mibench.datasets import Labels
from mibench.errors import DataError, NotInstalled
from mibench.estimator import Array
from mibench.image_files import write_idx
from mibench.registry import tasks
from mibench.task import Task


@pytest.fixture(scope="module")
def digits() -> dict[bytes, int]:
    """Class of every 8x8 digit, by its pixels."""
    bunch = load_digits()
    return {
        image.astype(np.uint8).tobytes(): int(label) for image, label in zip(bunch.images, bunch.target, strict=True)
    }


def classes_of(values: Array, digits: dict[bytes, int], tiles: int = 1) -> Labels:
    pixels = np.rint(values * 16).astype(np.uint8).reshape(len(values), tiles, 64)
    return np.array([[digits[tile.tobytes()] for tile in row] for row in pixels])


def information_by_counting(bits: int, p: float) -> float:
    """Sum over all pairs of bit strings."""
    total = 0.0
    for sent, received in itertools.product(itertools.product((0, 1), repeat=bits), repeat=2):
        flips = sum(a != b for a, b in zip(sent, received, strict=True))
        joint = 0.5**bits * p**flips * (1 - p) ** (bits - flips)
        if joint > 0:
            total += joint * math.log(joint / 0.25**bits)
    return total


class TestTruth:
    @pytest.mark.parametrize("bits", [1, 2, 3])
    @pytest.mark.parametrize("crossover", [0.0, 0.05, 0.3, 0.5])
    def test_agrees_with_the_sum_over_bit_strings(self, bits: int, crossover: float) -> None:
        truth = DigitsChannel(bits, crossover).mutual_information
        assert truth == pytest.approx(information_by_counting(bits, crossover), abs=1e-12)

    def test_tiles_add(self) -> None:
        assert DigitsChannel(2, 0.1, tiles=3).mutual_information == pytest.approx(3 * information_by_counting(2, 0.1))

    def test_density_ratio_without_flips(self) -> None:
        task = DigitsChannel(crossover=0.0)
        x, y = task.sample(500, 0)
        assert task.log_density_ratio(x, y) == pytest.approx(math.log(2))
        product = task.log_density_ratio(x, y[::-1])
        assert set(np.unique(product)) == {-math.inf, math.log(2)}


class TestBits:
    def test_bits_are_fair_and_flips_as_likely_as_said(self, digits: dict[bytes, int]) -> None:
        n, p = 20_000, 0.15
        x, y = DigitsChannel(3, p).sample(n, 0)
        sent, received = (classes_of(values, digits)[:, 0, None] >> np.arange(3) & 1 for values in (x, y))
        flips = sent != received
        assert np.abs(sent.mean(axis=0) - 0.5).max() < 4 * 0.5 / math.sqrt(n)
        assert np.abs(received.mean(axis=0) - 0.5).max() < 4 * 0.5 / math.sqrt(n)
        assert np.abs(flips.mean(axis=0) - p).max() < 4 * math.sqrt(p * (1 - p) / n)
        # bits, and flips, are independent of one another and of each other
        everything = np.hstack([sent, flips]).astype(float)
        assert np.abs(np.corrcoef(everything.T) - np.eye(6)).max() < 4 / math.sqrt(n)

    def test_tiles_have_bits_of_their_own(self, digits: dict[bytes, int]) -> None:
        n = 10_000
        x, y = DigitsChannel(1, 0.1, tiles=3).sample(n, 0)
        sent, received = classes_of(x, digits, 3), classes_of(y, digits, 3)
        correlation = np.corrcoef(np.hstack([sent, received]).T)
        expected = np.kron([[1, 0.8], [0.8, 1]], np.eye(3))
        assert np.abs(correlation - expected).max() < 4 / math.sqrt(n)

    def test_pictures_are_independent_given_the_bits(self) -> None:
        # the exact information rests on it: where both show a zero, the same zero comes as often as by chance
        task = DigitsChannel(1, 0.3, grain=False)
        x, y = task.sample(40_000, 4)
        pool = task.pool
        both = (pool.classes(pictures.read(x, 16)) == 0) & (pool.classes(pictures.read(y, 16)) == 0)
        distinct = len(np.unique(pool.rows[: pool.start[1]], axis=0))
        expected = both.sum() / distinct
        assert abs((x == y).all(axis=1)[both].sum() - expected) < 4 * math.sqrt(expected)

    def test_every_picture_of_a_class_is_drawn(self) -> None:
        task = DigitsChannel(grain=False)
        x, _ = task.sample(40_000, 0)
        assert len(np.unique(x, axis=0)) == len(np.unique(task.pool.rows, axis=0))


class TestGrain:
    def test_pictures_can_be_read_back_and_change_by_a_quarter_level_at_most(self) -> None:
        rng = np.random.default_rng(0)
        drawn = rng.integers(0, 256, (200, 50), dtype=np.uint8)
        values = pictures.shown(drawn, 255, rng)
        assert np.array_equal(pictures.read(values, 255), drawn)
        change = values * 255 - drawn
        assert np.abs(change).max() <= 0.25
        assert (change[drawn == 0] == 0).all()
        bright = change[drawn >= 250]
        assert bright.min() < -0.23
        assert bright.max() > 0.23

    def test_copies_differ_and_constant_pixels_stay_constant(self) -> None:
        task, raw = DigitsChannel(), DigitsChannel(grain=False)
        assert not task.discrete
        assert raw.discrete
        x, _ = task.sample(5_000, 0)
        assert len(np.unique(x, axis=0)) == 5_000
        z, _ = raw.sample(5_000, 0)
        assert len(np.unique(z, axis=0)) <= 360
        assert (x[:, (z == 0).all(axis=0)] == 0).all()

    def test_without_grain_pixels_are_those_of_the_data_set(self, digits: dict[bytes, int]) -> None:
        x, y = DigitsChannel(bits=3, grain=False).sample(300, 0)
        assert set(np.unique(np.vstack([x, y]) * 16)) <= set(range(17))
        assert classes_of(x, digits).max() <= 7


class TestPool:
    def test_pictures_under_two_classes_are_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
        labels = np.repeat([0, 1], 20)
        pixels[25] = pixels[3]  # a one that looks like a zero
        pixels[7] = pixels[8]  # two equal zeros do no harm
        made = datasets.Images(pixels, labels, pixels[:0], labels[:0])
        monkeypatch.setattr(datasets, "load", lambda name: made)
        pictures._pool.cache_clear()
        pool = pictures.pool("digits", 2)
        pictures._pool.cache_clear()
        assert np.diff(pool.start).tolist() == [19, 19]
        gone = pixels[3].tobytes()
        assert all(row.tobytes() != gone for row in pool.rows)

    def test_a_foreign_picture_is_refused(self) -> None:
        with pytest.raises(DataError, match="cannot have drawn"):
            DigitsChannel().log_density_ratio(np.full((1, 64), 0.5), np.full((1, 64), 0.5))

    def test_a_class_beyond_those_shown_is_foreign(self) -> None:
        x, y = DigitsChannel(bits=3, crossover=0.5).sample(200, 0)
        with pytest.raises(DataError):
            DigitsChannel(bits=1).log_density_ratio(x, y)


FILES = {"mnist-channel": "mnist", "fashion-mnist-channel": "fashion-mnist", "cifar10-channel": "cifar10"}


class TestFiles:
    @pytest.mark.parametrize("name", FILES)
    def test_missing_files_say_how_to_get_them(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MIBENCH_DATA", str(tmp_path))
        task = tasks.create(name)
        assert isinstance(task, Task)
        assert task.mutual_information == DigitsChannel().mutual_information
        assert task.dim_x == task.dim_y == {"cifar10-channel": 3072}.get(name, 784)
        with pytest.raises(NotInstalled, match=f"mibench data get {FILES[name]}"):
            task.sample(10, 0)

    def test_pictures_come_from_the_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MIBENCH_DATA", str(tmp_path))
        rng = np.random.default_rng(0)
        folder = tmp_path / "mnist"
        folder.mkdir()
        train, labels = rng.integers(0, 256, (100, 28, 28), dtype=np.uint8), np.arange(100, dtype=np.uint8) % 10
        for file, array in zip(datasets.IDX, (train, labels, train[:10], labels[:10]), strict=True):
            write_idx(folder / file, array)
        task = tasks.create("mnist-channel[bits=2,crossover=0.0]")
        assert isinstance(task, Task)
        x, y = task.sample(500, 0)
        known = {image.tobytes(): label for image, label in zip(train, labels, strict=True)}
        shown = [[known[row.tobytes()] for row in np.rint(v * 255).astype(np.uint8)] for v in (x, y)]
        assert shown[0] == shown[1]
        assert set(shown[0]) == {0, 1, 2, 3}
        assert task.log_density_ratio(x, y) == pytest.approx(2 * math.log(2))
