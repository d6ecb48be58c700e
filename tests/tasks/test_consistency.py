"""Self-consistency: the exact information obeys what is expected, and the parts are what they are said to be."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mibench.tasks.consistency import RowsAdditive, RowsIndependent, RowsMonotone, RowsProcessing
from mibench.tasks.pools import pictures
from sklearn.datasets import load_digits

from mibench import datasets
from mibench.errors import NotInstalled, UsageError
from mibench.estimator import Array
from mibench.registry import estimators

EVERY = [RowsIndependent, RowsMonotone, RowsProcessing, RowsAdditive]


def entropy_of_top(rows: int) -> float:
    """H(Y) of the digits' upper rows by counting: X tells Y, so it is I(X; Y)."""
    tops = load_digits().images[:, :rows].reshape(1797, -1)
    _, counts = np.unique(tops, axis=0, return_counts=True)
    return float(-(counts / 1797) @ np.log(counts / 1797))


class TestScores:
    def test_exact_information_gets_what_is_expected(self) -> None:
        half = entropy_of_top(4)
        assert RowsIndependent().score([0.0, half]) == RowsIndependent().expected == 0
        rising = RowsMonotone(rows=(1, 2, 3))
        assert rising.score([0.0, *(entropy_of_top(rows) for rows in (1, 2, 3))]) == rising.expected == 1
        assert RowsProcessing().score([half, half]) == RowsProcessing().expected == 1
        assert RowsAdditive().score([2 * half, half]) == RowsAdditive().expected == 2

    def test_more_rows_tell_strictly_more_until_all_pictures_differ(self) -> None:
        entropies = [entropy_of_top(rows) for rows in (1, 2, 3)]
        assert entropies[0] < entropies[1] < entropies[2] <= math.log(1797)

    def test_falls_count_against_monotonicity(self) -> None:
        task = RowsMonotone(rows=(2, 4))
        assert task.score([0.0, 1.0, 3.0]) == 1
        assert task.score([0.0, 3.0, 2.0]) == pytest.approx(0.5)
        assert task.score([3.0, 1.0, 0.0]) == -1
        assert task.score([0.0, 0.0, 0.0]) == 0

    @pytest.mark.parametrize("task", [RowsIndependent(), RowsProcessing(), RowsAdditive()])
    def test_nothing_is_compared_with_an_estimate_of_nothing(self, task: Any) -> None:
        assert math.isnan(task.score([1.0, 0.0]))
        assert math.isnan(task.score([1.0, -0.2]))


def read(values: Array) -> Array:
    """Digits back from brightness, shape (n, 8, 8)."""
    return np.rint(values * 16).reshape(-1, 8, 8)


class TestParts:
    def test_independent(self) -> None:
        (x0, y0), (x1, y1) = RowsIndependent(rows=4).parts(3_000, 0)
        for x, y in ((x0, y0), (x1, y1)):
            assert x.shape == y.shape == (3_000, 64)
            assert (y.reshape(-1, 8, 8)[:, 4:] == 0).all()
        assert np.array_equal(read(x0), read(x1))
        assert np.array_equal(read(x1)[:, :4], read(y1)[:, :4])
        # as many coincidences as chance makes, 1 in 1797
        same = (read(x0)[:, :4] == read(y0)[:, :4]).all(axis=(1, 2)).sum()
        assert same < 3_000 / 1797 + 4 * math.sqrt(3_000 / 1797)

    def test_monotone(self) -> None:
        task = RowsMonotone(rows=(1, 3, 8))
        parts = task.parts(200, 1)
        assert len(parts) == 4
        for rows, (x, y) in zip(task.rows, parts[1:], strict=True):
            assert np.array_equal(read(x)[:, :rows], read(y)[:, :rows])
            assert (read(y)[:, rows:] == 0).all()
            assert np.array_equal(read(x), read(parts[0][0]))
        assert not np.array_equal(read(parts[0][0])[:, :1], read(parts[0][1])[:, :1])

    def test_processing_adds_functions_and_nothing_else(self) -> None:
        (xx, yh), (x, y) = RowsProcessing(rows=5, fewer=2).parts(200, 2)
        assert np.array_equal(xx, np.hstack([x, x]))
        assert np.array_equal(yh[:, :64], y)
        expected = y.reshape(-1, 8, 8).copy()
        expected[:, 2:] = 0
        assert np.array_equal(yh[:, 64:], expected.reshape(-1, 64))

    def test_additive_parts_are_independent_pairs(self) -> None:
        (both_x, both_y), (x, y) = RowsAdditive(rows=3).parts(3_000, 3)
        assert np.array_equal(both_x[:, :64], x)
        assert np.array_equal(both_y[:, :64], y)
        assert np.array_equal(read(both_x[:, 64:])[:, :3], read(both_y[:, 64:])[:, :3])
        same = (read(both_x[:, 64:]) == read(x)).all(axis=(1, 2)).sum()
        assert same < 3_000 / 1797 + 4 * math.sqrt(3_000 / 1797)

    @pytest.mark.parametrize("kind", EVERY)
    def test_grain_differs_in_x_and_y_and_can_be_left_out(self, kind: Any) -> None:
        x, y = kind().parts(50, 0)[-1]
        rough, fine = x.reshape(50, -1, 8, 8)[:, :, 0], y.reshape(50, -1, 8, 8)[:, :, 0]
        lit = rough > 0
        assert (rough[lit] != fine[lit]).all()
        x, y = kind(grain=False).parts(50, 0)[-1]
        assert np.array_equal(x * 16, np.rint(x * 16))

    def test_colour_pictures_are_cropped_in_every_channel(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pixels = np.full((30, 3, 32, 32), 200, np.uint8) - np.arange(30, dtype=np.uint8)[:, None, None, None]
        made = datasets.Images(pixels, np.arange(30) % 10, pixels[:0], np.arange(0))
        monkeypatch.setattr(datasets, "load", lambda name: made)
        pictures._pool.cache_clear()
        _, (_, y) = RowsIndependent(source="cifar10", rows=2).parts(10, 0)
        pictures._pool.cache_clear()
        shown = y.reshape(10, 3, 32, 32)
        assert (shown[:, :, :8] > 0).all()
        assert (shown[:, :, 8:] == 0).all()


def test_a_nearest_neighbour_estimate_sees_dependence_only_where_it_is() -> None:
    ksg, task = estimators.create("ksg"), RowsIndependent(rows=4)
    independent, dependent = (ksg.estimate(x, y).mi for x, y in task.parts(1_000, 0))
    assert abs(task.score([independent, dependent])) < 0.1
    assert dependent > 2


def test_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIBENCH_DATA", str(tmp_path))
    with pytest.raises(NotInstalled, match="mibench data get fashion-mnist"):
        RowsAdditive(source="fashion-mnist").parts(5, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: RowsMonotone(rows=(3, 2)),
        lambda: RowsMonotone(rows=(2, 2)),
        lambda: RowsProcessing(rows=3, fewer=3),
        lambda: RowsAdditive().parts(0, 0),
    ],
)
def test_nonsense_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError):
        wrong()
