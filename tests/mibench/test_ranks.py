"""Ranks and their normal scores, with ties and without."""

import numpy as np
import pytest
from scipy import stats

from mibench.estimator import Array
from mibench.ranks import normal_scores, ranks, untied_scores


@pytest.fixture
def values() -> Array:
    """A column of three values, as they come, and an increasing one without ties: shape (1000, 2)."""
    return np.stack([np.repeat([3.0, 1.0, 2.0], [200, 300, 500]), np.linspace(0, 1, 1000) ** 3], axis=1)


def test_ranks_are_the_mean_place_among_the_sorted() -> None:
    values = np.array([[3.0, 0.0], [1.0, -0.0], [3.0, 5.0], [2.0, -7.0], [3.0, 5.0]])
    slow = [
        [sum(other < value for other in column) + (sum(other == value for other in column) + 1) / 2 for value in column]
        for column in values.T
    ]
    assert ranks(values).T.tolist() == slow == [[4.0, 1.0, 4.0, 2.0, 4.0], [2.5, 2.5, 4.5, 1.0, 4.5]]


def test_scores_are_normal_quantiles_and_see_no_increasing_map(values: Array) -> None:
    found = normal_scores(values)
    np.testing.assert_allclose(found[:, 1], stats.norm.ppf(np.arange(1, 1001) / 1001), rtol=1e-12)
    np.testing.assert_array_equal(found, normal_scores(np.exp(3 * values)))
    np.testing.assert_array_equal(normal_scores(np.full((9, 1), 2.5)), np.zeros((9, 1)))


def test_ties_come_apart_at_random_and_nothing_else_moves(values: Array) -> None:
    found = untied_scores(values, np.random.default_rng(0))
    np.testing.assert_array_equal(found[:, 1], normal_scores(values)[:, 1])
    np.testing.assert_array_equal(np.sort(found[:, 0]), found[:, 1])
    low, middle, high = found[200:500, 0], found[500:, 0], found[:200, 0]
    assert low.max() < middle.min() and middle.max() < high.min()
    assert abs(stats.spearmanr(np.arange(500), middle).statistic) < 0.15  # 3 / sqrt(500)
