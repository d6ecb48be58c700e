"""KSG of chosen columns: what it finds, that nothing shows of the choice or is counted twice, and what cells say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mibench.estimators._cells import CELLS, Within, information_in_cells
from mibench.estimators._columns import chosen_blocks, told_twice
from mibench.estimators.copula_ksg import CopulaKSG
from mibench.estimators.ksg import KSG, prepared
from mibench.estimators.selected_ksg import Chosen, SelectedKSG

from mibench.estimator import Array
from mibench.registry import estimators, tasks
from mibench.task import Task


def behind(selector: str, further: int, n: int, seed: int = 0) -> tuple[Array, Array, float]:
    """Samples of a task, in random columns among ``further`` of noise on either side; and its information."""
    task = tasks.create(selector)
    assert isinstance(task, Task)
    rng = np.random.default_rng([8, seed])
    x, y = (np.hstack([v, rng.standard_normal((n, further))]) for v in task.draw(n, rng))
    return x[:, rng.permutation(x.shape[1])], y[:, rng.permutation(y.shape[1])], task.mutual_information


@pytest.mark.parametrize(
    "selector", ["1v1-X-0.9", "multiplicative-noise[spread=1.0]", "archimedean[copula=clayton]", "2v1-galaxy-0.5-3.0"]
)
@pytest.mark.parametrize("name", ["selected-ksg", "copula-ksg"])
def test_noise_in_other_columns_hides_nothing(name: str, selector: str) -> None:
    x, y, truth = behind(selector, 12, 2000)
    assert KSG().estimate(x, y).mi < truth / 2
    assert estimators.create(name).estimate(x, y).mi == pytest.approx(truth, abs=0.1)


def test_of_few_columns_what_only_two_say_together_is_found() -> None:
    """The sign of y is the product of the signs of two columns of x, either of which says nothing."""
    rng = np.random.default_rng(1)
    x, noise = rng.standard_normal((2, 1500, 5))
    y = np.prod(np.sign(x[:, [1, 3]]), axis=1) * abs(noise[:, 0])
    found = SelectedKSG().estimate(x, y)
    assert found.diagnostics["columns"] == {"x": [1, 3], "y": [0]}
    few = KSG().estimate(x[:, [1, 3]], y).mi
    assert found.mi == pytest.approx(few, abs=1e-12) and few > KSG().estimate(x, y).mi + 0.2


def test_of_one_column_each_it_is_ksg() -> None:
    x, y, _ = behind("1v1-X-0.9", 0, 500)
    assert SelectedKSG(5).estimate(x, y, 3).mi == pytest.approx(KSG(5).estimate(x, y).mi, abs=1e-12)


def test_the_choice_does_not_show_in_the_answer() -> None:
    """The greatest of 36 answers would be too great; averaged over the other half of the samples it is not."""
    honest, greedy = [], []
    for seed in range(40):
        x, y = np.random.default_rng([9, seed]).standard_normal((2, 400, 6))
        honest.append(SelectedKSG().estimate(x, y, seed).mi)
        blocks = chosen_blocks(prepared(x, y, standardize=True), 3)
        greedy.append(sum(KSG().estimate(x[:, columns], y[:, others]).mi for columns, others in blocks))
    error = np.std(honest) / math.sqrt(len(honest))
    assert abs(np.mean(honest)) < 4 * error < 0.04 < np.mean(greedy)


def test_the_columns_of_a_half_are_chosen_on_the_other() -> None:
    x, y, _ = behind("1v1-X-0.9", 3, 600)
    chosen = Chosen.of(prepared(x, y, standardize=True), 3, np.random.default_rng(0))
    torn = y.copy()
    torn[chosen.halves[0]] = y[np.random.default_rng(1).permutation(chosen.halves[0])]
    again = Chosen.of(prepared(x, torn, standardize=True), 3, np.random.default_rng(0))
    assert again.blocks[0] == chosen.blocks[0] and again.blocks[1] != chosen.blocks[1]


def test_many_columns_that_say_nothing_change_nothing() -> None:
    """Not even where the copula knows what there is: the answer is that of all columns."""
    for seed in range(4):
        rng = np.random.default_rng([10, seed])
        x, noise = rng.standard_normal((2, 600, 10))
        found = CopulaKSG().estimate(x, 0.6 * x + 0.8 * noise, seed)
        assert "columns" not in found.diagnostics and found.mi == pytest.approx(-5 * math.log(0.64), abs=0.35)
        assert abs(CopulaKSG().estimate(x, noise, seed).mi) < 0.06


# Blocks --------------------------------------------------------------------------------------------------------------


def apart(selector: str, copies: int, n: int) -> tuple[Array, Array, float]:
    """Independent copies of a task of one column each, those of y in another order; and their information."""
    task = tasks.create(selector)
    assert isinstance(task, Task)
    rng = np.random.default_rng([11, copies])
    x, y = (np.hstack(side) for side in zip(*(task.draw(n, rng) for _ in range(copies)), strict=True))
    return x, y[:, rng.permutation(copies)], copies * task.mutual_information


@pytest.mark.parametrize(
    "selector", ["1v1-X-0.9", "multiplicative-noise[spread=1.0]", "equitability[function=sine,dim=1]"]
)
@pytest.mark.parametrize("name", ["selected-ksg", "copula-ksg"])
def test_many_pairs_that_depend_each_apart_are_all_found(name: str, selector: str) -> None:
    x, y, truth = apart(selector, 12, 1200)
    assert KSG().estimate(x, y).mi < truth / 2
    found = estimators.create(name).estimate(x, y)
    assert found.mi == pytest.approx(truth, rel=0.08) and found.diagnostics.get("blocks", 12) >= 11


def test_a_block_has_all_that_tell_of_its_column() -> None:
    """Ten columns of y, each a product of two of x, of which either says little."""
    rng = np.random.default_rng(12)
    x, noise = rng.standard_normal((1500, 20)), rng.standard_normal((1500, 10))
    y = x[:, ::2] * x[:, 1::2] + 0.3 * noise
    one = KSG().estimate(*(np.concatenate(side) for side in ([x[:, 2 * i : 2 * i + 2] for i in range(10)], y.T)))
    assert SelectedKSG().estimate(x, y).mi == pytest.approx(10 * one.mi, rel=0.15)


@pytest.mark.parametrize("sides", ["both", "x", "y"])
def test_what_is_said_again_in_other_columns_is_not_counted_twice(sides: str) -> None:
    """Noisy copies of one column, or of two that depend: together they tell no more than the columns without noise."""
    rng = np.random.default_rng(13)
    task = tasks.create("1v1-X-0.9")
    assert isinstance(task, Task)
    x, y = task.draw(1000, rng)
    x, y = (
        np.hstack([v] * 6) + 0.1 * rng.standard_normal((1000, 6)) if sides in ("both", name) else v
        for name, v in (("x", x), ("y", y))
    )
    for name in ("selected-ksg", "copula-ksg"):
        assert estimators.create(name).estimate(x, y).mi < task.mutual_information + 0.08


@pytest.mark.parametrize("seed", range(20))
def test_the_sum_over_blocks_less_what_one_side_shares_is_a_lower_bound(seed: int) -> None:
    """Of any Gaussian, where every term is known; with as many samples as leave nothing to chance."""
    rng = np.random.default_rng([14, seed])
    factor = rng.standard_normal((9, int(rng.integers(2, 12))))
    covariance = factor @ factor.T + np.diag(rng.uniform(0.1, 1, 9))
    scale = np.sqrt(np.diag(covariance))
    rho = covariance / np.outer(scale, scale)

    def half_log_det(columns: tuple[int, ...]) -> float:
        return float(np.linalg.slogdet(rho[np.ix_(columns, columns)])[1]) / 2

    def information(x: tuple[int, ...], y: tuple[int, ...]) -> float:
        return half_log_det(x) + half_log_det(y) - half_log_det(x + y)

    of_x, of_y = ((0, 1), (2,), (3, 4)), ((5,), (6,), (7, 8))
    within = Within(10**9, rho, np.zeros((9, 9)))
    bound = sum(map(information, of_x, of_y)) - min(within.shared(of_x), within.shared(of_y))
    assert bound <= information((0, 1, 2, 3, 4), (5, 6, 7, 8)) + 1e-6


def test_what_columns_share_is_known_of_gaussians_and_nothing_of_independent_ones() -> None:
    rng = np.random.default_rng(15)
    x = rng.standard_normal((4000, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0.8], [0, 0, 1]])
    rho = np.corrcoef(x.T)
    whole, pair = (-np.linalg.slogdet(rho[:d, :d])[1] / 2 for d in (3, 2))
    assert Within.of(np.exp(x)).shared([(0,), (1,), (2,)]) == pytest.approx(whole, abs=0.02)
    assert Within.of(x).shared([(1, 0), (2,)]) == pytest.approx(whole - pair, abs=0.02)
    for n, d in ((60, 15), (300, 40), (2000, 40)):
        nothing = [Within.of(rng.standard_normal((n, d))).shared([(i,) for i in range(d)]) for _ in range(10)]
        assert np.mean(nothing) < 0.3


def test_what_columns_share_beyond_a_correlation_counts() -> None:
    """A circle with noise has no correlation, but each coordinate tells of the other."""
    rng = np.random.default_rng(16)
    angle = rng.uniform(0, 2 * np.pi, 3000)
    circle = np.column_stack([np.cos(angle), np.sin(angle)]) + 0.1 * rng.standard_normal((3000, 2))
    known = KSG().estimate(*circle.T).mi
    assert 0.5 * known < Within.of(circle).shared([(0,), (1,)]) < known
    samples = prepared(circle, circle, standardize=True)
    assert told_twice((((0,), (0,)), ((1,), (1,))), samples) == pytest.approx(Within.of(circle).shared([(0,), (1,)]))
    assert told_twice((((0, 1), (0, 1)),), samples) == 0


def test_a_constant_column_and_copies_of_columns_do_no_harm() -> None:
    rng = np.random.default_rng(17)
    x = rng.standard_normal((300, 2))
    shared = Within.of(np.column_stack([x, x, np.ones(300)])).shared([(0,), (1,), (2,), (3,), (4,)])
    assert 10 < shared < 30


# Cells ---------------------------------------------------------------------------------------------------------------


def test_information_in_cells_is_that_of_every_table() -> None:
    """One pair of columns at a time, counted with numpy; some values repeat."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((700, 3))
    y = np.column_stack([x[:, 0] + rng.standard_normal(700), rng.integers(0, 5, 700), -x[:, 2]])
    found = information_in_cells(x, y)
    for i, j in np.ndindex(3, 3):
        assert found[i, j] == pytest.approx(_in_cells(x[:, i], y[:, j]), abs=1e-6)
    assert found[2, 2] == pytest.approx(math.log(CELLS), abs=0.01)


def _in_cells(a: Array, b: Array) -> float:
    cells = [np.searchsorted(_edges(v), v, side="right") for v in (a, b)]
    joint = np.zeros((CELLS, CELLS))
    np.add.at(joint, tuple(cells), 1 / len(a))
    product = np.outer(joint.sum(1), joint.sum(0))
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / product[seen])).sum())


def _edges(values: Array) -> list[float]:
    """Between values whose mean ranks are on either side of a quantile."""
    distinct, counts = np.unique(values, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    cell = (mean_rank * CELLS // (len(values) + 1)).astype(int)
    return [float(np.min(distinct[cell >= k], initial=math.inf)) for k in range(1, CELLS)]
