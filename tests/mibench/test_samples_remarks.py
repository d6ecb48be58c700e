"""What a sample says against itself: each kind is found where it is, and nothing where there is nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mibench.estimator import Estimate, Estimator
from mibench.registry import estimators
from mibench.samples import ColumnKind, Pair, Table, answer_remarks, remarks
from mibench.samples.answers import greatest_entropy
from mibench.samples.cells import kinds_of
from mibench.samples.clean import cleaned
from mibench.samples.repeats import repeated_rows

N = 400


def normal(seed: int, n: int = N) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(n)


def pair(x: Any, y: Any, kind: ColumnKind | None = None) -> Pair:
    tables = []
    for name, values in (("x", x), ("y", y)):
        matrix = np.asarray(values, dtype=float).reshape(len(values), -1)
        kinds = kinds_of(matrix) if kind is None else (kind,) * matrix.shape[1]
        tables.append(Table(tuple(f"{name}{j}" for j in range(matrix.shape[1])), kinds, matrix))
    return Pair(tables[0], tables[1], ())


def codes(x: Any, y: Any, panel: tuple[Estimator, ...] = (), kind: ColumnKind | None = None) -> set[str]:
    return {remark.code for remark in remarks(cleaned(pair(x, y, kind)), panel)}


@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_remarked_where_nothing_is_amiss(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(100, 3000))
    x = rng.standard_normal((n, int(rng.integers(1, 4))))
    for y in (x[:, :1] + 0.3 * rng.standard_normal((n, 1)), rng.uniform(size=n), rng.exponential(size=n)):
        assert codes(x, y) == set()
    assert codes(np.round(x, 9) * 1e6, -y * 1e-9) == set()


def test_discrete_columns_are_told_from_densities() -> None:
    panel = tuple(estimators.select(["*ksg*", "cca", "histogram"]))
    fit = {e.label for e in panel if e.capabilities.discrete}
    assert 0 < len(fit) < len(panel)
    x = np.random.default_rng(0).integers(0, 3, N)
    (found,) = [r for r in remarks(pair(x, normal(1)), panel) if r.code == "discrete-columns"]
    assert found.columns == ("x0",) and "assume densities" in found.message
    assert not any(f"{name}," in found.message for name in fit)
    only = [e for e in panel if e.capabilities.discrete]
    (found,) = remarks(pair(x, normal(1)), only)
    assert "assume" not in found.message
    assert "discrete-columns" in codes(x, normal(1), kind=ColumnKind.CATEGORY)
    # whole numbers that hardly repeat are as good as continuous
    assert codes(np.random.default_rng(2).integers(0, 10**6, N), normal(1)) == set()


def test_categories_of_few_rows_are_named_beside_numbers() -> None:
    many = np.random.default_rng(0).integers(0, 40, N)
    x = Table(("c",), (ColumnKind.CATEGORY,), many[:, None].astype(float))
    number = Table(("y",), (ColumnKind.CONTINUOUS,), normal(1)[:, None])
    (found,) = [r for r in remarks(Pair(x, number, ())) if r.code == "many-levels"]
    assert found.columns == ("c",) and "40 categories with" in found.message
    few = Table(("c",), (ColumnKind.CATEGORY,), (many % 8)[:, None].astype(float))
    assert [r.code for r in remarks(Pair(few, number, ()))] == ["discrete-columns"]
    label = Table(("b",), (ColumnKind.BOOLEAN,), (many[:, None] > 20).astype(float))
    assert "many-levels" not in {r.code for r in remarks(Pair(x, label, ()))}
    counts = Table(("k",), (ColumnKind.INTEGER,), x.values)
    assert "many-levels" not in {r.code for r in remarks(Pair(counts, number, ()))}


def test_an_atom_is_no_rounded_reading() -> None:
    (found,) = remarks(pair(np.maximum(normal(0), 0), normal(1)))
    assert found.code == "ties" and "of 400 values of x0 are 0" in found.message
    code = np.where(np.arange(N) % 10, normal(0), -999.0)
    assert codes(code, normal(1)) == {"wild-value"}


def test_rounded_readings_are_ties() -> None:
    assert codes(np.round(normal(0), 1), normal(1)) == {"ties"}
    assert codes(np.round(normal(0), 6), normal(1)) == set()


def test_row_numbers_and_clocks_are_indices() -> None:
    assert codes(np.arange(N), normal(1)) == {"row-index"}
    assert codes(normal(1), 7.5 - 0.1 * np.arange(N)) == {"row-index"}
    assert "row-index" not in codes(np.random.default_rng(0).permutation(N), normal(1))


def test_constant_columns_and_few_samples() -> None:
    assert codes(np.column_stack([normal(0), np.ones(N)]), normal(1)) == {"constant-column"}
    assert codes(normal(0, 30), normal(1, 30)) == {"few-samples"}
    assert codes(np.random.default_rng(0).standard_normal((80, 20)), normal(1, 80)) == {"few-samples"}


@pytest.mark.parametrize(
    ("name", "y"),
    [
        ("copy", lambda x: x),
        ("increasing", lambda x: np.exp(x)),
        ("decreasing", lambda x: -(x**3)),
        ("exact function", lambda x: np.round(x) ** 2),
    ],
)
def test_deterministic_relations_are_found(name: str, y: Any) -> None:
    x = np.round(normal(0)) if name == "exact function" else normal(0)
    found = [r.message for r in remarks(pair(x, y(x))) if r.code == "deterministic"]
    assert found and name in found[0]
    noisy = y(x) + 1e-3 * normal(1)
    assert "deterministic" not in codes(x, noisy)


def test_linear_functions_of_several_columns_are_found_in_both_directions() -> None:
    x = np.random.default_rng(0).standard_normal((N, 3))
    total = x @ [1.0, -2.0, 0.5] + 4
    assert codes(x, total) == codes(total, x[:, :1]) | {"deterministic"} == {"deterministic"}
    assert codes(total[:, None], np.column_stack([normal(5), 2 * total - 1])) == {"deterministic"}
    assert codes(x, total + 1e-4 * normal(1)) == set()


def test_rows_that_repeat() -> None:
    rng = np.random.default_rng(0)
    x, y = normal(0), normal(1)
    again = rng.choice(N, 100)
    order = rng.permutation(N + 100)
    found = codes(np.concatenate([x, x[again]])[order], np.concatenate([y, y[again]])[order])
    assert "duplicate-rows" in found
    assert "duplicate-rows" not in codes(rng.integers(0, 4, N), rng.integers(0, 4, N))
    assert "duplicate-rows" not in codes(rng.integers(0, 2, N), normal(0))
    # a file that was appended to itself: what its copies show is no further finding
    for times in (2, 5):
        assert codes(np.repeat(x, times), np.repeat(x + y, times)) == {"duplicate-rows"}


@pytest.mark.parametrize("n", [50, 200, 2000])
@pytest.mark.parametrize("rho", [0.0, 0.9, 0.999])
def test_values_that_meet_by_chance_are_no_copies(n: int, rho: float) -> None:
    rng = np.random.default_rng(n)
    x, noise = rng.standard_normal((2, n))
    y = rho * x + math.sqrt(1 - rho**2) * noise
    doses = rng.choice(np.geomspace(1e-3, 1e3, 50), (2, n))
    rain = np.where(x < 0.2, 0, x), np.where(y < 0.2, 0, y)
    cases: list[Any] = [
        *((np.round(x, d), np.round(y, d)) for d in (0, 1, 2, 3)),
        rain,
        np.round(rain, 2),
        doses,
        (doses[0], rng.integers(0, 2, n)),
        np.round(rng.standard_cauchy((2, n)), 1),
    ]
    assert not any(repeated_rows(np.column_stack(case)).any() for case in cases)


def test_heavy_tails_and_wild_values() -> None:
    cauchy = np.random.default_rng(3).standard_cauchy(N)
    assert codes(cauchy, normal(1)) & {"heavy-tails", "wild-value"}
    assert codes(np.exp(4 * normal(0)), normal(1)) & {"heavy-tails", "wild-value"}
    for wild in (1e6, -1e3):
        x = normal(0)
        x[17] = wild
        (found,) = remarks(pair(x, normal(1)))
        assert found.code == "wild-value" and f"{wild:.6g}" in found.message and found.columns == ("x0",)
    counts = np.append(np.random.default_rng(0).permutation(100), 1000.0)
    assert "wild-value" in codes(counts, normal(1, 101))
    missing = normal(0)
    missing[:3] = -9999
    assert "3 values" in next(r.message for r in remarks(pair(missing, normal(1))) if r.code == "wild-value")


@pytest.mark.parametrize("share", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("code", [-999.0, 99.0])
def test_a_number_that_stands_for_a_missing_value(share: float, code: float) -> None:
    x = normal(0)
    x[np.random.default_rng(1).random(N) < share] = code
    found = [r for r in remarks(pair(x, normal(1))) if r.code in ("wild-value", "heavy-tails")]
    assert [r.code for r in found] == ["wild-value"] and f"all {code:g}, far from" in found[0].message
    income = np.where(normal(2) < 0, 0, 30_000 + 8_000 * normal(3))  # an atom that belongs there
    assert "wild-value" not in codes(income, normal(1))


@pytest.mark.parametrize("answers", [(0, 1), (1, 2, 3, 4, 5)])
@pytest.mark.parametrize("no_answer", [(99,), (-9,), (98, 99)])
def test_a_code_for_no_answer_among_few_answers(answers: tuple[int, ...], no_answer: tuple[int, ...]) -> None:
    rng = np.random.default_rng(2)
    x = rng.choice(answers, N)
    assert "wild-value" not in codes(x, normal(1))
    x[rng.random(N) < 0.1] = no_answer[0]
    x[:5] = no_answer[-1]
    (found,) = [r for r in remarks(pair(x, normal(1))) if r.code in ("wild-value", "heavy-tails")]
    assert found.code == "wild-value" and f"of x0 are all {no_answer[-1]}, far from" in found.message


@pytest.mark.parametrize("levels", [(1, 10, 100, 1000), (97, 98, 99), (0, 99), (70, 80, 90, 100), (0.5, 1, 77.7)])
def test_few_levels_far_apart_are_no_codes(levels: tuple[float, ...]) -> None:
    assert "wild-value" not in codes(np.random.default_rng(0).choice(levels, N), normal(1))


def test_rows_in_an_order_of_their_own() -> None:
    series = np.zeros((2, 2000))
    for t in range(1, 2000):
        series[:, t] = 0.9 * series[:, t - 1] + np.random.default_rng(t).standard_normal(2)
    assert codes(*series) == {"autocorrelated-rows"}
    free = normal(1, 2000)  # beside it the order of a series changes no error and no p
    assert codes(series[0], free) == codes(free, series.T) == set()
    x = np.sort(normal(0))
    assert codes(x, x + normal(1)) == {"sorted-rows"}
    shuffled = np.random.default_rng(0).permutation(2000)
    assert codes(*series[:, shuffled]) == set()


@pytest.mark.parametrize("seed", range(5))
def test_columns_over_many_powers_of_ten_are_no_functions(seed: int) -> None:
    x, noise = np.random.default_rng(seed).standard_normal((2, 800))
    assert "deterministic" not in codes(10 ** (30 * x), 10 ** (24 * x + 18 * noise))


@pytest.mark.parametrize("seed", range(5))
def test_smooth_functions_are_told_from_noise_of_any_size_that_shows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, noise = rng.standard_normal((2, 1000))
    plane = rng.standard_normal((1000, 2))
    for predictor, y in ((x, np.sin(3 * x)), (x, x**2), (plane, plane[:, 0] * plane[:, 1])):
        (found,) = [r for r in remarks(pair(predictor, y)) if r.code == "deterministic"]
        assert "y0 follows" in found.message and "infinitely" in found.message
        (found,) = [r for r in remarks(pair(y, predictor)) if r.code == "deterministic"]  # in either direction
        assert "x0 follows" in found.message
        for size in (1e-1, 1e-2):
            assert "deterministic" not in codes(predictor, y + size * noise)
    assert "deterministic" not in codes(np.cumsum(x), np.cumsum(noise))  # two walks are no function of each other
    assert "deterministic" not in codes(np.round(x, 1), np.sin(x) + 0.01 * noise)


def test_no_infinity_is_claimed_of_discrete_copies() -> None:
    x = np.random.default_rng(0).integers(0, 4, N)
    (found,) = [r for r in remarks(pair(x, x)) if r.code == "deterministic"]
    assert "entropy" in found.message and "infinit" not in found.message
    (found,) = [r for r in remarks(pair(normal(0), normal(0))) if r.code == "deterministic"]
    assert "infinitely" in found.message


def test_keys_in_another_order_are_noticed() -> None:
    keys = np.random.default_rng(0).permutation(N)
    assert "same-keys" in codes(keys, np.random.default_rng(1).permutation(keys))
    assert "same-keys" not in codes(keys, keys) and "same-keys" not in codes(keys, keys + 1)


def test_answers_above_the_entropy_are_errors() -> None:
    rng = np.random.default_rng(0)
    x = rng.random(1000) < 0.1
    two = pair(x.astype(float), normal(1, 1000))
    entropy = -0.1 * math.log(0.1) - 0.9 * math.log(0.9)
    most = greatest_entropy(two.x)
    assert most is not None and entropy < most < 1.2 * entropy and greatest_entropy(two.y) is None
    answers = [("low", Estimate(0.9 * entropy)), ("high", Estimate(0.6)), ("wild", Estimate(math.inf))]
    (found,) = answer_remarks(two, answers)
    assert found.code == "above-entropy" and found.columns == ("high", "wild") and f"{most:.3f} nats" in found.message
    # the limit holds in 98 % of samples and more: letters that were not seen can make it too low
    h = (-0.4 * math.log(0.4) - 0.6 * math.log(0.6)) / 0.4
    drawn = (np.random.default_rng(seed).geometric(0.4, 150) for seed in range(200))
    limits = [greatest_entropy(pair(v, v).x) for v in drawn]
    assert np.mean([limit is None or limit > h for limit in limits]) >= 0.98


def test_answers_that_rest_on_some_columns_name_them() -> None:
    three = pair(np.column_stack([normal(0), normal(1)]), normal(2))
    few = Estimate(0.5, diagnostics={"columns": {"x": [1], "y": [0]}})
    assert answer_remarks(three, [("all", Estimate(0.5, diagnostics={"columns": {"x": [0, 1], "y": [0]}}))]) == []
    (found,) = answer_remarks(three, [("a", few), ("b", few), ("c", Estimate(0.4))])
    assert found.code == "few-columns" and found.columns == (three.x.names[1], three.y.names[0])
    assert found.message.startswith(f"a, b find the most in {', '.join(found.columns)} alone; the other column says")


def test_answers_near_log_n_say_so_once() -> None:
    two = pair(normal(0), normal(1))
    near = ("near", Estimate(math.log(N) - 1))
    told = ("bound", Estimate(3.0, diagnostics={"saturated": True}))
    assert answer_remarks(two, [("low", Estimate(1.0)), ("endless", Estimate(math.inf))]) == []
    assert [r.columns for r in answer_remarks(two, [near, told, ("low", Estimate(1.0))])] == [("bound",), ("near",)]
    copy = pair(normal(0), normal(0))
    assert answer_remarks(copy, [near], remarks(copy)) == []
