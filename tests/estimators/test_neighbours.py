"""Counting neighbours: every search, fast, against the definition, slow; and the searches against each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from mibench.estimators.neighbours import engine as _neighbours
from mibench.estimators.neighbours.brute import count_all_pairs
from mibench.estimators.neighbours.chunked import count_in_chunks
from mibench.estimators.neighbours.engine import neighbourhoods
from mibench.estimators.neighbours.tree import count_with_trees


def by_definition(x, y, k, max_norm, closed, rectangle):
    """n_x, n_y and atom, sample by sample, from whole columns of distances."""

    def distances(values, i):
        gaps = np.abs(values - values[i])
        # squares are summed one after the other: another order rounds differently, and ties would not be ties
        return gaps.max(axis=1) if max_norm else np.cumsum(gaps**2, axis=1)[:, -1]

    def count(to_others, radius):
        return (to_others <= radius).sum() if closed or radius == 0 else (to_others < radius).sum()

    counts = np.zeros((3, len(x)), int)
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        in_x, in_y = distances(x, i)[others], distances(y, i)[others]
        joint = np.maximum(in_x, in_y)
        nearest = np.argsort(joint, kind="stable")[:k]
        kth = joint[nearest[-1]]
        counts[0, i] = count(in_x, in_x[nearest].max() if rectangle else kth)
        counts[1, i] = count(in_y, in_y[nearest].max() if rectangle else kth)
        counts[2, i] = (joint == 0).sum() + 1 if kth == 0 else 0
    return counts


def samples(dim_x: int, dim_y: int, n: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Dependent samples: smooth, on a lattice, far from the origin, discrete, heavy-tailed, repeated."""
    rng = np.random.default_rng([dim_x, dim_y, n])
    z = rng.standard_normal((n, max(dim_x, dim_y)))
    x = z[:, :dim_x] + 0.3 * rng.standard_normal((n, dim_x))
    y = z[:, :dim_y] + 0.3 * rng.standard_normal((n, dim_y))
    yield x, y
    yield np.round(x), np.round(2 * y)
    yield 1e9 + np.round(x), y
    yield x, (y > 0).astype(float)
    yield rng.standard_cauchy(x.shape) ** 3, y
    yield np.repeat(x, 4, axis=0)[:n], np.repeat(y, 4, axis=0)[:n]


SEARCHES = {
    "all pairs": count_all_pairs,
    "trees": count_with_trees,
    "chunks": lambda x, *problem: count_in_chunks(x, *problem, device="cpu", cells=40 * len(x)),
}
SHAPES = [(1, 1, 4), (1, 1, 130), (1, 2, 97), (3, 3, 65), (13, 12, 80)]


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("max_norm", [True, False], ids=["max", "euclidean"])
def test_counts_are_those_of_the_definition(search, shape, max_norm):
    for x, y in samples(*shape):
        for k, closed, rectangle in itertools.product((1, 3, 10), (False, True), (False, True)):
            if k < len(x):
                how = k, max_norm, closed, rectangle
                np.testing.assert_array_equal(SEARCHES[search](x, y, *how), by_definition(x, y, *how))


@pytest.mark.parametrize("k", [1, 10])
def test_one_sample_more_than_neighbours_is_enough(k):
    for x, y in samples(2, 1, k + 1):
        for search in SEARCHES.values():
            np.testing.assert_array_equal(search(x, y, k, True, True, True), by_definition(x, y, k, True, True, True))


@pytest.mark.parametrize("dim", [1, 3, 8])
@pytest.mark.parametrize("max_norm", [True, False], ids=["max", "euclidean"])
def test_searches_agree_beyond_one_tile_and_one_leaf(dim, max_norm):
    for x, y in samples(dim, dim, 1100):
        for how in ((3, max_norm, False, False), (4, max_norm, True, True)):
            reference = count_all_pairs(x, y, *how)
            np.testing.assert_array_equal(count_with_trees(x, y, *how), reference)
            np.testing.assert_array_equal(SEARCHES["chunks"](x, y, *how), reference)


def test_integers_that_cannot_tell_distances_apart_leave_them_to_float64():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 1500, 2))
    x[0], y[0] = 1e9, -1e9  # a step of the integers is now wider than all the rest
    np.testing.assert_array_equal(
        count_all_pairs(x, y, 3, True, False, False), count_with_trees(x, y, 3, True, False, False)
    )


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_scales_at_the_ends_of_float64(scale):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 200, 3))
    how = (3, True, False, False)
    np.testing.assert_array_equal(
        count_all_pairs(x * scale, y * scale, *how), by_definition(x * scale, y * scale, *how)
    )


def test_the_search_is_chosen_by_dimension_size_and_device(monkeypatch):
    called = []

    def spy(name, search):
        def run(*problem, **options):
            called.append(name)
            return search(*problem, **({"device": "cpu"} if options else {}))

        return run

    monkeypatch.setattr("mibench.estimators.neighbours.brute.count_all_pairs", spy("all pairs", count_all_pairs))
    monkeypatch.setattr("mibench.estimators.neighbours.tree.count_with_trees", spy("trees", count_with_trees))
    monkeypatch.setattr("mibench.estimators.neighbours.chunked.count_in_chunks", spy("chunks", count_in_chunks))
    monkeypatch.setattr(_neighbours, "TREES_FROM", {2: 0, 4: 200})
    rng = np.random.default_rng(2)
    for dim, n in ((1, 50), (2, 50), (2, 250), (3, 250)):
        x, y = rng.standard_normal((2, n, dim))
        neighbourhoods(x, y, 3, "max", closed=False, rectangle=False)
    monkeypatch.setenv("MIBENCH_DEVICE", "cuda")
    neighbourhoods(x, y, 3, "max", closed=False, rectangle=False)
    assert called == ["trees", "all pairs", "trees", "all pairs", "chunks"]


def test_the_callers_arrays_are_left_alone():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((2, 60, 2))
    before = x.copy(), y.copy()
    x.flags.writeable = y.flags.writeable = False
    for search in SEARCHES.values():
        search(np.asfortranarray(x), y, 3, True, False, False)
    np.testing.assert_array_equal((x, y), before)
