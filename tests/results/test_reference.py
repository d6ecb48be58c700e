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
    names = sorted(file.stem for file in REFERENCE.glob("*.py"))
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


@pytest.mark.parametrize("index", [7, 21, 4002, 5001, 5010, 6561, 7100, 7108, 7111, 7710, 8997])
def test_published_rows_are_of_the_samples_that_the_population_draws(
    index: int, modules: dict[str, ModuleType]
) -> None:
    row, drawn = modules["table"].rows()[index], modules["population"].sample(index)
    assert (row["family"], row["task"], row["n"]) == (drawn.family, drawn.task, len(drawn.x))
    assert (row["dim_x"], row["dim_y"]) == (drawn.x.shape[1], drawn.y.shape[1])
    assert row["truth"] == pytest.approx(drawn.truth, rel=1e-6, abs=1e-9)


def test_every_family_draws_tasks_and_torn_pairs_share_nothing(modules: dict[str, ModuleType]) -> None:
    families = modules["population"].FAMILIES
    drawn = [modules["population"].sample(i) for i in range(2 * len(families))]
    assert {s.family for s in drawn} == set(families)
    for s in drawn:
        assert 100 <= len(s.x) == len(s.y) <= modules["population"].MOST
        assert np.isfinite(s.x).all() and np.isfinite(s.y).all() and s.truth >= 0
        assert s.truth == 0 or "torn" not in s.changes


def _quick(population: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truths that are means, from few draws."""
    for kind in (population.Groups, population.Curves, population.SharedScale):
        for base in kind.__mro__:
            if "draws" in vars(base):
                monkeypatch.setattr(base, "draws", 1000)


def test_further_families_and_small_samples_follow_the_first(
    modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    population = modules["population"]
    _quick(population, monkeypatch)
    drawn = [population.sample(i) for i in range(5000, 5000 + len(population.FURTHER))]
    assert {s.family for s in drawn} == set(population.FURTHER)
    assert all(50 <= len(s.x) == len(s.y) <= population.MOST for s in drawn)
    drawn = [population.sample(i) for i in range(6560, 6560 + 39, 3)]
    assert len({s.family for s in drawn}) == 13
    assert all(45 <= len(s.x) == len(s.y) <= 130 for s in drawn)
    drawn = [population.sample(i) for i in range(7106, 7106 + 2 * len(population.LATEST))]
    assert {s.family for s in drawn} == set(population.LATEST)
    assert all(45 <= len(s.x) == len(s.y) <= population.MOST for s in drawn)


RATIOS = ("angles", "checkerboards", "classes", "curves", "interactions", "networks", "regressions", "responses")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("family", [*RATIOS, "groups", "shared-scale"])
def test_densities_agree_with_draws(
    family: str, seed: int, modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With r the ratio of the joint density to the product, E_joint g / (1 + r) = E_product g r / (1 + r) for any g."""
    population = modules["population"]
    _quick(population, monkeypatch)
    task = population.ALL[family](np.random.default_rng([31, seed]))
    n = 4000
    x, y = task.draw(n, np.random.default_rng(seed))
    apart = y[np.random.default_rng([seed, 1]).permutation(n)]
    joint = 1 / (1 + np.exp(np.clip(task.log_density_ratio(x, y), -700, 700)))
    product = 1 / (1 + np.exp(np.clip(-task.log_density_ratio(x, apart), -700, 700)))

    def sides(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        signs = np.sign(x[:, 0] - np.median(x[:, 0])) * np.sign(y[:, -1] - np.median(y[:, -1]))
        far = (np.abs(v).sum(axis=1) > np.median(np.abs(v).sum(axis=1)) for v in (x, y))
        return np.column_stack([np.ones(n), signs, np.prod(list(far), axis=0)])

    left, right = joint[:, None] * sides(x, y), product[:, None] * sides(x, apart)
    spread = np.sqrt((left.var(axis=0) + right.var(axis=0)) / n)
    assert (np.abs(left.mean(axis=0) - right.mean(axis=0)) <= 4.5 * spread + 1e-3).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("family", ["Angles", "Checkerboard"])
def test_closed_forms_are_means_of_the_log_ratio(family: str, seed: int, modules: dict[str, ModuleType]) -> None:
    task = getattr(modules["relations"], family)(np.random.default_rng(seed))
    ratio = task.log_density_ratio(*task.draw(20_000, np.random.default_rng(seed)))
    assert task.mutual_information == pytest.approx(ratio.mean(), abs=float(5 * ratio.std() / np.sqrt(20_000)) + 1e-9)


def test_information_of_shares_tables_and_windows(modules: dict[str, ModuleType]) -> None:
    from scipy import stats

    relations = modules["relations"]
    shares = relations.Proportions(np.random.default_rng(0))
    shares.dim_x = shares.dim_y = 1
    shares._weights = np.array([2.0, 1.5, 3.0])
    x, y = shares.draw(20_000, np.random.default_rng(1))
    joint = stats.dirichlet.logpdf(np.hstack([x, y, 1 - x - y]).T, shares._weights)
    ratio = joint - stats.beta(2.0, 4.5).logpdf(x[:, 0]) - stats.beta(1.5, 5.0).logpdf(y[:, 0])
    assert shares.mutual_information == pytest.approx(ratio.mean(), abs=float(5 * ratio.std() / np.sqrt(20_000)))

    tables = relations.Tables(np.random.default_rng(3))
    x, y = tables.draw(200_000, np.random.default_rng(1))
    for pair, table in enumerate(tables._tables):
        counted = np.zeros(table.shape)
        np.add.at(counted, (x[:, pair].astype(int), y[:, pair].astype(int)), 1 / len(x))
        assert counted == pytest.approx(table, abs=0.005)

    windows = relations.Windows(np.random.default_rng(5))
    x, y = windows.draw(100_000, np.random.default_rng(2))
    assert np.cov(np.hstack([x, y]).T) == pytest.approx(windows._covariance, abs=0.05)
    rho = windows._covariance[0, 0], windows._covariance[0, -1]
    windows._covariance, windows.dim_x = np.array([rho, rho[::-1]]), 1
    assert windows.mutual_information == pytest.approx(-0.5 * np.log(1 - (rho[1] / rho[0]) ** 2))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("family", ["associations", "codes", "rules"])
def test_information_of_letters_is_that_of_their_counts(family: str, seed: int, modules: dict[str, ModuleType]) -> None:
    task = modules["population"].ALL[family](np.random.default_rng(seed))
    n = 200_000
    x, y = task.draw(n, np.random.default_rng(1))
    x = x[:, : task.active] if family == "rules" else x  # the other columns are noise
    in_x, in_y = (np.unique(v, axis=0, return_inverse=True)[1].reshape(-1) for v in (x, y))
    counted = np.zeros((in_x.max() + 1, in_y.max() + 1))
    np.add.at(counted, (in_x, in_y), 1 / n)
    product, seen = np.outer(counted.sum(axis=1), counted.sum(axis=0)), counted > 0
    found = (counted[seen] * np.log(counted[seen] / product[seen])).sum()
    bias = (np.array(counted.shape) - 1).prod() / (2 * n)
    assert task.mutual_information == pytest.approx(found - bias, abs=0.006 + bias)


@pytest.mark.parametrize("seed", range(6))
def test_information_of_precise_relations_is_what_their_noise_leaves(seed: int, modules: dict[str, ModuleType]) -> None:
    task = modules["relations"].Precise(np.random.default_rng(seed))
    x, y = task.draw(20_000, np.random.default_rng(1))
    if task.teeth:
        away = (y - task.teeth * x + 0.5) % 1 - 0.5
        assert np.abs(away).max() == pytest.approx(task.noise, rel=0.01)  # uniform, and so is y around the circle
        given = np.log(2 * task.noise)
    else:
        away = y - np.sqrt(1 - task.noise**2) * x
        assert away.std() == pytest.approx(task.noise, rel=0.03) and y.std() == pytest.approx(1, rel=0.03)
        given = np.log(task.noise)  # the entropy given x less that of y, both normal
    assert task.mutual_information == pytest.approx(-given * task.pairs)


def test_copies_add_up_turned_or_not(modules: dict[str, ModuleType]) -> None:
    relations, base = modules["relations"], modules["relations"].Checkerboard(np.random.default_rng(1))
    for seed in range(6):
        copies = relations.Copies(np.random.default_rng(seed), base)
        assert copies.mutual_information == pytest.approx(copies.count * base.mutual_information)
        x, y = copies.draw(50, np.random.default_rng(0))
        x, y = (v @ turn.T if copies.rotated else v for v, turn in zip((x, y), copies._turns, strict=True))
        pairs = [
            base.log_density_ratio(x[:, i : i + base.dim_x], y[:, i : i + base.dim_y])
            for i in range(0, copies.dim_x, base.dim_x)
        ]
        assert np.isfinite(pairs).all()  # every copy lies within the base's support


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


def test_samples_are_learned_without_the_members_that_train_too(modules: dict[str, ModuleType]) -> None:
    full = {"index": 0, "answers": {"ksg": [1.0, None], "mine-ema": [0.9, 0.1]}, "seconds": {"ksg": 0.1}, "truth": 1.0}
    part = {"index": 1, "answers": {"ksg": [0.2, None]}, "seconds": {"ksg": 0.1}, "truth": 0.3}
    rows = modules["fit"].with_fast([full, part])
    assert rows[:2] == [full, part]
    assert rows[2:] == [{**full, "answers": {"ksg": [1.0, None]}, "seconds": {}, "fast": True}]


def test_a_fold_leaves_out_whole_families_and_every_row_once(modules: dict[str, ModuleType]) -> None:
    fit = modules["fit"]
    names = [f"family {i}" for i in range(39)]
    table = fit.Table([{"family": name} for name in names * 3], (), None)
    folds = fit.folds(table)
    assert (np.sum(folds, axis=0) == 1).all() and all(fold.any() for fold in folds)
    for fold in folds:
        assert not set(table.family[fold]) & set(table.family[~fold])


def test_exported_trees_predict_what_scikit_learn_predicts(modules: dict[str, ModuleType]) -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((400, 3))
    inputs[rng.random(inputs.shape) < 0.1] = np.nan
    y = np.nan_to_num(inputs[:, 0]) ** 2 + np.isnan(inputs[:, 1])
    fitted = HistGradientBoostingRegressor(max_iter=20, max_leaf_nodes=6).fit(inputs, y)
    forest = read_forest("f", forest_arrays("f", modules["fit"].exported(fitted)))
    assert forest.predict(inputs) == pytest.approx(fitted.predict(inputs), abs=1e-5)
