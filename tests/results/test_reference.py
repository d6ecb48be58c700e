"""The reference table: its population is what it says, and its truths are true."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mibench.advice.forest import forest_arrays, read_forest

REFERENCE = Path(__file__).parents[2] / "results" / "reference"


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    names = ("distributions", "population", "table", "fit")
    sys.path.insert(0, str(REFERENCE))
    try:
        yield {name: __import__(name) for name in names}
    finally:
        sys.path.remove(str(REFERENCE))
        for name in names:
            sys.modules.pop(name, None)


def test_a_sample_is_a_function_of_its_number(modules: dict[str, ModuleType]) -> None:
    first, again = (modules["population"].sample(7) for _ in range(2))
    assert (first.x == again.x).all() and (first.y == again.y).all() and first.truth == again.truth


def test_every_family_draws_tasks_and_torn_pairs_share_nothing(modules: dict[str, ModuleType]) -> None:
    families = modules["population"].FAMILIES
    drawn = [modules["population"].sample(i) for i in range(2 * len(families))]
    assert {s.family for s in drawn} == set(families)
    for s in drawn:
        assert 100 <= len(s.x) == len(s.y) <= modules["population"].MOST
        assert np.isfinite(s.x).all() and np.isfinite(s.y).all() and s.truth >= 0
        assert s.truth == 0 or "torn" not in s.changes


@pytest.mark.parametrize("seed", range(8))
def test_copulas_have_uniform_margins_and_densities_that_integrate_to_one(
    seed: int, modules: dict[str, ModuleType]
) -> None:
    copula = modules["distributions"].Copula(np.random.default_rng(seed))
    copula.pairs = copula.dim_x = copula.dim_y = 1
    copula.marginal = "uniform"
    copula.theta = min(copula.theta, 3.0)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    u, w = (nodes + 1) / 2, weights / 2
    grid = [g.reshape(-1, 1) for g in np.meshgrid(u, u)]
    density = np.exp(copula.log_density_ratio(*grid)).reshape(400, 400)
    inside = slice(20, -20)  # in the corners the density has peaks between the nodes
    assert (w @ density)[inside] == pytest.approx(np.ones(360), abs=0.02)
    assert w @ density @ w == pytest.approx(1.0, abs=0.01)
    information = w @ (density * np.log(np.maximum(density, 1e-300))) @ w
    assert copula.mutual_information == pytest.approx(information, abs=0.02)
    x, y = copula.draw(20_000, np.random.default_rng(1))
    counted = np.histogram2d(x[:, 0], y[:, 0], bins=4, range=((0, 1), (0, 1)))[0] / 20_000
    cells = (density * np.outer(w, w)).T
    at = np.minimum((u * 4).astype(int), 3)
    expected = np.zeros((4, 4))
    np.add.at(expected, (at[:, None], at[None, :]), cells)
    assert counted == pytest.approx(expected, abs=0.015)


def test_quadrature_on_a_grid_gives_what_the_closed_form_gives(modules: dict[str, ModuleType]) -> None:
    class Linear(modules["distributions"].Grid):  # type: ignore[misc]
        def centre(self, x):  # type: ignore[no-untyped-def]
            return x

        def scale(self, x):  # type: ignore[no-untyped-def]
            return np.full_like(x, 0.7)

        def quantile(self, u):  # type: ignore[no-untyped-def]
            from scipy.stats import norm

            return norm.ppf(u)

    task = Linear(np.random.default_rng(0))
    task.noise = "normal"
    assert task.mutual_information == pytest.approx(task.dim_x * 0.5 * np.log(1 + 1 / 0.49), abs=2e-3)


def test_lines_of_one_sample_are_joined_and_a_torn_line_is_none(
    modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = modules["table"]
    monkeypatch.setattr(table, "TABLE", tmp_path / "table.jsonl")
    monkeypatch.setattr(table, "PUBLISHED", tmp_path / "table.jsonl.gz")
    lines = [
        {"index": 0, "answers": {"a": [1.0, None]}, "seconds": {"a": 0.1}, "observed": {"n": 5.0}},
        {"index": 0, "answers": {"b": None}, "seconds": {"b": 0.2}},
    ]
    (tmp_path / "table.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"index": 1, "ans')
    assert table.rows() == {0: {**lines[0], "answers": {"a": [1.0, None], "b": None}, "seconds": {"a": 0.1, "b": 0.2}}}
    assert list(table.missing(2, ["a", "b"])) == [(1, ["a", "b"], False)]
    assert list(table.missing(1, ["a", "b", "c"])) == [(0, ["c"], True)]
    before = table.rows()
    table.pack()
    assert table.rows() == before and not (tmp_path / "table.jsonl").exists()


def test_exported_trees_predict_what_scikit_learn_predicts(modules: dict[str, ModuleType]) -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((400, 3))
    inputs[rng.random(inputs.shape) < 0.1] = np.nan
    y = np.nan_to_num(inputs[:, 0]) ** 2 + np.isnan(inputs[:, 1])
    fitted = HistGradientBoostingRegressor(max_iter=20, max_leaf_nodes=6).fit(inputs, y)
    forest = read_forest("f", forest_arrays("f", modules["fit"].exported(fitted)))
    assert forest.predict(inputs) == pytest.approx(fitted.predict(inputs), abs=1e-5)
