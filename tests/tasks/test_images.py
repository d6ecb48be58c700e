"""Rendered pictures: they are drawn as described, can be read back, and carry the information of their source."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from mibench.tasks.images import Blobs, Rectangles
from scipy import stats

from mibench.errors import UsageError
from mibench.estimator import Array

KINDS = [Blobs, Rectangles]


def slow_blob(u: float, v: float, side: int) -> list[float]:
    """Pixel by pixel."""
    centre = [side * (0.2 + 0.6 * w) for w in (u, v)]
    return [
        math.exp(-((i + 0.5 - centre[0]) ** 2 + (j + 0.5 - centre[1]) ** 2) / (2 * (side / 8) ** 2))
        for i in range(side)
        for j in range(side)
    ]


def slow_rectangle(numbers: Array, side: int) -> list[float]:
    """Area of each pixel's overlap with the rectangle."""
    far = [1 + (side / 2 - 1) * w for w in numbers]
    upper, lower, left, right = side / 2 - far[0], side / 2 + far[1], side / 2 - far[2], side / 2 + far[3]

    def overlap(low: float, high: float, pixel: int) -> float:
        return max(0.0, min(high, pixel + 1) - max(low, pixel))

    return [overlap(upper, lower, i) * overlap(left, right, j) for i in range(side) for j in range(side)]


class TestRendering:
    @pytest.mark.parametrize("side", [16, 32])
    def test_blobs_pixel_by_pixel(self, side: int) -> None:
        numbers = np.random.default_rng(0).random((20, 2))
        expected = [slow_blob(u, v, side) for u, v in numbers]
        assert Blobs(side).render(numbers) == pytest.approx(np.array(expected), abs=1e-12)

    @pytest.mark.parametrize("side", [16, 32])
    def test_rectangles_pixel_by_pixel(self, side: int) -> None:
        numbers = np.random.default_rng(0).random((20, 4))
        expected = [slow_rectangle(row, side) for row in numbers]
        assert Rectangles(side).render(numbers) == pytest.approx(np.array(expected), abs=1e-12)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("side", [8, 16, 32])
    @pytest.mark.parametrize(("precision", "tolerance"), [(np.float64, 1e-13), (np.float32, 1e-5)])
    def test_the_source_can_be_read_off_the_picture(
        self, kind: Any, side: int, precision: Any, tolerance: float
    ) -> None:
        task = kind(side)
        rng = np.random.default_rng(side)
        corners = rng.integers(2, size=(50, task.numbers)).astype(float)
        numbers = np.vstack([rng.random((5_000, task.numbers)), corners, np.full((1, task.numbers), 0.5)])
        pictures = task.render(numbers).astype(precision)
        assert pictures.min() >= 0
        assert pictures.max() <= 1
        assert np.abs(task.read(pictures) - numbers).max() < tolerance

    @pytest.mark.parametrize("kind", KINDS)
    def test_close_sources_have_close_pictures_and_different_ones_differ(self, kind: Any) -> None:
        task = kind(16)
        rng = np.random.default_rng(0)
        numbers = 0.9 * rng.random((500, task.numbers))
        moved = numbers.copy()
        moved[np.arange(500), rng.integers(task.numbers, size=500)] += 1e-3
        change = np.abs(task.render(moved) - task.render(numbers)).max(axis=1)
        assert change.min() > 1e-4
        assert change.max() < 1e-2


class TestInformation:
    @pytest.mark.parametrize("kind", KINDS)
    def test_gaussian_sources_have_the_correlation_of_their_share(self, kind: Any) -> None:
        task = kind(16, mutual_information=2.0)
        x, y = task.sample(10_000, 0)
        a, b = (stats.norm.ppf(task.read(v)) for v in (x, y))
        rho = math.sqrt(1 - math.exp(-2 * 2.0 / task.numbers))
        correlation = np.corrcoef(np.hstack([a, b]).T)
        expected = np.kron([[1, rho], [rho, 1]], np.eye(task.numbers))
        assert np.abs(correlation - expected).max() < 4 / math.sqrt(10_000)

    @pytest.mark.parametrize("kind", KINDS)
    def test_sources_are_uniform_in_x(self, kind: Any) -> None:
        for source in ("gaussian", "uniform"):
            task = kind(16, source=source)
            u = task.read(task.sample(5_000, 0)[0])
            assert all(stats.kstest(column, "uniform").pvalue > 1e-4 for column in u.T)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("source", ["gaussian", "uniform"])
    def test_without_information_pictures_are_independent(self, kind: Any, source: str) -> None:
        task = kind(16, 0.0, source)
        x, y = task.sample(5_000, 0)
        assert task.log_density_ratio(x, y) == pytest.approx(0, abs=1e-9)
        u, v = task.read(x), task.read(y)
        assert np.abs(np.corrcoef(np.hstack([u, v]).T) - np.eye(2 * task.numbers)).max() < 4 / math.sqrt(5_000)


@pytest.mark.parametrize("wrong", [{"side": 17}, {"mutual_information": 1e3}])
@pytest.mark.parametrize("kind", KINDS)
def test_nonsense_is_refused(kind: Any, wrong: Any) -> None:
    with pytest.raises(UsageError):
        kind(**wrong)
