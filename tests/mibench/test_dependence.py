"""The test of independence: exact where rows are exchangeable, honest about time series, and powerful."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import chi2_contingency, kstest, spearmanr

import mibench
from mibench.dependence import independence_test
from mibench.dependence.features import fourier, normal_scores, orthonormal, uniform_scores, waves
from mibench.dependence.neighbours import SharedNeighbours, nearest
from mibench.dependence.rank_tests import p_values, prepare, q_values, shifted_p_values
from mibench.dependence.series import memory, shifts
from mibench.errors import DataError, UsageError

N = 200
COLUMNS: dict[str, Any] = {
    "normal": lambda g, n: g.standard_normal(n),
    "Cauchy": lambda g, n: g.standard_cauchy((n, 3)),
    "rounded": lambda g, n: np.round(g.standard_normal(n)),
    "binary": lambda g, n: g.random(n) < 0.3,
    "atom": lambda g, n: np.maximum(g.standard_normal(n), 0),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_the_level_holds_whatever_the_margins(name: str) -> None:
    """p is uniform on its grid under independence: of 120 samples, fewer than 4.5 standard errors from 5 and 50 %."""
    found = []
    for seed in range(120):
        g = np.random.default_rng([seed, len(name)])
        x, y = COLUMNS[name](g, 40), COLUMNS["rounded"](g, 40)
        found.append(independence_test(x, y, seed, permutations=39).p)
    for alpha in (0.05, 0.5):
        share = float(np.mean(np.array(found) <= alpha + 1e-9))
        assert abs(share - alpha) < 4.5 * np.sqrt(alpha * (1 - alpha) / len(found))


def test_p_is_a_rank_among_permutations_and_cannot_be_smaller() -> None:
    x = np.random.default_rng(0).standard_normal(N)
    for permutations in (19, 199):
        found = independence_test(x, x, permutations=permutations)
        assert found.p == 1 / (1 + permutations) and found.permutations == permutations
        assert set(found.parts.values()) == {1 / (1 + permutations)}
    with pytest.raises(UsageError, match="too few"):
        independence_test(x, x, permutations=18)


def _sign(g: np.random.Generator) -> tuple[Any, Any]:
    x = g.standard_normal((600, 2))
    return x, np.sign(x[:, 0] * x[:, 1]) + g.standard_normal(600)


def _circle(g: np.random.Generator) -> tuple[Any, Any]:
    angle = g.uniform(0, 2 * np.pi, 300)
    return np.cos(angle) + 0.2 * g.standard_normal(300), np.sin(angle) + 0.2 * g.standard_normal(300)


def _waves(g: np.random.Generator) -> tuple[Any, Any]:
    x = g.uniform(size=300)
    return x, np.sin(12 * np.pi * x) + 0.5 * g.standard_normal(300)


def _one_of_many(g: np.random.Generator) -> tuple[Any, Any]:
    x, y = g.standard_cauchy((2, 300, 200))
    y[:, 17] += 2 * x[:, 140]
    return x, y


def _labels(g: np.random.Generator) -> tuple[Any, Any]:
    x = g.integers(0, 5, 400)
    return x, np.where(g.random(400) < 0.4, (3 * x + 2) % 5, g.integers(0, 5, 400))


def _spread(g: np.random.Generator) -> tuple[Any, Any]:
    x = g.random(300) < 0.5
    return x, g.standard_normal(300) * (1 + x)


@pytest.mark.parametrize("draw", [_sign, _circle, _waves, _one_of_many, _labels, _spread])
def test_dependence_of_many_kinds_is_seen(draw: Any) -> None:
    for seed in range(3):
        x, y = draw(np.random.default_rng(seed))
        assert independence_test(x, y, seed).p <= 0.03
        assert independence_test(y, x, seed).p <= 0.03


def test_monotone_functions_of_columns_change_nothing() -> None:
    x, y = np.random.default_rng(1).standard_normal((2, N, 2))
    first = independence_test(x, y + 0.3 * x)
    assert first == independence_test(np.exp(3 * x), 7 - 1e-9 * (y + 0.3 * x)[:, ::-1][:, ::-1] * -1)
    assert mibench.independence_test(x, y, 5) == independence_test(x, y, 5)


def test_more_rows_than_are_used_are_counted() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 25_000))
    found = independence_test(x, y + 0.1 * x, permutations=19)
    assert (found.rows, found.p) == (20_000, 0.05)
    found = independence_test(x, y, permutations=19, time_series=True)
    assert found.rows <= 20_000 and found.time_series


# Parts ---------------------------------------------------------------------------------------------------------------


def test_waves_are_orthonormal_and_their_correlations_are_pearsons_chi_squared() -> None:
    g = np.random.default_rng(0)
    x, y = g.integers(0, 3, N), g.integers(0, 5, N)
    of_x, of_y = (waves(uniform_scores(v[:, None].astype(float)), 6)[:, 0].astype(float) for v in (x, y))
    assert (of_x != 0).any(axis=0).sum() == 2 and (of_y != 0).any(axis=0).sum() == 4
    gram = of_y.T @ of_y
    assert np.allclose(gram, np.diag(np.diag(gram)), atol=1e-5) and np.allclose(of_y.sum(axis=0), 0, atol=1e-4)
    table = np.zeros((3, 5))
    np.add.at(table, (x, y), 1)
    assert N * np.square(of_x.T @ of_y).sum() == pytest.approx(
        chi2_contingency(table, correction=False).statistic, rel=1e-4
    )


def test_gram_schmidt_drops_what_is_spanned() -> None:
    columns = np.random.default_rng(0).standard_normal((50, 3))
    made = orthonormal(np.column_stack([columns, columns @ [1.0, 2.0, 3.0]]))
    assert np.allclose(made.T @ made, np.diag([1, 1, 1, 0]), atol=1e-9)


def test_fourier_features_approach_the_kernel() -> None:
    g = np.random.default_rng(0)
    points = normal_scores(uniform_scores(g.standard_normal((60, 2))))
    gram = fourier(points, 20_000, g)
    distances = np.square(points[:, None] - points).sum(axis=2)
    width = np.median(np.sqrt(distances[np.triu_indices(60, 1)]))
    kernel = (np.exp(-distances / (2 * width**2)) + np.exp(-9 * distances / (2 * width**2))) / 2
    centre = np.eye(60) - 1 / 60
    assert np.allclose(gram @ gram.T * 60, centre @ kernel @ centre, atol=0.05)


@pytest.mark.parametrize("dim", [1, 3, 20])
def test_neighbours_are_those_of_the_distances(dim: int) -> None:
    g = np.random.default_rng(dim)
    points = g.standard_normal((150, dim)).astype(np.float32)
    distances = np.square(points[:, None] - points).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    found = nearest(points, 6, g)
    slow = np.sort(distances, axis=1)[:, :6]
    assert np.allclose(np.take_along_axis(distances, found, axis=1), slow, rtol=3e-3)  # the order of ties is shuffled


def test_shared_edges_are_counted_as_a_loop_counts_them() -> None:
    g = np.random.default_rng(0)
    x, y = g.standard_normal((2, 60, 2)).astype(np.float32)
    graphs, order = SharedNeighbours.of(x, y, g), g.permutation(60)
    near = sum(graphs.level[order[i], order[j]] == 2 for i in range(60) for j in graphs.neighbours[i, :4])
    far = sum(graphs.level[order[i], order[j]] >= 1 for i in range(60) for j in graphs.neighbours[i])
    assert graphs.shared(order) == (near, far)
    assert graphs.shared(np.arange(60)) < SharedNeighbours.of(x, x, g).shared(np.arange(60)) == (240, 480)


# Time series ---------------------------------------------------------------------------------------------------------


def autoregressive(seed: int, n: int = 400, phi: float = 0.9) -> Any:
    return lfilter([1], [1, -phi], np.random.default_rng(seed).standard_normal((2, n + 200)), axis=1)[:, 200:]


def test_independent_series_pass_as_such_and_the_plain_test_warns() -> None:
    told, plain, warned = [], [], 0
    for seed in range(40):
        x, y = autoregressive(seed)
        found = independence_test(x, y, seed, permutations=59, time_series=True)
        told.append(found.p <= 0.05)
        assert 5 <= found.block <= 100 and found.effective_n < 200 and not found.warning
        if seed < 20:
            of_rows = independence_test(x, y, seed, permutations=59)
            plain.append(of_rows.p <= 0.05)
            warned += "time series" in of_rows.warning
    assert np.mean(told) <= 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 40)
    assert np.mean(plain) > 0.5 and warned == 20


def test_dependent_series_are_found() -> None:
    for seed in range(3):
        x, noise = autoregressive(seed, 800)
        assert independence_test(x, 0.7 * x + noise, seed, time_series=True).p <= 0.02


def test_what_rows_are_worth_is_bartletts_number() -> None:
    """For two AR(1), n / (1 + 2 sum phi^2k) = n (1 - phi^2) / (1 + phi^2), up to what ranks make of it."""
    worth = [memory(*(v[:, None] for v in autoregressive(s, 4000)))[1] for s in range(10)]
    assert np.median(worth) == pytest.approx(4000 * 0.19 / 1.81, rel=0.15)
    block, whole = memory(*np.random.default_rng(0).standard_normal((2, 1000, 1)))
    assert block <= 2 and whole > 900


def test_shifts_differ_are_multiples_and_keep_their_distance() -> None:
    g = np.random.default_rng(0)
    found = shifts(1000, 4, 30, 150, g)
    assert len(set(found.tolist())) == 150 and (found % 4 == 0).all() and 30 <= found.min() <= found.max() <= 970
    assert len(shifts(100, 1, 20, 1000, g)) == 61  # all there are
    with pytest.raises(DataError, match="longer series"):
        shifts(100, 1, 40, 1000, g)
    with pytest.raises(DataError):
        independence_test(np.arange(50.0), np.arange(50.0) ** 2, time_series=True)


# Many pairs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["normal", "rounded", "binary", "atom"])
def test_p_of_many_pairs_is_uniform_under_independence(name: str) -> None:
    g = np.random.default_rng(3)
    columns = [prepare(np.asarray(COLUMNS[name](g, 500), float)) for _ in range(120)]
    p = p_values(columns[:60], columns[60:]).ravel()
    for alpha in (0.5, 0.05, 0.01):
        assert np.mean(p <= alpha) == pytest.approx(alpha, abs=0.01 + 0.2 * alpha)
    if name == "normal":
        assert kstest(p, "uniform").statistic < 0.06


def test_p_of_a_pair_is_that_of_the_rank_correlation_where_columns_are_binary() -> None:
    g = np.random.default_rng(0)
    x, y = (g.random((2, 400)) < [[0.5], [0.4]]).astype(float)
    assert p_values([prepare(x)], [prepare(y)])[0, 0] == pytest.approx(spearmanr(x, y).pvalue, rel=0.02)


def test_p_orders_dependence_and_knows_no_direction() -> None:
    g = np.random.default_rng(0)
    x, noise = g.standard_normal((2, N))
    weaker = [prepare(strength * x**2 + noise) for strength in (1.0, 0.5, 0.2)]
    p = p_values([prepare(x)], weaker)[0]
    assert p[0] < p[1] < p[2] and p[0] < 1e-6
    assert np.allclose(p_values(weaker, [prepare(x)])[:, 0], p)
    assert np.allclose(p_values([prepare(np.exp(-x))], weaker)[0], p, rtol=1e-3)


def test_shifts_replace_the_formula_for_series() -> None:
    found, by_formula = [], []
    for seed in range(30):
        x, y = autoregressive(seed)
        one, two = [prepare(x)], [prepare(y)]
        by = shifts(400, 1, 20, 59, np.random.default_rng(seed))
        found.append(shifted_p_values(one, two, by)[0, 0])
        by_formula.append(p_values(one, two)[0, 0])
    assert np.mean(np.array(by_formula) <= 0.05) > 0.3
    assert np.mean(np.array(found) <= 0.05) <= 0.2 and min(found) >= 1 / 60


def slow_q(p: list[float]) -> list[float]:
    """For each hypothesis the least over all thresholds that reject it of m t / (rejected at t)."""
    m = len(p)
    return [min(1.0, *(m * t / sum(other <= t for other in p) for t in p if t >= one)) for one in p]


def test_q_values_are_those_of_the_definition() -> None:
    g = np.random.default_rng(0)
    for m in (1, 2, 7, 40):
        p = np.round(g.random(m) ** 3, 2).tolist()  # some equal
        assert q_values(p) == pytest.approx(slow_q(p))
    for order in itertools.permutations([0.001, 0.04, 0.04, 0.9]):
        assert q_values(list(order)) == pytest.approx(slow_q(list(order)))
    with_gap = q_values([0.01, np.nan, 0.5])
    assert np.isnan(with_gap[1]) and with_gap[[0, 2]] == pytest.approx([0.02, 0.5])
    assert len(q_values([])) == 0


def test_the_false_discovery_rate_is_kept() -> None:
    g = np.random.default_rng(0)
    shares = []
    for _ in range(40):
        x = g.standard_normal(300)
        columns = [*(0.5 * x + g.standard_normal(300) for _ in range(5)), *g.standard_normal((45, 300))]
        q = q_values(p_values([prepare(x)], [prepare(c) for c in columns])[0])
        assert (q[:5] <= 0.05).sum() >= 4
        shares.append((q[5:] <= 0.05).sum() / max(1, (q <= 0.05).sum()))
    assert np.mean(shares) < 0.1
