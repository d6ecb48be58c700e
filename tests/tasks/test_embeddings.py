"""Embeddings: vectors tell their class, files are read as given, and results follow the files' content."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mibench.estimators.reference import Zero
from mibench.tasks.embeddings import EmbeddingsChannel, EmbeddingsFileChannel
from mibench.tasks.numerics.isometry import random_isometry
from mibench.tasks.pools import files as vector_files

from mibench.errors import DataError, NotInstalled, UsageError
from mibench.registry import tasks
from mibench.report.catalogue import describe
from mibench.result import Cell
from mibench.task import Task


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """4 classes of 100 made-up vectors, in single precision as models write them, labelled 3, 5, 7 and 9."""
    monkeypatch.setenv("MIBENCH_DATA", str(tmp_path))
    labels = np.arange(400) % 4
    vectors = EmbeddingsChannel(dim=10).embed(labels, np.random.default_rng(0)).astype(np.float32)
    np.save(tmp_path / "embeddings.npy", vectors)
    np.save(tmp_path / "labels.npy", 2 * labels + 3)
    return tmp_path


class TestMadeUp:
    @pytest.mark.parametrize(
        "task", [EmbeddingsChannel(), EmbeddingsChannel(4, 0.2, 16, 1e-3), EmbeddingsChannel(1, 0.4, 2)]
    )
    def test_vectors_tell_their_class(self, task: EmbeddingsChannel) -> None:
        classes = np.arange(5_000) % 2**task.bits
        vectors = task.embed(classes, np.random.default_rng(0))
        assert vectors.shape == (5_000, task.dim)
        assert np.array_equal(task.classes(vectors), classes)
        assert not task.discrete

    def test_given_the_class_vectors_are_normal_draws_with_that_greatest(self) -> None:
        # against rejection: normal vectors, kept where the first direction is the greatest
        task, n = EmbeddingsChannel(2, dim=4, separation=1e-9), 40_000
        vectors = task.embed(np.zeros(n, np.int64), np.random.default_rng(0))
        normal = np.random.default_rng(1).standard_normal((4 * n, 4))
        rejected = normal[normal.argmax(axis=1) == 0]
        unrotated = vectors @ random_isometry(4, 4, 0)
        tolerance = 4 * 2 / math.sqrt(len(rejected))
        assert np.abs(unrotated.mean(axis=0) - rejected.mean(axis=0)).max() < tolerance
        assert np.abs(np.cov(unrotated.T) - np.cov(rejected.T)).max() < tolerance

    def test_the_class_stands_out_by_the_separation_and_the_rest_fades(self) -> None:
        task = EmbeddingsChannel(2, dim=20, separation=5.0)
        values = task.embed(np.arange(8_000) % 4, np.random.default_rng(0)) @ random_isometry(20, 20, 0)
        first, second = -np.sort(-values[:, :4], axis=1)[:, :2].T
        assert (first - second).min() >= 5.0
        assert (first - second).min() < 5.01
        assert values[:, 4:].std(axis=0) == pytest.approx(1 / np.arange(1, 17), rel=4 / math.sqrt(2 * 8_000))

    def test_a_class_wants_a_direction(self) -> None:
        with pytest.raises(UsageError, match="a direction per class"):
            EmbeddingsChannel(bits=3, dim=7)


class TestFiles:
    def test_vectors_come_from_the_file_and_tell_their_class(self, files: Path) -> None:
        task = EmbeddingsFileChannel(bits=2, crossover=0.0)
        assert task.dim_x == task.dim_y == 10
        x, y = task.sample(2_000, 0)
        stored, labels = np.load(files / "embeddings.npy").astype(float), np.load(files / "labels.npy")
        known = {row.tobytes(): label for row, label in zip(stored, labels, strict=True)}
        shown = [[known[row.tobytes()] for row in v] for v in (x, y)]
        assert shown[0] == shown[1]
        assert set(shown[0]) == {3, 5, 7, 9}
        assert task.log_density_ratio(x, y) == pytest.approx(2 * math.log(2))
        assert task.discrete

    def test_fewer_bits_use_the_first_classes(self, files: Path) -> None:
        task = EmbeddingsFileChannel(bits=1, crossover=0.3)
        x, y = task.sample(20_000, 0)
        assert len(np.unique(x, axis=0)) == 200
        ratio = task.log_density_ratio(x, y)
        assert abs(ratio.mean() - task.mutual_information) < 4 * ratio.std() / math.sqrt(len(ratio))

    def test_paths_may_be_absolute(
        self, files: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        monkeypatch.setenv("MIBENCH_DATA", str(tmp_path_factory.mktemp("elsewhere")))
        label = f"embeddings-file-channel[embeddings={files}/embeddings.npy,labels={files}/labels.npy]"
        task = tasks.create(label)
        assert isinstance(task, Task)
        assert task.label == label
        assert task.sample(5, 0)[0].shape == (5, 10)

    def test_vectors_of_two_classes_are_left_out(self, files: Path) -> None:
        vectors = np.load(files / "embeddings.npy")
        vectors[0], vectors[1] = 0.0, -0.0  # of classes 3 and 5
        np.save(files / "embeddings.npy", vectors)
        x, y = EmbeddingsFileChannel(bits=2).sample(5_000, 0)
        assert (np.abs(np.vstack([x, y])).max(axis=1) > 0).all()

    def test_other_content_is_another_cell(self, files: Path) -> None:
        before = Cell.of(Zero(), EmbeddingsFileChannel(), 100, 0).id
        assert Cell.of(Zero(), EmbeddingsFileChannel(), 100, 0).id == before
        vectors = np.load(files / "embeddings.npy")
        np.save(files / "embeddings.npy", vectors + 1)
        os.utime(files / "embeddings.npy", ns=(1, 1))
        assert Cell.of(Zero(), EmbeddingsFileChannel(), 100, 0).id != before

    def test_missing_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MIBENCH_DATA", str(tmp_path))
        task = EmbeddingsFileChannel()
        for dimension in ("dim_x", "dim_y"):
            with pytest.raises(NotInstalled, match=r"embeddings\.npy; write the array there"):
                getattr(task, dimension)
        assert task.mutual_information > 0
        assert task.identity() == EmbeddingsFileChannel().identity()
        with pytest.raises(NotInstalled, match=r"numpy\.save"):
            task.sample(3, 0)

    @pytest.mark.parametrize(
        ("damage", "error", "message"),
        [
            (lambda f: np.save(f / "labels.npy", np.arange(7)), DataError, r"expected \(N, dim\) and \(N,\)"),
            (lambda f: np.save(f / "embeddings.npy", np.zeros(400)), DataError, r"expected \(N, dim\) and \(N,\)"),
            (lambda f: np.save(f / "embeddings.npy", np.full((400, 3), np.nan)), DataError, "NaN"),
            (lambda f: np.save(f / "labels.npy", np.zeros(400)), UsageError, "1 classes; 4 are needed"),
            (lambda f: np.save(f / "embeddings.npy", np.zeros((400, 3))), DataError, "no row of"),
            (lambda f: (f / "embeddings.npy").write_text("a,b"), DataError, "cannot read"),
            (lambda f: np.save(f / "labels.npy", np.array([{}] * 400)), DataError, "cannot read"),
        ],
    )
    def test_files_that_cannot_be_used(
        self, files: Path, damage: Callable[[Path], None], error: type[Exception], message: str
    ) -> None:
        damage(files)
        for path in files.iterdir():  # what was read before must not hide it
            os.utime(path, ns=(2, 2))
        vector_files._pool.cache_clear()
        with pytest.raises(error, match=message):
            EmbeddingsFileChannel(bits=2).sample(3, 0)

    def test_a_file_without_rows_of_vectors_has_no_dimension(self, files: Path) -> None:
        for wrong in (np.zeros(400), np.float64(1.0)):
            np.save(files / "embeddings.npy", wrong)
            with pytest.raises(DataError, match=r"expected \(N, dim\)"):
                _ = EmbeddingsFileChannel().dim_x

    def test_what_is_known_is_listed_while_the_file_is_missing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MIBENCH_DATA", str(tmp_path))
        row = describe(EmbeddingsFileChannel())
        assert (row.dim_x, row.dim_y) == (None, None)
        assert "numpy.save" in row.remark
        assert row.discrete
        assert row.mutual_information == EmbeddingsFileChannel().mutual_information

    def test_a_foreign_vector_is_refused(self, files: Path) -> None:
        with pytest.raises(DataError, match="cannot have drawn"):
            EmbeddingsFileChannel().log_density_ratio(np.zeros((1, 10)), np.zeros((1, 10)))
