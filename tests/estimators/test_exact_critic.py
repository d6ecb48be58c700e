"""The bound of an estimator on the exact critic: against loops over pairs, and beside the trained estimator."""

from __future__ import annotations

import math
from typing import Any

import mibench.estimators.exact_critic as module
import numpy as np
import pytest
from mibench.estimators.critics.bounds import CLUB, FLO, NWJ, TUBA, DonskerVaradhan, InfoNCE, PlugIn
from mibench.estimators.exact_critic import ExactCritic, exact_contributions, reported_rows

from mibench import registry
from mibench.bound import Bound
from mibench.errors import Unsupported
from mibench.estimator import Array, Estimate, Estimator, Kind
from mibench.leaderboard.panels import objective
from mibench.plugin import Plugin
from mibench.result import Cell, Result, Status
from mibench.task import Task


class Numbered(Task):
    """Sample i is (i, i); its density ratio names the pair: 1000 i + j. Records how many pairs each call gets."""

    dim_x = dim_y = 1

    def __init__(self) -> None:
        object.__setattr__(self, "calls", [])

    @property
    def mutual_information(self) -> float:
        return 1.0

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        return np.arange(float(n))[:, None], np.arange(float(n))[:, None]

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        self.calls.append(len(x))  # type: ignore[attr-defined]
        return 1000 * y[:, 0] + x[:, 0]


class Silent(Numbered):
    """The same without a density."""

    log_density_ratio = Task.log_density_ratio


class Holder(Estimator):
    """An estimator that is nothing but its bound."""

    def __init__(self, name: str = "nwj") -> None:
        self.name = name

    def bound(self) -> Bound:
        bounds = {"nwj": NWJ, "dv": DonskerVaradhan, "infonce": InfoNCE, "flo": FLO, "tuba": TUBA, "club": CLUB}
        bound: Bound = bounds[self.name]()
        return bound

    def estimate(self, x: Array, y: Array, seed: int = 0) -> Estimate:
        raise AssertionError("the exact critic must not train")


class Spy(PlugIn):  # type: ignore[misc]
    """Keeps the scores that it is shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, Any]] = []

    def rows(self, joint: Any, product: Any) -> Any:
        self.seen.append((joint.numpy(), product.numpy()))
        return joint


def gauss(**params: Any) -> Task:
    task = registry.tasks.create("gauss", **params)
    assert isinstance(task, Task)
    return task


# Which pairs it sees -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("max_pairs", "others"), [(10**6, 29), (150, 5), (1, 1)])
def test_every_y_meets_its_own_x_once_and_only_others_in_the_product(max_pairs: int, others: int) -> None:
    task, spy = Numbered(), Spy()
    x, y = task.sample(30)
    terms, each = exact_contributions(spy, task, x, y, max_pairs)
    assert each == others
    assert terms.tolist() == [1001.0 * i for i in range(30)]
    rows = np.concatenate([product for _, product in spy.seen])
    assert rows.shape == (30, others)
    for i, row in enumerate(rows):
        partners = row - 1000 * i
        assert i not in partners
        assert len(set(partners)) == others
        assert set(partners) <= set(range(30))


def test_large_samples_go_through_the_density_in_bounded_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SCORES", 1000)
    monkeypatch.setattr(module, "NUMBERS", 600)
    task, spy = Numbered(), Spy()
    x, y = task.sample(301)
    exact_contributions(spy, task, x, y, 10**6)
    assert max(task.calls) <= 300  # type: ignore[attr-defined]
    assert max(product.size for _, product in spy.seen) <= 1000
    assert sum(task.calls) == 301 + 301 * 300  # type: ignore[attr-defined]


def test_pieces_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    task = gauss(dim=3, mutual_information=1.5)
    x, y = task.sample(80)
    for name in ("dv", "nwj", "infonce", "flo", "club"):
        whole = ExactCritic(Holder(name)).bind(task).estimate(x, y)
        with monkeypatch.context() as patched:
            patched.setattr(module, "SCORES", 200)
            patched.setattr(module, "NUMBERS", 100)
            pieces = ExactCritic(Holder(name)).bind(task).estimate(x, y)
        assert pieces.mi == pytest.approx(whole.mi, rel=1e-12)
        assert pieces.stderr == pytest.approx(whole.stderr, rel=1e-12)


# What it computes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dv", "nwj", "infonce", "flo", "tuba", "club"])
def test_the_value_is_the_formula_over_all_pairs(name: str) -> None:
    task = gauss(dim=2, mutual_information=1.0)
    x, y = task.sample(25, seed=3)
    r = np.empty((25, 25))
    for i in range(25):
        for j in range(25):
            r[i, j] = math.exp(task.log_density_ratio(x[j : j + 1], y[i : i + 1])[0])
    own, other = np.log(np.diag(r)), r[~np.eye(25, dtype=bool)].reshape(25, 24)
    linear = 1 + own.mean() - other.mean()
    expected = {
        "dv": own.mean() - math.log(other.mean()),
        "nwj": linear,
        "tuba": linear,
        "flo": linear,
        "infonce": np.mean(own - np.log(r.mean(1))),
        "club": own.mean() - np.log(other).mean(),
    }[name]
    estimate = ExactCritic(Holder(name)).bind(task).estimate(x, y)
    assert estimate.mi == pytest.approx(expected, rel=1e-10)
    assert estimate.diagnostics == {"samples": 25, "parts": 1, "product_per_sample": 24}


def test_the_rows_are_those_that_training_leaves_for_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watched while the trained estimator evaluates its critic."""
    from mibench.estimators.critics import evaluation

    seen: list[Any] = []
    original = evaluation.contributions

    def watched(bound: Any, critic: Any, theta: Any, x: Any, y: Any) -> Any:
        seen.extend(x.numpy().copy())  # of a stack: those with as many rows are evaluated together
        return original(bound, critic, theta, x, y)

    monkeypatch.setattr(evaluation, "contributions", watched)
    x, y = gauss(dim=2, mutual_information=1.0).sample(100, seed=5)
    for folds in (0, 3):
        seen.clear()
        trained = registry.estimators.create(f"nwj[folds={folds},standardize=none,max_steps=2,interval=1]")
        trained.estimate(x, y, 5)
        rows = reported_rows(trained, 100, 5)
        assert len(rows) == len(seen) == max(1, folds)
        for part, used in zip(rows, seen, strict=True):
            np.testing.assert_allclose(x[part], used, rtol=1e-6)


def test_its_standard_error_covers_the_truth() -> None:
    task = gauss(dim=5, mutual_information=2.0)
    for seed in range(5):
        estimate = ExactCritic(registry.estimators.create("js")).bind(task).estimate(*task.sample(2000, seed), seed)
        assert estimate.stderr is not None
        assert 0 < estimate.stderr < 0.2
        assert abs(estimate.mi - 2.0) < 4 * estimate.stderr


# What it declines, and what it is called -----------------------------------------------------------------------------


def test_it_declines_what_it_cannot_do() -> None:
    x, y = Numbered().sample(30)
    with pytest.raises(Unsupported, match="samples alone"):
        ExactCritic().estimate(x, y)
    with pytest.raises(Unsupported, match="density"):
        ExactCritic().bind(Silent()).estimate(x, y)
    with pytest.raises(Unsupported, match="no variational bound"):
        ExactCritic(registry.estimators.create("ksg")).bind(Numbered()).estimate(x, y)


def test_its_kind_is_that_of_the_bound() -> None:
    assert registry.estimators.create("exact-critic[estimator=infonce]").kind is Kind.LOWER_BOUND
    assert registry.estimators.create("exact-critic[estimator=smile]").kind is Kind.ESTIMATE


def test_binding_leaves_the_parameters_alone() -> None:
    plain = registry.estimators.create("exact-critic[estimator=smile[tau=1],max_pairs=1000]")
    assert plain.label == "exact-critic[estimator=smile[tau=1.0],max_pairs=1000]"
    bound = plain.bind(gauss())
    assert bound.params["estimator"] == plain.params["estimator"]
    assert bound.params["max_pairs"] == 1000
    assert plain.params["task"] is None


# Objective and learning error in one table ---------------------------------------------------------------------------


def record(estimator: Estimator, task: Task, seed: int, mi: float) -> Result:
    """As the runner describes a cell."""

    def params(plugin: Plugin) -> dict[str, Any]:
        return dict(plugin.identity()["params"])

    return Result(
        Cell.of(estimator, task, 100, seed),
        Status.OK,
        mi=mi,
        truth=task.mutual_information,
        role=estimator.capabilities.role,
        estimator_name=estimator.registered_name,
        estimator_params=params(estimator),
        task_name=task.registered_name,
        task_params=params(task),
    )


@pytest.mark.parametrize("selector", ["nwj", "smile[tau=1]", "infonce[folds=3,hidden=(32 32)]"])
def test_the_panel_pairs_it_with_the_trained_estimator_of_the_same_parameters(selector: str) -> None:
    task = gauss(dim=2, mutual_information=1.0)
    trained = registry.estimators.create(selector)
    exact = registry.estimators.create(f"exact-critic[estimator={selector}]")
    other = registry.estimators.create("smile[tau=3]")
    evaluated = [exact.bind(task).estimate(*task.sample(100, seed), seed).mi for seed in range(3)]
    results = [record(exact, task, seed, evaluated[seed]) for seed in range(3)]
    results += [record(trained, task, seed, evaluated[seed] - 0.25) for seed in range(3)]
    results += [record(other, task, seed, 9.0) for seed in range(3)]
    (row,) = objective(results)
    assert row.estimator == trained.label
    assert row.seeds == 3
    assert row.exact == pytest.approx(np.mean(evaluated))
    assert row.objective_error == pytest.approx(np.mean(evaluated) - 1.0)
    assert row.learning_error == pytest.approx(-0.25)
