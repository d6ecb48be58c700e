"""Cells beside their definition, weights that take the loss of cells away, closed forms, and invariances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from mibench.estimators.edge import EDGE, between, hashed
from mibench.estimators.histogram import Histogram, entropy

from mibench.errors import Unsupported
from mibench.estimator import Array

from .conftest import correlated


def test_rows_share_a_cell_where_every_column_does() -> None:
    values = np.random.default_rng(0).uniform(size=(200, 3))
    found = hashed(values, 0.4, np.random.default_rng(5))
    shift = 0.4 * np.random.default_rng(5).uniform(size=3)
    cube = [tuple(math.floor((v + s) / 0.4) for v, s in zip(row, shift, strict=True)) for row in values.tolist()]
    for i in range(200):
        for j in range(i):
            assert (found[i] == found[j]) == (cube[i] == cube[j])


def test_the_edges_hold_the_information_between_the_nodes() -> None:
    """Of many samples of a small table: the sum over edges of p log(p / p_x p_y)."""
    table = np.array([[0.3, 0.1, 0.05], [0.05, 0.1, 0.4]])
    truth = float((table * np.log(table / np.outer(table.sum(1), table.sum(0)))).sum())
    drawn = np.random.default_rng(1).choice(6, size=200_000, p=table.ravel())
    assert between(drawn // 3, drawn % 3)[0] == pytest.approx(truth, abs=0.004)


def test_a_variable_that_decides_the_other_has_its_entropy() -> None:
    cells = np.random.default_rng(2).integers(5, size=3000)
    assert between(cells, 4 - cells)[0] == pytest.approx(entropy(np.bincount(cells)))


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, 0.97])
def test_gaussian_truths(rho: float) -> None:
    truth = -0.5 * math.log(1 - rho**2)
    errors = [EDGE().estimate(*correlated(3000, rho, seed=seed)).mi - truth for seed in range(4)]
    assert abs(float(np.mean(errors))) < 0.03 + 0.03 * truth


def test_less_is_lost_than_by_cells_of_one_width() -> None:
    truth = -0.5 * math.log(1 - 0.97**2)
    samples = [correlated(2000, 0.97, seed=seed) for seed in range(4)]
    many = float(np.mean([EDGE().estimate(*s).mi for s in samples])) - truth
    one = float(np.mean([EDGE(widths=1).estimate(*s).mi for s in samples])) - truth
    grid = float(np.mean([Histogram().estimate(*s).mi for s in samples])) - truth
    assert one < -0.05
    assert abs(many) < 0.5 * min(abs(one), abs(grid))


def test_increasing_functions_and_the_order_of_columns_and_rows_change_nothing() -> None:
    x, y = correlated(500, 0.8, 2)
    found = EDGE().estimate(x, y).mi
    assert EDGE().estimate(np.exp(x), y**3).mi == found
    order = np.random.default_rng(3).permutation(500)
    assert EDGE().estimate(x[order], y[order]).mi == pytest.approx(found)
    assert EDGE().estimate(x, y, seed=1).mi != found


def test_samples_alone_in_their_cells_are_declined_or_left_out() -> None:
    """Every sample is then a letter of its own, and x and y would have all of log n in common."""
    with pytest.raises(Unsupported, match=r"500 samples are too few for cells of 10 \+ 10 columns"):
        EDGE().estimate(*correlated(500, 0.0, 10))
    found = EDGE().estimate(*correlated(500, 0.0, 2))
    assert 3 <= found.diagnostics["widths"] < 10
    assert abs(found.mi) < 0.1


def test_cost_grows_with_the_samples_and_not_with_their_square(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever n is, the columns are hashed as often, and nothing looks at pairs of samples."""
    calls: list[int] = []

    def counted(values: Array, width: float, rng: np.random.Generator) -> Any:
        calls.append(len(values))
        return hashed(values, width, rng)

    monkeypatch.setattr("mibench.estimators.edge.hashed", counted)
    for n in (100, 1000):
        EDGE().estimate(*correlated(n, 0.5))
    assert calls == [100] * 80 + [1000] * 80
