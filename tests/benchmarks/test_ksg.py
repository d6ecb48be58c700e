"""How long the nearest-neighbour searches take, compiled, beside a k-d tree: `make bench`, or pytest -m benchmark."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mibench.estimators.histogram import Histogram
from mibench.estimators.kde import KDE
from mibench.estimators.ksg import KSG, KSG2, MixedKSG
from mibench.estimators.lnc import LNC
from mibench.estimators.neighbours.compiled import Rule
from mibench.estimators.neighbours.search import count_all_pairs
from mibench.estimators.neighbours.trees import count_with_trees
from scipy.spatial import KDTree

from mibench.estimator import Array, Estimator

pytestmark = pytest.mark.benchmark

HOW = {metric: Rule(3, metric == "max", False, False) for metric in ("max", "euclidean")}  # KSG-1 with k = 3


def gaussian(n: int, dim: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(dim)
    x = rng.standard_normal((n, dim))
    return x, 0.8 * x + 0.6 * rng.standard_normal((n, dim))


def joint_tree(x: Array, y: Array) -> tuple[Any, Any]:
    """The k-th neighbours alone: the least that an estimator on scipy's k-d tree has to do."""
    joint = np.hstack([x, y])
    return KDTree(joint).query(joint, 4, p=np.inf)


@pytest.mark.parametrize("metric", HOW)
@pytest.mark.parametrize("dim", [1, 3, 5, 10, 25])
def test_ksg(benchmark: Any, dim: int, metric: str) -> None:
    estimator = KSG(metric=metric)
    estimator.warm_up()
    benchmark.pedantic(estimator.estimate, gaussian(10_000, dim), rounds=3)


@pytest.mark.parametrize("dim", [1, 3, 5])
def test_scipy_tree(benchmark: Any, dim: int) -> None:
    benchmark.pedantic(joint_tree, gaussian(10_000, dim), rounds=3)


@pytest.mark.parametrize("search", [count_all_pairs, count_with_trees])
@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("n", [10_000, 40_000])
@pytest.mark.parametrize("metric", HOW)
def test_searches(benchmark: Any, search: Any, dim: int, n: int, metric: str) -> None:
    search(*gaussian(100, dim), HOW[metric])
    benchmark.pedantic(search, (*gaussian(n, dim), HOW[metric]), rounds=2)


def clusters(x: Array, y: Array) -> tuple[Array, Array]:
    """So far apart that float32 can tell no distances within apart."""
    which = np.arange(len(x))[:, None] % 10
    return x + 1e4 * which, y + 1e4 * (7 * which % 10)


@pytest.mark.parametrize("change", [clusters, lambda x, y: (np.round(x), np.round(y))], ids=["clusters", "lattice"])
@pytest.mark.parametrize("metric", HOW)
def test_pairs_to_decide(benchmark: Any, metric: str, change: Any) -> None:
    problem = *change(*gaussian(10_000, 3)), HOW[metric]
    count_all_pairs(*gaussian(100, 3), HOW[metric])
    benchmark.pedantic(count_all_pairs, problem, rounds=2)


EUCLIDEAN = [KSG2(metric="euclidean"), MixedKSG(metric="euclidean")]


@pytest.mark.parametrize(
    "estimator", [KSG2(), MixedKSG(), *EUCLIDEAN, LNC(), Histogram(), KDE()], ids=lambda e: e.label
)
def test_others_at_two_dimensions(benchmark: Any, estimator: Estimator) -> None:
    estimator.warm_up()
    benchmark.pedantic(estimator.estimate, gaussian(10_000, 2), rounds=2)


@pytest.mark.parametrize("metric", HOW)
@pytest.mark.parametrize("dim", [5, 25])
def test_a_hundred_thousand_samples(benchmark: Any, dim: int, metric: str) -> None:
    estimator = KSG(metric=metric)
    estimator.warm_up()
    benchmark.pedantic(estimator.estimate, gaussian(100_000, dim), rounds=1)


@pytest.mark.parametrize("search", ["different samples", "all samples"])
@pytest.mark.parametrize("dims", [(1, 1), (2, 1), (4, 4)], ids=str)
def test_letters(benchmark: Any, dims: tuple[int, int], search: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = (np.random.default_rng(dim).integers(0, 3, (20_000, dim)).astype(float) for dim in dims)
    estimator = KSG()
    estimator.warm_up()
    if search == "all samples":
        monkeypatch.setattr("mibench.estimators.neighbours.repeated.distinct", lambda x, y, most: None)
    estimator.estimate(x[:500], y[:500])
    benchmark.pedantic(estimator.estimate, (x, y), rounds=2)
