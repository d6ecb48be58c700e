"""Exact relations: what is more than chance, where noise shows, and which lines are continuous."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from scipy.interpolate import BarycentricInterpolator

from mibench.samples.clean import cleaned, paired
from mibench.samples.exact import (
    _interpolated_away,
    beyond_chance,
    dense_ranks,
    exact_line,
    noisy,
    same_order,
)
from mibench.samples.remarks import Remark
from mibench.samples.remarks import remarks as remarks_on


def remarks(x: np.ndarray, y: np.ndarray) -> list[Remark]:
    return remarks_on(cleaned(paired(*(v.reshape(len(v), -1) for v in (x, y)))))


@pytest.mark.parametrize("letters", [(0, 0, 0, 0, 1, 1, 2), (0, 1, 2, 3, 4, 5, 6), (0, 0, 0, 0, 0, 0, 1)])
def test_evidence_is_how_many_orders_the_values_could_have_had(letters: tuple[int, ...]) -> None:
    orders = len(set(permutations(letters)))
    ranks = np.array(letters)
    most = max(t for t in range(0, 10_000) if t == 0 or t * 1000 < orders)
    assert not most or beyond_chance(ranks, most)
    assert not beyond_chance(ranks, most + 1)


def test_rules_with_as_many_free_letters_as_rows_are_no_evidence() -> None:
    ranks = np.arange(40) % 2
    assert beyond_chance(ranks, 1, freedom=10) and not beyond_chance(ranks, 1, freedom=40)


def spikes(rng: np.random.Generator, n: int, columns: int) -> np.ndarray:
    """Columns that are 0 but in one to three rows."""
    found = np.zeros((n, columns))
    for column in found.T:
        column[rng.choice(n, rng.integers(1, 4), replace=False)] = rng.integers(1, 9)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_single_values_that_meet_in_one_row_are_no_relation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = (np.column_stack([spikes(rng, 300, 40), rng.standard_normal((300, 2))]) for _ in range(2))
    assert not exact_line(x, y)
    assert "deterministic" not in {r.code for r in remarks(x, y)}


FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "exp": np.exp,
    "cube": lambda x: x**3,
    "tan": lambda x: np.arctan(x),
    "bend": lambda x: np.maximum(x, 2 * x),
    "line": lambda x: 1 - 3 * x,
}


@pytest.mark.parametrize("n", [60, 500])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_noise_shows_beside_smooth_functions_and_nowhere_else(name: str, n: int) -> None:
    rng = np.random.default_rng(n)
    x, noise = rng.standard_normal((2, n))
    y = FUNCTIONS[name](x)
    assert not noisy(x, y) and not noisy(1e6 * x, -1e-6 * y)
    assert noisy(x, y + 1e-4 * noise)


def test_the_same_value_twice_hides_no_noise() -> None:
    x, noise = np.random.default_rng(2).standard_normal((2, 100))
    x[1], x[3] = x[0], np.nextafter(x[2], 9)
    y = x + 1e-5 * noise
    y[1] = y[0]
    assert noisy(x, y) and not noisy(x, np.exp(x))


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_interpolation_agrees_with_that_of_scipy(reach: int) -> None:
    x, y = np.sort(np.random.default_rng(3).standard_normal(30)), np.random.default_rng(4).standard_normal(30)
    away = []
    for i in range(reach, 30 - reach):
        near = [j for j in range(i - reach, i + reach + 1) if j != i]
        away.append(abs(float(BarycentricInterpolator(x[near], y[near])(x[i])) - y[i]))
    assert _interpolated_away(x, y, reach) == pytest.approx(np.median(away))


def test_lines_are_functions_of_several_columns_of_either_side() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 100, 3))
    assert not exact_line(x, y)
    y[:, 0] = x @ [1.0, -2.0, 0.5] - y[:, 1]
    assert exact_line(x, y) and exact_line(1e3 * y, x - 5)
    assert not exact_line(x, y + 1e-5 * rng.standard_normal(y.shape))
    assert not exact_line(np.round(x[:, :1]), np.round(x[:, :1]))  # letters share their entropy
    assert not exact_line(rng.standard_normal((20, 15)), rng.standard_normal((20, 15)))  # any would


def test_columns_in_the_same_or_reverse_order_are_found() -> None:
    x = np.random.default_rng(0).standard_normal((50, 3))
    y = np.column_stack([x[:, 2] ** 3, np.random.default_rng(1).standard_normal(50), -x[:, 0]])
    assert set(same_order(dense_ranks(x), dense_ranks(y))) == {(2, 0, 1), (0, 2, -1)}


def test_what_orders_all_rows_alike_is_called_a_function_only_without_noise() -> None:
    x, noise = np.random.default_rng(0).standard_normal((2, 60))

    def said(y: np.ndarray) -> str:
        return next(r.message for r in remarks(x, y) if r.code == "deterministic")

    assert "infinitely much" in said(np.exp(x))
    assert "too small to show" in said(x + 1e-5 * noise) and "infinitely" not in said(x + 1e-5 * noise)


def test_many_remarks_of_one_kind_become_one_that_names_the_others() -> None:
    rng = np.random.default_rng(0)
    x, y = (np.maximum(rng.standard_normal((200, 6)), 0) for _ in range(2))
    (atoms,) = [r for r in remarks(x, y) if r.code == "ties"]
    assert len(atoms.columns) == 12 and "likewise x1, x2, x3 and 8 more" in atoms.message
    few = [r for r in remarks(x[:, :1], y[:, :2]) if r.code == "ties"]
    assert [r.columns for r in few] == [("x",), ("y0",), ("y1",)]
