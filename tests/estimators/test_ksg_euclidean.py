"""Neighbours in the Euclidean norm: the fast search against the definition, where rounding matters most."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from mibench.estimators._samples import standardized
from mibench.estimators.ksg import KSG, KSG2, MixedKSG
from mibench.estimators.neighbours import euclidean as _euclidean
from mibench.estimators.neighbours.brute import count_all_pairs
from mibench.estimators.neighbours.float64 import count_in_float64
from scipy.special import digamma


def squared_distances(values):
    """All pairs in float64, shape (n, n), squares summed one after the other: another order would break ties."""
    total = np.zeros((len(values), len(values)))
    for column in values.T:
        total += (column[:, None] - column) ** 2
    return total


def by_definition(x, y, k, closed, rectangle):
    """n_x, n_y and atom, shape (3, n)."""
    in_x, in_y = squared_distances(x), squared_distances(y)
    np.fill_diagonal(in_x, np.inf)
    np.fill_diagonal(in_y, np.inf)
    joint = np.maximum(in_x, in_y)
    nearest = np.argsort(joint, axis=1, kind="stable")[:, :k]
    kth = np.take_along_axis(joint, nearest[:, -1:], axis=1)

    def count(distances):
        radius = np.take_along_axis(distances, nearest, axis=1).max(axis=1, keepdims=True) if rectangle else kth
        included = distances <= radius if closed else (distances < radius) | ((radius == 0) & (distances == 0))
        np.fill_diagonal(included, False)
        return included.sum(axis=1)

    atom = np.where(kth[:, 0] == 0, (joint == 0).sum(axis=1) + 1, 0)
    return np.array([count(in_x), count(in_y), atom])


def gaussian(n, dim_x, dim_y):
    rng = np.random.default_rng([n, dim_x, dim_y])
    z = rng.standard_normal((n, max(dim_x, dim_y)))
    return z[:, :dim_x], 0.8 * z[:, :dim_y] + 0.6 * rng.standard_normal((n, dim_y))


def coarse(n, dim_x, dim_y):
    """A lattice of which scaling makes irrational numbers: equal distances differ in their last bits."""
    return tuple(standardized(np.round(values)) for values in gaussian(n, dim_x, dim_y))


def fine(n, dim_x, dim_y):
    return tuple(standardized(np.round(10 * values)) for values in gaussian(n, dim_x, dim_y))


def far_from_the_origin(n, dim_x, dim_y):
    x, y = gaussian(n, dim_x, dim_y)
    return np.round(4 * x) + 1e7, y - 1e6


def clusters(separation):
    def samples(n, dim_x, dim_y):
        """As far apart as makes the products lose some, or all, of the distances within."""
        x, y = gaussian(n, dim_x, dim_y)
        which = np.arange(n)[:, None] % 5
        return x + separation * which, np.round(3 * y) + separation * (which * 2 % 5)

    samples.__name__ = f"clusters {separation:g}"
    return samples


def outliers(n, dim_x, dim_y):
    x, y = gaussian(n, dim_x, dim_y)
    x, y = x.copy(), np.round(y, 1)
    x[0], y[n // 2], y[-1] = 1e12, -1e12, 1e12
    return x, y


def heavy_tails(n, dim_x, dim_y):
    x, y = gaussian(n, dim_x, dim_y)
    return np.sinh(5 * x), y**9


def duplicates(n, dim_x, dim_y):
    x, y = gaussian(n, dim_x, dim_y)
    return np.repeat(x, 4, axis=0)[:n], np.repeat(y, 4, axis=0)[:n]


def constant_columns(n, dim_x, dim_y):
    x, y = gaussian(n, dim_x, dim_y)
    x, y = x.copy(), y.copy()
    x[:, 0], y[:, -1] = 7.0, -1e8
    return x, y


def two_categories(n, dim_x, dim_y):
    x, y = gaussian(n, dim_x, dim_y)
    return x, standardized((y > 0).astype(float))


def single_precision(n, dim_x, dim_y):
    return tuple(values.astype(np.float32).astype(np.float64) for values in gaussian(n, dim_x, dim_y))


def different_scales(n, dim_x, dim_y):
    x, y = gaussian(n, dim_x, dim_y)
    return np.round(x) * 1e-7, y * 1e9


SAMPLES = [
    gaussian,
    coarse,
    fine,
    far_from_the_origin,
    clusters(1e2),
    clusters(1e3),
    clusters(1e5),
    outliers,
    heavy_tails,
    duplicates,
    constant_columns,
    two_categories,
    single_precision,
    different_scales,
]
RULES = [(1, False, False), (3, False, False), (3, True, True), (10, True, False), (10, False, True)]


@pytest.mark.parametrize("samples", SAMPLES, ids=lambda samples: samples.__name__)
@pytest.mark.parametrize("shape", [(12, 1, 2), (257, 3, 3), (600, 2, 4), (513, 25, 25)], ids=str)
def test_counts_are_those_of_the_definition(samples, shape):
    x, y = samples(*shape)
    for how in RULES:
        k, closed, rectangle = how
        np.testing.assert_array_equal(count_all_pairs(x, y, k, False, closed, rectangle), by_definition(x, y, *how))


@pytest.mark.parametrize("samples", [gaussian, coarse, outliers, heavy_tails, duplicates], ids=lambda s: s.__name__)
def test_counts_of_more_samples_are_those_of_the_definition(samples):
    for shape in ((1500, 3, 3), (1100, 10, 10)):
        x, y = samples(*shape)
        np.testing.assert_array_equal(count_all_pairs(x, y, 3, False, False, False), by_definition(x, y, 3, 0, 0))


@pytest.mark.parametrize("n", [2, 3, 31, 32, 33, 255, 256, 512, 513])
def test_any_number_of_samples_is_enough(n):
    for samples in (gaussian, coarse):
        x, y = samples(n, 2, 3)
        for k in {min(n - 1, k) for k in (1, 5, 40)}:
            np.testing.assert_array_equal(count_all_pairs(x, y, k, False, True, True), by_definition(x, y, k, 1, 1))


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-120, 1e-90, 1e90, 1e120, 1e200])
def test_scales_at_the_ends_of_float64(scale):
    """Where squares underflow, or overflow, the definition is that of float64 still."""
    for samples in (gaussian, fine):
        x, y = samples(300, 3, 3)
        for how in ((3, False, False), (3, True, True)):
            with np.errstate(over="ignore", under="ignore"):
                expected = by_definition(scale * x, scale * y, *how)
            np.testing.assert_array_equal(count_all_pairs(scale * x, scale * y, how[0], False, *how[1:]), expected)


def test_more_dimensions_than_float32_can_add_up():
    x, y = fine(12, 40_000, 2)
    assert (_euclidean.count_in_float32(x, y, 3, False, False) == -1).all()
    np.testing.assert_array_equal(count_all_pairs(x, y, 3, False, False, False), by_definition(x, y, 3, 0, 0))


@pytest.mark.parametrize("samples", SAMPLES, ids=lambda samples: samples.__name__)
@pytest.mark.parametrize("dim", [1, 3, 25, 300])
def test_the_error_of_products_is_bounded(samples, dim):
    """Against extended precision: half of ``off`` was added, and what is left is wrong by that at most, at d = 0."""
    n, relative = 150, _euclidean.relative_error(dim)
    for values, exponent in itertools.product(samples(n, dim, dim), (0, _euclidean.LARGEST)):
        centred = _euclidean._centred(values)
        scaled = np.ldexp(centred, exponent - np.frexp(np.abs(centred).max())[1])
        rows, tiles, off = _euclidean._factors(scaled, relative)
        products = np.concatenate(list(rows[:n] @ tiles), axis=1)[:, :n]
        wide, half = scaled.astype(np.longdouble), off[:, None].astype(np.longdouble) / 2
        exact = ((wide[:, None] - wide) ** 2).sum(axis=2)
        assert (np.abs(products - half - exact) <= relative * exact + half).all()
        assert (products >= 0).all()


def test_without_the_bound_lattices_would_be_miscounted(monkeypatch):
    """The samples above do put pairs within rounding of a radius: take the allowance away and counts are wrong."""
    for samples in (coarse, far_from_the_origin):
        x, y = samples(600, 3, 3)
        right = by_definition(x, y, 3, 0, 0)
        np.testing.assert_array_equal(_euclidean.count_in_float32(x, y, 3, False, False), right)
        with monkeypatch.context() as patch:
            patch.setattr(_euclidean, "relative_error", lambda dim: 1e-12)
            assert (_euclidean.count_in_float32(x, y, 3, False, False) != right).any()


def test_what_float32_cannot_decide_is_left_to_float64():
    decided, some, none = (
        _euclidean.count_in_float32(*samples(1500, 3, 3), 3, False, False)[0] >= 0
        for samples in (gaussian, two_or_many, clusters(1e6))
    )
    assert decided.all()
    assert 0.4 < some.mean() < 0.9
    assert not none[400:].any()  # most fail, all but those of the clusters in the middle: it gives up
    x, y = two_or_many(1500, 3, 3)
    np.testing.assert_array_equal(count_all_pairs(x, y, 3, False, False, False), by_definition(x, y, 3, 0, 0))


def two_or_many(n, dim_x, dim_y):
    """Two samples of three are unlike all others; the rest are the corners of a cube, each of them many times."""
    x, y = gaussian(n, dim_x, dim_y)
    many = np.arange(n)[:, None] % 3 == 0
    return np.where(many, (x > 1.2) / 3, x), np.where(many, (x[:, :dim_y] > 1.2) / 7, y)


def test_samples_in_float64_are_chosen_freely():
    x, y = fine(300, 3, 2)
    which = np.array([299, 3, 4, 77, 3])
    for max_norm, closed, rectangle in itertools.product((False, True), repeat=3):
        how = (4, max_norm, closed, rectangle)
        everything = count_in_float64(x, y, np.arange(300), *how)
        np.testing.assert_array_equal(everything, count_all_pairs(x, y, *how))
        np.testing.assert_array_equal(count_in_float64(x, y, which, *how), everything[:, which])


@pytest.mark.parametrize("dims", [(1, 1), (3, 3), (7, 2), (25, 25)], ids=str)
@pytest.mark.parametrize("samples", [gaussian, coarse, outliers, single_precision], ids=lambda s: s.__name__)
def test_estimates_are_those_of_the_formulas(samples, dims):
    x, y = samples(400, *dims)
    scaled_x, scaled_y = standardized(x), standardized(y)
    for k in (1, 4):
        n_x, n_y, atom = by_definition(scaled_x, scaled_y, k, False, False)
        terms = digamma(np.where(atom > 0, atom, k)) - digamma(n_x + 1) - digamma(n_y + 1)
        assert KSG(k, "euclidean").estimate(x, y).mi == pytest.approx(digamma(400) + terms.mean(), abs=1e-10)
        assert MixedKSG(k, "euclidean").estimate(x, y).mi == pytest.approx(np.log(400) + terms.mean(), abs=1e-10)
        n_x, n_y, atom = by_definition(scaled_x, scaled_y, k, True, True)
        regular = digamma(k) - 1 / k - digamma(np.maximum(n_x, 1)) - digamma(np.maximum(n_y, 1))
        terms = np.where(atom > 0, digamma(np.maximum(atom, 1)) - digamma(n_x + 1) - digamma(n_y + 1), regular)
        assert KSG2(k, "euclidean").estimate(x, y).mi == pytest.approx(digamma(400) + terms.mean(), abs=1e-10)


def test_single_precision_input_is_taken_as_it_is():
    x, y = (values.astype(np.float32) for values in gaussian(300, 5, 5))
    wide = KSG(metric="euclidean").estimate(x.astype(np.float64), y.astype(np.float64)).mi
    assert KSG(metric="euclidean").estimate(x, y).mi == pytest.approx(wide, abs=1e-10)
