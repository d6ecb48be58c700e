"""KSG of chosen columns: what it finds, that the choice does not show in the answer, and what it compares in cells."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mibench.estimators.copula_ksg import CopulaKSG
from mibench.estimators.ksg import KSG, prepared
from mibench.estimators.selected_ksg import CELLS, Chosen, SelectedKSG, chosen_columns, information_in_cells

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
        x_columns, y_columns = chosen_columns(prepared(x, y, standardize=True), 3)
        greedy.append(KSG().estimate(x[:, x_columns], y[:, y_columns]).mi)
    error = np.std(honest) / math.sqrt(len(honest))
    assert abs(np.mean(honest)) < 4 * error < 0.04 < np.mean(greedy)


def test_the_columns_of_a_half_are_chosen_on_the_other() -> None:
    x, y, _ = behind("1v1-X-0.9", 3, 600)
    chosen = Chosen.of(prepared(x, y, standardize=True), 3, np.random.default_rng(0))
    torn = y.copy()
    torn[chosen.halves[0]] = y[np.random.default_rng(1).permutation(chosen.halves[0])]
    again = Chosen.of(prepared(x, torn, standardize=True), 3, np.random.default_rng(0))
    assert again.columns[0] == chosen.columns[0] and again.columns[1] != chosen.columns[1]


def test_many_columns_that_say_nothing_change_nothing() -> None:
    """Not even where the copula knows what there is: the answer is that of all columns."""
    for seed in range(4):
        rng = np.random.default_rng([10, seed])
        x, noise = rng.standard_normal((2, 600, 10))
        found = CopulaKSG().estimate(x, 0.6 * x + 0.8 * noise, seed)
        assert "columns" not in found.diagnostics and found.mi == pytest.approx(-5 * math.log(0.64), abs=0.35)
        assert abs(CopulaKSG().estimate(x, noise, seed).mi) < 0.06


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
