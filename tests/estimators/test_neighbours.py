"""Counting neighbours: every search, fast, against the definition, slow; and where rounding could matter most."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from mibench.estimators._samples import standardized
from mibench.estimators.neighbours import euclidean, search
from mibench.estimators.neighbours.chunked import count_in_chunks
from mibench.estimators.neighbours.compiled import Counts, Rule
from mibench.estimators.neighbours.float64 import count_in_float64
from mibench.estimators.neighbours.repeated import count_among_distinct, distinct
from mibench.estimators.neighbours.search import around_the_kth, count_all_pairs, neighbourhoods
from mibench.estimators.neighbours.tiles import TorchPasses, count_in_tiles
from mibench.estimators.neighbours.trees import count_with_trees

from mibench.estimator import Array

Samples: TypeAlias = Callable[[int, int, int], tuple[Array, Array]]


def all_distances(values: Array, max_norm: bool) -> Array:
    """From each sample to each, shape (n, n), itself excluded; squares where the norm is Euclidean."""
    total = np.zeros((len(values), len(values)))
    for column in values.T:  # squares are summed one after the other: another order would break ties
        gaps = np.abs(column[:, None] - column)
        total = np.maximum(total, gaps) if max_norm else total + gaps**2
    np.fill_diagonal(total, np.inf)
    return total


def by_definition(x: Array, y: Array, rule: Rule) -> Counts:
    """n_x, n_y and atom, shape (3, n)."""
    in_x, in_y = all_distances(x, rule.max_norm), all_distances(y, rule.max_norm)
    joint = np.maximum(in_x, in_y)
    nearest = np.argsort(joint, axis=1, kind="stable")[:, : rule.k]
    kth = np.take_along_axis(joint, nearest[:, -1:], axis=1)

    def moved(radius: Array, by: float) -> Array:
        return np.maximum(radius + by, 0) if rule.max_norm else np.maximum(np.sqrt(radius) + by, 0) ** 2

    def count(distances: Array) -> Counts:
        radius = np.take_along_axis(distances, nearest, axis=1).max(axis=1, keepdims=True) if rule.rectangle else kth
        if rule.closed:
            included = (distances <= radius) | (bool(rule.slack) & (distances <= moved(radius, rule.slack)))
        else:
            included = (distances < radius) | ((radius == 0) & (distances == 0))
            if rule.slack:
                included &= distances <= moved(radius, -rule.slack)
        np.fill_diagonal(included, False)
        return included.sum(axis=1)

    atom = np.where(kth[:, 0] == 0, (joint == 0).sum(axis=1) + 1, 0)
    return np.array([count(in_x), count(in_y), atom])


def gaussian(n: int, dim_x: int, dim_y: int) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, dim_x, dim_y])
    z = rng.standard_normal((n, max(dim_x, dim_y)))
    return z[:, :dim_x].copy(), 0.8 * z[:, :dim_y] + 0.6 * rng.standard_normal((n, dim_y))


def coarse(n: int, dim_x: int, dim_y: int) -> tuple[Array, Array]:
    """A lattice of which scaling makes irrational numbers: equal distances differ in their last bits."""
    x, y = gaussian(n, dim_x, dim_y)
    return standardized(np.round(x)), standardized(np.round(y))


def fine(n: int, dim_x: int, dim_y: int) -> tuple[Array, Array]:
    x, y = gaussian(n, dim_x, dim_y)
    return standardized(np.round(10 * x)), standardized(np.round(10 * y))


def far_from_the_origin(n: int, dim_x: int, dim_y: int) -> tuple[Array, Array]:
    x, y = gaussian(n, dim_x, dim_y)
    return np.round(4 * x) + 1e7, y - 1e6


def clusters(separation: float) -> Samples:
    def samples(n: int, dim_x: int, dim_y: int) -> tuple[Array, Array]:
        """As far apart as makes the products lose some, or all, of the distances within."""
        x, y = gaussian(n, dim_x, dim_y)
        which = np.arange(n)[:, None] % 5
        return x + separation * which, np.round(3 * y) + separation * (which * 2 % 5)

    samples.__name__ = f"clusters {separation:g}"
    return samples


def outliers(n: int, dim_x: int, dim_y: int) -> tuple[Array, Array]:
    """Next to which 16-bit integers cannot tell the others apart."""
    x, y = gaussian(n, dim_x, dim_y)
    y = np.round(y, 1)
    x[0], y[n // 2], y[-1] = 1e12, -1e12, 1e12
    return x, y


def heavy_tails(n: int, dim_x: int, dim_y: int) -> tuple[Array, Array]:
    x, y = gaussian(n, dim_x, dim_y)
    return np.sinh(5 * x), y**9


def duplicates(n: int, dim_x: int, dim_y: int) -> tuple[Array, Array]:
    x, y = gaussian(n, dim_x, dim_y)
    return np.repeat(x, 4, axis=0)[:n], np.repeat(y, 4, axis=0)[:n]


def constant_columns(n: int, dim_x: int, dim_y: int) -> tuple[Array, Array]:
    x, y = gaussian(n, dim_x, dim_y)
    x[:, 0], y[:, -1] = 7.0, -1e8
    return x, y


def two_categories(n: int, dim_x: int, dim_y: int) -> tuple[Array, Array]:
    x, y = gaussian(n, dim_x, dim_y)
    return x, standardized((y > 0).astype(float))


def single_precision(n: int, dim_x: int, dim_y: int) -> tuple[Array, Array]:
    x, y = gaussian(n, dim_x, dim_y)
    return x.astype(np.float32).astype(np.float64), y.astype(np.float32).astype(np.float64)


def different_scales(n: int, dim_x: int, dim_y: int) -> tuple[Array, Array]:
    x, y = gaussian(n, dim_x, dim_y)
    return np.round(x) * 1e-7, y * 1e9


SAMPLES: list[Any] = [
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
SEARCHES: dict[str, Callable[[Array, Array, Rule], Any]] = {
    "all pairs": count_all_pairs,
    "trees": count_with_trees,
    "chunks": lambda x, y, rule: count_in_chunks(x, y, rule, device="cpu", cells=40 * len(x)),
    "tiles": lambda x, y, rule: count_in_tiles(x, y, rule, "cpu", TorchPasses(cells=2**17), numbers=150_000),
}
NORMS = pytest.mark.parametrize("max_norm", [True, False], ids=["max", "euclidean"])
STRICT, RECTANGLE = Rule(3, False, closed=False, rectangle=False), Rule(3, False, closed=True, rectangle=True)


def named(samples: Samples) -> str:
    return samples.__name__


def assert_all_searches_agree(x: Array, y: Array, rule: Rule, expected: Counts) -> None:
    for name, found in SEARCHES.items():
        np.testing.assert_array_equal(found(x, y, rule), expected, err_msg=f"{name}, {rule}")


@NORMS
@pytest.mark.parametrize("samples", SAMPLES, ids=named)
@pytest.mark.parametrize(
    "shape", [(4, 1, 1), (130, 1, 1), (97, 1, 2), (257, 3, 3), (600, 2, 4), (80, 13, 12), (513, 25, 25)], ids=str
)
def test_counts_are_those_of_the_definition(samples: Samples, shape: tuple[int, int, int], max_norm: bool) -> None:
    x, y = samples(*shape)
    rules = [(1, False, False), (3, False, False), (3, True, True), (10, True, False), (10, False, True)]
    for k, closed, rectangle in rules if len(x) < 512 else rules[1:4]:  # the last shape takes as long as all others
        if k < len(x):
            rule = Rule(k, max_norm, closed, rectangle)
            assert_all_searches_agree(x, y, rule, by_definition(x, y, rule))


@NORMS
@pytest.mark.parametrize("samples", [gaussian, coarse, outliers, heavy_tails, duplicates], ids=named)
@pytest.mark.parametrize("shape", [(1100, 1, 1), (1500, 3, 3), (1100, 10, 10)], ids=str)
def test_so_they_are_beyond_one_tile_and_one_leaf(
    samples: Samples, shape: tuple[int, int, int], max_norm: bool
) -> None:
    x, y = samples(*shape)
    rule, other = STRICT._replace(max_norm=max_norm), RECTANGLE._replace(max_norm=max_norm, k=4)
    assert_all_searches_agree(x, y, rule, by_definition(x, y, rule))
    assert_all_searches_agree(x, y, other, count_all_pairs(x, y, other))


@NORMS
@pytest.mark.parametrize("samples", [gaussian, coarse, fine, two_categories, outliers], ids=named)
@pytest.mark.parametrize("shape", [(130, 1, 1), (97, 1, 2), (600, 2, 4), (80, 13, 12)], ids=str)
def test_distances_equal_but_for_rounding_are_counted_alike(
    samples: Samples, shape: tuple[int, int, int], max_norm: bool
) -> None:
    x, y = samples(*shape)
    for closed, slack in itertools.product((False, True), (1e-9, 0.5)):
        rule = Rule(3, max_norm, closed, rectangle=False, slack=slack)
        assert_all_searches_agree(x, y, rule, by_definition(x, y, rule))
    joint = np.sqrt(np.maximum(all_distances(x, max_norm), all_distances(y, max_norm)) ** (2 if max_norm else 1))
    kth = np.sort(joint, axis=1)[:, 2:3]
    metric: search.Metric = "max" if max_norm else "euclidean"
    np.testing.assert_array_equal(search.count_joint(x, y, 3, metric, 1e-9), (joint <= kth + 1e-9).sum(axis=1))


@NORMS
@pytest.mark.parametrize("samples", [gaussian, coarse, duplicates, two_categories], ids=named)
@pytest.mark.parametrize("shape", [(40, 1, 1), (130, 1, 2), (600, 2, 4), (80, 13, 12)], ids=str)
def test_different_samples_count_for_all_that_repeat_them(
    samples: Samples, shape: tuple[int, int, int], max_norm: bool
) -> None:
    x, y = samples(*shape)
    rows = distinct(x, y, len(x))
    assert rows is not None and rows.times.sum() == len(x)
    np.testing.assert_array_equal(np.hstack([rows.x, rows.y])[rows.which], np.hstack([x, y]))
    joint = np.maximum(all_distances(x, max_norm), all_distances(y, max_norm))
    for k, closed, slack in itertools.product((1, 3, 10), (False, True), (0.0, 1e-9, 0.5)):
        rule = Rule(k, max_norm, closed, rectangle=False, slack=slack)
        found = count_among_distinct(rows, rule)[:, rows.which]
        np.testing.assert_array_equal(found[:3], by_definition(x, y, rule))
        if closed:
            kth = np.sort(joint, axis=1)[:, k - 1 : k]
            within = joint <= kth
            if slack:
                within |= joint <= (kth + slack if max_norm else (np.sqrt(kth) + slack) ** 2)
            np.testing.assert_array_equal(found[3], within.sum(axis=1))


@pytest.mark.parametrize("metric", ["max", "euclidean"])
@pytest.mark.parametrize("n", [200, 1000])
def test_samples_that_mostly_repeat_are_searched_as_few(
    n: int, metric: search.Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = (np.round(values) for values in gaussian(n, 2, 1))
    assert distinct(x, y, 10) is None
    few = around_the_kth(x, y, 3, metric, 1e-9)
    monkeypatch.setattr("mibench.estimators.neighbours.repeated.distinct", lambda x, y, most: None)
    for one, other in zip(few, around_the_kth(x, y, 3, metric, 1e-9), strict=True):
        np.testing.assert_array_equal(one, other)


@NORMS
@pytest.mark.parametrize("n", [2, 3, 11, 31, 32, 33, 255, 256, 512, 513])
def test_any_number_of_samples_is_enough(n: int, max_norm: bool) -> None:
    for samples, k in itertools.product((gaussian, coarse, duplicates), {min(n - 1, k) for k in (1, 5, 40)}):
        x, y = samples(n, 2, 3)
        rule = Rule(k, max_norm, closed=True, rectangle=True)
        assert_all_searches_agree(x, y, rule, by_definition(x, y, rule))


@NORMS
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-120, 1e-90, 1e90, 1e120, 1e200, 1e300])
def test_scales_at_the_ends_of_float64(scale: float, max_norm: bool) -> None:
    """Where squares underflow, or overflow, the definition is that of float64 still."""
    for samples, rule in itertools.product((gaussian, fine), (STRICT, RECTANGLE)):
        x, y = (scale * values for values in samples(300, 3, 3))
        rule = rule._replace(max_norm=max_norm)
        with np.errstate(over="ignore", under="ignore"):
            expected = by_definition(x, y, rule)
        np.testing.assert_array_equal(count_all_pairs(x, y, rule), expected)


def test_samples_in_float64_are_chosen_freely() -> None:
    x, y = fine(300, 3, 2)
    which = np.array([299, 3, 4, 77, 3])
    for shape in itertools.product((False, True), repeat=3):
        rule = Rule(4, *shape)
        everything = count_in_float64(x, y, np.arange(300), rule)
        np.testing.assert_array_equal(everything, count_all_pairs(x, y, rule))
        np.testing.assert_array_equal(count_in_float64(x, y, which, rule), everything[:, which])


def test_the_search_is_chosen_by_dimension_size_and_device(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    def spy(name: str) -> Callable[..., Any]:
        def run(x: Array, y: Array, rule: Rule, **options: Any) -> Any:
            called.append(name)
            return SEARCHES[name](x, y, rule)

        return run

    monkeypatch.setattr(search, "count_all_pairs", spy("all pairs"))
    monkeypatch.setattr("mibench.estimators.neighbours.trees.count_with_trees", spy("trees"))
    on_device = spy("chunks")
    monkeypatch.setattr(
        "mibench.estimators.neighbours.tiles.count_on_device", lambda x, y, rule, device: on_device(x, y, rule)
    )
    monkeypatch.setattr(search, "TREES_FROM", {2: 0, 4: 200})
    for dim, n in ((1, 50), (2, 50), (2, 250), (3, 250)):
        neighbourhoods(*gaussian(n, dim, dim), 3, "max", closed=False, rectangle=False)
    monkeypatch.setenv("MIBENCH_DEVICE", "cuda")
    neighbourhoods(*gaussian(50, 3, 3), 3, "max", closed=False, rectangle=False)
    assert called == ["trees", "all pairs", "trees", "all pairs", "chunks"]


def test_the_callers_arrays_are_left_alone() -> None:
    x, y = gaussian(60, 2, 2)
    before = x.copy(), y.copy()
    x.flags.writeable = y.flags.writeable = False
    for found in SEARCHES.values():
        found(np.asfortranarray(x), y, STRICT)
    np.testing.assert_array_equal((x, y), before)


# Products of float32 matrices ----------------------------------------------------------------------------------------


def test_more_dimensions_than_float32_can_add_up() -> None:
    x, y = fine(12, 40_000, 2)
    assert (euclidean.count_in_float32(x, y, STRICT) == -1).all()
    np.testing.assert_array_equal(count_all_pairs(x, y, STRICT), by_definition(x, y, STRICT))


@pytest.mark.parametrize("samples", SAMPLES, ids=named)
@pytest.mark.parametrize("dim", [1, 3, 25, 300])
def test_the_error_of_products_is_bounded(samples: Samples, dim: int) -> None:
    """Against extended precision: half of ``off`` was added, and what is left is wrong by that at most, at d = 0."""
    n, relative = 150, euclidean.relative_error(dim)
    for values, exponent in itertools.product(samples(n, dim, dim), (0, euclidean.LARGEST)):
        centred = euclidean._centred(values)
        scaled = np.ldexp(centred, exponent - np.frexp(np.abs(centred).max())[1])
        rows, tiles, off = euclidean._factors(scaled, relative)
        products = np.concatenate(list(rows[:n] @ tiles), axis=1)[:, :n]
        wide, half = scaled.astype(np.longdouble), off[:, None].astype(np.longdouble) / 2
        exact = ((wide[:, None] - wide) ** 2).sum(axis=2)
        assert (np.abs(products - half - exact) <= relative * exact + half).all()
        assert (products >= 0).all()


def test_without_the_bound_lattices_would_be_miscounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples above do put pairs within rounding of a radius: take the allowance away and counts are wrong."""
    for samples in (coarse, far_from_the_origin):
        x, y = samples(600, 3, 3)
        right = by_definition(x, y, STRICT)
        np.testing.assert_array_equal(euclidean.count_in_float32(x, y, STRICT), right)
        with monkeypatch.context() as patch:
            patch.setattr(euclidean, "relative_error", lambda dim: 1e-12)
            assert (euclidean.count_in_float32(x, y, STRICT) != right).any()


def two_or_many(n: int, dim_x: int, dim_y: int) -> tuple[Array, Array]:
    """Two samples of three are unlike all others; the rest are the corners of a cube, each of them many times."""
    x, y = gaussian(n, dim_x, dim_y)
    many = np.arange(n)[:, None] % 3 == 0
    return np.where(many, (x > 1.2) / 3, x), np.where(many, (x[:, :dim_y] > 1.2) / 7, y)


def test_what_float32_cannot_decide_is_left_to_float64() -> None:
    decided, some, none = (
        euclidean.count_in_float32(*samples(1500, 3, 3), STRICT)[0] >= 0
        for samples in (gaussian, two_or_many, clusters(1e6))
    )
    assert decided.all()
    assert 0.4 < some.mean() < 0.9
    assert not none[400:].any()  # most fail, all but those of the clusters in the middle: it gives up
    x, y = two_or_many(1500, 3, 3)
    np.testing.assert_array_equal(count_all_pairs(x, y, STRICT), by_definition(x, y, STRICT))
